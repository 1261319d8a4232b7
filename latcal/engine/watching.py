"""What is done while something else is waited for, frames or a disk, so that less is left when it has come."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define, field

from latcal.engine.ledger import Ledger
from latcal.engine.mapping import mapped, task_of
from latcal.engine.ordering import does_whole_steps
from latcal.engine.work import Work, amplifier_inputs
from latcal.model.geometry import Detector
from latcal.model.products import AmplifierProduct
from latcal.model.steps import Build, Status, Verify
from latcal.plugin.calling import Guarded
from latcal.plugin.inputs import AmplifierInputs
from latcal.plugin.registry import Registry

Seen = Mapping[tuple[int, str, str], Any]
"""What `observe` gave, by exposure id, detector name and amplifier name."""


@define(eq=False)
class Watcher:
    """Gets workers ready, and has frames observed while others of their set are still to come."""

    ledger: Ledger
    registry: Registry
    work: Work
    executor: Guarded
    _seen: dict[int, dict[tuple[int, str, str], Any]] = field(factory=dict, init=False)

    def seen(self, step: Verify) -> Seen:
        """Give what was observed of a step's frames."""
        return self._seen.get(step.stage, {})

    def prepare(self, step: Build | Verify) -> None:
        """Let the executor get workers ready for a step whose frames are still to come, if it can; load what reports need."""
        importlib.import_module("astropy.io.misc.yaml")  # by which tables are written: a fifth of a second
        named = self.registry.named("calibration", step.kind)
        name = "build_amplifier" if isinstance(step, Build) else "measure"
        waived = isinstance(step, Verify) and self.ledger.planned(step).stage.verify.waiver
        if waived or does_whole_steps(self.ledger.plan, self.registry):
            return
        if callable(getattr(self.executor.opened, "prepare", None)) and getattr(named.declaration, name) is not None:
            self.executor.prepare(task_of(named, name))

    def watch(self, step: Verify) -> None:
        """Observe frames until all takes of a step have ended; what comes last is left to `measure`.

        Nothing is observed while an exposure waits for another to be stored: the camera comes first.

        Raises
        ------
        LatcalError
            What the store or the type raises.
        """
        if not self._observes(step):
            return
        left = list(step.takes)
        while self.ledger.wait_for(lambda: self._over(step) or self._next(left) is not None) and not self._over(step):
            take = self._next(left)
            if take is None:  # an exposure came meanwhile
                continue
            left.remove(take)
            internal = self.ledger.planned(step).stage.verb != "check"
            self._observe(step, self.work.amplifiers(step, self.work.needed(step), ((take,),), internal=internal))

    def meanwhile(
        self, step: Build, detector: Detector, parts: Mapping[str, Mapping[str, AmplifierProduct]], done: Callable[[], bool]
    ) -> None:
        """Observe frames on one detector, as its verification will, against what was just built of them, until something is done.

        Parameters
        ----------
        parts : mapping of str to mapping
            By kind: what was built, and what it needed, by amplifier.

        Raises
        ------
        LatcalError
            What the type raises.
        """
        planned = self.ledger.planned(step)
        verify = next(one for one in self.ledger.plan.steps if isinstance(one, Verify) and one.stage == step.stage)
        for take in self.work.arrived(step) if self._observes(verify) else ():
            if done():
                return
            frame = self.work.prepared(planned, take, detector)
            self._observe(verify, amplifier_inputs(detector, [frame], parts, planned.stage.options, internal=True))

    def _observes(self, step: Verify) -> bool:
        kind = self.registry.get("calibration", step.kind)
        waived = self.ledger.planned(step).stage.verify.waiver
        return kind.observe is not None and not waived and not does_whole_steps(self.ledger.plan, self.registry)

    def _observe(self, step: Verify, inputs: Iterable[AmplifierInputs]) -> None:
        items, seen = list(inputs), self._seen.setdefault(step.stage, {})
        named = self.registry.named("calibration", step.kind)
        found = mapped(self.executor, named, "observe", iter(items), self.ledger.stop)
        for one, result in zip(items, found, strict=True):
            seen[one.frames[0].exposure.id, one.detector.name, one.amplifier.name] = result

    def _over(self, step: Verify) -> bool:
        return self.ledger.ended(step.takes)

    def _next(self, left: list[int]) -> int | None:
        """Give the first take that is in the store, unless more than one other is on its way there."""
        status = self.ledger.standing.status
        if sum(take not in status for take in tuple(self.ledger.exposures)) > 1:
            return None
        return next((take for take in left if status.get(take) is Status.DONE), None)
