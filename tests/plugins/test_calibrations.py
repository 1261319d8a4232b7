"""The calibration types that come with latcal, by the suite that a stranger's must pass."""

from __future__ import annotations

from latcal.builtin.calibrations import bias, dark, flat
from latcal.testing import CalibrationSuite

NIGHT = """\
latcal: 1
title: A night for a suite
instrument: small_sensor
camera: {{use: simulated, seed: 7, settling: 0 electron}}
store: {{use: memory}}
sequences:
  biases: {{image: bias, exposures: 3 x 0 s}}
{sequences}
stages:
  - {{make: bias, frames: [biases]}}
{stages}
rules:
  bias: {{noise: noise <= 1.5 * frame_noise}}
  dark: {{noise: noise <= 1.5 * frame_noise}}
  flat: {{noise: noise <= 1.5 * shot_noise}}
certify: {{into: calib/suite, begin: 2026-11-04, end: 2026-11-05}}
"""


class TestBias(CalibrationSuite):
    def plugin(self):
        return bias

    def recipe(self):
        return NIGHT.format(sequences="", stages="").replace("  dark:", "  # dark:").replace("  flat:", "  # flat:")


class TestDark(CalibrationSuite):
    def plugin(self):
        return dark

    def recipe(self):
        darks = "  darks: {image: dark, exposures: [2 x 15 s, 1 x 30 s]}"
        return NIGHT.format(sequences=darks, stages="  - {make: dark, frames: [darks]}").replace("  flat:", "  # flat:")


class TestFlat(CalibrationSuite):
    def plugin(self):
        return flat

    def recipe(self):
        flats = "  flats: {image: flat, exposures: 3 x 5 s, filter: r}"
        stage = "  - {make: flat, frames: [flats], options: {without_dark: three frames are enough}}"
        return NIGHT.format(sequences=flats, stages=stage).replace("  dark:", "  # dark:")
