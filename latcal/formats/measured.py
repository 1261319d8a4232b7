"""Read a table of statistics, latcal's own or somebody else's, as the measurements that rules judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from latcal.errors import Problem, RecipeError
from latcal.formats.columns import read_untested
from latcal.model.measurements import Measurements
from latcal.model.metrics import Measurement, Metric
from latcal.model.quantities import parse_unit

if TYPE_CHECKING:
    from astropy.table import Table


def measurements_of(table: Table, metrics: Mapping[str, Metric]) -> Measurements:
    """Take the measurements out of a table.

    Parameters
    ----------
    table : Table
        A row for each place. The columns ``exposure``, ``detector`` and ``amplifier`` name it, as far as the metrics'
        scopes need them; a column ``scope``, as `latcal.formats.columns.measurements_ecsv` writes it, tells for which
        metrics the row is; ``time`` [s] is the exposure time; ``untested`` names what no rule is applied to. Every column called as a metric holds its values, in a
        unit that converts to the metric's. Other columns are left aside. Masked values are NaN.
    metrics : mapping of str to Metric

    Returns
    -------
    Measurements
        Exposures, detectors and amplifiers in the order in which they come; a place that the table does not have is
        NaN, which satisfies no rule.

    Raises
    ------
    RecipeError
        With everything that is wrong: a column that is missing, a unit that does not convert, a place given twice.
    """
    from astropy.table import Table

    table = Table(table, copy=False)  # a column that is a quantity becomes one with a unit
    names = [name for name in table.colnames if name in metrics]
    problems = [*_missing(table, names, metrics), *_wrong_units(table, names, metrics)]
    if problems:
        raise RecipeError(problems)
    rows = _places(table)
    detectors = _distinct(rows, "detector")
    amplifiers = tuple(
        tuple(_distinct([row for row in rows if row.get("detector") == name], "amplifier")) for name in detectors
    )
    exposures = _distinct(rows, "exposure")
    times = {row["exposure"]: float(row.get("time", np.nan)) for row in rows if "exposure" in row}
    blank = Measurements(
        exposures=exposures,
        times_s=tuple(times[exposure] for exposure in exposures),
        detectors=detectors,
        amplifiers=amplifiers,
        metrics=metrics,
        values={},
    )
    return blank.extended(one for name in names for one in _column(table, rows, metrics[name]))


def _missing(table: Table, names: list[str], metrics: Mapping[str, Metric]) -> Iterator[Problem]:
    if not names:
        known = ", ".join(sorted(metrics))
        yield Problem(f"none of the columns {', '.join(table.colnames)} is a metric", f"name them: {known}")
    wanted = dict.fromkeys(key for name in names for key in metrics[name].scope.axes)
    for key in wanted:
        if key not in table.colnames:
            yield Problem(f"there is no column {key!r}", "say to which place each row belongs")
        elif key == "exposure" and table[key].dtype.kind not in "iu":
            yield Problem("the column 'exposure' does not hold whole numbers", "give exposure ids, as 2022110400001")


def _wrong_units(table: Table, names: list[str], metrics: Mapping[str, Metric]) -> Iterator[Problem]:
    for name in names:
        wanted, unit = parse_unit(metrics[name].unit), table[name].unit
        if table[name].dtype.kind not in "iuf" or table[name].ndim != 1:
            yield Problem(f"the column {name!r} does not hold one number in each row", "give numbers")
        elif unit is None and metrics[name].unit:
            yield Problem(f"the column {name!r} has no unit", f"write table[{name!r}].unit = {metrics[name].unit!r}")
        elif unit is not None and not unit.is_equivalent(wanted):
            hint = f"give it in {metrics[name].unit or 'no unit'}"
            yield Problem(f"the column {name!r} is in {str(unit)!r}, which does not convert", hint)


def _places(table: Table) -> list[dict[str, Any]]:
    """Give the names of every row's place, those that it has; and its scope and time.

    Where there is a scope, an exposure of 0 is none.
    """
    scoped = "scope" in table.colnames
    rows: list[dict[str, Any]] = [{} for _ in range(len(table))]
    for key in {"scope", "exposure", "detector", "amplifier", "time", "untested"} & set(table.colnames):
        for row, value in zip(rows, table[key].tolist(), strict=True):  # what is masked is None
            if value not in (None, "") and not (key == "exposure" and scoped and value == 0):
                row[key] = value if key in ("exposure", "time") else str(value)
    return rows


def _distinct(rows: list[dict[str, Any]], key: str) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(row[key] for row in rows if key in row))


def _column(table: Table, rows: list[dict[str, Any]], metric: Metric) -> Iterator[Measurement]:
    """Give the values of one metric; a place may be given twice if it is told the same."""
    column, keys = table[metric.name], metric.scope.axes
    values = np.ma.filled(np.ma.asarray(column, dtype=np.float64), np.nan)
    if column.unit is not None:
        values = column.unit.to(parse_unit(metric.unit), values)
    told: dict[tuple[Any, ...], float] = {}
    untested: dict[tuple[Any, ...], str] = {}
    for row, value in zip(rows, values, strict=True):
        if row.get("scope", metric.scope.value) != metric.scope.value:
            continue
        if any(key not in row for key in keys):
            raise RecipeError([Problem(f"a row with {metric.name} {value:g} names no {' or '.join(keys)}")])
        place = tuple(row[key] for key in keys)
        untested[place] = read_untested(row.get("untested", "")).get(metric.name, "")
        before = told.setdefault(place, float(value))
        if before != value and not (np.isnan(before) and np.isnan(value)):
            where = " ".join(map(str, place))
            raise RecipeError([Problem(f"{metric.name} of {where} is given twice, as {before:g} and {value:g}")])
    for place, value in told.items():
        yield Measurement(metric.name, value, **dict(zip(keys, place, strict=True)), untested=untested[place])
