"""What follows from how steps ended: which others are skipped, and which exposures nobody wants any more.

The run asks this of what has happened so far; planning asks it of what the noise budget foresees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import define, field

from latcal.model.steps import Build, Certify, FromStep, Plan, PlannedStage, Status, Take, Verify

if TYPE_CHECKING:  # planning needs no event
    from latcal.model.events import Kept

INTERRUPTED = "interrupted"


@define(eq=False)
class Standing:
    """How the steps of a plan have ended so far, and what follows from it.

    Parameters
    ----------
    kept : mapping of int to Kept
        By stage: what stands for what it would make.
    status, reasons : dict of int to Status or str
        By step, of those that have ended; a reason only of those that have one.
    """

    plan: Plan
    kept: Mapping[int, Kept]
    status: dict[int, Status] = field(factory=dict)
    reasons: dict[int, str] = field(factory=dict)

    def end(self, step: int, status: Status, reason: str = "") -> None:
        """Give a step its status."""
        self.status[step] = status
        if reason:
            self.reasons[step] = reason

    def awaited(self, take: Take) -> tuple[int, ...]:
        """Give the steps that an exposure waits for: those of every earlier stage that says ``wait: true``."""
        earlier = self.plan.steps[: take.id]
        return tuple(step.id for step in earlier if not isinstance(step, Take) and self.plan.stages[step.stage].stage.wait)

    def hindrance(self, step: Build | Verify | Certify) -> str:
        """Say why a step has nothing to work on; empty if it has."""
        blocked = self.blocker(step)
        if blocked:
            return blocked
        mine = (s for s in self.plan.steps if not isinstance(s, Take) and s.stage == step.stage and s.id < step.id)
        if any(self.status[earlier.id] is not Status.DONE for earlier in mine):
            return f"{step.kind} {self.outcome(step.stage)}"
        return ""

    def arrived(self, takes: tuple[int, ...]) -> tuple[int, ...]:
        """Give those takes that are in the store."""
        return tuple(step for step in takes if self.status.get(step) is Status.DONE)

    def lost(self, takes: tuple[int, ...]) -> tuple[Take, ...]:
        """Give those takes that ended in any other way."""
        gone = tuple(step for step in takes if self.status.get(step) not in (None, Status.DONE))
        return self.plan.takes(gone)

    def last_step(self, build: int) -> Certify | None:
        """Give the step that certifies what a build made: what uses it waits for that."""
        for step in self.plan.steps:
            if isinstance(step, Certify) and step.build == build:
                return step
        return None

    def blocker(self, step: Build | Verify | Certify) -> str:
        """Say which product a step needs and will not get, and why; empty if there is none."""
        for kind, source in step.needs.items() if not isinstance(step, Certify) else ():
            last = self.last_step(source.step) if isinstance(source, FromStep) else None
            if last is not None and last.stage not in self.kept and self.status.get(last.id) not in (None, Status.DONE):
                return f"{kind} {self.outcome(last.stage)}"
        return ""

    def outcome(self, stage: int) -> str:
        """Say how a stage ended without doing its work: it is kept, was refused, failed, or was skipped."""
        if stage in self.kept:
            return "is kept"
        for step in self.plan.steps:
            if getattr(step, "stage", None) == stage:
                status = self.status.get(step.id)
                if status is not None and status is not Status.DONE:
                    if self.reasons.get(step.id) == INTERRUPTED:
                        return f"was {INTERRUPTED}"
                    return status.value if status is Status.FAILED else f"was {status.value}"
        return "was skipped"

    def alive(self, stage: PlannedStage) -> bool:
        """Tell whether a stage may still want exposures: nothing of it, or that it needs, has ended badly."""
        mine = [step for step in self.plan.steps if not isinstance(step, Take) and step.stage == stage.index]
        if any(self.status.get(step.id) is not None for step in mine) or any(self.blocker(step) for step in mine):
            return False
        takes = mine[0].takes if not isinstance(mine[0], Certify) else ()
        return len(takes) - len(self.lost(takes)) >= stage.at_least

    def unwanted(self, take: Take) -> str:
        """Say why no living stage wants an exposure; empty if one does."""
        users = self.plan.users(take)
        if any(self.alive(planned) for planned in users):
            return ""
        return "; ".join(dict.fromkeys(self.why_dead(planned) for planned in users))

    def why_dead(self, planned: PlannedStage) -> str:
        """Say why a stage wants no more exposures."""
        mine = [step for step in self.plan.steps if not isinstance(step, Take) and step.stage == planned.index]
        blocked = next((self.blocker(step) for step in mine if self.blocker(step)), "")
        if blocked:
            return blocked
        ended = [step for step in mine if self.status.get(step.id) is not None]
        return (
            f"{planned.stage.kind} {self.outcome(planned.index)}"
            if ended
            else (f"{planned.stage.kind} can no longer have {planned.at_least} frames")
        )
