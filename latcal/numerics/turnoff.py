"""Find up to which level a photon transfer curve holds, and which pairs stand off it."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from attrs import frozen

from latcal.errors import BuildError
from latcal.numerics.arrays import Mask, Wide
from latcal.numerics.curve_models import FEWEST
from latcal.numerics.ladder import Ladder
from latcal.numerics.transfer_fits import follow_exponential
from latcal.numerics.transfer_models import exponential

ROUNDS: Final = 30
"""Rounds after which a choice of pairs that has not settled is the smallest that was seen; it takes three or four."""


@frozen(eq=False)
class Turnoff:
    """The highest level that a curve holds to.

    Parameters
    ----------
    level : scalar [adu]
        The highest that was kept.
    error : scalar [adu]
        By the steps of the ladder: half the distance from the level below to the one above, and no less than what
        leaving out any one pair would move the turnoff.
    reached : bool
        Whether the curve was seen to end: by two pairs that are off it, or one above it whose variance falls. If not,
        `level` is a lower limit.
    kept : (n,)
        Which pairs follow the curve.
    """

    level: float
    error: float
    reached: bool
    kept: Mask


def find_turnoff(
    ladder: Ladder, usable: Mask | None = None, *, cut: float = 5.0, scatter: float = 0.01
) -> Turnoff:
    """Set apart the pairs that one brighter-fatter coefficient cannot explain.

    Parameters
    ----------
    ladder : Ladder
    usable : (n,) or None
        Which pairs may be kept; None for all that have numbers.
    cut : scalar, standard deviations
        The default is that of the Rubin pipelines.
    scatter : scalar, fraction of the variance
        What real sensors stand off the model without being wrong, beside counting. The default is latcal's decision: real
        residuals are 0.5 to 2 %, against 0.15 % from counting 10^6 pixels.

    Returns
    -------
    Turnoff

    Raises
    ------
    BuildError
        If fewer than `FEWEST` pairs are left, or no curve can be fitted.

    Notes
    -----
    The curve is fitted first to the pairs below half the level at which the variance, a running median over three pairs, is
    highest; then again to all that are within `cut` of it, ``sigma^2 = V^2 (2 / N + scatter^2)``, until they stay the same.
    Above where the first fit ended, a pair that is off is left out, and the curve goes on if the next two are on it; else it
    ends there, and no pair above is kept: no single pair ends a curve or prolongs it, but near its end, and then the error
    says so. The Rubin pipelines take sqrt(V) for sigma, which is no uncertainty of a variance, and let one pair end the curve:
    there the turnoff of a sensor depends on one test of one pair.

    References
    ----------
    Astier et al. 2019, A&A 629, A36, equation 16 (arXiv:1905.08677).
    """
    able = ladder.usable if usable is None else ladder.usable & usable
    order = np.flatnonzero(able)[np.lexsort((ladder.variances[able], ladder.levels[able]))]
    if order.size < FEWEST:
        raise BuildError(f"{order.size} pairs of flats have a usable level and variance, not {FEWEST} or more")
    rungs = _widened(ladder.chosen(order, 1), scatter)
    seed = _seed(rungs)
    kept = seed
    seen: list[Mask] = []  # which were off, round by round
    curve: Wide | None = None
    for _ in range(ROUNDS):
        curve = follow_exponential(rungs.chosen(kept), curve)
        off = _off(rungs, curve, cut)
        kept = _holding(off, int(seed.sum()))
        if kept.sum() < FEWEST:
            raise BuildError(f"{int(kept.sum())} of {order.size} pairs of flats follow one curve, not {FEWEST} or more")
        settled = bool(seen) and np.array_equal(off, seen[-1])
        if settled or any(np.array_equal(off, before) for before in seen):
            break
        seen.append(off)
    off = seen[-1] if settled else max(seen, key=lambda each: int(each.sum()))
    kept = _holding(off, int(seed.sum()))
    mask = np.zeros(ladder.levels.size, dtype=np.bool_)
    mask[order[kept]] = True
    last = int(np.flatnonzero(kept)[-1])
    error = _error(rungs.levels, off, int(seed.sum()))
    return Turnoff(float(rungs.levels[last]), error, _reached(rungs, off, last), mask)


def _widened(ladder: Ladder, scatter: float) -> Ladder:
    """Add a scatter to the errors."""
    return Ladder(ladder.levels, ladder.covariances, np.hypot(ladder.relative_errors, scatter))


def _off(rungs: Ladder, parameters: Wide, cut: float) -> Mask:
    """Say which pairs a curve cannot explain."""
    model = exponential(rungs.levels, *parameters)
    with np.errstate(invalid="ignore", divide="ignore"):
        pulls = (rungs.variances / model - 1.0) / rungs.relative_errors[:, 0, 0]
    off: Mask = ~(np.abs(pulls) <= cut) | ~(model > 0.0)
    return off


def _seed(rungs: Ladder) -> Mask:
    """Say which pairs to begin with: those in the lower half of what the variance rises over, or the lowest few."""
    padded = np.pad(rungs.variances, 1, mode="reflect")
    smooth = np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0)
    half = rungs.levels <= 0.5 * rungs.levels[int(np.argmax(smooth))]
    seed: Mask = half | (np.arange(half.size) < FEWEST)
    return seed


def _holding(off: Mask, seed: int) -> Mask:
    """Leave out the pairs that are off, and all above one after which the curve does not go on for two in a row."""
    held: Mask = ~off
    for place in np.flatnonzero(off):
        if place >= seed and not (place + 2 < off.size and held[place + 1] and held[place + 2]):
            held[place:] = False
            break
    return held


def _error(levels: Wide, off: Mask, seed: int) -> float:
    """Say by how much the steps of the ladder, or any one pair, may have the turnoff wrong."""
    last = int(np.flatnonzero(_holding(off, seed))[-1])
    below = levels[last] - levels[last - 1]
    error = 0.5 * (levels[last + 1] - levels[last - 1]) if last + 1 < levels.size else below
    for out in range(levels.size):
        rest = np.delete(np.arange(levels.size), out)
        held = rest[_holding(off[rest], seed - (out < seed))]
        # without the turnoff itself, the one below is no surprise
        expected = levels[last - 1] if out == last else levels[last]
        error = max(error, abs(levels[held[-1]] - expected)) if held.size else math.inf
    return float(error)


def _reached(rungs: Ladder, off: Mask, last: int) -> bool:
    """Say whether a curve has ended: two pairs above are off it, or the only one has a variance that falls."""
    above = rungs.variances[last + 1 :]
    falls = above.size == 1 and bool(above[0] < rungs.variances[last])
    return int(off[last + 1 :].sum()) > 1 or falls
