"""Gain: electrons per count and read noise of every amplifier, from each pair of flats of one exposure time.

Each pair gives a product of its own, of the kind ``cpPtcExtract``, under the id of its first exposure.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from attrs import frozen

from latcal.plugin import (
    AmplifierInputs,
    BuildError,
    CalibrationType,
    Column,
    DetectorInputs,
    Light,
    Measurement,
    Measurements,
    Metric,
    Part,
    Product,
    Rule,
    Scope,
    Sequence,
    assemble_tables,
    combining,
    failure,
    hookimpl,
    judging,
    option,
    pairing,
)

if TYPE_CHECKING:  # planning does without what measures and fits
    from latcal.numerics.gain import Noise, PairGain

GAIN, NOISE, ADU = "electron / adu", "electron", "adu"
NAN = math.nan
FEWEST_BIASES = 5
"""Frames of a bias whose scatter tells the noise: of fewer, clipping takes 1 % and more of it (docs/gain.md)."""

ZERO_ERROR = 0.2
"""How well the zero of a level is known [electron]: 0.2 electrons rms, of the overscan (docs/physics.md)."""


def _not_positive(_: Any, attribute: Any, value: Any) -> None:
    if value is not None and value.value > 0:
        raise ValueError(f"{attribute.name} of {value} is above 0", "write '-1.5e-6 / electron', or 0 for none")


@frozen
class GainOptions:
    """Options of the gain from flat pairs."""

    pairs: tuple[tuple[int, ...], ...] = option((), help=pairing.PAIRS_HELP, validator=pairing.declared)
    tolerance: Any = option(
        pairing.TOLERANCE, unit="s", help=pairing.TOLERANCE_HELP, validator=pairing.positive
    )
    estimator: Literal["VARIANCE", "NONE", "SIMPLE", "FULL"] = option(
        "VARIANCE",
        help="'VARIANCE' is right at every level; the others are those of the Rubin pipelines, low where light is faint.",
    )
    reference: Literal["nominal", "ptc"] = option(
        "nominal", help="What gain and noise are judged against: the instrument file, or a certified photon transfer curve."
    )
    brighter_fatter: Literal["instrument", "ptc", "none"] = option(
        "instrument", help="Where the a00 of the brighter-fatter correction comes from, if the option a00 has none."
    )
    a00: Any = option(
        None, unit="1 / electron", validator=_not_positive, help="Coefficient a00 of the correction, negative, in its place."
    )
    a00_error: Any = option(None, unit="1 / electron", help="Its standard error; the gain's has it.")
    clip: float = option(
        5.5,
        help="Sigma beyond which a pixel of the difference does not count (as in the Rubin pipelines).",
        validator=combining.above_zero,
    )
    max_mismatch: float = option(
        0.05,
        help="How far apart the levels of a pair may be, as a part of their mean; latcal's choice.",
        validator=combining.above_zero,
    )
    max_saturated: float = option(
        0.001,
        help="Part of the pixels that light may fill: more would cut off the noise of the others (docs/gain.md).",
        validator=combining.not_below_zero,
    )
    noise: Literal["bias", "overscan"] = option(
        "bias",
        help="What the noise without light is taken from: how the frames of the bias scatter, or the overscans of the pair.",
    )
    overscan: combining.OverscanOptions | None = option(None, help=combining.OVERSCAN)
    crosstalk: bool = option(True, help=combining.CROSSTALK)
    defects: bool = option(False, help=combining.DEFECTS)

    def __attrs_post_init__(self) -> None:
        if self.a00_error is not None and (self.a00 is None or self.a00_error.value < 0):
            raise ValueError(f"an a00_error of {self.a00_error} is of no a00, or below 0", "write a00 too, or leave it out")
        if self.a00 is not None and self.brighter_fatter != "instrument":
            raise ValueError(f"a00 is written, and brighter_fatter: {self.brighter_fatter} too", "write one of them")


def needs(options: GainOptions) -> frozenset[str]:
    """Say that a gain needs a bias, which cancels in the difference of a pair and not in its mean; and a curve if asked."""
    curve = "ptc" in (options.reference, options.brighter_fatter)
    return frozenset({"bias", "ptc"} if curve else {"bias"}) | combining.defects(options)


def check(sequences: tuple[Sequence, ...], options: GainOptions) -> Iterator[tuple[str, str]]:
    """Refuse frames that see no light, and those of which no two are a pair."""
    yield from combining.times_that_fit(sequences, lambda time: time > 0.0, "write '2 x 5 s'")
    yield from pairing.check_pairs(sequences, options)


def check_light(sequences: tuple[Sequence, ...], options: GainOptions, light: Light) -> Iterator[tuple[str, str]]:
    """Refuse pairs that are all expected beyond full well or saturation."""
    times = pairing.paired_times(sequences, options)
    if light.rate is not None and times and min(times) * light.rate >= light.ends:
        what = f"every pair is expected above full well or saturation: {min(times) * light.rate:.0f} electron and more"
        yield what, f"write less than {light.ends / light.rate:.3g} s"


def build_amplifier(inputs: AmplifierInputs) -> Part:
    """Measure the gain of one amplifier from one pair; an amplifier that has none says why."""
    from latcal.numerics.gain import corrected, pair_gain

    a00, a00_error = coefficient(inputs)
    first, second = (combining.in_adu(inputs, frame) for frame in sorted(inputs.frames, key=lambda frame: frame.exposure.id))
    options, level_error = inputs.options, ZERO_ERROR / inputs.amplifier.gain
    try:
        noise = noise_of(inputs)
        refuse_full(max(combining.saturated_part(inputs, pixels) for pixels in (first, second)), options.max_saturated)
        pair = pair_gain(
            first,
            second,
            noise,
            level_error=level_error,
            estimator=options.estimator,
            clip=options.clip,
            max_mismatch=options.max_mismatch,
            at_least=min(1000, first.size // 2),
        )
        found, counted = corrected(pair, a00, a00_error), corrected(pair, a00)
    except BuildError as error:
        return Part({}, _facts(inputs, None, None, a00), failure(inputs.amplifier.name, error))
    return Part({}, _facts(inputs, found, counted, a00))


def refuse_full(part: float, most: float) -> None:
    """Refuse a pair of which light has filled some pixels: the noise of the others is cut off.

    Raises
    ------
    BuildError
        If more than that part of them are full.
    """
    if part > most:
        raise BuildError(f"{100 * part:.3g} % of the pixels are saturated, more than {100 * most:.3g} % (expose less)")


def noise_of(inputs: AmplifierInputs) -> Noise:
    """Give the noise that one frame of a pair has without light, overscan model and rounding included [adu].

    Raises
    ------
    BuildError
        If it is to come from the bias, and that does not say how its frames scatter.
    """
    from latcal.numerics.gain import Noise

    gain = inputs.amplifier.gain
    if inputs.options.noise == "bias":
        bias = inputs.need("bias")
        sigma, samples = bias.facts.get("sample_sigma", NAN), bias.ref.frames - 1
        if not (sigma > 0.0 and samples + 1 >= FEWEST_BIASES):
            raise BuildError(f"{bias.ref} of {bias.ref.frames} frames does not tell the noise (write 'noise: overscan')")
        return Noise(sigma / gain, sigma / gain / math.sqrt(2.0 * samples * math.prod(inputs.shape)))
    error = math.sqrt(sum(frame.read_noise_error**2 for frame in inputs.frames)) / len(inputs.frames)
    return Noise(combining.frame_noise_of(inputs.frames) / gain, error / gain)


def coefficient(inputs: AmplifierInputs) -> tuple[float, float]:
    """Give the a00 of the brighter-fatter correction and its error [1 / electron]; 0 where none is asked for or known."""
    options, detector = inputs.options, inputs.detector
    if options.a00 is not None:
        error = 0.0 if options.a00_error is None else float(options.a00_error.to_value("1 / electron"))
        return float(options.a00.to_value("1 / electron")), error
    match options.brighter_fatter:
        case "ptc":
            facts = inputs.need("ptc").facts
            if not facts["a00_exponential"]:
                ref = inputs.need("ptc").ref
                raise BuildError(f"{ref} is a POLYNOMIAL, whose a00 is not that of the correction (write another source)")
            return facts["a00"], facts["a00_error"]
        case "instrument":
            return detector.brighter_fatter, detector.brighter_fatter_error
        case _:
            return 0.0, 0.0


def _facts(
    inputs: AmplifierInputs, found: PairGain | None, counted: PairGain | None, a00: float
) -> dict[str, tuple[float, str]]:
    """Give the row of an amplifier; NaN where nothing was found."""
    nominal = inputs.amplifier.gain
    read_noise = float(np.mean([frame.read_noise for frame in inputs.frames])) / nominal
    read_error = math.sqrt(sum(frame.read_noise_error**2 for frame in inputs.frames)) / len(inputs.frames) / nominal
    gain, error = (found.gain, found.error) if found else (NAN, NAN)
    of_ptc = inputs.need("ptc").facts if inputs.options.reference == "ptc" else None
    if of_ptc and of_ptc["of_detector"]:
        raise BuildError(f"{inputs.need('ptc').ref} is one curve for all amplifiers, and no reference for one of them")
    return {
        "gain": (gain, GAIN),
        "gain_error": (error, GAIN),
        "counting_error": (counted.error if counted else NAN, GAIN),
        "pair_gain": (gain / found.factor if found else NAN, GAIN),
        "correction": (found.factor if found else NAN, ""),
        "a00": (a00, "1 / electron"),
        "noise": (gain * read_noise, NOISE),
        "noise_error": (math.hypot(error * read_noise, gain * read_error), NOISE),
        "mean": (found.level if found else NAN, ADU),
        "flux_mismatch": (found.mismatch if found else NAN, ""),
        "variance": (found.variance if found else NAN, "adu2"),
        "pixels": (float(found.pixels) if found else 0.0, ""),
        "rejected": (float(found.rejected) if found else 0.0, ""),
        "expected_gain": (of_ptc["gain"] if of_ptc else nominal, GAIN),
        "expected_noise": (of_ptc["overscan_noise"] if of_ptc else inputs.amplifier.read_noise, NOISE),
        **combining.defect_facts(inputs),
    }


def assemble(inputs: DetectorInputs, parts: tuple[Part, ...]) -> Product:
    """Put the amplifiers of one pair together."""
    exposures = inputs.exposures
    pair = {
        "exposure": Column(tuple(exposure.id for exposure in exposures)),
        "time": Column(tuple(float(exposure.time_s) for exposure in exposures), "s"),
    }
    return assemble_tables(inputs, parts, {"pair": pair})


MEASURED = ("gain", "gain_error", "noise", "noise_error", "mean", "flux_mismatch", "expected_gain", "expected_noise")


def measure(inputs: AmplifierInputs) -> Iterator[Measurement]:
    """Give what was measured of one pair."""
    own = inputs.need("gain")
    facts = own.facts
    values = {name: facts[name] for name in (*MEASURED, "counting_error")}
    for name, value in values.items():
        yield Measurement(name, value, own.ref.exposure, inputs.detector.name, inputs.amplifier.name)


def summarise(measurements: Measurements, _: Mapping[str, Product]) -> Iterator[Measurement]:
    """Give every detector's gain of each pair, and every amplifier's gain and noise over all pairs.

    Means weighted by what counting says of each pair; what is uncertain of a00 is the same in all pairs, and does not
    become less with their number.
    """
    values = measurements.values
    if "gain" not in values:
        return
    for e, exposure in enumerate(measurements.exposures):
        for d, detector in enumerate(measurements.detectors):
            told = values["gain"][e, d][np.isfinite(values["gain"][e, d])]
            yield Measurement("detector_gain", float(np.median(told)) if told.size else NAN, exposure, detector)
    for d, detector in enumerate(measurements.detectors):
        for a, amplifier in enumerate(measurements.amplifiers[d]):
            one = {name: values[name][:, d, a] for name in (*MEASURED, "counting_error")}
            for name, value in _mean(one).items():
                yield Measurement(name, value, detector=detector, amplifier=amplifier)


def _mean(one: Mapping[str, np.ndarray[Any, np.dtype[np.float64]]]) -> dict[str, float]:
    told = np.isfinite(one["gain"]) & (one["counting_error"] > 0.0)
    if not told.any():
        return dict.fromkeys(("mean_gain", "mean_gain_error", "mean_noise", "mean_noise_error"), NAN)
    weights = one["counting_error"][told] ** -2
    weights = weights / weights.sum()
    counting = one["counting_error"][told]
    common = np.sqrt(np.maximum(one["gain_error"][told] ** 2 - counting**2, 0.0))
    gain = float(np.sum(weights * one["gain"][told]))
    gain_error = math.hypot(math.sqrt(float(np.sum((weights * counting) ** 2))), float(np.sum(weights * common)))
    noise = one["noise"][told] / one["gain"][told]  # adu: what the overscans say, whatever the gain
    spread = one["noise_error"][told] ** 2 - (noise * one["gain_error"][told]) ** 2
    own = math.sqrt(float(np.sum(np.maximum(spread, 0.0)))) / told.sum()
    mean_noise = float(noise.mean())
    return {
        "mean_gain": gain,
        "mean_gain_error": gain_error,
        "mean_noise": gain * mean_noise,
        "mean_noise_error": math.hypot(gain_error * mean_noise, own),
    }


@hookimpl
def latcal_calibrations() -> Iterator[CalibrationType]:
    """Declare the gain."""
    metric, whole = judging.amplifier_metric, Scope.PRODUCT_AMPLIFIER
    yield CalibrationType(
        name="gain",
        summary="Gain and read noise from pairs of flats",
        options=GainOptions,
        images=frozenset({"flat"}),
        setup=frozenset({"filter", "grating", "binning", "mode"}),
        product="cpPtcExtract",
        also_called=("cpCov", "cpCovs"),  # as the LATISS page and older pipelines have it
        needs=needs,
        metrics={
            one.name: one
            for one in (
                metric("gain", GAIN, "Gain from the pair, brighter-fatter taken out."),
                metric("gain_error", GAIN, "Its standard error, that of a00 included."),
                metric("counting_error", GAIN, "Its standard error with a00 taken as it is."),
                metric("noise", NOISE, "Read noise of the serial overscans, by the gain of the pair."),
                metric("noise_error", NOISE, "Its standard error."),
                metric("mean", ADU, "Mean level of the pair."),
                metric("flux_mismatch", "", "Second level less the first, over their mean."),
                metric("expected_gain", GAIN, "Gain that the instrument file or the certified curve gives."),
                metric("expected_noise", NOISE, "Read noise that they give."),
                Metric("detector_gain", GAIN, Scope.DETECTOR, "Median of the amplifiers' gains from the pair."),
                Metric("mean_gain", GAIN, whole, "Gain over all pairs, weighted by their counting errors."),
                Metric("mean_gain_error", GAIN, whole, "Its standard error."),
                Metric("mean_noise", NOISE, whole, "Read noise over all pairs."),
                Metric("mean_noise_error", NOISE, whole, "Its standard error."),
            )
        },
        rules=(
            Rule(
                "gain_from_flat_pair",
                "abs(gain - expected_gain) <= 0.05 * expected_gain",
                summary="The gain is what it should be, to 5 % as in the Rubin pipelines.",
            ),
            Rule(
                "isr_noise",
                "abs(noise - expected_noise) <= 0.15 * expected_noise",
                summary="So is the read noise; real LATISS noise is 0.975 to 1.058 of the nominal one.",
            ),
        ),
        check=check,
        check_light=check_light,
        groups=pairing.pairs,
        group="pair",
        left_out=pairing.unpaired,
        preparation=combining.preparation,
        crosstalk=combining.crosstalk,
        build_amplifier=build_amplifier,
        assemble=assemble,
        measure=measure,
        summarise=summarise,
        shown=(
            ("mean_gain", "mean_gain_error"),
            ("mean_noise", "mean_noise_error"),
            ("gain", "gain_error"),
            ("noise", "noise_error"),
        ),
    )
