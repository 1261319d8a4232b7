"""What an exposure makes of a simulated sensor: charge, then raw numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.cameras.simulation.streams import Stream, generator
from latcal.builtin.cameras.simulation.tracks import rays
from latcal.builtin.cameras.simulation.truth import Truth, mirrored, parallel_region
from latcal.plugin import Amplifier

NORMAL_ABOVE = 1000.0
"""Above this mean [electron] a normal number stands for a Poisson one: mean and variance are exact, the skewness of
1/sqrt(mean), at most 0.03, is left out; our choice, for speed."""

SPARSE_BELOW = 0.1
"""Below this mean [electron] the electrons are thrown one by one; exact, and our choice, for speed."""

LAMP_INTERVAL_S = 600.0
"""The time that `lamp_drift` is said for."""


@frozen
class Shot:
    """One exposure as the sensor sees it.

    Parameters
    ----------
    light : float [electron]
        Mean light on a pixel of response 1.
    dark_time_s : float [s]
    full_well : float [electron]
    """

    index: int
    light: float
    dark_time_s: float
    full_well: float


def lamplight(options: SimulatedOptions, index: int, time_s: float, cycle_s: float) -> float:
    """Give the light of the lamp on a pixel of response 1 [electron].

    Parameters
    ----------
    index : int
        Of the exposure: noise and drift follow from it, whatever was taken before.
    time_s : float [s]
    cycle_s : float [s]
        From one exposure to the next: what the index is taken to have lasted.
    """
    open_s = max(time_s + options.shutter_delay.to_value("s"), 0.0) if time_s > 0 else 0.0
    noise = 1 + options.lamp_noise.to_value("") * generator(options.seed, Stream.LAMP, index).standard_normal()
    drift = 1 + options.lamp_drift.to_value("") * index * cycle_s / LAMP_INTERVAL_S
    return float(options.lamp.to_value("electron/s") * open_s * max(noise * drift, 0.0))


def expose(truth: Truth, options: SimulatedOptions, shot: Shot) -> dict[str, NDArray[np.int32]]:
    """Expose and read one detector.

    Returns
    -------
    dict of str to (ny, nx) [adu]
        By amplifier: its raw box as read out.
    """
    detector = truth.detector
    ny, nx = detector.shape
    area_cm2 = ny * nx * (detector.pixel_um * 1e-4) ** 2
    expected = options.cosmic_rays.to_value("1 / (cm2 s)") * area_cm2 * shot.dark_time_s
    random = generator(options.seed, Stream.RAYS, shot.index, detector.id)
    places, electrons = rays(random, detector.shape, detector.pixel_um, expected)
    hits = np.stack(np.divmod(places, nx), axis=1)
    raw = {}
    for place, amplifier in enumerate(detector.amplifiers):
        random = generator(options.seed, Stream.PIXELS, shot.index, detector.id, place)
        charge = _collected(random, truth, amplifier, shot)
        _add(charge, amplifier, hits, electrons)
        np.minimum(charge, np.float32(shot.full_well), out=charge)
        raw[amplifier.name] = _read(random, truth, options, amplifier, charge)
    return raw


def _collected(
    random: np.random.Generator, truth: Truth, amplifier: Amplifier, shot: Shot
) -> NDArray[np.float32]:
    """Draw the electrons of lamp and dark current, (ny, nx) in the detector's orientation [electron]."""
    dark = truth.dark_current * shot.dark_time_s
    if shot.light > 0:
        response = truth.flat[amplifier.position.slices]
        charge = electrons_of(random, response * np.float32(shot.light) + np.float32(dark))
    else:
        charge = _even(random, amplifier.position.shape, dark)
    _add(charge, amplifier, truth.hot_pixels, random.poisson(truth.hot_rates * shot.dark_time_s))
    return charge


def electrons_of(random: np.random.Generator, expected: NDArray[np.float32]) -> NDArray[np.float32]:
    """Draw electrons of a mean that differs from pixel to pixel [electron]."""
    if expected.size and expected.min() >= NORMAL_ABOVE:
        drawn = random.standard_normal(expected.shape, dtype=np.float32)
        drawn *= np.sqrt(expected)
        drawn += expected
        return drawn
    return random.poisson(expected).astype(np.float32)


def _even(random: np.random.Generator, shape: tuple[int, int], mean: float) -> NDArray[np.float32]:
    """Draw electrons of one mean for all pixels [electron]."""
    size = shape[0] * shape[1]
    if mean < SPARSE_BELOW:
        places = random.integers(0, size, int(random.poisson(mean * size)))
        return np.bincount(places, minlength=size).astype(np.float32).reshape(shape)
    return random.poisson(mean, shape).astype(np.float32)


def _add(
    charge: NDArray[np.float32], amplifier: Amplifier, pixels: NDArray[np.int64], electrons: NDArray[np.int64]
) -> None:
    """Add electrons to those of some distinct pixels of the detector that are the amplifier's own."""
    box = amplifier.position
    y, x = pixels[:, 0], pixels[:, 1]
    own = (y >= box.y0) & (y < box.y1) & (x >= box.x0) & (x < box.x1)
    charge[y[own] - box.y0, x[own] - box.x0] += electrons[own].astype(np.float32)


def _read(
    random: np.random.Generator,
    truth: Truth,
    options: SimulatedOptions,
    amplifier: Amplifier,
    charge: NDArray[np.float32],
) -> NDArray[np.int32]:
    """Read charge out: structure, noise, gain, pedestal, whole numbers."""
    name = amplifier.name
    raw = random.standard_normal(amplifier.raw.shape, dtype=np.float32)
    raw *= np.float32(truth.read_noise[name])
    signal = charge + truth.bias[amplifier.position.slices]
    raw[amplifier.data.slices] += mirrored(signal, amplifier)
    rows, columns = parallel_region(amplifier)
    raw[rows, columns] += truth.columns[name]
    raw /= np.float32(truth.gain[name])
    drift = options.pedestal_drift.to_value("adu") * random.standard_normal()
    raw += np.float32(truth.pedestal[name] + drift)
    np.rint(raw, out=raw)
    np.clip(raw, 0, 2**options.adc_bits - 1, out=raw)
    return raw.astype(np.int32)


@frozen(eq=False)
class Readout:
    """The raw pixels of one frame, in memory."""

    amplifiers: Mapping[str, NDArray[np.int32]]

    def __call__(self, amplifier: Amplifier) -> NDArray[np.int32]:
        """Give the raw image of one amplifier, (ny, nx) of its raw box [adu].

        Raises
        ------
        KeyError
            If it is not one of the detector's.
        """
        return self.amplifiers[amplifier.name]
