"""Fit the variance of a photon transfer curve, weighted by the true uncertainty of what was measured."""

from __future__ import annotations

from typing import Final

import numpy as np

from latcal.errors import BuildError
from latcal.numerics.arrays import Wide
from latcal.numerics.ladder import Ladder
from latcal.numerics.transfer_models import exponential, exponential_slopes
from latcal.numerics.weighted_fits import (
    REWEIGHTED,
    Curve,
    Fitted,
    fit_reweighted,
    inverse,
    judged,
    standard_errors,
    weigh,
)

PER_MILLION: Final = 1e-6
"""A coefficient a is fitted in this unit [1 / electron], so that all parameters are alike."""

EXPONENTIAL_UNITS: Final = (PER_MILLION, 1.0, 1.0)
"""Units in which a00 [1 / electron], gain [electron / adu] and noise [electron^2] are fitted."""

STRONGEST: Final = 1e-4
"""No a00 [1 / electron] is farther from 0, as in the Rubin pipelines: fifty times that of any CCD."""


def fit_polynomial(ladder: Ladder, order: int) -> Fitted:
    """Fit ``V = k0 + k1 mu + k2 mu^2 + ...``, which is linear.

    Parameters
    ----------
    ladder : Ladder
    order : int
        2 or more.

    Returns
    -------
    Fitted
        Of k0 to k(order) [adu^2 / adu^k].

    Raises
    ------
    BuildError
        If the levels do not tell the coefficients apart.
    """
    scale = float(ladder.levels.max())
    powers = (ladder.levels[:, None] / scale) ** np.arange(order + 1)
    model = ladder.variances
    for _ in range(1 + REWEIGHTED):
        sigma = standard_errors(ladder, model)[:, 0, 0]
        covariance = inverse(powers / sigma[:, None], f"a polynomial of order {order}")
        found = covariance @ (powers.T @ (ladder.variances / sigma**2))
        model = powers @ found
    units = scale ** -np.arange(order + 1.0)
    coefficients = found * units
    return judged(
        ladder, lambda at: _polynomial(at, coefficients), coefficients, covariance * np.outer(units, units)
    )


def _polynomial(levels: Wide, coefficients: Wide) -> Wide:
    powers = levels[:, None] ** np.arange(coefficients.size)
    variances: Wide = np.einsum("nk,k->n", powers, coefficients)
    return variances[:, None, None]


def fit_exponential(ladder: Ladder) -> Fitted:
    """Fit `exponential` to the variances.

    Parameters
    ----------
    ladder : Ladder

    Returns
    -------
    Fitted
        Of a00 [1 / electron], gain [electron / adu] and noise [electron^2].

    Raises
    ------
    BuildError
        If the variance does not rise with the level, or the levels do not tell the parameters apart.
    """
    ladder = ladder.chosen(np.arange(ladder.levels.size), 1)
    start = fit_polynomial(ladder, 2).parameters
    if not start[1] > 0.0:
        raise BuildError(f"the variance rises by {start[1]:.6g} adu with each adu of light, which is no gain")
    first = np.array([start[2], 1.0 / start[1], start[0] / start[1] ** 2]) / EXPONENTIAL_UNITS
    model, slopes = _exponential(ladder.levels)
    found = fit_reweighted(ladder, model, slopes, first)
    _, weighted = weigh(ladder, model, slopes, standard_errors(ladder, model(found)[:, 0, 0]))
    covariance = inverse(weighted(found), "EXPAPPROXIMATION")
    units = np.array(EXPONENTIAL_UNITS)
    a00, gain, noise = found * units
    return judged(
        ladder,
        lambda at: exponential(at, a00, gain, noise)[:, None, None],
        found * units,
        covariance * np.outer(units, units),
    )


def follow_exponential(ladder: Ladder, start: Wide | None = None) -> Wide:
    """Find the curve of `exponential` that most pairs follow, wherever the others are.

    Parameters
    ----------
    ladder : Ladder
    start : (3,) or None
        A curve that is near; None to look for it.

    Returns
    -------
    (3,)
        a00 [1 / electron], gain [electron / adu] and noise [electron^2]. A pair far off counts by its distance, not the
        square of it, then by the logarithm of it; the noise is not below 0, and free only once the rest is near.

    Raises
    ------
    BuildError
        If the fit does not settle.
    """
    ladder = ladder.chosen(np.arange(ladder.levels.size), 1)
    first = np.array([0.0, float(np.median(ladder.levels / ladder.variances)), 1.0])
    model, slopes = _exponential(ladder.levels)
    low, high = np.array([-STRONGEST, 0.0, 0.0]), np.array([STRONGEST, np.inf, 2.0])
    found = (first if start is None else start) / EXPONENTIAL_UNITS
    for loss in ("soft_l1", "cauchy") if start is None else ("cauchy",):
        if loss == "cauchy":  # before, without noise, which one low pair could have to itself
            high[2] = np.inf
        bounds = low / EXPONENTIAL_UNITS, high / EXPONENTIAL_UNITS
        found = fit_reweighted(ladder, model, slopes, found, loss=loss, bounds=bounds, exact=1e-3, reweighted=0)
    return found * EXPONENTIAL_UNITS


def _exponential(levels: Wide) -> tuple[Curve, Curve]:
    """Give `exponential` and its derivatives as functions of scaled parameters."""

    def model(scaled: Wide) -> Wide:
        return exponential(levels, *(scaled * EXPONENTIAL_UNITS))[:, None, None]

    def slopes(scaled: Wide) -> Wide:
        found: Wide = exponential_slopes(levels, *(scaled * EXPONENTIAL_UNITS)) * EXPONENTIAL_UNITS
        return found[:, None, :]

    return model, slopes
