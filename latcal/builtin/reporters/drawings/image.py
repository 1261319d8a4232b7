"""An image, and a histogram of each amplifier beside it."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from latcal.builtin.reporters.drawings.page import (
    BLUE,
    GREY,
    PALE,
    PLAIN,
    SMALL,
    VERMILLION,
    area,
    labelled,
    light,
    page,
    plainly,
)
from latcal.builtin.reporters.drawings.shrinking import block, means, sample
from latcal.plugin import Box, Detector, Product
from latcal.plugin.wording import counted, worded

LARGEST = 1000
"""Most blocks along a side of an image: about as many as the page has dots. Our choice."""

_ASIDE = frozenset({"variance", "mask", "kept", "reason"})  # planes that go with an image, and are none
_SHOWN = (0.5, 99.5)  # per cent of the blocks between the ends of the colour bar
_COUNTED = (1.0, 99.0)  # per cent of the pixels in the middle third of the histograms
_BINS = 120
_WIDE = 6.75  # inches of the image
_TO_SIGMA = 0.7413  # width of the middle half of a normal distribution to its standard deviation


def plane_name(product: Product) -> str:
    """Give the plane that is drawn: ``image``, or the first that is one; empty if there is none."""
    planes = [name for name, plane in product.planes.items() if plane.ndim == 2 and plane.size and name not in _ASIDE]
    return "image" if "image" in planes else next(iter(planes), "")


def suits(product: Product) -> bool:
    """Tell whether a product has an image."""
    return bool(plane_name(product))


def draw(product: Product, detector: Detector | None) -> Figure:
    """Draw the image that a product has.

    Parameters
    ----------
    detector : Detector or None
        For the places of its amplifiers; without it, or where it is of another shape, there is one histogram of all.
    """
    name = plane_name(product)
    plane, unit = product.planes[name], product.unit if name == "image" else ""
    places = amplifiers(plane.shape, detector) or {"all": Box(0, plane.shape[0], 0, plane.shape[1])}
    high = _WIDE * plane.shape[0] / plane.shape[1]
    figure = page(product, 14.0, max(3.5, high + 1.4, 0.3 * len(places) + 0.7))
    axes = figure.add_subplot(figure.add_gridspec(1, 1, **area(figure, 0.65, 1.3, 13.35 - _WIDE, 0.1))[0, 0])
    bar = axes.inset_axes((0.0, -0.72 / high, 1.0, 0.16 / high))
    _picture(axes, bar, plane, labelled(name, unit))
    outline(axes, places if len(places) > 1 else {})
    _histograms(figure, plane, places, labelled(name, unit))
    return figure


def amplifiers(shape: tuple[int, ...], detector: Detector | None) -> dict[str, Box]:
    """Give the place of each amplifier in a plane, if the detector is of its shape."""
    if detector is None or detector.shape != shape:
        return {}
    return {amplifier.name: amplifier.position for amplifier in detector.amplifiers}


def outline(axes: Axes, places: dict[str, Box], colour: str = "white") -> None:
    """Draw where amplifiers end, and write their names."""
    shade = "black" if colour == "white" else "white"
    for name, box in places.items():
        ny, nx = box.shape
        axes.add_patch(Rectangle((box.x0, box.y0), nx, ny, fill=False, edgecolor=colour, linewidth=0.5, alpha=0.6))
        axes.annotate(
            plainly(name), ((box.x0 + box.x1) / 2, box.y1), (0, -3), textcoords="offset points", ha="center", va="top",
            fontsize=SMALL, color=colour, parse_math=False, path_effects=[withStroke(linewidth=1.5, foreground=shade)],
        )  # fmt: skip


def span(axes: Axes, shape: tuple[int, ...]) -> None:
    """Let axes show the pixels of a plane, in equal scales."""
    light(axes).set(xlim=(0, shape[1]), ylim=(0, shape[0]), aspect="equal", anchor="N")
    axes.set_xlabel("column [pixel]", fontsize=PLAIN)
    axes.set_ylabel("row [pixel]", fontsize=PLAIN)


def _picture(axes: Axes, bar: Axes, plane: NDArray[Any], label: str) -> None:
    side = block(plane.shape, LARGEST)
    small = means(plane, side)
    low, high = _limits(small[np.isfinite(small)], _SHOWN)
    shown = axes.imshow(
        np.ma.masked_invalid(small), origin="lower", cmap="cividis", norm=Normalize(low, high), interpolation="nearest",
        extent=(0, side * small.shape[1], 0, side * small.shape[0]),
    )  # fmt: skip
    axes.set_facecolor(VERMILLION)  # what has no number is left out of the image, and this is seen
    span(axes, plane.shape)
    axes.figure.colorbar(shown, cax=bar, orientation="horizontal", extend="both")
    light(bar)
    empty = plane.size - int(np.count_nonzero(np.isfinite(plane)))
    words = [label, f"mean of {side} x {side} pixels" if side > 1 else ""]
    words += [f"{counted(empty, 'pixel')} without a number (orange-red)" if empty else ""]
    bar.set_xlabel("; ".join(filter(None, words)), fontsize=PLAIN, parse_math=False)


def _limits(values: NDArray[np.float64], percentages: tuple[float, float]) -> tuple[float, float]:
    """Give between which values most are; a range that is not empty."""
    low, high = np.percentile(values, percentages) if values.size else (0.0, 1.0)
    least = 1e-6 * max(abs(low), abs(high)) or 1.0
    return (float(low), float(high)) if high - low > least else (float(low) - least, float(high) + least)


def _histograms(figure: Figure, plane: NDArray[Any], places: dict[str, Box], label: str) -> None:
    low, high = _limits(sample(plane), _COUNTED)
    edges = np.linspace(2.0 * low - high, 2.0 * high - low, _BINS + 1)
    grid = figure.add_gridspec(len(places), 1, hspace=0.0, **area(figure, 8.45, 0.6, 1.75, 0.1))
    for row, (name, box) in enumerate(places.items()):
        axes = light(figure.add_subplot(grid[row, 0]))
        values = plane[box.slices]
        values = values[np.isfinite(values)]
        counts, _ = np.histogram(values, edges)
        axes.stairs(counts, edges, fill=True, color=BLUE, baseline=0.5)
        axes.set(yscale="log", xlim=(edges[0], edges[-1]), ylim=(0.5, 3.0 * max(1, counts.max())), yticks=[])
        axes.minorticks_off()
        axes.tick_params(labelbottom=row == len(places) - 1)
        axes.set_ylabel(plainly(name), fontsize=SMALL, rotation=0, ha="right", va="center", parse_math=False)
        axes.text(1.015, 0.5, _summary(values, edges), transform=axes.transAxes, fontsize=SMALL - 1, va="center", color=GREY)
        if values.size:
            axes.axvline(float(np.median(values)), color=VERMILLION, linewidth=0.8)
        axes.grid(axis="x", color=PALE, linewidth=0.3)
    axes.set_xlabel(f"{label}; number of pixels, logarithmic; line: median", fontsize=PLAIN, parse_math=False)


def _summary(values: NDArray[Any], edges: NDArray[np.float64]) -> str:
    """Say what a histogram cannot show."""
    if not values.size:
        return "no value"
    low, middle, high = (float(one) for one in np.percentile(values, (25, 50, 75)))
    outside = np.count_nonzero(values < edges[0]) + np.count_nonzero(values > edges[-1])
    words = f"median {worded(middle)}, sigma {worded(_TO_SIGMA * (high - low))}"
    return f"{words}\n{outside} outside" if outside else words
