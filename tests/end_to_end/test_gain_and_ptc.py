"""Gain and photon transfer curve on the bench, through camera, engine and store: what was simulated is found.

Amplifiers of 16,000 pixels tell a gain to 0.9 % by one pair, and to 0.8 % by the ladder below: limits are in standard
errors, which tests/full_size/test_latiss_ptc.py shows to be honest. Crosstalk and non-linearity are off: what they do to a
gain is no error of it (docs/ptc.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from attrs import frozen
from click.testing import CliRunner

import latcal
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.cameras.simulation.truth import truth
from latcal.cli import main
from latcal.errors import RecipeError
from latcal.formats.columns import ecsv_table, table_ecsv
from latcal.plugin import Build, Plan, Product, Store, Verify
from latcal.plugin.registry import Registry

NIGHT = """\
latcal: 1
title: Gain and photon transfer on the bench
instrument: bench
camera: {use: simulated, seed: 7, settling: 0 electron, crosstalk: 0.0, non_linearity: 0 %}
store: {use: folder, root: ./store}
executor: {use: threads, workers: 2}
sequences:
  biases: {image: bias, exposures: 10 x 0 s}
  ladder: {image: flat, exposures: [2 x 0.2 s, 2 x 0.5 s, 2 x 1 s, 2 x 2 s, 2 x 4 s, 2 x 7 s, 2 x 10 s, 2 x 14 s, 2 x 18 s, 2 x 22 s], filter: r}
  evening: {image: flat, exposures: [2 x 5 s, 1 x 6 s, 2 x 9 s], filter: g}
stages:
  - {make: bias, frames: [biases]}
  - {make: ptc, frames: [ladder], options: {edge: 0, lags: 3}}
  - {measure: gain, frames: [evening], options: {reference: ptc, brighter_fatter: ptc}}
  - {make: ptc, frames: [ladder], options: {edge: 0, lags: 3, region: detector, model: FULLCOVARIANCE_NO_B},
     certify: {into: calib/whole, begin: 2026-01-01, end: open}}
rules:
  bias: {noise: abs(noise - frame_noise) <= 0.1 * frame_noise}
