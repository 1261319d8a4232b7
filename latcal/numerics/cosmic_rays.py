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

Places = NDArray[np.intp]


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
    image = _Image.of(pixels, sigma)
    mask = np.zeros(pixels.shape, dtype=np.bool_)
    flat = mask.reshape(-1)
    fresh = image.standing(image.candidates(threshold - MARGIN), threshold)
    while fresh.size:
        flat[fresh] = True
        around = image.neighbours(fresh)
        fresh = image.standing(around[~flat[around]], TAIL)
    return grown(mask, grow)


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
        padded = np.full((height + 2 * REACH, width + 2 * REACH), np.nan, dtype=np.float32)
        padded[REACH:-REACH, REACH:-REACH] = pixels
        padded[np.isinf(padded)] = np.nan
        return cls(padded, np.broadcast_to(np.asarray(sigma, dtype=np.float32), pixels.shape))

    @property
    def pixels(self) -> Pixels:
        return self.padded[REACH:-REACH, REACH:-REACH]

    def candidates(self, threshold: float) -> Places:
        """Give the places of pixels that exceed the least of four neighbours, `REACH` away.

        Some rows at a time: what is made of them stays in the cache, and this is nearly all that a clean image costs.
        """
        inner, (height, width) = slice(REACH, -REACH), self.sigma.shape
        step = max(WALKED // max(width, 1), 1)
        found = [np.empty(0, dtype=np.intp)]
        for start in range(0, height, step):
            stop = min(start + step, height)
            middle = self.padded[start + REACH : stop + REACH]
            least = np.fmin(self.padded[start:stop, inner], self.padded[start + 2 * REACH : stop + 2 * REACH, inner])
            np.fmin(least, middle[:, : -2 * REACH], out=least)
            np.fmin(least, middle[:, 2 * REACH :], out=least)
            above = np.subtract(middle[:, inner], least, out=least)
            limit = np.float32(threshold) * (self.sigma[0, 0] if not any(self.sigma.strides) else self.sigma[start:stop])
            # where none of the four has a value the difference has none: look closely
            found.append(np.flatnonzero(~(above <= limit)) + start * width)
        places = np.concatenate(found)
        return places[np.isfinite(self.pixels[np.divmod(places, width)])]

    def standing(self, places: Places, threshold: float) -> Places:
        """Keep the places that stand out of their surroundings and are narrow."""
        pieces = [self._standing(places[at : at + AT_ONCE], threshold) for at in range(0, places.size, AT_ONCE)]
        return np.concatenate(pieces) if pieces else places

    def neighbours(self, places: Places) -> Places:
        """Give the places beside these, in all eight directions, each once."""
        height, width = self.sigma.shape
        rows, columns = np.divmod(places, width)
        steps = np.array([-1, 0, 1])
        near_rows = np.clip(rows[:, None, None] + steps[:, None], 0, height - 1)
        near_columns = np.clip(columns[:, None, None] + steps, 0, width - 1)
        return np.unique(near_rows * width + near_columns)

    def _standing(self, places: Places, threshold: float) -> Places:
        rows, columns = np.divmod(places, self.sigma.shape[1])
        steps = np.arange(2 * REACH + 1)
        windows = self.padded[rows[:, None, None] + steps[:, None], columns[:, None, None] + steps]
        background, base = _levels(windows.reshape(places.size, -1))
        peak = windows[:, REACH, REACH]
        standing = peak - background >= np.float32(threshold) * self.sigma[rows, columns]
        half = np.float32(0.5) * (peak + base)
        standing[standing] = ~_wide(windows[standing], half[standing])
        return places[standing]


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
