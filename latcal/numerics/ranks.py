"""Rank the samples of a strip, pixel by pixel, with what they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.numerics.arrays import Pixels, Wide
from latcal.numerics.moments import Moments
from latcal.numerics.networks import Pair, network, ordered
from latcal.numerics.stacks import Stack


def middles(count: int) -> tuple[int, int]:
    """Give the ranks whose mean is the median."""
    return (count - 1) // 2, count // 2


def quantile(count: int, fraction: float) -> tuple[int, int, float]:
    """Give the ranks between which a quantile lies, and how far it is from the first to the second."""
    place = (count - 1) * fraction
    low = int(place)
    return low, min(low + 1, count - 1), place - low


@frozen(eq=False)
class Ranking:
    """Ranks strips of a stack, all of them in the same memory: what it gives holds until the next."""

    frames: Stack
    pairs: tuple[Pair, ...]
    planes: Pixels
    offsets: Pixels

    @classmethod
    def of(cls, frames: Stack, wanted: Iterable[int], size: int) -> Ranking:
        """Allocate what strips of up to `size` pixels need, to find the wanted ranks."""
        count = len(frames.reads)
        return cls(
            frames,
            network(count, wanted),
            np.empty((6, size), dtype=np.float32),
            np.empty((count, size), dtype=np.float32),
        )

    def __call__(self, numbers: Sequence[NDArray[Any]]) -> tuple[Moments, list[Pixels]]:
        """Give moments and ranked offsets of n of (k,) numbers; a pixel with NaN has a NaN mean, and ranks in disorder."""
        size, count = numbers[0].size, len(numbers)
        reference, mean, variance, *_ = self.planes[:, :size]
        self.frames.reference(numbers[0], 0, reference)
        offsets = self.offsets[:, :size]
        for index, row in enumerate(offsets):
            self.frames.offsets(numbers[index], index, reference, row)
        np.add.reduce(offsets, axis=0, out=mean)
        np.einsum("ij,ij->j", offsets, offsets, out=variance)
        mean *= np.float32(1.0 / count)
        variance *= np.float32(1.0 / count)
        variance -= np.multiply(mean, mean, out=self.planes[3, :size])
        np.maximum(variance, np.float32(0.0), out=variance)
        return Moments(reference, mean, mean, variance, (), self.planes[3:, :size]), ordered(offsets, self.pairs)


def sorted_columns(values: Wide) -> Wide:
    """Sort columns; NaN comes last, as infinity.

    Parameters
    ----------
    values : (n, k) [any unit]

    Returns
    -------
    (n, k) [the same unit]
    """
    planes = np.where(np.isnan(values), np.inf, values)
    return np.stack(ordered(planes, network(len(values), range(len(values)))))
