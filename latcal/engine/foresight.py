"""Foresee what a run does if its noise budget comes true: what is refused, what is then skipped, and what it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import evolve

from latcal.engine.estimate import estimate
from latcal.engine.standing import Standing
from latcal.model.steps import BudgetLine, Certify, Estimate, Foreseen, Plan, PlannedStage, Status, Take, Verify
from latcal.plugin.protocols import CameraDescription
from latcal.plugin.registry import Registry

if TYPE_CHECKING:  # planning needs no event
    from latcal.model.events import Kept


def with_foresight(
    cost: Estimate,
    plan: Plan,
    registry: Registry,
    camera: CameraDescription | None,
    budget: Iterable[BudgetLine],
    kept: Mapping[int, Kept],
) -> Estimate:
    """Add to an estimate what is taken if the noise budget comes true.

    Parameters
    ----------
    cost : Estimate
        Of all exposures of the plan that are wanted.
    kept : mapping of int to Kept
        Stages whose steps are skipped.
    """
    lines = tuple(budget)
    failing = frozenset(
        planned.index
        for planned in plan.stages
        if planned.index not in kept
        and not registry.get("calibration", planned.stage.kind).groups_apart
        and will_be_refused(planned, plan.stage_takes(planned.index), lines)
    )
    if not failing:
        return cost
    wanted, least, most = (
        endings(plan, which, kept, at_once=at_once)
        for which, at_once in ((frozenset[int](), True), (failing, True), (failing, False))
    )
    skipped = tuple(step for step, status in least.items() if status is Status.SKIPPED and status is not wanted[step])
    if not plan.takes(skipped):
        return cost
    taken, shortest = (
        estimate((take for take in plan.takes(tuple(ends)) if ends[take.id] is Status.DONE), plan.instrument, camera)
        for ends in (most, least)
    )
    certified = {step.stage for step in plan.steps if isinstance(step, Certify)}
    least_s = shortest.camera_s if shortest.expected_s is None else shortest.expected_s
    foreseen = Foreseen(
        refused=tuple(
            step.stage
            for step in plan.steps
            if isinstance(step, Verify) and least[step.id] is Status.REFUSED and step.stage in certified  # others skip no step
        ),
        skipped=skipped,
        camera_s=taken.camera_s,
        least_s=least_s,
        at_most=taken.at_most,
        expected_s=taken.expected_s,
    )
    return evolve(cost, foreseen=foreseen)


def will_be_refused(planned: PlannedStage, takes: tuple[Take, ...], budget: Iterable[BudgetLine]) -> bool:
    """Tell whether so many exposures of a stage will fail a rule that counts that it is refused.

    A noise is expected of every amplifier alike, so an exposure that fails does so on all of them.
    """
    counting = {checked.rule.name for checked in planned.rules if checked.scope.of_exposures and not checked.rule.advisory}
    failing = {
        take.id
        for line in budget
        if line.stage == planned.index and line.fails and line.rule in counting
        for take in takes
        if line.concerns(take)
    }
    return len(failing) >= planned.acceptance.limits(len(planned.detectors), 1, len(takes)).exposures


def endings(plan: Plan, failing: frozenset[int], kept: Mapping[int, Kept], *, at_once: bool) -> dict[int, Status]:
    """Say how every step ends where all goes well but that some stages are refused when it is their turn.

    Parameters
    ----------
    at_once : bool
        Whether the camera knows how a step ended before its next exposure, or only of what it waits for. How much more it
        knows in a run depends on how fast frames are processed.
    """
    ended = dict.fromkeys((s.id for s in plan.steps if not isinstance(s, Take) and s.stage in kept), Status.SKIPPED)
    processing, camera = Standing(plan, kept, dict(ended)), Standing(plan, kept, dict(ended))
    for step in plan.steps:
        if isinstance(step, Take):
            last = step.id if at_once else max(camera.awaited(step), default=-1)
            camera.status |= {one: status for one, status in processing.status.items() if one <= last}
            status = Status.SKIPPED if camera.unwanted(step) else Status.DONE
            camera.end(step.id, status)
        elif step.stage in kept or processing.hindrance(step):
            status = Status.SKIPPED
        else:
            status = Status.REFUSED if isinstance(step, Verify) and step.stage in failing else Status.DONE
        processing.end(step.id, status)
    return dict(sorted(processing.status.items()))
