"""The planes of a combined image, painted strip by strip and mended pixel by pixel."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.numerics.arrays import Mask, Pixels
from latcal.numerics.averages import Model, Planes
from latcal.numerics.moments import Moments
from latcal.numerics.stacks import Combined, Stack, Strip, typical


@frozen(eq=False)
class Canvas:
    """Planes (ny, nx) of an image of frames that have a noise model.

    Parameters
    ----------
    frames : Stack
    model : Model
    factor : scalar
        What the variance is multiplied by.
    """

    frames: Stack
    model: Model
    factor: float
    image: Pixels
    variance: Pixels
    quality: Pixels
    kept: NDArray[np.uint16]
    left_out: Mask

    @classmethod
    def of(cls, frames: Stack, model: Model, factor: float) -> Canvas:
        """Allocate the planes."""
        image, variance, quality = (np.empty(frames.shape, dtype=np.float32) for _ in range(3))
        kept, left_out = np.empty(frames.shape, dtype=np.uint16), np.zeros(frames.shape, dtype=np.bool_)
        return cls(frames, model, factor, image, variance, quality, kept, left_out)

    def paint(self, strip: Strip, moments: Moments, offset: Pixels, factor: float = 1.0) -> None:
        """Fill a strip with the reference and an offset from it, all samples kept; the variance is times `factor`."""
        rows, count, shares = strip.write, len(self.frames.reads), self.frames.weights / self.frames.weights.sum()
        image, variance, quality = (plane[rows].reshape(-1) for plane in (self.image, self.variance, self.quality))
        np.add(moments.reference, offset, out=image)
        floor, slope = (self.factor * factor * float((shares**2 * part).sum()) for part in (self.model.floor, self.model.slope))
        if slope:
            np.maximum(image, np.float32(0.0), out=variance)
            variance *= np.float32(slope)
            variance += np.float32(floor)
        else:
            variance[...] = floor
        np.multiply(moments.variance, np.float32(count / (count - 1) if count > 1 else np.nan), out=quality)
        self.kept[rows] = count

    def mend(self, strip: Strip, places: NDArray[np.intp], planes: Planes) -> int:
        """Put what was found by a closer look at some pixels of a strip; give how many of their samples were left out."""
        less = planes.counted - planes.kept
        self.kept[strip.write].reshape(-1)[places] = planes.kept
        self.left_out[strip.write].reshape(-1)[places[less > 0]] = True
        variance = self.factor * planes.variance
        for plane, better in ((self.image, planes.image), (self.variance, variance), (self.quality, planes.quality)):
            plane[strip.write].reshape(-1)[places] = better
        return int(less.sum())

    def combined(self, rejected: int, lost: float) -> Combined:
        """Give the planes, `lost` being what clipping adds to the noise."""
        sigma = float(np.median(self.model.sigma(np.array([typical(self.image)]))))
        left_out = self.left_out if rejected else None
        return Combined(self.image, self.variance, self.kept, rejected, lost, sigma, self.quality, left_out)
