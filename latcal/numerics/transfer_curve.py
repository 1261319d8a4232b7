"""A photon transfer curve that was fitted: what its parameters mean for an amplifier, each with its error."""

from __future__ import annotations

import math
from typing import Self

import numpy as np
from attrs import evolve, field, frozen

from latcal.numerics.arrays import Mask, Wide
from latcal.numerics.covariance_fit import full_covariance
from latcal.numerics.turnoff import Turnoff
from latcal.numerics.weighted_fits import Fitted


def _none() -> Wide:
    return np.empty((0, 0))


@frozen(eq=False)
class Transfer:
    """A photon transfer curve with its parameters.

    Parameters
    ----------
    model : str
    gain, gain_error : scalar [electron / adu]
    a00, a00_error : scalar [1 / electron]
        Negative where charge turns away what comes after it. It depends on how high the curve was followed: see `highest`.
    noise_squared, noise_squared_error : scalar [electron^2]
        n00, which may come out below 0.
    noise, noise_error : scalar [electron]
        The root of n00, 0 where that is below; and what one standard error of n00 more would add to it.
    highest : scalar [adu]
        The highest level that was fitted to.
    reduced_chi_square : scalar
        Chi-square over `freedom`, by the true errors of what was measured; NaN for no freedom. The errors of the
        parameters are those of counting: where the model does not hold, this is above 1 and they are too small.
    freedom : int
    turnoff : Turnoff
        With the pairs that were fitted to.
    parameters, parameter_errors : (p,)
        Errors of counting, or of a bootstrap.
        Of POLYNOMIAL k0, k1, ... [adu^2 / adu^k]; of EXPAPPROXIMATION a00, gain and n00; of the others gain, a, n and c.
    model_covariances : (n, r, r) [adu^2]
        The model at all levels of the ladder, NaN where there is none. Of a full model, without what `fit_full` leaves out of
        the convolutions.
    a_matrix, a_errors, b_matrix, b_errors : (r, r) [1 / electron]
    noise_matrix, noise_errors : (r, r) [electron^2]
        Of the full models only, serial lag first; empty for the others. b is 0 where it is not fitted.
    a00_c00_correlation : scalar
        Of FULLCOVARIANCE; NaN for the others.
    """

    model: str
    gain: float
    gain_error: float
    a00: float
    a00_error: float
    noise_squared: float
    noise_squared_error: float
    highest: float
    reduced_chi_square: float
    freedom: int
    turnoff: Turnoff
    parameters: Wide
    parameter_errors: Wide
    model_covariances: Wide
    a_matrix: Wide = field(factory=_none)
    a_errors: Wide = field(factory=_none)
    b_matrix: Wide = field(factory=_none)
    b_errors: Wide = field(factory=_none)
    noise_matrix: Wide = field(factory=_none)
    noise_errors: Wide = field(factory=_none)
    a00_c00_correlation: float = math.nan

    @property
    def noise(self) -> float:
        """Root of n00, 0 where that is below [electron]."""
        return math.sqrt(max(self.noise_squared, 0.0))

    @property
    def noise_error(self) -> float:
        """What one standard error of n00 more would add to its root [electron]."""
        return math.sqrt(max(self.noise_squared, 0.0) + self.noise_squared_error) - self.noise

    @property
    def kept(self) -> Mask:
        """Which pairs were fitted to."""
        return self.turnoff.kept

    @property
    def widened(self) -> Self:
        """The same with all errors times the root of the reduced chi-square, where that is no chance.

        What a model leaves is then in the errors; how well data fit by chance makes them neither larger nor smaller. Chance
        ends three standard deviations above 1, ``1 + 3 sqrt(2 / freedom)``; latcal's choice.
        """
        chance = 1.0 + 3.0 * math.sqrt(2.0 / self.freedom) if self.freedom else math.inf
        by = math.sqrt(self.reduced_chi_square) if self.reduced_chi_square > chance else 1.0
        scalars = ("gain_error", "a00_error", "noise_squared_error")
        arrays = ("parameter_errors", "a_errors", "b_errors", "noise_errors")
        return evolve(self, **{name: getattr(self, name) * by for name in (*scalars, *arrays)})


