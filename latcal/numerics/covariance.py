"""Measure the covariances of the pixels of a flat with their neighbours, from the difference of a pair."""

from __future__ import annotations

import math

import numpy as np
from attrs import frozen

from latcal.errors import BuildError
from latcal.numerics.arrays import Pixels, Wide
from latcal.numerics.flat_pair import FlatPair, inner
from latcal.numerics.lagged_sums import LaggedSums
from latcal.numerics.statistics import clip_factor, clipped


@frozen(eq=False)
class PairCovariances:
    """Mean, variance and covariances of one pair of flats, of one amplifier.

    Parameters
    ----------
    level : scalar [adu]
        Mean of both flats.
    delta : scalar [adu]
        Second level less the first.
    variance, variance_error : scalar [adu^2]
        Of one flat, readout included, and its standard error ``variance * sqrt(2 / N)``.
    covariances, errors : (lags, lags) [adu^2]
        Of one flat: element (i, j) is the covariance of a pixel with the one i columns (serial) and j rows (parallel)
        away, on whichever side; positive where neighbours go together, as brighter-fatter makes them.
        Element (0, 0) is `variance`.
    counts : (lags, lags)
        Pairs of pixels behind each element: of both diagonals where neither lag is 0.
    row_mean_variance : scalar [adu^2]
        Variance of the means of the rows of the matched difference: of two flats, not halved, as it is compared with
        ``2 mu / (g nx)``.
    pixels, rejected : int
        How many were kept, and how many had a value and were not.
    """

    level: float
    delta: float
    variance: float
    variance_error: float
    covariances: Wide
    errors: Wide
    counts: Wide
    row_mean_variance: float
    pixels: int
    rejected: int


def pair_covariances(
    first: Pixels,
    second: Pixels,
    *,
    noise: float = 0.0,
    lags: int = 10,
    edge: int = 0,
    clip: float = 5.5,
    max_mismatch: float = 0.05,
    at_least: int = 10_000,
) -> PairCovariances:
    """Measure the variance of a pair of flats, and its covariances up to a lag.

    Parameters
    ----------
    first, second : (ny, nx) [adu]
        Overscan and bias subtracted; NaN where masked.
    noise : scalar [adu]
        As in `FlatPair.of`.
    lags : int
        Lags 0 to `lags` - 1 in both directions; the default is that of the Rubin pipelines.
    edge : int [pixel]
        Left out on all sides, where fields are not those of the middle.
    clip, max_mismatch
        As in `FlatPair.of`.
    at_least : int
        Pixels needed; the default is that of the Rubin pipelines.

    Returns
    -------
    PairCovariances

    Raises
    ------
    BuildError
        As `FlatPair.of` and `inner`; or if what is left is not wider and higher than the lags.

    Notes
    -----
    With D the matched difference, ``C_ij = f^2 / 2 (<D(p) D(p + d)> - <D(p)> <D(p + d)>)`` over the pairs of kept pixels
    at ``d = (i, j)`` and ``(i, -j)`` together, each mean over those pairs; the half is for the difference of two flats, and
    f, for each pixel of the two, is what clipping took from the variance (`clip_factor`): f once at lag 0. The sums are
    those of the Fourier transform, exactly.

    An error is ``V / sqrt(N)`` with N pairs of pixels, times sqrt(2) at lag 0; where the illumination varies, N is
    the smaller number of `FlatPair.effective_pixels`.

    Levels ``mu (1 - e)`` and ``mu (1 + e)`` leave ``1 - e^2`` of the variance of the light, and ``1 + e^2`` of that of the
    noise: V is brought to equal levels, ``(V - 2 e^2 noise^2) / (1 - e^2)``, and the covariances likewise.

    References
    ----------
    Astier et al. 2019, A&A 629, A36, section 4 and appendix A (arXiv:1905.08677).
    """
    first, second = inner(first, edge), inner(second, edge)
    if not 0 < lags <= min(first.shape):
        raise BuildError(f"{first.shape[0]} x {first.shape[1]} pixels have no {lags} lags in both directions")
    pair = FlatPair.of(first, second, noise=noise, clip=clip, max_mismatch=max_mismatch, at_least=at_least)
    sums = LaggedSums.of(pair.difference, pair.kept, lags)
    factor = clip_factor(clip)
    uneven = (0.5 * (pair.second_level - pair.first_level) / pair.level) ** 2
    covariances = 0.5 * factor**2 * sums.covariances / (1.0 - uneven)
    covariances[0, 0] = (pair.variance - 2.0 * uneven * noise**2) / (1.0 - uneven)
    with np.errstate(divide="ignore"):
        errors = pair.variance / np.sqrt(sums.counts * (pair.effective_pixels / pair.pixels))
    errors[0, 0] = pair.variance_error
    return PairCovariances(
        level=pair.level,
        delta=pair.second_level - pair.first_level,
        variance=float(covariances[0, 0]),
        variance_error=pair.variance_error,
        covariances=covariances,
        errors=errors,
        counts=sums.counts,
        row_mean_variance=row_mean_variance(pair),
        pixels=pair.pixels,
        rejected=pair.rejected,
    )


def row_mean_variance(pair: FlatPair) -> float:
    """Give the variance of the means of rows: above what its pixels have, noise is common to a row.

    Parameters
    ----------
    pair : FlatPair

    Returns
    -------
    scalar [adu^2]
        Of the difference of two flats, clipped at 5 sigma; NaN for fewer than two rows. Every row with a pixel
        counts: the Rubin pipelines leave the last one out.
    """
    counts = np.count_nonzero(pair.kept, axis=1)
    rows = counts > 0
    means = pair.difference.sum(axis=1, dtype=np.float64)[rows] / counts[rows]
    found = clipped(means, clip=5.0)
    return found.sigma**2 * clip_factor(5.0) if found.kept > 1 else math.nan
