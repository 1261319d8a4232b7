"""Whole jobs on the simulated bench, as an operator would see them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from corner import on_the_corner

from latcal.builtin.cameras.simulated import describe
from latcal.builtin.cameras.simulation.camera import SimulatedCamera
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.errors import NotReady, RecipeError
from latcal.model.events import (
    Built,
    Certified,
    Exposed,
    Judged,
    RunEnded,
    RunStarted,
    Solved,
    Status,
    StepEnded,
)
from latcal.plugin import CameraType, hookimpl


def tally(report, stage: int, rule: str):
    return next(t for t in report.stages[stage].verdict.tallies if t.rule == rule)


def test_three_biases_are_refused_for_noise_everywhere_and_the_dark_is_skipped(night: Callable) -> None:
    report = night().report
    verdict = report.stages[0].verdict
    assert report.exit_code == 1
    assert report.stages[0].status is Status.REFUSED
    assert tally(report, 0, "noise").failed == dict.fromkeys(verdict.exposures, 16)
    assert verdict.failed_exposures == verdict.exposures
    assert verdict.remedy == "8 more frames would do"
    assert report.stages[1].status is Status.SKIPPED
    assert report.stages[1].reason == "bias was refused"
    assert not report.stages[0].certified


def test_what_one_night_certified_the_next_checks_and_finds_good(tmp_path, night: Callable) -> None:
    at = [f"store.root={tmp_path / 'store'}"]
    first = """\
latcal: 1
title: Reference
instrument: bench
camera: {use: simulated, seed: 7}
store: {use: folder, root: x}
sequences: {biases: {image: bias, exposures: 20 x 0 s, discard: 1}}
stages: [{make: bias, frames: [biases]}]
certify: {into: calib/reference, begin: 2026-11-01, end: open}
"""
    first = on_the_corner(first)
    made = night(first, set=at)
    assert made.report.exit_code == 0
    second = first.replace(
        "{make: bias, frames: [biases]}", "{check: bias, frames: [biases], collections: [calib/reference]}"
    )
    second = second.replace("certify: {into: calib/reference, begin: 2026-11-01, end: open}\n", "")
    # the same sensor on another day: the exposures' noise must be others, so they are other exposures of the seed
    second = second.replace("seed: 7", "seed: 7, first: 100")
    checked = night(second, set=at)
    assert checked.report.exit_code == 0
    assert checked.report.resolved[0].ref.id == made.report.stages[0].built[0].id
    assert tally(checked.report, 0, "noise").failed == {}
    seen = checked.report.stages[0].numbers
    # sqrt(1 + 1/20) - 1 = +2.47 %; the median over 40 places of 16,000 pixels is good to 0.11 %, the bias to as much
    assert seen["noise"]["median"] / seen["frame_noise"]["median"] - 1 == pytest.approx(0.0247, abs=0.006)


def test_a_second_certificate_for_the_same_time_is_refused_before_the_first_exposure(tmp_path, night: Callable) -> None:
    text = """\
latcal: 1
title: Twice
instrument: bench
camera: {use: simulated}
store: {use: folder, root: x}
sequences: {biases: {image: bias, exposures: 12 x 0 s}}
stages: [{make: bias, frames: [biases]}]
certify: {into: calib/twice, begin: 2026-11-01, end: 2026-12-01}
"""
    text, at = on_the_corner(text), [f"store.root={tmp_path / 'store'}"]
    assert night(text, set=at).report.exit_code == 0
    with pytest.raises(NotReady, match=r"calib/twice: a bias for detector 0 is already valid .*another collection"):
        night(text, set=at)


def test_the_first_event_is_the_start_and_the_last_the_end(night: Callable) -> None:
    events = night().events
    assert isinstance(events[0], RunStarted)
    assert isinstance(events[-1], RunEnded)
    ended = [event.step for event in events if isinstance(event, StepEnded)]
    assert sorted(ended) == list(range(len(events[0].steps)))


def test_a_stage_that_says_wait_holds_the_camera_until_it_is_judged(night: Callable) -> None:
    heard = night(set=["stages.0.wait=true"]).events
    judged = next(i for i, event in enumerate(heard) if isinstance(event, Judged))
    later = [e for e in heard[:judged] if isinstance(e, Exposed) and e.step > 3]
    assert later == []
    # the bias is refused, so that nothing wants the darks, and they are never taken
    assert not [e for e in heard if isinstance(e, Exposed) and e.time_s == 15]


def test_a_waiver_certifies_unverified_and_says_so(night: Callable) -> None:
    run = night(set=["stages.0.verify={waived_by: A. Person, reason: first light}"])
    stage = run.report.stages[0]
    assert stage.status is Status.DONE
    assert stage.verdict.unverified == "A. Person: first light"
    assert stage.line.unverified == "A. Person: first light"
    assert run.of(Certified)


def test_levels_become_times_through_two_probes(night: Callable) -> None:
    text = """\
