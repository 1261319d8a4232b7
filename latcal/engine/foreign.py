"""Judge statistics that were measured elsewhere, or long ago, by rules of latcal."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from latcal.errors import Problem, RecipeError
from latcal.formats.measured import measurements_of
from latcal.model import rules as rule_language
from latcal.model import verdicts
from latcal.model.measurements import Measurements
from latcal.model.metrics import Metric
from latcal.model.rules import CheckedRule, Rule
from latcal.model.verdicts import Acceptance, Verdict
from latcal.plugin.registry import Registry

if TYPE_CHECKING:
    from astropy.table import Table

HALF = Acceptance()


def judge(
    statistics: Table | Mapping[str, Any],
    kind: str,
    registry: Registry | None = None,
    *,
    metrics: Iterable[Metric] = (),
    rules: Iterable[Rule] = (),
    drop: Iterable[str] = (),
    accept: Acceptance = HALF,
) -> Verdict:
    """Judge a table of statistics as a verification would.

    Parameters
    ----------
    statistics : Table, or mapping of str to column
        A row for each place, a column for each metric in its unit: see `latcal.formats.measured.measurements_of`.
        What latcal keeps of every verification (``..._measurements.ecsv``) is such a table.
    kind : str
        With a registry, the calibration type whose metrics and default rules hold; without, only a word for the verdict.
    registry : Registry, optional
    metrics : iterable of Metric
        More of them, or others of the same names.
    rules : iterable of Rule
        They replace the default of the same name, or come on top.
    drop : iterable of str
        Names of default rules that shall not hold.
    accept : Acceptance
        How many findings may fail; the defaults are those of a recipe.

    Returns
    -------
    Verdict
        `latcal.plugin.wording.verdict_text` puts it into one line.

    Raises
    ------
    RecipeError
        If the kind, a rule, a column or a unit is not known or does not fit; if a rule needs a metric that the table
        does not have (drop it by name, or measure it); if no rule is left.
    """
    from astropy.table import Table

    declared = None if registry is None else registry.get("calibration", kind)
    known: dict[str, Metric] = dict(declared.metrics) if declared else {}
    known |= {metric.name: metric for metric in metrics}
    chosen: dict[str, Rule] = {rule.name: rule for rule in declared.rules} if declared else {}
    chosen |= {rule.name: rule for rule in rules}
    try:
        table = Table(statistics)
    except ValueError as error:
        raise RecipeError([Problem(f"the statistics are not a table: {error}", "give columns of one length")]) from error
    checked = tuple(_checked(chosen, (drop,) if isinstance(drop, str) else tuple(drop), known, frozenset(table.colnames)))
    measured = measurements_of(table, known)
    if problems := list(_unjudged(checked, measured)):
        raise RecipeError(problems)
    return verdicts.judge(kind, checked, accept, measured)


def _unjudged(rules: Iterable[CheckedRule], measured: Measurements) -> Iterator[Problem]:
    """Name the rules for which the table has no place, or none of a detector: silence would satisfy them."""
    bare = [name for name, amplifiers in zip(measured.detectors, measured.amplifiers, strict=True) if not amplifiers]
    for one in rules:
        if not measured.present(one.scope).any():
            what = f"rule {one.rule.name!r}: the table has no row for one {one.scope.value}"
            yield Problem(what, "nothing is accepted by silence")
        elif "amplifier" in one.scope.axes and bare:
            yield Problem(f"rule {one.rule.name!r}: no row of {', '.join(bare)} names an amplifier", "add its rows")


def _checked(
    chosen: Mapping[str, Rule], drop: tuple[str, ...], metrics: Mapping[str, Metric], columns: frozenset[str]
) -> Iterable[CheckedRule]:
    """Check the rules that hold against the metrics and against what the table has."""
    problems, found = [], []
    for name in drop:
        if name not in chosen:
            near = difflib.get_close_matches(name, chosen, 1) or [", ".join(chosen) or "none"]
            problems.append(Problem(f"{name!r} is not a rule that could be dropped", f"there is {near[0]}"))
    for name, rule in chosen.items():
        if name in drop:
            continue
        try:
            checked = rule_language.check(rule, metrics)
        except RecipeError as error:
            problems += [Problem(f"rule {name!r}: {problem.what}", problem.hint) for problem in error.problems]
            continue
        missing = sorted(checked.names - columns)
        if missing:
            what = f"rule {name!r} needs {', '.join(missing)}, which the table does not have"
            problems.append(Problem(what, f"add the column, or drop=[{name!r}]"))
        found.append(checked)
    if not problems and all(one.rule.advisory for one in found):
        problems.append(Problem("no rule that counts is left", "give rules; nothing is accepted by silence"))
    if problems:
        raise RecipeError(problems)
    return found
