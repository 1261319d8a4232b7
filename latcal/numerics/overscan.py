"""Subtract the overscan of one amplifier, trim it, and measure its read noise.

The serial overscan (columns beyond the data) follows the pedestal from row to row; the parallel overscan (rows
beyond the data) what is left from column to column. A model of few samples adds noise of its own: how much is part
of the answer, because a corrected pixel must be judged against its true noise (docs/physics.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from attrs import frozen

from latcal.errors import BuildError
from latcal.numerics.arrays import Pixels, Wide
from latcal.numerics.samples import QUANTISATION, Samples, narrow
from latcal.numerics.smoothing import filled, gaussian, mean_variance, smoothed
from latcal.numerics.statistics import quartile_sigma

__all__ = ["PARALLEL_MODELS", "QUANTISATION", "SERIAL_MODELS", "Overscan", "subtract"]

Section: TypeAlias = tuple[slice, slice]

LINE_CLIP: Final = 5.0
"""Columns this many sigma off the line are left out of it; latcal's choice: a saturated column trails into it."""


@frozen
class Overscan:
    """One amplifier without its overscan, and what the overscan told.

    Parameters
    ----------
    pixels : (ny, nx) [adu]
        The data section, overscan subtracted.
    read_noise : scalar [adu]
        Without quantisation; not lowered by the model that was subtracted.
    read_noise_error : scalar [adu]
        Statistical; NaN if the read noise was not measured here.
    serial_variance, parallel_variance : scalar, in units of the squared noise of one overscan pixel
        What subtracting either model adds to the variance of a data pixel.
    pedestal : scalar [adu]
        Mean over the data section of what was subtracted.
    """

    pixels: Pixels
    read_noise: float
    read_noise_error: float
    serial_variance: float
    parallel_variance: float
    pedestal: float


def subtract(
    raw: Pixels,
    data: Section,
    serial: Section | None,
    parallel: Section | None,
    *,
    serial_model: str = "mean per row",
    parallel_model: str = "line",
    skip: int = 3,
    clip: float = 5.0,
    smooth: float = 1.0,
    nominal_read_noise: float | None = None,
) -> Overscan:
    """Subtract the overscan of one amplifier and trim it.

    Parameters
    ----------
    raw : (ny, nx) [adu]
        The whole amplifier as read out; NaN where saturated.
    data, serial, parallel : pairs of slices (y, x), or None
        Of the serial overscan only the columns count: they are used for the data rows and for the rows of the
        parallel overscan. Of the parallel overscan only the rows count: they are used for the data columns.
    serial_model : str
        One of `SERIAL_MODELS`. The default is latcal's choice: a plain median costs pi/2 more variance.
    parallel_model : str
        One of `PARALLEL_MODELS`. The default is latcal's choice, for the same reason.
    skip : int
        Samples left out at either end of an overscan, across; never more than a third of it. The default is that of
        the Rubin pipelines.
    clip : scalar, standard deviations
        Where an overscan sample counts as an outlier. The default is latcal's choice (docs/physics.md).
    smooth : scalar [row]
        Gaussian sigma along the rows for "mean per row"; 0 for none. The default is latcal's choice.
    nominal_read_noise : scalar [adu] or None
        Taken as the read noise of an amplifier that has no overscan at all.

    Returns
    -------
    Overscan

    Raises
    ------
    BuildError
        If a model is not known, or an overscan that is needed holds no value.
    """
    _require("serial", serial_model, SERIAL_MODELS)
    _require("parallel", parallel_model, PARALLEL_MODELS)
    rows, columns = (_range(part, size) for part, size in zip(data, raw.shape, strict=True))
    pixels: Pixels = raw[rows, columns]
    row_model, column_model = np.zeros(len(pixels)), np.zeros(pixels.shape[1])
    serial_variance = parallel_variance = 0.0
    across = None if parallel is None else _inner(parallel[0], raw.shape[0], skip)
    region = None if across is None else raw[across, columns]
    noise = None
    if serial is not None:
        span = rows if across is None else slice(min(rows.start, across.start), max(rows.stop, across.stop))
        samples = Samples.of(raw[span, _inner(serial[1], raw.shape[1], skip)], clip, "serial")
        noise = samples
        values, serial_variance = SERIAL[serial_model](samples, smooth)
        row_model = values[rows.start - span.start : rows.stop - span.start]
        if region is not None and across is not None:
            region = region - narrow(values[across.start - span.start : across.stop - span.start])[:, None]
    if region is not None:
        noise = noise if noise is not None else Samples.of(region, clip, "parallel")
        if parallel_model != "none":
            column_model, parallel_variance = PARALLEL[parallel_model](Samples.of(region.T, clip, "parallel"), 0.0)
    corrected = pixels - narrow(row_model)[:, None]
    corrected -= narrow(column_model)
    read_noise, error = _read_noise(noise, nominal_read_noise)
    pedestal = float(row_model.mean() + column_model.mean())
    return Overscan(corrected, read_noise, error, serial_variance, parallel_variance, pedestal)


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
SERIAL_MODELS: Final = tuple(SERIAL)
PARALLEL_MODELS: Final = tuple(PARALLEL)


def _read_noise(samples: Samples | None, nominal: float | None) -> tuple[float, float]:
    if samples is None:
        if nominal is None:
            raise BuildError("an amplifier without overscan has no read noise (give its nominal read noise)")
        return nominal, math.nan
    if not samples.freedom:
        raise BuildError("no line of the overscan holds two values: no read noise can be measured")
    variance = max(samples.variance - QUANTISATION, 0.0)
    return math.sqrt(variance), math.sqrt(samples.variance / (2.0 * samples.freedom))


def _require(name: str, model: str, known: tuple[str, ...]) -> None:
    if model not in known:
        raise BuildError(f"{model!r} is not a model of the {name} overscan (write one of {', '.join(known)})")


def _range(part: slice, size: int) -> slice:
    start, stop, _ = part.indices(size)
    return slice(start, stop)


def _inner(part: slice, size: int, skip: int) -> slice:
    start, stop, _ = part.indices(size)
    left_out = min(skip, max(stop - start - 1, 0) // 3)
    return slice(start + left_out, stop - left_out)
