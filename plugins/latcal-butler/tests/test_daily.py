"""The LATISS procedure on a new repository, and what Rubin's own tools then see: the page's notebook, the command butler."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path

import latcal
import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner
from latcal.cli import main as latcal_main
from latcal.formats.products import read_product
from latcal.plugin import Setup, ValidityOverlap, instant
from lsst.daf.butler.cli.butler import cli
from nights import COLLECTION, Night, command, python

HERE = Path(__file__).parent
KINDS = {"bias", "dark", "defects", "flat", "ptc"}


@pytest.fixture
def flats(night: Night) -> Sequence[int]:
    return night.flats


def test_the_procedure_makes_verifies_and_certifies_everything(night: Night) -> None:
    assert night.code == 0, night.output
    certified = night.certified
    assert set(certified) == KINDS
    for one in certified.values():
        assert one.collection == COLLECTION
        assert one.valid.begin == instant("2020-01-01")
        assert one.unverified == ""


def test_the_exposures_lie_within_the_certified_range(night: Night, flats: Sequence[int]) -> None:
    valid = night.certified["flat"].valid
    with latcal.open_store("butler", latcal.load_plugins(), repo=night.repo) as store:
        assert all(valid.contains(store.exposure(number).begin) for number in flats)


def test_the_pages_notebook_runs_in_a_process_that_imports_the_butler_only(night: Night, flats: Sequence[int]) -> None:
    first_bias = flats[0] - flats[0] % 100_000 + 2
    done = python(HERE / "notebook.py", night.repo, COLLECTION, f"u/latcal/{night.run}", str(first_bias), str(flats[0]))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["shapes"] == {name: [400, 640] for name in ("bias", "dark", "flat", "proc")}
    assert found["classes"] == ["CCDData"]
    assert found["units"] == ["electron", "electron / s", ""]
    assert found["mask planes"] == ["MP_BAD", "MP_NO_DATA", "MP_REJECTED", "MP_SATURATED"]
    # a mean of 12 biases: the noise of one, 8 to 11 electrons, over the root of 12; the pattern of a bias adds to it
    assert 2.0 < found["variance"] ** 0.5 < 3.5
    assert found["columns"][:4] == ["x0", "y0", "width", "height"]
    assert len(found["amplifiers"]) == 16
    # the simulated gains are the nominal ones, 1.06 to 1.1, within 2 %; a pair of the small sensor tells them to 2 %
    assert all(1.0 < gain < 1.25 for gain in found["gain"])
    assert all(7.0 < noise < 13.0 for noise in found["noise"])
    assert set(map(str, flats)) | {"SUCCESS"} == set(found["run"])
    assert {"NOISE", "MEAN", "READ_NOISE"} <= set(found["detector"]["C10"])
    assert found["proc"] == pytest.approx(3600 * 2, rel=0.15)  # the lamp's 3600 e-/s for the 2 s of the first flats
    assert found["latcal imported"] == []


def test_what_the_statistics_say_is_what_the_verdict_says(night: Night, flats: Sequence[int]) -> None:
    from lsst.daf.butler import Butler

    with latcal.open_store("butler", latcal.load_plugins(), repo=night.repo) as store:
        verdict = json.loads(store.read_report(night.run, "2_make_flat_verdict.json"))
    butler = Butler.from_config(night.repo, collections=[f"u/latcal/{night.run}"])
    told = butler.get("verifyFlatStats", instrument="LATISS")
    advisory = {tally["rule"] for tally in verdict["tallies"] if tally["advisory"]}
    counted = [one for one in verdict["findings"] if one["rule"] not in advisory]
    for number in flats:
        mine = [one for one in counted if one["exposure"] == number]
        assert len(told[number].get("FAILURES", [])) == len(mine)
        assert told[number]["SUCCESS"] is (not mine)
        one = butler.get("verifyFlatDetStats", instrument="LATISS", detector=0, exposure=number)
        failed = {(amplifier, test) for amplifier, tests in one["VERIFY"]["AMP"].items() for test, good in tests.items() if not good}
        amplifiers = {(each["amplifier"], each["rule"].upper()) for each in verdict["findings"] if each["exposure"] == number}
        assert {place for place in failed if place[1] != "SUCCESS"} == {place for place in amplifiers if place[0]}
    butler.close()


def test_images_have_the_plain_three_planes_first_and_mask_planes_by_name(night: Night) -> None:
    from lsst.daf.butler import Butler

    butler = Butler.from_config(night.repo, collections=[COLLECTION])
    ref = butler.find_dataset("bias", instrument="LATISS", detector=0, timespan=butler.registry.expandDataId(
        instrument="LATISS", exposure=night_exposure(butler)).timespan)  # fmt: skip
    path = butler.getURI(ref).ospath
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus[1:4]] == ["IMAGE", "MASK", "VARIANCE"]
        assert {word for word in hdus["MASK"].header if word.startswith("MP_")} == {"MP_NO_DATA", "MP_SATURATED", "MP_REJECTED", "MP_BAD"}
        product = read_product(Path(path))
        np.testing.assert_array_equal(hdus[1].data, product.planes["image"])
        np.testing.assert_array_equal(hdus[3].data, product.planes["variance"])
    butler.close()


def night_exposure(butler: object) -> int:
    return min(row.id for row in butler.query_dimension_records("exposure", instrument="LATISS"))


# -- the command butler -------------------------------------------------------------------------------------------


def told(*words: str) -> str:
    """Give what the command tells, run in this process: to start one takes longer than what it does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Rubin's own packages
        done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_lists_collections_datasets_and_records(night: Night) -> None:
    collections = told("query-collections", night.repo)
    assert re.search(rf"{COLLECTION} +CALIBRATION", collections)
    assert re.search(r"LATISS/raw/all +RUN", collections)
    assert re.search(rf"u/latcal/{night.run} +CHAINED", collections)
    assert re.search(rf"u/ann/{night.run}/1 +RUN", collections)
    datasets = told("query-datasets", night.repo, "bias", "--collections", COLLECTION)
    assert night.certified["bias"].ref.id in datasets.replace("-", "")
    records = told(
        "query-dimension-records", night.repo, "exposure", "--where", "instrument='LATISS' AND exposure.observation_type='dark'"
    )
    assert len(re.findall(r"BE_O_\d{8}_\d{6}", records)) == 13  # twelve, and one that is discarded
    assert "r~empty" in told("query-dimension-records", night.repo, "physical_filter", "--where", "instrument='LATISS'")


