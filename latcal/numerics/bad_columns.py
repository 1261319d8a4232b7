"""Find columns of an amplifier that are bad: by how many bad pixels they have, or faintly along many rows.

A column is that of one amplifier: where two amplifiers meet, the charge goes the other way and nothing is shared.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from latcal.numerics.arrays import Mask, Pixels, Wide
from latcal.numerics.row_medians import medians_of
from latcal.numerics.statistics import quartile_sigma

ROWS: Final = 25
"""Rows of a column whose median is judged at once; latcal's choice: the noise of one is a quarter of that of a pixel, and
a column of 100 bad rows has three such pieces wherever it begins."""

TOGETHER: Final = 2
"""So many pieces one after the other make a bad column; latcal's choice: a cluster of hot pixels fills only one."""

ASIDE: Final = 8
"""Columns on either side that a column is compared with, by their median on each side; latcal's choice."""


def filled(bad: Mask, least: int) -> Mask:
    """Fill columns that have many bad pixels.

    Parameters
    ----------
    bad : (ny, nx) mask
        Of one amplifier.
    least : int [pixel]
        What makes a column bad as a whole; as many bad pixels are enough.

    Returns
    -------
    (ny, nx) mask
        Whole columns.
    """
    columns = np.count_nonzero(bad, axis=0) >= max(least, 1)
    return np.broadcast_to(columns, bad.shape).copy()


def blinking(bad: Mask, least: int, gap: int) -> Mask:
    """Fill columns that are good and bad by turns.

    Parameters
    ----------
    bad : (ny, nx) mask
        Of one amplifier.
    least : int [pixel]
        Bad pixels of a column that is taken for a blinking one.
    gap : int [pixel]
        So many good pixels on end are spared; fewer, between two bad ones, are filled.

    Returns
    -------
    (ny, nx) mask
        The good pixels between bad ones that are to be masked too.

    Notes
    -----
    The Rubin pipelines spare ``gap - 1`` good pixels already, for they compare the difference of two rows; and they
    count both amplifiers of a column together.
    """
    between = np.zeros_like(bad)
    for x in np.flatnonzero(np.count_nonzero(bad, axis=0) >= max(least, 1)):
        rows = np.flatnonzero(bad[:, x])
        good = np.diff(rows) - 1
        for at in np.flatnonzero((good > 0) & (good < gap)):
            between[rows[at] + 1 : rows[at + 1], x] = True
    return between


def faint(departure: Pixels, threshold: float, *, clip: float = 6.0) -> Mask:
    """Find columns that depart along many rows, though noise may hide it in each pixel.

    The median of `ROWS` rows of a column, less that of the columns beside it (of the higher side, so that a step is no
    column), must reach the threshold in `TOGETHER` pieces on end, and so must what these stand out of noise by, taken
    together: `clip` times the scatter of such medians. Where the column begins and ends is then told row by row.

    Parameters
    ----------
    departure : (ny, nx) [any unit]
        Of one amplifier, above 0 where bad: a dark, or 1 less the response to light. NaN is ignored.
    threshold : scalar [the same unit]
        The same as that of a pixel.
    clip : scalar, standard deviations
        The default is latcal's choice.

    Returns
    -------
    (ny, nx) mask
        The rows of the columns that are bad, the amplifier's other rows not.
    """
    mask = np.zeros(departure.shape, dtype=np.bool_)
    height = len(departure)
    rows = min(ROWS, height)
    edges = np.linspace(0, height, height // rows + 1).round().astype(np.intp)
    medians = _medians(departure, edges)
    local = _beside(medians)
    above = medians - local
    limit = max(threshold, clip / math.sqrt(TOGETHER) * quartile_sigma(above))
    high = above >= limit  # NaN is not
    together = min(TOGETHER, len(high))
    for x in np.flatnonzero(np.count_nonzero(high, axis=0) >= together):
        for first, last in _runs(high[:, x]):
            if last - first >= together:
                start, stop = edges[max(first - 1, 0)], edges[min(last + 1, len(high))]
                level = np.repeat(local[:, x], np.diff(edges))[start:stop]
                begin, end = _best(departure[start:stop, x] - level, threshold)
                mask[start + begin : start + end, x] = True
    return mask


def _medians(pixels: Pixels, edges: NDArray[np.intp]) -> Wide:
    """Give the median of the rows between edges of each column; NaN for one without value."""
    medians = np.empty((edges.size - 1, pixels.shape[1]))
    for piece, start, stop in zip(medians, edges[:-1], edges[1:], strict=True):
        piece[...] = medians_of(pixels[start:stop].T)
    return medians


def _beside(medians: Wide) -> Wide:
    """Give the median of the columns on one side of each, whichever is higher; 0 where neither has a value."""
    padded = np.pad(medians, ((0, 0), (ASIDE, ASIDE)), constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, ASIDE, axis=1)
    sides = medians_of(windows.reshape(-1, ASIDE)).reshape(len(medians), -1)
    width = medians.shape[1]
    return np.nan_to_num(np.fmax(sides[:, :width], sides[:, ASIDE + 1 : ASIDE + 1 + width]), nan=0.0)


def _runs(flags: Mask) -> list[tuple[int, int]]:
    """Give where flags are set on end, half-open."""
    turns = np.flatnonzero(np.diff(flags, prepend=False, append=False)).tolist()
    return list(zip(turns[0::2], turns[1::2], strict=True))


def _best(values: Pixels | Wide, threshold: float) -> tuple[int, int]:
    """Give the rows whose sum above half of the threshold is highest, each limited to twice the threshold."""
    scores = np.clip(np.nan_to_num(values, nan=0.5 * threshold), -threshold, 2.0 * threshold) - 0.5 * threshold
    sums = np.concatenate([np.zeros(1), np.cumsum(scores, dtype=np.float64)])
    lowest = np.minimum.accumulate(sums)
    stop = int(np.argmax(sums - lowest))
    return int(np.argmin(sums[: stop + 1])), stop
