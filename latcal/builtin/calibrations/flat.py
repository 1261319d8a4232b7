"""Flat: how a detector answers to even light, pixel by pixel, without unit.

Frames are brought to electrons by the nominal gain and divided by one number per exposure and detector, so that the
steps between amplifiers stay what they are: an error of a nominal gain stays in the flat, and the gains used stand in
the product's table of amplifiers.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import evolve, frozen

from latcal import numerics
from latcal.plugin import (
    AmplifierFrame,
    AmplifierInputs,
    CalibrationType,
    DetectorInputs,
    Expectation,
    Measurement,
    Measurements,
    Metric,
    Outlook,
    Part,
    Product,
    Rule,
    Scope,
    Sequence,
    assemble_image,
    combining,
    hookimpl,
    judging,
    option,
)

if TYPE_CHECKING:
    from latcal.numerics.arrays import Read

NAN = float("nan")
METRICS = (
    judging.amplifier_metric(
        "mean", "electron", "Level of the flattened frame: sum of the signal over sum of the flat."
    ),
    judging.amplifier_metric(
        "noise", "electron", "Standard deviation of the flattened frame, clipped at 5 sigma, 3 times."
    ),
    judging.amplifier_metric(
        "shot_noise", "electron", "What counting electrons and the readout must leave in that frame."
    ),
    judging.amplifier_metric(
        "frame_noise", "electron", "What a corrected pixel of this frame without light must show."
    ),
    judging.amplifier_metric("pull", "", "Clipped standard deviation of residual over expected noise, pixel by pixel."),
    Metric("level", "electron", Scope.DETECTOR, "Mean of the amplifiers' levels."),
    Metric("amplifier_scatter", "", Scope.DETECTOR, "Scatter of the amplifiers' levels, over their mean."),
    Metric("level_ratio", "", Scope.EXPOSURE, "Level per second over that of the product, mean over detectors."),
    Metric("lamp_drift", "", Scope.EXPOSURE, "Steady change of the level per second over the whole set, over its first."),
    Metric("scatter", "", Scope.EXPOSURE, "Scatter of the level ratios over detectors; 0 for one detector."),
)
RULES = (
    Rule(
        "noise",
        "abs(noise - shot_noise) <= 0.05 * shot_noise",
        summary="The flattened frame is as noisy as its light, no more and no less.",
    ),
    Rule("level", "mean >= 1000 electron", summary="The lamp was on."),
    Rule("level_ratio", "abs(level_ratio - 1) <= 0.05", summary="No exposure has another level than the rest."),
    Rule("lamp_drift", "abs(lamp_drift) <= 0.05", summary="The lamp is steady: one that drifts fails in every exposure of the set."),
    Rule("scatter", "scatter <= 0.05", summary="All detectors see the lamp change alike."),
    Rule("amplifier_scatter", "amplifier_scatter <= 0.05", summary="All amplifiers of a detector agree on the level."),
    judging.READ_NOISE_RULE,
)


@frozen
class FlatOptions:
    """Options of the flat."""

    clip: float = option(
        5.0,
        help="Samples beyond this many sigma of the noise model are rejected; latcal's choice.",
        validator=combining.above_zero,
    )
    without_dark: str = option(
        "", help="Why no dark is subtracted, if none is; recorded in the product. Then the flat needs a bias only."
    )
    other_bias: str = option(
        "", help="Why a dark may be used with another bias than the one it was made with; recorded in the product."
    )
    brighter_fatter: Any = option(
        None,
        unit="1 / electron",
        help="Coefficient a00 (negative) of the expected noise, 0 for photons alone; the detector's own if left out.",
    )
    overscan: combining.OverscanOptions | None = option(None, help=combining.OVERSCAN)
    crosstalk: bool = option(True, help=combining.CROSSTALK)
    defects: bool = option(False, help=combining.DEFECTS)


def needs(options: FlatOptions) -> frozenset[str]:
    """Say that a flat needs a bias and, unless waived, a dark; and a defect map if defects are left out."""
    subtracted = frozenset({"bias"}) if options.without_dark else frozenset({"bias", "dark"})
    return subtracted | combining.defects(options)


def unpinned(options: FlatOptions) -> dict[str, str]:
    """Let a dark be used with another bias if a reason is written."""
    return {"dark": options.other_bias} if options.other_bias else {}


def check(sequences: tuple[Sequence, ...], _: FlatOptions) -> Iterator[tuple[str, str]]:
    """Refuse frames that see no light."""
    yield from combining.times_that_fit(sequences, lambda time: time > 0.0, "write '20 x 5 s'")


def build_amplifier(inputs: AmplifierInputs) -> Part:
    """Combine the frames of one amplifier, each divided by the level of its detector.

    A frame whose level is not above `combining.FAINTEST` tells nothing and does not count: its own verification says
    that the lamp was off. Where no frame counts the product has no data.
    """
    lights = {frame.exposure.id: combining.light_of(inputs, frame) for frame in inputs.frames}
    lit = tuple(frame for frame in inputs.frames if lights[frame.exposure.id] > combining.FAINTEST)
    if not lit:
        return combining.part(
            inputs, [], combining.nothing(inputs.shape), unit="", facts={"frames": (0.0, ""), "level_rate": _rate(NAN)}
        )
    used = evolve(inputs, frames=lit)
    scale = [lights[frame.exposure.id] for frame in lit]
    stack = [_signal(used, frame) for frame in lit]
    combined = numerics.combine.mean(
        stack,
        used.frame_noise,
        used.shape,
        scale=scale,
        weights=combining.light_weights(lit, scale),
        poisson=True,
        clip=used.options.clip,
    )
    rates = [light / time for light, time in zip(scale, used.times_s, strict=True) if time > 0.0]
    facts = {
        "level": (numerics.statistics.level(combined.image), ""),
        "level_rate": _rate(float(np.median(rates)) if rates else NAN),
    }
    return combining.part(used, stack, combining.above(combined, numerics.residuals.DARKEST), unit="", facts=facts)


def assemble(inputs: DetectorInputs, parts: tuple[Part, ...]) -> Product:
    """Put the amplifiers together; in a flat, which has no unit, the mean of their levels is 1."""
    unit = combining.unit_of(parts)
    mean = float(numerics.levels.mean_of_finite(np.array([one.facts["level"][0] for one in parts]), 0))
    if unit or not math.isfinite(mean):
        return assemble_image(inputs, parts, unit=unit)
    return assemble_image(inputs, tuple(_normalised(one, mean) for one in parts), unit=unit)


def measure(inputs: AmplifierInputs) -> Iterator[Measurement]:
    """Measure one frame, bias and dark subtracted, divided by the flat."""
    (frame,) = inputs.frames
    flat = inputs.need("flat").reader(combining.WHOLE)
    left = numerics.residuals.flattened(_signal(inputs, frame)(combining.WHOLE), flat, frame.frame_noise, _brighter_fatter(inputs))
    return judging.at_amplifier(
        inputs,
        {
            **judging.readout(inputs),
            "mean": left.mean,
            "noise": left.noise,
            "shot_noise": left.expected,
            "frame_noise": frame.frame_noise,
            "pull": left.pull,
        },
    )


def _brighter_fatter(inputs: AmplifierInputs) -> float:
    """Give the coefficient a00 that is used [1 / electron]."""
    chosen = inputs.options.brighter_fatter
    return inputs.detector.brighter_fatter if chosen is None else float(chosen.to_value("1 / electron"))


def residual(inputs: AmplifierInputs) -> Part:
    """Give one frame, bias and dark subtracted, divided by the flat [electron]."""
    (frame,) = inputs.frames
    signal = _signal(inputs, frame)
    light = np.maximum(signal(combining.WHOLE), 0.0)
    variance = frame.frame_noise**2 + numerics.residuals.photon_variance(light, _brighter_fatter(inputs))
    flat = inputs.need("flat").reader
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = variance / np.square(flat(combining.WHOLE))
    return combining.residual_part(inputs, numerics.correct.divide(signal, flat)(combining.WHOLE), spread)


def summarise(measurements: Measurements, products: Mapping[str, Product]) -> Iterator[Measurement]:
    """Compare the levels of amplifiers, detectors and exposures.

    The reference of a detector's level per second is that of its product: the median over the frames it was made of.
    """
    means = measurements.values.get("mean")
    if means is None:
        return
    found = numerics.levels.mean_of_finite(means, 2)
    references = np.array([_reference(products.get(detector)) for detector in measurements.detectors])
    ratios = numerics.levels.ratios(found, np.array(measurements.times_s), references)
    for d, detector in enumerate(measurements.detectors):
        for e, exposure in enumerate(measurements.exposures):
            yield Measurement("level", float(found[e, d]), exposure, detector)
            yield Measurement("amplifier_scatter", numerics.levels.relative_scatter(means[e, d]), exposure, detector)
    together = numerics.levels.mean_of_finite(ratios, 1)
    drift = numerics.levels.drift(together, np.array(measurements.times_s))  # of the set: all of its exposures are in it
    for exposure, row, ratio in zip(measurements.exposures, ratios, together, strict=True):
        yield Measurement("level_ratio", float(ratio), exposure)
        yield Measurement("lamp_drift", drift, exposure)
        yield Measurement("scatter", numerics.levels.scatter(row), exposure)


def expect(outlook: Outlook) -> Iterable[Expectation]:
    """Say what the noise rule will see, for each time if they differ.

    A frame counts by its light: a product of times t has ``sum(t) / t`` frames' worth for one of them.
    """
    limit = outlook.limits.get("noise", 0.05)
    times = [time for time in outlook.times_s if time > 0.0]
    frames = outlook.frames.get("flat") or (len(times) if outlook.internal else 0)
    if outlook.internal and len(set(times)) > 1 and len(times) == frames:
        return [_expected(math.fsum(times) / time, limit, True, time) for time in sorted(set(times))]
    if not frames:
        return [Expectation("noise", None, limit, note="known once the frames of the flat are counted")]
    return [_expected(float(frames), limit, outlook.internal)]


def _expected(worth: float, limit: float, internal: bool, time: float | None = None) -> Expectation:
    case = "" if time is None else f"{time:g} s"
    excess = math.sqrt(max(1.0 + (-1.0 if internal else 1.0) / worth, 0.0)) - 1.0
    enough = numerics.budget.frames_needed(lambda n: numerics.budget.flat_excess(n, independent=not internal), limit, 1)
    more = None if enough is None else max(enough - math.floor(worth), 0)
    return Expectation("noise", excess, limit, more if abs(excess) > limit else 0, case, more_of=case, time_s=time)


def _signal(inputs: AmplifierInputs, frame: AmplifierFrame) -> Read:
    """Subtract the bias, and the dark in the frame's dark time."""
    signal = numerics.correct.subtract(combining.reader(inputs, frame), inputs.need("bias").reader)
    if "dark" not in inputs.needs:
        return signal
    return numerics.correct.subtract_scaled(signal, inputs.need("dark").reader, frame.exposure.dark_time_s)


