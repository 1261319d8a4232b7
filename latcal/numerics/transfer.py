"""Fit the photon transfer curve of an amplifier: gain, noise and brighter-fatter coefficients with their errors."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from latcal.errors import BuildError
from latcal.numerics import transfer_curve
from latcal.numerics.arrays import Mask, Wide
from latcal.numerics.covariance_fit import fit_full
from latcal.numerics.curve_models import Model, pairs_needed
from latcal.numerics.ladder import Ladder
from latcal.numerics.transfer_curve import Transfer
from latcal.numerics.transfer_fits import fit_exponential, fit_polynomial
from latcal.numerics.turnoff import find_turnoff
from latcal.numerics.weighted_fits import Fitted

__all__ = ["Transfer", "fit_transfer"]

TRIES: Final = 20
"""Draws of a bootstrap for each fit that is wanted, of which those with too few different pairs are drawn again."""


def fit_transfer(
    ladder: Ladder,
    model: Model = "EXPAPPROXIMATION",
    *,
    order: int = 2,
    lags: int = 10,
    lowest: float = 0.0,
    highest: float = math.inf,
    cut: float = 5.0,
    scatter: float = 0.01,
    bootstrap: int = 0,
    random: np.random.Generator | None = None,
) -> Transfer:
    """Fit a photon transfer curve, without the pairs that stand off it.

    Parameters
    ----------
    ladder : Ladder
        In any order.
    model : Model
    order, lags : int
        Of a POLYNOMIAL; of a full model, no more than the ladder has.
    lowest, highest : scalar [adu]
        Levels to fit to, both included. The turnoff is sought above `highest` too.
    cut, scatter
        As in `find_turnoff`.
    bootstrap : int
        How often to fit again to pairs drawn with replacement; then the errors of all parameters are the scatter of those
        fits, which needs no weights to be true. 0 for the errors of the weights.
    random : Generator or None
        For the bootstrap.

    Returns
    -------
    Transfer

    Raises
    ------
    BuildError
        If too few pairs are left, the ladder has too few lags, or the model cannot be fitted.

    Notes
    -----
    Weights are those of counting, ``V sqrt(2 / N)`` for a variance and ``V / sqrt(N)`` for a covariance, with V of the
    model. The Rubin pipelines multiply the errors by the root of the reduced chi-square, so that data that fit by
    chance have none; and take the noise of an n00 below 0 for that of one above.

    References
    ----------
    Astier et al. 2019, A&A 629, A36, equations 16 and 20 (arXiv:1905.08677).
    """
    needed = pairs_needed(model, order=order, lags=lags)
    full = model not in {"POLYNOMIAL", "EXPAPPROXIMATION"}
    if full and lags > ladder.side:
        raise BuildError(f"the covariances have {ladder.side} lags in one direction, not the {lags} of {model}")
    if bootstrap and random is None:
        raise BuildError(f"a bootstrap of {bootstrap} needs a random generator")
    with np.errstate(invalid="ignore"):
        turnoff = find_turnoff(ladder, ladder.levels >= lowest, cut=cut, scatter=scatter)
        turnoff = evolve(turnoff, kept=turnoff.kept & (ladder.levels <= highest))
    rungs = ladder.chosen(_ordered(ladder, turnoff.kept), lags if full else 1)
    levels = np.unique(rungs.levels).size
    if levels < needed:
        raise BuildError(f"{levels} levels of {ladder.levels.size} pairs are left for {model}, not {needed} or more")
    fitted = _fit(rungs, model, order)
    if bootstrap and random is not None:
        fitted = evolve(fitted, covariance=_scatter(rungs, model, order, needed, bootstrap, random))
    highest_kept = float(rungs.levels[-1])
    if model == "POLYNOMIAL":
        return transfer_curve.of_polynomial(fitted, ladder.levels, highest_kept, turnoff)
    if model == "EXPAPPROXIMATION":
        return transfer_curve.of_exponential(fitted, ladder.levels, highest_kept, turnoff)
    return transfer_curve.of_full(fitted, ladder.levels, highest_kept, turnoff, model)


def _ordered(ladder: Ladder, kept: Mask) -> NDArray[np.intp]:
    """Give the kept pairs by level, so that sums do not depend on the order of the ladder."""
    places = np.flatnonzero(kept)
    return places[np.lexsort((ladder.variances[places], ladder.levels[places]))]


def _fit(rungs: Ladder, model: Model, order: int) -> Fitted:
    if model == "POLYNOMIAL":
        return fit_polynomial(rungs, order)
    single = fit_exponential(rungs)
    if model == "EXPAPPROXIMATION":
        return single
    return fit_full(rungs, single.parameters, with_b=model == "FULLCOVARIANCE")


def _scatter(
    rungs: Ladder, model: Model, order: int, needed: int, count: int, random: np.random.Generator
) -> Wide:
    """Give the covariance of the parameters over fits to pairs drawn with replacement."""
    size = rungs.levels.size
    found: list[Wide] = []
    for _ in range(TRIES * count):
        drawn = np.sort(random.integers(size, size=size))
        if np.unique(drawn).size >= needed:
            found.append(_fit(rungs.chosen(drawn), model, order).parameters)
        if len(found) == count:
            break
    if len(found) < max(count, 2):
        raise BuildError(f"{len(found)} of {count} draws of {size} pairs hold the {needed} that {model} needs")
    return np.cov(np.array(found), rowvar=False)
