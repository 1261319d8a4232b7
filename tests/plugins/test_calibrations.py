"""The calibration types that come with latcal, by the suite that a stranger's must pass."""

from __future__ import annotations

from latcal.builtin.calibrations import bias, dark, defects, flat, gain, ptc
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


class TestGain(CalibrationSuite):
    def plugin(self):
        return gain

    def recipe(self):
        flats = "  flats: {image: flat, exposures: [2 x 5 s, 2 x 10 s], filter: r}"
        # counting 1200 pixels tells a gain to 4 %; and a hole of 9 of them is 0.75 %
        rules = "rules: {gain_from_flat_pair: abs(gain - expected_gain) <= 0.3 * expected_gain}"
        return quiet(NIGHT.format(sequences=flats, stages=f"  - {{measure: gain, frames: [flats], options: {{noise: overscan, max_saturated: 0.01}}, {rules}}}"))


class TestPtc(CalibrationSuite):
    def plugin(self):
        return ptc

    def recipe(self):
        times = "[2 x 1 s, 2 x 3 s, 2 x 6 s, 2 x 10 s, 2 x 15 s, 2 x 20 s, 2 x 24 s]"
        flats = f"  flats: {{image: flat, exposures: {times}, filter: r}}"
        stage = "  - {make: ptc, frames: [flats], options: {lags: 2, edge: 0, max_saturated: 0.01}, accept: {amplifiers: 4}}"
        # an amplifier of 1200 pixels tells its noise to 10 electrons or so
        drop = ", verify: {advisory: [ptc_gain, ptc_noise]}}"
        return quiet(NIGHT.format(sequences=flats, stages=stage[:-1] + drop))


class TestDefects(CalibrationSuite):
    def plugin(self):
        return defects

    def recipe(self):
        frames = "  darks: {image: dark, exposures: 4 x 30 s}\n  flats: {image: flat, exposures: 3 x 5 s, filter: r}"
        # a hot pixel, and half of a bad column, are much of 1200 pixels
        rules = "rules: {bad_pixels: bad_fraction <= 0.2, detector_bad_pixels: detector_bad_fraction <= 0.2}"
        stage = f"  - {{make: defects, frames: [darks, flats], options: {{edge: 2, grow: 1}}, {rules}}}"
        return quiet(NIGHT.format(sequences=frames, stages=stage))


def quiet(night: str) -> str:
    """Leave out the rules of what the recipe does not make."""
    return night.replace("  dark:", "  # dark:").replace("  flat:", "  # flat:")
