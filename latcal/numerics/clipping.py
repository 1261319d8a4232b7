"""The iterated clip of the samples of each pixel, by the definition and, for nearly all of them, faster.

Samples in order of size make it fast: those between two limits are neighbours, so that their number and the sums of them
and of their squares are differences of two numbers; the limits of the next pass follow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import fields, frozen
from numpy.typing import NDArray

from latcal.numerics.arrays import Mask, Pixels, Wide
from latcal.numerics.averages import Model, Planes
from latcal.numerics.moments import SLACK, Moments
from latcal.numerics.ranks import middles, quantile, sorted_columns
from latcal.numerics.rejection import middle
from latcal.numerics.stacks import Stack
from latcal.numerics.statistics import QUARTILES_TO_SIGMA

NEAR = 1e-5
"""A sample this close to a limit, in units of it, is looked at again in float64: what float32 may be wrong by, many times."""

FAR = 100.0
"""Offsets beyond this many limits are looked at again as well."""


def clipped_samples(values: Wide, clip: float, iterations: int) -> Mask:
    """Tell which samples of k pixels the iterated clip keeps, by its definition.

    Parameters
    ----------
    values : (n, k) [any unit]
        NaN is never kept.
    clip : scalar, standard deviations
    iterations : int

    Returns
    -------
    (n, k) mask
        True where kept.
    """
    ordered = sorted_columns(values)
    count = np.count_nonzero(~np.isnan(values), axis=0)
    centre = middle(ordered, count)
    half = clip * QUARTILES_TO_SIGMA * (_quantile_of(ordered, count, 0.75) - _quantile_of(ordered, count, 0.25))
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


def _quantile_of(ordered: Wide, count: NDArray[np.intp], fraction: float) -> Wide:
    place = np.maximum(count - 1, 0) * fraction
    low = np.floor(place).astype(np.intp)
    both = np.take_along_axis(ordered, np.stack([low, np.minimum(low + 1, len(ordered) - 1)]), axis=0)
    part = place - low
    between: Wide = both[0] + np.where(part > 0.0, part * (both[1] - both[0]), 0.0)
    return between


@frozen
class Start:
    """Where the first pass begins, for k pixels: the median, and `clip` sigma by the quartiles."""

    centre: Pixels
    half: Pixels

    @classmethod
    def of(cls, ranks: list[Pixels], clip: float) -> Start:
        """Take it from samples in order."""

        def at(fraction: float) -> Pixels:
            low, high, part = quantile(len(ranks), fraction)
            between: Pixels = ranks[low] + np.float32(part) * (ranks[high] - ranks[low])
            return between

        below, above = middles(len(ranks))
        centre = np.float32(0.5) * (ranks[below] + ranks[above])
        return cls(centre, np.float32(clip * QUARTILES_TO_SIGMA) * (at(0.75) - at(0.25)))

    def at(self, places: NDArray[np.intp]) -> Start:
        """Give that of some pixels."""
        return Start(self.centre[places], self.half[places])

    def keeps_all(self, moments: Moments, ranks: list[Pixels], clip: float, iterations: int) -> Mask:
        """Tell where no pass rejects a sample: then all passes after the first are about the mean of all."""
        count = len(ranks)
        all_kept: Mask = np.maximum(ranks[-1] - self.centre, self.centre - ranks[0]) <= self.half / SLACK
        if iterations > 1:
            limit = np.sqrt(moments.variance)
            limit *= np.float32(clip * math.sqrt(count / max(count - 1, 1))) / SLACK
            all_kept &= np.maximum(ranks[-1] - moments.mean, moments.mean - ranks[0]) <= limit
        return all_kept


@frozen
class Window:
    """What the last pass keeps of k pixels.

    Parameters
    ----------
    low, high : (k,) [unit of the samples]
        Its limits.
    count : (k,)
    mean : (k,) [unit of the samples]
    variance : (k,) [unit^2]
        From n - 1; NaN where fewer than two are kept.
    doubtful : (k,) mask
        True where a sample was too close to a limit for float32 to tell.
    """

    low: Wide
    high: Wide
    count: NDArray[np.intp]
    mean: Wide
    variance: Wide
    doubtful: Mask

    @classmethod
    def of(cls, ordered: Pixels, start: Start, clip: float, iterations: int) -> Window:
        """Clip samples in order of size, (n, k); call it where numpy's errors are ignored."""
        sums = np.zeros((2, len(ordered) + 1, ordered.shape[1]))
        for place, plane in enumerate(ordered):
            np.add(sums[0, place], plane, out=sums[0, place + 1])
            np.add(sums[1, place], plane * plane, out=sums[1, place + 1])
        centre, half = start.centre.astype(np.float64), start.half.astype(np.float64)
        reach = NEAR * np.maximum(-ordered[0], ordered[-1])
        doubtful = ~np.isfinite(sums[1, -1])
        first = last = np.zeros(ordered.shape[1], dtype=np.intp)
        low = high = mean = variance = centre
        for _ in range(iterations):
            low, high, near = centre - half, centre + half, NEAR * half + reach
            first, last = _below(ordered, low - near), _below(ordered, high + near)
            doubtful |= (first != _below(ordered, low + near)) | (last != _below(ordered, high - near))
            count = last - first
            total, squares = (_at(part, last) - _at(part, first) for part in sums)
            mean = total / count
            variance = np.maximum(squares - total * mean, 0.0) / np.where(count > 1, count - 1, np.nan)
            centre, half = mean, clip * np.sqrt(np.where(count > 1, variance, 0.0))
        count = last - first
        # far from the reference, offsets were rounded: a cosmic ray is in the frame that they are from
        far = np.maximum(-_at(ordered, np.minimum(first, len(ordered) - 1)), _at(ordered, np.maximum(last - 1, 0))) > FAR * half
        return cls(low, high, count, mean, variance, doubtful | far | (count < 1))

    def at(self, places: Mask) -> Window:
        """Give that of some pixels."""
        return Window(*(getattr(self, part.name)[places] for part in fields(Window)))


def windowed(
    frames: Stack, model: Model, numbers: Sequence[NDArray[Any]], places: NDArray[np.intp], reference: Pixels, window: Window
) -> Planes:
    """Average what windows about a reference keep of some pixels of all frames, which count alike."""
    image = reference[places] + window.mean
    if np.ptp(model.floor) == 0.0 and np.ptp(model.slope) == 0.0:
        floor, slope = window.count * model.floor[0], window.count * model.slope[0]
    else:
        offsets = frames.chosen(numbers, places) - reference[places]
        kept = ((offsets >= window.low) & (offsets <= window.high)).astype(np.float64)
        floor, slope = (np.einsum("i,ij->j", part, kept) for part in (model.floor, model.slope))
    variance = (floor + slope * np.maximum(image, 0.0)) / window.count**2
    return Planes(image, variance, window.variance, window.count, np.full(places.size, len(numbers)))


def _below(ordered: Pixels, limit: Wide) -> NDArray[np.intp]:
    """Count the samples below a limit."""
    flags = (ordered < limit.astype(np.float32)).view(np.uint8)
    narrow = np.uint8 if len(ordered) < 256 else np.uint16
    below: NDArray[np.intp] = np.add.reduce(flags, axis=0, dtype=narrow).astype(np.intp)
    return below


def _at(planes: Pixels | Wide, place: NDArray[np.intp]) -> Wide:
    """Give of each column the value at its place."""
    values: Wide = planes.reshape(-1)[place * planes.shape[1] + np.arange(planes.shape[1])].astype(np.float64)
    return values
