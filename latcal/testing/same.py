"""See that two values are the same, where ``==`` does not: arrays, and numbers that are NaN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from latcal.plugin import Column, Measurement, Part, Product


def assert_same_part(found: Part, wanted: Part, *, rounding: float = 0.0) -> None:
    """See that two parts are the same: planes, facts, rows and units.

    Parameters
    ----------
    rounding : float
        How far a value may be off: in a plane or a cell of the largest one there, of a fact of itself.
    """
    assert list(found.planes) == list(wanted.planes)
    for name, plane in wanted.planes.items():
        largest = float(np.nanmax(np.abs(plane), initial=0.0)) if np.isfinite(plane).any() else 0.0
        off, what = rounding * largest, f"plane {name!r}"
        np.testing.assert_allclose(found.planes[name], plane, rtol=rounding, atol=off, equal_nan=True, err_msg=what)
    assert list(found.facts) == list(wanted.facts)
    for name, (value, unit) in wanted.facts.items():
        got, got_unit = found.facts[name]
        assert got_unit == unit, name
        assert got == pytest.approx(value, rel=max(rounding, 1e-300), abs=0.0, nan_ok=True), name
    assert {name: list(row) for name, row in found.rows.items()} == {name: list(row) for name, row in wanted.rows.items()}
    for table, row in wanted.rows.items():
        for name, cell in row.items():
            _assert_same_cell(found.rows[table][name], cell, f"{table}.{name}", rounding)


def _assert_same_cell(found: tuple[Any, str], wanted: tuple[Any, str], what: str, rounding: float) -> None:
    assert found[1] == wanted[1], what
    if isinstance(wanted[0], str):
        assert found[0] == wanted[0], what
        return
    got, one = np.asarray(found[0], dtype=np.float64), np.asarray(wanted[0], dtype=np.float64)
    largest = float(np.abs(one[np.isfinite(one)]).max(initial=0.0))
    np.testing.assert_allclose(got, one, rtol=rounding, atol=rounding * largest, equal_nan=True, err_msg=what)


def assert_same_numbers(found: Sequence[Measurement], wanted: Sequence[Measurement]) -> None:
    """See that two lots of measurements are the same, in order."""
    assert [one.metric for one in found] == [one.metric for one in wanted]
    for got, one in zip(found, wanted, strict=True):
        np.testing.assert_equal(got.value, one.value, one.metric)


def assert_same_product(found: Product, wanted: Product) -> None:
    """See that two products are the same, to the last bit: planes, tables, units and all facts."""
    for name in ("kind", "detector", "detector_name", "setup", "unit", "provenance", "pins", "preparation", "exposure"):
        assert getattr(found, name) == getattr(wanted, name), name
    assert list(found.planes) == list(wanted.planes)
    for name, plane in wanted.planes.items():
        assert found.planes[name].dtype == plane.dtype, name
        np.testing.assert_array_equal(found.planes[name], plane, name)
    assert list(found.tables) == list(wanted.tables)
    for name, table in wanted.tables.items():
        assert _shown(found.tables[name]) == _shown(table), name


def _shown(table: Mapping[str, Column]) -> list[tuple[str, str, list[str]]]:
    return [(name, column.unit, [repr(value) for value in column.values]) for name, column in table.items()]
