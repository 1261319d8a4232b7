"""What a store keeps of how a run was judged, by the kind of product: for notebooks, whatever the number of the stage."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from latcal.errors import StoreError
from latcal.formats import records
from latcal.formats.columns import ecsv_table
from latcal.formats.journal import from_json
from latcal.model.metrics import Scope
from latcal.model.products import Column
from latcal.model.report import RunReport, StageReport, fold
from latcal.model.verdicts import Verdict
from latcal.plugin.lookup import run_named
from latcal.plugin.protocols import Store

JOURNAL = "events.jsonl"
"""The file of a run's report that holds all its events: `latcal report` prints it again."""


def report_stem(stage: int, verb: str, kind: str) -> str:
    """Give how the names of the files begin that are kept of a stage's verification."""
    return f"{stage}_{verb}_{kind}"


def run_report(store: Store, run: str) -> RunReport:
    """Give the report of an old run.

    Parameters
    ----------
    run : str
        Its name, or that of its collection.

    Raises
    ------
    StoreError
        If the store has none.
    """
    return fold(from_json(line) for line in store.read_report(run_named(run), JOURNAL).splitlines())


def run_verdict(store: Store, run: str, kind: str, *, stage: int | None = None) -> dict[str, Any]:
    """Give the verdict of a run on a kind, as plain values.

    Parameters
    ----------
    run : str
        Its name, or that of its collection.
    kind : str
        The calibration type: ``flat``, whether it was made, checked or measured.
    stage : int, optional
        Which one, where several stages of the recipe judged that kind.

    Returns
    -------
    dict
        The fields of `Verdict`: ``accepted``, ``failed_exposures``, ``limits``, ``tallies`` by rule, ``findings``, ... With
        ``numbers``, the median, least and greatest of every metric.

    Raises
    ------
    StoreError
        If the run judged no such kind, or several stages did and none was named.
    """
    judged = _judged(run_report(store, run), kind, stage)
    found: dict[str, Any] = records.to_plain(_verdict(judged))
    return {**found, "numbers": {name: dict(values) for name, values in judged.numbers.items()}}


def detector_measurements(
    store: Store, run: str, kind: str, detector: int | str, exposure: int, *, stage: int | None = None
) -> dict[str, Any]:
    """Give every number of one exposure on one detector, and what failed there.

    Parameters
    ----------
    run, kind, stage
        As for `run_verdict`.
    detector : int or str
        Its id, or its name.
    exposure : int
        For what is measured in pairs, the first of the pair.

    Returns
    -------
    dict
        ``amplifiers``: by name, each number by metric; ``detector`` and ``exposure``: those of these scopes; ``units``, by
        metric; ``failures``: of each, its ``rule``, ``amplifier`` (None for a rule on more) and ``text``. A metric that has
        no value there is NaN.

    Raises
    ------
    StoreError
        If the run judged no such kind, detector or exposure.
    """
    report = run_report(store, run)
    judged = _judged(report, kind, stage)
    verdict, name = _verdict(judged), _name(report, detector)
    if name not in verdict.detectors or exposure not in verdict.exposures:
        raise StoreError(
            f"the run {report.run} judged no {kind} of detector {detector} and exposure {exposure} (it judged detectors "
            f"{', '.join(verdict.detectors)}, exposures {', '.join(map(str, verdict.exposures))})"
        )
    file = f"{report_stem(judged.line.index, judged.line.verb, kind)}_measurements.ecsv"
    table = ecsv_table(store.read_report(report.run, file))
    metrics = [column for column in table if column in judged.units]
    amplifiers = _rows(table, metrics, Scope.AMPLIFIER, exposure, name)
    failures = [
        {"rule": one.rule, "amplifier": one.amplifier, "text": one.text}
        for one in verdict.findings
        if one.exposure == exposure and one.detector in (name, None)
    ]
    return {
        "amplifiers": amplifiers,
        "detector": _rows(table, metrics, Scope.DETECTOR, exposure, name).get("", {}),
        "exposure": _rows(table, metrics, Scope.EXPOSURE, exposure, "").get("", {}),
        "units": {metric: table[metric].unit for metric in metrics},
        "failures": failures,
    }


def _judged(report: RunReport, kind: str, stage: int | None) -> StageReport:
    """Give the one stage of a run that judged a kind."""
    judged = [one for one in report.stages if one.verdict is not None]
    mine = [one for one in judged if one.line.kind == kind and stage in (None, one.line.index)]
    if len(mine) == 1:
        return mine[0]
    if mine:
        stages = " and ".join(f"stages.{one.line.index}" for one in mine)
        raise StoreError(f"the run {report.run} judged a {kind} in {stages} (name one: stage={mine[0].line.index})")
    of = "" if stage is None else f" in stages.{stage}"
    there = ", ".join(dict.fromkeys(one.line.kind for one in judged)) or "nothing"
    raise StoreError(f"the run {report.run} judged no {kind}{of} (it judged {there})")


def _verdict(judged: StageReport) -> Verdict:
    if judged.verdict is None:
        raise StoreError(f"stages.{judged.line.index} has no verdict")
    return judged.verdict


def _name(report: RunReport, detector: int | str) -> str:
    """Give the name of a detector; an id that the run does not have stays what it is."""
    return detector if isinstance(detector, str) else report.started.detectors.get(detector, str(detector))


def _rows(
    table: Mapping[str, Column], metrics: list[str], scope: Scope, exposure: int, detector: str
) -> dict[str, dict[str, float]]:
    """Give the numbers of a place by amplifier, those of a scope; metrics that no place of that scope has are left out."""
    scoped = [row for row, one in enumerate(table["scope"].values) if one == scope.value]
    mine = [metric for metric in metrics if any(not math.isnan(table[metric].values[row]) for row in scoped)]
    return {
        table["amplifier"].values[row]: {metric: float(table[metric].values[row]) for metric in mine}
        for row in scoped
        if (table["exposure"].values[row], table["detector"].values[row]) == (exposure, detector)
    }
