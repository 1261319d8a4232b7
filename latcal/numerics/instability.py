"""Find pixels that scatter from frame to frame more than their noise explains: those that jump (telegraph noise).

A cosmic ray hits a pixel once; a pixel that jumps is up in many frames. So of every pixel the highest samples are set
aside, as many as rays may have hit, and the scatter of the others is compared with what is left of Gaussian noise once
its highest samples are set aside.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.numerics.arrays import Mask, Pixels, Read, Wide
from latcal.numerics.scatter_limits import kept_variance, set_aside, smallest_limit
from latcal.numerics.stacks import Stack, positive, strips

FEWEST: Final = 3
"""Samples that must be left to tell anything."""

ROUNDED: Final = 0.7
"""Pixels with so much of the limit, all samples counted, are looked at in double precision."""


@frozen(eq=False)
class Instability:
    """What the frames of a stack say of each pixel, one beside the other.

    Parameters
    ----------
    unstable : (ny, nx) mask
        Never where fewer than `FEWEST` samples are left.
    missing : (ny, nx)
        In how many frames the pixel has no value: saturated there, as frames are read.
    """

    unstable: Mask
    missing: NDArray[np.uint16]


def find(
    stack: Sequence[Read],
    times: Sequence[float],
    noise: Sequence[float],
    shape: tuple[int, int],
    *,
    limit: float = 2.0,
    rows: int | None = None,
) -> Instability:
    """Find unstable pixels.

    A sample is expected to be ``t R`` with the variance ``noise^2 + t R``, R being fitted to the samples that are not
    set aside; unstable is ``sqrt(chi^2 / nu) > limit``, or more where so few frames would take good pixels for unstable
    (`scatter_limits.smallest_limit`): 2.5 for 10 frames, 3.6 for 5.

    Parameters
    ----------
    stack : sequence of Read of (ny, nx) [electron]
        Bias subtracted; NaN never counts.
    times : (n,) [s]
        Dark times; or, of flats, the level of each [electron], and R is the response.
    noise : (n,) [electron]
        The noise of a pixel of each frame, without that of its signal.
    shape : (ny, nx)
    limit : scalar
        Standard deviation over the expected one. The default is latcal's choice: it finds jumps of 60 electrons at a
        noise of 8 to 10, up in 30 to 70 % of 20 frames.
    rows : int or None
        Rows of a strip; changes the memory needed, never the result.

    Returns
    -------
    Instability

    Raises
    ------
    BuildError
        If there are no frames, or a time or a noise is not a positive number.

    References
    ----------
    David & Nagaraja 2003, *Order Statistics*, 2.1 and 2.4: below its highest samples a sample is a truncated one.
    """
    frames = Stack.of(stack, noise, shape)
    scatter = _Scatter(positive("time", times, len(stack))[:, None], frames.noise[:, None] ** 2, limit)
    unstable = np.zeros(shape, dtype=np.bool_)
    missing = np.zeros(shape, dtype=np.uint16)
    for strip in strips(shape, len(stack), rows):
        pixels = frames.load(strip.read)
        flat = pixels.reshape(len(pixels), -1)
        suspicious = scatter.suspicious(flat)
        values = flat[:, suspicious].astype(np.float64)
        values[~np.isfinite(values)] = np.nan
        unstable[strip.write].reshape(-1)[suspicious] = scatter.unstable(values)
        missing[strip.write].reshape(-1)[suspicious] = np.count_nonzero(np.isnan(values), axis=0)
    return Instability(unstable, missing)


@frozen(eq=False)
class _Scatter:
    """Times (n, 1) [s] and variances (n, 1) [electron^2] of frames, and the limit."""

    times: Wide
    floor: Wide
    limit: float

    def suspicious(self, flat: Pixels) -> NDArray[np.intp]:
        """Give the places of (n, k) pixels that may be unstable, and of all that lack a value.

        The sum of squares of all samples is no less than that of some of them, but for the variance that goes with R.
        """
        count = len(flat)
        weights = (self.times / self.floor / np.sum(self.times**2 / self.floor)).astype(np.float32)
        rate, squares = np.zeros((2, flat.shape[1]), dtype=np.float32)
        least = self._bounds(np.array([count]))[0]
        with np.errstate(invalid="ignore", over="ignore"):
            for plane, (weight,) in zip(flat, weights, strict=True):
                rate += weight * plane
            dark = np.maximum(rate, np.float32(0.0))
            for plane, (time,), (floor,) in zip(flat, self.times, self.floor, strict=True):
                offset = plane - np.float32(time) * rate
                offset *= offset
                offset /= np.float32(time) * dark + np.float32(floor)
                squares += offset
            return np.flatnonzero(~(squares <= np.float32(ROUNDED * least)))

    def unstable(self, values: Wide) -> Mask:
        """Tell which of k pixels are unstable, (n, k) samples."""
        count = np.count_nonzero(~np.isnan(values), axis=0)
        kept = ~np.isnan(values)
        for _ in range(2):  # the first R may be that of a ray
            _, pulls = self._fit(values, kept)
            kept = ~np.isnan(values)
            kept &= _ranks(pulls) >= _tabulated(set_aside, count)
        _, pulls = self._fit(values, kept)
        squares = np.where(kept, pulls * pulls, 0.0).sum(axis=0)
        found: Mask = squares > self._bounds(count)
        return found

    def _bounds(self, count: NDArray[np.intp]) -> Wide:
        """Give what the sum of squares of pixels with so many samples must exceed; infinite for too few."""

        def bound(frames: int) -> float:
            dropped = set_aside(frames)
            freedom = frames - dropped - 1
            if frames - dropped < FEWEST:
                return math.inf
            return freedom * kept_variance(frames, dropped) * max(self.limit, smallest_limit(freedom)) ** 2

        return _tabulated(bound, count)

    def _fit(self, values: Wide, kept: Mask) -> tuple[Wide, Wide]:
        """Fit R (k,) to the samples kept, and give how far all are off it, over their noise (n, k)."""
        inside = np.where(kept, values, 0.0)
        weights = np.where(kept, 1.0 / self.floor, 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            for _ in range(2):  # with the weights of no signal, then with those of the signal found
                rate = (self.times * weights * inside).sum(axis=0) / (self.times**2 * weights).sum(axis=0)
                variance = self.floor + self.times * np.maximum(rate, 0.0)
                weights = np.where(kept, 1.0 / variance, 0.0)
            return rate, (values - self.times * rate) / np.sqrt(variance)


def _ranks(values: Wide) -> NDArray[np.intp]:
    """Give the place of every sample of (n, k), the highest first; NaN last."""
    order = np.argsort(-values, axis=0, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.broadcast_to(np.arange(len(values))[:, None], values.shape), axis=0)
    return ranks


def _tabulated(function: Callable[[int], float], count: NDArray[np.intp]) -> Wide:
    """Apply a function to every one of many numbers, of which few differ."""
    numbers, places = np.unique(count, return_inverse=True)
    table: Wide = np.array([float(function(int(number))) for number in numbers])
    return table[places.reshape(count.shape)]
