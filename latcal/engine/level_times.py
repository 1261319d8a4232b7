"""What a plan knows of exposures to levels: between what their times are sought, and how long they are at most."""

from __future__ import annotations

import math

from attrs import evolve

from latcal.model.exposures import Level
from latcal.model.geometry import Instrument
from latcal.model.recipe import Recipe, Sequence
from latcal.model.steps import Take
from latcal.numerics.exposure import Range, first_probe
from latcal.plugin.protocols import CameraDescription
from latcal.plugin.registry import Registry

LONGEST_S = 60.0
"""Longest time that a level is solved to where a recipe says no `longest` [s]; our choice: flats are seldom longer."""

LATE_S = 1.0
"""How late a shutter may open [s]: what the times of fainter levels may have over their part of the longest; our choice."""

ZEROS = ("bias", "dark")
"""Image types without light from which levels are counted where no overscan is subtracted: the first that the camera takes."""


def needs_zero(recipe: Recipe, registry: Registry, instrument: Instrument, sequence: Sequence) -> bool:
    """Tell whether levels of a sequence must be counted from an exposure without light: its frames keep their pedestal."""
    users = [stage for stage in recipe.stages if sequence.name in stage.frames]
    kinds = [(registry.named("calibration", stage.kind), stage.options) for stage in users]
    preparations = [registry.ask(named, "preparation", options) or instrument.preparation for named, options in kinds]
    amplifiers = [amplifier for detector in instrument.detectors for amplifier in detector.amplifiers]
    return any(not one.removes_pedestal(amplifier) for one in preparations for amplifier in amplifiers)


def zero_image(camera: CameraDescription | None) -> str:
    """Give the image type of an exposure without light; empty if the camera takes none."""
    images = camera.images if camera else None
    return next((image for image in ZEROS if images is None or image in images), "")


def search_range(sequence: Sequence, instrument: Instrument, camera: CameraDescription | None) -> Range:
    """Give between what the times of a sequence's levels are sought."""
    wanted = [*sequence.exposures.levels, *(sequence.discarded.levels if sequence.discarded else ())]
    electrons = [instrument.electrons(level) for level in wanted]
    shortest, longest = (camera.shortest_s, camera.longest_s) if camera else (0.0, math.inf)
    allowed = LONGEST_S if sequence.longest_s is None else sequence.longest_s
    return Range(
        min(electrons), max(electrons), instrument.ends, shortest, max(shortest, min(longest, allowed))
    )


def longest_time(electrons: float, within: Range) -> float:
    """Give the longest time that a level may be solved to: its part of the longest of all [s]."""
    part = electrons / within.highest
    return within.clip(part * within.longest + (1.0 - part) * LATE_S)


def planned_take(
    take: Take, sequence: Sequence, instrument: Instrument, camera: CameraDescription | None, *, first: bool
) -> Take:
    """Settle what can be known of an exposure whose time is solved: how long it is at most, and by the light known of.

    Parameters
    ----------
    first : bool
        Whether it is the first probe with light.
    """
    within, light = search_range(sequence, instrument, camera), camera.light if camera else None
    if take.zero:
        return evolve(take, time_s=within.shortest)
    if first:
        return evolve(take, time_s=first_probe(light, within))
    if take.probe:
        top = min(within.highest, within.brightest)
        expected = 0.0 if take.spare else None if light is None else within.clip(top / light)
        return evolve(take, longest_s=within.longest, expected_s=expected)
    if take.level is None:
        return take
    electrons = instrument.electrons(take.level)
    longest_s = longest_time(electrons, within)
    expected = None if light is None else min(within.clip(electrons / light), longest_s)
    level = take.level if isinstance(take.level, Level) else Level(float(f"{electrons:.4g}"), "electron")
    return evolve(take, level=level, longest_s=longest_s, expected_s=expected)
