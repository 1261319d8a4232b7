"""Edges of a frame, and masks grown by discs and along rows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from latcal.numerics.arrays import Mask


def edges(shape: tuple[int, int], *, bottom: int = 0, top: int = 0, left: int = 0, right: int = 0) -> Mask:
    """Mark the pixels near the edges of a frame.

    Parameters
    ----------
    shape : (ny, nx)
        Of a detector or an amplifier. An amplifier inside a detector has no edge of it where another one follows: give 0
        there, or it loses a strip (as the upper and right strips of inner amplifiers do in the Rubin pipelines).
    bottom, top : int [row]
    left, right : int [column]
        How many are marked on each side.

    Returns
    -------
    (ny, nx) mask
    """
    height, width = shape
    mask = np.ones(shape, dtype=np.bool_)
    mask[min(bottom, height) : max(height - top, 0), min(left, width) : max(width - right, 0)] = False
    return mask


def disc(mask: Mask, radius: float) -> Mask:
    """Add all pixels whose centre is within a radius of a marked one.

    Parameters
    ----------
    mask : (ny, nx)
    radius : scalar [pixel]
        1 adds the 4 neighbours; `growth.grown` adds squares.

    Returns
    -------
    (ny, nx) mask
        A new one.
    """
    reach = range(-int(radius), int(radius) + 1)
    return _shifted(mask, ((up, right) for up in reach for right in reach if up * up + right * right <= radius * radius))


def along_rows(mask: Mask, radius: int) -> Mask:
    """Add the pixels of the same row within some pixels of a marked one.

    Parameters
    ----------
    mask : (ny, nx)
        Of a whole detector: what is added ends at its edge, not at that of an amplifier.
    radius : int [pixel]

    Returns
    -------
    (ny, nx) mask
        A new one.
    """
    return _shifted(mask, ((0, right) for right in range(-radius, radius + 1)))


def _shifted(mask: Mask, steps: Iterable[tuple[int, int]]) -> Mask:
    """Add what is marked once it is moved by each of some steps (y, x); what leaves the frame is lost."""
    result = mask.copy()
    rows, columns = np.divmod(np.flatnonzero(mask), mask.shape[1])
    for up, right in steps:
        y, x = rows + up, columns + right
        inside = (y >= 0) & (y < mask.shape[0]) & (x >= 0) & (x < mask.shape[1])
        result[y[inside], x[inside]] = True
    return result
