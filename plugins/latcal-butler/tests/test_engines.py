"""One night's raw frames under latcal's own engine, the executor ``pipetask``, ``pipetask run`` and BPS: the same planes.

Every engine makes bias, dark, flat, defects and curve, each of two amplifiers; planes and tables are compared by checksum. That
takes minutes of a processor, most of it imports of Rubin's packages, so that only the bias is made by all of them unless
LATCAL_EVERY_TEST=1 asks for all.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import latcal
import pytest
import yaml
from corners import COLLECTION, KINDS, STAGES, CornerNight, by_sequence, checksums, get, only_biases, recipe, run
from lsst.daf.butler import Butler

import latcal_butler
from latcal_butler.commands import BUILD, PIPELINES, ranges

FILES = Path(latcal_butler.__file__).parent / "bps"
EVERY = bool(os.environ.get("LATCAL_EVERY_TEST"))
COMPARED = KINDS if EVERY else ("bias",)
STAGE = STAGES if EVERY else STAGES[: STAGES.index("  - {make: dark")]


@pytest.fixture(scope="module")
def night(corner_night: CornerNight) -> CornerNight:
    return corner_night


@pytest.fixture(scope="module")
def executed(night: CornerNight, tmp_path_factory: pytest.TempPathFactory) -> CornerNight:
    """Run the same recipe by the executor, on the frames of the first night, which a camera gives once more."""
    repo = tmp_path_factory.mktemp("executor") / "repo"
    camera = f"{{use: replay, folder: {night.repo}/corner/raw/all, pattern: '**/*.fits', mapping: latiss}}"
    text = recipe(repo, stages=STAGE, camera=camera, executor="{use: pipetask, workers: 1}")
    report = run(text if EVERY else only_biases(text))
    assert report.exit_code in (0, 1), report
    return CornerNight(repo, report, by_sequence(report))


@pytest.fixture(scope="module")
def submitted(night: CornerNight, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Submit pipelines to BPS, which runs it by Parsl on this computer; give the collections of what was made."""
    folder, bps = tmp_path_factory.mktemp("bps"), Path(sys.executable).with_name("bps")
    path = f"{bps.parent}{os.pathsep}{os.environ['PATH']}"
    for kind in COMPARED:
        where = f"instrument='corner' AND detector IN (0) AND exposure IN ({ranges(night.used(kind))})"
        words = ["-b", night.repo, "-i", f"corner/raw/all,{COLLECTION}", "-o", f"u/bps/{kind}", "-d", where]
        done = subprocess.run(
            [bps, "submit", *words, FILES / f"{BUILD[kind].file}.yaml"],
            cwd=folder, capture_output=True, text=True, timeout=300, check=False,
            env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1", "PWD": str(folder)},
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    return {kind: f"u/bps/{kind}" for kind in COMPARED}


@pytest.mark.parametrize("kind", COMPARED)
def test_the_executor_makes_what_the_native_engine_makes_of_the_same_frames(
    night: CornerNight, executed: CornerNight, kind: str
) -> None:
    native, theirs = night.built(kind), executed.built(kind)
    assert list(theirs.provenance.exposures.values()) == list(native.provenance.exposures.values())  # checksums of the files
    assert len(native.provenance.exposures) == len(night.used(kind))
    assert checksums(theirs) == checksums(native)
    assert theirs.provenance.options == native.provenance.options
    assert theirs.provenance.recipe == "corner_night.yaml"
    assert theirs.provenance.recipe_digest != native.provenance.recipe_digest  # each has its own, as it was written


@pytest.mark.parametrize("kind", COMPARED)
def test_bps_makes_what_the_native_engine_makes_of_the_same_frames(
    night: CornerNight, submitted: Mapping[str, str], kind: str
) -> None:
    native, theirs = night.built(kind), get(night.repo, kind, submitted[kind])
    assert theirs.provenance.exposures == native.provenance.exposures
    assert checksums(theirs) == checksums(native)


@pytest.mark.skipif(not EVERY, reason="by hand, with LATCAL_EVERY_TEST=1")
def test_every_pair_has_the_gain_of_the_native_engine(
    night: CornerNight, executed: CornerNight, submitted: Mapping[str, str]
) -> None:
    for number, first in enumerate(night.exposures["flats"][::2]):
        native = checksums(night.built("cpPtcExtract", exposure=first))
        assert checksums(get(night.repo, "cpPtcExtract", submitted["ptc"], exposure=first)) == native
        theirs = checksums(executed.built("cpPtcExtract", exposure=executed.exposures["flats"][2 * number]))
        native.pop("table failures", None)  # it names the bias, whose id is another in another repository
        theirs.pop("table failures", None)
        assert theirs == native
    with Butler.from_config(night.repo, collections=[submitted["ptc"]]) as butler:
        assert set(butler.get("ptc", instrument="corner", detector=0).gain) == {"C10", "C00"}


def test_the_executor_verifies_and_certifies_as_the_native_engine_does(night: CornerNight, executed: CornerNight) -> None:
    for native, theirs in zip(night.report.stages, executed.report.stages, strict=False):
        assert theirs.numbers == native.numbers
        assert theirs.verdict.tallies == native.verdict.tallies
    assert executed.report.stages[-1].numbers  # of all of them, the gain was measured
    kept = [one.built("verifyBiasProc", exposure=one.exposures["biases"][0]) for one in (night, executed)]
    assert checksums(kept[0]) == checksums(kept[1])
    assert set(kept[0].planes) == {"image", "mask", "variance"}
    with latcal.open_store("butler", latcal.load_plugins(), repo=str(executed.repo)) as store:
        certified = {one.ref.kind: one.ref for one in store.list()}
        built = [one.ref.kind for one in store.list(collection=f"u/latcal/{executed.run}")]
    assert certified["bias"].id == executed.report.stages[0].built[0].id
    assert certified["bias"].run == executed.run
    assert set(built) == {*COMPARED, "bias_residual", *(["cpPtcExtract"] if EVERY else [])}


def test_the_executor_leaves_no_prepared_frames(executed: CornerNight) -> None:
    with Butler.from_config(executed.repo) as butler:
        assert butler.query_all_datasets("*", name="cp*Proc", find_first=False) == []
        assert butler.query_all_datasets("*", name="bias", find_first=False)


def test_every_pipeline_has_a_submit_file() -> None:
    for path in PIPELINES.glob("*.yaml"):
        content = yaml.safe_load((FILES / path.name).read_text())
        assert content["pipelineYaml"] == f"resource://latcal_butler/pipelines/{path.name}"
        assert content["includeConfigs"] == ["local.yaml"]
