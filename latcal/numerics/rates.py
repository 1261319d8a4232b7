"""Combine dark frames of different times into a rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.numerics.arrays import Mask, Pixels, Read, Wide
from latcal.numerics.growth import grown
from latcal.numerics.rejection import medians, within_noise
from latcal.numerics.stacks import Combined, Stack, positive, strips, typical

PASSES: Final = 2
"""How often the samples are tested, each time all of them; latcal's choice: the second starts from a clean rate."""

LONG: Final = 0.5
"""The first rate is the median of frames at least this part as long as the longest; latcal's choice."""

FEWEST_LONG: Final = 3
"""And of no fewer frames than this, so that one cosmic ray does not decide."""


def rate(
    stack: Sequence[Read],
    times: Sequence[float],
    noise: Sequence[float],
    shape: tuple[int, int],
    *,
    clip: float = 5.0,
    grow: int = 1,
    rows: int | None = None,
) -> Combined:
    """Take the weighted mean rate of dark frames, without cosmic rays.

    ``R = sum(w D / t) / sum(w)`` with ``w = t^2 / (noise^2 + d t)``, d being the rate where it is positive, so that
    a long frame counts by what it knows. Samples are tested on ``z = (D - t R) / sigma``, from either side, never on
    rates: the short frames would be half rejected. The first R is the median of the long frames; as far as `t` times its
    own error exceeds sigma, that error is the scale of the first test, or a long frame would be judged by what a short
    one knows. What is rejected is grown within its frame.

    Parameters
    ----------
    stack : sequence of Read of (ny, nx) [electron]
        Bias subtracted; NaN never counts.
    times : (n,) [s]
        Dark times, which are not exposure times.
    noise : (n,) [electron]
        The noise of a pixel of each frame, without that of its dark signal.
    shape : (ny, nx)
    clip : scalar, standard deviations
        The default is latcal's choice (docs/physics.md).
    grow : int [pixel]
        The default is latcal's choice (docs/physics.md).
    rows : int or None
        Rows of a strip; changes the memory needed, never the result.

    Returns
    -------
    Combined
        In electron / s; its variance is ``1 / sum(w)`` over the samples kept.

    Raises
    ------
    BuildError
        If there are no frames, or a time or a noise is not a positive number.
    """
    frames = Stack.of(stack, noise, shape)
    darks = _Darks(positive("dark time", times, len(stack)), frames.noise**2, clip, grow)
    image, variance, quality = (np.empty(shape, dtype=np.float32) for _ in range(3))
    kept, left_out = np.empty(shape, dtype=np.uint16), np.zeros(shape, dtype=np.bool_)
    rejected = 0
    # a rejection reaches `grow` rows, and one that follows from it as many again
    for strip in strips(shape, len(stack), rows, margin=PASSES * grow):
        pixels = frames.load(strip.read)
        estimate, dropped = darks.combine(pixels)
        for plane, values in zip((image, variance, quality), estimate.planes(), strict=True):
            plane[strip.write] = values.reshape(pixels.shape[1:])[strip.inner]
        kept[strip.write] = estimate.kept.reshape(pixels.shape[1:])[strip.inner]
        less = dropped[:, strip.inner] & np.isfinite(pixels[:, strip.inner])
        left_out[strip.write] = less.any(axis=0)
        rejected += int(np.count_nonzero(less))
    sigma = float(np.median(np.sqrt(darks.floor + max(typical(image), 0.0) * darks.times) / darks.times))
    return Combined(image, variance, kept, rejected, 1.0, sigma, quality, left_out if rejected else None)


@frozen
class _Estimate:
    """Rates of k pixels, their variances, reduced sums of squares, and counts of samples kept."""

    rate: Wide
    variance: Wide
    quality: Wide
    kept: NDArray[np.intp]

    def planes(self) -> tuple[Wide, Wide, Wide]:
        return self.rate, self.variance, self.quality

    def put(self, places: NDArray[np.intp], better: _Estimate) -> None:
        for plane, values in zip(self.planes(), better.planes(), strict=True):
            plane[places] = values
        self.kept[places] = better.kept


