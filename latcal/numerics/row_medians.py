"""Medians of many short rows of values at once."""

from __future__ import annotations

import numpy as np

from latcal.numerics.arrays import Pixels, Wide


def medians_of(values: Pixels | Wide) -> Wide:
    """Give the median of every row.

    Parameters
    ----------
    values : (k, n) [any unit]
        What is not finite is ignored.

    Returns
    -------
    (k,) [the same unit]
        NaN where a row has no value.
    """
    ordered = np.where(np.isfinite(values), values, values.dtype.type(np.nan))
    ordered.sort(axis=1)
    count = np.count_nonzero(np.isfinite(ordered), axis=1)
    row = np.arange(len(ordered))
    below = ordered[row, np.maximum(count - 1, 0) // 2].astype(np.float64)
    above = ordered[row, np.minimum(count // 2, ordered.shape[1] - 1)]
    return np.where(count > 0, 0.5 * (below + above), np.nan)
