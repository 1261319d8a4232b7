"""A photon transfer curve: variance against mean of every amplifier, the fit, and what is left."""

from __future__ import annotations

import math
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from latcal.builtin.reporters.drawings.amplifiers import panels, quantities
from latcal.builtin.reporters.drawings.page import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PLAIN,
    SMALL,
    VERMILLION,
    area,
    light,
    page,
    plainly,
)
from latcal.builtin.reporters.drawings.transfer import Curve, curves, points
from latcal.plugin import Detector, Product

_WIDE, _HIGH = 3.05, 2.35  # inches of one amplifier
_ASIDE = 4.9  # inches of the numbers beside the curves
_MOST = 4  # columns of amplifiers
_DECADES = 20.0  # largest over least, from which a scale is logarithmic


def suits(product: Product) -> bool:
    """Tell whether a product has curves."""
    return bool(points(product))


def draw(product: Product, detector: Detector | None) -> Figure:
    """Draw the curve of every amplifier, and their numbers beside them."""
    drawn, beside = list(curves(product)), quantities(product, detector)
    columns = min(len(drawn), _MOST)
    rows = -(-len(drawn) // columns)
    height = max(_HIGH * rows + 0.75, 2.0 * len(beside) + 0.75)
    aside = _ASIDE if beside else 0.2
    figure = page(product, _WIDE * columns + 0.85 + aside, height)
    grid = figure.add_gridspec(rows, columns, hspace=0.09, wspace=0.05, **area(figure, 0.75, 0.6, aside, 0.3))
    first: tuple[Axes, Axes] | None = None
    for number, curve in enumerate(drawn):
        pair = grid[number // columns, number % columns].subgridspec(2, 1, height_ratios=(3, 1.25), hspace=0.0)
        above = figure.add_subplot(pair[0], sharex=first and first[0], sharey=first and first[0])
        below = figure.add_subplot(pair[1], sharex=above, sharey=first and first[1])
        first = first or (above, below)
        _curve(light(above), curve)
        _left(light(below), curve)
        lowest, leftmost = number + columns >= len(drawn), number % columns == 0
        above.tick_params(labelbottom=False, labelleft=leftmost)
        below.tick_params(labelbottom=lowest, labelleft=leftmost)
    assert first is not None
    _scales(*first, drawn)
    for axes in figure.axes:
        axes.minorticks_off()  # there are hundreds, and none is read
    _words(figure, aside)
    if beside:
        left = _WIDE * columns + 0.85 + 0.75
        grid = figure.add_gridspec(len(beside), 1, hspace=0.16, **area(figure, left, 0.75, 0.2, 0.3))
        panels(figure, [grid[row, 0] for row in range(len(beside))], beside)
    return figure


def _curve(axes: Axes, curve: Curve) -> None:
    good = np.isfinite(curve.means) & np.isfinite(curve.variances)
    rejected, kept = good & ~curve.kept, good & curve.kept
    order = np.argsort(curve.means[kept])
    axes.plot(curve.means[kept][order], curve.model[kept][order], color=ORANGE, linewidth=1.2)
    axes.plot(curve.means[kept], curve.variances[kept], ".", color=BLUE, markersize=4.5)
    axes.plot(curve.means[rejected], curve.variances[rejected], "x", color=VERMILLION, markersize=4.5, markeredgewidth=1.0)
    if math.isfinite(curve.turnoff):
        axes.axvline(curve.turnoff, color=GREEN, linewidth=1.0, linestyle="--")
    axes.text(
        0.04, 0.93, plainly(curve.amplifier), transform=axes.transAxes, fontsize=PLAIN, weight="bold", va="top", parse_math=False
    )
    failed = not curve.kept.any()
    axes.text(
        0.96, 0.05, fill(plainly(curve.note), 40), transform=axes.transAxes, fontsize=SMALL, ha="right", va="bottom",
        color=VERMILLION if failed else GREY, parse_math=False,
    )  # fmt: skip
    axes.grid(color=PALE, linewidth=0.3)


def _left(axes: Axes, curve: Curve) -> None:
    residuals = curve.residuals
    told = np.isfinite(residuals)
    errors = np.where(np.isfinite(curve.errors[told]), 100.0 * curve.errors[told], 0.0)
    axes.axhline(0.0, color=ORANGE, linewidth=1.0)
    axes.errorbar(curve.means[told], residuals[told], errors, fmt=".", color=BLUE, markersize=3.5, elinewidth=0.7)
    if math.isfinite(curve.turnoff):
        axes.axvline(curve.turnoff, color=GREEN, linewidth=1.0, linestyle="--")
    axes.grid(color=PALE, linewidth=0.3)


def _scales(above: Axes, below: Axes, drawn: list[Curve]) -> None:
    """Let all curves have one scale, in which every point is seen."""
    means = np.concatenate([curve.means for curve in drawn])
    variances = np.concatenate([curve.variances for curve in drawn])
    for which, values in (("x", means), ("y", variances)):
        told = values[np.isfinite(values) & (values > 0)]
        low, high = (float(told.min()), float(told.max())) if told.size else (1.0, 10.0)
        if high > _DECADES * low:
            above.set(**{f"{which}scale": "log", f"{which}lim": (low / 1.6, high * 1.6)})
        else:
            above.set(**{f"{which}lim": (-0.08 * high, 1.08 * high)})
    left = np.concatenate([np.abs(curve.residuals) + 100.0 * np.nan_to_num(curve.errors) for curve in drawn])
    left = left[np.isfinite(left)]
    most = 1.05 * float(left.max()) if left.size else 1.0
    below.set_ylim(-most or -1.0, most or 1.0)
    below.yaxis.set_major_locator(MaxNLocator(5, prune="both"))  # none where the scale above ends


def _words(figure: Figure, aside: float) -> None:
    width, height = figure.get_size_inches()
    middle = (0.75 + width - aside) / 2 / width
    figure.text(middle, 0.15 / height, "mean [adu]", fontsize=PLAIN, ha="center")
    label = "above: variance [adu²]     below: variance over fit - 1 [%], with its standard error"
    figure.text(0.12 / width, 0.5 - 0.1 / height, label, fontsize=PLAIN, rotation=90, va="center")
    signs = [
        Line2D([], [], marker=".", linestyle="", color=BLUE, label="kept"),
        Line2D([], [], marker="x", linestyle="", color=VERMILLION, label="rejected, or no fit"),
        Line2D([], [], color=ORANGE, label="fit"),
        Line2D([], [], color=GREEN, linestyle="--", label="turnoff"),
    ]
    figure.legend(
        handles=signs, loc="upper right", ncols=len(signs), fontsize=PLAIN, frameon=False,
        bbox_to_anchor=((width - aside) / width, 1.0 - 0.72 / height), borderaxespad=0.0,
    )  # fmt: skip
