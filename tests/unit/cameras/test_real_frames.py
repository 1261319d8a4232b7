"""Real frames of EFOSC2, through the replay camera, against astropy alone."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time

from latcal.builtin.cameras.replay import ReplayCamera, ReplayOptions
from latcal.plugin import Amplifier, Box, Detector, Instrument, Setup, World
from latcal.testing.cameras import request

EFOSC2 = Instrument(
    "efosc2",
    (
        Detector(
            0,
            "ccd40",
            (Amplifier("L", 0, Box(0, 1030, 0, 1030), Box(0, 1024, 0, 1023), Box(0, 1024, 0, 1023), 1.1, 7.8, 65000.0),),
        ),
    ),
    filters=("Free",),
    gratings=("Free", "Gr#3"),
)


@pytest.fixture
def folder(real_data: Path) -> Path:
    return real_data / "efosc2-pair"


@pytest.fixture
def camera(folder: Path, tmp_path: Path) -> ReplayCamera:
    world = World(EFOSC2, lambda: Time.now().tai, "run", threading.Event(), tmp_path)
    return ReplayCamera(ReplayOptions(folder=folder, mapping="efosc2"), world)


def test_there_are_two_biases_and_two_flats_and_nothing_unclear(camera: ReplayCamera) -> None:
    wanted = (request(0), request(1), *(request(i, "flat", 10.31, setup=Setup("Free", "Gr#3")) for i in (2, 3)))
    assert not camera.problems(wanted)
    assert not camera.catalogue.unclear
    assert camera.catalogue.summary == (
        "2 bias of 0 s; 1 flat of 10.312 s (filter Free, grating Gr#3); 1 flat of 10.3131 s (filter Free, grating Gr#3)"
    )


def test_a_third_bias_is_missing(camera: ReplayCamera) -> None:
    assert "bias of 0 s: 3 wanted, 2 found" in camera.problems(tuple(request(i) for i in range(3)))[0]


def test_pixels_and_facts_are_those_that_astropy_reads(camera: ReplayCamera, folder: Path) -> None:
    with camera as opened:
        for index, name in enumerate(("EFOSC.2022-01-26T19-18-58.464.fits", "EFOSC.2022-01-26T19-21-12.485.fits")):
            (found,) = opened.take(request(index, "flat", 10.31))
            with fits.open(folder / name) as hdus:
                header, pixels = hdus[0].header, hdus[0].data
                assert np.array_equal(found.pixels(found.detector.amplifiers[0]), pixels)
            exposure = found.exposure
            assert (exposure.time_s, exposure.dark_time_s) == (header["EXPTIME"], header["ESO DET WIN1 DKTM"])
            # MJD-OBS has 8 decimals of a day, 0.9 ms, and differs from DATE-OBS by a rounded millisecond
            assert abs((exposure.begin - Time(header["MJD-OBS"], format="mjd", scale="utc")).to_value("s")) < 3e-3
            assert exposure.setup == Setup("Free", "Gr#3", "2x2", "fastL")
