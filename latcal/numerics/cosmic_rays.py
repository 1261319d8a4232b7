"""Find cosmic rays in one image, and measure its noise without them.

A cosmic ray is narrow: it stands out above the median of the 9 x 9 pixels around it, and nowhere covers a square of
4 x 4 pixels. So neither an illumination that varies nor a warm region is one. Only pixels that exceed one of four
neighbours 4 pixels away are looked at closely, so that the cost grows with the number of candidates.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.numerics.arrays import Mask, Pixels
from latcal.numerics.growth import grown
from latcal.numerics.statistics import unclipped

REACH: Final = 4
"""Half of the window of the local background: 9 x 9 pixels hold a track 3 wide and leave the median below 1 sigma."""

WIDEST: Final = 4
"""What fills a square of this many pixels at half of its height is not a cosmic ray; latcal's choice."""

TAIL: Final = 3.0
"""Neighbours of a cosmic ray belong to it above this many sigma; latcal's choice."""

MARGIN: Final = 1.0
"""Candidates are chosen this many sigma below the threshold, as their neighbours are noisy too."""

WALKED: Final = 65_536
"""Pixels in which candidates are looked for at a time; latcal's choice, measured: what is made of them stays in the cache."""

AT_ONCE: Final = 20_000
"""Candidates looked at in one go: it bounds memory (9 x 9 float32 each)."""

SPREAD: Final = 0.02
"""How far below the given noise `search` tells what would be found; latcal's choice: the noise of one frame is known to 0.5 %."""

NEAR: Final = 0.97
"""Only what stands out by this part of a threshold is looked at to the last bit; below 1 - `SPREAD`."""

ROUNDING: Final = 1e-5
"""By what part of itself the range of `Found` is narrower than what comparisons say; latcal's choice, a hundred times what float32 rounds."""

Places = NDArray[np.intp]


@frozen
class Found:
    """Cosmic rays, and for which noise these very ones are found.

    Parameters
    ----------
    mask : (ny, nx) mask
        True on cosmic rays.
    least, most : scalar, in units of the noise that was given
        Between these, the same pixels are found.
    """

    mask: Mask
    least: float
    most: float


def find(pixels: Pixels, sigma: float | Pixels, *, threshold: float = 6.0, grow: int = 1) -> Mask:
    """Find cosmic rays: narrow tracks of positive signal.

    Parameters
    ----------
    pixels : (ny, nx) [electron]
        NaN is never a cosmic ray, nor part of a background.
    sigma : scalar or (ny, nx) [electron]
        The noise of one pixel.
    threshold : scalar, in units of `sigma`
        What the peak of a track stands out by. The default is latcal's choice (docs/physics.md).
    grow : int [pixel]
        How far the mask is grown after the tails were joined. The default is latcal's choice: growth 0 leaves
        enough charge beside the tracks to fail amplifiers.

    Returns
    -------
    (ny, nx) mask
        True on cosmic rays.
    """
    return search(pixels, sigma, threshold=threshold, grow=grow).mask


def search(pixels: Pixels, sigma: float | Pixels, *, threshold: float = 6.0, grow: int = 1) -> Found:
    """Find cosmic rays, and tell for which other noise the same would be found.

    The noise enters by comparisons alone. Every pixel that was compared says where its comparison would turn out
    otherwise; while none does, nothing else changes.

    Parameters
    ----------
    pixels, sigma, threshold, grow
        As in `find`, defaults too.

    Returns
    -------
    Found
        With a mask that is that of `find`.
    """
    image = _Image.of(pixels, sigma)
    mask = np.zeros(pixels.shape, dtype=np.bool_)
    flat = mask.reshape(-1)
    places, above = image.candidates((1.0 - SPREAD) * (threshold - MARGIN))
    chosen = ~(above <= np.float32(threshold - MARGIN) * image.noise(places))
    with np.errstate(divide="ignore", invalid="ignore"):
        from_neighbours = np.nan_to_num(above / ((threshold - MARGIN) * image.noise(places)), nan=np.inf)
    fresh, stood = image.standing(places, threshold)
    fresh, turns = fresh[chosen[np.isin(places, fresh)]], np.minimum(stood, from_neighbours)
    least, most = _between(turns, 1.0 - SPREAD, np.inf)
    while fresh.size:
        flat[fresh] = True
        around = image.neighbours(fresh)
        fresh, turns = image.standing(around[~flat[around]], TAIL)
        least, most = _between(turns, least, most)
    return Found(grown(mask, grow) if mask.any() else mask, least, most)


