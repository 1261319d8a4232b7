"""Run a plan: the only part that touches the world. It gives events; a report is their fold."""

from __future__ import annotations

import tempfile
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from queue import Empty, Queue
from typing import Any

from astropy.time import Time
from attrs import define, field

from latcal.engine import preflight
from latcal.engine.camera_lane import BEHIND, CameraLane
from latcal.engine.ledger import POLL_S, Ledger
from latcal.engine.processing_lane import ProcessingLane
from latcal.engine.work import Work
from latcal.errors import LatcalError, StoreError
from latcal.formats.journal import to_json
from latcal.model.events import (
    Event,
    Noted,
    RunEnded,
    RunStarted,
    StageLine,
    StepLine,
)
from latcal.model.recipe import Use
from latcal.model.report import RunReport, fold
from latcal.model.steps import Plan, Take
from latcal.model.validity import stamp
from latcal.plugin.calling import Guarded, call_hook, expect
from latcal.plugin.protocols import Camera, Store, World
from latcal.plugin.registry import Registry

Clock = Callable[[], Time]


def system_clock() -> Time:
    """Give the time of the machine, TAI."""
    return Time.now().tai


JOURNAL = "events.jsonl"
"""The file of a run's report that holds all its events: `latcal report` prints it again."""


@define(eq=False)
class _Listeners:
    """Those who hear the events: hooks of plugins, and the reporters of this run."""

    registry: Registry
    extra: list[tuple[Any, str]]
    deaf: list[Callable[..., Any]] = field(factory=list)
    journal: list[str] = field(factory=list)

    def tell(self, event: Event) -> Iterator[Event]:
        """Let all hear an event; give it back, followed by a note on each that raised (once)."""
        self.journal.append(to_json(event))
        yield event
        notes = []
        for name, function in self.registry.implementations("latcal_event", *self.extra):
            if function not in self.deaf:
                try:
                    call_hook(name, function, {"event": event})
                except LatcalError as error:
                    self.deaf.append(function)
                    notes.append(Noted(f"the reporter {error}; it hears no more of this run"))
        for note in notes:
            yield from self.tell(note)


def _open(stack: ExitStack, registry: Registry, kind: str, use: Use, world: World) -> Any:
    named = registry.named(kind, use.use)
    opened = Guarded(registry.call(named, named.declaration.open, use.options, world), named.source)
    return stack.enter_context(opened)


def _world(stack: ExitStack, plan: Plan, now: Clock, run: str, stop: threading.Event) -> World:
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="latcal-", ignore_cleanup_errors=True))
    return World(plan.instrument, now, run, stop, Path(folder))


def _started(plan: Plan, run: str, now: Clock) -> RunStarted:
    recipe = plan.recipe
    overhead = plan.instrument.readout_s
    steps = tuple(
        StepLine(
            step.id,
            type(step).__name__.lower(),
            str(step),
            step.stage,
            (step.time_s or 0.0) + overhead if isinstance(step, Take) else 0.0,
        )
        for step in plan.steps
    )
    stages = tuple(
        StageLine(
            planned.index,
            planned.stage.verb,
            planned.stage.kind,
            planned.stage.verify.waiver,
            planned.stage.verify.drop,
        )
        for planned in plan.stages
    )
    return RunStarted(
        run=run,
        began=stamp(now()),
        title=recipe.title,
        recipe=recipe.name,
        digest=recipe.digest,
        text=recipe.text,
        settings=recipe.settings,
        instrument=plan.instrument.name,
        camera=recipe.camera.use,
        store=recipe.store.use,
        versions=plan.versions,
        stages=stages,
        steps=steps,
        camera_s=plan.estimate.camera_s,
        at_most=plan.estimate.at_most,
        budget=plan.budget,
    )


def _numbers(plan: Plan, store: Store, now: Time) -> tuple[int, ...]:
    """Reserve an exposure id for every Take, of the observing day on which the run begins."""
    takes = sum(isinstance(step, Take) for step in plan.steps)
    day = (now.utc.to_datetime() - timedelta(hours=plan.instrument.rollover_h)).date()
    numbers = tuple(expect(store.reserve(day, takes), Iterable, "reserve of the store")) if takes else ()
    if len(numbers) != takes:
        raise StoreError(f"the store reserved {len(numbers)} exposure ids of {day}, not {takes}")
    return numbers


def _keep_journal(store: Store, run: str, journal: list[str]) -> Callable[..., None]:
    """Keep the events of a run in the store, however it ended; what ended it is not hidden by a failure to."""

    def keep(_: object, ended_by: BaseException | None, __: object) -> None:
        if not journal:
            return
        try:
            store.write_report(run, {JOURNAL: "\n".join((*journal, ""))})
        except LatcalError as error:
            if ended_by is None or isinstance(ended_by, GeneratorExit):
                raise
            ended_by.add_note(f"the report of the run was not kept: {error}")

    return keep


