"""Tables of statistics, latcal's own and others, as measurements."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units
from astropy.table import MaskedColumn, QTable, Table
from hypothesis import given
from hypothesis import strategies as st

from latcal.formats.columns import measurements_ecsv
from latcal.formats.measured import measurements_of
from latcal.model.measurements import Measurements
from latcal.model.metrics import Metric, Scope
from latcal.plugin import RecipeError

METRICS = {
    "noise": Metric("noise", "electron", Scope.AMPLIFIER, "Noise."),
    "level": Metric("level", "electron", Scope.DETECTOR, "Level."),
    "ratio": Metric("ratio", "", Scope.EXPOSURE, "Ratio."),
    "rate": Metric("rate", "electron / s", Scope.PRODUCT, "Rate."),
    "gain": Metric("gain", "electron / adu", Scope.PRODUCT_AMPLIFIER, "Gain."),
}
numbers = st.floats(-1e6, 1e6) | st.just(float("nan"))


@st.composite
def measured(draw: st.DrawFn) -> Measurements:
    """Give measurements of detectors with different numbers of amplifiers, of any of the metrics."""
    exposures = tuple(draw(st.lists(st.integers(1, 10**13), min_size=1, max_size=3, unique=True)))
    detectors = tuple(draw(st.lists(st.sampled_from(["S00", "S01", "7"]), min_size=1, max_size=3, unique=True)))
    amplifiers = tuple(tuple(f"C{i}" for i in range(draw(st.integers(1, 3)))) for _ in detectors)
    blank = Measurements(exposures, tuple(15.0 * i for i in range(len(exposures))), detectors, amplifiers, METRICS, {})
    chosen = {"noise", *draw(st.lists(st.sampled_from(sorted(METRICS)), unique=True))}
    values, untested = {}, {}
    for name in sorted(chosen):
        scope = METRICS[name].scope
        array = np.full(blank.shape(scope), np.nan)
        for index in np.argwhere(blank.present(scope)):
            array[tuple(index)] = draw(numbers)
        values[name] = array
        why = draw(st.sampled_from(["", "the ladder ends; below it", 'no "limit", ; is given']))
        if why:
            untested[name] = {tuple(index): why for index in np.argwhere(blank.present(scope)).tolist()[::2]}
    return Measurements(exposures, blank.times_s, detectors, amplifiers, METRICS, values, untested)


@given(measured())
def test_what_latcal_keeps_of_a_verification_reads_back(given: Measurements) -> None:
    back = measurements_of(Table.read(measurements_ecsv(given), format="ascii.ecsv"), METRICS)
    assert back.exposures == given.exposures
    assert back.times_s == given.times_s
    assert back.detectors == given.detectors
    assert back.amplifiers == given.amplifiers
    for name, array in given.values.items():
        np.testing.assert_array_equal(back.values[name], array)
    assert back.untested == given.untested


def table(**columns: object) -> Table:
    return Table({"exposure": [1, 1, 2, 2], "detector": [0, 0, 0, 0], "amplifier": ["A", "B", "A", "B"], **columns})


def test_units_are_converted_to_those_of_the_metric() -> None:
    given = QTable(table())
    given["noise"] = units.Quantity([9.0, 8.0, 7.0, 6.0], 1000 * units.electron)
    assert measurements_of(given, METRICS).values["noise"].tolist() == [[[9000.0, 8000.0]], [[7000.0, 6000.0]]]


def test_a_detector_numbered_zero_is_a_detector() -> None:
    given = table(noise=MaskedColumn([1.0, 2.0, 3.0, 4.0], unit="electron"))
    assert measurements_of(given, METRICS).detectors == ("0",)


def test_what_is_masked_or_not_there_has_no_value() -> None:
    given = table(noise=MaskedColumn([1.0, 2.0, 3.0, 4.0], mask=[True, False, False, False], unit="electron"))[:3]
    np.testing.assert_array_equal(measurements_of(given, METRICS).values["noise"], [[[np.nan, 2.0]], [[3.0, np.nan]]])


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"noise": [1.0, 2.0, 3.0, 4.0]}, r"the column 'noise' has no unit \(write table\['noise'\].unit = 'electron'\)"),
        ({"noise": MaskedColumn([1.0] * 4, unit="adu")}, r"'noise' is in 'adu', which does not convert \(give it in electron\)"),
        ({"ratio": ["1", "2", "3", "4"]}, "the column 'ratio' does not hold one number in each row"),
        ({"ratio": [[1.0, 2.0]] * 4}, "the column 'ratio' does not hold one number in each row"),
        ({"ratio": [1j] * 4}, "the column 'ratio' does not hold one number in each row"),
        ({"scatter": [1.0] * 4}, r"none of the columns .*, scatter is a metric \(name them: gain, level, noise, rate, ratio\)"),
        ({"exposure": ["a", "b", "c", "d"], "ratio": [1.0] * 4}, "'exposure' does not hold whole numbers"),
        ({"exposure": [1, 1, 1, 1], "ratio": [1.0, 1.0, 2.0, 1.0]}, "ratio of 1 is given twice, as 1 and 2"),
        (
            {"amplifier": ["A", "", "A", "B"], "noise": MaskedColumn([1.0] * 4, unit="electron")},
            "a row with noise 1 names no exposure or detector or amplifier",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_what_to_write(columns: dict[str, object], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        measurements_of(table(**columns), METRICS)


def test_a_place_that_is_told_twice_alike_is_one() -> None:
    assert measurements_of(table(ratio=[1.0, 1.0, 2.0, 2.0]), METRICS).values["ratio"].tolist() == [1.0, 2.0]


def test_a_missing_column_is_named() -> None:
    given = table(noise=MaskedColumn([1.0] * 4, unit="electron"))
    given.remove_column("amplifier")
    with pytest.raises(RecipeError, match="there is no column 'amplifier'"):
        measurements_of(given, METRICS)
