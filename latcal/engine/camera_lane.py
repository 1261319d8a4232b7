"""The camera lane: take exposures one after another, and never wait for processing unless a stage says so."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from functools import partial
from queue import Empty, Full, Queue

from attrs import define

from latcal.engine import arrival
from latcal.engine.asking import Asked
from latcal.engine.ledger import INTERRUPTED, POLL_S, Ledger
from latcal.engine.ordering import does_whole_steps
from latcal.engine.preflight import request
from latcal.engine.preparing import prepare
from latcal.errors import BuildError, CameraError, LatcalError, NotReady, Problem
from latcal.model.events import (
    Exposed,
    Ingested,
    Noted,
    Solved,
    Status,
)
from latcal.model.frames import SETUP_KEYS, AmplifierFrame, Frame
from latcal.model.geometry import Preparation
from latcal.model.steps import PlannedStage, Take
from latcal.numerics import exposure as solving
from latcal.plugin.declarations import CalibrationType
from latcal.plugin.protocols import CameraDescription, Store
from latcal.plugin.registry import Registry

BEHIND = 2
"""Exposures that the writer may be behind the camera; house rule: it bounds memory."""

LATE = 0.5
"""Part of `limits.answer` from which a late exposure is noted; our choice: the next may be later still."""


@define(eq=False)
class CameraLane:
    """Takes, and the writer that follows it.

    Parameters
    ----------
    described : CameraDescription or None
        Shortest and longest times, for levels that are solved.
    """

    ledger: Ledger
    registry: Registry
    camera: Asked
    store: Store
    described: CameraDescription | None
    queue: Queue[tuple[Take, tuple[Frame, ...]] | None]
    begun: set[str]
    solved: dict[tuple[str, str], float]

    def expose(self) -> None:
        """Do every Take of the plan in order, then tell the writer that there is no more."""
        try:
            for step in self.ledger.plan.steps:
                if isinstance(step, Take):
                    self._take(step)
        finally:
            self._pass(None)

    def _take(self, take: Take) -> None:
        ledger = self.ledger
        if not self._released(take) or ledger.stop.is_set():
            ledger.end(take.id, Status.SKIPPED, INTERRUPTED, 130)
            return
        unwanted = ledger.wanted(take)
        if unwanted:
            ledger.end(take.id, Status.SKIPPED, unwanted)
            return
        ledger.start(take.id)
        try:
            self.camera.check(ledger.numbers[take.id])
            time_s = self._time(take)
            if take.sequence not in self.begun:
                for _ in self.registry.hook("latcal_before_take", step=take, camera=self.camera.bare):
                    pass
                self.begun.add(take.sequence)  # a gate that refuses is asked again before the next exposure
            if ledger.stop.is_set():
                raise CameraError(INTERRUPTED)
            frames = self._frames(take, time_s)
        except LatcalError as error:
            self._fail(take, error)
            return
        exposure = frames[0].exposure
        ledger.exposures[take.id] = exposure
        ledger.emit(Exposed(take.id, exposure.id, exposure.time_s, exposure.setup, ledger.elapsed))
        self._pass((take, frames))

    def _frames(self, take: Take, time_s: float) -> tuple[Frame, ...]:
        """Take one exposure; see that every detector asked for has answered, with this exposure."""
        asked = request(self.ledger.plan, take, self.ledger.numbers[take.id], time_s)
        frames, late_s = self.camera.take(asked)
        matters = {key for planned in self._users(take) for key in self._kind(planned).setup}
        keys = [key for key in SETUP_KEYS if key in matters or getattr(asked.setup, key) is not None]
        tolerance_s = self.described.tolerance_s if self.described else 0.0
        arrival.check(frames, asked, self.ledger.setups[take.id], keys, tolerance_s)
        limit = self.camera.limits.answer_s
        if late_s > LATE * limit:
            what = f"exposure {asked.number} came {late_s:.3g} s after its readout (limits.answer is {limit:g} s)"
            self.ledger.emit(Noted(what, take.id))
        return frames

    def _fail(self, take: Take, error: LatcalError) -> None:
        """End a Take by an error that names its exposure; that a camera is lost is said even if the run was to end."""
        number = self.ledger.numbers[take.id]
        known = isinstance(error, NotReady) or str(number) in str(error)
        if self.ledger.stop.is_set() and self.camera.lost:
            self.ledger.emit(Noted(str(error), take.id))
        self.ledger.fail(take.id, error, "" if known else f"exposure {number}")

    def _users(self, take: Take) -> list[PlannedStage]:
        return [planned for planned in self.ledger.plan.stages if take.sequence in planned.stage.frames]

    def _kind(self, planned: PlannedStage) -> CalibrationType:
        kind: CalibrationType = self.registry.get("calibration", planned.stage.kind)
        return kind

    def _pass(self, item: tuple[Take, tuple[Frame, ...]] | None) -> None:
        while not self.ledger.broken:
            try:
                self.queue.put(item, timeout=POLL_S)
            except Full:
                continue
            return

    def _released(self, take: Take) -> bool:
        """Wait for every earlier stage that says ``wait: true``."""
        steps = self.ledger.plan.steps[: take.id]
        waits = tuple(step.id for step in steps if not isinstance(step, Take) and self.ledger.planned(step).stage.wait)
        return self.ledger.wait_for(partial(self.ledger.ended, waits))

    def _time(self, take: Take) -> float:
        """Give the exposure time, solved from the probes where a level was asked for."""
        if take.time_s is not None:
            return take.time_s
        plan = self.ledger.plan
        probes = [
            step for step in plan.steps if isinstance(step, Take) and step.sequence == take.sequence and step.probe
        ]
        before = [step for step in probes if step.id < take.id]
        if not self.ledger.wait_for(partial(self.ledger.ended, tuple(step.id for step in before))):
            raise CameraError(INTERRUPTED)
        measured = [self._probe(step) for step in before]
        levels = [g.level for g in plan.recipe.sequences[take.sequence].exposures if g.level]
        gain = statistics.median(a.gain for d in plan.instrument.detectors for a in d.amplifiers)
        full = plan.instrument.full_well
        shortest, longest = (self.described.shortest_s, self.described.longest_s) if self.described else (0.0, 3600.0)
        try:
            if take.probe:
                brightest = max(level.electrons(gain, full) for level in levels)
                return solving.second_probe(measured[0], full, brightest, shortest, longest)
            level = take.level
            key = (take.sequence, str(level))
            if level is not None and key not in self.solved:
                target = level.electrons(gain, full)
                self.solved[key] = solving.solve(measured, target, ceiling=full, shortest=shortest, longest=longest)
                pairs = tuple((probe.time_s, probe.level) for probe in measured)
                self.ledger.emit(Solved(take.sequence, str(level), self.solved[key], pairs))
            return self.solved[key]
        except BuildError as error:
            raise NotReady([Problem(f"no time for {take.level}: {error}", path=take.sequence)]) from error

    def _probe(self, step: Take) -> solving.Probe:
        """Give time and level of a probe, the level being the median over detectors and amplifiers."""
        with self.ledger.changing():
            prepared = [parts for (take, _, _), parts in self.ledger.prepared.items() if take == step.id]
        levels = [frame.level for parts in prepared for frame in parts.values()]
        if not levels:
            raise NotReady([Problem(f"probe {step.position} did not arrive", path=step.sequence)])
        return solving.Probe(self.ledger.exposures[step.id].time_s, statistics.median(levels))

    def write(self) -> None:
        """Store and prepare each exposure as it comes, until there is no more."""
        while (item := self._next()) is not None:
            take, frames = item
            try:
                self._ingest(take, frames)
            except LatcalError as error:
                self._fail(take, error)

    def _next(self) -> tuple[Take, tuple[Frame, ...]] | None:
        while not self.ledger.broken:
            try:
                return self.queue.get(timeout=POLL_S)
            except Empty:
                continue
        return None

    def _ingest(self, take: Take, frames: tuple[Frame, ...]) -> None:
        ledger = self.ledger
        wanted = self._preparations(take)
        sums, levels, prepared = {}, {}, {}
        for frame in frames:
            arrival.check_file(frame)
        for frame in frames:
            stored = self.store.ingest(frame)
            sums[frame.detector.name] = stored.checksum
            for preparation in wanted:
                parts = prepare(stored, preparation, ledger.scratch)
                prepared[take.id, frame.detector.id, preparation] = parts
                levels[frame.detector.name] = next(iter(parts.values())).detector_level
            if wanted:
                self._note_numbers(take, frame, parts)
        with ledger.changing():
            ledger.prepared.update(prepared)
            ledger.checksums[take.id] = sums
        ledger.emit(Ingested(take.id, frames[0].exposure.id, sums, levels))
        ledger.end(take.id, Status.DONE)

    def _note_numbers(self, take: Take, frame: Frame, parts: Mapping[str, AmplifierFrame]) -> None:
        """Say that a few pixels have no number: they are used as having none."""
        few = {name: part.without_number for name, part in parts.items() if part.without_number}
        if few:
            places = ", ".join(f"{name} {count}" for name, count in few.items())
            what = f"exposure {frame.exposure.id}: {sum(few.values())} pixels of {frame.detector.name} are not numbers"
            self.ledger.emit(Noted(f"{what} ({places})", take.id))

    def _preparations(self, take: Take) -> tuple[Preparation, ...]:
        """Give the distinct ways in which stages want this exposure prepared; none for a discarded one."""
        if take.discarded or does_whole_steps(self.ledger.plan, self.registry):
            return ()
        return tuple(dict.fromkeys(planned.preparation for planned in self._users(take)))
