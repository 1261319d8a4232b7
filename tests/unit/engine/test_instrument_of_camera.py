from __future__ import annotations

import pytest
from attrs import evolve, frozen

import latcal
from latcal.errors import PluginError, RecipeError
from latcal.plugin import CameraType, hookimpl
from latcal.testing.cameras import small_instrument

RECIPE = """\
latcal: 1
title: Biases of a camera that knows itself
instrument: camera
camera: {use: USE}
store: {use: memory}
sequences:
  biases: {image: bias, exposures: 3 x 0 s}
stages:
  - {make: bias, frames: [biases]}
certify: {into: calib/x, begin: 2020-01-01, end: open}
"""


@frozen
class NoOptions:
    """None."""


class Cameras:
    def __init__(self, instrument):
        self.instrument = instrument

    @hookimpl
    def latcal_cameras(self):
        yield CameraType(
            name="knowing",
            summary="Says what it is",
            options=NoOptions,
            open=lambda options, world: None,
            describe=lambda options, instrument: None,
            instrument=lambda options: self.instrument,
        )


def planned(use, instrument=None):
    registry = latcal.load_plugins(extra=[Cameras(instrument)])
    return latcal.plan(latcal.read(RECIPE.replace("USE", use), "knowing.yaml", registry), registry)


def test_a_camera_is_asked_what_it_is():
    mine = evolve(small_instrument(), name="of the camera")
    assert planned("knowing", mine).instrument == mine


def test_a_camera_that_cannot_say_it_is_named_with_what_to_write():
    words = r"knowing.yaml:3:\d+: instrument: a camera 'simulated' does not say what instrument it is \(name an instrument"
    with pytest.raises(RecipeError, match=words):
        planned("simulated")


def test_what_a_camera_says_is_looked_at():
    with pytest.raises(PluginError, match=r"instrument of the camera 'knowing' gave 'a toy', which is not an Instrument"):
        planned("knowing", "a toy")
