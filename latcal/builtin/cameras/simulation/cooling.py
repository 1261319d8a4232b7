"""The gate of the simulated camera: a sensor that was switched on late, and is too warm at first."""

from __future__ import annotations

from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.plugin import Gate

WARM_C, COLD_C, BAND_C = 20.0, -100.0, 5.0
"""Where cooling begins and ends, and how warm the sensor may be beyond that [deg C]; our choice."""


def temperature(options: SimulatedOptions, elapsed_s: float) -> float:
    """Give the temperature of the sensor so long after the camera was opened, falling steadily [deg C]."""
    cools_in_s = float(options.cools_in.to_value("s"))
    part = min(elapsed_s / cools_in_s, 1.0) if cools_in_s > 0.0 else 1.0
    return WARM_C + part * (COLD_C - WARM_C)


def gate(options: SimulatedOptions, elapsed_s: float) -> Gate:
    """Say whether the sensor is cold so long after the camera was opened [s]."""
    now = temperature(options, elapsed_s)
    return Gate(
        "sensor temperature",
        holds=now <= COLD_C + BAND_C,
        value=f"{now:.1f} C",
        wanted=f"{COLD_C:g} to {COLD_C + BAND_C:g} C",
        wait_s=float(options.cools_within.to_value("s")),
        limit="camera.cools_within",
    )
