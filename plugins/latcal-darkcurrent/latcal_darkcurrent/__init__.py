"""Dark current of each amplifier, and what does not go with time, from darks of several times: a plugin of latcal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen
from latcal import numerics, plugin
from latcal.plugin import AmplifierInputs, Measurement, Rule, combining, hookimpl, judging, option

if TYPE_CHECKING:
    from astropy.units import Quantity
    from latcal.numerics.arrays import Pixels, Wide

NAME, RATE, LADDER = "dark_current", "electron / s", "take 3 or more, one twice as long as another: [4 x 5 s, 4 x 60 s]"
FACTS = (
    judging.amplifier_metric("rate", RATE, "Slope of the levels of the product's frames over their dark times."),
    judging.amplifier_metric("rate_error", RATE, "Its error, by the scatter of whole frames about the line."),
    judging.amplifier_metric("intercept", "electron", "Level at no time: residual bias, or a glow of every readout."),
    judging.amplifier_metric("intercept_error", "electron", "Its error, that of the bias included."),
    judging.amplifier_metric("worst_departure", "electron", "Of the product's frame that is farthest from the line."),
    judging.amplifier_metric("percentile_95", RATE, "Rate that 95 % of the pixels are below, their noise included."),
    judging.amplifier_metric("pixel_noise", RATE, "Noise of the rate of a typical pixel."),
    judging.amplifier_metric("hot_pixels", "", "Number of pixels whose rate is above `hot`, and above 5 sigma."),
)
DEPARTURE = judging.amplifier_metric("departure", "electron", "Level of a frame minus that of the product's line.")
WORST = plugin.Metric(NAME, RATE, plugin.Scope.PRODUCT, "Rate of the worst amplifier of the product.")
RULES = (
    Rule(NAME, f"{NAME} <= 0.2 electron/s", summary="More than this is a leak of light."),
    Rule("rate", "abs(rate) <= 0.2 electron/s", summary="The same limit, to name amplifiers; a rate below 0 is none."),
    Rule("intercept", "abs(intercept) <= 0.2 * nominal_read_noise", summary="As much as a bias may leave in a frame."),
    Rule("departure", "abs(departure) <= 0.2 * read_noise", summary="A frame is as near to the line as to its bias."),
    Rule("worst_departure", "abs(worst_departure) <= 0.2 * nominal_read_noise", summary="One frame off it tilts the line."),
)


@frozen
class DarkCurrentOptions:
    """Options of the dark current."""

    hot: Quantity = option("3 electron/s", unit=RATE, validator=combining.above_zero, help="Rate of a hot pixel, at least.")
    overscan: combining.OverscanOptions | None = option(None, help=combining.OVERSCAN)
    crosstalk: bool = option(True, help=combining.CROSSTALK)


def needs(_: DarkCurrentOptions) -> frozenset[str]:
    """Say that it needs a bias: without, the intercept means nothing."""
    return frozenset({"bias"})


def check(sequences: tuple[plugin.Sequence, ...], _: DarkCurrentOptions) -> Iterator[tuple[str, str]]:
    """Refuse frames in which no charge can gather, and times that are no ladder."""
    yield from combining.times_that_fit(sequences, lambda time: time > 0.0, LADDER)
    yield from combining.no_levels(sequences)
    times = [time for sequence in sequences for time in sequence.exposures.times_s]
    if times and (what := fault(times, 2.0)):
        yield what, LADDER


def fault(times: list[float], factor: float = 1.1) -> str:
    """Say why dark times [s] are not a ladder, if so; 3 frames, and the factor between times, are our choice."""
    shown = f"{len(times)} frames of {', '.join(sorted({f'{time:.4g}' for time in times}, key=float))} s"
    return "" if len(times) >= 3 and max(times) >= factor * min(times) else f"{shown} are not a ladder of dark times"


def level(frame: plugin.AmplifierFrame, bias: plugin.AmplifierProduct, rates: Pixels, variance: Pixels) -> float:
    """Give the mean of a frame minus bias [electron]; hot pixels (NaN in `rates`) and cosmic rays are left out."""
    time = frame.exposure.dark_time_s
    left = frame.reader(combining.WHOLE) - bias.reader(combining.WHOLE) - np.float32(time) * rates
    clean = np.abs(left) < 5 * np.sqrt(frame.frame_noise**2 + time * np.fmax(rates, 0) + time**2 * variance)
    return float(left[clean].mean(dtype=float) + time * np.nanmean(rates, dtype=float)) if clean.any() else np.nan


def fit(times: Wide, levels: Wide, floor: float, biases: int) -> tuple[float, ...]:
    """Fit levels [electron] over times [s]: give rate, its error, intercept, its error, and the largest departure.

    All levels weigh alike, for frames scatter by their pedestals, whatever their time. With departures d from the line,
    ``s^2 = sum(d^2) / (n - 2)`` and ``Sxx = sum((t - <t>)^2)``, errors are ``s / sqrt(Sxx)`` (Draper & Smith 1998, *Applied
    Regression Analysis*, 1.4) and ``s sqrt(1/n + <t>^2/Sxx + 1/biases)``: all levels share the error of a bias of so many
    frames. Student's t widens s, so that errors hold in 68 % of cases for any n; s is at least `floor`, that of pixels.
    """
    from scipy.special import stdtrit
    middle, apart, n = times.mean(), times - times.mean(), times.size
    width = np.sqrt(apart @ apart)
    departures = levels - levels.mean() - (rate := apart @ levels / width**2) * apart
    s = max(np.sqrt(departures @ departures / (n - 2)) * stdtrit(n - 2, 0.841345), floor)
    error = s * np.sqrt(1 / n + (middle / width) ** 2 + 1 / biases)
    return rate, s / width, levels.mean() - rate * middle, error, departures[np.abs(departures).argmax()]


def build_amplifier(inputs: AmplifierInputs) -> plugin.Part:
    """Combine the rate of each pixel [electron / s] as a dark does, and fit the line of the amplifier."""
    if what := fault(inputs.dark_times_s):
        raise plugin.BuildError(f"{what} ({LADDER})")
    times, noise, bias = np.array(inputs.dark_times_s), np.array(inputs.frame_noise), inputs.need("bias")
    stack = [numerics.correct.subtract(frame.reader, bias.reader) for frame in inputs.frames]
    combined = numerics.combine.rate(stack, inputs.dark_times_s, inputs.frame_noise, inputs.shape)
    of_bias = np.sum(times / noise**2) / np.sum((times / noise) ** 2)  # what a rate takes of an error of the bias
    sigma = np.sqrt(combined.variance + of_bias**2 * bias.variance.read())
    hot = np.nan_to_num(combined.image) > np.fmax(5 * sigma, inputs.options.hot.to_value(RATE))
    rates = np.where(hot, np.float32(np.nan), combined.image)
    levels = np.array([level(frame, bias, rates, combined.variance) for frame in inputs.frames])
    known, seen, values = np.isfinite(levels), np.isfinite(combined.image), np.full(len(FACTS), np.nan)
    if not fault(times[known].tolist()):
        floor = np.sqrt((np.mean(noise**2) + abs(np.nanmedian(rates)) * times.mean()) / np.count_nonzero(seen))
        values[:5] = fit(times[known], levels[known], float(floor), max(bias.ref.frames, 1))
        values[5:] = np.percentile(combined.image[seen], 95), np.median(sigma[seen]), np.count_nonzero(hot)
    facts = {one.name: (float(value), one.unit) for one, value in zip(FACTS, values, strict=True)}
    part = combining.part(inputs, stack, combined, unit=RATE, facts=facts)
    part.planes["mask"][hot] |= np.uint8(1 << plugin.MASK_PLANES["BAD"])
    return part


def measure(inputs: AmplifierInputs) -> Iterator[Measurement]:
    """Measure how far one frame is off the product's line, and repeat what the product says of the amplifier."""
    (frame,), product = inputs.frames, inputs.need(NAME)
    facts = {one.name: product.facts[one.name] for one in FACTS}
    line = facts["intercept"] + facts["rate"] * frame.exposure.dark_time_s
    seen = level(frame, inputs.need("bias"), product.reader(combining.WHOLE), product.variance.read())
    return judging.at_amplifier(inputs, {**judging.readout(inputs), **facts, "departure": seen - line})