@frozen
class _Darks:
    """Times (n,) [s] and variances (n,) [electron^2] of dark frames, and how they are clipped."""

    times: Wide
    floor: Wide
    clip: float
    grow: int

    def combine(self, pixels: Pixels) -> tuple[_Estimate, Mask]:
        """Combine (n, rows, nx) samples; give also which of them were dropped."""
        flat = pixels.reshape(len(pixels), -1)
        dropped = np.zeros(pixels.shape, dtype=np.bool_)
        flat_dropped = dropped.reshape(flat.shape)
        estimate, suspicious = self._plain(flat)
        values = flat[:, suspicious].astype(np.float64)
        current = self._first(values)
        doubt = self._doubt(values, current)
        for _ in range(PASSES):
            sigma = np.maximum(self._sigma(current), self.times[:, None] * doubt)
            kept = within_noise(values, self.times[:, None] * current, sigma, self.clip)
            flat_dropped[...] = False
            flat_dropped[:, suspicious] = np.isfinite(values) & ~kept
            for index in np.flatnonzero(flat_dropped[:, suspicious].any(axis=1)):
                dropped[index] = grown(dropped[index], self.grow)
            touched = np.flatnonzero(flat_dropped.any(axis=0))
            suspicious = np.union1d(suspicious, touched)
            values = flat[:, suspicious].astype(np.float64)
            usable = np.isfinite(values) & ~flat_dropped[:, suspicious]
            better = self._estimate(values, usable)
            estimate.put(suspicious, better)
            current, doubt = better.rate, np.zeros(suspicious.size)
        return estimate, dropped

    def _sigma(self, rate: Wide) -> Wide:
        """Give the noise of each frame at pixels of these rates, (n, k) [electron]."""
        noise: Wide = np.sqrt(self.floor[:, None] + self.times[:, None] * np.maximum(rate, 0.0))
        return noise

    def _doubt(self, values: Wide, first: Wide) -> Wide:
        """Give the standard deviation of the first rate, (k,) [electron / s].

        latcal's choice: the median of the errors of what it is the median of, times ``sqrt(pi / 2m)`` as for m that are
        alike; by Monte Carlo 0.75 to 1.7 of the true one.
        """
        used = np.isfinite(values)
        long = np.zeros((self.times.size, 1), dtype=np.bool_)
        long[self._long()] = True
        used &= long | ~(used & long).any(axis=0)
        errors = np.where(used, self._sigma(first) / self.times[:, None], np.nan)
        few = np.sqrt(0.5 * math.pi / np.maximum(np.count_nonzero(used, axis=0), 1))
        doubt: Wide = np.minimum(1.0, few) * medians(errors)
        return doubt

    def _long(self) -> NDArray[np.intp]:
        """Give the frames that the first rate is taken from: all that are as long as one of them."""
        least = np.sort(self.times)[-min(FEWEST_LONG, self.times.size)]
        return np.flatnonzero(self.times >= min(LONG * self.times.max(), least))

    def _first(self, values: Wide) -> Wide:
        """Give the median rate of the long frames; of all frames where these have no value."""
        long = self._long()
        rates = np.where(np.isfinite(values), values, np.nan) / self.times[:, None]
        first = medians(rates[long])
        return np.where(np.isnan(first), medians(rates), first)

    def _estimate(self, values: Wide, usable: Mask) -> _Estimate:
        """Average usable samples: with the weights of no signal first, then with those of the rate found."""
        times = self.times[:, None]
        inside = np.where(usable, values, 0.0)
        precision = np.where(usable, 1.0 / self.floor[:, None], 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            guess = (times * precision * inside).sum(axis=0) / (times**2 * precision).sum(axis=0)
            precision = np.where(usable, 1.0 / (self.floor[:, None] + times * np.maximum(guess, 0.0)), 0.0)
            variance = 1.0 / (times**2 * precision).sum(axis=0)
            found = (times * precision * inside).sum(axis=0) * variance
            count = np.count_nonzero(usable, axis=0)
            found, variance = (np.where(count > 0, part, np.nan) for part in (found, variance))
            squares = (precision * np.where(usable, values - times * found, 0.0) ** 2).sum(axis=0)
            quality = squares * variance * count / np.where(count > 1, count - 1, np.nan)
        return _Estimate(found, variance, quality, count)

    def _plain(self, flat: Pixels) -> tuple[_Estimate, NDArray[np.intp]]:
        """Average all samples, and tell in which pixels one of them may be out of limits.

        As in `_estimate`, frame by frame. The median rate of the long frames is within one standard deviation of their
        mean: a pixel is innocent if all samples are within limits of that mean less as much, and of the result.
        """
        size = flat.shape[1]
        total, weight, squares = np.zeros(size), float((self.times**2 / self.floor).sum()), np.zeros(size)
        with np.errstate(invalid="ignore", over="ignore"):
            for plane, time, floor in zip(flat, self.times, self.floor, strict=True):
                total += plane * (time / floor / weight)
            dark = np.maximum(total, 0.0).astype(np.float32)
            found, precision = np.zeros(size), np.zeros(size)
            for plane, time, floor in zip(flat, self.times, self.floor, strict=True):
                inverse = np.float32(time) / (np.float32(time) * dark + np.float32(floor))
                precision += inverse * np.float32(time)
                found += inverse * plane
            found /= precision
            suspicious = self._beyond(flat, *self._long_rates(flat)) | self._beyond(flat, found, None)
            for plane, time, floor in zip(flat, self.times, self.floor, strict=True):
                offset = plane - np.float32(time) * found.astype(np.float32)
                squares += offset * offset / (np.float32(time) * dark + np.float32(floor))
            count = len(flat)
            quality = squares / precision * (count / (count - 1) if count > 1 else np.nan)
            estimate = _Estimate(found, 1.0 / precision, quality, np.full(size, count, dtype=np.intp))
        return estimate, np.flatnonzero(suspicious)

    def _long_rates(self, flat: Pixels) -> tuple[Wide, Pixels]:
        """Give mean and standard deviation of the rates of the long frames."""
        long = self._long()
        total = np.zeros(flat.shape[1])
        squares = np.zeros(flat.shape[1], dtype=np.float32)
        for index in long:
            total += flat[index] * np.float32(1.0 / self.times[index])
        total /= long.size
        for index in long:
            squares += (flat[index] * np.float32(1.0 / self.times[index]) - total.astype(np.float32)) ** 2
        return total, np.sqrt(squares / np.float32(long.size))

    def _beyond(self, flat: Pixels, centre: Wide, spread: Pixels | None) -> Mask:
        """Tell in which pixels a sample may be out of limits about a rate within `spread` of `centre`."""
        near = centre.astype(np.float32)
        # more by what float32 may round
        margin = np.float32(1.0001) * (0.0 if spread is None else spread) + np.float32(1e-6) * np.abs(near)
        dark = np.maximum(near - margin, np.float32(0.0))
        beyond: Mask = np.zeros(flat.shape[1], dtype=np.bool_)
        for plane, time, floor in zip(flat, self.times, self.floor, strict=True):
            reach = np.abs(plane - np.float32(time) * near) + np.float32(time) * margin
            limit = np.float32(self.clip**2 * time) * dark + np.float32(self.clip**2 * floor)
            beyond |= ~(reach * reach <= limit)
        return beyond
