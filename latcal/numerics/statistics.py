"""Clipped means and standard deviations of many pixels, and what clipping does to them."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.numerics.arrays import Mask, Pixels, Wide

QUARTILES_TO_SIGMA: Final = 0.741301109252802
"""The standard deviation of a Gaussian over the distance between its quartiles."""

ENOUGH: Final = 2**16
"""From so many values the quartiles that a clip starts from are taken, evenly spread over all; latcal's choice."""

AT_ONCE: Final = 2**16
"""Values worked on at a time: in double precision they stay in a processor's cache, and calls of numpy do not count."""

INNER: Final = 0.7
"""Values within this part of the first window are taken to be in every later one, which is checked; for speed."""


@frozen
class Clipped:
    """Mean and standard deviation of what a clip has kept.

    Parameters
    ----------
    mean : scalar [unit of the pixels]
        NaN where there was no value at all.
    sigma : scalar [unit of the pixels]
        From n - 1; NaN where fewer than two values were kept.
    kept : int
    """

    mean: float
    sigma: float
    kept: int


def clipped(pixels: Pixels, *, clip: float = 5.0, iterations: int = 3) -> Clipped:
    """Clip about the mean a fixed number of times.

    The first pass starts from the median and the quartiles, the later ones from the mean and standard deviation
    of the pass before. Each pass starts again from all pixels; there is no convergence test. Of twice `ENOUGH` values
    and more, the median and the quartiles are those of an even choice of them, good to 0.5 % of a standard deviation: at
    5 sigma that is one in 10^7 of the samples in the first window, and no more than rounding after the third.

    Parameters
    ----------
    pixels : any shape [any unit]
        NaN and infinite values are ignored.
    clip : scalar, standard deviations
        The default of 5 is latcal's choice (docs/physics.md); the Rubin pipelines use 3.
    iterations : int
        The default is that of the Rubin pipelines.

    Returns
    -------
    Clipped

    References
    ----------
    The definition is that of the Rubin ``afw.math`` statistics, as told in docs/physics.md.
    """
    return _clip(_values(pixels), clip, iterations)[1]


def clipped_and_whole(pixels: Pixels, left_out: Mask) -> tuple[Clipped, Clipped]:
    """Clip as `clipped` does by default, and give, from the same sums, mean and standard deviation without some pixels.

    Parameters
    ----------
    pixels : (ny, nx) [any unit]
        NaN and infinite values are ignored.
    left_out : (ny, nx) mask
        True where a pixel does not count in the second; few, for they are looked at one by one.

    Returns
    -------
    clipped, whole : Clipped
        The second is what `unclipped` gives, but for rounding.
    """
    values = _values(pixels)
    parts, found = _clip(values, clip=5.0, iterations=3)
    mask = left_out.reshape(-1)
    if values.size < pixels.size:
        mask = mask[np.isfinite(pixels.reshape(-1))]
    whole = parts.without(mask)
    return found, Clipped(parts.middle + whole.mean, whole.sigma, whole.kept)


