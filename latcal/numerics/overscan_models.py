"""Models of an overscan: the value of each of its lines, and what subtracting them adds to the noise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np

from latcal.numerics.arrays import Wide
from latcal.numerics.samples import Samples
from latcal.numerics.smoothing import filled, gaussian, mean_variance, smoothed
from latcal.numerics.statistics import quartile_sigma

LINE_CLIP: Final = 5.0
"""Columns this many sigma off the line are left out of it; latcal's choice: a saturated column trails into it."""


def _mean_per_line(samples: Samples, smooth: float) -> tuple[Wide, float]:
    means = filled(samples.means())
    kernel = gaussian(smooth)
    return smoothed(means, kernel), mean_variance(kernel, means.size) * samples.mean_variance()


def _median_per_line(samples: Samples, _: float) -> tuple[Wide, float]:
    return filled(np.where(samples.counts > 0.0, samples.medians, np.nan)), 0.5 * math.pi * samples.mean_variance()


def _constant(samples: Samples, _: float) -> tuple[Wide, float]:
    means, used = samples.means(), samples.counts > 0.0
    total = float(samples.counts.sum())
    value = float(means[used] @ samples.counts[used]) / total
    return np.full(means.size, value), 1.0 / total


def _none(samples: Samples, _: float) -> tuple[Wide, float]:
    return np.zeros(samples.counts.size), 0.0


def _line(samples: Samples, _: float) -> tuple[Wide, float]:
    """Fit a straight line to the means, leaving out those that stand `LINE_CLIP` sigma off it."""
    means = samples.means()
    place = np.linspace(-1.0, 1.0, means.size) if means.size > 1 else np.zeros(1)
    used = np.isfinite(means)
    values = np.where(used, means, 0.0)
    fitted = np.full(means.size, np.median(means[used]))
    expected = math.sqrt(samples.variance * samples.mean_variance()) if samples.freedom else 0.0
    variance = math.nan
    for _attempt in range(3):
        residual = values - fitted
        kept = used & (np.abs(residual) <= LINE_CLIP * max(quartile_sigma(residual[used]), expected))
        weight = np.where(kept, samples.counts, 0.0)
        total = weight.sum()
        middle = float(weight @ place) / total
        lever = float(weight @ (place - middle) ** 2)
        slope = float(weight @ ((place - middle) * values)) / lever if lever > 0.0 else 0.0
        fitted = float(weight @ values) / total + slope * (place - middle)
        variance = 1.0 / total + (float(np.mean((place - middle) ** 2)) / lever if lever > 0.0 else 0.0)
    return fitted, variance


Model: TypeAlias = Callable[[Samples, float], tuple[Wide, float]]

SERIAL: Final[dict[str, Model]] = {
    "mean per row": _mean_per_line,
    "median per row": _median_per_line,
    "constant": _constant,
    "none": _none,
}
PARALLEL: Final[dict[str, Model]] = {
    "line": _line,
    "constant": _constant,
    "mean per column": _mean_per_line,
    "median per column": _median_per_line,
    "none": _none,
}
