"""What clipping or a median costs in noise, against the mean of all samples."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from latcal.numerics.arrays import Wide

CLIPPED_MEAN: Final = (
    # frames, noise * sqrt(frames), fraction kept
    (1, 1.000, 1.000),
    (2, 1.000, 1.000),
    (3, 1.001, 1.000),
    (4, 1.082, 0.955),
    (5, 1.085, 0.929),
    (6, 1.068, 0.957),
    (8, 1.055, 0.974),
    (9, 1.064, 0.968),
    (10, 1.057, 0.976),
    (15, 1.044, 0.986),
    (20, 1.035, 0.990),
    (50, 1.018, 0.996),
    (100, 1.018, 0.997),
)
"""The mean clipped 3 times at 3 sigma, of Gaussian frames: by Monte Carlo, 4e5 trials a row (docs/physics.md)."""

MEDIAN_ODD: Final = ((1, 1.000), (3, 1.158), (5, 1.198), (9, 1.222), (15, 1.237))
MEDIAN_EVEN: Final = ((2, 1.000), (4, 1.092), (6, 1.135), (8, 1.161), (10, 1.175), (20, 1.213), (50, 1.234))
"""Noise of a median times sqrt(frames): by the same Monte Carlo; sqrt(pi / 2) for ever more frames."""


def one_clip(clip: float) -> tuple[float, float]:
    """Give the noise and the kept fraction of a mean clipped once about the median.

    Parameters
    ----------
    clip : scalar, standard deviations that are known, not measured

    Returns
    -------
    noise : scalar
        Against the mean of all samples, for many frames: 1.00001 at 5, 1.015 at 3.
    kept : scalar
        The fraction of Gaussian samples within ± `clip`.

    Notes
    -----
    With p the fraction kept, v their second moment and phi the normal density, the mean moves with the median by
    ``b = 2 clip phi(clip) / p`` and ``N Var = v / p^2 + b^2 pi / 2 + 2 (b / p) (1 - phi(clip) / phi(0))``, by the
    influence functions of the two.

    References
    ----------
    Huber & Ronchetti 2009, *Robust Statistics*, 3.2 (influence functions).
    """
    drop = math.exp(-0.5 * clip * clip)
    edge = 2.0 * clip * drop / math.sqrt(2.0 * math.pi)
    kept = math.erf(clip / math.sqrt(2.0))
    follows = edge / kept
    variance = (kept - edge) / kept**2 + 0.5 * math.pi * follows**2 + 2.0 * follows / kept * (1.0 - drop)
    return math.sqrt(variance), kept


def clipped_mean(counts: Wide, clip: float, iterations: int) -> tuple[Wide, Wide]:
    """Give the noise and the kept fraction of the iterated clipped mean.

    Parameters
    ----------
    counts : any shape
        How many frames.
    clip : scalar, standard deviations
    iterations : int
        3 passes at 3 sigma are tabulated; anything else is taken as one pass of many frames.

    Returns
    -------
    noise, kept : the same shape
        Noise times sqrt(frames), against 1 for the mean; fraction kept.
    """
    if (clip, iterations) == (3.0, 3):
        frames, noise, kept = np.array(CLIPPED_MEAN).T
        return _between(counts, frames, noise), _between(counts, frames, kept)
    noise_once, kept_once = one_clip(clip)
    return np.where(counts > 2, noise_once, 1.0), np.where(counts > 2, kept_once, 1.0)


def median(counts: Wide) -> Wide:
    """Give the noise of a median times sqrt(frames), against 1 for the mean.

    Parameters
    ----------
    counts : any shape
        How many frames; odd and even numbers differ.

    Returns
    -------
    the same shape
    """
    limit = (math.inf, math.sqrt(0.5 * math.pi))
    odd_frames, odd = np.array([*MEDIAN_ODD, limit]).T
    even_frames, even = np.array([*MEDIAN_EVEN, limit]).T
    return np.where(counts % 2 == 1, _between(counts, odd_frames, odd), _between(counts, even_frames, even))


def _between(counts: Wide, frames: Wide, values: Wide) -> Wide:
    """Interpolate in 1 / frames, in which such numbers are nearly straight."""
    return np.interp(1.0 / np.maximum(counts, 1.0), 1.0 / frames[::-1], values[::-1])