def of_polynomial(fitted: Fitted, levels: Wide, highest: float, turnoff: Turnoff) -> Transfer:
    """Read a polynomial: ``1 / k1`` is the gain, k2 is a00, ``k0 / k1^2`` is n00."""
    k0, k1, k2 = fitted.parameters[:3]
    by_noise = np.array([1.0 / k1**2, -2.0 * k0 / k1**3])
    noise_variance = by_noise @ fitted.covariance[:2, :2] @ by_noise
    return Transfer(
        model="POLYNOMIAL",
        gain=float(1.0 / k1),
        gain_error=float(fitted.errors[1] / k1**2),
        a00=float(k2),
        a00_error=float(fitted.errors[2]),
        noise_squared=float(k0 / k1**2),
        noise_squared_error=float(np.sqrt(noise_variance)),
        highest=highest,
        reduced_chi_square=_reduced(fitted),
        freedom=fitted.freedom,
        turnoff=turnoff,
        parameters=fitted.parameters,
        parameter_errors=fitted.errors,
        model_covariances=fitted.curve(levels),
    )


def of_exponential(fitted: Fitted, levels: Wide, highest: float, turnoff: Turnoff) -> Transfer:
    """Read the model of one brighter-fatter coefficient."""
    a00, gain, noise = (float(value) for value in fitted.parameters)
    a00_error, gain_error, noise_error = (float(value) for value in fitted.errors)
    return Transfer(
        model="EXPAPPROXIMATION",
        gain=gain,
        gain_error=gain_error,
        a00=a00,
        a00_error=a00_error,
        noise_squared=noise,
        noise_squared_error=noise_error,
        highest=highest,
        reduced_chi_square=_reduced(fitted),
        freedom=fitted.freedom,
        turnoff=turnoff,
        parameters=fitted.parameters,
        parameter_errors=fitted.errors,
        model_covariances=fitted.curve(levels),
    )


def of_full(fitted: Fitted, levels: Wide, highest: float, turnoff: Turnoff, name: str) -> Transfer:
    """Read a model of all lags; b is ``c / a``."""
    covariances = fitted.curve(levels)
    side = covariances.shape[1]
    size = side * side
    model = full_covariance(fitted.parameters, side)
    errors = full_covariance(fitted.errors, side)
    with_b = fitted.parameters.size > 1 + 2 * size
    both = np.diagonal(fitted.covariance[1 : 1 + size, 1 + 2 * size :]).reshape(side, side) if with_b else model.c
    with np.errstate(divide="ignore", invalid="ignore"):
        b = model.c / model.a
        b_errors = np.sqrt(errors.c**2 - 2.0 * b * both + (b * errors.a) ** 2) / np.abs(model.a)
        correlation = both[0, 0] / (errors.a[0, 0] * errors.c[0, 0]) if with_b else math.nan
    return Transfer(
        model=name,
        gain=model.gain,
        gain_error=errors.gain,
        a00=float(model.a[0, 0]),
        a00_error=float(errors.a[0, 0]),
        noise_squared=float(model.noise[0, 0]),
        noise_squared_error=float(errors.noise[0, 0]),
        highest=highest,
        reduced_chi_square=_reduced(fitted),
        freedom=fitted.freedom,
        turnoff=turnoff,
        parameters=fitted.parameters,
        parameter_errors=fitted.errors,
        model_covariances=covariances,
        a_matrix=model.a,
        a_errors=errors.a,
        b_matrix=b,
        b_errors=b_errors,
        noise_matrix=model.noise,
        noise_errors=errors.noise,
        a00_c00_correlation=float(correlation),
    )


def _reduced(fitted: Fitted) -> float:
    return fitted.chi_square / fitted.freedom if fitted.freedom > 0 else math.nan
