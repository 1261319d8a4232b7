"""Compare levels of light: over amplifiers, detectors, exposures and time. NaN is what was not measured."""

from __future__ import annotations

import math

import numpy as np

from latcal.numerics.arrays import Wide


def mean_of_finite(values: Wide, axis: int) -> Wide:
    """Take the mean of what is finite along an axis.

    Parameters
    ----------
    values : any shape [any unit]
    axis : int

    Returns
    -------
    The shape without that axis [the same unit]
        NaN where nothing is finite.
    """
    finite = np.isfinite(values)
    count = finite.sum(axis=axis)
    total = np.where(finite, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def ratios(levels: Wide, times: Wide, references: Wide) -> Wide:
    """Compare levels per second with a reference, or with the median of their own detector.

    Parameters
    ----------
    levels : (exposures, detectors) [electron]
    times : (exposures,) [s]
        What is not above 0 has no rate.
    references : (detectors,) [electron / s]
        NaN for a detector without one: then the median over its exposures is the reference.

    Returns
    -------
    (exposures, detectors)
        1 where a level is what the reference says.
    """
    seconds = np.where(times > 0.0, times, np.nan)
    rates = levels / seconds[:, None]
    own = [float(np.median(rate[np.isfinite(rate)])) if np.isfinite(rate).any() else math.nan for rate in rates.T]
    wanted = np.where(np.isfinite(references), references, np.array(own))
    return rates / np.where(wanted > 0.0, wanted, np.nan)


def scatter(values: Wide) -> float:
    """Give the standard deviation of what is finite, about its own mean and from n.

    Parameters
    ----------
    values : (n,) [any unit]

    Returns
    -------
    scalar [the same unit]
        0 for one value, NaN for none.
    """
    seen = values[np.isfinite(values)]
    return float(seen.std()) if seen.size else math.nan


def relative_scatter(values: Wide) -> float:
    """Give the standard deviation of what is finite, from n - 1, over its mean.

    Parameters
    ----------
    values : (n,) [any unit]

    Returns
    -------
    scalar
        0 for one value, NaN for none or for a mean of 0.
    """
    seen = values[np.isfinite(values)]
    if not seen.size or not seen.mean():
        return math.nan
    return abs(float(seen.std(ddof=1) / seen.mean())) if seen.size > 1 else 0.0


def drift(values: Wide, times: Wide) -> float:
    """Give how far a steady drift has brought a set of exposures from the first to the last, over the first.

    Parameters
    ----------
    values : (n,) [any unit]
        Levels per second, in the order in which they were taken; NaN is left out.
    times : (n,) [s]
        Only exposures of one time are compared, so that a shutter that is slow is not taken for a drift.

    Returns
    -------
    scalar
        On a straight line through all; 0 where no two times are equal or there is no level, NaN where there is no value.

    Notes
    -----
    The slope is the median of those of all pairs: an exposure that stands out does not tilt it.

    References
    ----------
    Theil 1950, *Proc. Royal Netherlands Academy of Sciences* 53, 386; Sen 1968, *J. Am. Stat. Assoc.* 63, 1379.
    """
    order, seen = np.arange(values.size, dtype=np.float64), np.isfinite(values)
    if not seen.any():
        return math.nan
    first, second = np.triu_indices(values.size, 1)
    usable = seen[first] & seen[second] & (times[first] == times[second])
    first, second = first[usable], second[usable]
    slope = float(np.median((values[second] - values[first]) / (order[second] - order[first]))) if first.size else 0.0
    begin = float(np.median(values[seen] - slope * order[seen]))
    return slope * (values.size - 1) / begin if begin > 0.0 else 0.0