latcal: 1
title: By level
instrument: bench
camera: {use: simulated, seed: 3, shutter_delay: 0.05 s, vignetting: 0 %}
store: {use: memory}
sequences:
  biases: {image: bias, exposures: 12 x 0 s}
  darks: {image: dark, exposures: 12 x 10 s}
  flats: {image: flat, exposures: [11 x 30000 electron, 11 x 20 % of full well], filter: r, grating: empty}
stages:
  - {make: bias, frames: [biases]}
  - {make: dark, frames: [darks]}
  - {make: flat, frames: [flats]}
certify: {into: calib/levels, begin: 2026-11-04, end: 2026-11-05}
"""
    run = night(on_the_corner(text))
    solved = run.of(Solved)
    assert [event.level for event in solved] == ["30000 electron", "20 % of full well"]
    assert run.report.exit_code == 0, [s.reason for s in run.report.stages]
    targets = (30000, 0.2 * 118_921)  # full well is 130,000, and the lowest saturation of its amplifiers less
    wanted = {round(event.time_s, 6): target for event, target in zip(solved, targets, strict=True)}
    seen = [e for e in run.events if type(e).__name__ == "Ingested" and e.levels]
    times = {e.step: round(e.time_s, 6) for e in run.of(Exposed)}
    for event in seen:
        if times[event.step] in wanted:
            # the lamp's noise is 0.1 % rms and its drift 0.2 % per 10 minutes; a probe is as noisy: 1 % is 5 sigma
            assert event.levels["S00"] == pytest.approx(wanted[times[event.step]], rel=0.01)


def test_a_lamp_that_is_off_is_not_ready_and_says_what_was_tried(night: Callable) -> None:
    text = """\
latcal: 1
title: By level
instrument: bench
camera: {use: simulated, lamp: 0 electron/s}
store: {use: memory}
sequences:
  biases: {image: bias, exposures: 12 x 0 s}
  flats: {image: flat, exposures: 12 x 30000 electron, filter: r, grating: empty}
stages:
  - {make: bias, frames: [biases]}
  - {make: flat, frames: [flats], options: {without_dark: the test has none}}