certify: {into: calib/bench, begin: 2026-01-01, end: open}
"""
# algorithms.md 4.7, the column "table column"
FIELDS = """\
PTC_FIT_TYPE AMPLIFIER_NAME BAD_AMPS COV_MATRIX_SIDE COV_MATRIX_SIDE_FULL_COV_FIT INPUT_EXP_ID_PAIRS
INPUT_EXP_PAIR_MJD_START EXP_ID_MASK EXP_ID_ROLLOFF_MASK RAW_EXP_TIMES RAW_MEANS RAW_VARS RAW_DELTAS ROW_MEAN_VARIANCE GAIN
GAIN_ERR GAIN_UNADJUSTED GAIN_LIST OVERSCAN_MEDIAN_LIST OVERSCAN_MEDIAN OVERSCAN_MEDIAN_SIGMA NOISE_LIST NOISE NOISE_ERR
HIST_VARS HIST_CHI2_DOFS KS_PVALUES PTC_FIT_PARS PTC_FIT_PARS_ERROR PTC_FIT_CHI_SQ PTC_TURNOFF PTC_TURNOFF_SAMPLING_ERROR
PTC_ROLLOFF PTC_ROLLOFF_ERROR PTC_ROLLOFF_TAU PTC_ROLLOFF_TAU_ERROR A_MATRIX B_MATRIX NOISE_MATRIX PHOTO_CHARGE
PHOTO_CHARGE_DELTAS AMP_OFFSETS NPIXEL_COVARIANCES COVARIANCES COVARIANCES_MODEL COVARIANCES_SQRT_WEIGHTS FINAL_VARS
FINAL_MODEL_VARS FINAL_MEANS"""
PAIRS, SIDE = 10, 3


@frozen
class Evening:
    """What was printed, the store, and what is true."""

    text: str
    root: Path
    store: Store
    gains: Any
    noises: Any
    a00: float

    def certified(self, collection: str) -> Product:
        (one,) = self.store.list("ptc", collection)
        return self.store.get(one.ref)

    @property
    def curve(self) -> Product:
        return self.certified("calib/bench")

    @property
    def whole(self) -> Product:
        return self.certified("calib/whole")

    def pair(self, exposure: int) -> Product:
        return self.store.get(self.store.of_exposure("cpPtcExtract", 0, exposure))


@pytest.fixture(scope="module")
def evening(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    folder = tmp_path_factory.mktemp("evening")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("night.yaml").write_text(NIGHT, encoding="utf-8")
        result = CliRunner().invoke(main, ["recipe", "night.yaml"])
    assert result.exit_code == 0, result.output
    detector = registry.get("instrument", "bench").load().detectors[0]
    true = truth(SimulatedOptions(seed=7, crosstalk=0.0), detector)
    gains, noises = (np.array([found[one.name] for one in detector.amplifiers]) for found in (true.gain, true.read_noise))
    with latcal.open_store("folder", registry, root=folder / "store") as store:
        yield Evening(result.output, folder / "store", store, gains, noises, true.a00)


def column(product: Product, name: str) -> Any:
    return np.array(product.tables["amplifiers"][name].values, dtype=np.float64)


def assert_honest(found: Any, error: Any, true: Any) -> None:
    """See that 16 values are what is true: none of them off by 4.5 errors, nor their mean by 4."""
    pulls = (found - true) / error
    assert np.abs(pulls).max() < 4.5
    assert abs(pulls.mean()) < 4.0 / np.sqrt(pulls.size)


def test_the_curve_finds_gain_noise_and_brighter_fatter(evening: Evening) -> None:
    curve = evening.curve
    assert_honest(column(curve, "gain"), column(curve, "gain_error"), evening.gains)
    assert_honest(column(curve, "a00"), column(curve, "a00_error"), evening.a00)
    # 10 pairs of flats have 20 overscans of 12,768 samples: 0.14 %; the gain by which they are electrons adds its own
    by_gain = column(curve, "overscan_noise") / column(curve, "gain") * evening.gains
    assert np.abs(by_gain / evening.noises - 1.0).max() < 0.01


def test_a_ladder_that_ends_below_the_turnoff_tests_none_and_says_so(evening: Evening) -> None:
    assert not column(evening.curve, "turnoff_reached").any()
    assert "PTC_TURNOFF not tested on 16 of 16 amplifiers: the ladder ends below it" in evening.text


def test_the_console_prints_gain_and_noise_of_every_amplifier_with_errors(evening: Evening) -> None:
    lines = evening.text.splitlines()
    rows = [line for line in lines if line.startswith("  S00 C")]
    assert len(rows) == 48  # of two curves and of the pairs
    assert all(row.count("+-") >= 2 for row in rows)
    (head,) = [line for line in lines if "mean_gain [" in line]
    assert head.split() == ["mean_gain", "[e-/adu]", "mean_noise", "[e-]"]


def test_a_flat_without_partner_is_named(evening: Evening) -> None:
    assert "gain accepted: 2 pairs (not used: evening 3/5: 6 s: no partner of equal time)" in evening.text


def test_the_product_has_every_field_of_rubins_dataset_with_its_unit(evening: Evening) -> None:
    table = evening.curve.tables["ptc"]
    assert not set(FIELDS.split()) - table.keys()
    assert (table["GAIN"].unit, table["NOISE"].unit, table["NOISE_LIST"].unit) == ("electron / adu", "electron", "adu")
    assert np.shape(table["RAW_MEANS"].values) == (16, PAIRS)
    assert np.shape(table["INPUT_EXP_ID_PAIRS"].values) == (16, 2 * PAIRS)
    assert np.shape(table["COVARIANCES"].values) == np.shape(table["COVARIANCES_MODEL"].values) == (16, PAIRS * SIDE**2)
    # a model of one parameter fills the first element; the rest was not fitted
    model = np.reshape(table["COVARIANCES_MODEL"].values, (16, PAIRS, SIDE, SIDE))
    np.testing.assert_array_equal(model[:, :, 0, 0], table["FINAL_MODEL_VARS"].values)
    assert np.isnan(model[:, :, 1, 1]).all()
    assert np.isnan(table["A_MATRIX"].values).all()


def test_the_table_reads_back_from_fits_and_ecsv(evening: Evening) -> None:
    table = evening.curve.tables["ptc"]
    (path,) = evening.root.glob(f"products/*/ptc*{next(iter(evening.store.list('ptc', 'calib/bench'))).ref.id}*.fits")
    ecsv = ecsv_table(table_ecsv(table))
    with fits.open(path) as hdus:
        written = hdus["PTC"]
        assert written.columns.names == list(table) == list(ecsv)
        for name, wanted in table.items():
            assert (ecsv[name].unit, written.columns[name].unit or "") == (wanted.unit, wanted.unit)
            np.testing.assert_equal(np.asarray(ecsv[name].values), np.asarray(wanted.values), name)
            np.testing.assert_equal(np.asarray(written.data[name]), np.asarray(wanted.values), name)


def test_a_pair_is_found_by_the_id_of_its_first_exposure(evening: Evening) -> None:
    # 10 biases and 20 flats of the ladder come before the five of the evening, of which the third is in no pair
    begin = int(min(evening.curve.provenance.exposures))
    for exposure, time in ((begin + 20, 5.0), (begin + 23, 9.0)):
        product = evening.pair(exposure)
        assert product.exposure == exposure
        assert product.tables["pair"]["time"].values == (time, time)
        assert_honest(column(product, "gain"), column(product, "gain_error"), evening.gains)
        assert product.facts("C00")["noise"] == pytest.approx(evening.noises[15], rel=0.05)


def test_the_gain_is_judged_against_the_certified_curve_and_corrected_by_it(evening: Evening) -> None:
    product = evening.pair(int(min(evening.curve.provenance.exposures)) + 20)
    np.testing.assert_array_equal(column(product, "expected_gain"), column(evening.curve, "gain"))
    np.testing.assert_array_equal(column(product, "a00"), column(evening.curve, "a00"))
    mean = column(product, "mean")
    x = column(product, "a00") * column(product, "gain") * mean
    np.testing.assert_allclose(column(product, "correction"), np.expm1(2.0 * x) / (2.0 * x), rtol=1e-9)  # decisions 1.9


def test_a_curve_of_the_whole_detector_is_one_for_all(evening: Evening) -> None:
    gains = column(evening.whole, "gain")
    assert np.ptp(gains) == 0.0
    # the mean of means and variances over amplifiers of unlike gains is not the mean gain, but near it
    assert gains[0] == pytest.approx(evening.gains.mean(), rel=0.01)
    table = evening.whole.tables["ptc"]
    assert table["NPIXEL_COVARIANCES"].values[0][0] == pytest.approx(16 * 16_000, rel=0.001)
    assert np.isfinite(table["A_MATRIX"].values).all()
    assert np.isnan(table["PTC_FIT_PARS"].values).all()


def planned(registry: Registry, exposures: str, options: str = "", stage: str = "make: ptc") -> Plan:
    text = NIGHT[: NIGHT.index("  evening:")] + f"""\
  flats: {{image: flat, exposures: {exposures}, filter: r}}
