"""Turn the measurements of a stage into a verdict, and into what is kept of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from attrs import evolve

from latcal.engine import budget
from latcal.formats.columns import measurements_ecsv
from latcal.formats.journal import verdict_json
from latcal.model import verdicts
from latcal.model.events import Figure, Shown
from latcal.model.measurements import Measurements
from latcal.model.rules import CheckedRule
from latcal.model.steps import BudgetLine, PlannedStage, Take
from latcal.model.verdicts import Verdict
from latcal.plugin.judged import report_stem
from latcal.plugin.registry import Registry
from latcal.plugin.wording import more_frames


def waived(planned: PlannedStage, measured: Measurements) -> Verdict:
    """Give the verdict of a stage whose verification was waived by name: nothing was judged."""
    stage = planned.stage
    amplifiers = min(len(names) for names in measured.amplifiers)
    limits = planned.acceptance.limits(len(measured.detectors), amplifiers, len(measured.exposures))
    return Verdict(
        stage.kind, True, measured.exposures, measured.detectors, amplifiers, limits, (), (), (), stage.verify.waiver
    )


def judge(
    registry: Registry,
    planned: PlannedStage,
    measured: Measurements,
    takes: tuple[Take, ...],
    frames: dict[str, int],
) -> Verdict:
    """Apply the rules in force; where they refuse for noise, say how many more frames would pass.

    Parameters
    ----------
    frames : mapping of str to int
        How many frames made each product that was used.
    """
    verdict = verdicts.judge(planned.stage.kind, planned.rules, planned.acceptance, measured)
    if verdict.accepted:
        return verdict
    decisive = {tally.rule for tally in verdict.tallies if tally.decisive}
    lines = [line for line in budget.of_stage(registry, planned, takes, frames) if line.rule in decisive]
    if decisive != {line.rule for line in lines} or any(line.more is None for line in lines):
        return verdict  # what else decided, or is out of reach, more frames would not mend
    if not all(_has_noise_of_few(planned.rules, measured, [line for line in lines if line.rule == rule]) for rule in decisive):
        return verdict  # nor would they a noise that is no matter of how many there are
    wanted = max((line for line in lines if line.more), key=lambda line: line.more or 0, default=None)
    if wanted is None:
        return verdict
    whose = f"a {verdict.kind} of " if planned.stage.verb == "check" else ""
    return evolve(verdict, remedy=f"{whose}{more_frames(wanted.more or 0, wanted.more_of)} would do")


def _has_noise_of_few(rules: tuple[CheckedRule, ...], measured: Measurements, lines: Sequence[BudgetLine]) -> bool:
    """Tell whether a noise is off by as much as so few frames make it, within what its rule allows.

    Parameters
    ----------
    lines : sequence of BudgetLine
        What one rule was expected to see: a noise compared with one other metric.
    """
    (rule,) = (checked for checked in rules if checked.rule.name == lines[0].rule)
    (other,) = rule.names - {"noise"}
    with np.errstate(divide="ignore", invalid="ignore"):
        found = measured.values["noise"] / measured.values[other] - 1.0
    known = found[np.isfinite(found)]
    expected = [(line.excess, line.limit) for line in lines if line.excess is not None]
    return bool(known.size) and any(abs(float(np.median(known)) - excess) <= limit for excess, limit in expected)


def numbers(measured: Measurements) -> dict[str, Mapping[str, float]]:
    """Give median, least and greatest of every metric, for the report."""
    found: dict[str, Mapping[str, float]] = {}
    for name, values in measured.values.items():
        finite = values[np.isfinite(values)]
        if finite.size:
            found[name] = {
                "median": float(np.median(finite)),
                "least": float(finite.min()),
                "greatest": float(finite.max()),
            }
    return found


def shown(measured: Measurements, metrics: tuple[tuple[str, str], ...]) -> tuple[Shown, ...]:
    """Give the figures that a report shows amplifier by amplifier, for those metrics that have any."""
    found = []
    for name, error in metrics:
        if name not in measured.values:
            continue
        values, errors = measured.values[name], measured.values.get(error)
        scope = measured.metrics[name].scope
        present = measured.present(scope)
        figures = {
            " ".join(map(str, place.values())): Figure(
                float(values[index]),
                float("nan") if errors is None else float(errors[index]),
                measured.untested.get(name, {}).get(index, ""),
            )
            for place, index in zip(measured.places(scope, present), map(tuple, np.argwhere(present)), strict=True)
        }
        found.append(Shown(name, measured.metrics[name].unit, figures, scope.of_exposures))
    return tuple(found)


def report_files(planned: PlannedStage, measured: Measurements, verdict: Verdict) -> dict[str, str]:
    """Give the files that a store keeps of a verification, by name."""
    stem = report_stem(planned.index, planned.stage.verb, planned.stage.kind)
    return {f"{stem}_verdict.json": verdict_json(verdict), f"{stem}_measurements.ecsv": measurements_ecsv(measured)}
