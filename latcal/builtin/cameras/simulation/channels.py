"""The readout channels of a simulated sensor: gain, noise, pedestal, fixed structure, how they settle."""

from __future__ import annotations

from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.cameras.simulation.streams import Stream, generator
from latcal.plugin import Amplifier, Detector

GLOW_REACH = 8.0
"""The glow at the output falls by e in this part of the amplifier; our choice."""

STRONG, WEAK = 4, 3
"""Of 16 amplifiers so many settle with much charge, and so many with little (the LATISS page's own pattern)."""

STRONG_LOWEST, WEAK_LOWEST, WEAK_HIGHEST = 2500 / 4000, 100 / 4000, 500 / 4000
"""Settling charge of both sorts over the largest: 2500 to 4000 electrons, and 100 to 500 (docs/simulator.md)."""

SETTLING_FOR = 2000
"""Rows of LATISS, for which the option `settling` is said. An amplifier of fewer has less charge in proportion: its mean
is off by as much, so that the same rules see it."""


@frozen(eq=False)
class Channel:
    """One amplifier's truth; `structure` (ny, nx) and `columns` (nx,) [electron] as read out."""

    gain: float
    read_noise: float
    pedestal: float
    structure: NDArray[np.float32]
    columns: NDArray[np.float32]
    settling: float


def mirrored(pixels: NDArray[Any], amplifier: Amplifier) -> NDArray[Any]:
    """Turn pixels from the detector's orientation to that of the readout, or back."""
    return pixels[:: -1 if amplifier.flip_y else 1, :: -1 if amplifier.flip_x else 1]


def parallel_region(amplifier: Amplifier) -> tuple[slice, slice]:
    """Give the rows of the parallel overscan and the columns of the data, as read out; no rows if it has none."""
    box = amplifier.parallel_overscan
    rows = slice(0, 0) if box is None else slice(box.y0, box.y1)
    return rows, slice(amplifier.data.x0, amplifier.data.x1)


def channels(options: SimulatedOptions, detector: Detector) -> dict[str, Channel]:
    """Give the channels of a detector, by amplifier.

    They depend on the options, the detector's id, and the order and geometry of its amplifiers; on no name.
    """
    settling = _settling(options, detector)
    return {
        amplifier.name: _channel(
            options, amplifier, generator(options.seed, Stream.CHANNEL, detector.id, place), settling[place]
        )
        for place, amplifier in enumerate(detector.amplifiers)
    }


def _settling(options: SimulatedOptions, detector: Detector) -> NDArray[np.float64]:
    """Give some amplifiers much settling charge, some little, most none [electron]."""
    count = len(detector.amplifiers)
    random = generator(options.seed, Stream.SETTLING, detector.id)
    strong, weak = round(STRONG * count / 16), round(WEAK * count / 16)
    chosen = random.permutation(count)
    parts = np.zeros(count)
    parts[chosen[:strong]] = random.uniform(STRONG_LOWEST, 1.0, strong)
    parts[chosen[strong : strong + weak]] = random.uniform(WEAK_LOWEST, WEAK_HIGHEST, weak)
    rows = np.array([amplifier.data.shape[0] for amplifier in detector.amplifiers])
    settling: NDArray[np.float64] = parts * np.minimum(rows / SETTLING_FOR, 1.0)
    return settling * float(options.settling.to_value("electron"))


def _channel(
    options: SimulatedOptions, amplifier: Amplifier, random: np.random.Generator, settling: float
) -> Channel:
    gain = amplifier.gain * float(np.exp(options.gain_scatter.to_value("") * random.standard_normal()))
    noisier = options.read_noise_factor * float(
        np.exp(options.read_noise_scatter.to_value("") * random.standard_normal())
    )
    low, high = options.lowest_pedestal.to_value("adu"), options.highest_pedestal.to_value("adu")
    pedestal = float(low + (high - low) * random.random())
    ny, nx = amplifier.data.shape
    size = options.bias_structure.to_value("electron")
    y, x = (np.arange(ny) + 0.5) / ny, (np.arange(nx) + 0.5) / nx
    columns = size * _without_line(random.standard_normal(nx), x)
    rows = size * random.standard_normal(ny)
    glow = options.glow.to_value("electron") * np.exp(-GLOW_REACH * y)[:, None] * np.exp(-GLOW_REACH * x)
    structure = columns + rows[:, None] * np.cos(np.pi * x) + glow
    return Channel(
        gain,
        amplifier.read_noise * noisier,
        pedestal,
        structure.astype(np.float32),
        columns.astype(np.float32),
        float(settling),
    )


def _without_line(values: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take mean and slope out."""
    offset = place - place.mean()
    lever = float(np.sum(offset**2))
    slope = float(np.sum(offset * values)) / lever if lever > 0 else 0.0
    residual: NDArray[np.float64] = values - values.mean() - slope * offset
    return residual
