"""What is done while frames of a set are still to come, so that less is left when it is whole."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from attrs import define

from latcal.engine.ledger import Ledger
from latcal.engine.mapping import mapped, task_of
from latcal.engine.ordering import does_whole_steps
from latcal.engine.work import Work
from latcal.model.steps import Build, Status, Verify
from latcal.plugin.calling import Guarded
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

    def prepare(self, step: Build | Verify) -> None:
        """Let the executor get workers ready for a step whose frames are still to come, if it can; load what reports need."""
        importlib.import_module("astropy.io.misc.yaml")  # by which tables are written: a fifth of a second
        named = self.registry.named("calibration", step.kind)
        name = "build_amplifier" if isinstance(step, Build) else "measure"
        if callable(getattr(self.executor.opened, "prepare", None)) and getattr(named.declaration, name) is not None:
            self.executor.prepare(task_of(named, name))

    def watch(self, step: Verify) -> Seen:
        """Observe frames until all takes of a step have ended; what comes last is left to `measure`.

        Nothing is observed while an exposure waits for another to be stored: the camera comes first.

        Raises
        ------
        LatcalError
            What the store or the type raises.
        """
        named, seen = self.registry.named("calibration", step.kind), dict[tuple[int, str, str], Any]()
        waived = self.ledger.planned(step).stage.verify.waiver
        if named.declaration.observe is None or waived or does_whole_steps(self.ledger.plan, self.registry):
            return seen
        left = list(step.takes)
        while self.ledger.wait_for(lambda: self._over(step) or self._next(left) is not None) and not self._over(step):
            take = self._next(left)
            if take is None:  # an exposure came meanwhile
                continue
            left.remove(take)
            items = list(self.work.amplifiers(step, self.work.needed(step), ((take,),), internal=False))
            found = mapped(self.executor, named, "observe", iter(items), self.ledger.stop)
            for inputs, one in zip(items, found, strict=True):
                seen[inputs.frames[0].exposure.id, inputs.detector.name, inputs.amplifier.name] = one
        return seen

    def _over(self, step: Verify) -> bool:
        return self.ledger.ended(step.takes)

    def _next(self, left: list[int]) -> int | None:
        """Give the first take that is in the store, unless more than one other is on its way there."""
        status = self.ledger.standing.status
        if sum(take not in status for take in tuple(self.ledger.exposures)) > 1:
            return None
        return next((take for take in left if status.get(take) is Status.DONE), None)
