"""Put corrections in front of a reader of rows: subtract, scale, divide."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from latcal.numerics.arrays import Pixels, Read


def subtract(read: Read, *others: Read) -> Read:
    """Subtract other readers from one, row by row, when read.

    Parameters
    ----------
    read, *others : Read of (ny, nx) [one unit]
        NaN in any of them is NaN in the difference.

    Returns
    -------
    Read of (ny, nx) [the same unit]
    """

    def rest(rows: slice) -> Pixels:
        pixels = read(rows)
        for other in others:
            pixels = pixels - other(rows)
        return pixels

    return rest


def masked(read: Read, flags: Callable[[slice], NDArray[np.uint8]], bits: int) -> Read:
    """Leave out the pixels that a mask flags.

    Parameters
    ----------
    read : Read of (ny, nx) [unit]
    flags : reader of rows of (ny, nx) uint8
    bits : int
        Those that leave a pixel out.

    Returns
    -------
    Read of (ny, nx) [unit]
        NaN where one of the bits is set.
    """

    def rest(rows: slice) -> Pixels:
        pixels: Pixels = np.where((flags(rows) & np.uint8(bits)) != 0, np.float32(np.nan), read(rows))
        return pixels

    return rest


def subtract_scaled(read: Read, other: Read, scale: float) -> Read:
    """Subtract another reader times a number, as a dark times its time.

    Parameters
    ----------
    read : Read of (ny, nx) [unit]
    other : Read of (ny, nx) [unit / unit of `scale`]
    scale : scalar

    Returns
    -------
    Read of (ny, nx) [unit]
    """

    def rest(rows: slice) -> Pixels:
        return read(rows) - np.float32(scale) * other(rows)

    return rest


def divide(read: Read, other: Read) -> Read:
    """Divide one reader by another, as a frame by a flat.

    Parameters
    ----------
    read : Read of (ny, nx) [unit]
    other : Read of (ny, nx) [1]
        Zero, NaN or infinite there is NaN in the quotient.

    Returns
    -------
    Read of (ny, nx) [unit]
    """

    def quotient(rows: slice) -> Pixels:
        divisor = other(rows)
        usable = np.isfinite(divisor) & (divisor != 0)
        divisor = np.where(usable, divisor, np.float32(np.nan))
        with np.errstate(over="ignore"):  # a divisor next to zero: infinite, and nobody's number
            pixels: Pixels = read(rows) / divisor
        pixels[np.isinf(pixels)] = np.nan
        return pixels

    return quotient