def summarise(measurements: plugin.Measurements, _: Mapping[str, plugin.Product]) -> Iterator[Measurement]:
    """Give the dark current of each product: that of its worst amplifier."""
    for number, detector in enumerate(measurements.detectors):
        yield Measurement(NAME, float(np.fmax.reduce(measurements.values["rate"][0, number])), detector=detector)


@hookimpl
def latcal_calibrations() -> Iterator[plugin.CalibrationType]:
    """Declare the dark current."""
    yield plugin.CalibrationType(
        name=NAME, options=DarkCurrentOptions, images=frozenset({"dark"}), needs=needs, check=check, measure=measure,
        summary="Dark current, from a ladder of dark times", crosstalk=combining.crosstalk, summarise=summarise,
        rules=(*RULES, judging.READ_NOISE_RULE), preparation=combining.preparation, build_amplifier=build_amplifier,
        metrics=judging.metrics(*FACTS, DEPARTURE, WORST), assemble=partial(plugin.assemble_image, unit=RATE),
    )  # fmt: skip


@hookimpl
def latcal_find_recipe(name: str) -> Path | None:
    """Find our recipe by its name: in the installed package, or beside it in a checkout."""
    places = (folder / "recipes" / "dark_ladder.yaml" for folder in Path(__file__).parents[:2])
    return next((path for path in places if path.stem == name.removesuffix(".yaml") and path.is_file()), None)
