"""Give frames to the store, and give up on those that are not in it in time: the next ones do not wait for them."""

from __future__ import annotations

import threading
import time
from functools import partial

from attrs import define, field, frozen

from latcal.engine.answers import Answer, Caller
from latcal.errors import IngestTimeout
from latcal.model.frames import Frame
from latcal.model.recipe import TimeLimits
from latcal.model.steps import Take
from latcal.plugin.protocols import Store

PATIENCE = 0.1
"""Part of `limits.ingest` after which the next frame is given to the store, in another thread; our choice: a store that
waits for one frame may well have the others."""


@frozen(eq=False)
class Offered:
    """An exposure on its way into the store.

    Parameters
    ----------
    answers : list of Answer
        Of those frames that the store has been given, in their order.
    """

    take: Take
    frames: tuple[Frame, ...]
    answers: list[Answer] = field(factory=list, init=False)

    @property
    def missing(self) -> tuple[str, ...]:
        """The names of the detectors whose frames are not in the store."""
        there = [answer.ended.is_set() and answer.error is None for answer in self.answers]
        there += [False] * (len(self.frames) - len(there))
        return tuple(frame.detector.name for frame, stored in zip(self.frames, there, strict=True) if not stored)


@define(eq=False)
class Ingestion:
    """What is on its way into the store, and how long each frame has.

    One frame is given to the store after another, as long as it takes them. All of a sequence must be there
    `limits.ingest` after its last exposure so far (`exposed`, which the camera lane calls). What latcal itself takes to
    prepare frames meanwhile (`prepared`) is no fault of the store, and does not count.

    Parameters
    ----------
    stop : threading.Event
        Set when the run is to end early: then the store has `limits.abort`.
    """

    store: Store
    limits: TimeLimits
    stop: threading.Event
    _last: dict[str, float] = field(factory=dict, init=False)
    _stopped: float | None = field(default=None, init=False)
    _callers: list[Caller] = field(factory=list, init=False)
    _lock: threading.Lock = field(factory=threading.Lock, init=False)

    def exposed(self, take: Take) -> None:
        """Note that the last exposure of a sequence, so far, has ended."""
        with self._lock:
            self._last[take.sequence] = time.monotonic()

    def prepared(self, began: float) -> None:
        """Note that no frame was given to the store since an instant of the monotonic clock [s]."""
        with self._lock:
            now = time.monotonic()
            self._last = {sequence: min(now, last + now - began) for sequence, last in self._last.items()}

    def stored(self, offered: Offered) -> tuple[Frame, ...] | None:
        """Give the frames as they are in the store, once all are; None while some are waited for.

        Raises
        ------
        LatcalError
            What the store raised.
        IngestTimeout
            If it is time, naming the exposure and each detector that is missing.
        """
        self._offer(offered)
        for answer in offered.answers:
            if answer.ended.is_set():
                answer.result()
        if not offered.missing:
            return tuple(answer.result() for answer in offered.answers)
        if self._left(offered.take) <= 0.0:
            raise self._timeout(offered)
        return None

    def _offer(self, offered: Offered) -> None:
        """Give the store what it has not been given yet, waiting for no frame long; an error ends it."""
        for frame in offered.frames[len(offered.answers) :]:
            left = self._left(offered.take)
            if left <= 0.0 or any(answer.ended.is_set() and answer.error for answer in offered.answers):
                return
            answer = self._caller.ask(partial(self.store.ingest, frame))
            offered.answers.append(answer)
            until = time.monotonic() + min(left, PATIENCE * self.limits.ingest_s)
            answer.came(until, self.stop, self.limits.abort_s)

    def wait(self, offered: Offered, seconds: float) -> None:
        """Wait for the first frame that is missing, so long at most."""
        for answer in offered.answers:
            if not answer.ended.is_set():
                answer.wait(min(seconds, self._left(offered.take)))
                return

    def end(self) -> None:
        """Let the threads end; those in which the store does not answer are not waited for."""
        for caller in self._callers:
            caller.end()

    def _left(self, take: Take) -> float:
        """Give how long the frames of a take still have [s]."""
        until = self._last[take.sequence] + self.limits.ingest_s
        if self.stop.is_set():
            self._stopped = time.monotonic() if self._stopped is None else self._stopped
            until = min(until, self._stopped + self.limits.abort_s)
        return until - time.monotonic()

    @property
    def _caller(self) -> Caller:
        """A thread in which the store can be asked now."""
        free = next((caller for caller in self._callers if not caller.busy), None)
        if free is None:
            free = Caller("latcal-ingest")
            self._callers.append(free)
        return free

    def _timeout(self, offered: Offered) -> IngestTimeout:
        names, take = offered.missing, offered.take
        detectors = f"detector {names[0]}" if len(names) == 1 else f"detectors {', '.join(names)}"
        return IngestTimeout(
            f"exposure {offered.frames[0].exposure.id}: no frame of {detectors} was in the store "
            f"{self.limits.ingest_s:g} s after the last exposure of {take.sequence} (see that the data system takes "
            f"frames, or set limits.ingest)"
        )
