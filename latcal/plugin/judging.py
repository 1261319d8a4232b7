"""Metrics, rules and measurements that calibration types share: of the readout, and of what correction leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from latcal.model.metrics import Measurement, Metric, Scope
from latcal.model.rules import Rule
from latcal.plugin.inputs import AmplifierInputs

if TYPE_CHECKING:
    from latcal.numerics.residuals import Residual


def at_amplifier(inputs: AmplifierInputs, values: Mapping[str, float]) -> Iterator[Measurement]:
    """Give measurements of the one exposure of these inputs, at its amplifier."""
    (frame,) = inputs.frames
    for name, value in values.items():
        yield Measurement(name, value, frame.exposure.id, inputs.detector.name, inputs.amplifier.name)


def readout(inputs: AmplifierInputs) -> dict[str, float]:
    """Measure what every frame shows, whatever it was taken for: values of `READOUT`."""
    return {"read_noise": inputs.frames[0].read_noise, "nominal_read_noise": inputs.amplifier.read_noise}


def of_residual(inputs: AmplifierInputs, left: Residual) -> Iterator[Measurement]:
    """Give the measurements of `READOUT` and `RESIDUAL` at the amplifier of these inputs."""
    values = {
        "mean": left.mean,
        "noise": left.noise,
        "frame_noise": left.expected,
        "cr_noise": left.cr_noise,
        "pull": left.pull,
    }
    return at_amplifier(inputs, {**readout(inputs), **values})


def metrics(*declared: Metric) -> dict[str, Metric]:
    """Give metrics by name, those of `readout` first."""
    return {metric.name: metric for metric in (*READOUT, *declared)}


def amplifier_metric(name: str, unit: str, summary: str) -> Metric:
    """Declare a metric of amplifier scope."""
    return Metric(name, unit, Scope.AMPLIFIER, summary)


READOUT = (
    amplifier_metric("read_noise", "electron", "Noise of the serial overscan."),
    amplifier_metric("nominal_read_noise", "electron", "Read noise that the instrument file gives."),
)
RESIDUAL = (
    amplifier_metric("mean", "electron", "Mean of the residual, cosmic rays left out."),
    amplifier_metric("noise", "electron", "Standard deviation of the residual, clipped at 5 sigma, 3 times."),
    amplifier_metric("frame_noise", "electron", "What a corrected pixel of this frame must show."),
    amplifier_metric("cr_noise", "electron", "Standard deviation of the residual without cosmic rays, not clipped."),
    amplifier_metric("pull", "", "Clipped standard deviation of residual over expected noise, pixel by pixel."),
)
READ_NOISE_RULE = Rule(
    "read_noise",
    "abs(read_noise - nominal_read_noise) <= 0.15 * nominal_read_noise",
    summary="A noisy night shows against the nominal value only; real LATISS noise is 0.975 to 1.058 of it.",
)
RESIDUAL_RULES = (
    Rule(
        "noise",
        "abs(noise - frame_noise) <= 0.05 * frame_noise",
        summary="The residual is as noisy as its frame, no more and no less.",
    ),
    Rule(
        "cr_noise",
        "abs(cr_noise - noise) <= 0.05 * noise",
        summary="What is left without cosmic rays is noise, and nothing else that stands out.",
    ),
    Rule("mean", "abs(mean) <= 0.2 * read_noise", summary="Nothing is left on average."),
    READ_NOISE_RULE,
)
