"""The suite that every calibration type of latcal passes."""

from __future__ import annotations

from pathlib import Path

from latcal.testing import CalibrationSuite

import latcal_darkcurrent

SMALL = Path(__file__).parent / "small.yaml"


class TestDarkCurrent(CalibrationSuite):
    def plugin(self) -> object:
        return latcal_darkcurrent

    def recipe(self) -> str:
        return f"""\
latcal: 1
title: As few frames as make a ladder
instrument: {SMALL}
camera: {{use: simulated, seed: 7, settling: 0 electron}}
store: {{use: memory}}
sequences:
  biases: {{image: bias, exposures: 3 x 0 s}}
  ladder: {{image: dark, exposures: [1 x 5 s, 1 x 15 s, 1 x 60 s]}}
stages:
  - {{make: bias, frames: [biases], verify: {{waived_by: the tests, reason: three frames are too few}}}}
  - {{make: dark_current, frames: [ladder]}}
certify: {{into: calib/few, begin: 2026-01-01, end: open}}
"""
