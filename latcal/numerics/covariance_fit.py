"""Fit the covariances of all lags of a photon transfer curve at once."""

from __future__ import annotations

from typing import Final, Self

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from latcal.errors import BuildError
from latcal.numerics.arrays import Mask, Wide
from latcal.numerics.ladder import Ladder
from latcal.numerics.transfer_models import POWERS, FullCovariance, exponential
from latcal.numerics.weighted_fits import Fitted, inverse, judged, standard_errors

PER_MILLION: Final = 1e-6
"""A coefficient a is fitted in this unit [1 / electron], and c in its square, so that all parameters are alike."""

CLEAR: Final = 3.0
"""Errors that the a of a lag must be away from 0 for the lag to count in the convolutions; latcal's choice."""

REFINED: Final = 2
"""How often to fit again with the lags that stand clear of their errors; more changes nothing."""

STEPS: Final = 500
"""Evaluations after which a fit that has not settled is given up; it takes three to five."""


def fit_full(ladder: Ladder, start: Wide, *, with_b: bool) -> Fitted:
    """Fit `FullCovariance` to all lags at once.

    Parameters
    ----------
    ladder : Ladder
    start : (3,)
        a00, gain and noise of `fit_exponential`.
    with_b : bool
        Whether c is free; else it is 0.

    Returns
    -------
    Fitted
        Of gain [electron / adu], a (r^2) [1 / electron], noise (r^2) [electron^2] and, with b, c (r^2) [1 / electron^2].

    Raises
    ------
    BuildError
        If a covariance or its error is not a number, the levels do not tell the parameters apart, or the fit does not
        settle.

    Notes
    -----
    Weights are those of the curve that `start` gives. With them, the data of one lag count only by their projection on the
    powers 0 to 4 of the level (`Compressed`), and its noise, which is the power 0, follows from the rest.

    A lag counts in the convolutions if its a is more than `CLEAR` errors from 0, by the fit before. To the letter, the errors of
    hundreds of a and c, which go against each other, add up in a*c: a00 is off by 0.3 of its error for 20 pairs, 10 lags and
    9e5 pixels, by 0.7 for 2.5e5, and below 1e5 the best fit is one of a and c that conspire, five errors from the truth.

    The errors are those of small deviations. With b, and a curve followed to where ``a00 mu`` is -0.4, they hold while a00 is
    known to some 5 %; a bootstrap has no such limit.
    """
    numbers = np.isfinite(ladder.covariances) & np.isfinite(ladder.relative_errors)
    if not numbers.all():
        raise BuildError(f"{int((~numbers).sum())} of the covariances, or of their errors, are not numbers")
    side = ladder.side
    sigma = standard_errors(ladder, exponential(ladder.levels, *start))
    fit = _FullFit(Compressed.of(ladder, sigma, POWERS), side, with_b)
    clear = np.zeros((side, side), dtype=np.bool_)
    clear[0, 0] = True
    scaled = np.concatenate([[start[1]], _first_a(ladder, start[0]).reshape(-1) / PER_MILLION])
    scaled = np.concatenate([scaled, np.zeros(fit.free - scaled.size)])
    for _ in range(1 + REFINED):
        scaled = fit.settled(scaled, clear)
        model, covariance = fit.model(scaled, clear), fit.covariance(scaled, clear)
        clear = np.abs(model.a) > CLEAR * np.sqrt(np.diagonal(covariance))[1 : 1 + side**2].reshape(side, side)
        clear[0, 0] = True
    parameters = np.concatenate([[model.gain], *(each.reshape(-1) for each in (model.a, model.noise, model.c))])
    return judged(ladder, model.at, parameters[: covariance.shape[0]], covariance)


