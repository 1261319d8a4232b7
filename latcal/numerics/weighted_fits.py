"""Least squares with true weights: fits that settle or say that they do not, with the covariance of what they find."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from attrs import frozen

from latcal.errors import BuildError
from latcal.numerics.arrays import Wide
from latcal.numerics.ladder import Ladder

Curve: TypeAlias = Callable[[Wide], Wide]
"""A model, or its derivatives, as a function of scaled parameters or of levels."""

REWEIGHTED: Final = 1
"""How often weights are taken again, from the variance of the model: that of the data would favour low points."""

TOLD_APART: Final = 1e-12
"""Smallest over largest eigenvalue of the scaled normal equations: below it rounding decides what a parameter is."""


@frozen(eq=False)
class Fitted:
    """Parameters of a model, and how well it holds.

    Parameters
    ----------
    parameters : (p,)
    covariance : (p, p)
        From the weights alone: not scaled by how well the model holds, which `chi_square` tells.
    curve : Curve
        Levels (n,) [adu] to the model at them, (n, r, r) [adu^2].
    chi_square : scalar
        Sum of squares of (data - model) / standard error.
    freedom : int
        Data less parameters.
    """

    parameters: Wide
    covariance: Wide
    curve: Curve
    chi_square: float
    freedom: int

    @property
    def errors(self) -> Wide:
        """Standard errors of the parameters."""
        return np.sqrt(np.diagonal(self.covariance))


def fit_reweighted(
    ladder: Ladder,
    model: Curve,
    slopes: Curve,
    start: Wide,
    *,
    loss: str = "linear",
    bounds: tuple[Wide, Wide] | None = None,
    exact: float = 1e-12,
    reweighted: int = REWEIGHTED,
) -> Wide:
    """Fit few parameters, weigh by the model that was found, and fit again.

    Parameters
    ----------
    ladder : Ladder
    model, slopes : Curve
        (n, r, r) and (n, r^2, p), of scaled parameters.
    start : (p,)
    loss : str
        As in `scipy.optimize.least_squares`.
    bounds : low and high, (p,) each, or None
        Of the scaled parameters.
    exact : scalar
        The relative change of chi-square, or of the parameters, at which the fit has settled.
    reweighted : int
        How often to fit again, with the weights of the model.

    Returns
    -------
    (p,)

    Raises
    ------
    BuildError
        If the fit does not settle.
    """
    from scipy.optimize import least_squares

    found, variances = start, ladder.variances
    for _ in range(1 + reweighted):
        pulls, weighted = weigh(ladder, model, slopes, standard_errors(ladder, variances))
        answer = least_squares(
            pulls,
            found,
            weighted,
            bounds=(-np.inf, np.inf) if bounds is None else bounds,
            method="lm" if bounds is None and loss == "linear" else "trf",
            x_scale="jac",
            xtol=exact,
            ftol=exact,
            gtol=exact,
            loss=loss,
        )
        if answer.status <= 0 or not np.isfinite(answer.x).all():
            raise BuildError(f"the fit of {len(ladder.levels)} pairs does not settle: {answer.message}")
        found = answer.x
        variances = model(found)[:, 0, 0]
    return found


def weigh(ladder: Ladder, model: Curve, slopes: Curve, sigma: Wide) -> tuple[Curve, Curve]:
    """Give the pulls of a model, (m,), and their derivatives, (m, p), as functions of its scaled parameters."""
    flat = sigma.reshape(len(sigma), -1, 1)

    def pulls(scaled: Wide) -> Wide:
        apart: Wide = (model(scaled) - ladder.covariances) / sigma
        return apart.reshape(-1)

    def weighted(scaled: Wide) -> Wide:
        rows: Wide = slopes(scaled) / flat
        return rows.reshape(-1, scaled.size)

    return pulls, weighted


def standard_errors(ladder: Ladder, variances: Wide) -> Wide:
    """Give the standard errors: (n, r, r). A model that is not above 0 somewhere has those of the data there."""
    usable = np.where(variances > 0.0, variances, ladder.variances)
    return ladder.relative_errors * usable[:, None, None]


def judged(ladder: Ladder, curve: Curve, parameters: Wide, covariance: Wide) -> Fitted:
    """Say how far data and model are apart."""
    model = curve(ladder.levels)
    pulls = (ladder.covariances[:, : model.shape[1], : model.shape[2]] - model) / standard_errors(ladder, model[:, 0, 0])
    return Fitted(parameters, covariance, curve, float((pulls**2).sum()), pulls.size - parameters.size)


def inverse(weighted: Wide, name: str) -> Wide:
    """Give the covariance of parameters from weighted derivatives, (m, p)."""
    lengths = np.sqrt(np.einsum("ij,ij->j", weighted, weighted))
    if not (np.isfinite(lengths).all() and (lengths > 0.0).all()):
        raise BuildError(f"{name} has parameters on which {len(weighted)} measurements do not depend")
    scaled = weighted / lengths
    strengths, turned = np.linalg.eigh(scaled.T @ scaled)
    if len(weighted) < lengths.size or strengths[0] < TOLD_APART * strengths[-1]:
        raise BuildError(f"{len(weighted)} measurements do not tell the {lengths.size} parameters of {name} apart")
    spread: Wide = turned / np.sqrt(strengths) / lengths[:, None]
    return spread @ spread.T
