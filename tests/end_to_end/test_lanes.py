"""What the two lanes promise, with cameras and plugins that misbehave on purpose."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from textwrap import dedent
from typing import Any, Self

import pytest
from astropy.time import Time
from attrs import evolve, frozen
from corner import on_the_corner

from latcal.builtin.cameras.simulated import describe
from latcal.builtin.cameras.simulation.camera import SimulatedCamera
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.engine.running import events, run
from latcal.errors import CameraError, NotReady, Problem
from latcal.model.events import (
    Ingested,
    Noted,
    RunEnded,
    Status,
    StepEnded,
)
from latcal.model.report import fold
from latcal.plugin import CameraType, ReporterType, hookimpl, option
from latcal.plugin.registry import load_plugins

AFTERNOON = Time("2026-11-04T16:00:00", scale="tai")

TEXT = on_the_corner(dedent("""\
    latcal: 1
    title: A night with a strange camera
    instrument: bench
    camera: {use: strange}
    store: {use: memory}
    executor: {use: serial}
    sequences:
      biases: {image: bias, exposures: 12 x 0 s, discard: 1}
      darks: {image: dark, exposures: 12 x 15 s}
    stages:
      - {make: bias, frames: [biases]}
      - {make: dark, frames: [darks]}
    certify: {into: calib/night, begin: 2026-11-04, end: 2026-11-05}
    """))


@frozen
class StrangeOptions:
    lost: tuple[int, ...] = option((), help="Indices of exposures that never arrive.")
    short: tuple[int, ...] = option((), help="Indices of exposures that bring no frame.")
    wrong: tuple[int, ...] = option((), help="Indices of exposures that come under another number.")
    broken: bool = option(False, help="Whether the driver raises what is no latcal error.")


class StrangeCamera(SimulatedCamera):
    """The simulated camera with a fault at some exposures, and a gate that a test may hold shut."""

    gate: threading.Semaphore | None = None

    def __init__(self, options: StrangeOptions, world: Any) -> None:
        super().__init__(SimulatedOptions(seed=7), world)
        self.faults = options

    def take(self, request: Any) -> Iterator[Any]:
        if type(self).gate is not None:
            type(self).gate.acquire(timeout=300)
        if request.index in self.faults.lost:
            raise CameraError(f"exposure {request.number} never arrived")
        if self.faults.broken and request.index == 1:
            raise ZeroDivisionError("the driver divided by zero")
        if request.index in self.faults.short:
            return
        for frame in super().take(request):
            if request.index in self.faults.wrong:
                yield evolve(frame, exposure=evolve(frame.exposure, id=1))
            else:
                yield frame


class Strange:
    @hookimpl
    def latcal_cameras(self) -> Iterator[CameraType]:
        yield CameraType(
            name="strange",
            summary="Faulty",
            options=StrangeOptions,
            open=StrangeCamera,
            describe=lambda _, instrument: describe(SimulatedOptions(), instrument),
        )


def test_a_lost_exposure_fails_the_stage_and_the_message_names_it(night: Callable) -> None:
    report = night(TEXT, set=["camera.lost=[4]"], extra=[Strange()]).report
    assert report.exit_code == 4
    assert report.stages[0].status is Status.FAILED
    assert report.stages[0].reason == (
        "bias: 3 of 12 frames came, and 12 are wanted (missing: biases 5/13; 8 not taken after that; 'at_least' sets "
        "the number to go on with)"
    )
    assert report.stages[1].reason == "bias failed"
    assert not any(stage.certified for stage in report.stages)


def test_at_least_lets_a_stage_go_on_and_the_exposure_is_still_reported(night: Callable) -> None:
    report = night(TEXT, set=["camera.lost=[4]", "stages.0.at_least=11"], extra=[Strange()]).report
    assert [stage.status for stage in report.stages] == [Status.DONE, Status.DONE]
    assert len(report.stages[0].verdict.exposures) == 11
    assert report.exit_code == 4  # a step failed, and the exit code says so


@pytest.mark.parametrize(
    ("fault", "words"),
    [("short", "no frame of detector 0 came"), ("wrong", "came with number 1, not")],
)
def test_frames_that_do_not_fit_the_request_fail_the_exposure(night: Callable, fault: str, words: str) -> None:
    report = night(TEXT, set=[f"camera.{fault}=[2]"], extra=[Strange()]).report
    assert any(words in step.reason for step in report.steps if step.status is Status.FAILED)
    assert report.exit_code == 4


def test_a_driver_that_raises_anything_is_a_plugin_error_and_the_night_ends_in_order(night: Callable) -> None:
    heard = night(TEXT, set=["camera.broken=true"], extra=[Strange()])
    failed = next(e for e in heard.events if isinstance(e, StepEnded) and e.status is Status.FAILED)
    assert "take raised ZeroDivisionError: the driver divided by zero" in failed.reason
    assert heard.report.exit_code == 3
    assert isinstance(heard.events[-1], RunEnded)


def test_the_report_is_the_same_whichever_lane_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """An accepted run does the same steps; equality leaves out only names of the run and durations."""
    from latcal.engine.processing_lane import ProcessingLane

    plugins = load_plugins(extra=[Strange()])
    process, reports = ProcessingLane.process, {}
    for slow in ("camera", "processing"):
        released = threading.Event()
        if slow == "camera":  # an exposure begins only when the one before has been heard of
            monkeypatch.setattr(StrangeCamera, "gate", threading.Semaphore(1))
            monkeypatch.setattr(ProcessingLane, "process", process)
        else:  # nothing is built before the last exposure is in
            monkeypatch.setattr(StrangeCamera, "gate", None)
            monkeypatch.setattr(
                ProcessingLane, "process", lambda self, released=released: (released.wait(300), process(self))
            )
        planned = plan(read(TEXT, "night.yaml", plugins), plugins)
        heard, order = [], []
        for event in events(planned, plugins, now=lambda: AFTERNOON):
            heard.append(event)
            order.append(type(event).__name__)
            if isinstance(event, Ingested) and StrangeCamera.gate is not None:
                StrangeCamera.gate.release()
            if order.count("Ingested") == 25:
                released.set()
        assert (order.index("Built") > 25) is True
        reports[slow] = fold(heard)
    one, other = (evolve(r, run="", started=evolve(r.started, run="")) for r in reports.values())
    assert [evolve(s, built=(), certified=()) for s in one.stages] == [
        evolve(s, built=(), certified=()) for s in other.stages
    ]
    assert [[ref.digest for ref in s.built] for s in one.stages] == [
        [ref.digest for ref in s.built] for s in other.stages
    ]
    assert (one.steps, one.exposures, one.exit_code) == (other.steps, other.exposures, other.exit_code)
    assert one.exit_code == 0


class Gate:
    @hookimpl
    def latcal_before_take(self, step: Any) -> None:
        if step.image == "dark":
            raise NotReady([Problem("the dome is lit", "switch the light off", path="dome")])


def test_a_gate_refuses_a_sequence_and_says_why(night: Callable) -> None:
    report = night(TEXT, extra=[Strange(), Gate()]).report
    assert report.stages[0].status is Status.DONE
    assert report.stages[1].status is Status.FAILED
    reasons = [step.reason for step in report.steps if step.status is Status.FAILED]
    assert "dome: the dome is lit (switch the light off)" in reasons
    assert report.exit_code == 4


def test_a_gate_that_refuses_a_discarded_exposure_lets_nothing_through(night: Callable) -> None:
    report = night(TEXT, set=["sequences.darks.discard=1"], extra=[Strange(), Gate()]).report
    assert report.stages[1].status is Status.FAILED
    assert not report.stages[1].certified
    assert {step.reason for step in report.steps if step.line.label.startswith("Take darks")} <= {
        "dome: the dome is lit (switch the light off)",
        "dark can no longer have 12 frames",
    }


class Interlock:
    @hookimpl
    def latcal_preflight(self, plan: Any, store: Any) -> Iterator[Problem]:
        assert store.free_bytes() is None
        yield Problem(f"the telescope is not parked for {plan.recipe.title!r}", "park it")


def test_a_preflight_hook_stops_the_run_before_the_first_exposure(night: Callable) -> None:
    with pytest.raises(NotReady, match=r"the telescope is not parked for 'A night with a strange camera' \(park it\)"):
        night(TEXT, extra=[Strange(), Interlock()])


class Ears:
    def __init__(self, bad: bool) -> None:
        self.heard: list[str] = []
        self.bad = bad

    @hookimpl
    def latcal_event(self, event: Any) -> None:
        self.heard.append(type(event).__name__)
        if self.bad:
            raise RuntimeError("no ears")


def test_a_reporter_that_raises_is_noted_once_and_the_others_still_hear(night: Callable) -> None:
    good, bad = Ears(bad=False), Ears(bad=True)
    heard = night(TEXT, extra=[Strange(), bad, good])
    assert heard.report.exit_code == 0
    assert bad.heard == ["RunStarted"]
    assert good.heard[0] == "RunStarted"
    assert good.heard[-1] == "RunEnded"
    notes = heard.of(Noted)
    assert len(notes) == 1
    assert "latcal_event raised RuntimeError: no ears" in notes[0].what


@frozen
class EarsOptions:
    word: str = option(help="What this one is called.")


class Reporter:
    """A kind of reporter that keeps what it heard under its word."""

    def __init__(self) -> None:
        self.rooms: dict[str, list[Any]] = {}

    @hookimpl
    def latcal_reporters(self) -> Iterator[ReporterType]:
        rooms = self.rooms

        class Room:
            def __init__(self, options: EarsOptions, world: Any) -> None:
                self.heard = rooms.setdefault(options.word, [])

            def __enter__(self) -> Self:
                return self

            def __exit__(self, *exc: object) -> None:
                self.heard.append("closed")

            def latcal_event(self, event: Any) -> None:
                self.heard.append(event)

        yield ReporterType(name="room", summary="Keeps events", options=EarsOptions, open=Room)


def test_two_runs_at_once_on_one_registry_do_not_cross() -> None:
    reporter = Reporter()
    plugins = load_plugins(extra=[Strange(), reporter])
    plans = [
        plan(read(TEXT, f"{word}.yaml", plugins, settings=[f"report=[{{use: room, word: {word}}}]"]), plugins)
        for word in ("left", "right")
    ]
    reports: dict[str, Any] = {}
    threads = [threading.Thread(target=lambda p=p: reports.__setitem__(p.recipe.name, run(p, plugins))) for p in plans]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    for word in ("left", "right"):
        heard = reporter.rooms[word]
        assert heard[-1] == "closed"
        assert fold(heard[:-1]) == reports[f"{word}.yaml"]
        assert heard[0].recipe == f"{word}.yaml"
        assert len([e for e in heard if isinstance(e, RunEnded)]) == 1
        assert reports[f"{word}.yaml"].exit_code == 0


def test_an_executor_whose_task_raises_names_the_distribution(night: Callable) -> None:
    report = night(
        TEXT.replace("make: bias", "make: brittle"),
        extra=[Strange(), Brittle()],
        set=[
            "stages.0.verify={waived_by: t, reason: x}",
            "stages=[{make: brittle, frames: [biases], verify: {waived_by: t, reason: x}}]",
            "sequences={biases: {image: bias, exposures: 2 x 0 s}}",
        ],
    ).report
    assert report.exit_code == 3
    assert "extra:Brittle" in report.stages[0].reason
    assert "raised ArithmeticError: brittle" in report.stages[0].reason


def shatter(*_: Any) -> Any:
    raise ArithmeticError("brittle")


@frozen
class Nothing:
    """No options."""


class Brittle:
    @hookimpl
    def latcal_calibrations(self) -> Iterator[Any]:
        from latcal.plugin import CalibrationType

        yield CalibrationType(
            name="brittle",
            summary="Breaks",
            options=Nothing,
            images=frozenset({"bias"}),
            metrics={},
            rules=(),
            build_amplifier=shatter,
            assemble=shatter,
            measure=shatter,
        )


def test_an_error_of_ours_in_a_lane_is_raised_and_nothing_hangs(
    monkeypatch: pytest.MonkeyPatch, night: Callable
) -> None:
    from latcal.engine import processing_lane

    def bug(*_: Any) -> None:
        raise AssertionError("our own bug")

    monkeypatch.setattr(processing_lane.ProcessingLane, "_build", bug)
    before = threading.active_count()
    with pytest.raises(AssertionError, match="our own bug"):
        night(TEXT, extra=[Strange()])
    assert threading.active_count() == before
