"""What gain a pair of flats gives: latcal's own estimator, and the three of the Rubin pipelines.

With mu the level, e half the mismatch, V half the variance of the matched difference D and s the noise of one frame,
VARIANCE is ``g = mu (1 - e^2) / (V - (1 + e^2) s^2)``.

The others take ``c = mean(D^2 / (I1 + I2))``. NONE is ``1 / c``: readout is taken for light. SIMPLE and FULL take
``(s^2 - 1 / (2 g^2)) / mu`` from c, with the gain of NONE or with their own. The second term is not in the physics of
counted electrons and makes them low, by one part in twice their number. All three are low where the noise of
``I1 + I2`` is not small against it: by 5 % and more at 50 electrons.

The pipelines differ in three ways that are not followed: they do not match the levels, which adds half the square of
the mismatch in adu over mu to c; SIMPLE as coded has ``g^2 / 2`` for ``1 / (2 g^2)``; and a noise that is not a number
silently makes NONE of the others.

References
----------
cp_pipe, ``cpPtcExtract.py`` (https://github.com/lsst/cp_pipe), for NONE, SIMPLE and FULL.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, Literal, TypeAlias

import numpy as np

from latcal.numerics.arrays import Pixels
from latcal.numerics.flat_pair import FlatPair

Estimator: TypeAlias = Literal["VARIANCE", "NONE", "SIMPLE", "FULL"]
"""How a gain is taken from a pair."""


def contrast(pair: FlatPair, first: Pixels, second: Pixels) -> float:
    """Give the mean of ``D^2 / (I1 + I2)`` over the kept pixels with light.

    Parameters
    ----------
    pair : FlatPair
    first, second : (ny, nx) [adu]
        The flats it was made of.

    Returns
    -------
    scalar [adu]
    """
    total = np.where(pair.kept, first + second, np.float32(0.0))
    light = total > 0.0
    return float(np.mean(pair.difference[light] ** 2 / total[light], dtype=np.float64))


def propagated(
    formula: Callable[[float, float, float], float], values: tuple[float, float, float], errors: tuple[float, ...]
) -> tuple[float, float]:
    """Give what a formula makes of independent numbers, and its standard error to first order.

    Parameters
    ----------
    formula : callable of three numbers
    values, errors : (3,)

    Returns
    -------
    value, error : scalar
    """
    total = 0.0
    for index, error in enumerate(errors):
        # a hundredth of an error: the derivative, whatever the size of the error
        low, high = ([*values] for _ in range(2))
        low[index] -= 0.01 * error
        high[index] += 0.01 * error
        total += ((formula(*high) - formula(*low)) / 0.02) ** 2
    return formula(*values), math.sqrt(total)


def _variance(level: float, half: float, variance: float, noise: float) -> float:
    rest = variance - (1.0 + half**2) * noise**2
    return level * (1.0 - half**2) / rest if rest > 0.0 else math.nan


def _none(_level: float, _half: float, contrast: float, _noise: float) -> float:
    return 1.0 / contrast


def _simple(level: float, _half: float, contrast: float, noise: float) -> float:
    return 1.0 / (contrast - (noise**2 - 0.5 * contrast**2) / level)


def _full(level: float, _half: float, contrast: float, noise: float) -> float:
    root = level**2 - 2.0 * level * contrast + 2.0 * noise**2
    rest = 2.0 * contrast * level - 2.0 * noise**2
    return (level + math.sqrt(root)) / rest if root >= 0.0 and rest > 0.0 else math.nan


_Formula: TypeAlias = Callable[[float, float, float, float], float]

FORMULAS: Final[dict[str, _Formula]] = {"VARIANCE": _variance, "NONE": _none, "SIMPLE": _simple, "FULL": _full}
"""Each of level [adu], half the mismatch, variance [adu^2] or c [adu], and noise [adu]."""