certify: {into: calib/levels, begin: 2026-11-04, end: 2026-11-05}
"""
    report = night(on_the_corner(text)).report
    assert report.exit_code == 4
    failed = [step.reason for step in report.steps if step.status is Status.FAILED]
    # without light the probes differ by their noise alone: no light at all, falling, or far beyond any time
    assert any("no light" in r or "does not rise" in r or "would need" in r for r in failed), failed
    assert any("probe" in reason for reason in failed), failed


def test_closing_the_iterator_ends_the_run_and_leaves_no_thread(registry) -> None:
    from latcal.engine.planning import plan
    from latcal.engine.reading import read
    from latcal.engine.running import events

    text = night_text()
    before = threading.active_count()
    stream = events(plan(read(text, "n.yaml", registry), registry), registry)
    for event in stream:
        if isinstance(event, Exposed):
            break
    stream.close()
    assert threading.active_count() == before


def night_text() -> str:
    from textwrap import dedent

    return dedent("""\
        latcal: 1
        title: Long
        instrument: bench
        camera: {use: simulated, clock: real}
        store: {use: memory}
        sequences: {darks: {image: dark, exposures: 20 x 600 s}, biases: {image: bias, exposures: 1 x 0 s}}
        stages:
          - {make: bias, frames: [biases], verify: {waived_by: test, reason: it is one}}
          - {make: dark, frames: [darks]}
        certify: {into: calib/x, begin: 2026-11-04, end: 2026-11-05}
        """)


def test_the_stop_flag_aborts_the_exposure_and_the_report_says_interrupted(registry) -> None:
    from latcal.engine.planning import plan
    from latcal.engine.reading import read
    from latcal.engine.running import events
    from latcal.model.report import fold

    stop = threading.Event()
    heard = []
    for event in events(plan(read(night_text(), "n.yaml", registry), registry), registry, stop=stop):
        heard.append(event)
        if isinstance(event, Built):
            stop.set()
    report = fold(heard)
    assert report.interrupted
    assert report.exit_code == 130
    assert report.stages[1].status is Status.SKIPPED
    assert report.stages[1].reason == "interrupted"


def test_a_count_that_could_never_refuse_is_refused(night: Callable) -> None:
    with pytest.raises(
        RecipeError, match=r"17 is more than the 16 amplifiers of a detector: nothing could ever be refused"
    ):
        night(set=["accept={amplifiers: 17}"])


def test_a_dark_without_bias_is_refused_while_planning(night: Callable) -> None:
    with pytest.raises(RecipeError, match="dark needs a bias, and nothing before it makes one"):
        night(set=["stages=[{make: dark, frames: [darks]}]", "sequences={darks: {image: dark, exposures: 3 x 5 s}}"])


class NoisyFrame:
    """Gives the simulated camera a frame whose read noise is half as large again."""

    @hookimpl
    def latcal_cameras(self) -> Iterator[CameraType]:
        def opened(options: SimulatedOptions, world: Any) -> Noisy:
            return Noisy(options, world)

        yield CameraType(
            name="noisy", summary="One noisy frame", options=SimulatedOptions, open=opened, describe=describe
        )


class Noisy(SimulatedCamera):
    def take(self, request: Any) -> Iterator[Any]:
        for frame in super().take(request):
            if request.index != 3:
                yield frame
                continue
            random = np.random.default_rng(1)
            raw = frame.raw

            def louder(amplifier: Any, raw: Any = raw, random: Any = random) -> Any:
                pixels = raw(amplifier)
                # sqrt(1.5^2 - 1) = 1.12 read noises beside the frame's own make one and a half
                return pixels + random.normal(0, 1.12 * amplifier.read_noise / amplifier.gain, pixels.shape).round()

            yield evolve(frame, raw=louder)


def test_one_noisy_frame_is_named_and_does_not_make_the_others_look_quiet(night: Callable) -> None:
    one_stage = ["camera.use=noisy", "stages=[{make: bias, frames: [biases]}]"]
    some = [*one_stage, "sequences={biases: {image: bias, exposures: 20 x 0 s}}"]
    report = night(set=some, extra=[NoisyFrame()]).report
    verdict = report.stages[0].verdict
    assert verdict.accepted
    assert verdict.failed_exposures == (verdict.exposures[3],)


def test_a_set_that_goes_on_with_fewer_frames_can_still_be_refused(night: Callable) -> None:
    report = night(
        set=[
            "sequences={biases: {image: bias, exposures: 3 x 0 s}}",
            "stages=[{make: bias, frames: [biases], at_least: 2, accept: {exposures: 2}}]",
        ]
    ).report
    assert report.exit_code == 1
    with pytest.raises(RecipeError, match=r"3 is more than the 2 exposures of bias that it goes on with"):
        night(
            set=[
                "sequences={biases: {image: bias, exposures: 3 x 0 s}}",
                "stages=[{make: bias, frames: [biases], at_least: 2, accept: {exposures: 3}}]",
            ]
        )


def test_a_flat_is_not_made_with_a_bias_that_its_dark_does_not_pin(night: Callable) -> None:
    text = """\
latcal: 1
title: Two biases
instrument: bench
camera: {use: simulated}
store: {use: memory}
sequences:
  first: {image: bias, exposures: 12 x 0 s}
  darks: {image: dark, exposures: 12 x 15 s}
  second: {image: bias, exposures: 12 x 0 s}
  flats: {image: flat, exposures: 12 x 5 s, filter: r, grating: empty}
stages:
  - {make: bias, frames: [first]}
  - {make: dark, frames: [darks]}
  - {make: bias, frames: [second], certify: {into: calib/b, begin: 2026-11-04, end: 2026-11-05}}
  - {make: flat, frames: [flats]}
certify: {into: calib/a, begin: 2026-11-04, end: 2026-11-05}
"""
    with pytest.raises(NotReady, match=r"stages.3: the dark of detector 0 is made with the bias the one of step 12"):
        night(text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            "stages.0.verify={waived_by: A, reason: B, drop: [noise]}",
            "no rule is in force where the verification is waived",
        ),
        ("stages.0.detectors=[0, 0]", "names a detector twice"),
        ("stages.1.collections=[calib/old]", "nothing would be looked up there"),
        ("rules={flat: {level: mean >= 10 electron}}", "no stage makes, checks or measures flat"),
    ],
)
def test_keys_that_would_do_nothing_are_refused(night: Callable, change: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        night(set=[change])
