"""Average the samples of pixels that are within their noise, and propagate it."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.numerics.arrays import Mask, Pixels, Wide
from latcal.numerics.rejection import medians, within_noise
from latcal.numerics.stacks import Stack


@frozen
class Planes:
    """Results for the k pixels of a strip; `counted` is how many samples had a value."""

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


def average_within_noise(pixels: Pixels, weights: Wide, model: Model, clip: float) -> Planes:
    """Average k pixels; look closely only at those where a sample could be out of its limits."""
    planes, suspicious = _plain(pixels, weights, model, clip)
    if suspicious.size:
        values = widened(pixels[:, suspicious])
        centre = medians(values)
        kept = within_noise(values, centre, model.sigma(centre), clip)
        close = average(values, kept, weights, model)
        for plane, better in (
            (planes.image, close.image),
            (planes.variance, close.variance),
            (planes.quality, close.quality),
            (planes.kept, close.kept),
            (planes.counted, close.counted),
        ):
            plane[suspicious] = better
    return planes


def _plain(pixels: Pixels, weights: Wide, model: Model, clip: float) -> tuple[Planes, NDArray[np.intp]]:
    """Average all samples, and tell where one of them may be out of limits.

    The median is within one standard deviation of the mean. A pixel all samples of which are within their limits of
    the mean less that much is innocent; the rest, and all with NaN, are suspicious.
    """
    count = len(pixels)
    total: Wide = np.zeros(pixels.shape[1])
    squares: Pixels = np.zeros(pixels.shape[1], dtype=np.float32)
    suspicious: Mask = np.zeros(pixels.shape[1], dtype=np.bool_)
    with np.errstate(invalid="ignore", over="ignore"):
        for plane in pixels:
            total += plane
        centre = (total / count).astype(np.float32)
        offsets = pixels - centre
        for plane in offsets:
            squares += plane * plane
        # more than one standard deviation by what float32 may round
        spread = np.sqrt(squares / np.float32(count)) * np.float32(1.0001) + np.float32(5e-7) * np.abs(centre)
        np.abs(offsets, out=offsets)
        level = np.maximum(centre - spread, np.float32(0.0))
        for plane, floor, slope in zip(offsets, model.floor, model.slope, strict=True):
            reach = np.add(plane, spread, out=plane)
            if slope:
                limit = np.float32(clip * clip * slope) * level + np.float32(clip * clip * floor)
                suspicious |= ~(np.multiply(reach, reach, out=reach) <= limit)
            else:
                suspicious |= ~(reach <= np.float32(clip * np.sqrt(floor)))
        image = total / count if np.ptp(weights) == 0.0 else _weighted(pixels, weights)
        fraction = weights / weights.sum()
        variance = float(fraction**2 @ model.floor) + float(fraction**2 @ model.slope) * np.maximum(image, 0.0)
        quality = squares.astype(np.float64) / (count - 1) if count > 1 else np.full(total.size, np.nan)
    full = np.full(total.size, count, dtype=np.intp)
    return Planes(image, variance, quality, full, full.copy()), np.flatnonzero(suspicious)


def _weighted(pixels: Pixels, weights: Wide) -> Wide:
    total: Wide = np.zeros(pixels.shape[1])
    for plane, weight in zip(pixels, weights / weights.sum(), strict=True):
        total += plane * weight
    return total


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


def widened(pixels: Pixels) -> Wide:
    """Give samples in double precision; what is infinite has no value."""
    values = pixels.astype(np.float64)
    values[np.isinf(values)] = np.nan
    return values
