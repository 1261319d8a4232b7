"""The camera lane: take exposures one after another, and never wait for processing unless a stage says so."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from functools import partial
from queue import Empty, Full, Queue

from attrs import Factory, define, field

from latcal.engine import arrival
from latcal.engine.asking import Asked
from latcal.engine.ingesting import Ingestion, Offered
from latcal.engine.ledger import POLL_S, Ledger
from latcal.engine.levels import Levels
from latcal.engine.ordering import does_whole_steps
from latcal.engine.preflight import request
from latcal.engine.preparing import prepare
from latcal.engine.standing import INTERRUPTED
from latcal.errors import CameraError, LatcalError, NotReady
from latcal.model.events import (
    Exposed,
    Ingested,
    Noted,
)
from latcal.model.frames import SETUP_KEYS, AmplifierFrame, Frame
from latcal.model.geometry import Preparation
from latcal.model.steps import PlannedStage, Status, Take
from latcal.plugin.declarations import CalibrationType
from latcal.plugin.gates import RETRIED
from latcal.plugin.protocols import CameraDescription, Store
from latcal.plugin.registry import Registry
from latcal.plugin.wording import counted

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
        How far its times may be off.
    levels : Levels
        Finds the times of exposures to a level.
    """

    ledger: Ledger
    registry: Registry
    camera: Asked
    store: Store
    described: CameraDescription | None
    queue: Queue[tuple[Take, tuple[Frame, ...]] | None]
    levels: Levels
    begun: set[str] = field(factory=set)
    ingestion: Ingestion = field(init=False, default=Factory(lambda lane: lane.ingesting(), takes_self=True))

    def ingesting(self) -> Ingestion:
        """Give what is to bring its exposures into the store."""
        return Ingestion(self.store, self.camera.limits, self.ledger.stop)

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
        unwanted = ledger.standing.unwanted(take)
        if unwanted:
            ledger.end(take.id, Status.SKIPPED, unwanted)
            return
        try:
            unneeded = self.levels.unneeded(take)
            if unneeded:
                ledger.end(take.id, Status.SKIPPED, unneeded)
                return
            ledger.start(take.id)
            self.camera.check(ledger.numbers[take.id])
            time_s = self.levels.time(take)
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
        self.ingestion.exposed(take)
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
        self._note_retries(take, asked.number, frames)
        limit = self.camera.limits.answer_s
        if late_s > LATE * limit:
            what = f"exposure {asked.number} came {late_s:.3g} s after its readout (limits.answer is {limit:g} s)"
            self.ledger.emit(Noted(what, take.id))
        return frames

    def _note_retries(self, take: Take, number: int, frames: Iterable[Frame]) -> None:
        """Say that the camera did not get an exposure at its first attempt."""
        counts = [count for frame in frames if isinstance(count := frame.header.get(RETRIED), int)]
        if any(counts):
            what = f"exposure {number} came at attempt {max(counts) + 1}: the camera gave up {counted(max(counts), 'attempt')}"
            self.ledger.emit(Noted(what, take.id))

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
        return self.ledger.wait_for(partial(self.ledger.ended, self.ledger.standing.awaited(take)))

    def write(self) -> None:
        """Store and prepare each exposure as it comes, until there is no more; none waits for one that is late."""
        try:
            self._write()
        finally:
            self.ingestion.end()

    def _write(self) -> None:
        late: list[Offered] = []
        more = True
        while (more or late) and not self.ledger.broken:
            if more and len(late) < BEHIND:
                try:
                    item = self.queue.get(timeout=POLL_S)
                except Empty:
                    pass
                else:
                    more = item is not None
                    late += [] if item is None else self._offer(*item)
            else:
                self.ingestion.wait(late[0], POLL_S)
            late = [offered for offered in late if not self._ended(offered)]

    def _offer(self, take: Take, frames: tuple[Frame, ...]) -> list[Offered]:
        """Let an exposure be stored, if its files can be read back."""
        try:
            for frame in frames:
                arrival.check_file(frame)
        except LatcalError as error:
            self._fail(take, error)
            return []
        return [Offered(take, frames)]

    def _ended(self, offered: Offered) -> bool:
        """Prepare an exposure that is in the store, or let it fail; False while it is waited for."""
        try:
            stored = self.ingestion.stored(offered)
            if stored is None:
                return False
            self._arrived(offered.take, stored)
        except LatcalError as error:
            self._fail(offered.take, error)
        return True

    def _arrived(self, take: Take, frames: tuple[Frame, ...]) -> None:
        ledger, began = self.ledger, time.monotonic()
        wanted = self._preparations(take)
        levels, prepared = {}, {}
        sums = {frame.detector.name: frame.checksum for frame in frames}
        for frame in frames:
            for preparation in wanted:
                parts = prepare(frame, preparation, ledger.scratch)
                prepared[take.id, frame.detector.id, preparation] = parts
                levels[frame.detector.name] = next(iter(parts.values())).detector_level
            if wanted:
                self._note_numbers(take, frame, parts)
        self.ingestion.prepared(began)
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
        """Give the distinct ways in which stages want this exposure prepared; none for a discarded one.

        An executor that does whole steps prepares what it needs itself; what probes show is wanted here all the same.
        """
        if take.discarded or (does_whole_steps(self.ledger.plan, self.registry) and not take.probe):
            return ()
        return tuple(dict.fromkeys(planned.preparation for planned in self._users(take)))

