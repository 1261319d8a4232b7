"""Bring two flats of one exposure time to one level, subtract them, and set apart what is not noise."""

from __future__ import annotations

import math
from typing import Final, Self

import numpy as np
from attrs import frozen

from latcal.errors import BuildError
from latcal.numerics.arrays import Mask, Pixels, Wide
from latcal.numerics.statistics import ENOUGH, clip_factor, level, quartile_sigma

BLOCK: Final = 32
"""Rows and columns over which the illumination is taken as one; latcal's choice: a vignette changes over hundreds."""

ROUNDING: Final = 1e-6
"""Differences of this part of the level are rounding: flats that are all alike are kept."""

PASSES: Final = 2
"""How often outliers are set apart: by the quartiles, then by the variance of what was kept; latcal's choice."""


@frozen(eq=False)
class FlatPair:
    """Two flats of one amplifier as one difference, in which everything that does not change cancels.

    Parameters
    ----------
    first_level, second_level : scalar [adu]
        Means of the kept pixels.
    difference : (ny, nx) [adu]
        ``D = (mu2 I1 - mu1 I2) / mu`` less its mean, mu being the mean of both levels; 0 where not kept. Its variance is
        twice that of one flat: whoever takes a variance or a covariance from it halves it.
    kept : (ny, nx)
        False where either flat is masked or not finite, and where D is not noise.
    rejected : int
        How many pixels had a value in both flats and were not kept.
    variance : scalar [adu^2]
        Half the variance of D, with what clipping has taken put back.
    effective_pixels : scalar
        The number N in the error of the variance, ``variance * sqrt(2 / N)``. Below the number of pixels where the
        illumination, and with it the noise, varies.
    """

    first_level: float
    second_level: float
    difference: Pixels
    kept: Mask
    rejected: int
    variance: float
    effective_pixels: float

    @property
    def level(self) -> float:
        """Mean of both levels [adu]."""
        return 0.5 * (self.first_level + self.second_level)

    @property
    def mismatch(self) -> float:
        """Second level less the first, over their mean."""
        return (self.second_level - self.first_level) / self.level

    @property
    def pixels(self) -> int:
        """How many pixels were kept."""
        return int(np.count_nonzero(self.kept))

    @property
    def variance_error(self) -> float:
        """Standard error of the variance [adu^2]."""
        return self.variance * math.sqrt(2.0 / self.effective_pixels)

    @classmethod
    def of(
        cls,
        first: Pixels,
        second: Pixels,
        *,
        noise: float = 0.0,
        clip: float = 5.5,
        max_mismatch: float = 0.05,
        at_least: int = 1000,
    ) -> Self:
        """Match and subtract two flats.

        Parameters
        ----------
        first, second : (ny, nx) [adu]
            Overscan and bias subtracted (the bias cancels in D, but not in the levels); NaN where masked.
        noise : scalar [adu]
            Noise of a pixel without light: needed only where the illumination varies strongly, to know how.
        clip : scalar, standard deviations
            D is judged against its own expected noise, not the mean one, so that the bright part of a vignetted flat
            loses no more than the dark one. The default is that of the Rubin pipelines.
        max_mismatch : scalar, fraction of the level
            The default is latcal's choice, far above the drift of a lamp.
        at_least : int
            Pixels needed; the default is latcal's choice, with which a variance is good to 4.5 %.

        Returns
        -------
        FlatPair

        Raises
        ------
        BuildError
            If the shapes differ, too few pixels have a value, a level is not above 0, or the levels differ by more
            than `max_mismatch`.

        Notes
        -----
        The bound is on D less its mean, which the Rubin pipelines leave out; and unequal levels are scaled, for their
        gain of a pair uses the plain difference, whose variance grows by half the square of the mismatch in adu.

        References
        ----------
        Astier et al. 2019, A&A 629, A36, section 4 (arXiv:1905.08677); Janesick 2007, *Photon Transfer*, chapter 5.
        """
        valid = _valid(first, second, at_least)
        one, two = (np.where(valid, pixels, np.float32(0.0)) for pixels in (first, second))
        levels = (level(_some(first, valid)), level(_some(second, valid)))
        _check_levels(*levels, max_mismatch)
        difference = _matched(one, two, *levels)
        variance = 0.5 * quartile_sigma(_some(difference, valid)) ** 2
        total, kept, expected = one + two, valid, np.ones((1, 1))
        for _ in range(PASSES):
            expected = _expected(_illumination(total, kept), variance, noise)
            limit = clip * np.sqrt(2.0 * expected) + ROUNDING * max(levels)
            kept = valid & (np.abs(difference) <= _spread(limit, valid.shape))
            if np.count_nonzero(kept) < at_least:
                raise BuildError(f"{np.count_nonzero(kept)} pixels of a pair of flats differ by their noise, not {at_least}")
            levels = (_mean(one, kept), _mean(two, kept))
            difference = _matched(one, two, *levels)
            difference -= np.float32(_mean(difference, kept))
            variance = 0.5 * clip_factor(clip) * _mean_square(difference, kept)
        _check_levels(*levels, max_mismatch)
        count = int(np.count_nonzero(kept))
        effective = count * float(expected.mean() ** 2 / np.mean(expected**2)) if expected.any() else float(count)
        difference *= kept
        return cls(*levels, difference, kept, int(np.count_nonzero(valid)) - count, variance, effective)


