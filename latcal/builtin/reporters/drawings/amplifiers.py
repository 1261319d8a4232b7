"""Numbers of amplifiers with their errors: gain and noise, say, beside what is nominal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latcal.builtin.reporters.drawings.page import (
    BLUE,
    GREY,
    ORANGE,
    PALE,
    PLAIN,
    SMALL,
    area,
    labelled,
    light,
    page,
    plainly,
)
from latcal.plugin import Column, Detector, Product

_TABLE = "amplifiers"
_NOMINAL = {"gain": ("gain", "electron / adu"), "noise": ("read_noise", "electron"), "read_noise": ("read_noise", "electron")}


@frozen(eq=False)
class Quantity:
    """One number of every amplifier.

    Parameters
    ----------
    values, errors, wanted : (n,)
        In the unit; NaN where there is none.
    source : str
        Who says what is wanted: the product what it expected, or what is nominal; else the instrument.
    """

    name: str
    unit: str
    amplifiers: tuple[str, ...]
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    wanted: NDArray[np.float64]
    source: str


def suits(product: Product) -> bool:
    """Tell whether a product has numbers of amplifiers."""
    return bool(quantities(product, None))


def draw(product: Product, detector: Detector | None) -> Figure:
    """Draw every number of amplifiers that has an error; where none has, every number."""
    drawn = quantities(product, detector)
    columns = 1 if len(drawn) <= 4 else 2
    rows = -(-len(drawn) // columns)
    figure = page(product, 9.0 * columns, 2.3 * rows + 0.6)
    grid = figure.add_gridspec(rows, columns, hspace=0.14, wspace=0.16, **area(figure, 0.85, 0.75, 0.2, 0.1))
    panels(figure, [grid[place // columns, place % columns] for place in range(len(drawn))], drawn, columns)
    return figure


def quantities(product: Product, detector: Detector | None) -> list[Quantity]:
    """Give the numbers of amplifiers that are drawn."""
    table = product.tables.get(_TABLE, {})
    if "amplifier" not in table:
        return []
    names = tuple(str(name) for name in table["amplifier"].values)
    facts = {name: product.facts(name) for name in names}
    known = [one for one in table if names and all(one in row for row in facts.values())]
    exact = [one for one in known if f"{one}_error" in known]
    return [_quantity(one, table[one], names, [facts[name] for name in names], detector) for one in exact or known]


def _quantity(
    name: str, column: Column, names: tuple[str, ...], facts: Sequence[Mapping[str, float]], detector: Detector | None
) -> Quantity:
    def of(key: str) -> NDArray[np.float64]:
        return np.array([row.get(key, math.nan) for row in facts])

    source = next((one for one in ("expected", "nominal") if np.isfinite(of(f"{one}_{name}")).any()), "")
    wanted = of(f"{source}_{name}")
    attribute, unit = _NOMINAL.get(name, ("", ""))
    if detector is not None and unit == column.unit and attribute and not source:
        there = {amplifier.name: float(getattr(amplifier, attribute)) for amplifier in detector.amplifiers}
        source, wanted = "nominal", np.array([there.get(one, math.nan) for one in names])
    return Quantity(name, column.unit, names, of(name), of(f"{name}_error"), wanted, source)


def panels(figure: Figure, places: Sequence[object], drawn: Sequence[Quantity], columns: int = 1) -> None:
    """Draw quantities one below another; the lowest of each column names the amplifiers."""
    for number, (place, quantity) in enumerate(zip(places, drawn, strict=True)):
        axes = light(figure.add_subplot(place))  # type: ignore[call-overload]
        _panel(axes, quantity)
        _name(axes, quantity.amplifiers, named=number + columns >= len(drawn))


def _panel(axes: Axes, quantity: Quantity) -> None:
    x = np.arange(len(quantity.amplifiers))
    told, wanted = np.isfinite(quantity.values), np.isfinite(quantity.wanted)
    sure = told & np.isfinite(quantity.errors)
    if wanted.any():
        axes.hlines(quantity.wanted[wanted], x[wanted] - 0.38, x[wanted] + 0.38, color=ORANGE, linewidth=1.6)
    axes.plot(x[told & ~sure], quantity.values[told & ~sure], "o", color=BLUE, markersize=4, markerfacecolor="white")
    axes.errorbar(
        x[sure], quantity.values[sure], quantity.errors[sure], fmt="o", color=BLUE, markersize=3.5, elinewidth=1.0, capsize=2.5
    )
    for place in x[~told]:
        axes.annotate("none", (float(place), 0.04), xycoords=("data", "axes fraction"), rotation=90, fontsize=SMALL, ha="center", color=GREY)
    notes = "with standard error" * bool(sure.any()), f"{quantity.source} orange" * bool(wanted.any())
    axes.set_title("; ".join(filter(None, notes)), fontsize=SMALL, color=GREY, loc="right", pad=2.0)
    axes.set_ylabel(labelled(quantity.name, quantity.unit), fontsize=PLAIN, parse_math=False)
    axes.yaxis.get_offset_text().set_fontsize(SMALL)
    axes.grid(axis="y", color=PALE, linewidth=0.4)
    axes.set_xlim(-0.6, len(x) - 0.4)
    axes.margins(y=0.12)


def _name(axes: Axes, names: tuple[str, ...], *, named: bool) -> None:
    axes.set_xticks(range(len(names)), [plainly(name) for name in names], rotation=90 if len(names) > 6 else 0, parse_math=False)
    axes.tick_params(labelbottom=named)
    if named:
        axes.set_xlabel("amplifier", fontsize=PLAIN)
