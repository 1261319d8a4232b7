"""Frames of a check are looked at as they come; what is found is what is found when all of them are there."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from corner import on_the_corner

import latcal
from latcal.builtin.calibrations import bias
from latcal.builtin.cameras.simulated import describe
from latcal.builtin.cameras.simulation.camera import SimulatedCamera
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.stores.folder.store import FolderStore
from latcal.engine import processing_lane, watching
from latcal.engine.ledger import Ledger
from latcal.errors import BuildError
from latcal.model.events import Judged, StepEnded
from latcal.plugin import AmplifierInputs, CameraType, Product, ProductRef, Status, hookimpl

FRAMES = 5
TEXT = on_the_corner(
    f"""\
latcal: 1
instrument: bench
camera: {{use: held}}
store: {{use: folder, root: STORE}}
executor: {{use: serial}}
sequences: {{biases: {{image: bias, exposures: {FRAMES} x 0 s}}}}
stages: [STAGE]
"""
)
MAKE = "{make: bias, frames: [biases], verify: {drop: [noise]}, certify: {into: calib/a, begin: 2020-01-01, end: open}}"
CHECK = "{check: bias, frames: [biases], collections: [calib/a]}"


class HeldCamera(SimulatedCamera):
    """The simulated camera, which waits to be let go before each exposure."""

    gate = threading.Semaphore(FRAMES)

    def take(self, request: Any) -> Iterator[Any]:
        assert type(self).gate.acquire(timeout=60)
        yield from super().take(request)


class Held:
    @hookimpl
    def latcal_cameras(self) -> Iterator[CameraType]:
        yield CameraType(
            name="held",
            summary="Waits to be let go",
            options=SimulatedOptions,
            open=HeldCamera,
            describe=describe,
        )


@pytest.fixture
def night(tmp_path: Path) -> Callable[[str], list[Any]]:
    """Give what runs a stage, after it has made the bias that a check needs; the events come back."""

    def run(stage: str) -> list[Any]:
        registry = latcal.load_plugins(extra=[Held()])
        text = TEXT.replace("STORE", str(tmp_path)).replace("STAGE", stage)
        return list(latcal.events(latcal.plan(latcal.read(text, "night.yaml", registry), registry), registry))

    HeldCamera.gate = threading.Semaphore(FRAMES)
    run(MAKE)
    return run


def judged(events: list[Any]) -> Judged:
    return next(event for event in events if isinstance(event, Judged))


def test_frames_are_observed_before_the_last_has_come_and_the_numbers_are_the_same(
    night: Callable[[str], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    HeldCamera.gate = threading.Semaphore(FRAMES)
    monkeypatch.setattr(watching.Watcher, "watch", lambda *_: None)
    at_the_end = judged(night(CHECK))
    monkeypatch.undo()
    seen, measured, mapped = list[str](), list[bool](), watching.mapped

    def observed(executor: Any, named: Any, name: str, *rest: Any) -> Iterator[Any]:
        yield from mapped(executor, named, name, *rest)
        seen.append(name)
        HeldCamera.gate.release()

    def of_residual(inputs: AmplifierInputs, left: Any) -> Any:
        measured.append(inputs.seen is not None)
        return original(inputs, left)

    original = bias.judging.of_residual
    monkeypatch.setattr(watching, "mapped", observed)
    monkeypatch.setattr(bias.judging, "of_residual", of_residual)
    HeldCamera.gate = threading.Semaphore(1)  # an exposure begins when the one before was observed
    as_they_come = judged(night(CHECK))
    assert seen == ["observe"] * (FRAMES - 1)
    assert measured.count(True) == 2 * (FRAMES - 1)
    assert measured.count(False) == 2
    assert as_they_come.numbers == at_the_end.numbers
    one, other = ([(tally.rule, list(tally.failed.values())) for tally in found.verdict.tallies] for found in (as_they_come, at_the_end))
    assert one == other


def test_frames_are_observed_while_their_bias_is_put_and_the_numbers_are_the_same(
    night: Callable[[str], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever name the store gives it."""
    again = MAKE.replace("calib/a", "calib/b")
    HeldCamera.gate = threading.Semaphore(2 * FRAMES)
    monkeypatch.setattr(watching.Watcher, "meanwhile", lambda *_: None)
    afterwards = judged(night(again))
    monkeypatch.undo()
    observed, seen, put = threading.Event(), list[bool](), FolderStore.put
    mapped, of_residual, reference = watching.mapped, bias.judging.of_residual, processing_lane.reference

    def counted(executor: Any, named: Any, name: str, *rest: Any) -> Iterator[Any]:
        yield from mapped(executor, named, name, *rest)
        seen.append(False)
        if len(seen) == FRAMES:
            observed.set()

    def slowly(self: FolderStore, product: Product, run: str) -> ProductRef:
        assert observed.wait(60)
        return put(self, product, run)

    def noted(inputs: AmplifierInputs, left: Any) -> Any:
        seen.append(inputs.seen is not None)
        return of_residual(inputs, left)

    monkeypatch.setattr(watching, "mapped", counted)
    monkeypatch.setattr(bias.judging, "of_residual", noted)
    monkeypatch.setattr(FolderStore, "put", slowly)
    monkeypatch.setattr(processing_lane, "reference", lambda *given: evolve(reference(*given), id="another"))
    meanwhile = judged(night(MAKE.replace("calib/a", "calib/c")))
    assert seen.count(True) == 2 * FRAMES
    assert meanwhile.numbers == afterwards.numbers


def test_a_stage_whose_frames_cannot_be_observed_fails_at_once_and_wants_no_more_of_them(
    night: Callable[[str], list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail = Ledger.fail

    def refuse(_: AmplifierInputs) -> None:
        raise BuildError("it is no bias (take the cap off)")

    def failing(self: Ledger, *given: Any) -> None:
        fail(self, *given)
        HeldCamera.gate.release()  # for the exposure that had begun

    monkeypatch.setattr(bias, "observe", refuse)
    monkeypatch.setattr(Ledger, "fail", failing)
    HeldCamera.gate = threading.Semaphore(1)
    events = night(CHECK)
    failed = [event for event in events if isinstance(event, StepEnded) and "it is no bias" in event.reason]
    assert [event.step for event in failed] == [FRAMES]
    assert not [event for event in events if isinstance(event, Judged)]
    ended = {event.step: event.status for event in events if isinstance(event, StepEnded)}
    assert [ended[take] for take in range(FRAMES)] == [Status.DONE] * 2 + [Status.SKIPPED] * 3
