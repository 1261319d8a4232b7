"""Columns of tables as arrays that FITS can hold, and as text that any reader opens (ECSV)."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping
from itertools import chain
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np
from numpy.typing import NDArray

from latcal.errors import StoreError
from latcal.formats.keywords import read_text, written_text
from latcal.model.measurements import Measurements
from latcal.model.metrics import Scope
from latcal.model.products import Column
from latcal.model.quantities import is_unit

if TYPE_CHECKING:  # astropy.table is imported when the first table is written
    from astropy.table import Table

_TRUTH = (bool, np.bool_)
_ESCAPED = re.compile(r"\\(?:[\\tnr]|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")

_PLAIN = " ,.:()-/'"
"""What stays as it is in a reason; the rest is written as in a URL, so that no reader of ECSV changes it."""


def array_of(column: Column, name: str) -> NDArray[Any]:
    """Give the values of a column as bool, int64, float64 or ASCII bytes; little-endian.

    Returns
    -------
    (n,) array, or (n, m) where the values are tuples of m numbers or truth values

    Raises
    ------
    StoreError
        If they are of no such type, or of several, or are tuples of several lengths.
    """
    values = column.values
    if values and all(isinstance(value, tuple) for value in values):
        lengths = sorted({len(value) for value in values})
        if len(lengths) > 1 or not lengths[0]:
            found = " and ".join(map(str, lengths))
            raise StoreError(f"the column {name!r} holds tuples of {found} values, not of one number of them (fill up with NaN)")
        return np.array(values, _numbers(chain.from_iterable(values), name))
    if values and all(isinstance(value, str) for value in values):
        texts = [written_text(value).encode("ascii") for value in values]
        return np.array(texts, f"S{max(1, *map(len, texts))}")
    return np.array(values, _numbers(values, name))


def _numbers(values: Iterable[Any], name: str) -> str:
    """Give the type of an array that holds them all."""
    kinds = {type(value) for value in values}
    if kinds and all(issubclass(kind, _TRUTH) for kind in kinds):
        return "?"
    if not any(issubclass(kind, _TRUTH) for kind in kinds):
        if kinds and all(issubclass(kind, Integral) for kind in kinds):
            return "<i8"
        if all(issubclass(kind, Real) for kind in kinds):
            return "<f8"
    types = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise StoreError(f"the column {name!r} holds {types}, which is not one of bool, int, float or str alone")


def column_of(values: NDArray[Any], unit: str) -> Column:
    """Give a column of the values that `array_of` made."""
    plain = values.tolist()
    if values.dtype.kind in "SU":
        plain = [read_text(value.decode("ascii") if isinstance(value, bytes) else value) for value in plain]
    return Column(tuple(map(tuple, plain) if values.ndim > 1 else plain), unit)


def table_ecsv(table: Mapping[str, Column]) -> str:
    """Write a table as ECSV: text with names, types and units of its columns.

    What ECSV cannot hold in a text is written with backslashes, as Python would write it: what is not printable, a blank
    at either end, ``#`` at the begin, and the backslash itself.

    Raises
    ------
    StoreError
        If a column is of several types, or in a unit that is none.
    """
    from astropy.table import Table

    made = Table()
    for name, column in table.items():
        array = array_of(column, name)
        if array.dtype.kind == "S":
            escaped = {value: _escaped(value) for value in set(column.values)}  # names come again and again
            made[name] = [escaped[value] for value in column.values]
        else:
            made[name] = array
        if column.unit:
            if not is_unit(column.unit):
                raise StoreError(f"the column {name!r} is in {column.unit!r}, which is not a unit")
            made[name].unit = column.unit
    return _ecsv(made)


def ecsv_table(text: str) -> dict[str, Column]:
    """Read a table that `table_ecsv` wrote.

    Returns
    -------
    dict of str to Column
        Its columns, to the last bit; units as astropy writes them.

    Raises
    ------
    StoreError
        If it is not such a text.
    """
    from astropy.io.ascii import InconsistentTableError
    from astropy.table import Table
    from astropy.table.meta import YamlParseError

    try:
        read = Table.read(text.splitlines() or [""], format="ascii.ecsv")
    except (InconsistentTableError, YamlParseError, ValueError, LookupError, TypeError) as error:
        raise StoreError(f"the text is not a table in ECSV ({' '.join(str(error).split())})") from error
    return {name: _column_read(read[name], name) for name in read.colnames}


def _column_read(found: Any, name: str) -> Column:
    texts = found.dtype.kind == "U"
    if np.any(getattr(found, "mask", False)):
        if found.dtype.kind not in "Uf":
            raise StoreError(f"the column {name!r} has places without a value (table_ecsv writes none)")
        found = found.filled("" if texts else np.nan)  # ECSV does not tell an empty text from none
    unit = "" if found.unit is None else str(found.unit)
    if texts:
        return Column(tuple(_ESCAPED.sub(_meant, value) for value in found.tolist()), unit)
    return column_of(np.asarray(found), unit)


def _escaped(text: str) -> str:
    written = "".join(one if one.isprintable() and one != "\\" else _code(one) for one in text)
    if written.startswith(("#", " ")):
        written = f"\\x{ord(written[0]):02x}{written[1:]}"
    return f"{written[:-1]}\\x20" if written.endswith(" ") else written


def _code(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _meant(found: re.Match[str]) -> str:
    return found[0].encode("ascii").decode("unicode_escape")


def read_untested(text: str) -> dict[str, str]:
    """Read what `measurements_ecsv` writes in the column ``untested``: reasons by metric."""
    pairs = (part.partition(": ") for part in text.split("; ") if part)
    return {name: unquote(why) for name, _, why in pairs}


def measurements_ecsv(measurements: Measurements) -> str:
    """Write every measurement of a stage as one ECSV table.

    Returns
    -------
    str
        One row for each place: scope, exposure (0 if it belongs to none), time_s, detector, amplifier; then a column
        for each metric in its unit, NaN where the metric is not of that scope or has no value; and, if there are any,
        ``untested``: the metrics of the place that no rule is applied to, each with the reason.
    """
    used = [scope for scope in Scope if any(measurements.metrics[name].scope is scope for name in measurements.values)]
    present = {scope: measurements.present(scope) for scope in used}
    times = dict(zip(measurements.exposures, measurements.times_s, strict=True))
    places = [place for scope in used for place in measurements.places(scope, present[scope])]
    table: dict[str, Column] = {
        "scope": Column(tuple(scope.value for scope in used for _ in range(int(present[scope].sum())))),
        "exposure": Column(tuple(place.get("exposure", 0) for place in places)),
        "time": Column(tuple(times.get(place.get("exposure", 0), np.nan) for place in places), "s"),
        "detector": Column(tuple(place.get("detector", "") for place in places)),
        "amplifier": Column(tuple(place.get("amplifier", "") for place in places)),
    }
    for name, array in measurements.values.items():
        metric = measurements.metrics[name]
        columns = (array[here] if scope is metric.scope else np.full(here.sum(), np.nan) for scope, here in present.items())
        table[name] = Column(tuple(np.concatenate(tuple(columns)).tolist()), metric.unit)
    if any(measurements.untested.values()):
        indices = ((scope, tuple(index)) for scope in used for index in np.argwhere(present[scope]).tolist())
        table["untested"] = Column(tuple(_untested(measurements, scope, index) for scope, index in indices))
    return table_ecsv(table)


def _untested(measurements: Measurements, scope: Scope, index: tuple[int, ...]) -> str:
    """Write which metrics of a place no rule is applied to, each with the reason: ``turnoff: the ladder ends``."""
    found = {
        name: places[index]
        for name, places in measurements.untested.items()
        if measurements.metrics[name].scope is scope and index in places
    }
    return "; ".join(f"{name}: {quote(why, safe=_PLAIN)}" for name, why in found.items())


def _ecsv(table: Table) -> str:
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    return text.getvalue()
