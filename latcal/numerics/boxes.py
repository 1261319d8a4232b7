"""Describe a mask by boxes, and draw it again."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.errors import BuildError
from latcal.numerics.arrays import Mask

Numbers = NDArray[np.int64]


@frozen(eq=False)
class Boxes:
    """Boxes of pixels, by rising (x0, y0): the columns of a table.

    Parameters
    ----------
    x0, y0 : (n,) [pixel]
        The corner nearest to the origin; the first pixel is 0.
    width, height : (n,) [pixel]
        Columns and rows: ``x0 <= x < x0 + width``.
    reason : (n,)
        Every reason that a pixel of the box has.
    """

    x0: Numbers
    y0: Numbers
    width: Numbers
    height: Numbers
    reason: NDArray[np.uint16]

    def __len__(self) -> int:
        return self.x0.size


def of(reasons: NDArray[np.uint16]) -> Boxes:
    """Cover what is set by boxes that do not overlap.

    Each column is cut into its runs; runs side by side of the same rows make one box. So equal masks give equal
    boxes, together they are the mask exactly, and their areas add up to its pixels. There may be more of them than
    the fewest possible.

    Parameters
    ----------
    reasons : (ny, nx)
        Anything but 0 is set. Which reason it is changes the boxes' reasons, never the boxes.

    Returns
    -------
    Boxes
    """
    y, x = np.divmod(np.flatnonzero(reasons), reasons.shape[1])
    if not y.size:
        nothing = np.zeros(0, dtype=np.int64)
        return Boxes(nothing, nothing, nothing, nothing, np.zeros(0, dtype=np.uint16))
    order = np.argsort(x * len(reasons) + y)
    y, x = y[order], x[order]
    starts = _heads((np.diff(x) != 0) | (np.diff(y) != 1))
    found = np.bitwise_or.reduceat(reasons[y, x], starts)
    stops = np.append(starts[1:], y.size) - 1
    x, first, last = x[starts], y[starts], y[stops] + 1
    order = np.lexsort((x, last, first))
    x, first, last = x[order], first[order], last[order]
    heads = _heads((np.diff(x) != 1) | (np.diff(first) != 0) | (np.diff(last) != 0))
    widths = np.diff(np.append(heads, x.size))
    boxes = (x[heads], first[heads], widths, last[heads] - first[heads], np.bitwise_or.reduceat(found[order], heads))
    final = np.lexsort((boxes[1], boxes[0]))
    return Boxes(*(part[final] for part in boxes))


def draw(boxes: Boxes, shape: tuple[int, int]) -> NDArray[np.uint16]:
    """Draw boxes, which may overlap.

    Parameters
    ----------
    boxes : Boxes
    shape : (ny, nx)

    Returns
    -------
    (ny, nx)
        In every pixel the reasons of the boxes that it is in; 0 elsewhere.

    Raises
    ------
    BuildError
        If a box is not inside the detector, has no pixel, or has no reason: it would vanish.
    """
    plane = np.zeros(shape, dtype=np.uint16)
    columns = (boxes.x0, boxes.y0, boxes.width, boxes.height, boxes.reason)
    for x0, y0, width, height, reason in zip(*(column.tolist() for column in columns), strict=True):
        x1, y1 = x0 + width, y0 + height
        if not (0 <= x0 < x1 <= shape[1] and 0 <= y0 < y1 <= shape[0]):
            what = f"box x0 {x0}, y0 {y0}, width {width}, height {height}"
            raise BuildError(f"the {what} is not inside {shape[1]} x {shape[0]} pixels")
        if not reason:
            raise BuildError(f"the box x0 {x0}, y0 {y0}, width {width}, height {height} has no reason")
        plane[y0:y1, x0:x1] |= reason
    return plane


def single(mask: Mask) -> Boxes:
    """Cover a plain mask by boxes; as `of`, every reason being 1."""
    return of(mask.astype(np.uint16))


def _heads(breaks: Mask) -> Numbers:
    """Give where groups begin, from whether there is a break after each but the last."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.flatnonzero(breaks) + 1])
