"""Run a plan: the only part that touches the world. It gives events; a report is their fold."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any

from astropy.time import Time
from attrs import define, evolve, field

from latcal.engine import preflight
from latcal.engine.asking import Asked
from latcal.engine.camera_lane import BEHIND, CameraLane
from latcal.engine.estimate import likely_time
from latcal.engine.lanes import Lanes
from latcal.engine.ledger import Ledger
from latcal.engine.levels import Levels
from latcal.engine.processing_lane import ProcessingLane
from latcal.engine.stream import Events
from latcal.engine.work import Work
from latcal.errors import LatcalError, NotReady, Problem, StoreError
from latcal.formats.journal import to_json
from latcal.model.events import (
    Event,
    Noted,
    RunEnded,
    RunStarted,
    StageLine,
    StepLine,
)
from latcal.model.numbering import observing_day
from latcal.model.recipe import Use
from latcal.model.report import RunReport, fold
from latcal.model.steps import Plan, Step, Take
from latcal.model.validity import stamp
from latcal.plugin.calling import Guarded, call_hook
from latcal.plugin.judged import JOURNAL
from latcal.plugin.protocols import CameraDescription, Store, World
from latcal.plugin.registry import Registry

Clock = Callable[[], Time]


def system_clock() -> Time:
    """Give the time of the machine, TAI."""
    return Time.now().tai


@define(eq=False)
class Leaving:
    """What is left of a run that nobody waits for any more: a camera to make safe, and files of its own."""

    camera: Asked | None = None
    scratch: Path | None = None

    def release(self) -> bool:
        """Abort and close the camera, remove the files; say whether the hardware is as it was found."""
        safe = self.camera is None or self.camera.release()
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)
        return safe


@define(eq=False)
class _Listeners:
    """Those who hear the events: hooks of plugins, and the reporters of this run."""

    hearing: list[tuple[str, Callable[..., Any]]]
    journal: list[str] = field(factory=list)

    def tell(self, event: Event) -> Iterator[Event]:
        """Let all hear an event; give it back, followed by a note on each that raised (once)."""
        self.journal.append(to_json(event))
        yield event
        notes = []
        for listener in tuple(self.hearing):
            name, function = listener
            try:
                call_hook(name, function, {"event": event})
            except LatcalError as error:
                self.hearing.remove(listener)
                words = " ".join(str(error).split()).removeprefix(f"{name}: ")
                notes.append(Noted(f"the reporter {name}: {words}; it hears no more of this run"))
        for note in notes:
            yield from self.tell(note)


def _open(stack: ExitStack, registry: Registry, kind: str, use: Use, world: World) -> Any:
    return stack.enter_context(_guarded(registry, kind, use, world))


def _guarded(registry: Registry, kind: str, use: Use, world: World) -> Guarded:
    return registry.open(registry.named(kind, use.use), use.options, world)


def describe_camera(plan: Plan, registry: Registry) -> CameraDescription | None:
    """Give what the camera of a plan says of itself without being opened."""
    named = registry.named("camera", plan.recipe.camera.use)
    described: CameraDescription | None = registry.ask(named, "describe", plan.recipe.camera.options, plan.instrument)
    return described


def asked_camera(plan: Plan, registry: Registry, world: World) -> Asked:
    """Give the camera, not yet open, so that nobody waits for it without a limit."""
    described, camera = describe_camera(plan, registry), plan.recipe.camera
    said = described or CameraDescription(plan.instrument.readout_s, 0)
    opening = partial(_guarded, registry, "camera", camera, world)
    return Asked(opening, plan.recipe.limits, said.overhead_s, world.stop, said.wait_s, said.attempts)


def open_world(stack: ExitStack, plan: Plan, now: Clock, run: str, stop: threading.Event) -> World:
    """Give what cameras and stores of a run are opened with; its folder goes with the stack."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="latcal-", ignore_cleanup_errors=True))
    return World(plan.instrument, now, run, stop, Path(folder))


def _started(
    plan: Plan, resolution: preflight.Resolution, registry: Registry, run: str, now: Clock
) -> RunStarted:
    recipe = plan.recipe
    steps = tuple(_step_line(step, plan, resolution) for step in plan.steps)
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
        camera_s=resolution.estimate.camera_s,
        at_most=resolution.estimate.at_most,
        foreseen=resolution.estimate.foreseen,
        budget=resolution.budget,
        detectors={detector.id: detector.name for detector in plan.instrument.detectors},
        place=registry.place(recipe.store.use, recipe.store.options),
    )


