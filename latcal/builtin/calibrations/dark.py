"""Dark: the rate at which charge gathers without light."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from attrs import frozen

from latcal import numerics
from latcal.plugin import (
    AmplifierInputs,
    BuildError,
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
    from latcal.numerics.arrays import Pixels

RATE = "electron / s"


@frozen
class DarkOptions:
    """Options of the dark."""

    clip: float = option(
        5.0,
        help="Samples beyond this many sigma of the noise model are rejected; latcal's choice.",
        validator=combining.above_zero,
    )
    grow: int = option(
        1,
        help="Pixels by which what is rejected is grown in its frame; latcal's choice.",
        validator=combining.not_below_zero,
    )
    other_bias: str = option(
        "", help="Why a dark may be used with another bias than the one it was made with; recorded in the product."
    )
    overscan: combining.OverscanOptions | None = option(None, help=combining.OVERSCAN)
    crosstalk: bool = option(True, help=combining.CROSSTALK)
    defects: bool = option(False, help=combining.DEFECTS)


def needs(options: DarkOptions) -> frozenset[str]:
    """Say that a dark needs a bias, and a defect map if defects are left out."""
    return frozenset({"bias"}) | combining.defects(options)


def unpinned(options: DarkOptions) -> dict[str, str]:
    """Let a dark be used with another bias if a reason is written."""
    return {"dark": options.other_bias} if options.other_bias else {}


def check(sequences: tuple[Sequence, ...], _: DarkOptions) -> Iterator[tuple[str, str]]:
    """Refuse frames without a time in which charge can gather."""
    yield from combining.times_that_fit(sequences, lambda time: time > 0.0, "write '16 x 30 s'")
    yield from combining.no_levels(sequences)


def build_amplifier(inputs: AmplifierInputs) -> Part:
    """Combine the frames of one amplifier, bias subtracted [electron / s]."""
    for frame in inputs.frames:
        if not frame.exposure.dark_time_s > 0.0:
            raise BuildError(
                f"exposure {frame.exposure.id}: a dark time of {frame.exposure.dark_time_s:g} s is not above 0 "
                "(take darks of at least a second)"
            )
    bias = inputs.need("bias").reader
    stack = [numerics.correct.subtract(combining.reader(inputs, frame), bias) for frame in inputs.frames]
    options, times = inputs.options, inputs.dark_times_s
    combined = numerics.combine.rate(stack, times, inputs.frame_noise, inputs.shape, clip=options.clip, grow=options.grow)
    dark = combined.image[np.isfinite(combined.image)]
    facts = {
        "dark_current": (float(np.median(dark)) if dark.size else float("nan"), RATE),
        "bias_weight": (_bias_weight(times, inputs.frame_noise), "1 / s"),
    }
    return combining.part(inputs, stack, combined, unit=RATE, facts=facts)


def assemble(inputs: DetectorInputs, parts: tuple[Part, ...]) -> Product:
    """Put the amplifiers together, pinned to the bias that was subtracted."""
    return assemble_image(inputs, parts, unit=combining.unit_of(parts), pins={"bias": inputs.needs["bias"].id})


def measure(inputs: AmplifierInputs) -> Iterator[Measurement]:
    """Measure one frame minus the bias and the dark in its time."""
    (frame,) = inputs.frames
    signal = _signal(inputs)
    return judging.of_residual(inputs, numerics.residuals.residual(_left(inputs, signal), frame.frame_noise, signal))


def residual(inputs: AmplifierInputs) -> Part:
    """Give one frame minus the bias and the dark in its time [electron]."""
    signal = _signal(inputs)
    variance = inputs.frames[0].frame_noise ** 2 + numerics.residuals.photon_variance(np.maximum(signal, 0.0))
    return combining.residual_part(inputs, _left(inputs, signal), variance)


def _signal(inputs: AmplifierInputs) -> Pixels:
    """Give the dark in the time of one frame [electron]."""
    signal: Pixels = inputs.need("dark").reader(combining.WHOLE) * np.float32(inputs.frames[0].exposure.dark_time_s)
    return signal


def _left(inputs: AmplifierInputs, signal: Pixels) -> Pixels:
    (frame,) = inputs.frames
    return numerics.correct.subtract(combining.reader(inputs, frame), inputs.need("bias").reader)(combining.WHOLE) - signal


def summarise(measurements: Measurements, products: Mapping[str, Product]) -> Iterator[Measurement]:
    """Give each product's dark current: that of its worst amplifier."""
    for detector in measurements.detectors:
        column = products[detector].tables.get("amplifiers", {}).get("dark_current") if detector in products else None
        if column is not None:
            rates = [float(rate) for rate in column.values if np.isfinite(rate)]
            yield Measurement("dark_current", max(rates, default=float("nan")), detector=detector)


def expect(outlook: Outlook) -> Iterator[Expectation]:
    """Say what the noise rule will see, for each time of the frames."""
    limit = outlook.limits.get("noise", 0.05)
    biases = outlook.frames.get("bias")
    for time in sorted({time for time in outlook.times_s if time > 0.0}):
        case = f"{time:g} s"
        if not outlook.internal:
            yield Expectation("noise", None, limit, case=case, note="depends on the times of the frames of the dark")
        elif not biases:
            yield Expectation("noise", None, limit, case=case, note="the frames of the bias are counted at preflight")
        else:
            times = [one for one in outlook.times_s if one > 0.0]
            yield _expected(time, times, biases, limit, case)


def _expected(time: float, times: list[float], biases: int, limit: float, case: str) -> Expectation:
    longest = max(times)

    def excess(more: int) -> float:
        return numerics.budget.dark_excess(time, times + [longest] * more, independent=False, bias_frames=biases)

    of = f"{longest:g} s" if len(set(times)) > 1 else ""
    return Expectation(
        "noise", excess(0), limit, numerics.budget.frames_needed(excess, limit, 0), case, more_of=of, time_s=time
    )


def _bias_weight(times: list[float], noise: list[float]) -> float:
    """Give what the rate takes of an error of the bias: ``-sum(t / noise^2) / sum(t^2 / noise^2)`` times it [1 / s].

    The variance plane is that of the dark with the bias it pins, and leaves it out.
    """
    precision = 1.0 / np.square(noise)
    return float(np.sum(np.multiply(times, precision)) / np.sum(np.square(times) * precision))


@hookimpl
def latcal_calibrations() -> Iterator[CalibrationType]:
    """Declare the dark."""
    yield CalibrationType(
        name="dark",
        summary="Weighted mean rate of frames in the dark",
        options=DarkOptions,
        images=frozenset({"dark"}),
        needs=needs,
        metrics=judging.metrics(
            *judging.RESIDUAL,
            Metric("dark_current", RATE, Scope.PRODUCT, "Median rate of the worst amplifier of the product."),
        ),
        rules=(
            *judging.RESIDUAL_RULES,
            Rule("dark_current", "dark_current <= 0.2 electron/s", summary="More than this is a leak of light."),
        ),
        check=check,
        unpinned=unpinned,
        pins=frozenset({"bias"}),
        preparation=combining.preparation,
        crosstalk=combining.crosstalk,
        build_amplifier=build_amplifier,
        residual=residual,
        assemble=assemble,
        measure=measure,
        summarise=summarise,
        budget=expect,
    )
