"""What is true of a simulated sensor: fixed by the seed and the detector's id, and not what is nominal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.cameras.simulation.streams import Stream, generator
from latcal.plugin import Amplifier, Detector

GLOW_REACH = 8.0
"""The glow at the output falls by e in this part of the amplifier; our choice."""


@frozen(eq=False)
class Truth:
    """What is true of one detector; arrays are trimmed, in the detector's orientation.

    Parameters
    ----------
    gain, read_noise, pedestal : mapping of str to float [electron / adu], [electron], [adu]
        By amplifier.
    bias : (ny, nx) [electron]
        Fixed structure, relative to the pedestal.
    columns : mapping of str to (nx,) [electron]
        The part of it that goes with the column, by amplifier as read out: the parallel overscan has it too. It has
        neither mean nor slope.
    flat : (ny, nx)
        Response to the lamp, illumination included, of mean 1.
    dark_current : float [electron / s]
    hot_pixels : (n, 2)
        Their y and x.
    hot_rates : (n,) [electron / s]
        Above the dark current.
    """

    detector: Detector
    gain: Mapping[str, float]
    read_noise: Mapping[str, float]
    pedestal: Mapping[str, float]
    bias: NDArray[np.float32]
    columns: Mapping[str, NDArray[np.float32]]
    flat: NDArray[np.float32]
    dark_current: float
    hot_pixels: NDArray[np.int64]
    hot_rates: NDArray[np.float64]

    @property
    def dark(self) -> NDArray[np.float32]:
        """Rate of dark signal of every pixel, (ny, nx) [electron / s]."""
        rates = np.full(self.detector.shape, self.dark_current, dtype=np.float32)
        rates[self.hot_pixels[:, 0], self.hot_pixels[:, 1]] += self.hot_rates.astype(np.float32)
        return rates

    def raw_bias(self, amplifier: Amplifier) -> NDArray[np.float32]:
        """Give an amplifier's fixed structure as read out: what an overscan operator should be tried on.

        Returns
        -------
        (ny, nx) of the raw box [electron]
            Relative to the pedestal, overscans included.
        """
        raw = np.zeros(amplifier.raw.shape, dtype=np.float32)
        raw[amplifier.data.slices] = mirrored(self.bias[amplifier.position.slices], amplifier)
        rows, columns = parallel_region(amplifier)
        raw[rows, columns] = self.columns[amplifier.name]
        return raw


def mirrored(pixels: NDArray[Any], amplifier: Amplifier) -> NDArray[Any]:
    """Turn pixels from the detector's orientation to that of the readout, or back."""
    return pixels[:: -1 if amplifier.flip_y else 1, :: -1 if amplifier.flip_x else 1]


def parallel_region(amplifier: Amplifier) -> tuple[slice, slice]:
    """Give the rows of the parallel overscan and the columns of the data, as read out; no rows if it has none."""
    box = amplifier.parallel_overscan
    rows = slice(0, 0) if box is None else slice(box.y0, box.y1)
    return rows, slice(amplifier.data.x0, amplifier.data.x1)


def truth(options: SimulatedOptions, detector: Detector) -> Truth:
    """Give what is true of a detector.

    Depends on the options, the detector's id, and the order and geometry of its amplifiers; on no name.
    """
    channels = [
        _channel(options, amplifier, generator(options.seed, Stream.CHANNEL, detector.id, place))
        for place, amplifier in enumerate(detector.amplifiers)
    ]
    names = [amplifier.name for amplifier in detector.amplifiers]
    bias = np.empty(detector.shape, dtype=np.float32)
    for amplifier, channel in zip(detector.amplifiers, channels, strict=True):
        bias[amplifier.position.slices] = mirrored(channel.structure, amplifier)
    hot_pixels, hot_rates = _hot(options, detector)
    return Truth(
        detector=detector,
        gain=dict(zip(names, (channel.gain for channel in channels), strict=True)),
        read_noise=dict(zip(names, (channel.read_noise for channel in channels), strict=True)),
        pedestal=dict(zip(names, (channel.pedestal for channel in channels), strict=True)),
        bias=bias,
        columns=dict(zip(names, (channel.columns for channel in channels), strict=True)),
        flat=_response(options, detector),
        dark_current=float(options.dark_current.to_value("electron/s")),
        hot_pixels=hot_pixels,
        hot_rates=hot_rates,
    )


@frozen(eq=False)
class _Channel:
    """One amplifier's truth; `structure` and `columns` as read out."""

    gain: float
    read_noise: float
    pedestal: float
    structure: NDArray[np.float32]
    columns: NDArray[np.float32]


def _channel(options: SimulatedOptions, amplifier: Amplifier, random: np.random.Generator) -> _Channel:
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
    glow = 2 * size * np.exp(-GLOW_REACH * y)[:, None] * np.exp(-GLOW_REACH * x)
    structure = columns + rows[:, None] * np.cos(np.pi * x) + glow
    return _Channel(
        gain, amplifier.read_noise * noisier, pedestal, structure.astype(np.float32), columns.astype(np.float32)
    )


def _without_line(values: NDArray[np.float64], place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take mean and slope out."""
    offset = place - place.mean()
    lever = float(np.sum(offset**2))
    slope = float(np.sum(offset * values)) / lever if lever > 0 else 0.0
    residual: NDArray[np.float64] = values - values.mean() - slope * offset
    return residual


def _response(options: SimulatedOptions, detector: Detector) -> NDArray[np.float32]:
    """Give the response: smooth, brightest in the middle, and different from pixel to pixel."""
    ny, nx = detector.shape
    y, x = np.linspace(-1, 1, ny), np.linspace(-1, 1, nx)
    depth = options.vignetting.to_value("")
    smooth = (1 + depth * (1 - y[:, None] ** 2 - x**2)).astype(np.float32)
    random = generator(options.seed, Stream.RESPONSE, detector.id)
    response = random.standard_normal(detector.shape, dtype=np.float32)
    response *= np.float32(options.prnu.to_value(""))
    response += 1
    response *= smooth
    response /= np.float32(response.mean(dtype=np.float64))
    return response


def _hot(options: SimulatedOptions, detector: Detector) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Place the hot pixels; their rates are spread evenly in the logarithm."""
    random = generator(options.seed, Stream.HOT, detector.id)
    size = detector.shape[0] * detector.shape[1]
    count = int(random.binomial(size, options.hot_pixels.to_value("")))
    places = np.sort(random.choice(size, count, replace=False))
    low, high = (rate.to_value("electron/s") for rate in (options.lowest_hot_rate, options.highest_hot_rate))
    rates = low * (high / low) ** random.random(count) if low > 0 else high * random.random(count)
    return np.stack(np.divmod(places, detector.shape[1]), axis=1).astype(np.int64), np.asarray(rates)
