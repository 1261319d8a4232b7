"""Combine frames into one image with its variance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from latcal.numerics import efficiency
from latcal.numerics.arrays import Mask, Pixels, Read, Wide
from latcal.numerics.averages import Model, Planes, average, average_within_noise, widened
from latcal.numerics.rates import rate
from latcal.numerics.rejection import medians, middle
from latcal.numerics.stacks import Combined, Stack, strips, typical

__all__ = ["Combined", "clipped_mean", "mean", "median", "rate"]


def mean(
    stack: Sequence[Read],
    noise: Sequence[float],
    shape: tuple[int, int],
    *,
    scale: Sequence[float] | None = None,
    weights: Sequence[float] | None = None,
    poisson: bool = False,
    clip: float = 5.0,
    rows: int | None = None,
) -> Combined:
    """Take the mean of frames, without samples that their noise cannot explain.

    A sample is kept if it is within `clip` sigma of the median of its pixel, sigma being that of its frame (or the
    pixel's own where that is really noisier, see `within_noise`).

    Parameters
    ----------
    stack : sequence of Read of (ny, nx) [electron]
        NaN never counts.
    noise : (n,) [electron]
        The noise of a pixel of each frame before scaling, without photon noise if `poisson`.
    shape : (ny, nx)
    scale : (n,) or None
        What each frame is divided by; None for 1.
    weights : (n,) or None
        Of the frames in the mean; None for equal.
    poisson : bool
        Whether to add the noise of the signal itself, electron for electron.
    clip : scalar, standard deviations
        The default is latcal's choice (docs/physics.md): on Gaussian frames it costs nothing.
    rows : int or None
        Rows of a strip; changes the memory needed, never the result.

    Returns
    -------
    Combined
        Its variance is ``sum(w^2 sigma^2) / sum(w)^2`` over the samples kept, at every number of frames.

    Raises
    ------
    BuildError
        If there are no frames, or a noise, scale or weight is not a positive number.

    Notes
    -----
    Two samples that differ by more than twice the limit are both rejected: nothing tells which of them is right.
    """
    frames = Stack.of(stack, noise, shape, scale, weights)
    model = Model.of(frames, poisson)
    cost = efficiency.one_clip(clip) if len(frames.reads) > 2 else (1.0, 1.0)

    def block(pixels: Pixels) -> Planes:
        return average_within_noise(pixels, frames.weights, model, clip)

    return _walk(frames, model, block, cost[0], cost[0] ** 2 * cost[1], rows)


def clipped_mean(
    stack: Sequence[Read],
    noise: Sequence[float],
    shape: tuple[int, int],
    *,
    scale: Sequence[float] | None = None,
    poisson: bool = False,
    clip: float = 3.0,
    iterations: int = 3,
    rows: int | None = None,
) -> Combined:
    """Take the iterated clipped mean, for comparison with the Rubin pipelines.

    As `statistics.clipped`, pixel by pixel: each pass starts again from all samples. With 3 frames nothing is ever
    rejected, and on clean frames the noise is up to 9 % above that of a mean: `mean` is better in both.

    Parameters
    ----------
    stack, noise, shape, scale, poisson, rows
        As in `mean`.
    clip : scalar, standard deviations
    iterations : int
        The defaults of both are those of the Rubin pipelines.

    Returns
    -------
    Combined
        Its variance is propagated and has the efficiency of the clip (docs/physics.md).

    Raises
    ------
    BuildError
        As in `mean`.
    """
    frames = Stack.of(stack, noise, shape, scale)
    model = Model.of(frames, poisson)
    lost, kept = efficiency.clipped_mean(np.arange(len(frames.reads) + 1.0), clip, iterations)

    def block(pixels: Pixels) -> Planes:
        values = widened(pixels)
        planes = average(values, _clip(values, clip, iterations), frames.weights, model)
        return planes.times((lost**2 * kept)[planes.counted])

    return _walk(frames, model, block, float(lost[-1]), 1.0, rows)


def median(
    stack: Sequence[Read],
    noise: Sequence[float],
    shape: tuple[int, int],
    *,
    scale: Sequence[float] | None = None,
    poisson: bool = False,
    rows: int | None = None,
) -> Combined:
    """Take the median of frames, pixel by pixel.

    Parameters
    ----------
    stack, noise, shape, scale, poisson, rows
        As in `mean`.

    Returns
    -------
    Combined
        Every sample counts as kept. Its variance is that of a mean times the efficiency of a median: pi / 2 for many
        frames.

    Raises
    ------
    BuildError
        As in `mean`.
    """
    frames = Stack.of(stack, noise, shape, scale)
    model = Model.of(frames, poisson)
    lost = efficiency.median(np.arange(len(frames.reads) + 1.0))

    def block(pixels: Pixels) -> Planes:
        values = widened(pixels)
        planes = average(values, ~np.isnan(values), frames.weights, model, medians(values))
        return planes.times((lost**2)[planes.counted])

    return _walk(frames, model, block, float(lost[-1]), 1.0, rows)


def _walk(
    frames: Stack,
    model: Model,
    block: Callable[[Pixels], Planes],
    lost: float,
    factor: float,
    rows: int | None,
) -> Combined:
    """Combine strip by strip."""
    image, variance, quality = (np.empty(frames.shape, dtype=np.float32) for _ in range(3))
    kept = np.empty(frames.shape, dtype=np.uint16)
    rejected = 0
    for strip in strips(frames.shape, len(frames.reads), rows):
        pixels = frames.load(strip.read)
        planes = block(pixels.reshape(len(pixels), -1))
        for plane, values in (
            (image, planes.image),
            (variance, factor * planes.variance),
            (quality, planes.quality),
            (kept, planes.kept),
        ):
            plane[strip.write] = values.reshape(pixels.shape[1:])
        rejected += int(planes.counted.sum() - planes.kept.sum())
    sigma = float(np.median(model.sigma(np.array([typical(image)]))))
    return Combined(image, variance, kept, rejected, lost, sigma, quality)


def _clip(values: Wide, clip: float, iterations: int) -> Mask:
    """Tell which samples of k pixels the iterated clip keeps."""
    ordered = np.sort(values, axis=0)
    count = np.count_nonzero(~np.isnan(values), axis=0)
    centre = middle(ordered, count)
    half = clip * 0.741301109252802 * (_quantile(ordered, count, 0.75) - _quantile(ordered, count, 0.25))
    kept = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        for _ in range(iterations):
            # the tolerance of a few roundings keeps samples that are all alike
            kept = np.abs(values - centre) <= half + 1e-14 * np.abs(centre)
            left = np.count_nonzero(kept, axis=0)
            centre = np.where(kept, values, 0.0).sum(axis=0) / left
            offsets = np.where(kept, values - centre, 0.0)
            half = clip * np.sqrt(np.einsum("ij,ij->j", offsets, offsets) / np.maximum(left - 1, 1))
    return kept


def _quantile(ordered: Wide, count: NDArray[np.intp], fraction: float) -> Wide:
    place = np.maximum(count - 1, 0) * fraction
    low = np.floor(place).astype(np.intp)
    both = np.take_along_axis(ordered, np.stack([low, np.minimum(low + 1, len(ordered) - 1)]), axis=0)
    part = place - low
    quantile: Wide = both[0] + np.where(part > 0.0, part * (both[1] - both[0]), 0.0)
    return quantile
