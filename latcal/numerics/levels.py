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
