"""Defects: which pixels and columns of a detector are not to be used, and why."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from latcal.builtin.calibrations.blemishes import standing
from latcal.builtin.calibrations.blemishes.options import DefectsOptions
from latcal.plugin import (
    AmplifierInputs,
    BuildError,
    CalibrationType,
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
    combining,
    hookimpl,
)

FEWEST_DARKS = 3
"""Of two darks nobody can tell which one a cosmic ray has hit: it would be a hot pixel."""

NOT_COMPARED = "no map to compare with was asked for"
FOUND = ("hot", "cold", "unstable")
GROWTH = {"growth_fraction": "new_pixels", "growth_columns": "new_columns"}


def needs(options: DefectsOptions) -> frozenset[str]:
    """Say that defects need a bias, and the certified map if they are compared with it."""
    return frozenset({"bias", "defects"} if options.compare else {"bias"})


def check(sequences: tuple[Sequence, ...], _: DefectsOptions) -> Iterator[tuple[str, str]]:
    """Refuse frames that are not exposed, and so few darks that cosmic rays are taken for hot pixels."""
    yield from combining.times_that_fit(sequences, lambda time: time > 0.0, "write '20 x 30 s'")
    darks = [one for one in sequences if one.image == "dark"]
    yield from combining.no_levels(darks)
    count = sum(len(one.exposures) for one in darks)
    if 0 < count < FEWEST_DARKS:
        what = f"{count} dark{'s' if count > 1 else ''} cannot tell hot pixels from cosmic rays"
        yield what, f"write {FEWEST_DARKS} or more, such as '20 x 30 s'"


def check_light(sequences: tuple[Sequence, ...], _: DefectsOptions, light: Light) -> Iterator[tuple[str, str]]:
    """Refuse flats that are expected beyond full well or saturation: all of their pixels would be bad."""
    for sequence in sequences:
        times = [time for time in sequence.exposures.times_s if sequence.image == "flat" and time > 0.0]
        if light.rate is not None and times and max(times) * light.rate >= light.ends:
            what = f"sequence {sequence.name!r}: {max(times) * light.rate:.0f} electron are expected, full well or "
            yield f"{what}saturation is {light.ends:.0f}", f"write less than {light.ends / light.rate:.3g} s"


def build_amplifier(inputs: AmplifierInputs) -> Part:
    """Find what is bad in one amplifier; and give what the certified map says of it, if growth is asked for."""
    from latcal.builtin.calibrations.blemishes.finding import find

    found, frames = find(inputs)
    planes: dict[str, NDArray[Any]] = {"reason": found}
    if inputs.options.compare:
        before = inputs.need("defects")
        if "reason" not in before.more:
            raise BuildError(f"{before.ref} has no plane 'reason' to compare with (make it again with latcal)")
        planes["before"] = before.more["reason"].read()
    return Part(planes, {name: (value, "") for name, value in {**frames, "pixels": float(found.size)}.items()})


def assemble(inputs: DetectorInputs, parts: tuple[Part, ...]) -> Product:
    """Join what was found in each amplifier, and look at what only a whole detector shows."""
    from latcal.builtin.calibrations.blemishes import detector_map

    return detector_map.assemble(inputs, parts)


def summarise(measurements: Measurements, products: Mapping[str, Product]) -> Iterator[Measurement]:
    """Give what is bad and what is new in every amplifier, and in the detector."""
    for detector, amplifiers in zip(measurements.detectors, measurements.amplifiers, strict=True):
        if detector not in products:
            continue
        rows = [products[detector].facts(amplifier) for amplifier in amplifiers]
        for amplifier, facts in zip(amplifiers, rows, strict=True):
            for name, value in _figures([facts]).items():
                yield Measurement(name, value, None, detector, amplifier, untested=_untested(name, value))
            for name in FOUND:
                yield Measurement(name, facts[name], None, detector, amplifier)
        for name, value in _figures(rows).items():
            yield Measurement(f"detector_{name}", value, detector=detector, untested=_untested(name, value))


def _figures(rows: list[Mapping[str, float]]) -> dict[str, float]:
    """Give the figures of some amplifiers together."""
    total = {
        name: math.fsum(row[name] for row in rows)
        for name in ("pixels", "bad_pixels", "bad_columns", "new_pixels", "new_columns")
    }
    return {
        "bad_fraction": total["bad_pixels"] / total["pixels"],
        "bad_columns": total["bad_columns"],
        "growth_fraction": total["new_pixels"] / total["pixels"],
        "growth_columns": total["new_columns"],
    }


def _untested(name: str, value: float) -> str:
    return NOT_COMPARED if name in GROWTH and math.isnan(value) else ""


def _metrics() -> Iterator[Metric]:
    for prefix, scope, whose in (("", Scope.PRODUCT_AMPLIFIER, "an amplifier"), ("detector_", Scope.PRODUCT, "a detector")):
        yield Metric(f"{prefix}bad_fraction", "", scope, f"Part of the pixels of {whose} that was found bad.")
        yield Metric(f"{prefix}bad_columns", "", scope, f"Columns of {whose} that are bad in one piece, or blink.")
        yield Metric(f"{prefix}growth_fraction", "", scope, f"Part of the pixels of {whose} that is bad and was not before.")
        yield Metric(f"{prefix}growth_columns", "", scope, f"Columns of {whose} that are bad and were not before.")
    for name, words in (("hot", "bright in the dark"), ("cold", "dim in the flat"), ("unstable", "of unsteady dark signal")):
        yield Metric(name, "", Scope.PRODUCT_AMPLIFIER, f"Pixels that are {words}.")
    yield from standing.metrics()


RULES = (
    Rule("bad_pixels", "bad_fraction <= 0.005", summary="Less of an amplifier is bad than may be of an LSST sensor (eotest)."),
    Rule("bad_columns", "bad_columns <= 10", summary="2 % of the columns of an amplifier of LATISS; latcal's choice."),
    Rule("detector_bad_pixels", "detector_bad_fraction <= 0.005", summary="The same of the whole detector."),
    Rule("detector_bad_columns", "detector_bad_columns <= 50", summary="Three to an amplifier; latcal's choice."),
    Rule("outliers", "outliers <= 50", summary="Once masked, hardly a pixel of a frame stands out of its noise."),
    Rule("stdev", "scatter <= 1.1", summary="Once masked, what is left of a frame is noise; latcal's choice."),
    Rule("min", "least >= -spared", summary="Once masked, no pixel is darker than the cuts allow."),
    Rule("max", "greatest <= spared", summary="Nor brighter."),
    Rule("growth", "growth_fraction <= 0.001", summary="Hardly a pixel of an amplifier has become bad."),
    Rule("column_growth", "growth_columns <= 1", summary="And hardly a column."),
    Rule("detector_growth", "detector_growth_fraction <= 0.001", summary="The same of the whole detector."),
    Rule("detector_column_growth", "detector_growth_columns <= 5", summary="One to three amplifiers; latcal's choice."),
)


@hookimpl
def latcal_calibrations() -> Iterator[CalibrationType]:
    """Declare the defect map.

    The rules OUTLIERS, STDEV, MIN and MAX of the Rubin verification compare a frame with itself, masked and not: they
    cannot fail. Here each has a limit of its own. Its PROB_TEST, that two unrelated counts be equal, is no rule.
    """
    yield CalibrationType(
        name="defects",
        summary="Bad pixels and columns, from darks and flats, each with its reason",
        options=DefectsOptions,
        images=frozenset({"dark", "flat"}),
        needs=needs,
        metrics={one.name: one for one in _metrics()},
        rules=RULES,
        check=check,
        check_light=check_light,
        preparation=combining.preparation,
        crosstalk=combining.crosstalk,
        build_amplifier=build_amplifier,
        assemble=assemble,
        measure=standing.measure,
        summarise=summarise,
        shown=(("bad_fraction", ""), ("bad_columns", ""), *((name, "") for name in FOUND)),
    )
