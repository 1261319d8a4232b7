"""Say why a pixel is bad: a plane of bits beside the pixels."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntFlag
from typing import TypeAlias

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.errors import BuildError
from latcal.numerics.arrays import Mask

Reasons: TypeAlias = NDArray[np.uint16]
"""Bits of `Reason` of every pixel, (ny, nx); 0 for a good one."""


class Reason(IntFlag):
    """Why a pixel is bad; a pixel may have several reasons. The bits are latcal's own."""

    HOT = 1 << 0
    """Bright in the dark."""
    COLD = 1 << 1
    """Dim in the flat."""
    BRIGHT = 1 << 2
    """Bright in the bias or in the flat."""
    DEAD = 1 << 3
    """Without a value, or in an amplifier that does not answer."""
    UNSTABLE = 1 << 4
    """More scatter from frame to frame than its noise explains."""
    SATURATED = 1 << 5
    """Saturated in most frames, or beside a pixel that is."""
    COLUMN = 1 << 6
    """In a column that is bad in one piece."""
    BLINKING = 1 << 7
    """Good itself, between the bad pixels of a column that blinks."""
    DILATED = 1 << 8
    """Near a bad pixel."""
    EDGE = 1 << 9
    """At the edge of the detector, or of an amplifier."""
    MANUAL = 1 << 10
    """Named by a person."""


COLUMNS = Reason.COLUMN | Reason.BLINKING
"""What makes a column count as a bad one."""


def add(reasons: Reasons, mask: Mask, reason: Reason) -> Reasons:
    """Give a plane with one more reason where a mask is set.

    Parameters
    ----------
    reasons : (ny, nx)
    mask : (ny, nx)
    reason : Reason

    Returns
    -------
    (ny, nx)
        A new plane.
    """
    return reasons | np.where(mask, np.uint16(reason), np.uint16(0))


def merge(planes: Sequence[Reasons], fraction: float) -> Reasons:
    """Keep what is bad in enough of several maps.

    Parameters
    ----------
    planes : sequence of (ny, nx)
    fraction : scalar
        A pixel is kept if at least this part of the maps have it; 0 for OR: one is enough; 1 for AND: all of them.

    Returns
    -------
    (ny, nx)
        All reasons that a pixel has in any map, where it is kept.

    Raises
    ------
    BuildError
        If there is no map, or `fraction` is not between 0 and 1.

    Notes
    -----
    The Rubin pipelines keep what is in *more* than the fraction; so their AND never keeps anything, and 7 maps of 10
    are not enough at 0.7. Here they are.
    """
    if not planes:
        raise BuildError("there are no defect maps to merge")
    if not 0.0 <= fraction <= 1.0:
        raise BuildError(f"a fraction of {fraction!r} is not between 0 and 1")
    votes = np.zeros(planes[0].shape, dtype=np.uint16)
    merged = np.zeros(planes[0].shape, dtype=np.uint16)
    for plane in planes:
        votes += plane != 0
        merged |= plane
    least = max(1, int(np.ceil(fraction * len(planes) - 1e-9)))  # 0.7 x 10 is 7, whatever its last bit
    return np.where(votes >= least, merged, np.uint16(0))


def count(reasons: Reasons) -> dict[str, int]:
    """Count the bad pixels of an amplifier or a detector.

    Parameters
    ----------
    reasons : (ny, nx)

    Returns
    -------
    dict of str to int
        ``pixels``: all that are bad; ``columns``: columns with a pixel of `COLUMNS`; and under the name of each reason in
        small letters how many pixels have it. One that has two reasons counts for both.
    """
    counts = {"pixels": int(np.count_nonzero(reasons)), "columns": int(np.count_nonzero(_columns(reasons)))}
    bad = reasons[reasons != 0]
    for reason in Reason:
        counts[str(reason.name).lower()] = int(np.count_nonzero(bad & np.uint16(reason)))
    return counts


@frozen
class Growth:
    """What a map has more than an older one.

    Parameters
    ----------
    pixels : int
        Bad now and not then.
    fraction : scalar
        The same over all pixels.
    columns : int
        Columns that are bad in one piece or blink now, and did not then.
    healed : int
        Pixels that were bad then and are not now.
    """

    pixels: int
    fraction: float
    columns: int
    healed: int


def compare(before: Reasons, now: Reasons) -> Growth:
    """Compare two maps of one amplifier or detector.

    Parameters
    ----------
    before, now : (ny, nx)

    Returns
    -------
    Growth

    Raises
    ------
    BuildError
        If they are of different shapes.
    """
    if before.shape != now.shape:
        raise BuildError(f"a defect map of {before.shape} cannot be compared with one of {now.shape} pixels (y, x)")
    fresh = int(np.count_nonzero((now != 0) & (before == 0)))
    healed = int(np.count_nonzero((now == 0) & (before != 0)))
    columns = int(np.count_nonzero(_columns(now) & ~_columns(before)))
    return Growth(fresh, fresh / now.size if now.size else 0.0, columns, healed)


def _columns(reasons: Reasons) -> Mask:
    """Tell which columns are bad as such, (nx,)."""
    bad: Mask = np.any(reasons & np.uint16(COLUMNS), axis=0)
    return bad
