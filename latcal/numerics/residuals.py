"""Judge what is left of a frame after correction: its mean, its noise, and what its noise should be.

A residual is a frame minus everything that is known of it. Its noise is compared with a model that says, pixel by
pixel, what the readout and the counting of electrons must leave.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from attrs import frozen

from latcal.numerics import cosmic_rays
from latcal.numerics.arrays import Pixels, Wide
from latcal.numerics.brighter_fatter import brighter_fatter_factor
from latcal.numerics.statistics import clipped, level, unclipped

DARKEST: Final = 0.05
"""Where a flat is below this part of its mean it tells nothing about a pixel; latcal's choice (docs/physics.md)."""


@frozen
class Residual:
    """What is left of a frame from which its signal was subtracted.

    Parameters
    ----------
    mean : scalar [electron]
        Of the pixels without cosmic rays, not clipped: what is wrong over a part of the amplifier stays in it.
    noise : scalar [electron]
        Standard deviation clipped at 5 sigma, 3 times.
    expected : scalar [electron]
        The noise of the model at a typical pixel.
    cr_noise : scalar [electron]
        Standard deviation without cosmic rays, not clipped. Each pixel is first brought from its own expected noise
        to the typical one, so that a hot pixel that behaves does not count.
    pull : scalar
        Clipped standard deviation of residual over expected noise, pixel by pixel.
    """

    mean: float
    noise: float
    expected: float
    cr_noise: float
    pull: float


@frozen
class Flattened:
    """What a flat does to a frame of light.

    Parameters
    ----------
    mean : scalar [electron]
        The signal where the flat is 1: the sum of the signal over the sum of the flat.
    noise : scalar [electron]
        Standard deviation of signal / flat, clipped at 5 sigma, 3 times.
    expected : scalar [electron]
        Root of the mean of the expected variance of signal / flat.
    pull : scalar
        Clipped standard deviation of (signal - mean x flat) over its expected noise, pixel by pixel: meaningful
        however the illumination varies.
    """

    mean: float
    noise: float
    expected: float
    pull: float


def residual(pixels: Pixels, frame_noise: float, signal: Pixels | None = None) -> Residual:
    """Measure a residual against the noise of its frame.

    Parameters
    ----------
    pixels : (ny, nx) [electron]
        Frame minus signal; NaN is ignored.
    frame_noise : scalar [electron]
        The noise of a pixel without signal.
    signal : (ny, nx) [electron] or None
        The signal that was subtracted, where counting it makes noise (that of a dark); None for none.

    Returns
    -------
    Residual
        NaN where nothing is left to measure.
    """
    if signal is None:  # one noise for all pixels: pulls are pixels over a number
        noise = clipped(pixels).sigma
        mean, cr_noise = unclipped(pixels, cosmic_rays.find(pixels, frame_noise))
        return Residual(mean=mean, noise=noise, expected=frame_noise, cr_noise=cr_noise, pull=noise / frame_noise if frame_noise else math.nan)
    usable = signal[np.isfinite(signal)]
    sigma: Pixels = np.sqrt(np.float32(frame_noise**2) + np.fmax(signal, np.float32(0.0)))
    typical = math.sqrt(frame_noise**2 + max(float(np.median(usable)), 0.0)) if usable.size else frame_noise
    with np.errstate(divide="ignore", invalid="ignore"):
        pulls: Pixels = pixels / sigma
    struck = cosmic_rays.find(pixels, sigma) | ~np.isfinite(pulls)
    return Residual(
        mean=unclipped(pixels, struck)[0],
        noise=clipped(pixels).sigma,
        expected=typical,
        cr_noise=typical * unclipped(pulls, struck)[1],
        pull=clipped(pulls).sigma,
    )


def flattened(signal: Pixels, flat: Pixels, frame_noise: float, a00: float = 0.0) -> Flattened:
    """Measure a frame of light divided by its flat.

    Parameters
    ----------
    signal : (ny, nx) [electron]
        Bias and dark subtracted; NaN is ignored.
    flat : (ny, nx) [1]
        NaN, and what is below `DARKEST`, is left out.
    frame_noise : scalar [electron]
        The noise of a pixel without signal.
    a00 : scalar [1 / electron]
        The brighter-fatter coefficient, negative; 0 for photon noise alone.

    Returns
    -------
    Flattened
        Where the flat has no pixel at all, only the mean: the level of the signal itself.

    Notes
    -----
    A pixel of flat F under the level m has the signal mu = m F, the variance ``v = S(a00 mu) mu + frame_noise^2``,
    and after division ``v / F^2``. The mean of the last over an amplifier is `expected` squared: for a flat near 1 it
    is ``S m + frame_noise^2``; where F varies strongly it grows with the mean of 1 / F^2, and a clipped `noise`
    cannot follow: judge `pull` then.

    References
    ----------
    Astier et al. 2019, A&A 629, A36, equation 16 (arXiv:1905.08677), for S.
    """
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(signal) & (flat >= np.float32(DARKEST))
    light, response = signal[usable].astype(np.float64), flat[usable].astype(np.float64)
    if not light.size:
        return Flattened(level(signal), math.nan, math.nan, math.nan)
    mean = float(light.sum() / response.sum())
    variance = photon_variance(max(mean, 0.0) * response, a00) + frame_noise**2
    return Flattened(
        mean=mean,
        noise=clipped((light / response).astype(np.float32)).sigma,
        expected=math.sqrt(float(np.mean(variance / response**2))),
        pull=clipped(((light - mean * response) / np.sqrt(variance)).astype(np.float32)).sigma,
    )


def photon_variance(signal: Wide, a00: float = 0.0) -> Wide:
    """Give the variance of counted electrons, less what the brighter-fatter effect takes.

    Parameters
    ----------
    signal : any shape [electron]
    a00 : scalar [1 / electron]
        Negative; 0 for photon noise alone.

    Returns
    -------
    The same shape [electron^2]
        ``S(a00 mu) mu = (exp(2 a00 mu) - 1) / (2 a00)``.

    References
    ----------
    Astier et al. 2019, A&A 629, A36, equation 16 (arXiv:1905.08677).
    """
    return brighter_fatter_factor(a00 * signal) * signal if a00 else signal

