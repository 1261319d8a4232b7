"""What is true of a simulated sensor: fixed by the seed and the detector's id, and not what is nominal."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.builtin.cameras.simulation.blemishes import BadColumn, Telegraph, bad_columns, telegraph_pixels
from latcal.builtin.cameras.simulation.channels import channels, mirrored, parallel_region
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.cameras.simulation.streams import Stream, generator
from latcal.plugin import Amplifier, Detector

MEDIAN_CROSSTALK = 1.8e-5
"""Of LATISS (obs_lsst_data)."""

SPREAD_OF_CROSSTALK = 2.0
"""Rms of the logarithm of a coefficient: 15 of them add up to 0.15 %, as decided for the simulator (docs/simulator.md)."""


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
        Response to the lamp, illumination included, of mean 1 before some columns are dim.
    dark_current : float [electron / s]
    hot_pixels : (n, 2)
        Their y and x.
    hot_rates : (n,) [electron / s]
        Above the dark current.
    bad_columns : tuple of BadColumn
        Their rates are part of `dark`, their response of `flat`.
    telegraph : Telegraph
        Pixels that jump.
    settling : mapping of str to float [electron]
        Image charge in the first row of the first exposure after a pause, by amplifier.
    crosstalk : (n, n)
        What of an amplifier's signal (second index) shows in another (first), adu for adu.
    a00 : float [1 / electron]
        Brighter-fatter coefficient; the others go with it.
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
    bad_columns: tuple[BadColumn, ...]
    telegraph: Telegraph
    settling: Mapping[str, float]
    crosstalk: NDArray[np.float64]
    a00: float

    @property
    def dark(self) -> NDArray[np.float32]:
        """Rate of dark signal of every pixel, (ny, nx) [electron / s]."""
        rates = np.full(self.detector.shape, self.dark_current, dtype=np.float32)
        rates[self.hot_pixels[:, 0], self.hot_pixels[:, 1]] += self.hot_rates.astype(np.float32)
        for column in self.bad_columns:
            rates[column.rows, column.x] += np.float32(column.rate)
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


def truth(options: SimulatedOptions, detector: Detector) -> Truth:
    """Give what is true of a detector.

    Depends on the options, the detector's id, and the order and geometry of its amplifiers; on no name.
    """
    read = channels(options, detector)
    bias = np.empty(detector.shape, dtype=np.float32)
    for amplifier in detector.amplifiers:
        bias[amplifier.position.slices] = mirrored(read[amplifier.name].structure, amplifier)
    columns = bad_columns(options, detector)
    flat = _response(options, detector)
    for column in columns:
        flat[column.rows, column.x] *= np.float32(column.response)
    hot_pixels, hot_rates = _hot(options, detector)
    return Truth(
        detector=detector,
        gain={name: channel.gain for name, channel in read.items()},
        read_noise={name: channel.read_noise for name, channel in read.items()},
        pedestal={name: channel.pedestal for name, channel in read.items()},
        bias=bias,
        columns={name: channel.columns for name, channel in read.items()},
        flat=flat,
        dark_current=float(options.dark_current.to_value("electron/s")),
        hot_pixels=hot_pixels,
        hot_rates=hot_rates,
        bad_columns=columns,
        telegraph=telegraph_pixels(options, detector),
        settling={name: channel.settling for name, channel in read.items()},
        crosstalk=_crosstalk(options, detector),
        a00=float(options.brighter_fatter.to_value("1 / electron")),
    )


def _crosstalk(options: SimulatedOptions, detector: Detector) -> NDArray[np.float64]:
    """Give the coefficients of the instrument file, or draw some: asymmetric, most of them small."""
    count = len(detector.amplifiers)
    if not options.crosstalk:
        return np.zeros((count, count))
    if detector.crosstalk:
        return np.array(detector.crosstalk)
    random = generator(options.seed, Stream.CROSSTALK, detector.id)
    spread = MEDIAN_CROSSTALK * np.exp(SPREAD_OF_CROSSTALK * random.standard_normal((count, count)))
    coefficients = np.minimum(spread, options.crosstalk)
    np.fill_diagonal(coefficients, 0.0)
    return coefficients


def _response(options: SimulatedOptions, detector: Detector) -> NDArray[np.float32]:
    """Give the response: smooth, brightest in the middle, and different from pixel to pixel."""
    ny, nx = detector.shape
    y, x = np.linspace(-1, 1, ny), np.linspace(-1, 1, nx)
    depth = options.vignetting.to_value("")
    smooth = (1 + depth * (np.cos(np.pi * y)[:, None] + np.cos(np.pi * x)) / 2).astype(np.float32)
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
