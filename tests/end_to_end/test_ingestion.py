"""Frames that a stranger's store takes late, or never: what is missing is named, and nothing hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from astropy.time import Time
from attrs import evolve, frozen

from latcal.builtin.stores.memory import MemoryOptions, MemoryStore
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.engine.running import events, run
from latcal.model.events import Exposed, Ingested, Status
from latcal.model.report import RunReport, fold
from latcal.plugin import Frame, InstrumentType, StoreType, hookimpl, option
from latcal.plugin.registry import Registry, load_plugins
from latcal.testing.cameras import small_instrument

AFTERNOON = Time("2026-11-04T16:00:00", scale="tai")
FIRST = 2026110400001
LIMIT = 1.0
"""`limits.ingest` of these nights [s]: long enough for frames of a few thousand pixels on a busy computer."""
PATIENCE = 300.0
"""Longer than any limit here [s], for what a test waits for that must come."""

TEXT = f"""\
latcal: 1
title: A night with a slow data system
instrument: three
camera: {{use: simulated, seed: 7, settling: 0 electron}}
store: {{use: swamped}}
executor: {{use: serial}}
limits: {{ingest: {LIMIT} s}}
sequences: {{biases: {{image: bias, exposures: 4 x 0 s}}}}
stages: [{{make: bias, frames: [biases], verify: {{waived_by: a test, reason: small frames}}}}]
certify: {{into: calib/night, begin: 2026-11-04, end: 2026-11-05}}
"""


@frozen
class SwampedOptions:
    lost: str = option("", help="exposure:detector, counted from 1, separated by spaces; or 'all': they never come.")


class Swamped(MemoryStore):
    """Waits for a frame that is lost as a data system does: for ever."""

    let_go: threading.Event
    lost: str

    def ingest(self, frame: Frame) -> Frame:
        place = f"{frame.exposure.id - FIRST + 1}:{frame.detector.name}"
        if self.lost == "all" or place in self.lost.split():
            self.let_go.wait()
        return super().ingest(frame)


class Data:
    """The plugin; what hangs in one test is let go at its end."""

    def __init__(self) -> None:
        self.let_go = threading.Event()
        self.stores: list[Swamped] = []

    def _open(self, options: SwampedOptions, world: Any) -> Swamped:
        store = Swamped(MemoryOptions(), world)
        object.__setattr__(store, "let_go", self.let_go)
        object.__setattr__(store, "lost", options.lost)
        self.stores.append(store)
        return store

    @hookimpl
    def latcal_stores(self) -> Iterator[StoreType]:
        yield StoreType(name="swamped", summary="Waits", options=SwampedOptions, open=self._open)

    @hookimpl
    def latcal_instruments(self) -> Iterator[InstrumentType]:
        yield InstrumentType(
            name="three", summary="Small", options=MemoryOptions,
            load=lambda: evolve(small_instrument(detectors=3), name="three"),
        )


@pytest.fixture
def data() -> Iterator[Data]:
    plugin, before = Data(), set(threading.enumerate())  # others' tests leave cameras that hang
    yield plugin
    plugin.let_go.set()
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("latcal-"):
            thread.join(PATIENCE)


@pytest.fixture
def plugins(data: Data) -> Registry:
    return load_plugins(extra=[data])


@pytest.fixture
def planned(plugins: Registry) -> Callable[..., Any]:
    def made(lost: str, *settings: str) -> Any:
        chosen = [*([f"store.lost='{lost}'"] if lost else []), *settings]
        return plan(read(TEXT, "night.yaml", plugins, settings=chosen), plugins)

    return made


@pytest.fixture
def night(planned: Callable[..., Any], plugins: Registry) -> Callable[..., RunReport]:
    return lambda *args: run(planned(*args), plugins, now=lambda: AFTERNOON)


def takes(report: RunReport) -> dict[str, list[tuple[Status, str]]]:
    found: dict[str, list[tuple[Status, str]]] = {}
    for step in report.steps:
        if step.line.verb == "take":
            found.setdefault(step.line.label.split()[1], []).append((step.status, step.reason))
    return found


def test_a_frame_that_never_comes_is_named_after_the_limit_and_the_others_are_not_lost_with_it(
    night: Callable[..., RunReport], data: Data
) -> None:
    report = night("2:S01")
    came, lost, *others = takes(report)["biases"]
    assert {came[0], *(status for status, _ in others)} == {Status.DONE}
    words = "was in the store 1 s after the last exposure of biases (see that the data system takes frames, or set limits.ingest)"
    assert lost == (Status.FAILED, f"exposure {FIRST + 1}: no frame of detector S01 {words}")
    assert (report.stages[0].status, report.exit_code) == (Status.FAILED, 4)
    assert "missing: biases 2/4" in report.stages[0].reason
    (store,) = data.stores
    assert len(list(store.frames([FIRST + 1], 2))) == 1  # the third detector of that exposure came, after the lost one
    assert not list(store.list())


def test_with_at_least_the_stage_goes_on_and_its_verdict_names_the_frame(night: Callable[..., RunReport]) -> None:
    report = night("2:S01", "stages.0.at_least=3")
    assert report.stages[0].status is Status.DONE
    (missing,) = report.stages[0].verdict.missing
    assert missing.startswith(f"biases 2/4: exposure {FIRST + 1}: no frame of detector S01 was in the store")
    assert report.exit_code == 4  # the data system failed, and the exit code says so


def test_every_missing_exposure_and_detector_is_named(night: Callable[..., RunReport]) -> None:
    report = night("2:S00 2:S02 4:S01", "stages.0.at_least=2")
    told = [reason.partition(" was in")[0] for status, reason in takes(report)["biases"] if status is Status.FAILED]
    assert told == [
        f"exposure {FIRST + 1}: no frame of detectors S00, S02",
        f"exposure {FIRST + 3}: no frame of detector S01",
    ]


def test_a_store_that_never_answers_ends_the_set_and_not_the_program(
    planned: Callable[..., Any], plugins: Registry
) -> None:
    heard, since = [], 0.0
    for event in events(planned("all", "sequences.biases.exposures=12 x 0 s"), plugins, now=lambda: AFTERNOON):
        heard.append(event)
        since = time.monotonic() if isinstance(event, Exposed) else since
    waited = time.monotonic() - since
    report = fold(heard)
    assert not any(isinstance(event, Ingested) for event in heard)
    assert (report.stages[0].status, report.exit_code) == (Status.FAILED, 4)
    first = next(reason for status, reason in takes(report)["biases"] if status is Status.FAILED)
    assert first.startswith(f"exposure {FIRST}: no frame of detectors S00, S01, S02 was in the store 1 s after the last")
    # what the lanes hold is at most five exposures, and each round of them has one limit; the rest are skipped, not taken
    assert sum(isinstance(event, Exposed) for event in heard) <= 8
    assert waited < PATIENCE


def test_a_run_that_is_stopped_does_not_wait_for_the_store(planned: Callable[..., Any], plugins: Registry) -> None:
    stop, began = threading.Event(), time.monotonic()
    heard = []
    slow = planned("all", "limits={ingest: 1 h, abort: 0.2 s}")
    for event in events(slow, plugins, now=lambda: AFTERNOON, stop=stop):
        heard.append(event)
        if isinstance(event, Exposed):
            stop.set()
    assert time.monotonic() - began < PATIENCE
    assert fold(heard).exit_code == 130


def test_a_frame_that_is_late_and_comes_is_used_as_any_other(
    planned: Callable[..., Any], plugins: Registry, data: Data
) -> None:
    heard, taken = [], 0
    for event in events(planned("1:S01", "limits.ingest=20 s"), plugins, now=lambda: AFTERNOON):
        heard.append(event)
        taken += isinstance(event, Exposed)
        if taken == 4:
            data.let_go.set()  # the last exposure is taken while the first is still on its way
    assert fold(heard).exit_code == 0
    stored = [event.exposure for event in heard if isinstance(event, Ingested)]
    assert sorted(stored) == [FIRST, FIRST + 1, FIRST + 2, FIRST + 3]
