"""What options may say: names of models and limits, known without the code behind them, so that a plan needs none of it."""

from __future__ import annotations

from typing import Final

SERIAL_MODELS: Final = ("mean per row", "median per row", "constant", "none")
"""Models of a serial overscan (`latcal.numerics.overscan_models`)."""

PARALLEL_MODELS: Final = ("line", "constant", "mean per column", "median per column", "none")
"""Models of a parallel overscan (`latcal.numerics.overscan_models`)."""

LEAST_CLIP: Final = 6.0
"""Clip of defects: pixels beyond 4.8 sigma of Gaussian noise are over 100 on a sensor of 16 million, beyond 6 none."""

MOST_PROBES: Final = 4
"""Exposures that search a level: two that measure, and two that may be too faint or too bright; latcal's choice: from 1 s that is
4 decades of light."""
