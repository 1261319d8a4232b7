"""Make large planes small enough to be drawn, block by block, in little memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]


def block(shape: tuple[int, ...], largest: int) -> int:
    """Give the side of the blocks [pixel] by which no side of a plane has more than so many of them."""
    return max(1, -(-max(shape) // largest))


def means(plane: Plane, side: int) -> NDArray[np.float64]:
    """Give the mean of every block; NaN where it has no number.

    Parameters
    ----------
    plane : (ny, nx)
    side : scalar [pixel]
        Blocks at the far edges may be smaller.
    """
    ny, nx = plane.shape
    edges = np.arange(0, nx, side)
    made = np.full((-(-ny // side), edges.size), np.nan)
    for row, y in enumerate(range(0, ny, side)):
        strip = plane[y : y + side]
        good = np.isfinite(strip)
        total = np.add.reduceat(np.where(good, strip, 0).sum(axis=0, dtype=np.float64), edges)
        count = np.add.reduceat(good.sum(axis=0), edges)
        np.divide(total, count, out=made[row], where=count > 0)
    return made


def bits(plane: Plane, side: int) -> Plane:
    """Give the bits that any pixel of a block has."""
    ny, nx = plane.shape
    strips = (np.bitwise_or.reduce(plane[y : y + side], axis=0) for y in range(0, ny, side))
    return np.bitwise_or.reduceat(np.stack(list(strips)), np.arange(0, nx, side), axis=1)


def sample(plane: Plane, size: int = 500_000) -> NDArray[np.float64]:
    """Give about so many of the numbers of a plane, from all over it.

    Every n-th pixel, n being odd and not a divisor of the width: no column or row is left out.
    """
    flat = plane.ravel()
    step = max(1, flat.size // size) | 1
    while step > 1 and plane.shape[1] % step == 0:
        step += 2
    taken = flat[::step].astype(np.float64)
    return taken[np.isfinite(taken)]