stages:
  - {{make: bias, frames: [biases]}}
  - {{make: flat, frames: [ladder], options: {{without_dark: it is a test}}}}
  - {{{stage}, frames: [flats]{options}}}
certify: {{into: calib/bench, begin: 2026-01-01, end: open}}
"""
    return latcal.plan(latcal.read(text, "night.yaml", registry), registry)


@pytest.mark.parametrize(
    ("exposures", "options", "message"),
    [
        (
            "[2 x 1 s, 2 x 2 s, 2 x 4 s]",
            "",
            r"3 levels of pairs cannot make a curve: EXPAPPROXIMATION needs 4 \(write another pair of another time",
        ),
        (
            "[2 x 1 s, 2 x 2 s, 2 x 4 s, 2 x 8 s]",
            ", options: {model: FULLCOVARIANCE}",
            r"4 levels of pairs cannot make a curve: FULLCOVARIANCE needs 10 \(.*or 'model: EXPAPPROXIMATION', which needs 4",
        ),
        (
            "[2 x 1 s, 2 x 2 s, 2 x 50 s, 2 x 60 s, 2 x 70 s]",
            "",
            r"2 levels of pairs expected below full well .* cannot make a curve: .* needs 4 \(write more pairs of less than 3",
        ),
        ("[1 s, 2 s, 3 s, 4 s]", "", r"no two exposures are a pair: no two have the same time \(write each time twice"),
        ("[2 x 0 s]", "", "0 s is not a time for flat frames"),
        ("[4 x 3000 electron]", "", r"one level of pairs cannot make a curve: EXPAPPROXIMATION needs 4"),
        ("[2 x 1 s, 2 x 2 s, 2 x 4 s, 2 x 6 s]", ", options: {lowest: 100 adu, highest: 50 adu}", "lowest 100.0 adu is not below"),
        (
            "[2 x 1 s, 2 x 2 s, 2 x 4 s, 2 x 6 s]",
            ", options: {photocharges: [1e-9 C]}",
            r"1 photocharges for 4 pairs \(write one for each pair\)",
        ),
        ("[2 x 1 s, 2 x 2 s, 2 x 4 s, 2 x 6 s]", ", options: {order: 1}", "1 is not 2 or more"),
        ("[2 x 1 s, 2 x 2 s, 2 x 4 s, 2 x 6 s]", ", options: {pairs: [[1, 2], [3, 99]]}", "names exposure 99 of 8"),
    ],
)
def test_a_ladder_that_cannot_make_a_curve_is_refused_before_the_first_exposure(
    registry: Registry, exposures: str, options: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        planned(registry, exposures, options)


def test_pairs_that_are_all_beyond_full_well_tell_no_gain(registry: Registry) -> None:
    with pytest.raises(RecipeError, match=r"every pair is expected above full well or saturation: 180000 electron"):
        planned(registry, "[2 x 50 s]", stage="measure: gain")
    planned(registry, "[2 x 5 s, 2 x 50 s]", stage="measure: gain")  # some are not


@pytest.mark.parametrize(
    ("stage", "message"),
    [
        ("make: gain", r"'gain' is measured of some exposures at a time, .* \(write measure: gain\)"),
        ("check: ptc", r"a ptc is judged when it is made, .* \(write measure: ptc, or make: ptc\)"),
    ],
)
def test_a_verb_that_means_nothing_for_a_type_is_refused(registry: Registry, stage: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        planned(registry, "[2 x 5 s]", ", collections: [calib/bench]" if "check" in stage else "", stage=stage)


def test_a_curve_can_be_measured_and_not_certified(registry: Registry) -> None:
    plan = planned(registry, "[2 x 1 s, 2 x 2 s, 2 x 4 s, 2 x 6 s]", stage="measure: ptc")
    assert [type(step) for step in plan.steps if step.stage == 2] == [Build, Verify]


LOST = """\
latcal: 1
title: A ladder into saturation whose first flat is lost
instrument: bench
camera: {use: simulated, seed: 7, settling: 0 electron, faults: [{what: truncated file, sequence: ladder, exposures: 1}]}
store: {use: folder, root: ./store}
executor: {use: threads, workers: 2}
sequences:
  biases: {image: bias, exposures: 6 x 0 s}
  ladder: {image: flat, exposures: [2 x 1 s, 2 x 2 s, 2 x 4 s, 2 x 8 s, 2 x 16 s, 2 x 36 s], filter: r}
