"""The photon transfer curves that a product has: points, fit and turnoff of every amplifier."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.plugin import Column, Product
from latcal.plugin.wording import with_error, worded_unit

_POINTS = ("RAW_MEANS", "RAW_VARS")


@frozen(eq=False)
class Curve:
    """The curve of one amplifier: a point for every pair of flats.

    Parameters
    ----------
    means, variances : (n,) [adu], [adu2]
    model : (n,) [adu2]
        The fit; NaN where a pair was rejected, or there is no fit.
    kept : (n,)
    errors : (n,)
        Of the variances, relative; NaN where not known.
    turnoff : scalar [adu]
        NaN where there is none, or the curve ends below it.
    note : str
        Its gain, or why it has none.
    """

    amplifier: str
    means: NDArray[np.float64]
    variances: NDArray[np.float64]
    model: NDArray[np.float64]
    kept: NDArray[np.bool_]
    errors: NDArray[np.float64]
    turnoff: float
    note: str

    @property
    def residuals(self) -> NDArray[np.float64]:
        """How far variances are from the fit [per cent]; NaN where a pair was rejected."""
        return np.where(self.kept, 100.0 * (self.variances / self.model - 1.0), math.nan)


def curves(product: Product) -> Iterator[Curve]:
    """Give the curve of every row of the table that has them."""
    table = points(product)
    names = table.get("AMPLIFIER_NAME", Column(tuple(range(len(table[_POINTS[0]].values))))).values
    reasons = _by_amplifier(product, "failures", "reason")
    for row, name in enumerate(map(str, names)):

        def of(key: str, row: int = row) -> NDArray[np.float64]:
            count = len(table[_POINTS[0]].values[row])
            return np.array(table[key].values[row] if key in table else [math.nan] * count, dtype=np.float64)

        gain, error, turnoff = (_number(table, key, row) for key in ("GAIN", "GAIN_ERR", "PTC_TURNOFF"))
        reached = _by_amplifier(product, "amplifiers", "turnoff_reached").get(name, 1.0)
        unit = worded_unit(table["GAIN"].unit) if "GAIN" in table else ""
        note = f"{with_error(gain, error)} {unit}" if math.isfinite(gain) else f"no fit: {reasons.get(name, 'no reason given')}"
        pixels = of("NPIXEL_COVARIANCES")
        yield Curve(
            amplifier=name,
            means=of("RAW_MEANS"),
            variances=of("RAW_VARS"),
            model=of("FINAL_MODEL_VARS"),
            kept=np.isfinite(of("FINAL_MODEL_VARS")),
            errors=np.sqrt(2.0 / np.where(pixels > 0, pixels, math.nan)),  # of a variance of so many pixels
            turnoff=turnoff if reached else math.nan,
            note=note,
        )


def points(product: Product) -> Mapping[str, Column]:
    """Give the first table that has points of curves, one cell for each amplifier."""
    for table in product.tables.values():
        cells = [table[key].values for key in _POINTS if key in table]
        if len(cells) == len(_POINTS) and cells[0] and all(isinstance(one, tuple) for column in cells for one in column):
            return table
    return {}


def _number(table: Mapping[str, Column], key: str, row: int) -> float:
    return float(table[key].values[row]) if key in table else math.nan


def _by_amplifier(product: Product, name: str, key: str) -> dict[str, Any]:
    table = product.tables.get(name, {})
    if not {"amplifier", key} <= table.keys():
        return {}
    return dict(zip(map(str, table["amplifier"].values), table[key].values, strict=True))
