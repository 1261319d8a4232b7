"""Several detectors in one exposure: some of them taken, levels compared over them, one of them refused for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from latcal.model.events import Built, Certified, Status
from latcal.model.metrics import Scope

TRIO = """\
latcal: 1
title: Three detectors
instrument: trio
camera: {use: simulated, seed: 3}
store: {use: memory}
executor: {use: serial}
sequences:
  biases: {image: bias, exposures: 18 x 0 s, discard: 1}
  flats: {image: flat, exposures: 14 x 5 s, discard: 1, filter: r, grating: empty}
stages:
  - {make: bias, frames: [biases]}
  - {make: flat, frames: [flats], options: {without_dark: five seconds gather nothing}}
certify: {into: calib/trio, begin: 2026-11-04, end: 2026-11-05}
"""
BIASES = "".join(line for line in TRIO.splitlines(keepends=True) if "flats" not in line)
"""For what is told of the biases alone."""
NAMES = ("T_S00", "T_S01", "T_S02")


def faulty(fault: str) -> list[str]:
    return [f"camera.faults=[{fault}]"]


def failed(report: Any, stage: int, rule: str) -> set[str | None]:
    return {finding.detector for finding in report.stages[stage].verdict.findings if finding.rule == rule}


def test_all_three_are_made_judged_together_and_certified_one_by_one(night: Callable) -> None:
    found = night(TRIO)
    assert found.report.exit_code == 0
    for event in (*found.of(Built), *found.of(Certified)):
        assert [ref.detector for ref in event.refs] == [0, 1, 2]
    for stage in found.report.stages:
        assert stage.verdict.detectors == NAMES
    flat = found.report.stages[1].numbers
    # one lamp: detectors of other gains agree on how it changes, to the noise of their levels
    assert 0 < flat["scatter"]["greatest"] < 0.002


def test_only_the_detectors_asked_for_are_taken(night: Callable) -> None:
    waived = "detectors: [0, 2], verify: {waived_by: a test, reason: it tells which are taken}"
    text = TRIO.replace("frames: [biases]}", f"frames: [biases], {waived}}}").replace("frames: [flats],", f"frames: [flats], {waived},")
    text = text.replace("18 x 0 s", "3 x 0 s").replace("14 x 5 s", "3 x 5 s")
    found = night(text)
    assert found.report.exit_code == 0
    assert all(sorted(sums) == ["T_S00", "T_S02"] for sums in found.report.checksums.values())
    assert [ref.detector for ref in found.of(Built)[0].refs] == [0, 2]


def test_a_detector_that_sees_another_lamp_is_found_by_the_scatter_over_detectors(night: Callable) -> None:
    report = night(TRIO, set=faulty("{what: lamp drift, drift: 30 %, sequence: flats, exposures: 2 to 15, detectors: [1]}")).report
    tally = next(tally for tally in report.stages[1].verdict.tallies if tally.rule == "scatter")
    exposures = report.stages[1].verdict.exposures
    # 15 % from the middle of the set at either end, on one of three: sqrt(2) / 3 of it is scatter, 5 % from 10.6 % on
    assert tally.scope is Scope.EXPOSURE
    assert set(tally.failed) == {*exposures[:2], *exposures[-2:]}
    assert set(tally.failed) <= set(report.stages[1].verdict.failed_exposures)


def test_one_detector_that_fails_is_named_and_refuses_nothing_by_itself(night: Callable) -> None:
    report = night(BIASES, set=faulty("{what: reset, sequence: biases, exposures: 8 to 10, detectors: [1]}")).report
    verdict = report.stages[0].verdict
    assert failed(report, 0, "mean") == {"T_S01"}
    assert verdict.limits.detectors == 2
    assert verdict.accepted


@pytest.mark.parametrize("where", ["recipe", "stage"])
def test_one_detector_refuses_all_where_the_counts_say_so(night: Callable, where: str) -> None:
    counts = "accept: {amplifiers: 2, detectors: 1, exposures: 3}"
    trio = TRIO.replace("frames: [biases]}", "frames: [biases], wait: true}")  # no flat is taken for nothing
    text = trio + f"{counts}\n" if where == "recipe" else trio.replace("wait: true}", f"wait: true, {counts}}}")
    found = night(text, set=faulty("{what: reset, sequence: biases, exposures: 8 to 10, detectors: [1]}"))
    report = found.report
    assert report.exit_code == 1
    assert report.stages[0].status is Status.REFUSED
    assert failed(report, 0, "mean") == {"T_S01"}
    assert found.of(Certified) == []
    assert report.stages[1].reason == "bias was refused"


def test_without_the_detector_that_fails_the_others_are_certified(night: Callable) -> None:
    counts = "accept: {amplifiers: 2, detectors: 1, exposures: 3}"
    text = BIASES.replace("frames: [biases]}", f"frames: [biases], detectors: [0, 2], {counts}}}")
    found = night(text, set=faulty("{what: reset, sequence: biases, exposures: 8 to 10, detectors: [1]}"))
    assert found.report.exit_code == 0
    assert [ref.detector for ref in found.of(Certified)[0].refs] == [0, 2]


def test_an_exposure_that_one_detector_did_not_give_fails_for_all(night: Callable) -> None:
    report = night(BIASES, set=faulty("{what: wrong shape, sequence: biases, exposures: 3, detectors: [2]}")).report
    assert report.exit_code == 4
    reason = next(step.reason for step in report.steps if step.status is Status.FAILED)
    assert "T_S02" in reason
