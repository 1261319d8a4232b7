"""The noise budget of a plan: what every rule on noise is expected to see, before a frame is taken."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from latcal.model.rules import CheckedRule
from latcal.model.steps import BudgetLine, Build, FromStep, PlannedStage, Step, Take, Verify, takes_of
from latcal.plugin.inputs import Outlook
from latcal.plugin.registry import Registry


def lines(
    registry: Registry,
    stages: Sequence[PlannedStage],
    steps: Sequence[Step],
    found: Mapping[tuple[int, str], int] = MappingProxyType({}),
) -> Iterator[BudgetLine]:
    """Ask every type what its noise rules are expected to see in a plan.

    Parameters
    ----------
    found : mapping of (int, str) to int
        By step and kind: how many frames made a product that was found in a collection, where that is known.
    """
    counts = {step.id: len(step.takes) for step in steps if isinstance(step, Build)}
    for step in steps:
        if not isinstance(step, Verify):
            continue
        planned = stages[step.stage]
        frames = {
            kind: counts[source.step]
            for kind, source in ({**step.needs, step.kind: step.product} if step.product else step.needs).items()
            if isinstance(source, FromStep)
        }
        frames |= {kind: count for (user, kind), count in found.items() if user == step.id}
        yield from of_stage(registry, planned, takes_of(steps, step.takes), frames)


def of_stage(
    registry: Registry, planned: PlannedStage, takes: tuple[Take, ...], frames: dict[str, int]
) -> tuple[BudgetLine, ...]:
    """Give the noise budget of one stage.

    Parameters
    ----------
    takes : tuple of Take
        Whose exposures go in.
    frames : mapping of str to int
        How many frames made each product that is used, where that is known.
    """
    stage = planned.stage
    named = registry.named("calibration", stage.kind)
    times = tuple(take.time_s for take in takes if take.time_s is not None)
    outlook = Outlook(times, stage.verb != "check", frames, stage.options, limits=noise_limits(planned.rules))
    return tuple(
        BudgetLine(
            planned.index, stage.kind, one.rule, one.case, one.excess, one.limit, one.more, one.note, one.more_of,
            one.time_s,
        )
        for one in registry.ask(named, "budget", outlook)
        if one.rule in outlook.limits
    )


def noise_limits(rules: tuple[CheckedRule, ...]) -> dict[str, float]:
    """Read from each rule on a noise what relative excess it allows, by trying values.

    A rule that compares ``noise`` with one other metric is tried at noise = other x (1 + excess); its strain is
    excess over limit where the rule is of the form ``abs(noise - other) <= limit * other``. What does not hold best
    where the two are equal is another kind of rule, and no budget is given for it.
    """
    import numpy as np

    limits = {}
    for checked in rules:
        others = checked.names - {"noise"}
        if "noise" in checked.names and len(others) == 1:
            other = next(iter(others))
            tried = np.array([0.01, -0.01, 0.02, 0.01])
            scale = np.array([1.0, 1.0, 1.0, 10.0])  # a limit that is not relative shows at another scale
            still = checked.strain({"noise": scale, other: scale})
            strain = checked.strain({"noise": scale * (1.0 + tried), other: scale})
            if (still == 0).all() and (strain > 0).all() and np.isfinite(strain).all():
                found = np.abs(tried) / strain
                if np.ptp(found) < 1e-6 * found[0]:
                    limits[checked.rule.name] = round(float(found[0]), 9)
    return limits
