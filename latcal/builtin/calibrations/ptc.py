"""Photon transfer curve: how the variance of flats grows with their mean, which tells gain, noise and brighter-fatter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
from attrs import evolve

from latcal.builtin.calibrations.transfer.options import PtcOptions
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
    pairing,
)

if TYPE_CHECKING:  # planning does without what measures and fits
    from latcal.builtin.calibrations.transfer.extraction import Extraction
    from latcal.builtin.calibrations.transfer.table import Subject

GAIN, COEFFICIENT = "electron / adu", "1 / electron"


def needs(options: PtcOptions) -> frozenset[str]:
    """Say that a curve needs a bias: it cancels in the difference of a pair, and not in its mean."""
    return frozenset({"bias"}) | combining.defects(options)


def check(sequences: tuple[Sequence, ...], options: PtcOptions) -> Iterator[tuple[str, str]]:
    """Refuse frames that see no light, and too few pairs for the model."""
    yield from combining.times_that_fit(sequences, lambda time: time > 0.0, "write '2 x 5 s'")
    yield from pairing.check_pairs(sequences, options)
    found = pairing.paired(sequences, options)
    if found:
        yield from _too_few(len({(one.time_s, one.level) for one in found}), options, "of pairs")
    if options.photocharges and len(options.photocharges) != len(found):
        yield f"{len(options.photocharges)} photocharges for {len(found)} pairs", "write one for each pair"


def check_light(sequences: tuple[Sequence, ...], options: PtcOptions, light: Light) -> Iterator[tuple[str, str]]:
    """Refuse a ladder with too few pairs that are expected below full well and saturation."""
    times = set(pairing.paired_times(sequences, options))
    if light.rate is not None and times:
        below = {time for time in times if time * light.rate < light.ends}
        if len(below) < len(times):  # if all are below, `check` has said what there is to say
            words = f"of pairs expected below full well and saturation ({light.ends:.0f} electron)"
            longest = light.ends / light.rate
            for what, _ in _too_few(len(below), options, words):
                yield what, f"write more pairs of less than {longest:.3g} s, such as '2 x {0.5 * longest:.2g} s'"


def _too_few(count: int, options: PtcOptions, words: str) -> Iterator[tuple[str, str]]:
    from latcal.numerics.curve_models import pairs_needed

    needed = pairs_needed(options.model, order=options.order, lags=options.lags)
    if count < needed:
        levels = "one level" if count == 1 else f"{count} levels"
        what = f"{levels} {words} cannot make a curve: {options.model} needs {needed}"
        others = "" if options.model == "EXPAPPROXIMATION" else ", or 'model: EXPAPPROXIMATION', which needs 4"
        more = "another pair of another time" if needed - count == 1 else f"{needed - count} more pairs of other times"
        yield what, f"write {more}, such as '2 x 5 s'{others}"


def build_amplifier(inputs: AmplifierInputs) -> Part:
    """Extract every pair of one amplifier and, unless the detector has one curve for all, fit."""
    from latcal.builtin.calibrations.transfer.extraction import extract
    from latcal.builtin.calibrations.transfer.table import Subject

    extraction, faults = extract(inputs)
    exposures = {frame.exposure.id: frame.exposure for frame in inputs.frames}
    pairs = tuple((exposures[first], exposures[second]) for first, second in inputs.groups)
    charges = len(inputs.options.photocharges)
    if charges not in (0, len(pairs)):
        raise BuildError(f"{charges} photocharges, and {len(pairs)} pairs came: whose they are is not known (leave them out)")
    amplifier = inputs.amplifier
    subject = Subject(inputs.detector, amplifier, pairs, inputs.options, amplifier.gain, amplifier.read_noise)
    if inputs.options.region == "detector":
        told = {"faults": ("; ".join(filter(None, faults)), ""), "ids": (tuple(one.id for pair in pairs for one in pair), "")}
        return Part(extraction.planes, combining.defect_facts(inputs), {"pairs": told})
    found = _fitted(subject, extraction, faults)
    return evolve(found, facts={**found.facts, **combining.defect_facts(inputs)})


def _fitted(subject: Subject, extraction: Extraction, faults: tuple[str, ...]) -> Part:
    """Fit a curve; if that is not possible, say why, with what is known of the pairs."""
    from latcal.builtin.calibrations.transfer.table import dataset, figures
    from latcal.numerics.transfer import fit_transfer

    options = subject.options
    found, why = None, ""
    try:
        found = fit_transfer(
            extraction.ladder,
            options.model,
            order=options.order,
            lags=options.lags,
            lowest=0.0 if options.lowest is None else float(options.lowest.to_value("adu")),
            highest=math.inf if options.highest is None else float(options.highest.to_value("adu")),
            cut=options.cut,
            scatter=options.scatter,
            bootstrap=options.bootstrap,
            random=np.random.default_rng(options.seed) if options.bootstrap else None,
        )
        found = found if options.bootstrap else found.widened
    except BuildError as error:
        why = "; ".join([str(error), *filter(None, faults)])
    rows = {"ptc": dataset(subject, extraction, found, ())}
    if why:
        rows |= failure(subject.amplifier.name, why)
    return Part({}, figures(subject, extraction, found), rows)


def assemble(inputs: DetectorInputs, parts: tuple[Part, ...]) -> Product:
    """Put the amplifiers together; where the detector has one curve, fit it to the means of all."""
    if inputs.options.region == "detector":
        parts = _of_detector(inputs, parts)
    bad = tuple(str(part.rows["failures"]["amplifier"][0]) for part in parts if "failures" in part.rows)
    product = assemble_tables(inputs, parts)
    table = dict(product.tables["ptc"])
    table["BAD_AMPS"] = Column((" ".join(bad),) * len(parts))
    return evolve(product, tables={**product.tables, "ptc": table})


def _of_detector(inputs: DetectorInputs, parts: tuple[Part, ...]) -> tuple[Part, ...]:
    from latcal.builtin.calibrations.transfer.extraction import Extraction
    from latcal.builtin.calibrations.transfer.table import Subject

    extraction = Extraction.mean([Extraction.of_planes(part.planes) for part in parts])
    faults = tuple(str(part.rows["pairs"]["faults"][0]) for part in parts)
    exposures = {exposure.id: exposure for exposure in inputs.exposures}
    ids = parts[0].rows["pairs"]["ids"][0]  # as they were built: exposures that did not come have no number here
    pairs = tuple((exposures[first], exposures[second]) for first, second in zip(ids[::2], ids[1::2], strict=True))
    gains = np.array([amplifier.gain for amplifier in inputs.detector.amplifiers])
    noises = np.array([amplifier.read_noise for amplifier in inputs.detector.amplifiers])
    gain = float(np.mean(1.0 / gains) / np.mean(1.0 / gains**2))  # what means of levels and of variances have
    nominal = gain, float(np.mean(noises / gains) * gain)
    fits = [
        _fitted(Subject(inputs.detector, amplifier, pairs, inputs.options, *nominal), extraction, faults)
        for amplifier in inputs.detector.amplifiers
    ]
    return tuple(evolve(fit, facts={**fit.facts, **part.facts}) for fit, part in zip(fits, parts, strict=True))


_METRICS = (
    ("gain", GAIN, "Gain of the fit."),
    ("gain_error", GAIN, "Its standard error, by counting and by how well the model fits."),
    ("noise", "electron", "Read noise of the fit: root of n00, 0 where that is below."),
    ("noise_error", "electron", "Its standard error."),
    ("noise_squared", "electron2", "n00 of the fit, whose root is the noise."),
    ("noise_squared_error", "electron2", "Its standard error."),
    ("overscan_noise", "electron", "Read noise of the serial overscans, by the gain of the fit."),
    ("noise_chi_square", "", "Reduced chi-square of the overscans' noise about its mean over all levels."),
    ("noise_chi_square_limit", "", "What chance, and a scatter of 1 % of the noise, leave it below in 999 of 1000 cases."),
    ("a00", COEFFICIENT, "Brighter-fatter coefficient of the fit."),
    ("a00_error", COEFFICIENT, "Its standard error."),
    ("turnoff_electron", "electron", "Highest level that the curve holds to."),
    ("turnoff_electron_error", "electron", "By the steps of the ladder."),
    ("reduced_chi_square", "", "Of the fit, by the errors of counting."),
    ("nonlinearity", "", "Largest of the levels' departures from a straight line in exposure time or charge."),
    ("nominal_gain", GAIN, "Gain that the instrument file gives."),
    ("nominal_noise", "electron", "Read noise that it gives."),
    ("nominal_noise_squared", "electron2", "Its square."),
    ("least_a00", COEFFICIENT, "Lower end of its window for a00."),
    ("greatest_a00", COEFFICIENT, "Upper end."),
    ("least_turnoff", "electron", "What it wants the turnoff to be above."),
)
_NOT_GIVEN = "the instrument file gives no limit"


def summarise(measurements: Measurements, products: Mapping[str, Product]) -> Iterator[Measurement]:
    """Give the figures of every amplifier; what the ladder or the instrument file leaves open is not to be tested."""
    for detector, amplifiers in zip(measurements.detectors, measurements.amplifiers, strict=True):
        for amplifier in amplifiers if detector in products else ():
            facts = products[detector].facts(amplifier)
            for name, _, _ in _METRICS:
                yield Measurement(name, facts[name], None, detector, amplifier, untested=_untested(name, facts))


def _untested(name: str, facts: Mapping[str, float]) -> str:
    if name == "turnoff_electron" and facts["turnoff_reached"] == 0.0 and not facts[name] > facts["least_turnoff"]:
        return "the ladder ends below it"
    if name == "noise_squared" and 3.0 * facts["noise_squared_error"] > facts["nominal_noise_squared"]:
        return "the ladder does not tell it"
    if name == "a00" and not facts["a00_exponential"]:
        return "a POLYNOMIAL has no a00 of this kind"
    if name in ("least_a00", "greatest_a00", "least_turnoff") and math.isnan(facts[name]):
        return _NOT_GIVEN
    return ""


@hookimpl
def latcal_calibrations() -> Iterator[CalibrationType]:
    """Declare the photon transfer curve."""
    yield CalibrationType(
        name="ptc",
        summary="Photon transfer curve: gain, noise and brighter-fatter coefficients from a ladder of flat pairs",
        options=PtcOptions,
        images=frozenset({"flat"}),
        needs=needs,
        metrics={name: Metric(name, unit, Scope.PRODUCT_AMPLIFIER, summary) for name, unit, summary in _METRICS},
        rules=(
            Rule("ptc_gain", "abs(gain - nominal_gain) <= 0.05 * nominal_gain", summary="The gain is near the nominal one."),
            Rule(
                "ptc_noise",
                "abs(noise_squared - nominal_noise_squared) <= 0.32 * nominal_noise_squared + 3 * noise_squared_error",
                summary="So is the noise of the fit, 15 % and what the ladder leaves open; none is tested that it does not tell.",
            ),
            Rule(
                "overscan_noise",
                "abs(overscan_noise - nominal_noise) <= 0.15 * nominal_noise",
                summary="So is that of the overscans; real LATISS noise is 0.975 to 1.058 of the nominal one.",
            ),
            Rule(
                "noise_signal_independence",
                "noise_chi_square <= noise_chi_square_limit",
                summary="The read noise is the same at every level.",
            ),
            Rule("ptc_turnoff", "turnoff_electron > least_turnoff", summary="The curve holds up to where it must."),
            Rule(
                "ptc_bfe_a00",
                "least_a00 < a00 < greatest_a00",
                summary="The brighter-fatter effect is that of such a sensor.",
            ),
        ),
        check=check,
        check_light=check_light,
        groups=pairing.pairs,
        group="pair",
        apart=False,
        left_out=pairing.unpaired,
        preparation=combining.preparation,
        crosstalk=combining.crosstalk,
        build_amplifier=build_amplifier,
        assemble=assemble,
        measure=None,
        summarise=summarise,
        shown=(
            ("gain", "gain_error"),
            ("noise", "noise_error"),
            ("a00", "a00_error"),
            ("turnoff_electron", "turnoff_electron_error"),
        ),
    )