def clean(pixels: Pixels, mask: Mask) -> Pixels:
    """Replace masked pixels by NaN, which statistics ignore.

    Parameters
    ----------
    pixels : (ny, nx) [any unit]
    mask : (ny, nx)
        True where the pixel is to go.

    Returns
    -------
    (ny, nx) [the same unit]
        A new array.
    """
    return np.where(mask, np.float32(np.nan), pixels)


def cleaned_sigma(
    pixels: Pixels, sigma_model: float | Pixels, *, threshold: float = 6.0, grow: int = 1
) -> tuple[float, int]:
    """Measure the standard deviation, not clipped, without cosmic rays.

    Parameters
    ----------
    pixels : (ny, nx) [electron]
        NaN is ignored.
    sigma_model : scalar or (ny, nx) [electron]
        The noise that cosmic rays are told from.
    threshold, grow
        As in `find`, defaults too.

    Returns
    -------
    sigma : scalar [electron]
        From n - 1; NaN where fewer than two pixels are left.
    masked : int
        How many pixels were taken as cosmic rays.
    """
    mask = find(pixels, sigma_model, threshold=threshold, grow=grow)
    _, noise = unclipped(pixels, mask)
    return noise, int(np.count_nonzero(mask))


@frozen
class _Image:
    """Pixels with a frame of NaN around them, NaN where they are infinite, and their noise."""

    padded: Pixels
    sigma: Pixels

    @classmethod
    def of(cls, pixels: Pixels, sigma: float | Pixels) -> _Image:
        height, width = pixels.shape
        padded = np.empty((height + 2 * REACH, width + 2 * REACH), dtype=np.float32)
        for edge in (padded[:REACH], padded[-REACH:], padded[:, :REACH], padded[:, -REACH:]):
            edge[:] = np.nan
        padded[REACH:-REACH, REACH:-REACH] = pixels
        if pixels.size and np.isinf([np.fmin.reduce(pixels, axis=None), np.fmax.reduce(pixels, axis=None)]).any():
            padded[np.isinf(padded)] = np.nan
        return cls(padded, np.broadcast_to(np.asarray(sigma, dtype=np.float32), pixels.shape))

    @property
    def pixels(self) -> Pixels:
        return self.padded[REACH:-REACH, REACH:-REACH]

    def noise(self, places: Places) -> Pixels:
        """Give the noise of pixels at places."""
        return self.sigma[np.divmod(places, self.sigma.shape[1])]

    def candidates(self, threshold: float) -> tuple[Places, Pixels]:
        """Give the places of pixels that exceed the least of four neighbours, `REACH` away, and by how much.

        Some rows at a time: what is made of them stays in the cache, and this is nearly all that a clean image costs.
        """
        inner, (height, width) = slice(REACH, -REACH), self.sigma.shape
        step = max(WALKED // max(width, 1), 1)
        found, differences = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.float32)]
        for start in range(0, height, step):
            stop = min(start + step, height)
            middle = self.padded[start + REACH : stop + REACH]
            least = np.fmin(self.padded[start:stop, inner], self.padded[start + 2 * REACH : stop + 2 * REACH, inner])
            np.fmin(least, middle[:, : -2 * REACH], out=least)
            np.fmin(least, middle[:, 2 * REACH :], out=least)
            above = np.subtract(middle[:, inner], least, out=least)
            limit = np.float32(threshold) * (self.sigma[0, 0] if not any(self.sigma.strides) else self.sigma[start:stop])
            # where none of the four has a value the difference has none: look closely
            places = np.flatnonzero(~(above <= limit))
            found.append(places + start * width)
            differences.append(above.reshape(-1)[places])
        every = np.concatenate(found)
        finite = np.isfinite(self.pixels[np.divmod(every, width)])
        return every[finite], np.concatenate(differences)[finite]

    def standing(self, places: Places, threshold: float) -> tuple[Places, Pixels]:
        """Keep the places that stand out of their surroundings and are narrow; say of all at what noise that turns.

        In units of the noise that they have; 0 for what does not stand out by `NEAR` of the threshold.
        """
        pieces = [self._standing(places[at : at + AT_ONCE], threshold) for at in range(0, places.size, AT_ONCE)]
        if not pieces:
            return places, np.empty(0, dtype=np.float32)
        return np.concatenate([kept for kept, _ in pieces]), np.concatenate([turns for _, turns in pieces])

    def neighbours(self, places: Places) -> Places:
        """Give the places beside these, in all eight directions, each once."""
        height, width = self.sigma.shape
        rows, columns = np.divmod(places, width)
        steps = np.array([-1, 0, 1])
        near_rows = np.clip(rows[:, None, None] + steps[:, None], 0, height - 1)
        near_columns = np.clip(columns[:, None, None] + steps, 0, width - 1)
        return np.unique(near_rows * width + near_columns)

    def _standing(self, places: Places, threshold: float) -> tuple[Places, Pixels]:
        rows, columns = np.divmod(places, self.sigma.shape[1])
        steps = np.arange(2 * REACH + 1)
        windows = self.padded[rows[:, None, None] + steps[:, None], columns[:, None, None] + steps]
        turns, limits = np.zeros(places.size, dtype=np.float32), np.float32(threshold) * self.sigma[rows, columns]
        near = _near(windows.reshape(places.size, steps.size**2), np.float32(NEAR) * limits)
        windows, limits = windows[near], limits[near]
        background, base = _levels(windows.reshape(near.size, steps.size**2))
        peak = windows[:, REACH, REACH]
        with np.errstate(divide="ignore", invalid="ignore"):
            turns[near] = np.nan_to_num((peak - background) / limits, nan=0.0, posinf=np.inf)  # no value is never found
        standing = peak - background >= limits
        half = np.float32(0.5) * (peak + base)
        standing[standing] = ~_wide(windows[standing], half[standing])
        return places[near[standing]], turns