def _clip(values: Pixels | Wide, clip: float, iterations: int) -> tuple[_Parts, Clipped]:
    """Clip finite values; give their sums, too."""
    if not values.size:
        return _Parts.of(values, math.nan, math.nan), Clipped(math.nan, math.nan, 0)
    step = max(values.size // ENOUGH, 1) | 1  # odd, so that columns of an even width all count
    low, middle, high = _quartiles(values[::step])
    centre, half = 0.0, clip * QUARTILES_TO_SIGMA * (high - low)
    parts = _Parts.of(values, middle, INNER * half)
    found = Clipped(math.nan, math.nan, 0)
    for _ in range(iterations):
        # the tolerance of a few roundings keeps samples that are all alike
        half += 1e-14 * abs(centre)
        found = parts.within(centre - half, centre + half)
        if found.kept < 2:
            break
        centre, half = found.mean, clip * found.sigma
    return parts, Clipped(middle + found.mean, found.sigma, found.kept)


@frozen(eq=False)
class _Parts:
    """Values about their median: those far within every window as sums, the others one by one."""

    values: Pixels | Wide
    middle: float
    bound: float
    count: int
    total: float
    squares: float
    outer: Wide
    places: NDArray[np.intp]

    @classmethod
    def of(cls, values: Pixels | Wide, middle: float, bound: float) -> _Parts:
        total, squares, outer, places = 0.0, 0.0, [np.empty(0)], [np.empty(0, dtype=np.intp)]
        for start in range(0, values.size, AT_ONCE):
            part = values[start : start + AT_ONCE]
            offsets = np.subtract(part, middle, dtype=np.float64)
            if float(part.max()) - middle > bound or middle - float(part.min()) > bound:
                outside = np.flatnonzero(np.abs(offsets) > bound)
                outer.append(offsets[outside])
                places.append(outside + start)
                offsets[outside] = 0.0
            total += float(offsets.sum())
            # not offsets @ offsets: BLAS would sum on threads of its own, slower and differently from run to run
            squares += float(np.einsum("i,i->", offsets, offsets))
        beyond = np.concatenate(outer)
        return cls(values, middle, bound, values.size - beyond.size, total, squares, beyond, np.concatenate(places))

    def without(self, left_out: Mask) -> Clipped:
        """Give mean and standard deviation of all values but those of a mask."""
        gone = np.subtract(self.values[np.flatnonzero(left_out)], self.middle, dtype=np.float64)
        gone, more = gone[np.abs(gone) <= self.bound], self.outer[~left_out[self.places]]
        total = self.total + float(more.sum()) - float(gone.sum())
        squares = self.squares + float(np.einsum("i,i->", more, more)) - float(np.einsum("i,i->", gone, gone))
        return _moments(self.count + more.size - gone.size, total, squares)

    def within(self, low: float, high: float) -> Clipped:
        """Give mean and standard deviation of what lies in a window, both ends included."""
        inner = low <= -self.bound <= self.bound <= high
        more = self.outer if inner else np.subtract(self.values, self.middle, dtype=np.float64)
        more = more[(more >= low) & (more <= high)]
        total, squares = float(more.sum()), float(np.einsum("i,i->", more, more))
        if inner:
            return _moments(self.count + more.size, self.total + total, self.squares + squares)
        return _moments(more.size, total, squares)


def _moments(count: int, total: float, squares: float) -> Clipped:
    if not count:
        return Clipped(math.nan, math.nan, 0)
    mean = total / count
    sigma = math.sqrt(max(squares - mean * total, 0.0) / (count - 1)) if count > 1 else math.nan
    return Clipped(mean, sigma, count)


def unclipped(pixels: Pixels, left_out: Mask) -> tuple[float, float]:
    """Give mean and standard deviation of pixels, not clipped.

    Parameters
    ----------
    pixels : (ny, nx) [any unit]
        NaN and infinite values are ignored.
    left_out : (ny, nx) mask
        True where a pixel does not count.

    Returns
    -------
    mean, sigma : scalar [unit of the pixels]
        Sigma from n - 1; NaN where there are too few values.
    """
    used = np.isfinite(pixels)
    used &= ~left_out
    count = int(np.count_nonzero(used))
    if not count:
        return math.nan, math.nan
    values = pixels.reshape(-1) if count == pixels.size else pixels[used]
    pivot = float(values[values.size // 2])
    total, squares = 0.0, 0.0
    for start in range(0, values.size, AT_ONCE):
        offsets = np.subtract(values[start : start + AT_ONCE], pivot, dtype=np.float64)
        total += float(offsets.sum())
        squares += float(np.einsum("i,i->", offsets, offsets))
    found = _moments(count, total, squares)
    return pivot + found.mean, found.sigma


def level(pixels: Pixels) -> float:
    """Give the level of an amplifier: its mean clipped at 5 sigma, 3 times.

    Parameters
    ----------
    pixels : any shape [any unit]
        NaN is ignored.

    Returns
    -------
    scalar [unit of the pixels]
        NaN where there was no value.
    """
    return clipped(pixels).mean


def quartile_sigma(pixels: Pixels | Wide) -> float:
    """Estimate a Gaussian standard deviation from the quartiles.

    Parameters
    ----------
    pixels : any shape [any unit]
        NaN is ignored.

    Returns
    -------
    scalar [unit of the pixels]
        NaN where there was no value.
    """
    values = _values(pixels)
    if not values.size:
        return math.nan
    low, _, high = _quartiles(values)
    return QUARTILES_TO_SIGMA * (high - low)


def clip_factor(clip: float) -> float:
    """Give the factor that restores the variance of a clipped Gaussian.

    Parameters
    ----------
    clip : scalar, standard deviations

    Returns
    -------
    scalar
        True variance over the variance of what lies within ± `clip`: 1.028 at 3, 1.000015 at 5.

    References
    ----------
    Johnson, Kotz & Balakrishnan 1994, *Continuous Univariate Distributions* 1, 13.10 (truncated normal).
    """
    inside = math.erf(clip / math.sqrt(2.0))
    density = math.exp(-0.5 * clip * clip) / math.sqrt(2.0 * math.pi)
    return 1.0 / (1.0 - 2.0 * clip * density / inside)


def _values(pixels: Pixels | Wide) -> Pixels | Wide:
    """Give the finite pixels in one row, not copied where all are finite."""
    values = pixels.reshape(-1)
    finite = np.isfinite(values)
    return values if finite.all() else values[finite]


def _quartiles(values: Pixels | Wide) -> tuple[float, float, float]:
    """Give the quartiles of finite values, interpolated between neighbours."""
    last = values.size - 1
    places = [last * fraction for fraction in (0.25, 0.5, 0.75)]
    ordered = np.sort(values)  # vectorised: twice as fast as a partition of so few values

    def at(place: float) -> float:
        below, above = float(ordered[math.floor(place)]), float(ordered[math.ceil(place)])
        return below + (place - math.floor(place)) * (above - below)

    low, middle, high = (at(place) for place in places)
    return low, middle, high
