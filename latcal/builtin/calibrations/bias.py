"""Bias: what a frame without exposure shows on average."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from latcal import numerics
from latcal.plugin import (
    AmplifierInputs,
    CalibrationType,
    DetectorInputs,
    Expectation,
    Measurement,
    Outlook,
    Part,
    Product,
    Sequence,
    assemble_image,
    combining,
    hookimpl,
    judging,
    option,
)

if TYPE_CHECKING:
    from latcal.numerics.arrays import Pixels
    from latcal.numerics.residuals import Residual


@frozen
class BiasOptions:
    """Options of the bias."""

    clip: float = option(
        5.0,
        help="Samples beyond this many sigma of the noise model are rejected; latcal's choice.",
        validator=combining.above_zero,
    )
    estimator: Literal["model", "clipped", "median"] = option(
        "model",
        help="'model' rejects by the noise of each frame; 'clipped' (3 sigma, 3 passes) and 'median' are for comparison.",
    )
    overscan: combining.OverscanOptions | None = option(None, help=combining.OVERSCAN)
    crosstalk: bool = option(True, help=combining.CROSSTALK)
    defects: bool = option(False, help=combining.DEFECTS)


def check(sequences: tuple[Sequence, ...], _: BiasOptions) -> Iterator[tuple[str, str]]:
    """Refuse frames that are exposed."""
    yield from combining.times_that_fit(sequences, lambda time: time == 0.0, "write '20 x 0 s'")
    yield from combining.no_levels(sequences)


def build_amplifier(inputs: AmplifierInputs) -> Part:
    """Combine the frames of one amplifier [electron]."""
    stack = [combining.reader(inputs, frame) for frame in inputs.frames]
    match inputs.options.estimator:
        case "clipped":
            combined = numerics.combine.clipped_mean(stack, inputs.frame_noise, inputs.shape)
        case "median":
            combined = numerics.combine.median(stack, inputs.frame_noise, inputs.shape)
        case _:
            combined = numerics.combine.mean(stack, inputs.frame_noise, inputs.shape, clip=inputs.options.clip)
    return combining.part(inputs, stack, combined, unit="electron")


def assemble(inputs: DetectorInputs, parts: tuple[Part, ...]) -> Product:
    """Put the amplifiers together."""
    return assemble_image(inputs, parts, unit="electron")


def measure(inputs: AmplifierInputs) -> Iterator[Measurement]:
    """Measure one frame minus the bias."""
    noise = inputs.frames[0].frame_noise
    known = None if inputs.seen is None else inputs.seen.judged_by(noise)
    return judging.of_residual(inputs, known or numerics.residuals.residual(_left(inputs), noise))


def observe(inputs: AmplifierInputs) -> Residual:
    """Measure one frame minus the bias by its own noise; by that of its set nearly always the same pixels count."""
    return numerics.residuals.residual(_left(inputs), inputs.frames[0].frame_noise)


def residual(inputs: AmplifierInputs) -> Part:
    """Give one frame minus the bias [electron]."""
    return combining.residual_part(inputs, _left(inputs), inputs.frames[0].frame_noise ** 2)


def _left(inputs: AmplifierInputs) -> Pixels:
    (frame,) = inputs.frames
    return numerics.correct.subtract(combining.reader(inputs, frame), inputs.need("bias").reader)(combining.WHOLE)


def expect(outlook: Outlook) -> Iterable[Expectation]:
    """Say what the noise rule will see."""
    limit = outlook.limits.get("noise", 0.05)
    frames = len(outlook.times_s) if outlook.internal else outlook.frames.get("bias")
    if not frames:
        return [Expectation("noise", None, limit, note="the frames of the bias are counted at preflight")]

    def excess(count: int) -> float:
        return numerics.budget.bias_excess(count, independent=not outlook.internal)

    enough = numerics.budget.frames_needed(excess, limit, frames)
    return [Expectation("noise", excess(frames), limit, None if enough is None else enough - frames)]


@hookimpl
def latcal_calibrations() -> Iterator[CalibrationType]:
    """Declare the bias."""
    yield CalibrationType(
        name="bias",
        summary="Mean of frames without exposure",
        options=BiasOptions,
        images=frozenset({"bias"}),
        needs=combining.defects,
        metrics=judging.metrics(*judging.RESIDUAL),
        rules=judging.RESIDUAL_RULES,
        check=check,
        preparation=combining.preparation,
        crosstalk=combining.crosstalk,
        build_amplifier=build_amplifier,
        residual=residual,
        assemble=assemble,
        measure=measure,
        observe=observe,
        budget=expect,
    )
