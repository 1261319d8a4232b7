"""Subtract the overscan of one amplifier, trim it, and measure its read noise.

The serial overscan (columns beyond the data) follows the pedestal from row to row; the parallel overscan (rows
beyond the data) what is left from column to column. A model of few samples adds noise of its own: how much is part
of the answer, because a corrected pixel must be judged against its true noise (docs/physics.md).

`subtract` does both. Crosstalk belongs between them: `measure_pedestals` of every amplifier, `crosstalk.subtract` over all
of them, `subtract_parallel` for each.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from attrs import evolve, frozen

from latcal.errors import BuildError
from latcal.numerics.allowed import PARALLEL_MODELS, SERIAL_MODELS
from latcal.numerics.arrays import Pixels, Wide
from latcal.numerics.overscan_models import PARALLEL, SERIAL
from latcal.numerics.samples import QUANTISATION, Samples, narrow
from latcal.numerics.statistics import AT_ONCE

__all__ = [
    "PARALLEL_MODELS",
    "QUANTISATION",
    "SERIAL_MODELS",
    "Overscan",
    "WithPedestals",
    "measure_pedestals",
    "subtract",
    "subtract_parallel",
]

Section: TypeAlias = tuple[slice, slice]


@frozen
class Overscan:
    """One amplifier without its overscan, and what the overscan told.

    Parameters
    ----------
    pixels : (ny, nx) [adu, times the scale that was asked for]
        The data section, overscan subtracted.
    read_noise : scalar [adu]
        Without quantisation; not lowered by the model that was subtracted.
    read_noise_error : scalar [adu]
        Statistical; NaN if the read noise was not measured here.
    serial_variance, parallel_variance : scalar, in units of the squared noise of one overscan pixel
        What subtracting either model adds to the variance of a data pixel.
    pedestal : scalar [adu]
        Mean over the data section of what was subtracted.
    saturated : int
        Pixels that reached the saturation that was told.
    """

    pixels: Pixels
    read_noise: float
    read_noise_error: float
    serial_variance: float
    parallel_variance: float
    pedestal: float
    saturated: int = 0

    @property
    def frame_noise(self) -> float:
        """Noise that a corrected pixel without signal must show [adu].

        ``sqrt(read_noise^2 (1 + serial_variance + parallel_variance) + 1 / 12)``: readout, overscan models and
        quantisation. What subtracting crosstalk adds, the sum of c^2 times the squared noise of the others, is left
        out: below 1e-5 of the variance with the coefficients of LATISS.
        """
        added = 1.0 + self.serial_variance + self.parallel_variance
        return math.sqrt(self.read_noise**2 * added + QUANTISATION)


@frozen(eq=False)
class WithPedestals:
    """One whole amplifier, and the pedestal of each of its rows as the serial overscan tells it.

    Parameters
    ----------
    pixels : (ny, nx) [adu]
        As read out, overscans included.
    pedestals : (ny,) [adu]
        0 without serial overscan. Beyond the rows that were measured, that of the nearest.
    rows, columns : slice
        The data.
    across : slice or None
        Rows of the parallel overscan that are used.
    samples : Samples or None
        Of the serial overscan.
    variance : scalar, in units of the squared noise of one overscan pixel
        What subtracting the pedestals adds.
    subtracted : bool
        Whether the pixels are without them already.
    """

    pixels: Pixels
    pedestals: Wide
    rows: slice
    columns: slice
    across: slice | None
    samples: Samples | None
    variance: float
    subtracted: bool = False

    def signal(self) -> WithPedestals:
        """Give the whole amplifier without its pedestals: where crosstalk is to be subtracted."""
        whole = slice(None)
        return self.with_signal(self.part(whole, whole))

    def with_signal(self, pixels: Pixels) -> WithPedestals:
        """Put other pixels [adu] in their place, without pedestals."""
        return evolve(self, pixels=pixels, subtracted=True)

    def part(self, rows: slice, columns: slice, out: Pixels | None = None) -> Pixels:
        """Give some pixels without their pedestals [adu], in `out` or as a fresh array."""
        part = self.pixels[rows, columns]
        return np.subtract(part, np.float32(0.0) if self.subtracted else narrow(self.pedestals[rows])[:, None], out=out)


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
    _require("parallel", parallel_model, PARALLEL_MODELS)
    found = measure_pedestals(raw, data, serial, parallel, model=serial_model, skip=skip, clip=clip, smooth=smooth)
    return subtract_parallel(found, model=parallel_model, clip=clip, nominal_read_noise=nominal_read_noise)


def measure_pedestals(
    raw: Pixels,
    data: Section,
    serial: Section | None,
    parallel: Section | None,
    *,
    model: str = "mean per row",
    skip: int = 3,
    clip: float = 5.0,
    smooth: float = 1.0,
) -> WithPedestals:
    """Measure the pedestal of each row in the serial overscan.

    Parameters and errors are those of `subtract`.
    """
    _require("serial", model, SERIAL_MODELS)
    rows, columns = (_range(part, size) for part, size in zip(data, raw.shape, strict=True))
    across = None if parallel is None else _inner(parallel[0], raw.shape[0], skip)
    if serial is None:
        return WithPedestals(raw, np.zeros(len(raw)), rows, columns, across, None, 0.0)
    span = rows if across is None else slice(min(rows.start, across.start), max(rows.stop, across.stop))
    samples = Samples.of(raw[span, _inner(serial[1], raw.shape[1], skip)], clip, "serial")
    values, variance = SERIAL[model](samples, smooth)
    pedestals = np.pad(values, (span.start, len(raw) - span.stop), mode="edge")
    return WithPedestals(raw, pedestals, rows, columns, across, samples, variance)


def subtract_parallel(
    found: WithPedestals,
    *,
    model: str = "line",
    clip: float = 5.0,
    nominal_read_noise: float | None = None,
    saturation: float = math.inf,
    scale: float = 1.0,
    out: Pixels | None = None,
) -> Overscan:
    """Subtract the parallel overscan of what the serial one left, and trim it.

    Parameters
    ----------
    found : WithPedestals
    saturation : scalar [adu]
        A pixel that reaches it is NaN in what is given, and counted.
    scale : scalar
        What the pixels are multiplied with at last: the gain, if electrons are wanted.
    out : (ny, nx) float32 or None
        Where the pixels go, which may be a view that turns them; a fresh array without.

    Other parameters and errors are those of `subtract`.
    """
    _require("parallel", model, PARALLEL_MODELS)
    shape = (found.rows.stop - found.rows.start, found.columns.stop - found.columns.start)
    columns, variance, noise = np.zeros(shape[1]), 0.0, found.samples
    if found.across is not None:
        region = found.part(found.across, found.columns)
        noise = noise if noise is not None else Samples.of(region, clip, "parallel")
        if model != "none":
            columns, variance = PARALLEL[model](Samples.of(region.T, clip, "parallel"), 0.0)
    pixels = np.empty(shape, np.float32) if out is None else out
    saturated = _write(found, narrow(columns), saturation, np.float32(scale), pixels)
    read_noise, error = _read_noise(noise, nominal_read_noise)
    pedestal = float(found.pedestals[found.rows].mean() + columns.mean())
    return Overscan(pixels, read_noise, error, found.variance, variance, pedestal, saturated)


def _write(found: WithPedestals, columns: Pixels, saturation: float, scale: np.float32, out: Pixels) -> int:
    """Write what is left of the data, and tell how many pixels are saturated.

    All is done with some rows at a time, always in the same memory: they stay in the cache, and the pixels are walked through
    once. What turns them only copies: arithmetic on numbers in reverse order is not vectorised.
    """
    saturated = 0
    at_once = max(AT_ONCE // max(out.shape[1], 1), 1)
    room = np.empty((min(at_once, out.shape[0]), out.shape[1]), np.float32)
    for start in range(0, out.shape[0], at_once):
        rows = slice(start, min(start + at_once, out.shape[0]))
        left = room[: rows.stop - rows.start]
        found.part(slice(found.rows.start + rows.start, found.rows.start + rows.stop), found.columns, left)
        left -= columns
        if not (left.max(initial=-np.inf) < saturation and left.min(initial=np.inf) > -np.inf):  # NaN is the greatest
            with np.errstate(invalid="ignore"):
                full = left >= np.float32(saturation)
            saturated += int(np.count_nonzero(full))
            left[full | ~np.isfinite(left)] = np.nan
        left *= scale
        out[rows] = left
    return saturated


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
