"""The variance and the covariances of flats against their level: models of Astier et al. 2019, with derivatives.

Levels are in adu, covariances in adu^2, the gain g in electron / adu, a in 1 / electron, c = a b in 1 / electron^2, and n, the
noise, in electron^2. Quadrants have the serial lag first; negative lags are those of positive ones.

References
----------
Astier et al. 2019, A&A 629, A36, equations 16 and 20 (arXiv:1905.08677).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from attrs import frozen

from latcal.numerics.arrays import Mask, Wide
from latcal.numerics.brighter_fatter import brighter_fatter_factor

POWERS: Final = 5
"""The full model is a polynomial of the level: powers 0 to 4."""

NEAR: Final = 1e-4
"""Nearer to 0 than this, the derivative of S is taken from its series, good to 1e-11 there."""


def exponential(levels: Wide, a00: float, gain: float, noise: float) -> Wide:
    """Give the variance by one brighter-fatter coefficient.

    Parameters
    ----------
    levels : (n,) [adu]
    a00 : scalar [1 / electron]
    gain : scalar [electron / adu]
    noise : scalar [electron^2]

    Returns
    -------
    (n,) [adu^2]
        ``(exp(2 a00 mu g) - 1) / (2 a00 g^2) + n / g^2``, equation 16.
    """
    with np.errstate(over="ignore"):  # a fit may try what no sensor does: infinite, and it turns back
        variance: Wide = brighter_fatter_factor(a00 * gain * levels) * levels / gain + noise / gain**2
    return variance


def exponential_slopes(levels: Wide, a00: float, gain: float, noise: float) -> Wide:
    """Give the derivatives of `exponential` by a00, gain and noise: (n, 3)."""
    x = a00 * gain * levels
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        factor = brighter_fatter_factor(x)
        slope = np.where(np.abs(x) < NEAR, 1.0 + 4.0 * x / 3.0 + x**2, (np.exp(2.0 * x) - factor) / x)
    by_gain = -factor * levels / gain**2 + a00 * slope * levels**2 / gain - 2.0 * noise / gain**3
    return np.stack([slope * levels**2, by_gain, np.full_like(levels, gain**-2)], axis=-1)


@frozen(eq=False)
class FullCovariance:
    """Covariances of all lags by equation 20, and the derivatives of what stands before each power of the level.

    Parameters
    ----------
    gain : scalar [electron / adu]
    a : (r, r) [1 / electron]
    noise : (r, r) [electron^2]
    c : (r, r) [1 / electron^2]
        0 for the model without b.
    clear : (r, r) or None
        Which lags count in the convolutions; None for all, which is equation 20 to the letter. Of the others, a counts once,
        beside the a of lag 0 in a*a. Lag 0 itself must be one of them.

    Notes
    -----
    Convolutions are complete: nothing is cut off, however many lags there are. The Rubin pipelines cut at 1.5 r, which loses a
    little of the threefold one from r = 4.
    """

    gain: float
    a: Wide
    noise: Wide
    c: Wide
    clear: Mask | None = None

    def at(self, levels: Wide) -> Wide:
        """Give the covariances at some levels.

        Parameters
        ----------
        levels : (n,) [adu]

        Returns
        -------
        (n, r, r) [adu^2]
            ``mu / g`` at lag 0, plus ``a mu^2 + 2/3 (a*a + c) g mu^3 + (a*a*a / 3 + 5/6 a*c) g^2 mu^4 + n / g^2``.
        """
        found: Wide = np.einsum("nk,kij->nij", levels[:, None] ** np.arange(POWERS), self.powers())
        return found

    def powers(self) -> Wide:
        """Give what stands before the powers 0 to 4 of the level: (5, r, r) [adu^2 / adu^k]."""
        cubic, quartic = self._higher()
        first = np.zeros_like(self.a)
        first[0, 0] = 1.0 / self.gain
        return np.stack([self.noise / self.gain**2, first, self.a, cubic * self.gain, quartic * self.gain**2])

    def power_slopes(self) -> Wide:
        """Give the derivatives of `powers` by gain, a, noise and c: (5, r^2, 1 + 3 r^2)."""
        side, gain = self.a.shape[0], self.gain
        size = side * side
        of_a, of_noise, of_c = (slice(1 + k * size, 1 + (k + 1) * size) for k in range(3))
        near, far = self._counting()
        counts = np.ones(size) if self.clear is None else self.clear.reshape(-1)
        one, with_near = np.eye(size), convolver(near, side, side) * counts
        twice = convolver(convolved(near, near, 2 * side - 1), side, side)
        cubic, quartic = self._higher()
        twofold = with_near + self.a[0, 0] * np.diag(1.0 - counts)
        twofold[:, 0] += (self.a - near).reshape(-1)
        found = np.zeros((POWERS, size, 1 + 3 * size))
        found[0, :, 0], found[0, :, of_noise] = -2.0 / gain**3 * self.noise.reshape(-1), one / gain**2
        found[1, 0, 0] = -1.0 / gain**2
        found[2, :, of_a] = one
        found[3, :, 0], found[3, :, of_c] = cubic.reshape(-1), 2.0 / 3.0 * gain * one
        found[3, :, of_a] = 4.0 / 3.0 * gain * twofold
        found[4, :, 0] = 2.0 * gain * quartic.reshape(-1)
        found[4, :, of_a] = gain**2 * (twice + 5.0 / 6.0 * convolver(far, side, side)) * counts
        found[4, :, of_c] = 5.0 / 6.0 * gain**2 * with_near
        return found

    def _counting(self) -> tuple[Wide, Wide]:
        """Give a and c of the lags that count in the convolutions."""
        return (self.a, self.c) if self.clear is None else (self.a * self.clear, self.c * self.clear)

    def _higher(self) -> tuple[Wide, Wide]:
        """Give what stands before mu^3 g and before mu^4 g^2."""
        side = self.a.shape[0]
        near, far = self._counting()
        twice = convolved(near, near, 2 * side - 1)
        cubic = 2.0 / 3.0 * (twice[:side, :side] + 2.0 * self.a[0, 0] * (self.a - near) + self.c)
        quartic = convolved(twice, near, side) / 3.0 + 5.0 / 6.0 * convolved(near, far, side)
        return cubic, quartic


def convolved(first: Wide, second: Wide, side: int) -> Wide:
    """Convolve two symmetric arrays, each given by one quadrant.

    Parameters
    ----------
    first : (p, p)
    second : (q, q)
    side : int
        Of the quadrant wanted.

    Returns
    -------
    (side, side)
    """
    total: Wide = convolver(first, second.shape[0], side) @ second.reshape(-1)
    return total.reshape(side, side)


def convolver(first: Wide, other: int, side: int) -> Wide:
    """Give the matrix that convolves the quadrant of a symmetric array with one given by its quadrant.

    Parameters
    ----------
    first : (p, p)
    other : int
        Side of the quadrant that it is to be multiplied with.
    side : int
        Of the quadrant wanted.

    Returns
    -------
    (side^2, other^2)
    """
    reach = max(side + other - 1, first.shape[0])
    padded = np.zeros((reach, reach))
    padded[: first.shape[0], : first.shape[0]] = first
    here, there = np.arange(side)[:, None], np.arange(other)[None, :]
    near, far, twofold = np.abs(here - there), here + there, (there > 0).astype(np.float64)
    rows = padded[near] + twofold[:, :, None] * padded[far]  # (side, other, reach): both signs of the first lag
    both: Wide = rows[:, :, near] + twofold * rows[:, :, far]
    return both.transpose(0, 2, 1, 3).reshape(side * side, other * other)
