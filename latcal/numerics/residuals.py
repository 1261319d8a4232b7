"""Judge what is left of a frame after correction: its mean, its noise, and what its noise should be.

A residual is a frame minus everything that is known of it. Its noise is compared with a model that says, pixel by
pixel, what the readout and the counting of electrons must leave.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from attrs import evolve, field, frozen

from latcal.numerics import cosmic_rays
from latcal.numerics.arrays import Pixels, Wide
from latcal.numerics.brighter_fatter import brighter_fatter_factor
from latcal.numerics.statistics import clipped, clipped_and_whole, level

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
    holds : (scalar, scalar) [electron]
        Least and greatest noise of a frame for which the same pixels are taken as cosmic rays; NaN where that is not known.
    """

    mean: float
    noise: float
    expected: float
    cr_noise: float
    pull: float
    holds: tuple[float, float] = field(default=(math.nan, math.nan), eq=False)

    def judged_by(self, frame_noise: float) -> Residual | None:
        """Give what is measured against another noise of the frame; None where that takes the pixels."""
        if not self.holds[0] <= frame_noise <= self.holds[1]:
            return None
        return evolve(self, expected=frame_noise, pull=_over(self.noise, frame_noise))


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
        found = cosmic_rays.search(pixels, frame_noise)
        kept, whole = clipped_and_whole(pixels, found.mask)
        holds = found.least * frame_noise, found.most * frame_noise
        return Residual(whole.mean, kept.sigma, frame_noise, whole.sigma, _over(kept.sigma, frame_noise), holds)
    usable = signal[np.isfinite(signal)]
    sigma: Pixels = np.sqrt(np.float32(frame_noise**2) + np.fmax(signal, np.float32(0.0)))
    typical = math.sqrt(frame_noise**2 + max(float(np.median(usable)), 0.0)) if usable.size else frame_noise
    with np.errstate(divide="ignore", invalid="ignore"):
        pulls: Pixels = pixels / sigma
    struck = cosmic_rays.find(pixels, sigma) | ~np.isfinite(pulls)
    kept, whole = clipped_and_whole(pixels, struck)
    kept_pulls, pull = clipped_and_whole(pulls, struck)
    return Residual(
        mean=whole.mean,
        noise=kept.sigma,
        expected=typical,
        cr_noise=typical * pull.sigma,
        pull=kept_pulls.sigma,
    )


def _over(noise: float, expected: float) -> float:
    return noise / expected if expected else math.nan


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