def test_what_the_command_certifies_the_store_finds_and_does_not_overlap(night: Night) -> None:
    ref = night.certified["bias"].ref
    into = "LATISS/calib/by.hand"
    words = ("--begin-date", "2021-01-01", "--end-date", "2022-01-01")
    told("certify-calibrations", night.repo, f"u/latcal/{night.run}", into, "bias", *words)
    with latcal.open_store("butler", latcal.load_plugins(), repo=night.repo) as store:
        assert store.find("bias", 0, ref.setup, instant("2021-06-01"), ["nowhere", into]) == ref
        (one,) = store.list(collection=into)
        assert (one.ref, str(one.valid), one.certified) == (ref, "2021-01-01 to 2022-01-01", "")
        assert not store.is_free("bias", 0, Setup(), into, one.valid)
        with pytest.raises(ValidityOverlap, match="a bias for detector 0 is already valid 2021-01-01 to 2022-01-01"):
            store.certify([ref], into, one.valid)
        assert len(list(store.list(collection=into))) == 1
    again = command("butler", "certify-calibrations", night.repo, f"u/latcal/{night.run}", COLLECTION, "bias", *words)
    assert again.returncode != 0  # and the command, here in a process of its own, does not overlap what the store certified
    assert "conflict" in again.stderr


def test_the_command_exports_calibrations_and_retrieves_files(night: Night, tmp_path: Path) -> None:
    told("export-calibs", night.repo, str(tmp_path / "out"), COLLECTION)
    exported = (tmp_path / "out" / "export.yaml").read_text(encoding="utf-8")
    assert all(f"dataset_type: {kind}\n" in exported for kind in (*KINDS, "bias_certificate"))
    (tmp_path / "files").mkdir()
    told("retrieve-artifacts", night.repo, str(tmp_path / "files"), "--collections", COLLECTION, "-d", "flat")
    (path,) = (tmp_path / "files").rglob("*.fits")
    assert read_product(path).kind == "flat"


def test_latcals_own_commands_know_the_repository(night: Night) -> None:
    listed = CliRunner().invoke(latcal_main, ["products", "--store", f"butler:repo={night.repo}"]).output
    assert {row.split()[1] for row in listed.splitlines()[1:] if row.startswith(COLLECTION)} == KINDS
    report = CliRunner().invoke(latcal_main, ["report", night.run, "--store", f"butler:repo={night.repo}"])
    assert report.exit_code == 0, report.output
    assert "certified bias into" in report.output