stages:
  - {make: bias, frames: [biases]}
  - {make: ptc, frames: [ladder], at_least: 11, verify: {waived_by: the test, reason: only numbers matter here},
     options: {edge: 0, lags: 2, region: detector, pairs: [[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12]]}}
rules:
  bias: {noise: abs(noise - frame_noise) <= 0.2 * frame_noise}
certify: {into: calib/bench, begin: 2026-01-01, end: open}
"""


def test_a_lost_flat_takes_its_pair_and_no_other_and_saturated_pairs_end_a_curve(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = latcal.run(latcal.plan(latcal.read(LOST, "lost.yaml", registry), registry), registry)
    stage = report.stages[-1]
    assert stage.verdict is not None
    assert [text.partition(":")[0] for text in stage.verdict.missing] == ["ladder 1/12"]
    assert stage.verdict.unused == ("ladder 2/12: 1 s: its partner did not come",)
    with latcal.open_store("folder", registry, root=tmp_path / "store") as store:
        curve = store.get(stage.built[0])
    table = curve.tables["ptc"]
    assert table["RAW_EXP_TIMES"].values[0] == (2.0, 4.0, 8.0, 16.0, 36.0)
    ids = table["INPUT_EXP_ID_PAIRS"].values[0]
    assert [second - first for first, second in zip(ids[::2], ids[1::2], strict=True)] == [1] * 5
    assert [first - ids[0] for first in ids[::2]] == [0, 2, 4, 6, 8]
    assert np.isnan(table["RAW_MEANS"].values[0][-1])  # 130,000 electrons are beyond what its converter tells
    assert column(curve, "turnoff_reached").all()
