"""Exposures that go together, as a stranger's calibration type says: built, measured and judged group by group."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
from attrs import frozen

from latcal.errors import RecipeError
from latcal.model.events import Judged, Noted
from latcal.plugin import (
    AmplifierInputs,
    CalibrationType,
    DetectorInputs,
    Exposure,
    Measurement,
    Metric,
    Part,
    Product,
    Rule,
    Scope,
    assemble_tables,
    failure,
    hookimpl,
)
from latcal.testing.nights import Night, load, run_night

NIGHT = """\
latcal: 1
title: A night in groups
instrument: small_sensor
camera: {use: simulated, seed: 7, settling: 0 electron}
store: {use: memory}
executor: {use: serial}
sequences:
  biases: {image: bias, exposures: 7 x 0 s}
stages:
  - {measure: trio, frames: [biases]}
"""
Groups = Callable[[tuple[Exposure | None, ...], Any], Any]


@frozen
class Nothing:
    """No options."""


def by_three(exposures: tuple[Exposure | None, ...], _: Any) -> list[tuple[int, ...]]:
    ids = [one.id for one in exposures if one is not None]
    return [tuple(ids[start : start + 3]) for start in range(0, len(ids) - 2, 3)]


def the_rest(exposures: tuple[Exposure | None, ...], options: Any) -> Mapping[int, str]:
    used = {one for group in by_three(exposures, options) for one in group}
    return {one.id: "no two others are left" for one in exposures if one is not None and one.id not in used}


def build_amplifier(inputs: AmplifierInputs) -> Part:
    levels = [frame.level for frame in inputs.frames]
    facts = {"spread": (float(np.ptp(levels)), "electron"), "frames": (float(len(levels)), "")}
    if inputs.amplifier.name == "C01":
        return Part({}, {"spread": (float("nan"), "electron"), "frames": facts["frames"]}, failure("C01", "it is deaf"))
    return Part({}, facts)


def assemble(inputs: DetectorInputs, parts: tuple[Part, ...]) -> Product:
    return assemble_tables(inputs, parts)


def measure(inputs: AmplifierInputs) -> Iterator[Measurement]:
    own = inputs.need("trio")
    assert own.ref.exposure == inputs.frames[0].exposure.id  # its own product, and no other group's
    yield Measurement(
        "spread", own.facts["spread"], own.ref.exposure, inputs.detector.name, inputs.amplifier.name
    )


class Trio:
    """Declares the type; groups and what is left out can be others."""

    def __init__(self, groups: Groups = by_three, left_out: Any = the_rest) -> None:
        self.groups, self.left_out = groups, left_out

    @hookimpl
    def latcal_calibrations(self) -> Iterator[CalibrationType]:
        yield CalibrationType(
            name="trio",
            summary="Three by three",
            options=Nothing,
            images=frozenset({"bias"}),
            product="triple",
            metrics={"spread": Metric("spread", "electron", Scope.AMPLIFIER, "Of the levels.")},
            rules=(Rule("spread", "spread <= 100 electron"),),
            groups=self.groups,
            group="triple",
            left_out=self.left_out,
            build_amplifier=build_amplifier,
            assemble=assemble,
            measure=measure,
        )


def night(plugin: Trio, *settings: str) -> Night:
    return run_night(NIGHT, load(plugin).registry, *settings)


def test_each_group_has_its_product_under_its_first_exposure_and_its_own_verdict() -> None:
    found = night(Trio())
    (built,) = (stage.built for stage in found.report.stages)
    ids = sorted(found.report.exposures.values())
    assert [(ref.kind, ref.exposure, ref.frames) for ref in built] == [("triple", ids[0], 3), ("triple", ids[3], 3)]
    (judged,) = found.of(Judged)
    assert judged.verdict.exposures == (ids[0], ids[3])
    assert judged.verdict.each == "triple"
    assert (judged.verdict.missing, judged.verdict.unused) == ((), ("biases 7/7: no two others are left",))


def test_an_amplifier_without_numbers_is_noted_with_the_reason_and_the_others_stand() -> None:
    found = night(Trio())
    notes = [event.what for event in found.of(Noted)]
    assert [note.partition(": ")[2] for note in notes] == ["C01: it is deaf"] * 2
    verdict = found.of(Judged)[0].verdict
    assert verdict.accepted  # one amplifier of four fails, two would refuse
    assert {finding.amplifier for finding in verdict.findings} == {"C01"}


def test_a_set_of_which_nothing_goes_together_fails_and_says_why() -> None:
    found = night(Trio(), "sequences.biases.exposures=2 x 0 s")
    assert found.report.exit_code == 4
    assert found.reasons.startswith(
        "trio: no exposures go together (biases 1/2: no two others are left; biases 2/2: no two others are left)"
    )


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        (lambda *_: [(1, 2)], "groups of the calibration 'trio' gave ((1, 2),), which are not exposures of the stage, each once"),
        (lambda exposures, _: [(exposures[0].id,), (exposures[0].id,)], "which are not exposures of the stage, each once"),
        (lambda *_: [()], "groups of the calibration 'trio' gave (), which is not a group of at least one exposure id"),
        (lambda *_: 3, "groups of the calibration 'trio' gave 3, which is not a list of groups of exposure ids"),
    ],
)
def test_groups_that_are_none_are_the_plugins_fault(groups: Groups, said: str) -> None:
    found = night(Trio(groups))
    assert found.report.exit_code == 3
    assert said in found.reasons


def test_what_is_left_out_must_be_of_the_stage() -> None:
    found = night(Trio(left_out=lambda *_: {17: "why"}))
    assert found.report.exit_code == 3
    assert "left_out of the calibration 'trio' names exposure 17, which is not one of the stage" in found.reasons


def test_what_is_measured_in_groups_cannot_be_made() -> None:
    with pytest.raises(RecipeError, match="'trio' is measured of some exposures at a time"):
        night(Trio(), "stages=[{make: trio, frames: [biases]}]")
