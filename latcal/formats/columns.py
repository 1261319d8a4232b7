"""Columns of tables as arrays that FITS can hold, and as text that any reader opens (ECSV)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latcal.errors import StoreError
from latcal.formats.keywords import read_text, written_text
from latcal.model.measurements import Measurements
from latcal.model.metrics import Scope
from latcal.model.products import Column

if TYPE_CHECKING:  # astropy.table is imported when the first table is written
    from astropy.table import Table


def array_of(column: Column, name: str) -> NDArray[Any]:
    """Give the values of a column as bool, int64, float64 or ASCII bytes; little-endian.

    Raises
    ------
    StoreError
        If they are of no such type, or of several.
    """
    values = column.values
    if all(isinstance(value, bool | np.bool_) for value in values):
        return np.array(values, bool) if values else np.array(values, "<f8")
    if not any(isinstance(value, bool | np.bool_) for value in values):
        if all(isinstance(value, Integral) for value in values):
            return np.array(values, "<i8")
        if all(isinstance(value, Real) for value in values):
            return np.array(values, "<f8")
        if all(isinstance(value, str) for value in values):
            texts = [written_text(value).encode("ascii") for value in values]
            return np.array(texts, f"S{max(1, *map(len, texts))}")
    types = ", ".join(sorted({type(value).__name__ for value in values}))
    raise StoreError(f"the column {name!r} holds {types}, which is not one of bool, int, float or str alone")


def column_of(values: NDArray[Any], unit: str) -> Column:
    """Give a column of the values that `array_of` made."""
    plain = values.tolist()
    if values.dtype.kind in "SU":
        plain = [read_text(value.decode("ascii") if isinstance(value, bytes) else value) for value in plain]
    return Column(tuple(plain), unit)


def table_ecsv(table: Mapping[str, Column]) -> str:
    """Write a table as ECSV: text with names, types and units of its columns.

    Raises
    ------
    StoreError
        If a column is of several types.
    """
    from astropy.table import Table

    made = Table()
    for name, column in table.items():
        array = array_of(column, name)
        made[name] = list(column.values) if array.dtype.kind == "S" else array
        if column.unit:
            made[name].unit = column.unit
    return _ecsv(made)


def measurements_ecsv(measurements: Measurements) -> str:
    """Write every measurement of a stage as one ECSV table.

    Returns
    -------
    str
        One row for each place: scope, exposure (0 if it belongs to none), time_s, detector, amplifier; then a column
        for each metric in its unit, NaN where the metric is not of that scope or has no value.
    """
    used = [scope for scope in Scope if any(measurements.metrics[name].scope is scope for name in measurements.values)]
    places = [
        (scope, tuple(int(i) for i in index))
        for scope in used
        for index in np.argwhere(measurements.present(scope))
    ]
    times = dict(zip(measurements.exposures, measurements.times_s, strict=True))
    named = [measurements.place(scope, index) for scope, index in places]
    table: dict[str, Column] = {
        "scope": Column(tuple(scope.value for scope, _ in places)),
        "exposure": Column(tuple(int(place.get("exposure", 0)) for place in named)),
        "time": Column(tuple(times.get(int(place.get("exposure", 0)), np.nan) for place in named), "s"),
        "detector": Column(tuple(str(place.get("detector", "")) for place in named)),
        "amplifier": Column(tuple(str(place.get("amplifier", "")) for place in named)),
    }
    for name, array in measurements.values.items():
        metric = measurements.metrics[name]
        values = tuple(float(array[index]) if scope is metric.scope else np.nan for scope, index in places)
        table[name] = Column(values, metric.unit)
    return table_ecsv(table)


def _ecsv(table: Table) -> str:
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue()
