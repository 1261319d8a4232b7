"""What the brighter-fatter effect takes from the variance of a flat."""

from __future__ import annotations

import numpy as np

from latcal.numerics.arrays import Wide


def brighter_fatter_factor(x: float | Wide) -> Wide:
    """Give S, the variance of a flat over that of photons alone.

    Parameters
    ----------
    x : scalar or any shape
        ``a00 * mu`` with a00 [1 / electron] (negative) and the level mu [electron].

    Returns
    -------
    The same shape
        ``S(x) = (exp(2 x) - 1) / (2 x)``, and 1 at 0. The true gain [electron / adu] is that of the pair times S.

    References
    ----------
    Astier et al. 2019, A&A 629, A36, equation 16 (arXiv:1905.08677).
    """
    twice = 2.0 * np.asarray(x, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(twice == 0.0, 1.0, np.expm1(twice) / twice)
