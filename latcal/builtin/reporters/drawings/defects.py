"""A map of defects, coloured by reason, with how many pixels have each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from latcal.builtin.reporters.drawings.image import amplifiers, outline, plane_name, span
from latcal.builtin.reporters.drawings.page import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PLAIN,
    PURPLE,
    SKY,
    VERMILLION,
    YELLOW,
    area,
    page,
    plainly,
)
from latcal.builtin.reporters.drawings.shrinking import bits, block
from latcal.numerics.reasons import Reason
from latcal.plugin import MASK_PLANES, Detector, Product

LARGEST = 900
"""Most blocks along a side of a map; with `_SEEN` about as many as the page has dots. Our choice."""

_WIDE = 7.85  # inches of the map
_SEEN = 3  # blocks: a single pixel is drawn so wide and high
_BOX = ("x0", "y0", "width", "height", "reason")
_BROWN = "#8C510A"
_COLOURS = (VERMILLION, BLUE, YELLOW, BLACK, PURPLE, ORANGE, GREEN, SKY, GREY, PALE, _BROWN)
"""By place among the reasons; the last but one ones, `DILATED` and `EDGE`, are what one looks at least."""


@frozen(eq=False)
class Group:
    """The pixels of one reason.

    Parameters
    ----------
    count : int
        How many there are.
    blocks : (ny, nx)
        In which blocks of the map they are.
    """

    name: str
    colour: str
    count: int
    blocks: NDArray[np.bool_]


def suits(product: Product) -> bool:
    """Tell whether a product says which pixels are bad, and is no image with a mask."""
    return _is_plane(product, "reason") or bool(_boxes(product)) or (_is_plane(product, "mask") and not plane_name(product))


def draw(product: Product, detector: Detector | None) -> Figure:
    """Draw the map: rare reasons over frequent ones, and every pixel large enough to be seen."""
    shape = _shape(product, detector)
    side = block(shape, LARGEST)
    found = sorted(groups(product, shape, side), key=lambda group: -group.count)
    figure = page(product, _WIDE + 3.55, max(3.5, _WIDE * shape[0] / shape[1] + 0.65))
    axes = figure.add_subplot(figure.add_gridspec(1, 1, **area(figure, 0.65, 0.55, 2.9, 0.1))[0, 0])
    ny, nx = -(-shape[0] // side), -(-shape[1] // side)
    drawn = np.ones((ny, nx, 3), dtype=np.float32)
    for group in found:
        drawn[binary_dilation(group.blocks, np.ones((_SEEN, _SEEN)))] = to_rgb(group.colour)
    axes.imshow(drawn, origin="lower", interpolation="nearest", extent=(0, side * nx, 0, side * ny))
    span(axes, shape)
    outline(axes, amplifiers(shape, detector), GREY)
    _legend(axes, found, shape[0] * shape[1], _bad(product))
    return figure


def groups(product: Product, shape: tuple[int, int], side: int) -> Iterator[Group]:
    """Give the pixels of every reason that occurs: of the plane ``reason``, or the table of boxes, or the plane ``mask``."""
    if _is_plane(product, "reason"):
        yield from _of_plane(product.planes["reason"], {str(one.name).lower(): int(one) for one in Reason}, side)
    elif _boxes(product):
        yield from _of_boxes(_boxes(product), shape, side)
    else:
        yield from _of_plane(product.planes["mask"], {name.lower(): 1 << bit for name, bit in MASK_PLANES.items()}, side)


def _of_plane(plane: NDArray[Any], names: dict[str, int], side: int) -> Iterator[Group]:
    small, set_ = bits(plane, side), plane[plane != 0]
    unnamed = {f"bit {bit}": 1 << bit for bit in range(8 * plane.dtype.itemsize) if 1 << bit not in names.values()}
    for place, (name, value) in enumerate({**names, **unnamed}.items()):
        count = int(np.count_nonzero(set_ & plane.dtype.type(value))) if value < 1 << 8 * plane.dtype.itemsize else 0
        if count:
            yield Group(name, _COLOURS[place % len(_COLOURS)], count, (small & plane.dtype.type(value)) != 0)


def _of_boxes(boxes: list[tuple[int, int, int, int, str]], shape: tuple[int, int], side: int) -> Iterator[Group]:
    small = -(-shape[0] // side), -(-shape[1] // side)
    for place, name in enumerate(sorted({box[-1] for box in boxes})):
        blocks, count = np.zeros(small, dtype=np.bool_), 0
        for x0, y0, width, height, _ in (box for box in boxes if box[-1] == name):
            blocks[y0 // side : -(-(y0 + height) // side), x0 // side : -(-(x0 + width) // side)] = True
            count += width * height
        yield Group(name, _COLOURS[place % len(_COLOURS)], count, blocks)


def _is_plane(product: Product, name: str) -> bool:
    plane = product.planes.get(name)
    return plane is not None and plane.ndim == 2 and plane.dtype.kind == "u"


def _boxes(product: Product) -> list[tuple[int, int, int, int, str]]:
    """Give the boxes of the first table that has them."""
    for table in product.tables.values():
        if set(_BOX) <= table.keys():
            *numbers, reasons = (table[key].values for key in _BOX)
            return [(*map(int, row), str(reason)) for *row, reason in zip(*numbers, reasons, strict=True)]  # type: ignore[misc]
    return []


def _shape(product: Product, detector: Detector | None) -> tuple[int, int]:
    for name in ("reason", "mask"):
        if _is_plane(product, name):
            ny, nx = product.planes[name].shape
            return ny, nx
    if detector is not None:
        return detector.shape
    boxes = _boxes(product)
    return max(y0 + height for _, y0, _, height, _ in boxes), max(x0 + width for x0, _, width, _, _ in boxes)


def _bad(product: Product) -> int | None:
    """Give how many pixels are bad for any reason, where a plane says so."""
    known = [product.planes[name] for name in ("reason", "mask") if _is_plane(product, name)]
    return int(np.count_nonzero(known[0])) if known else None


def _legend(axes: Axes, found: list[Group], size: int, bad: int | None) -> None:
    total = sum(group.count for group in found) if bad is None else bad
    words = f"{total} bad pixels of {size}\n({100 * total / size:.3g} %),\neach counted for all its reasons:"
    signs = [Patch(facecolor=group.colour, label=plainly(f"{group.name.replace('_', ' ')}: {group.count}")) for group in found]
    legend = axes.legend(
        handles=signs, title=words, loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize=PLAIN, title_fontsize=PLAIN,
        frameon=False, alignment="left", borderaxespad=0.0,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