def _between(turns: Pixels, least: float, most: float) -> tuple[float, float]:
    """Narrow a range about 1 until no comparison turns in it; by a little more, for they are made in float32."""
    below, above = turns[turns < 1.0], turns[~(turns < 1.0)]
    if below.size:
        least = max(least, float(below.max()) * (1.0 + ROUNDING))
    if above.size:
        most = min(most, float(above.min()) * (1.0 - ROUNDING))
    return least, most


def _near(windows: Pixels, limits: Pixels) -> Places:
    """Tell which windows may have a median that their centre exceeds by a limit.

    At least half of the values, those that are finite, are then that far below the centre: to count them takes a tenth of
    the time that it takes to sort them.
    """
    peak = windows[:, windows.shape[1] // 2]
    highest = peak - limits + np.float32(1e-6) * np.abs(peak)
    count = np.count_nonzero(np.isfinite(windows), axis=1)
    return np.flatnonzero(np.count_nonzero(windows <= highest[:, None], axis=1) >= count // 2)


def _levels(windows: Pixels) -> tuple[Pixels, Pixels]:
    """Give the median of each row, and what a fifth of it lies below; NaN ignored, NaN where nothing is left."""
    ordered = np.sort(windows, axis=1)
    count = np.count_nonzero(np.isfinite(ordered), axis=1)
    row = np.arange(len(ordered))
    below: Pixels = ordered[row, np.maximum(count - 1, 0) // 2]
    above: Pixels = ordered[row, np.minimum(count // 2, ordered.shape[1] - 1)]
    base: Pixels = ordered[row, count // 5]
    return np.float32(0.5) * (below + above), base


def _wide(windows: Pixels, half: Pixels) -> Mask:
    """Tell where a square of `WIDEST` pixels that holds the centre is all above half of its height."""
    around = slice(REACH - WIDEST + 1, REACH + WIDEST)
    above: Mask = windows[:, around, around] > half[:, None, None]
    squares = np.lib.stride_tricks.sliding_window_view(above, (WIDEST, WIDEST), axis=(1, 2))
    full: Mask = np.all(squares, axis=(3, 4))
    wide: Mask = np.any(full, axis=(1, 2))
    return wide
