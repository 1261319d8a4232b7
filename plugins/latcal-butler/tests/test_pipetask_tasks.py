"""The pipelines under Rubin's pipetask make what latcal's own engine makes of the same raw frames, to the last bit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from corners import COLLECTION, KINDS, CornerNight, by_sequence, checksums, get, recipe, run
from latcal.formats.products import digest
from latcal.plugin import MASK_PLANES
from lsst.ctrl.mpexec.cli.pipetask import cli
from lsst.daf.butler import Butler
from lsst.pipe.base import Pipeline

from latcal_butler.commands import BUILD, PIPELINES, VERIFY, ranges

OUTPUT = {kind: f"u/me/{pipeline.file}" for kind, pipeline in BUILD.items()}
SEQUENCES = {"bias": ("biases",), "dark": ("darks",), "flat": ("flats",), "defects": ("darks", "flats"), "ptc": ("flats",)}


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> CornerNight:
    repo = tmp_path_factory.mktemp("corner") / "repo"
    report = run(recipe(repo))
    assert report.exit_code in (0, 1)  # the gain may be refused: it is of few pixels
    night = CornerNight(repo, report.run, by_sequence(report))
    for kind in ("bias", "dark", "flat", "defects", "ptc"):
        exposures = [one for name in SEQUENCES[kind] for one in night.exposures[name]]
        done = pipetask(night, BUILD[kind].file, exposures, OUTPUT[kind])
        assert done.exit_code == 0, done.output
    return night


def pipetask(
    night: CornerNight, name: str, exposures: Sequence[int], output: str, *words: str, inputs: str = f"corner/raw/all,{COLLECTION}"
) -> Result:
    """Run ``pipetask run`` in this process, with the words of a command line."""
    where = f"instrument='corner' AND detector IN (0..0) AND exposure IN ({ranges(exposures)})"
    line = [
        "run", "-b", str(night.repo), "-p", str(PIPELINES / f"{name}.yaml"), "-i", inputs, "-o", output,
        "-c", "isr:doDefect=False", "-d", where, "--register-dataset-types", *words,
    ]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Rubin's own packages
        return CliRunner().invoke(cli, line, catch_exceptions=True)


def said(done: Result) -> str:
    """Give what a failed command says, whoever says it."""
    return f"{done.output} {done.exception} {done.exception.__cause__ if done.exception else ''}"


@pytest.mark.parametrize("kind", KINDS)
def test_a_calibration_has_the_pixels_and_tables_that_the_native_engine_gives_it(night: CornerNight, kind: str) -> None:
    native, theirs = get(night.repo, kind, f"u/latcal/{night.run}"), get(night.repo, kind, OUTPUT[kind])
    assert checksums(theirs) == checksums(native)
    assert digest(theirs) == digest(native)
    assert theirs.provenance.exposures == native.provenance.exposures
    assert theirs.preparation == native.preparation


def test_every_pair_has_the_gain_that_the_native_engine_gives_it(night: CornerNight) -> None:
    for first in night.exposures["flats"][::2]:
        native = get(night.repo, "cpPtcExtract", f"u/latcal/{night.run}", exposure=first)
        theirs = get(night.repo, "cpPtcExtract", OUTPUT["gain"], exposure=first)
        assert checksums(theirs) == checksums(native)


def test_a_dark_pins_the_bias_that_is_certified(night: CornerNight) -> None:
    native, theirs = get(night.repo, "dark", f"u/latcal/{night.run}"), get(night.repo, "dark", OUTPUT["dark"])
    assert theirs.pins == native.pins
    assert theirs.provenance.inputs[0].id == native.pins["bias"]


def test_products_are_read_as_people_want_them_though_a_task_wrote_them(night: CornerNight) -> None:
    with Butler.from_config(night.repo, collections=[OUTPUT["bias"], OUTPUT["ptc"]]) as butler:
        bias = butler.get("bias", instrument="corner", detector=0)
        assert bias.data.dtype == np.float32
        assert bias.unit.to_string() == "electron"
        assert set(butler.get("ptc", instrument="corner", detector=0).gain) == {"C10", "C00"}
        frame = butler.get("cpBiasProc", instrument="corner", detector=0, exposure=night.exposures["biases"][0])
        assert frame.data.shape == bias.data.shape


def test_verification_finds_for_each_exposure_what_the_native_engine_found(night: CornerNight, tmp_path: Path) -> None:
    """Native: another night with the same seed, whose frames are the same."""
    done = pipetask(night, "verifyDark", night.exposures["darks"], "u/me/verifyDark")
    assert done.exit_code == 0, said(done)
    stages = """
  - {make: bias, frames: [biases], verify: {waived_by: test, reason: few frames}}
  - {make: dark, frames: [darks]}
  - {measure: gain, frames: [flats]}