def _normalised(one: Part, mean: float) -> Part:
    planes = {**one.planes, "image": one.planes["image"] / np.float32(mean)}
    planes["variance"] = one.planes["variance"] / np.float32(mean * mean)
    facts = dict(one.facts)
    for name in ("level", "model_sigma", "sample_sigma"):
        facts[name] = (one.facts[name][0] / mean, one.facts[name][1])
    facts["level_rate"] = _rate(one.facts["level_rate"][0] * mean)
    return Part(planes, facts)


def _rate(value: float) -> tuple[float, str]:
    return value, "electron / s"


def _reference(product: Product | None) -> float:
    """Give the level per second that a product says, the mean over its amplifiers [electron / s]; NaN if none."""
    column = product.tables.get("amplifiers", {}).get("level_rate") if product is not None else None
    rates = np.array([float(rate) for rate in column.values]) if column is not None else np.full(1, NAN)
    return float(numerics.levels.mean_of_finite(rates, 0))


@hookimpl
def latcal_calibrations() -> Iterator[CalibrationType]:
    """Declare the flat."""
    yield CalibrationType(
        name="flat",
        summary="Response to even light, without unit, 1 on average",
        options=FlatOptions,
        images=frozenset({"flat"}),
        setup=frozenset({"filter", "grating", "binning", "mode"}),
        needs=needs,
        metrics=judging.metrics(*METRICS),
        rules=RULES,
        check=check,
        unpinned=unpinned,
        preparation=combining.preparation,
        crosstalk=combining.crosstalk,
        build_amplifier=build_amplifier,
        residual=residual,
        assemble=assemble,
        measure=measure,
        summarise=summarise,
        budget=expect,
    )
