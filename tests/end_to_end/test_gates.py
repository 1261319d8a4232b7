"""Gates and second attempts in a night: what is waited for, what is refused, and what is noted."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

from corner import on_the_corner

from latcal.model.events import Exposed, Status

TEXT = on_the_corner(dedent("""\
    latcal: 1
    title: A night that begins warm
    instrument: bench
    camera: {use: simulated, seed: 7, settling: 0 electron, cools_in: 100 s}
    store: {use: memory}
    executor: {use: serial}
    sequences: {biases: {image: bias, exposures: 3 x 0 s}}
    stages: [{make: bias, frames: [biases], verify: {waived_by: a test, reason: few frames}}]
    certify: {into: calib/night, begin: 2026-11-04, end: open}
    """))


def test_a_gate_that_opens_in_time_delays_the_first_exposure_and_is_noted(night: Callable) -> None:
    run = night(TEXT)
    assert run.report.exit_code == 0
    (note,) = run.report.notes
    assert note == "sensor temperature is 20.0 C, not -100 to -95 C; waited for at most 600 s (camera.cools_within)"
    assert len(run.of(Exposed)) == 3


def test_a_gate_that_stays_closed_refuses_every_exposure_by_value_and_limit_and_nothing_is_certified(night: Callable) -> None:
    run = night(TEXT, set=["camera.cools_within=20 s"])
    assert run.report.exit_code == 4
    first = next(step.reason for step in run.report.steps if step.status is Status.FAILED)
    assert first == (
        "exposure 2026110400001 (biases): sensor temperature is -4.0 C, not -100 to -95 C after 20 s (see to it, or raise "
        "camera.cools_within)"
    )
    assert run.of(Exposed) == []
    assert not run.report.stages[0].certified


def test_an_exposure_that_was_taken_again_is_noted(night: Callable) -> None:
    run = night(TEXT, set=["camera.cools_in=0 s", "camera.faults=[{what: lost once, exposures: 2}]"])
    assert run.report.exit_code == 0
    assert "exposure 2026110400002 came at attempt 2: the camera gave up 1 attempt" in run.report.notes
