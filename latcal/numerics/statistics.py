"""Clipped means and standard deviations of many pixels, and what clipping does to them."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from attrs import frozen

from latcal.numerics.arrays import Pixels, Wide

QUARTILES_TO_SIGMA: Final = 0.741301109252802
"""The standard deviation of a Gaussian over the distance between its quartiles."""


@frozen
class Clipped:
    """Mean and standard deviation of what a clip has kept.

    Parameters
    ----------
    mean : scalar [unit of the pixels]
        NaN where there was no value at all.
    sigma : scalar [unit of the pixels]
        From n - 1; NaN where fewer than two values were kept.
    kept : int
    """

    mean: float
    sigma: float
    kept: int


def clipped(pixels: Pixels, *, clip: float = 5.0, iterations: int = 3) -> Clipped:
    """Clip about the mean a fixed number of times.

    The first pass starts from the median and the quartiles, the later ones from the mean and standard deviation
    of the pass before. Each pass starts again from all pixels; there is no convergence test.

    Parameters
    ----------
    pixels : any shape [any unit]
        NaN and infinite values are ignored.
    clip : scalar, standard deviations
        The default of 5 is latcal's choice (docs/physics.md); the Rubin pipelines use 3.
    iterations : int
        The default is that of the Rubin pipelines.

    Returns
    -------
    Clipped

    References
    ----------
    The definition is that of the Rubin ``afw.math`` statistics, as told in docs/physics.md.
    """
    values = _values(pixels)
    if not values.size:
        return Clipped(math.nan, math.nan, 0)
    low, middle, high = _quartiles(values)
    offsets = np.subtract(values, middle, dtype=np.float64)
    centre, half = 0.0, clip * QUARTILES_TO_SIGMA * (high - low)
    mean, sigma, count = 0.0, math.nan, 0
    for _ in range(iterations):
        # the tolerance of a few roundings keeps samples that are all alike
        half += 1e-14 * abs(centre)
        kept = offsets[(offsets >= centre - half) & (offsets <= centre + half)]
        count = kept.size
        mean = float(kept.sum()) / count
        sigma = _sigma(kept, mean)
        if count < 2:
            break
        centre, half = mean, clip * sigma
    return Clipped(middle + mean, sigma, count)


def level(pixels: Pixels) -> float:
    """Give the level of an amplifier: its mean clipped at 5 sigma, 3 times.

    Parameters
    ----------
    pixels : any shape [any unit]
        NaN is ignored.

    Returns
    -------
    scalar [unit of the pixels]
        NaN where there was no value.
    """
    return clipped(pixels).mean


def quartile_sigma(pixels: Pixels | Wide) -> float:
    """Estimate a Gaussian standard deviation from the quartiles.

    Parameters
    ----------
    pixels : any shape [any unit]
        NaN is ignored.

    Returns
    -------
    scalar [unit of the pixels]
        NaN where there was no value.
    """
    values = _values(pixels)
    if not values.size:
        return math.nan
    low, _, high = _quartiles(values)
    return QUARTILES_TO_SIGMA * (high - low)


def clip_factor(clip: float) -> float:
    """Give the factor that restores the variance of a clipped Gaussian.

    Parameters
    ----------
    clip : scalar, standard deviations

    Returns
    -------
    scalar
        True variance over the variance of what lies within ± `clip`: 1.028 at 3, 1.000015 at 5.

    References
    ----------
    Johnson, Kotz & Balakrishnan 1994, *Continuous Univariate Distributions* 1, 13.10 (truncated normal).
    """
    inside = math.erf(clip / math.sqrt(2.0))
    density = math.exp(-0.5 * clip * clip) / math.sqrt(2.0 * math.pi)
    return 1.0 / (1.0 - 2.0 * clip * density / inside)


def _values(pixels: Pixels | Wide) -> Pixels | Wide:
    """Give the finite pixels in one row, not copied where all are finite."""
    values = pixels.reshape(-1)
    finite = np.isfinite(values)
    return values if finite.all() else values[finite]


def _quartiles(values: Pixels | Wide) -> tuple[float, float, float]:
    """Give the quartiles of finite values, interpolated between neighbours."""
    last = values.size - 1
    places = [last * fraction for fraction in (0.25, 0.5, 0.75)]
    wanted = sorted({math.floor(place) for place in places} | {math.ceil(place) for place in places})
    parted = np.partition(values, wanted)

    def at(place: float) -> float:
        below, above = float(parted[math.floor(place)]), float(parted[math.ceil(place)])
        return below + (place - math.floor(place)) * (above - below)

    low, middle, high = (at(place) for place in places)
    return low, middle, high


def _sigma(kept: Wide, mean: float) -> float:
    if kept.size < 2:
        return math.nan
    residual = kept - mean
    # not residual @ residual: BLAS would sum on threads of its own, slower than this and differently from run to run
    return math.sqrt(float(np.einsum("i,i->", residual, residual)) / (kept.size - 1))