def inner(pixels: Pixels, edge: int) -> Pixels:
    """Leave out the rows and columns at the edges.

    Parameters
    ----------
    pixels : (ny, nx) [any unit]
    edge : int [pixel]

    Returns
    -------
    (ny - 2 edge, nx - 2 edge)

    Raises
    ------
    BuildError
        If nothing is left.
    """
    if edge < 0 or min(pixels.shape) <= 2 * edge:
        raise BuildError(f"an edge of {edge} pixels leaves nothing of {pixels.shape[0]} x {pixels.shape[1]} pixels")
    return pixels[edge : pixels.shape[0] - edge, edge : pixels.shape[1] - edge]


def _valid(first: Pixels, second: Pixels, at_least: int) -> Mask:
    if first.shape != second.shape:
        raise BuildError(f"the flats of a pair are {first.shape} and {second.shape} pixels, not alike")
    valid: Mask = np.isfinite(first) & np.isfinite(second)
    if np.count_nonzero(valid) < at_least:
        raise BuildError(f"{np.count_nonzero(valid)} pixels have a value in both flats of a pair, not {at_least}")
    return valid


def _some(pixels: Pixels, valid: Mask) -> Pixels:
    """Give an even choice of the pixels, `ENOUGH` or more: to begin with, for what follows takes all."""
    values = pixels[valid]
    return values[:: max(values.size // ENOUGH, 1) | 1]  # odd, so that columns of an even width all count


def _check_levels(first: float, second: float, max_mismatch: float) -> None:
    """Refuse a pair without light, or with unequal light."""
    if not min(first, second) > 0.0:
        raise BuildError(f"the levels of a pair of flats are {first:.6g} and {second:.6g} adu, not above 0")
    mismatch = 2.0 * abs(second - first) / (first + second)
    if mismatch > max_mismatch:
        raise BuildError(
            f"the levels of a pair of flats are {first:.6g} and {second:.6g} adu: "
            f"they differ by {mismatch:.3%}, not by {max_mismatch:.3%} or less"
        )


def _matched(one: Pixels, two: Pixels, first: float, second: float) -> Pixels:
    """Give ``(mu2 I1 - mu1 I2) / mu``."""
    middle = 0.5 * (first + second)
    difference: Pixels = one * np.float32(second / middle)
    difference -= two * np.float32(first / middle)
    return difference


def _mean(pixels: Pixels, kept: Mask) -> float:
    return float(np.einsum("ij,ij->", pixels, kept, dtype=np.float64)) / np.count_nonzero(kept)


def _mean_square(pixels: Pixels, kept: Mask) -> float:
    """Give the variance of pixels of mean 0, from n - 1."""
    inside = pixels * kept
    return float(np.einsum("ij,ij->", inside, inside, dtype=np.float64)) / (np.count_nonzero(kept) - 1)


def _illumination(total: Pixels, kept: Mask) -> Wide:
    """Give the level of every block of pixels over that of all; 1 where none is kept."""
    counts = _block_sums(kept.astype(np.float32))
    with np.errstate(invalid="ignore", divide="ignore"):
        levels = _block_sums(total * kept) / counts
        relative = levels / np.average(levels[counts > 0], weights=counts[counts > 0])
    return np.where(counts > 0, np.fmax(relative, 0.0), 1.0)


def _block_sums(pixels: Pixels) -> Wide:
    rows, columns = (np.arange(0, size, BLOCK) for size in pixels.shape)
    sums: Wide = np.add.reduceat(np.add.reduceat(pixels, columns, axis=1), rows, axis=0, dtype=np.float64)
    return sums


def _expected(illumination: Wide, variance: float, noise: float) -> Wide:
    """Share the variance of one flat between light, which varies over the pixels, and readout, which does not."""
    readout = min(noise**2, variance)
    return readout + (variance - readout) * illumination


def _spread(blocks: Wide, shape: tuple[int, ...]) -> Pixels:
    """Give every pixel the value of its block."""
    wide = np.repeat(np.repeat(blocks.astype(np.float32), BLOCK, axis=0)[: shape[0]], BLOCK, axis=1)
    return wide[:, : shape[1]]
