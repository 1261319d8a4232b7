"""Decide which samples of a pixel the noise cannot explain."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latcal.numerics.arrays import Mask, Wide


def medians(values: Wide) -> Wide:
    """Give the median along the first axis; NaN ignored, NaN where nothing is left.

    Parameters
    ----------
    values : (n, k) [any unit]

    Returns
    -------
    (k,) [the same unit]
    """
    return middle(np.sort(values, axis=0), np.count_nonzero(~np.isnan(values), axis=0))


def middle(ordered: Wide, count: NDArray[np.intp]) -> Wide:
    """Give the median of the first `count` of sorted columns; what lies there if `count` is 0."""
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(ordered) - 1)
    both: Wide = np.take_along_axis(ordered, np.stack([low, high]), axis=0)
    result: Wide = 0.5 * (both[0] + both[1])
    return result


def within_noise(values: Wide, centre: Wide, sigma: Wide, clip: float) -> Mask:
    """Tell which samples lie within the noise of their frame.

    The limit is `clip` times the noise model. Where a pixel is really noisier, it is as many times its own robust
    sigma, in units of the model: from the median deviation of all samples but the farthest, so that no sample
    widens its own limit. A pixel is really noisier if that sigma exceeds the model by 4 times the error that it
    has (1.17 / sqrt(n)), for at least 5 samples; as the limit it is raised by 1 + 2 / n, because few samples give too
    little. All of it is latcal's choice (docs/physics.md), by Monte Carlo: of Gaussian pixels with a cosmic ray at
    most 0.05 % are taken as noisier, at any n.

    Parameters
    ----------
    values : (n, k) [any unit]
        NaN is never within.
    centre : (k,) or (n, k) [the same unit]
        What a sample is expected to be.
    sigma : (n, 1) or (n, k) [the same unit]
        The noise of a sample.
    clip : scalar, standard deviations

    Returns
    -------
    (n, k) mask
        True where kept.
    """
    deviation = np.abs(values - centre) / sigma
    count = np.count_nonzero(~np.isnan(deviation), axis=0)
    ordered = np.sort(deviation, axis=0)
    samples = np.maximum(count, 1)
    own = 1.4826 * middle(ordered, np.maximum(count - 1, 0))
    noisier = (count >= 5) & (own > 1.0 + 4.0 * 1.17 / np.sqrt(samples))
    kept: Mask = deviation <= clip * np.where(noisier, own * (1.0 + 2.0 / samples), 1.0)
    return kept
