"""What an exposure makes of a simulated sensor: light, charge, raw numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latcal.builtin.cameras.simulation.charge import Shot, collected
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.cameras.simulation.readout import Readout, read
from latcal.builtin.cameras.simulation.streams import Stream, generator
from latcal.builtin.cameras.simulation.truth import Truth

__all__ = ["Readout", "Shot", "expose", "lamplight"]

LAMP_INTERVAL = 60
"""Exposures that stand for the 10 minutes which `lamp_drift` is said for: one in 10 s, whatever its time; our choice."""


def lamplight(options: SimulatedOptions, index: int, time_s: float) -> float:
    """Give the light of the lamp on a pixel of response 1 [electron].

    Parameters
    ----------
    index : int
        Of the exposure: noise and drift follow from it, whatever was taken before.
    time_s : float [s]
    """
    open_s = max(time_s + options.shutter_delay.to_value("s"), 0.0) if time_s > 0 else 0.0
    noise = 1 + options.lamp_noise.to_value("") * generator(options.seed, Stream.LAMP, index).standard_normal()
    drift = 1 + options.lamp_drift.to_value("") * index / LAMP_INTERVAL
    return float(options.lamp.to_value("electron/s") * open_s * max(noise * drift, 0.0))


def expose(truth: Truth, options: SimulatedOptions, shot: Shot) -> dict[str, NDArray[np.int32]]:
    """Expose and read one detector.

    Returns
    -------
    dict of str to (ny, nx) [adu]
        By amplifier: its raw box as read out.
    """
    return read(truth, options, shot, collected(truth, options, shot))