"""
    other = run(recipe(tmp_path / "repo", stages=stages))
    ours = by_sequence(other)["darks"]
    with Butler.from_config(tmp_path / "repo", collections=[f"u/latcal/{other.run}"]) as one:
        wanted = [one.get("verifyDarkDetStats", instrument="corner", detector=0, exposure=number) for number in ours]
    with Butler.from_config(night.repo, collections=["u/me/verifyDark"]) as butler:
        for expected, number in zip(wanted, night.exposures["darks"], strict=True):
            there = butler.get("verifyDarkDetStats", instrument="corner", detector=0, exposure=number)
            assert there["AMP"] == expected["AMP"]
            merged = butler.get("verifyDarkExpStats", instrument="corner", exposure=number)
            assert merged["DET"]["0"] == there
            left = butler.get("verifyDarkProc", instrument="corner", detector=0, exposure=number)
            assert abs(np.nanmedian(left.data)) < 1  # electron: what is left of a frame is noise about zero
        stats = butler.get("verifyDarkStats", instrument="corner")
    assert set(stats) == {*night.exposures["darks"], "SUCCESS"}


def test_options_of_rubins_tasks_mean_those_of_latcal(night: CornerNight) -> None:
    words = ("-c", "cpBiasCombine:combine=MEDIAN", "-c", "isr:overscan.fitType=MEDIAN", "-c", "cpBiasCombine:options={clip: 4}")
    done = pipetask(night, "cpBias", night.exposures["biases"], "u/me/median", *words)
    assert done.exit_code == 0, said(done)
    options = get(night.repo, "bias", "u/me/median").provenance.options
    assert options["estimator"] == "median"
    assert options["clip"] == 4
    assert options["overscan"]["serial"] == "constant"


def test_defects_are_left_out_where_isr_says_so(night: CornerNight) -> None:
    done = pipetask(night, "cpBias", night.exposures["biases"], "u/me/masked", "-c", "isr:doDefect=True")
    assert done.exit_code == 0, said(done)
    masked, bad = get(night.repo, "bias", "u/me/masked"), get(night.repo, "defects", COLLECTION).planes["mask"]
    named = masked.planes["mask"] & (1 << MASK_PLANES["BAD"])
    assert np.array_equal(named != 0, (bad & (1 << MASK_PLANES["BAD"])) != 0)
    assert masked.provenance.options["defects"] is True


def test_a_calibration_that_is_not_there_is_named_before_anything_runs(
    night: CornerNight, caplog: pytest.LogCaptureFixture
) -> None:
    done = pipetask(night, "cpDark", night.exposures["darks"], "u/me/nothing", inputs="corner/raw/all")
    assert done.exit_code != 0
    assert "cpDarkCombine.bias" in caplog.text
    with Butler.from_config(night.repo) as butler:
        assert not butler.collections.query("u/me/nothing*")


def test_frames_of_another_type_are_refused_by_the_quantum(night: CornerNight, caplog: pytest.LogCaptureFixture) -> None:
    done = pipetask(night, "cpBias", night.exposures["darks"][:2], "u/me/wrong", inputs="corner/raw/all")
    assert done.exit_code != 0
    assert "bias: dark frames are not what it is made of" in caplog.text
    with Butler.from_config(night.repo) as butler:
        assert not butler.query_datasets("bias", collections="u/me/wrong", explain=False)


def test_an_option_that_is_none_is_named(night: CornerNight, caplog: pytest.LogCaptureFixture) -> None:
    done = pipetask(night, "cpBias", night.exposures["biases"], "u/me/typo", "-c", "cpBiasCombine:options={clp: 4}")
    assert done.exit_code != 0
    assert "clp" in caplog.text


@pytest.mark.parametrize("name", sorted(path.stem for path in PIPELINES.glob("*.yaml")))
def test_every_pipeline_file_is_one(name: str) -> None:
    graph = Pipeline.from_uri(f"resource://latcal_butler/pipelines/{name}.yaml").to_graph()
    assert graph.tasks


def test_every_pipeline_that_a_step_names_is_there() -> None:
    for pipeline in (*BUILD.values(), *VERIFY.values()):
        graph = Pipeline.from_uri(str(PIPELINES / f"{pipeline.file}.yaml")).to_graph()
        assert set(pipeline.tasks) <= {task.label for task in graph.tasks.values()}
        assert pipeline.output in graph.dataset_types
