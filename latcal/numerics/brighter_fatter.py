"""What the brighter-fatter effect takes from the variance of a flat."""

from __future__ import annotations

import math


def brighter_fatter_factor(x: float) -> float:
    """Give S, the variance of a flat over that of photons alone.

    Parameters
    ----------
    x : scalar
        ``a00 * mu`` with a00 [1 / electron] (negative) and the level mu [electron].

    Returns
    -------
    scalar
        ``S(x) = (exp(2 x) - 1) / (2 x)``, and 1 at 0. The true gain [electron / adu] is that of the pair times S.

    References
    ----------
    Astier et al. 2019, A&A 629, A36, equation 16 (arXiv:1905.08677).
    """
    return math.expm1(2.0 * x) / (2.0 * x) if x else 1.0