@define(eq=False)
class _Lanes:
    """The three threads of a run."""

    ledger: Ledger
    camera: Camera
    pool: ThreadPoolExecutor
    futures: list[Future[None]] = field(factory=list)
    noted: bool = False

    def begin(self, lane: CameraLane, processing: ProcessingLane) -> None:
        self.futures += [self.pool.submit(work) for work in (lane.expose, lane.write, processing.process)]

    def events(self) -> Iterator[Event]:
        """Give events as they come, until all lanes have ended; raise what a lane died of."""
        while True:
            over = all(future.done() for future in self.futures)
            try:
                yield self.ledger.events.get(timeout=0.0 if over else POLL_S)
            except Empty:
                if over:
                    break
            self._look()
            if self.ledger.stop.is_set():
                self.abort()
        for future in self.futures:
            future.result()

    def _look(self) -> None:
        """See whether a lane died of an error of our own: then the others end, and none waits for it."""
        if any(future.done() and future.exception() for future in self.futures):
            self.ledger.broken = True
            self.ledger.stop.set()

    def abort(self) -> None:
        """Tell the camera to abort while its lane still runs; that it would not is noted once, and the run ends.

        It is told again and again, since an exposure may begin in the moment in which it is told.
        """
        if self.futures and not self.futures[0].done():
            try:
                self.camera.abort()
            except LatcalError as error:
                if not self.noted:
                    self.noted = True
                    self.ledger.emit(Noted(f"the camera could not be aborted: {error}"))

    def end(self) -> None:
        """Stop what still runs, and wait for it: the hardware is left as it was found."""
        if not all(future.done() for future in self.futures):
            self.ledger.stop.set()
        self.abort()
        while wait(self.futures, timeout=POLL_S).not_done:
            self._look()
            self.abort()
        self.pool.shutdown(wait=True)


def events(
    plan: Plan,
    registry: Registry,
    *,
    now: Clock = system_clock,
    stop: threading.Event | None = None,
) -> Iterator[Event]:
    """Run a plan and give its events, one after another.

    Closing the iterator aborts the exposure, restores the hardware and ends the run. Setting `stop` does the same and
    lets the events of the ending be heard.

    Parameters
    ----------
    now : callable
        The clock, TAI.
    stop : threading.Event
        Set it, from any thread, to end the run early.

    Yields
    ------
    Event
        `RunStarted` first, `RunEnded` last.

    Raises
    ------
    NotReady
        With everything that preflight found missing, before the first exposure.
    PluginError, CameraError, StoreError
        If something cannot even be opened.
    """
    stop = stop or threading.Event()
    began = now()
    run = f"{began.utc.strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        world = _world(stack, plan, now, run, stop)
        store: Store = _open(stack, registry, "store", plan.recipe.store, world)
        camera: Camera = _open(stack, registry, "camera", plan.recipe.camera, world)
        resolution = preflight.resolve(plan, registry, store, camera, began)
        reporters = [(_open(stack, registry, "reporter", use, world), use.use) for use in plan.recipe.report]
        listeners = _Listeners(registry, [(guarded.opened, word) for guarded, word in reporters])
        stack.push(_keep_journal(store, run, listeners.journal))
        opening: list[Event] = [
            _started(plan, run, now),
            resolution.event,
            *map(Noted, (*plan.remarks, *resolution.remarks)),
        ]
        for event in opening:
            yield from listeners.tell(event)
        executor: Guarded = _open(stack, registry, "executor", plan.executor, world)
        ledger = Ledger(
            plan=plan,
            run=run,
            now=now,
            stop=stop,
            scratch=world.scratch,
            numbers=_numbers(plan, store, began),
            resolved={(need.step, need.kind, need.detector): need.ref for need in resolution.event.needs},
            setups=resolution.setups,
        )
        named = registry.named("camera", plan.recipe.camera.use)
        limits = registry.call(named, named.declaration.describe, plan.recipe.camera.options, plan.instrument)
        lane = CameraLane(ledger, registry, camera, store, limits, Queue(BEHIND), set(), {})
        lanes = _Lanes(ledger, camera, ThreadPoolExecutor(3, thread_name_prefix="latcal"))
        stack.callback(lanes.end)
        lanes.begin(lane, ProcessingLane(ledger, registry, Work(ledger, registry, store), executor))
        for event in lanes.events():
            yield from listeners.tell(event)
        yield from listeners.tell(RunEnded(stop.is_set(), ledger.elapsed))


def run(plan: Plan, registry: Registry, *, now: Clock = system_clock, stop: threading.Event | None = None) -> RunReport:
    """Run a plan to its end and give the report.

    Parameters and errors are those of `events`.
    """
    return fold(events(plan, registry, now=now, stop=stop))


def check_ready(plan: Plan, registry: Registry, *, now: Clock = system_clock) -> preflight.Resolution:
    """Do the preflight of a plan and stop: nothing is moved or written.

    Raises
    ------
    NotReady
        With everything that is missing.
    """
    with ExitStack() as stack:
        world = _world(stack, plan, now, "preflight", threading.Event())
        store: Store = _open(stack, registry, "store", plan.recipe.store, world)
        camera: Camera = _open(stack, registry, "camera", plan.recipe.camera, world)
        return preflight.resolve(plan, registry, store, camera, now())
