"""The smooth part of a flat, and how pixels answer beside it.

The smooth part is the median of blocks of pixels, interpolated: half of a block may be bad and nothing shows. Blocks
that do not go with the others (a dead corner, a shadow) are replaced by what a surface through the others gives.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from latcal.numerics.arrays import Pixels, Wide
from latcal.numerics.row_medians import medians_of

BLOCK: Final = 32
"""Side of a block [pixel]; latcal's choice: a light that varies by 2.5 % over a sensor is straight in it, and the noise of
its median is a 25th of that of a pixel."""

ODD: Final = 0.1
"""A block this much off the surface does not go with the others; latcal's choice, the cut of a cold pixel."""

ODD_SIGMA: Final = 6.0
"""And by so many robust sigma of all blocks: where light really varies, no block is odd."""

FAR: Final = 0.5
"""A block this much off the median of all has no part in the surface: a dead corner would bend it; latcal's choice."""

TINY: Final = 1e-300
"""So that nothing is divided by 0 where all values are."""

PASSES: Final = 20
"""Of the fit of the surface by least absolute deviations; latcal's choice, it has long settled."""


def response(flat: Pixels, *, block: int = BLOCK) -> Pixels:
    """Divide a flat by its smooth part.

    Parameters
    ----------
    flat : (ny, nx) [any unit]
        Of one amplifier, so that a step to the next is no gradient. NaN where there is no value.
    block : int [pixel]

    Returns
    -------
    (ny, nx)
        1 for a pixel that answers as those around it; NaN where the flat is, and where there is no light to divide by.
    """
    light = smooth(flat, block=block)
    usable = np.isfinite(flat) & (light > 0.0)  # NaN is not
    return np.divide(flat, light, out=np.full_like(light, np.nan), where=usable)


def smooth(image: Pixels, *, block: int = BLOCK) -> Pixels:
    """Give the smooth part of an image.

    Parameters
    ----------
    image : (ny, nx) [any unit]
        NaN is ignored.
    block : int [pixel]
        Side of the blocks whose medians are interpolated, straight between their centres and on to the edges.

    Returns
    -------
    (ny, nx) [the same unit]
        NaN where no block has a value.
    """
    rows, columns = (_starts(size, block) for size in image.shape)
    medians = _medians(image, rows, columns, block)
    if not np.isfinite(medians).any():
        return np.full(image.shape, np.nan, dtype=np.float32)
    halves = [0.5 * (min(block, size) - 1) for size in image.shape]
    coarse = _mended(medians)
    along = _interpolated(coarse, rows + halves[0], image.shape[0])
    surface = _interpolated(np.ascontiguousarray(along.T), columns + halves[1], image.shape[1])
    return np.ascontiguousarray(surface.T)


def _starts(size: int, block: int) -> NDArray[np.intp]:
    """Give where blocks start; the last one ends at the end and may overlap the one before."""
    last = max(size - block, 0)
    return np.unique(np.append(np.arange(0, last, block), last))


def _medians(image: Pixels, rows: NDArray[np.intp], columns: NDArray[np.intp], block: int) -> Wide:
    """Give the median of every block; NaN for one without value."""
    window = (min(block, image.shape[0]), min(block, image.shape[1]))
    blocks = np.lib.stride_tricks.sliding_window_view(image, window)[rows[:, None], columns]
    values = blocks.reshape(rows.size * columns.size, -1)
    return medians_of(values).reshape(rows.size, columns.size)


def _mended(medians: Wide) -> Wide:
    """Replace blocks that do not go with the others by a surface of second order at most."""
    y, x = (axis.reshape(-1) for axis in np.meshgrid(*(np.linspace(-1.0, 1.0, size) for size in medians.shape), indexing="ij"))
    ny, nx = (min(size - 1, 2) for size in medians.shape)
    terms = np.stack([y**i * x**j for i in range(ny + 1) for j in range(nx + 1) if i + j <= 2], axis=1)
    values = medians.reshape(-1)
    known = np.isfinite(values)
    level = float(np.quantile(values[known], 0.5, method="higher"))  # a block's own: one at least is like it
    alike = known & (np.abs(values - level) <= FAR * abs(level))
    if np.count_nonzero(alike) < 2 * terms.shape[1]:
        terms = terms[:, :1]
    surface = terms @ _least_deviations(terms[alike], values[alike])
    off = np.abs(values - surface)
    scatter = 1.4826 * float(np.median(off[known]))
    good = off <= np.maximum(ODD * np.abs(surface), ODD_SIGMA * scatter)  # NaN is not
    return np.where(good, values, surface).reshape(medians.shape)


def _least_deviations(terms: Wide, values: Wide) -> Wide:
    """Fit by least absolute deviations: half of the blocks may be odd."""
    weights = np.ones(values.size)
    least = max(1e-9 * float(np.abs(values).max()), TINY)
    found: Wide = np.zeros(terms.shape[1])
    for _ in range(PASSES):
        root = np.sqrt(weights)
        found = np.asarray(np.linalg.lstsq(terms * root[:, None], values * root, rcond=None)[0], dtype=np.float64)
        weights = 1.0 / np.maximum(np.abs(values - terms @ found), least)
        weights /= weights.max()
    return found


def _interpolated(coarse: Wide, centres: Wide, size: int) -> Pixels:
    """Interpolate along the first axis, and go on straight to the ends."""
    if centres.size == 1:
        return np.repeat(coarse.astype(np.float32), size, axis=0)
    place = np.arange(size)
    below = np.clip(np.searchsorted(centres, place, side="right") - 1, 0, centres.size - 2)
    part = ((place - centres[below]) / (centres[below + 1] - centres[below])).astype(np.float32)[:, None]
    values = coarse.astype(np.float32)
    step = np.diff(values, axis=0)
    return values[below] + part * step[below]
