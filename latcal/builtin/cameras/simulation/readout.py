"""The readout of a simulated sensor: charge becomes raw numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.builtin.cameras.simulation.channels import mirrored, parallel_region
from latcal.builtin.cameras.simulation.charge import Shot
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.cameras.simulation.streams import Stream, generator
from latcal.builtin.cameras.simulation.truth import Truth
from latcal.plugin import Amplifier

Pixels = NDArray[np.float32]

LINEAR_AT = 100_000.0
"""Charge for which the option `non_linearity` is said [electron]."""

CROSSES_ABOVE = 100.0
"""In the dark only signals above this [adu] are followed into other amplifiers: the others add less than 0.15 adu."""

SETTLING_ROWS, SETTLING_FALL = 8.0, 0.02
"""Settling charge falls by e in so many rows, and to this part from exposure to exposure (docs/simulator.md)."""

TRANSIENT_ADU, TRANSIENT_ROWS = 30.0, 50.0
"""The pedestal settles too, from this height and in so many rows; assumed: the overscan follows it."""

RESET_ADU = 50.0
"""Rms by which pedestals jump at a reset; assumed."""

STRIP_ROWS = 32
"""Rows of all amplifiers that are worked on at a time; our measurement."""


def read(truth: Truth, options: SimulatedOptions, shot: Shot, charge: Pixels) -> dict[str, NDArray[np.int32]]:
    """Read charge out: non-linearity, settling, crosstalk, structure, noise, gain, pedestal, whole numbers.

    Parameters
    ----------
    charge : (ny, nx) of the detector [electron]

    Returns
    -------
    dict of str to (ny, nx) [adu]
        By amplifier: its raw box as read out.
    """
    amplifiers = truth.detector.amplifiers
    bend = np.float32(options.non_linearity.to_value("") / LINEAR_AT)
    signals = []
    for amplifier in amplifiers:
        signal = np.array(mirrored(charge[amplifier.position.slices], amplifier))
        bent = bend * signal
        bent += np.float32(1.0)
        bent /= np.float32(truth.gain[amplifier.name])
        signal *= bent
        signal += (_settling(truth.settling[amplifier.name], shot, len(signal)) / truth.gain[amplifier.name])[:, None]
        signals.append(signal)
    if len({signal.shape for signal in signals}) == 1 and truth.crosstalk.any():
        cross(signals, truth.crosstalk, dense=shot.light > 0)
    return {
        amplifier.name: _numbers(truth, options, shot, (place, amplifier), signal)
        for place, (amplifier, signal) in enumerate(zip(amplifiers, signals, strict=True))
    }


def cross(signals: list[Pixels], coefficients: NDArray[np.float64], *, dense: bool) -> None:
    """Add to every amplifier what it sees of the others, in place.

    Parameters
    ----------
    signals : list of (ny, nx) [adu]
        As read out at the same time, without pedestal.
    coefficients : (n, n) [adu / adu]
        Of the second amplifier in the first.
    dense : bool
        Whether all pixels have a signal, or only some.
    """
    weights = coefficients.astype(np.float32)
    if not dense:
        bright = [np.nonzero(signal > np.float32(CROSSES_ABOVE)) for signal in signals]
        values = [signal[places] for signal, places in zip(signals, bright, strict=True)]
        for victim, signal in enumerate(signals):
            for source, places in enumerate(bright):
                signal[places] += weights[victim, source] * values[source]
        return
    for top in range(0, len(signals[0]), STRIP_ROWS):
        strips = [signal[top : top + STRIP_ROWS] for signal in signals]
        seen = np.einsum("ij,jyx->iyx", weights, np.stack(strips))
        for strip, more in zip(strips, seen, strict=True):
            np.add(strip, more, out=strip)


def _numbers(
    truth: Truth, options: SimulatedOptions, shot: Shot, place: tuple[int, Amplifier], signal: Pixels
) -> NDArray[np.int32]:
    """Give the raw numbers of one amplifier."""
    number, amplifier = place
    name, gain = amplifier.name, np.float32(truth.gain[amplifier.name])
    random = generator(options.seed, Stream.NOISE, shot.index, truth.detector.id, number)
    raw = random.standard_normal(amplifier.raw.shape, dtype=np.float32)
    raw *= np.float32(truth.read_noise[name] / float(gain))
    image = raw[amplifier.data.slices]
    image += signal
    image += mirrored(truth.bias[amplifier.position.slices], amplifier) / gain
    rows, columns = parallel_region(amplifier)
    raw[rows, columns] += truth.columns[name] / gain
    raw += np.float32(truth.pedestal[name] + options.pedestal_drift.to_value("adu") * random.standard_normal())
    raw += _transient(options, shot, truth.detector.id, number, len(raw))[:, None]
    np.rint(raw, out=raw)
    np.clip(raw, 0, 2**options.adc_bits - 1, out=raw)
    return raw.astype(np.int32)


def _settling(charge: float, shot: Shot, rows: int) -> Pixels:
    """Give the charge that appears in the rows read first, (rows,) [electron]."""
    left = charge * SETTLING_FALL ** min(shot.settled, 100)
    settling: Pixels = (left * np.exp(-np.arange(rows) / SETTLING_ROWS)).astype(np.float32)
    return settling


def _transient(options: SimulatedOptions, shot: Shot, detector: int, number: int, rows: int) -> Pixels:
    """Give the pedestal on top of its mean, (rows,) [adu]: settling, and off by a jump if it was reset."""
    jump, left = 0.0, 0.0
    if shot.reset is not None:  # until the next one
        jump = RESET_ADU * float(generator(options.seed, Stream.RESET, shot.reset, detector, number).standard_normal())
    if options.settling.value:
        left = TRANSIENT_ADU * SETTLING_FALL ** min(shot.settled, 100)
    transient: Pixels = (left * np.exp(-np.arange(rows) / TRANSIENT_ROWS) + jump).astype(np.float32)
    return transient


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
