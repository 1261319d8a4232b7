"""The charge that an exposure collects: light, dark current, blemishes, cosmic rays; wells that overflow."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.builtin.cameras.simulation.brighter_fatter import redistribute
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.cameras.simulation.streams import Stream, generator
from latcal.builtin.cameras.simulation.tracks import rays
from latcal.builtin.cameras.simulation.truth import Truth
from latcal.builtin.cameras.simulation.wells import spill
from latcal.plugin import Box, Detector

NORMAL_ABOVE = 1000.0
"""Above this mean [electron] a normal number stands for a Poisson one: mean and variance are exact, the skewness of
1/sqrt(mean), at most 0.03, is left out; our choice, for speed."""

SPARSE_BELOW = 0.1
"""Below this mean [electron] the electrons are thrown one by one; exact, and our choice, for speed."""

FEW_BELOW = 5.0
"""Below this mean [electron] they are counted off one uniform number of 32 bits; exact to 2^-32, for speed."""

MOST = 60
"""More electrons than this are less probable than 2^-32 there."""


@frozen
class Shot:
    """One exposure as the sensor sees it.

    Parameters
    ----------
    light : float [electron]
        Mean light on a pixel of response 1.
    dark_time_s : float [s]
    full_well : float [electron]
    settled : int
        Exposures since a pause or a reset.
    leak : float [electron / s]
        Light that falls in, whatever the shutter does.
    reset : int or None
        Index of the exposure before which the readout was last reset; None if it was not.
    """

    index: int
    light: float
    dark_time_s: float
    full_well: float
    settled: int = 1_000_000
    leak: float = 0.0
    reset: int | None = None


def halves(detector: Detector) -> tuple[Box, ...]:
    """Give the parts of a detector that share a grid of pixels without a barrier: rows read to the same side."""
    rows = dict.fromkeys((amplifier.position.y0, amplifier.position.y1) for amplifier in detector.amplifiers)
    return tuple(Box(y0, y1, 0, detector.shape[1]) for y0, y1 in rows)


def collected(truth: Truth, options: SimulatedOptions, shot: Shot) -> NDArray[np.float32]:
    """Collect the charge of one exposure, (ny, nx) of the detector [electron]."""
    detector = truth.detector
    charge = np.empty(detector.shape, dtype=np.float32)
    for place, amplifier in enumerate(detector.amplifiers):
        random = generator(options.seed, Stream.PIXELS, shot.index, detector.id, place)
        charge[amplifier.position.slices] = _drawn(random, truth, amplifier.position, shot)
    for half in halves(detector) if shot.light > 0 else ():
        redistribute(_expected(truth, half, shot), charge[half.slices], truth.a00)
    for pixels, electrons in _more(truth, options, shot):
        charge[pixels[:, 0], pixels[:, 1]] += electrons.astype(np.float32)
    random = generator(options.seed, Stream.COLUMN_COUNTS, shot.index, detector.id)
    for column in truth.bad_columns:
        counts = random.poisson(column.rate * shot.dark_time_s, column.y1 - column.y0)
        charge[column.rows, column.x] += counts.astype(np.float32)
    for half in halves(detector):
        spill(charge[half.slices], shot.full_well)
    return charge


def _expected(truth: Truth, box: Box, shot: Shot) -> NDArray[np.float32]:
    """Give the mean of lamp, leak and dark current [electron]."""
    light = np.float32(shot.light + shot.leak * shot.dark_time_s)
    expected: NDArray[np.float32] = truth.flat[box.slices] * light
    expected += np.float32(truth.dark_current * shot.dark_time_s)
    return expected


def _drawn(random: np.random.Generator, truth: Truth, box: Box, shot: Shot) -> NDArray[np.float32]:
    """Draw the electrons of lamp, leak and dark current; under the lamp only how far they are off their mean."""
    if shot.light > 0:
        return fluctuation(random, _expected(truth, box, shot))
    if shot.leak > 0:
        return random.poisson(_expected(truth, box, shot)).astype(np.float32)
    return even(random, box.shape, truth.dark_current * shot.dark_time_s)


def fluctuation(random: np.random.Generator, expected: NDArray[np.float32]) -> NDArray[np.float32]:
    """Draw how far electrons are off a mean that differs from pixel to pixel [electron]."""
    if expected.size and expected.min() >= NORMAL_ABOVE:
        drawn = random.standard_normal(expected.shape, dtype=np.float32)
        drawn *= np.sqrt(expected)
        return drawn
    return (random.poisson(expected) - expected).astype(np.float32)


def even(random: np.random.Generator, shape: tuple[int, int], mean: float) -> NDArray[np.float32]:
    """Draw electrons of one mean for all pixels [electron]."""
    size = shape[0] * shape[1]
    if mean < SPARSE_BELOW:
        places = random.integers(0, size, int(random.poisson(mean * size)))
        return np.bincount(places, minlength=size).astype(np.float32).reshape(shape)
    if mean > FEW_BELOW:
        return random.poisson(mean, shape).astype(np.float32)
    counts = np.arange(1, MOST + 1)
    below = np.cumsum(np.exp(-mean) * np.concatenate([[1.0], np.cumprod(mean / counts)])) * 2.0**32
    uniform = random.integers(0, 2**32, shape, dtype=np.uint32)
    electrons = np.zeros(shape, dtype=np.uint8)
    for limit in below[below < 2.0**32 - 1]:
        electrons += uniform >= np.uint32(limit)
    return electrons.astype(np.float32)


def _more(
    truth: Truth, options: SimulatedOptions, shot: Shot
) -> Iterable[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Give the charge of single pixels: y and x, each once, and electrons; hot pixels, jumps and cosmic rays."""
    detector = truth.detector
    ny, nx = detector.shape
    hot, jumps, muons = (
        generator(options.seed, stream, shot.index, detector.id)
        for stream in (Stream.HOT_COUNTS, Stream.JUMPS, Stream.RAYS)
    )
    yield truth.hot_pixels, hot.poisson(truth.hot_rates * shot.dark_time_s)
    yield truth.telegraph.pixels, truth.telegraph.up(jumps)
    area_cm2 = ny * nx * (detector.pixel_um * 1e-4) ** 2
    expected = options.cosmic_rays.to_value("1 / (cm2 s)") * area_cm2 * shot.dark_time_s
    places, electrons = rays(muons, detector.shape, detector.pixel_um, expected)
    yield np.stack(np.divmod(places, nx), axis=1), electrons
