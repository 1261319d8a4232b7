"""Sum up a strip of many frames in one pass, and tell which pixels could have a sample out of limits.

What makes it fast: a strip of one frame is small enough to stay in the cache of a processor. Its numbers are taken from the
file as they are and in one walk made float32 offsets from a reference, the first frame: so sums of them and of
their squares can be in float32, half of the memory of float64, and lose nothing. Over frames of nearly the same noise the
greatest and the least offset tell whether any sample is out of limits: no frame is compared with a limit one by one. Only
the few pixels where one may be are looked at again, in float64, by the definition.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.numerics.arrays import Pixels, Wide
from latcal.numerics.averages import Model
from latcal.numerics.stacks import Stack

LIKE: Final = 1.1
"""Frames whose variances differ by no more are of like noise, and tested by the least of them; for speed only."""

AT_ONCE: Final = 2_500_000
"""Bytes of offsets held at once; latcal's choice, measured: more would leave the cache between two sums."""

SLACK: Final = np.float32(1.001)
"""What sums in float32 may be wrong by, many times over; it makes some more pixels suspicious, and changes no result."""


@frozen
class Alike:
    """Frames of like noise, by their places, and the least variance of a sample of any: ``floor + slope * level``."""

    places: tuple[int, ...]
    floor: float
    slope: float


def alike(model: Model) -> tuple[Alike, ...]:
    """Part frames into groups of like noise."""
    groups: list[list[int]] = []
    for place in np.lexsort((model.slope, model.floor)).tolist():
        near = groups and all(
            part[[*groups[-1], place]].max() <= LIKE * part[[*groups[-1], place]].min() for part in (model.floor, model.slope)
        )
        if near:
            groups[-1].append(place)
        else:
            groups.append([place])
    return tuple(
        Alike(tuple(places), float(model.floor[places].min()), float(model.slope[places].min())) for places in groups
    )


@frozen(eq=False)
class Moments:
    """What k pixels of n frames add up to; NaN where a sample has no value.

    Parameters
    ----------
    reference : (k,) [unit of the frames]
        What offsets are from.
    mean : (k,) [unit of the frames]
        Of the offsets, by weight.
    centre : (k,) [unit of the frames]
        Of the offsets, all alike; the same array where weights are.
    variance : (k,) [unit^2]
        Of the samples, from n.
    extremes : sequence of (Alike, (k,), (k,)) [unit of the frames]
        The least and the greatest offset of frames of like noise.
    spare : (3, k)
        For what is worked out of these: fresh memory would be fetched, and given back, for each strip.
    """

    reference: Pixels
    mean: Pixels
    centre: Pixels
    variance: Pixels
    extremes: Sequence[tuple[Alike, Pixels, Pixels]]
    spare: Pixels

    def suspicious(self, clip: float) -> NDArray[np.intp]:
        """Give the pixels where a sample may be further than its limit from the median, which is not known.

        The median is within one standard deviation of the mean. A pixel all samples of which are within their limits of
        the mean less that much is innocent; the rest, and all with NaN, are suspicious.
        """
        spread, reach, level = self.spare
        np.sqrt(self.variance, out=spread)
        spread *= SLACK
        innocent = np.ones(spread.size, dtype=np.bool_)
        for group, least, greatest in self.extremes:
            np.maximum(np.subtract(greatest, self.centre, out=reach), np.subtract(self.centre, least, out=level), out=reach)
            reach += spread
            if group.slope:
                np.add(self.reference, self.centre, out=level)
                level -= spread
                np.maximum(level, np.float32(0.0), out=level)
                level *= np.float32(clip * clip * group.slope)
                level += np.float32(clip * clip * group.floor)
                innocent &= reach <= np.sqrt(level, out=level)
            else:
                innocent &= reach <= np.float32(clip * group.floor**0.5)
        return np.flatnonzero(~innocent)


@frozen(eq=False)
class Summing:
    """Sums up strips of a stack, all of them in the same memory: moments hold until the next.

    `planes` are the reference, the sum, the weighted sum, the sum of squares, three to spare, and two for each group.
    """

    frames: Stack
    groups: tuple[Alike, ...]
    weighted: bool
    planes: Pixels
    offsets: Pixels

    @classmethod
    def of(cls, frames: Stack, groups: tuple[Alike, ...], size: int) -> Summing:
        """Allocate what strips of up to `size` pixels need."""
        most = min(max(len(group.places) for group in groups), max(AT_ONCE // (4 * size), 1))
        planes = np.empty((7 + 2 * len(groups), size), dtype=np.float32)
        weighted = bool(np.ptp(frames.weights) != 0.0)
        return cls(frames, groups, weighted, planes, np.empty((most, size), dtype=np.float32))

    def __call__(self, numbers: Sequence[NDArray[Any]]) -> Moments:
        """Sum up the numbers of all frames, n of (k,); call it where numpy's errors are ignored."""
        size, count = numbers[0].size, len(numbers)
        reference, total, heavy, squares, spare, _, _, *ends = self.planes[:, :size]
        first = self.groups[0].places[0]
        self.frames.reference(numbers[first], first, reference)
        shares: Wide = self.frames.weights / self.frames.weights.sum()
        for sums in (total, heavy, squares):
            sums[...] = 0.0
        extremes = []
        for group, least, greatest in zip(self.groups, ends[::2], ends[1::2], strict=True):
            least[...], greatest[...] = np.inf, -np.inf
            for start in range(0, len(group.places), len(self.offsets)):
                places = group.places[start : start + len(self.offsets)]
                offsets = self.offsets[: len(places), :size]
                for row, place in zip(offsets, places, strict=True):
                    self.frames.offsets(numbers[place], place, reference, row)
                total += np.add.reduce(offsets, axis=0, out=spare)
                np.maximum(greatest, np.maximum.reduce(offsets, axis=0, out=spare), out=greatest)
                np.minimum(least, np.minimum.reduce(offsets, axis=0, out=spare), out=least)
                squares += np.einsum("ij,ij->j", offsets, offsets, out=spare)
                if self.weighted:
                    offsets *= shares[list(places), None].astype(np.float32)
                    heavy += np.add.reduce(offsets, axis=0, out=spare)
            extremes.append((group, least, greatest))
        total *= np.float32(1.0 / count)
        squares *= np.float32(1.0 / count)
        squares -= np.multiply(total, total, out=spare)
        np.maximum(squares, np.float32(0.0), out=squares)
        return Moments(reference, heavy if self.weighted else total, total, squares, extremes, self.planes[4:7, :size])
