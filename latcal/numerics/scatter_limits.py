"""What is left of the scatter of a pixel once its highest samples are set aside, and how much of it is too much."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

FALSE: Final = 2e-8
"""Part of good pixels that may be taken for unstable; latcal's choice: one in three sensors of 16 million pixels, by
Monte Carlo with 20 frames; 4 in each with 10 and with 5 frames, whose scatter is no true chi^2."""


def set_aside(frames: int) -> int:
    """Give how many of a pixel's highest samples may be those of cosmic rays.

    Parameters
    ----------
    frames : int
        Samples with a value.

    Returns
    -------
    int
        One, and one more for each 50 frames: latcal's choice. At 5 rays per cm^2 and minute and 30 s, 20 pixels each,
        a detector of 16 million pixels has 8 that are hit twice in 20 frames, and none that is hit 4 times in 100.
    """
    return 1 + frames // 50


def kept_variance(frames: int, dropped: int) -> float:
    """Give the variance of what is left of a unit Gaussian sample without its highest values.

    Parameters
    ----------
    frames, dropped : int

    Returns
    -------
    scalar
        The mean sum of squares about their mean, over their number less 1. The samples below the highest ones are
        independent, of a Gaussian that is cut there; where it is cut, as a probability, is a beta variate.

    References
    ----------
    Johnson, Kotz & Balakrishnan 1994, *Continuous Univariate Distributions* 1, 13.10 (truncated normal).
    """
    from scipy.special import betaincinv, ndtri

    steps = (np.arange(500) + 0.5) / 500
    below = betaincinv(frames - dropped + 1, dropped, steps)
    cut = ndtri(below)
    edge = np.exp(-0.5 * cut * cut) / (math.sqrt(2.0 * math.pi) * below)
    return float(np.mean(1.0 - cut * edge - edge * edge))


def smallest_limit(freedom: int) -> float:
    """Give what a part `FALSE` of good pixels exceeds, ``sqrt(chi^2 / nu)``.

    Parameters
    ----------
    freedom : int
        Degrees of freedom nu.

    Returns
    -------
    scalar
    """
    from scipy.special import gammainccinv

    return math.sqrt(float(gammainccinv(0.5 * freedom, FALSE)) * 2.0 / freedom)
