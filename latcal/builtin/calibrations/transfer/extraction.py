"""What is extracted of the pairs of an amplifier: means, variances, covariances, and what their overscans say."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from attrs import evolve, fields, frozen
from numpy.typing import NDArray

from latcal.numerics.covariance import PairCovariances, pair_covariances
from latcal.numerics.ladder import Ladder
from latcal.plugin import AmplifierFrame, AmplifierInputs, BuildError, combining

Wide = NDArray[np.float64]

ZERO_ERROR = 0.2
"""How well the zero of one frame's level is known [electron]: 0.2 electrons rms, of the overscan (docs/physics.md)."""


@frozen(eq=False)
class Extraction:
    """The pairs of one amplifier, or means of several; NaN where a pair could not be measured.

    Parameters
    ----------
    levels, deltas : (n,) [adu]
        Mean of both flats; second less first.
    covariances, errors : (n, s, s) [adu^2]
        As `PairCovariances` has them.
    row_mean_variances : (n,) [adu^2]
    pixels : (n,)
    noises, noise_errors : (n,) [adu]
        Read noise of the serial overscans, mean of both flats; its standard error.
    pedestals : (n,) [adu]
    full : (n,)
        Part of the pixels that light has filled in either flat.
    frame_noises : (n,) [adu]
        What a pixel without light shows: read noise, overscan model and rounding.
    """

    levels: Wide
    deltas: Wide
    covariances: Wide
    errors: Wide
    row_mean_variances: Wide
    pixels: Wide
    noises: Wide
    noise_errors: Wide
    pedestals: Wide
    full: Wide
    frame_noises: Wide

    @property
    def ladder(self) -> Ladder:
        """What a curve is fitted to."""
        with np.errstate(invalid="ignore", divide="ignore"):
            relative = self.errors / self.covariances[:, :1, :1]
        return Ladder(self.levels, self.covariances, relative)

    @property
    def planes(self) -> dict[str, Wide]:
        """Its arrays by name, for a `Part`."""
        return {field.name: getattr(self, field.name) for field in fields(type(self))}

    @classmethod
    def of_planes(cls, planes: Mapping[str, NDArray[Any]]) -> Self:
        """Take it out of a `Part` again."""
        return cls(**{field.name: planes[field.name] for field in fields(cls)})

    @classmethod
    def mean(cls, every: Sequence[Extraction]) -> Self:
        """Give the means over amplifiers, each weighted by its pixels; pixels are summed.

        Amplifiers of which no pair could be measured are left out. Of the others all must have a pair, or it has no
        numbers: a mean of other amplifiers from level to level would bend the curve. Covariances across the seams between
        amplifiers are not in it.
        """
        every = [one for one in every if np.any(one.pixels > 0)] or list(every)
        weights = np.array([one.pixels for one in every])
        weights = np.where(np.all(weights > 0, axis=0), weights, 0.0)
        total = weights.sum(axis=0)

        def averaged(name: str) -> Wide:
            values = np.array([getattr(one, name) for one in every])
            shape = (*weights.shape, *(1,) * (values.ndim - 2))
            with np.errstate(invalid="ignore", divide="ignore"):
                found: Wide = np.where(weights.reshape(shape) > 0, values * weights.reshape(shape), 0.0).sum(axis=0)
                mean: Wide = found / total.reshape(shape[1:])
            return mean

        means = {field.name: averaged(field.name) for field in fields(cls) if field.name not in {"pixels", "full"}}
        means["full"] = np.mean([one.full for one in every], axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            parts = np.where(total > 0, np.square(weights / total).sum(axis=0), np.nan)
        for name in ("errors", "noise_errors"):  # those of a mean of as many as there are
            means[name] = means[name] * np.sqrt(parts).reshape((-1, *(1,) * (means[name].ndim - 1)))
        return cls(pixels=total, **means)


def extract(inputs: AmplifierInputs) -> tuple[Extraction, tuple[str, ...]]:
    """Measure every pair of one amplifier, one after another: no more than a pair of frames is held.

    Returns
    -------
    Extraction
    tuple of str
        For every pair why it could not be measured; empty if it could.
    """
    frames = {frame.exposure.id: frame for frame in inputs.frames}
    pairs = [(frames[first], frames[second]) for first, second in inputs.groups]
    measured = [_measured(inputs, pair) for pair in pairs]
    found = [one for one, _ in measured]
    side = inputs.options.lags

    def column(name: str) -> Wide:
        return np.array([math.nan if isinstance(one, str) else getattr(one, name) for one in found], dtype=np.float64)

    def matrix(name: str) -> Wide:
        empty = np.full((side, side), math.nan)
        return np.array([empty if isinstance(one, str) else getattr(one, name) for one in found], dtype=np.float64)

    gain = inputs.amplifier.gain
    noise, error, pedestal = (
        np.array([[getattr(frame, name) for frame in pair] for pair in pairs], dtype=np.float64)
        for name in ("read_noise", "read_noise_error", "pedestal")
    )
    extraction = Extraction(
        levels=column("level"),
        deltas=column("delta"),
        covariances=matrix("covariances"),
        errors=matrix("errors"),
        row_mean_variances=column("row_mean_variance"),
        pixels=np.nan_to_num(column("pixels")),
        noises=noise.mean(axis=1) / gain,
        noise_errors=np.sqrt(np.square(error).sum(axis=1)) / 2.0 / gain,
        pedestals=pedestal.mean(axis=1),
        full=np.array([full for _, full in measured]),
        frame_noises=np.array([combining.frame_noise_of(pair) for pair in pairs]) / gain,
    )
    return extraction, tuple(one if isinstance(one, str) else "" for one in found)


def _measured(
    inputs: AmplifierInputs, pair: tuple[AmplifierFrame, AmplifierFrame]
) -> tuple[PairCovariances | str, float]:
    """Measure a pair, or say why that is not possible; and say which part of its pixels light has filled."""
    options, gain = inputs.options, inputs.amplifier.gain
    first, second = (combining.in_adu(inputs, frame) for frame in pair)
    full = max(combining.saturated_part(inputs, pixels) for pixels in (first, second))
    words = f"exposures {pair[0].exposure.id} and {pair[1].exposure.id}"
    if full > options.max_saturated:
        return f"{words}: {100 * full:.3g} % of the pixels are saturated", full
    try:
        found = pair_covariances(
            first,
            second,
            noise=combining.frame_noise_of(pair) / gain,
            lags=options.lags,
            edge=options.edge,
            clip=options.clip,
            max_mismatch=options.max_mismatch,
            at_least=options.at_least,
        )
    except BuildError as error:
        return f"{words}: {error}", full
    # the level's zero is not known better than this, which the fit would take for noise at the faint end
    zero = ZERO_ERROR / math.sqrt(2.0) / gain**2
    errors = found.errors.copy()
    errors[0, 0] = math.hypot(errors[0, 0], zero)
    return evolve(found, errors=errors), full
