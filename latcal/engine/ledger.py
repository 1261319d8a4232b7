"""What exists so far in a run: statuses, exposures, prepared frames, products. Shared by the lanes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from astropy.time import Time
from attrs import Factory, define, field, frozen

from latcal.engine.standing import INTERRUPTED, Standing
from latcal.errors import LatcalError
from latcal.model.events import (
    Event,
    Kept,
    StepEnded,
    StepStarted,
)
from latcal.model.frames import AmplifierFrame, Exposure, Setup
from latcal.model.geometry import Preparation
from latcal.model.products import AmplifierProduct, ProductRef
from latcal.model.steps import Build, Certify, Plan, PlannedStage, Status, Take, Verify

POLL_S = 0.1
"""How long a lane waits at most before it looks whether the run is to end [s]; our choice."""

Value = TypeVar("Value")


@frozen
class Made:
    """What one build made, by detector id, and its references for workers.

    Parameters
    ----------
    groups : mapping of int to Made
        Where exposures are built in groups: what was made of each, by its first Take; the rest is empty then.
    """

    refs: Mapping[int, ProductRef] = field(factory=dict)
    parts: Mapping[int, Mapping[str, AmplifierProduct]] = field(factory=dict)
    groups: Mapping[int, Made] = field(factory=dict)

    @property
    def every(self) -> tuple[ProductRef, ...]:
        """The names of all products, in the order in which they were made."""
        return (*self.refs.values(), *(ref for group in self.groups.values() for ref in group.every))


@define(eq=False)
class Ledger:
    """The one shared, mutable thing of a run; every change is made under its lock and wakes who waits.

    Parameters
    ----------
    stop : threading.Event
        Set when the run is to end early.
    broken : bool
        Whether a lane died of an error of our own: then nobody waits for it.
    scratch : Path
        Where prepared frames lie.
    numbers : mapping of int to int
        By Take: the reserved exposure id.
    resolved : mapping of (int, str, int) to ProductRef
        By step, kind and detector: what preflight found. What is not there a step of the plan makes.
    kept : mapping of int to Kept
        By stage: what stands for what it would make. Its steps are skipped, and nothing that needs it waits for them.
    setups : mapping of int to Setup
        By Take: what preflight was told that it will come in.
    """

    plan: Plan
    run: str
    now: Callable[[], Time]
    stop: threading.Event
    scratch: Path
    numbers: Mapping[int, int] = field(factory=dict)
    resolved: Mapping[tuple[int, str, int], ProductRef] = field(factory=dict)
    kept: Mapping[int, Kept] = field(factory=dict)
    setups: Mapping[int, Setup] = field(factory=dict)
    events: SimpleQueue[Event] = field(factory=SimpleQueue)
    standing: Standing = field(init=False, default=Factory(lambda ledger: Standing(ledger.plan, ledger.kept), takes_self=True))
    exposures: dict[int, Exposure] = field(factory=dict)
    checksums: dict[int, Mapping[str, str]] = field(factory=dict)
    prepared: dict[tuple[int, int, Preparation], Mapping[str, AmplifierFrame]] = field(factory=dict)
    made: dict[int, Made] = field(factory=dict)
    broken: bool = False
    began: float = field(factory=time.monotonic)
    _changed: threading.Condition = field(factory=threading.Condition)

    @property
    def elapsed(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.began

    def emit(self, event: Event) -> None:
        """Let an event be heard, after all that were emitted before it."""
        self.events.put(event)

    def skip_kept(self) -> None:
        """Give the steps of kept stages their status; before the lanes begin."""
        for step in self.plan.steps:
            if not isinstance(step, Take) and step.stage in self.kept:
                self.end(step.id, Status.SKIPPED, self.kept[step.stage].reason)

    def start(self, step: int) -> None:
        """Say that a step begins."""
        self.emit(StepStarted(step, self.elapsed))

    def end(self, step: int, status: Status, reason: str = "", exit_code: int = 0) -> None:
        """Give a step its status, once."""
        with self.changing():
            self.standing.end(step, status, reason)
        self.emit(StepEnded(step, status, reason, exit_code, self.elapsed))

    def fail(self, step: int, error: LatcalError, about: str = "") -> None:
        """End a step by an error, and say what it is about: interrupted if the run was told to stop, failed otherwise."""
        if self.stop.is_set():
            self.end(step, Status.SKIPPED, INTERRUPTED, 130)
        else:
            self.end(step, Status.FAILED, ": ".join(filter(None, (about, " ".join(str(error).split())))), error.exit_code)

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock for a change, then wake who waits."""
        with self._changed:
            yield
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool]) -> bool:
        """Wait until a condition holds; False if the run is to end first."""
        with self._changed:
            while not condition():
                if self.stop.is_set():
                    return False
                self._changed.wait(POLL_S)
        return True

    def ended(self, steps: tuple[int, ...]) -> bool:
        """Tell whether all these steps have a status."""
        return all(step in self.standing.status for step in steps)

    def planned(self, step: Build | Verify | Certify) -> PlannedStage:
        """Give the stage of a step."""
        return self.plan.stages[step.stage]
