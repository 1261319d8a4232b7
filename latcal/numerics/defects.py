"""Find bad pixels in the images of one amplifier."""

from __future__ import annotations

import math

import numpy as np

from latcal.numerics.allowed import LEAST_CLIP
from latcal.numerics.arrays import Mask, Pixels
from latcal.numerics.footprints import disc
from latcal.numerics.statistics import ENOUGH, clipped, quartile_sigma


def bright(image: Pixels, threshold: float, sigma: float | Pixels = 0.0, *, clip: float = LEAST_CLIP) -> Mask:
    """Find pixels that stand above the level of their amplifier.

    Parameters
    ----------
    image : (ny, nx) [electron / s], [electron] or any other unit
        A dark rate, whose bright pixels are called hot; a bias; a response. NaN is never bright.
    threshold : scalar [unit of the image]
        How far above the median of the image; as much is enough. 0 for `clip` alone.
    sigma : scalar or (ny, nx) [unit of the image]
        Its noise: that of a model, or one of all pixels, never what a single pixel's own samples show (of 20 frames that
        calls 24,000 of 16 million pixels bad). 0 for `threshold` alone.
    clip : scalar, standard deviations
        What noise alone must not reach; whichever limit is higher counts.

    Returns
    -------
    (ny, nx) mask
    """
    return _beyond(image - np.float32(_middle(image)), threshold, sigma, clip)


def dim(answer: Pixels, fraction: float, sigma: float | Pixels = 0.0, *, clip: float = LEAST_CLIP) -> Mask:
    """Find pixels that answer too little to light: cold ones, and those that are dead.

    Parameters
    ----------
    answer : (ny, nx) [1]
        A flat over its smooth part (`illumination.response`). NaN is never dim.
    fraction : scalar
        A pixel is cold at this or less. 1 for `clip` alone.
    sigma, clip
        As in `bright`.

    Returns
    -------
    (ny, nx) mask
    """
    return _beyond(np.float32(1.0) - answer, 1.0 - fraction, sigma, clip)


def silent(image: Pixels) -> Mask:
    """Find pixels that say nothing.

    Parameters
    ----------
    image : (ny, nx) [any unit]
        Of one amplifier.

    Returns
    -------
    (ny, nx) mask
        Pixels without value; and all of them if most have the very same one: an amplifier that is off or full.
    """
    without: Mask = ~np.isfinite(image)
    return without if quartile_sigma(_sample(image)) > 0.0 else np.ones_like(without)


def unlit(flat: Pixels) -> Mask:
    """Find pixels that saw no light: silent ones, and an amplifier whose level is not above twice its scatter.

    Parameters
    ----------
    flat : (ny, nx) [any unit]
        Of one amplifier.

    Returns
    -------
    (ny, nx) mask
        Twice is latcal's choice: noise about 0 has a level below its scatter, a flat one of 100 times it and more.
    """
    without = silent(flat)
    return without if _middle(flat) > 2.0 * quartile_sigma(_sample(flat)) else np.ones_like(without)


def vampires(flat: Pixels, level: float, radius: float) -> Mask:
    """Find pixels so bright in a flat that they have drawn the charge of those around them.

    Parameters
    ----------
    flat : (ny, nx) [any unit]
    level : scalar [the same unit]
        What they are above.
    radius : scalar [pixel]
        Of the disc that is bad with them.

    Returns
    -------
    (ny, nx) mask
    """
    return disc(flat > np.float32(level), radius)


def pooled_sigma(image: Pixels) -> float:
    """Give the noise of an image from all of its pixels: the standard deviation clipped at 5 sigma, 3 times.

    Parameters
    ----------
    image : (ny, nx) [any unit]
        Even, or made so.

    Returns
    -------
    scalar [the same unit]
    """
    return clipped(image).sigma


def _beyond(departure: Pixels, threshold: float, sigma: float | Pixels, clip: float) -> Mask:
    limit = np.maximum(np.float32(threshold), np.float32(clip) * np.asarray(sigma, dtype=np.float32))
    found: Mask = (departure >= limit) & (departure > 0.0)  # NaN is neither
    return found


def _middle(image: Pixels) -> float:
    values = _sample(image)
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else math.nan


def _sample(image: Pixels) -> Pixels:
    """Give values of an image, evenly spread over it: all of a small one, `ENOUGH` and more of a large one."""
    values = image.reshape(-1)
    return values[:: max(values.size // ENOUGH, 1) | 1]  # odd, so that columns of an even width all count
