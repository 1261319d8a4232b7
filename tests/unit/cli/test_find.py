"""`latcal find` on a store that was filled by hand: what belongs to an exposure, and tables as text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from latcal.builtin.stores.folder.options import FolderOptions
from latcal.builtin.stores.folder.store import FolderStore
from latcal.cli import main
from latcal.formats.columns import ecsv_table
from latcal.plugin import Column, ProductRef, ValidityRange, instant
from latcal.testing import samples

EXPOSURE = 2022110400012
TABLE = {
    "amplifier": Column(("A", "B")),
    "gain": Column((1.1, 1.2), "electron / adu"),
    "means": Column(((100.0, float("nan")), (2e4, 1.0)), "adu"),
}


def latcal(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FolderStore:
    monkeypatch.chdir(tmp_path)
    return FolderStore(FolderOptions(root=Path("store")), samples.world(tmp_path))


def put(store: FolderStore, detector: int = 0) -> ProductRef:
    pair = evolve(samples.product("cpPtcExtract", detector), planes={}, tables={"amplifiers": TABLE}, exposure=EXPOSURE)
    return store.put(pair, "run-1")


def test_what_belongs_to_an_exposure_is_found_though_no_collection_has_it(store: FolderStore) -> None:
    ref = put(store)
    done = latcal("find", "cpPtcExtract", "--exposure", str(EXPOSURE))
    assert done.exit_code == 0
    assert done.output.startswith(f"cpPtcExtract of detector 0 {ref.id[:12]}\n")
    assert "  planes      none\n  tables      amplifiers\n" in done.output
    assert "not used" not in done.output


def test_of_every_detector_that_is_known_what_belongs_to_the_exposure_is_found(store: FolderStore) -> None:
    refs = [put(store, detector) for detector in (0, 1, 2)]
    store.certify([store.put(samples.product("bias", 1), "run-1")], "calib", ValidityRange(instant("2022-11-04"), None))
    told = [line for line in latcal("find", "cpPtcExtract", "--exposure", str(EXPOSURE)).output.splitlines() if line[0] != " "]
    assert told == [str(ref) for ref in refs[:2]]  # of 2 nothing is certified: who wants it, names it
    assert latcal("find", "cpPtcExtract", "--exposure", str(EXPOSURE), "--detector", "2").output.startswith(str(refs[2]))


def test_where_nothing_belongs_to_an_exposure_it_is_said(store: FolderStore) -> None:
    put(store)
    done = latcal("find", "cpPtcExtract", "--exposure", str(EXPOSURE + 1))
    assert done.exit_code == 4
    assert done.stderr.startswith(f"no cpPtcExtract for detector 0 belongs to exposure {EXPOSURE + 1}; what is certified")
    assert done.stderr.endswith("other detectors were not looked at (give --detector)\n")
    store.certify([store.put(samples.product("bias", 4), "run-1")], "calib", ValidityRange(instant("2022-11-04"), None))
    done = latcal("find", "cpPtcExtract", "--exposure", str(EXPOSURE + 1))
    assert done.stderr.startswith(f"no cpPtcExtract for detectors 0, 4 belongs to exposure {EXPOSURE + 1}; ")


def test_of_the_one_detector_that_was_asked_for_no_other_is_named(store: FolderStore) -> None:
    put(store)
    done = latcal("find", "cpPtcExtract", "--exposure", str(EXPOSURE), "--detector", "3")
    assert done.exit_code == 4
    assert done.stderr.startswith(f"no cpPtcExtract for detector 3 belongs to exposure {EXPOSURE} (")
    assert "--detector" not in done.stderr


def test_the_name_of_a_calibration_type_means_what_it_makes(store: FolderStore) -> None:
    ref = put(store)
    assert latcal("find", "gain", "--exposure", str(EXPOSURE)).output.startswith(f"{ref}\n")
    done = latcal("find", "gain", "--exposure", str(EXPOSURE + 1))
    assert (done.exit_code, done.stderr[:20]) == (4, "no cpPtcExtract for ")
    store.certify([ref], "calib", ValidityRange(instant("2022-11-04"), None))
    done = latcal("find", "gain", "--at", "2022-11-05", "--collections", "calib")
    assert done.output.startswith(f"cpPtcExtract of detector 0 {ref.id[:12]} from calib\n")


def test_what_belongs_to_an_exposure_is_found_without_the_plugin_that_made_it(store: FolderStore) -> None:
    ref = put(store)
    asked = "find", "cpPtcExtract", "--exposure", str(EXPOSURE), "--without", "latcal:gain"
    assert latcal(*asked).output.startswith(f"{ref}\n")


@pytest.mark.parametrize(
    ("kind", "meant"),
    [("cpPtcExtractt", "cpPtcExtract"), ("gian", "gain"), ("cpCov", "cpPtcExtract"), ("cpCovs", "cpPtcExtract"), ("bias_residuel", "bias_residual"), ("glows", "glow")],
)
@pytest.mark.parametrize("where", [("--exposure", str(EXPOSURE)), ("--at", "2022-11-04", "--collections", "calib")])
def test_a_kind_that_there_is_not_is_answered_by_the_nearest(
    store: FolderStore, kind: str, meant: str, where: tuple[str, ...]
) -> None:
    store.certify([store.put(samples.product("glow"), "run-1")], "calib", ValidityRange(instant("2022-11-04"), None))
    done = latcal("find", kind, *where)
    assert done.exit_code == 2
    assert done.stderr == f"no plugin makes a {kind!r}, and none is certified (did you mean {meant!r}?)\n"


def test_a_kind_that_is_like_no_other_is_answered_by_all(store: FolderStore) -> None:
    put(store)
    done = latcal("find", "quux", "--exposure", str(EXPOSURE), "--without", "latcal:gain")
    assert done.exit_code == 2
    words = r"no plugin makes a 'quux', and none is certified, latcal:gain being left out by --without \(there is (.*)\)\n"
    names = re.fullmatch(words, done.stderr)[1].split(", ")
    assert {"bias", "bias_residual", "dark", "ptc"} <= set(names)
    assert not {"gain", "cpPtcExtract", "ptc_residual"} & set(names)


@pytest.mark.parametrize("kind", ["gain", "cpPtcExtract", "bias_residual"])
def test_collections_are_refused_for_what_belongs_to_exposures(store: FolderStore, kind: str) -> None:
    put(store)
    named = "cpPtcExtract" if kind == "gain" else kind
    done = latcal("find", kind, "--exposure", str(EXPOSURE), "--collections", "calib/x")
    assert done.exit_code == 2
    assert done.stderr == f"no {named} is certified: each belongs to an exposure (leave --collections out)\n"
    done = latcal("find", kind, "--at", "2022-11-04", "--collections", "calib/x")
    assert done.stderr.endswith("(give --exposure, and leave --collections and --at out)\n")


def test_a_table_is_printed_as_text_that_is_read_back_to_the_last_bit(store: FolderStore) -> None:
    put(store)
    done = latcal("find", "cpPtcExtract", "--exposure", str(EXPOSURE), "--table", "amplifiers")
    assert done.exit_code == 0
    assert repr(ecsv_table(done.output)) == repr(TABLE)


def test_a_table_of_what_is_certified_is_printed_alone(store: FolderStore) -> None:
    ref, other = put(store), put(store, 1)
    store.certify([ref, other], "calib", ValidityRange(instant("2022-11-04"), None))
    asked = "find", "cpPtcExtract", "--at", "2022-11-05", "--collections", "calib", "--table", "amplifiers"
    assert repr(ecsv_table(latcal(*asked, "--detector", "0").output)) == repr(TABLE)
    done = latcal(*asked)
    assert done.exit_code == 2
    assert "--table prints one table, and there are 2 detectors (give --detector)" in done.stderr
    done = latcal("find", "cpPtcExtract", "--exposure", str(EXPOSURE), "--table", "amplifiers")
    assert done.exit_code == 2
    assert "there are 2 detectors" in done.stderr


def test_a_table_that_is_not_there_is_answered_by_those_that_are(store: FolderStore) -> None:
    put(store)
    done = latcal("find", "cpPtcExtract", "--exposure", str(EXPOSURE), "--table", "pairs")
    assert done.exit_code == 2
    assert done.stderr.endswith("has no table 'pairs' (there is amplifiers)\n")


def test_a_date_wants_collections(store: FolderStore) -> None:
    done = latcal("find", "bias", "--at", "2022-11-04")
    assert done.exit_code == 2
    assert "give --collections too" in done.stderr