@frozen(eq=False)
class _FullFit:
    """The fit of all lags: parameters are gain, a and c, in their units; the noise follows."""

    data: Compressed
    side: int
    with_b: bool

    @property
    def free(self) -> int:
        return 1 + (2 if self.with_b else 1) * self.side**2

    @property
    def name(self) -> str:
        return "FULLCOVARIANCE" if self.with_b else "FULLCOVARIANCE_NO_B"

    def model(self, scaled: Wide, clear: Mask) -> FullCovariance:
        """Give the model, with the noise that fits best."""
        rows, values = self.data.rows[:, 0], self.data.values[:, 0]
        bare = self._bare(scaled, clear)
        rest = values - np.einsum("sk,ks->s", rows, bare.powers().reshape(POWERS, -1))
        return evolve(bare, noise=(bare.gain**2 * rest / rows[:, 0]).reshape(self.side, self.side))

    def settled(self, scaled: Wide, clear: Mask) -> Wide:
        """Fit, from some parameters."""
        from scipy.optimize import least_squares

        rows, values = self.data.rows[:, 1:, 1:], self.data.values[:, 1:]

        def pulls(tried: Wide) -> Wide:
            powers = self._bare(tried, clear).powers()[1:].reshape(POWERS - 1, -1)
            apart: Wide = np.einsum("sjk,ks->sj", rows, powers) - values
            return apart.reshape(-1)

        def slopes(tried: Wide) -> Wide:
            by = self._bare(tried, clear).power_slopes()[1:, :, self._fitted()] * self._units()
            weighted: Wide = np.matmul(rows, by.transpose(1, 0, 2))
            return weighted.reshape(-1, self.free)

        answer = least_squares(pulls, scaled, slopes, method="lm", x_scale="jac", max_nfev=STEPS)
        if answer.status <= 0 or not np.isfinite(answer.x).all():
            raise BuildError(
                f"{self.name} of {self.side} lags does not settle on these pairs of flats: {answer.message} (write fewer lags)"
            )
        return np.asarray(answer.x)

    def covariance(self, scaled: Wide, clear: Mask) -> Wide:
        """Give the covariance of gain, a, noise and c."""
        model = self.model(scaled, clear)
        by = model.power_slopes()[:, :, : self.free + self.side**2]
        weighted = np.matmul(self.data.rows, by.transpose(1, 0, 2))
        return inverse(weighted.reshape(-1, by.shape[2]), self.name)

    def _units(self) -> Wide:
        size = self.side**2
        return np.concatenate([[1.0], np.full(size, PER_MILLION), np.full(self.free - 1 - size, PER_MILLION**2)])

    def _fitted(self) -> NDArray[np.intp]:
        """Give the places of gain, a and c among gain, a, noise and c."""
        size = self.side**2
        return np.concatenate([np.arange(1 + size), np.arange(1 + 2 * size, self.free + size)])

    def _bare(self, scaled: Wide, clear: Mask) -> FullCovariance:
        """Give the model without noise."""
        size, none = self.side**2, np.zeros((self.side, self.side))
        values = scaled * self._units()
        c = values[1 + size :].reshape(self.side, self.side) if self.with_b else none
        return FullCovariance(float(values[0]), values[1 : 1 + size].reshape(self.side, self.side), none, c, clear)


def _first_a(ladder: Ladder, a00: float) -> Wide:
    """Give each a by its covariances alone, ``C = a mu^2``."""
    level = ladder.levels[:, None, None]
    weight = (level / ladder.relative_errors / ladder.variances[:, None, None]) ** 2
    a: Wide = (weight * ladder.covariances / level**2).sum(axis=0) / weight.sum(axis=0)
    a[0, 0] = a00
    return a


def full_covariance(parameters: Wide, side: int) -> FullCovariance:
    """Make the model of the parameters of `fit_full`."""
    size = side * side
    parts = [parameters[1 + k * size : 1 + (k + 1) * size] for k in range(3)]
    a, noise, c = (part.reshape(side, side) if part.size else np.zeros((side, side)) for part in parts)
    return FullCovariance(float(parameters[0]), a, noise, c)


@frozen(eq=False)
class Compressed:
    """Covariances at many levels as few numbers for each lag, which a polynomial of the level fits just as well.

    Parameters
    ----------
    rows : (s, k, p)
        For each of s lags, what multiplies the coefficients of the powers 0 to p - 1 of the level; upper triangular.
    values : (s, k)
        The sum of the squares of ``rows @ coefficients - values`` is chi-square, but for a constant.
    """

    rows: Wide
    values: Wide

    @classmethod
    def of(cls, ladder: Ladder, sigma: Wide, powers: int) -> Self:
        """Project a ladder of standard errors `sigma`, (n, r, r), on the powers of its levels, by a QR decomposition."""
        count, top = ladder.levels.size, float(ladder.levels.max())
        weights = 1.0 / sigma.reshape(count, -1).T
        # levels over the highest, so that all powers are alike; the rows are then of the levels themselves
        turned, rows = np.linalg.qr(weights[:, :, None] * (ladder.levels[:, None] / top) ** np.arange(powers))
        values = np.einsum("snk,sn->sk", turned, weights * ladder.covariances.reshape(count, -1).T)
        return cls(rows * top ** np.arange(float(powers)), values)
