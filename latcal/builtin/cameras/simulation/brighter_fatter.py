"""The brighter-fatter effect: charge that is already there turns away what comes after it."""

from __future__ import annotations

from typing import Self

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

Wide = NDArray[np.float64]

CORE = 4.0 / 17.0
"""Coefficient of the separable part at lag 0, over that of a00; our choice, with the tails below."""

ALONG = np.array([1.0, 0.625, 0.12, 0.0227])
"""Fall with the distance along a column: a01 = 0.625 x 4/17 x 1.7e-6 = 2.5e-7; the rest assumed."""

ACROSS = np.array([1.0, 0.375, 0.12, 0.04])
"""The same along a row: a10 = 1.5e-7."""

REACH = ALONG.size - 1
STRIP_ROWS = 64
"""Rows worked on at a time: what they need stays in the cache; our measurement."""


def kernel(a00: float) -> Wide:
    """Give the coefficients a of all lags, centre in the middle: (7, 7) [1 / electron].

    A separable part and a centre that makes the sum exactly 0: charge is only moved.

    References
    ----------
    Astier et al. 2019, A&A 629, A36 (arXiv:1905.08677); values: a refit of LATISS below 50 kadu (docs/simulator.md).
    """
    part, along, across = _parts(a00)
    both = part * np.outer(_mirrored(along), _mirrored(across))
    both[REACH, REACH] -= both.sum()
    return both


def _parts(a00: float) -> tuple[float, Wide, Wide]:
    """Give the size and both profiles of the separable part; its sum less its centre is -a00."""
    part = CORE * abs(a00)
    along = ALONG.copy()
    wanted = (abs(a00) + part) / part / (2.0 * ACROSS.sum() - 1.0) if part else 2.0 * along.sum() - 1.0
    along[-1] += (wanted - (2.0 * along.sum() - 1.0)) / 2.0
    return part, along, ACROSS


def _mirrored(half: Wide) -> Wide:
    return np.concatenate([half[:0:-1], half])


def redistribute(expected: NDArray[np.float32], drawn: NDArray[np.float32], a00: float) -> None:
    """Move charge as the brighter-fatter effect does, in place.

    Parameters
    ----------
    expected : (ny, nx) [electron]
        Mean charge E of every pixel.
    drawn : (ny, nx) [electron]
        Its fluctuation d; replaced by charge, the mean included. Of everything that shares its pixel grid, half a
        sensor, say: there is no seam inside, and nothing beyond the edges.
    a00 : float [1 / electron]

    Notes
    -----
    ``Q = E + d + E d1 / 2 + (5 / 24) E^2 (a * d1)`` with ``d1 = a * d``, convolutions: latcal's decision, good to
    0.7 % of a00 up to 100,000 electrons (docs/simulator.md).
    """
    if not a00:
        drawn += expected
        return
    weights = _Weights.of(a00)
    ny = len(drawn)
    before = np.zeros((2 * REACH, drawn.shape[1]), dtype=np.float32)  # rows already replaced, as they were
    for top in range(0, ny, STRIP_ROWS):
        bottom = min(top + STRIP_ROWS, ny)
        window = np.zeros((bottom - top + 4 * REACH, drawn.shape[1]), dtype=np.float32)
        window[: 2 * REACH] = before
        there = min(bottom + 2 * REACH, ny) - top
        window[2 * REACH : 2 * REACH + there] = drawn[top : top + there]
        before = window[bottom - top : bottom - top + 2 * REACH].copy()
        first = weights.convolved(window)  # rows top - REACH to bottom + REACH
        _outside(first, top - REACH, ny)
        second = weights.convolved(first)
        rows = expected[top:bottom]
        second *= rows
        second *= np.float32(5.0 / 24.0)
        inner = first[REACH:-REACH]
        inner *= np.float32(0.5)
        second += inner
        second *= rows
        second += rows
        drawn[top:bottom] += second


def _outside(rows: NDArray[np.float32], top: int, ny: int) -> None:
    """Put 0 in rows that are not of the sensor."""
    if top < 0:
        rows[:-top] = 0.0
    if top + len(rows) > ny:
        rows[ny - top :] = 0.0


@frozen(eq=False)
class _Weights:
    """The kernel as a separable part, by lag along a column and along a row, and what the centre has beside it."""

    along: NDArray[np.float32]
    across: NDArray[np.float32]
    centre: np.float32

    @classmethod
    def of(cls, a00: float) -> Self:
        part, along, across = _parts(a00)
        centre = np.float32(kernel(a00)[REACH, REACH] - part)
        return cls((part * along).astype(np.float32), across.astype(np.float32), centre)

    def convolved(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Convolve with the kernel; `REACH` rows less at either end, 0 beyond the columns."""
        n = len(image) - 2 * REACH
        middle = image[REACH : REACH + n]
        column: NDArray[np.float32] = middle * self.along[0]
        pair = np.empty_like(column)
        for lag in range(1, REACH + 1):
            np.add(image[REACH - lag : REACH - lag + n], image[REACH + lag : REACH + lag + n], out=pair)
            pair *= self.along[lag]
            column += pair
        result: NDArray[np.float32] = middle * self.centre
        result += column
        for lag in range(1, REACH + 1):
            np.multiply(column, self.across[lag], out=pair)
            result[:, lag:] += pair[:, :-lag]
            result[:, :-lag] += pair[:, lag:]
        return result
