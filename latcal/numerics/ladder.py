"""Levels of light with the variances and covariances measured at them: what a photon transfer curve is fitted to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.errors import BuildError
from latcal.numerics.arrays import Mask, Wide
from latcal.numerics.covariance import PairCovariances


@frozen(eq=False)
class Ladder:
    """Pairs of flats of one amplifier, in any order.

    Parameters
    ----------
    levels : (n,) [adu]
    covariances : (n, s, s) [adu^2]
        Of one flat, serial lag first; the variance is element (0, 0).
    relative_errors : (n, s, s)
        The standard error of each over the variance: ``sqrt(2 / N)`` at lag 0.
    """

    levels: Wide
    covariances: Wide
    relative_errors: Wide

    @property
    def variances(self) -> Wide:
        """Variances of one flat: (n,) [adu^2]."""
        return self.covariances[:, 0, 0]

    @property
    def side(self) -> int:
        """How many lags there are in one direction."""
        return int(self.covariances.shape[1])

    @property
    def usable(self) -> Mask:
        """Say which pairs have a level and a variance above 0, and errors: (n,)."""
        numbers = np.isfinite(self.levels) & np.isfinite(self.variances) & np.isfinite(self.relative_errors[:, 0, 0])
        with np.errstate(invalid="ignore"):
            positive: Mask = (self.levels > 0.0) & (self.variances > 0.0) & (self.relative_errors[:, 0, 0] > 0.0)
        return numbers & positive

    @classmethod
    def of(cls, pairs: Sequence[PairCovariances]) -> Self:
        """Put pairs together.

        Parameters
        ----------
        pairs : sequence of PairCovariances
            Of as many lags each.

        Returns
        -------
        Ladder

        Raises
        ------
        BuildError
            If there is none.
        """
        if not pairs:
            raise BuildError("there are no pairs of flats")
        return cls(
            np.array([pair.level for pair in pairs]),
            np.array([pair.covariances for pair in pairs]),
            np.array([pair.errors / pair.variance for pair in pairs]),
        )

    @classmethod
    def of_variances(cls, levels: Sequence[float], variances: Sequence[float], pixels: Sequence[float]) -> Self:
        """Make a ladder of variances alone.

        Parameters
        ----------
        levels : (n,) [adu]
        variances : (n,) [adu^2]
        pixels : (n,)
            N of the error ``variance * sqrt(2 / N)``.

        Returns
        -------
        Ladder

        Raises
        ------
        BuildError
            If they are not as many of each, or none.
        """
        given = [np.asarray(values, dtype=np.float64) for values in (levels, variances, pixels)]
        if not given[0].size or len({values.shape for values in given}) > 1:
            sizes = ", ".join(str(values.size) for values in given)
            raise BuildError(f"{sizes} levels, variances and numbers of pixels are not as many of each")
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = np.sqrt(2.0 / given[2])
        return cls(given[0], given[1][:, None, None], relative[:, None, None])

    def chosen(self, which: Mask | NDArray[np.intp], side: int | None = None) -> Ladder:
        """Take some of the pairs, and the first lags of each.

        Parameters
        ----------
        which : (n,) or (k,)
            Which, or their indices.
        side : int or None
            Lags in one direction; None for all.

        Returns
        -------
        Ladder
        """
        return Ladder(
            self.levels[which], self.covariances[which, :side, :side], self.relative_errors[which, :side, :side]
        )