def _step_line(step: Step, plan: Plan, resolution: preflight.Resolution) -> StepLine:
    kept, camera_s = step.stage in resolution.kept, 0.0
    if isinstance(step, Take):
        kept = step.id not in resolution.takes
        camera_s = 0.0 if kept else step.pause_s + likely_time(step) + plan.instrument.readout_s
    return StepLine(step.id, type(step).__name__.lower(), str(step), step.stage, camera_s, kept)


def _numbers(plan: Plan, wanted: frozenset[int], store: Store, now: Time) -> dict[int, int]:
    """Reserve an exposure id for every Take that is wanted, of the observing day on which the run begins."""
    takes = len(wanted)
    day = observing_day(now, plan.instrument.rollover_h)
    numbers = store.reserve(day, takes) if takes else range(0)
    if len(numbers) != takes:
        raise StoreError(f"the store reserved {len(numbers)} exposure ids of {day}, not {takes}")
    return dict(zip(sorted(wanted), numbers, strict=True))


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


def events(
    plan: Plan,
    registry: Registry,
    *,
    now: Clock = system_clock,
    stop: threading.Event | None = None,
) -> Events:
    """Run a plan and give its events, one after another: `RunStarted` first, `RunEnded` last.

    Closing the iterator aborts the exposure, restores the hardware and ends the run. Setting `stop` does the same and
    lets the events of the ending be heard.

    Parameters
    ----------
    now : callable
        The clock, TAI.
    stop : threading.Event
        Set it, from any thread, to end the run early. It is set, too, when the iteration is given up.

    Returns
    -------
    Events
        For ``for`` and ``async for``. The first step of it raises what is listed here.

    Raises
    ------
    NotReady
        With everything that preflight found missing, before the first exposure.
    PluginError, CameraError, StoreError
        If something cannot even be opened.
    """
    stop, leaving = stop or threading.Event(), Leaving()
    return Events(_events(plan, registry, now, stop, leaving), stop, leaving.release)


def _require_a_main_program() -> None:
    """Refuse to run in a worker process that only imports the program that started it.

    Such a process runs the whole program again, up to the line that runs latcal: the exposures would be taken anew.

    Raises
    ------
    NotReady
        If it is one.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        what = "this process is a worker that imports the program, and the program runs latcal when it is imported"
        raise NotReady([Problem(what, "put what runs latcal under: if __name__ == '__main__':")])


def _events(
    plan: Plan, registry: Registry, now: Clock, stop: threading.Event, leaving: Leaving
) -> Generator[Event, None, None]:
    """Run a plan; closing the generator ends the run in order."""
    _require_a_main_program()
    began = now()
    run = f"{began.utc.strftime('%Y%m%dT%H%M%S')}-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        world = open_world(stack, plan, now, run, stop)
        store: Store = _open(stack, registry, "store", plan.recipe.store, world)
        camera = leaving.camera = asked_camera(plan, registry, world)
        leaving.scratch = world.scratch
        stack.enter_context(camera)
        resolution = preflight.resolve(plan, registry, store, camera, began)
        executor: Guarded = _open(stack, registry, "executor", plan.executor, evolve(world, store=store, plan=plan))
        numbers = _numbers(plan, resolution.takes, store, began)
        hearing = evolve(world, store=store)
        reporters = [_open(stack, registry, "reporter", use, hearing) for use in plan.recipe.report]
        extra = [(guarded.opened, guarded.distribution) for guarded in reporters]
        listeners = _Listeners(registry.implementations("latcal_event", *extra))
        stack.push(_keep_journal(store, run, listeners.journal))
        opening: list[Event] = [
            _started(plan, resolution, registry, run, now),
            resolution.event,
            *resolution.kept.values(),
            *map(Noted, (*plan.remarks, *resolution.remarks)),
        ]
        for event in opening:
            yield from listeners.tell(event)
        ledger = Ledger(
            plan=plan,
            run=run,
            now=now,
            stop=stop,
            scratch=world.scratch,
            numbers=numbers,
            kept=resolution.kept,
            resolved={(need.step, need.kind, need.detector): need.ref for need in resolution.event.needs},
            setups=resolution.setups,
        )
        ledger.skip_kept()
        described = describe_camera(plan, registry)
        lane = CameraLane(ledger, registry, camera, store, described, Queue(BEHIND), Levels(ledger, described))
        lanes = Lanes(ledger, camera, ThreadPoolExecutor(3, thread_name_prefix="latcal"))
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
        world = open_world(stack, plan, now, "preflight", threading.Event())
        store: Store = _open(stack, registry, "store", plan.recipe.store, world)
        camera = stack.enter_context(asked_camera(plan, registry, world))
        return preflight.resolve(plan, registry, store, camera, now())
