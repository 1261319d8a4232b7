"""The fold of all events of a run: what happened, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, field, frozen

from latcal.model.events import (
    Built,
    Certified,
    Event,
    Exposed,
    Ingested,
    Judged,
    Kept,
    Noted,
    Resolved,
    ResolvedNeed,
    RunEnded,
    RunStarted,
    Shown,
    Solved,
    StageLine,
    StepEnded,
    StepLine,
)
from latcal.model.products import ProductRef
from latcal.model.steps import Status
from latcal.model.verdicts import Verdict

_BADNESS = (0, 1, 4, 3, 2, 130)


@frozen
class StepReport:
    """How one step ended."""

    line: StepLine
    status: Status | None = None
    reason: str = ""
    exit_code: int = 0


@frozen
class StageReport:
    """How one stage ended.

    Parameters
    ----------
    status : Status or None
        The first of its steps that was not done decides; None while it runs.
    kept : Kept or None
        What was certified already and is used in place of what the stage would make; then its steps are skipped.
    """

    line: StageLine
    status: Status | None = None
    reason: str = ""
    verdict: Verdict | None = None
    numbers: Mapping[str, Mapping[str, float]] = field(factory=dict)
    units: Mapping[str, str] = field(factory=dict)
    shown: tuple[Shown, ...] = ()
    built: tuple[ProductRef, ...] = ()
    certified: tuple[Certified, ...] = ()
    kept: Kept | None = None


@frozen
class RunReport:
    """The fold of all events; equal for two runs that did the same, however fast their lanes were.

    Parameters
    ----------
    exposures : mapping of int to int
        Take step to exposure id.
    """

    run: str
    started: RunStarted
    steps: tuple[StepReport, ...]
    stages: tuple[StageReport, ...]
    resolved: tuple[ResolvedNeed, ...] = ()
    exposures: Mapping[int, int] = field(factory=dict)
    checksums: Mapping[int, Mapping[str, str]] = field(factory=dict)
    solved: tuple[Solved, ...] = ()
    notes: tuple[str, ...] = ()
    ended: bool = False
    interrupted: bool = False
    seconds: float = field(default=0.0, eq=False)

    @property
    def exit_code(self) -> int:
        """The exit code of the worst step: 0 all done, 1 refused, 4 or 3 failed, 130 interrupted or never ended."""
        codes = [step.exit_code for step in self.steps] + ([130] if self.interrupted or not self.ended else [])
        return max(codes, key=lambda code: _BADNESS.index(code) if code in _BADNESS else 2, default=0)


def _stage(stage: StageReport, steps: tuple[StepReport, ...]) -> StageReport:
    """Give the stage the status of the first of its steps that was not done."""
    mine = [step for step in steps if step.line.stage == stage.line.index]
    for step in mine:
        if step.status is not None and step.status is not Status.DONE:
            return evolve(stage, status=step.status, reason=step.reason)
    done = bool(mine) and all(step.status is Status.DONE for step in mine)
    return evolve(stage, status=Status.DONE if done else None, reason="")


def _apply(report: RunReport, event: Event) -> RunReport:
    def at_stage(step: int) -> int:
        return next(line.stage or 0 for line in report.started.steps if line.id == step)

    def stage(index: int, **change: Any) -> tuple[StageReport, ...]:
        return tuple(evolve(s, **change) if s.line.index == index else s for s in report.stages)

    match event:
        case Resolved(needs):
            return evolve(report, resolved=needs)
        case Kept(stage=index):
            return evolve(report, stages=stage(index, kept=event))
        case Exposed(step=step, exposure=exposure):
            return evolve(report, exposures=dict(sorted({**report.exposures, step: exposure}.items())))
        case Ingested(step=step, checksums=checksums):
            return evolve(report, checksums=dict(sorted({**report.checksums, step: checksums}.items())))
        case Solved():
            return evolve(report, solved=(*report.solved, event))
        case Built(step=step, refs=refs):
            return evolve(report, stages=stage(at_stage(step), built=refs))
        case Judged(step=step, verdict=verdict, numbers=numbers, units=units, shown=shown):
            told = {"verdict": verdict, "numbers": numbers, "units": units, "shown": shown}
            return evolve(report, stages=stage(at_stage(step), **told))
        case Certified(step=step):
            index = at_stage(step)
            done = next(s.certified for s in report.stages if s.line.index == index)
            return evolve(report, stages=stage(index, certified=(*done, event)))
        case Noted(what=what):
            return evolve(report, notes=tuple(sorted((*report.notes, what))))
        case StepEnded(step=step, status=status, reason=reason, exit_code=code):
            steps = tuple(
                evolve(s, status=status, reason=reason, exit_code=code) if s.line.id == step else s
                for s in report.steps
            )
            return evolve(report, steps=steps, stages=tuple(_stage(s, steps) for s in report.stages))
        case RunEnded(interrupted=interrupted, at_s=at_s):
            return evolve(report, ended=True, interrupted=interrupted, seconds=at_s)
        case _:
            return report


def fold(events: Iterable[Event]) -> RunReport:
    """Fold events into a report.

    Raises
    ------
    ValueError
        If the first event is not `RunStarted`.
    """
    stream = iter(events)
    first = next(stream, None)
    if not isinstance(first, RunStarted):
        raise TypeError("events that do not begin with RunStarted are not a run")
    report = RunReport(
        first.run,
        first,
        tuple(StepReport(line) for line in first.steps),
        tuple(StageReport(line) for line in first.stages),
    )
    for event in stream:
        report = _apply(report, event)
    return report
