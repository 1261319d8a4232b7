"""Average the samples of pixels that are within their noise, and propagate it."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.numerics.arrays import Mask, Wide
from latcal.numerics.stacks import Stack


@frozen
class Planes:
    """Results for k pixels; `counted` is how many samples had a value."""

    image: Wide
    variance: Wide
    quality: Wide
    kept: NDArray[np.intp]
    counted: NDArray[np.intp]

    def times(self, factor: Wide) -> Planes:
        """Give the same with variances multiplied."""
        return Planes(self.image, self.variance * factor, self.quality, self.kept, self.counted)


@frozen
class Model:
    """The variance of a sample of each frame: ``floor + slope * max(level, 0)``, both (n,)."""

    floor: Wide
    slope: Wide

    @classmethod
    def of(cls, frames: Stack, poisson: bool) -> Model:
        """Take the noise of scaled frames, with that of their signal if `poisson`."""
        return cls((frames.noise / frames.scale) ** 2, (1.0 if poisson else 0.0) / frames.scale)

    def sigma(self, level: Wide) -> Wide:
        """Give the noise at some levels: (n, k), or (n, 1) where it does not depend on the level."""
        signal = np.maximum(level, 0.0) if self.slope.any() else np.zeros(1)
        return np.sqrt(self.floor[:, None] + self.slope[:, None] * signal)


def average(values: Wide, kept: Mask, weights: Wide, model: Model, image: Wide | None = None) -> Planes:
    """Average the kept samples of k pixels, or propagate the variance of an image made of them."""
    count = np.count_nonzero(kept, axis=0)
    inside = np.where(kept, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(kept, weights[:, None], 0.0)
        share /= share.sum(axis=0)
        image = np.einsum("ij,ij->j", share, inside) if image is None else image
        share *= share
        floor, slope = (np.einsum("i,ij->j", part, share) for part in (model.floor, model.slope))
        variance = floor + slope * np.maximum(image, 0.0)
        offsets = np.where(kept, values - inside.sum(axis=0) / count, 0.0)
        quality = np.einsum("ij,ij->j", offsets, offsets) / np.where(count > 1, count - 1, np.nan)
    counted = np.count_nonzero(~np.isnan(values), axis=0)
    return Planes(image, variance, quality, count, counted)
