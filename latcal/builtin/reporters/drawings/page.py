"""The page that a product is drawn on: its title, its colours, and how it becomes bytes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latcal.plugin import Product
from latcal.plugin.wording import counted, worded_unit

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, BLACK = "#56B4E9", "#CC79A7", "#D9C400", "#000000"
"""Colours that people who see few colours tell apart: those of Okabe and Ito, 2008, *Color Universal Design*; the yellow
is darker than theirs, since the paper is white."""
GREY, PALE = "#666666", "#BBBBBB"

SMALL, PLAIN, LARGE = 7.0, 9.0, 13.0
"""Sizes of text [points]."""

_HEAD = 0.85  # inches for the title
_FEW = 2  # exposures that are named one by one


def page(product: Product, width: float, height: float) -> Figure:
    """Give an empty page with a title that says what product it is, and from what.

    Parameters
    ----------
    width, height : scalar [inch]
        Of the drawing; the title comes above.
    """
    figure = Figure(figsize=(width, height + _HEAD))
    where = 1.0 - 0.2 / (height + _HEAD)
    figure.text(0.25 / width, where, title(product), fontsize=LARGE, weight="bold", va="top", parse_math=False)
    where = 1.0 - 0.48 / (height + _HEAD)
    figure.text(0.25 / width, where, origin(product), fontsize=PLAIN, color=GREY, va="top", parse_math=False)
    return figure


def area(figure: Figure, left: float, bottom: float, right: float, top: float) -> dict[str, float]:
    """Give the place of a grid: its distance from the edges of the drawing [inch], as a part of the page."""
    width, height = figure.get_size_inches()
    return {
        "left": left / width,
        "bottom": bottom / height,
        "right": 1.0 - right / width,
        "top": 1.0 - (top + _HEAD) / height,
    }


def title(product: Product) -> str:
    """Say which product it is: kind, detector, setup, and the exposure that it belongs to."""
    of = f"exposure {product.exposure}" if product.exposure is not None else ""
    words = (f"{product.kind} of {product.detector_name} (detector {product.detector})", str(product.setup), of)
    return plainly(" · ".join(word for word in words if word))


def origin(product: Product) -> str:
    """Say from how many frames it was made, by which run, and when."""
    made = product.provenance
    ids = sorted(made.exposures)
    frames = counted(len(ids), "frame") + (f" ({', '.join(map(str, ids))})" if 0 < len(ids) <= _FEW else "")
    waived = f" · UNVERIFIED: {made.unverified}" if made.unverified else ""
    return plainly(f"{frames} · run {made.run} · {made.created.tai.isot[:19]} TAI{waived}")


def plainly(text: str) -> str:
    """Write a text in letters that the typeface has: others, and what cannot be printed, as Python would write them."""
    return "".join(
        one if one.isprintable() and ord(one) < 0x250 else one.encode("unicode_escape").decode("ascii") for one in text
    )


def labelled(name: str, unit: str) -> str:
    """Write what an axis shows: ``gain [e-/adu]``."""
    return plainly(f"{name} [{worded_unit(unit)}]" if unit else name)


def light(axes: Axes) -> Axes:
    """Draw the frame of axes thin, and what they are labelled with small."""
    for spine in axes.spines.values():
        spine.set_linewidth(0.6)
        spine.set_color(GREY)
    axes.tick_params(labelsize=SMALL, width=0.6, length=3.0, color=GREY)
    axes.tick_params(which="minor", width=0.4, length=1.5, color=GREY)
    return axes


def blank(product: Product) -> Figure:
    """Say of a product that nothing in it can be drawn."""
    figure = page(product, 8.0, 1.0)
    there = ", ".join((*product.planes, *product.tables)) or "neither plane nor table"
    figure.text(0.25 / 8.0, 0.3, plainly(f"nothing here to draw: {there}"), fontsize=PLAIN, parse_math=False)
    return figure


def written(figure: Figure, form: str, dpi: int) -> bytes:
    """Give a page as the bytes of a file, the same for the same page."""
    told: Mapping[str, Any] = {"png": {"Software": None}, "pdf": {"CreationDate": None}}
    with io.BytesIO() as file:
        figure.savefig(file, format=form, dpi=dpi, metadata=told[form])
        return file.getvalue()
