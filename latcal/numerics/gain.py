"""Measure the gain of an amplifier from two flats of one exposure time, with its standard error."""

from __future__ import annotations

import math
from typing import Final, get_args

from attrs import evolve, frozen

from latcal.errors import BuildError
from latcal.numerics.arrays import Pixels
from latcal.numerics.brighter_fatter import brighter_fatter_factor
from latcal.numerics.flat_pair import FlatPair
from latcal.numerics.gain_estimators import FORMULAS, Estimator, contrast, propagated

STEPS: Final = 200
"""Steps after which a brighter-fatter correction that has not settled is given up; it takes about ten."""

FARTHEST: Final = 1.0
"""Farther than this from 0, a00 times the level is no small effect, and nobody has measured one; latcal's choice."""


@frozen
class Noise:
    """Noise of a pixel without light, in one frame.

    Parameters
    ----------
    value : scalar [adu]
        What is in a corrected frame: readout, rounding, and what the overscan model adds.
    error : scalar [adu]
        Its standard error.
    """

    value: float
    error: float = 0.0


@frozen
class PairGain:
    """The gain of one amplifier from one pair of flats.

    Parameters
    ----------
    gain, error : scalar [electron / adu]
        The gain and its standard error.
    level, level_error : scalar [adu]
        Mean of both flats, over the pixels that were kept.
    mismatch : scalar
        Second level less the first, over their mean.
    variance, variance_error : scalar [adu^2]
        Of one flat: half that of the matched difference, readout included.
    pixels, rejected : int
        How many were kept, and how many had a value and were not.
    factor : scalar
        S, by which a brighter-fatter correction has multiplied the gain; 1 where there was none.
    """

    gain: float
    error: float
    level: float
    level_error: float
    mismatch: float
    variance: float
    variance_error: float
    pixels: int
    rejected: int
    factor: float = 1.0


def pair_gain(
    first: Pixels,
    second: Pixels,
    noise: Noise,
    *,
    level_error: float = 0.0,
    estimator: Estimator = "VARIANCE",
    clip: float = 5.5,
    max_mismatch: float = 0.05,
    at_least: int = 1000,
) -> PairGain:
    """Estimate the gain from two flats of equal exposure.

    Parameters
    ----------
    first, second : (ny, nx) [adu]
        Overscan and bias subtracted; NaN where masked.
    noise : Noise
        Of one of the flats without its light, best from a pair of biases through the same correction.
    level_error : scalar [adu]
        How well the zero of a level is known, beside what counting pixels says: that of the overscan and the bias.
    estimator : VARIANCE, NONE, SIMPLE or FULL
    clip, max_mismatch, at_least
        As in `FlatPair.of`.

    Returns
    -------
    PairGain
        Of the pair as it is: brighter-fatter makes it rise with the level, see `corrected`.

    Raises
    ------
    BuildError
        As `FlatPair.of`; or if a noise is not a number of 0 or more, or leaves nothing of the variance for light.

    Notes
    -----
    VARIANCE is right at every level and however the light is spread, for both its mean and its variance are over the
    same pixels; its error is that of mean, variance and noise, as if they were independent. For the others, which are
    low where there is little light, see `gain_estimators`.

    References
    ----------
    DMTN-222, on gains from flat pairs (https://dmtn-222.lsst.io); Janesick 2007, *Photon Transfer*, chapter 5.
    """
    if estimator not in get_args(Estimator):
        raise BuildError(f"{estimator!r} is not an estimator of the gain (write one of {', '.join(get_args(Estimator))})")
    if not (noise.value >= 0.0 and noise.error >= 0.0 and math.isfinite(noise.value + noise.error)):
        raise BuildError(f"a noise of {noise.value:.6g} ± {noise.error:.6g} adu is not a number of 0 or more")
    pair = FlatPair.of(first, second, noise=noise.value, clip=clip, max_mismatch=max_mismatch, at_least=at_least)
    if not pair.variance > noise.value**2:
        raise BuildError(
            f"the variance of a pair of flats at {pair.level:.6g} adu is {pair.variance:.6g} adu^2, "
            f"not above that of its noise of {noise.value:.6g} adu"
        )
    if estimator == "VARIANCE":
        spread, spread_error = pair.variance, pair.variance_error
    else:
        spread = contrast(pair, first, second)
        spread_error = spread * math.sqrt(2.0 / pair.effective_pixels)
    known = math.hypot(level_error, math.sqrt(0.5 * pair.variance / pair.pixels))
    formula = FORMULAS[estimator]
    gain, error = propagated(
        lambda mu, value, sigma: formula(mu, 0.5 * pair.mismatch, value, sigma),
        (pair.level, spread, noise.value),
        (known, spread_error, noise.error),
    )
    if not (gain > 0.0 and math.isfinite(error)):
        raise BuildError(f"{estimator} finds no gain in a pair of flats at {pair.level:.6g} adu: {gain:.6g} electron / adu")
    return PairGain(
        gain=float(gain),
        error=float(error),
        level=pair.level,
        level_error=known,
        mismatch=pair.mismatch,
        variance=pair.variance,
        variance_error=pair.variance_error,
        pixels=pair.pixels,
        rejected=pair.rejected,
    )


def corrected(pair: PairGain, a00: float, a00_error: float = 0.0) -> PairGain:
    """Take the brighter-fatter effect out of the gain of a pair.

    Parameters
    ----------
    pair : PairGain
        As measured.
    a00, a00_error : scalar [1 / electron]
        The coefficient of this detector, negative, and its standard error.

    Returns
    -------
    PairGain
        Its error has that of a00.

    Raises
    ------
    BuildError
        If a00 is not a number, or no gain fits it at this level.

    Notes
    -----
    ``g = g_pair S(x)`` with ``x = a00 g mu`` and ``S(x) = (exp(2 x) - 1) / (2 x)``, solved for g. The linear form
    ``1 + x`` is 0.5 % off at 50,000 electrons and 2 % at 100,000; slopes by vendor, which the Rubin pipelines use, are those
    of another camera: a00 belongs to a detector. With ``k = x S'(x) / S(x)``, ``dg / g = (dg_pair / g_pair + k da00 / a00)
    / (1 - k)``; that of the level is in the first term.

    References
    ----------
    Astier et al. 2019, A&A 629, A36, equation 16 (arXiv:1905.08677); DM-35790 for the slopes.
    """
    if not (math.isfinite(a00) and a00_error >= 0.0 and math.isfinite(a00_error)):
        raise BuildError(f"an a00 of {a00:.6g} ± {a00_error:.6g} per electron is not a number with an error")
    gain = pair.gain
    for _ in range(STEPS):
        x = a00 * gain * pair.level
        before, gain = gain, pair.gain * float(brighter_fatter_factor(x)) if abs(x) < FARTHEST else math.nan
        if not abs(gain - before) > 1e-14 * gain:
            break
    else:
        gain = math.nan
    if math.isnan(gain):
        raise BuildError(f"no gain fits an a00 of {a00:.6g} per electron at {pair.level:.6g} adu")
    x = a00 * gain * pair.level
    factor = float(brighter_fatter_factor(x))
    slope = math.exp(2.0 * x) / factor - 1.0
    of_a00 = slope * a00_error / a00 if a00 else pair.gain * pair.level * a00_error
    error = gain * math.hypot(pair.error / pair.gain, of_a00) / (1.0 - slope)
    return evolve(pair, gain=gain, error=error, factor=factor)
