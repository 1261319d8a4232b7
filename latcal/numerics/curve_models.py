"""Models of a photon transfer curve by name, and how many pairs of flats each needs; a plan needs no more."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias, get_args

from latcal.errors import BuildError

FEWEST: Final = 4
"""Pairs that three parameters need, one of them to judge them by."""

Model: TypeAlias = Literal["POLYNOMIAL", "EXPAPPROXIMATION", "FULLCOVARIANCE", "FULLCOVARIANCE_NO_B"]
"""What is fitted, by the names of the Rubin pipelines."""


def pairs_needed(model: Model, *, order: int = 2, lags: int = 10) -> int:
    """Give the pairs of flats, of different levels, that a model needs.

    Parameters
    ----------
    model : Model
    order : int
        Of a POLYNOMIAL.
    lags : int
        In one direction, of a full model.

    Returns
    -------
    int
        One more than the parameters of the variance, and for a full model no fewer than lags, as the Rubin pipelines ask.

    Raises
    ------
    BuildError
        If there is no such model, order or number of lags.
    """
    if model not in get_args(Model):
        raise BuildError(f"{model!r} is not a model of the photon transfer curve (write one of {', '.join(get_args(Model))})")
    if model == "POLYNOMIAL":
        if order < 2:
            raise BuildError(f"a polynomial of order {order} has no brighter-fatter term (write 2 or more)")
        return order + 2
    if model == "EXPAPPROXIMATION":
        return FEWEST
    if lags < 1:
        raise BuildError(f"{lags} lags are none to fit {model} to (write 1 or more)")
    return max(lags, FEWEST + (model == "FULLCOVARIANCE"))
