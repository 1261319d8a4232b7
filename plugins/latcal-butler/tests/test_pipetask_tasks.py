"""The pipelines under Rubin's pipetask make what latcal's own engine makes of the same raw frames, to the last bit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pytest
from click.testing import CliRunner, Result
from corners import COLLECTION, CornerNight, checksums, get
from latcal.formats.products import digest
from latcal.plugin import MASK_PLANES
from lsst.ctrl.mpexec.cli.pipetask import cli
from lsst.daf.butler import Butler
from lsst.pipe.base import Pipeline

from latcal_butler.commands import BUILD, PIPELINES, VERIFY, ranges

OUTPUT = {kind: f"u/me/{BUILD[kind].file}" for kind in ("bias", "dark")}
"""Those that are made here; `test_engines` has all of them, by processes of pipetask and of BPS."""


@pytest.fixture(scope="module")
def night(corner_night: CornerNight) -> CornerNight:
    for kind, output in OUTPUT.items():
        done = pipetask(corner_night, BUILD[kind].file, corner_night.used(kind), output)
        assert done.exit_code == 0, done.output
    return corner_night


def pipetask(
    night: CornerNight, name: str, exposures: Sequence[int], output: str, *words: str, inputs: str = f"corner/raw/all,{COLLECTION}"
) -> Result:
    """Run ``pipetask run`` in this process, with the words of a command line."""
    where = f"instrument='corner' AND detector IN (0..0) AND exposure IN ({ranges(exposures)})"
    line = [
        "run", "-b", str(night.repo), "-p", str(PIPELINES / f"{name}.yaml"), "-i", inputs, "-o", output,
        *([] if name == "verifyPtc" else ["-c", "isr:doDefect=False"]), "-d", where, "--register-dataset-types", *words,
    ]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Rubin's own packages
        return CliRunner().invoke(cli, line, catch_exceptions=True)


def said(done: Result) -> str:
    """Give what a failed command says, whoever says it."""
    return f"{done.output} {done.exception} {done.exception.__cause__ if done.exception else ''}"


@pytest.mark.parametrize("kind", OUTPUT)
def test_a_calibration_has_the_pixels_and_tables_that_the_native_engine_gives_it(night: CornerNight, kind: str) -> None:
    native, theirs = night.built(kind), get(night.repo, kind, OUTPUT[kind])
    assert checksums(theirs) == checksums(native)
    assert digest(theirs) == digest(native)
    assert theirs.provenance.exposures == native.provenance.exposures
    assert theirs.preparation == native.preparation


def test_a_dark_pins_the_bias_that_is_certified(night: CornerNight) -> None:
    native, theirs = night.built("dark"), get(night.repo, "dark", OUTPUT["dark"])
    assert theirs.pins == native.pins
    assert theirs.provenance.inputs[0].id == native.pins["bias"]


def test_products_are_read_as_people_want_them_though_a_task_wrote_them(night: CornerNight) -> None:
    with Butler.from_config(night.repo, collections=[OUTPUT["bias"]]) as butler:
        bias = butler.get("bias", instrument="corner", detector=0)
        assert bias.data.dtype == np.float32
        assert bias.unit.to_string() == "electron"
        frame = butler.get("cpBiasProc", instrument="corner", detector=0, exposure=night.exposures["biases"][0])
        assert frame.data.shape == frame.uncertainty.array.shape == bias.data.shape
        # a bias has no light: its variance is that of the readout, 8 to 10 electrons
        assert 7.0 < np.sqrt(frame.uncertainty.array.mean()) < 11.0
        assert abs(frame.data.std() / np.sqrt(frame.uncertainty.array.mean()) - 1) < 0.2


def test_verification_finds_for_each_exposure_what_the_native_engine_found(night: CornerNight) -> None:
    done = pipetask(night, "verifyDark", night.exposures["darks"], "u/me/verifyDark")
    assert done.exit_code == 0, said(done)
    with (
        Butler.from_config(night.repo, collections=[f"u/latcal/{night.run}"]) as native,
        Butler.from_config(night.repo, collections=["u/me/verifyDark"]) as butler,
    ):
        for number in night.exposures["darks"]:
            there = butler.get("verifyDarkDetStats", instrument="corner", detector=0, exposure=number)
            assert there["AMP"] == native.get("verifyDarkDetStats", instrument="corner", detector=0, exposure=number)["AMP"]
            merged = butler.get("verifyDarkExpStats", instrument="corner", exposure=number)
            assert merged["DET"]["0"] == there
            left = butler.get("verifyDarkProc", instrument="corner", detector=0, exposure=number)
            assert abs(np.nanmedian(left.data)) < 1  # electron: what is left of a frame is noise about zero
            assert left.uncertainty is not None
        stats = butler.get("verifyDarkStats", instrument="corner")
    assert set(stats) == {*night.exposures["darks"], "SUCCESS"}


def test_flats_of_two_filters_are_judged_each_by_the_flat_of_its_filter(night: CornerNight) -> None:
    red, green = night.exposures["flats"][-2:], night.exposures["green"]
    done = pipetask(night, "verifyFlat", [*red, *green], "u/me/verifyFlat")
    assert done.exit_code == 0, said(done)
    with Butler.from_config(night.repo, collections=["u/me/verifyFlat"]) as butler:
        assert len(butler.query_datasets("verifyFlatMeasurements", instrument="corner")) == 2
        told = butler.get("verifyFlatStats", instrument="corner")
        means = [
            butler.get("verifyFlatDetStats", instrument="corner", detector=0, exposure=one)["AMP"]["C10"]["MEAN"] for one in (*red, *green)
        ]
    assert set(told) == {*red, *green, "SUCCESS"}
    # those of one filter and time are alike but for the drift of the lamp; each is of its own flat, whose mean is 1
    assert means[0] == pytest.approx(means[1], rel=0.02)
    assert means[2] == pytest.approx(means[3], rel=0.02)


def test_a_curve_is_judged_by_itself(night: CornerNight) -> None:
    done = pipetask(night, "verifyPtc", night.exposures["flats"], "u/me/verifyPtc")
    assert done.exit_code == 0, said(done)
    with Butler.from_config(night.repo, collections=["u/me/verifyPtc"]) as butler:
        record = butler.get("verifyPtcDetStats", instrument="corner", detector=0)
        assert set(record["AMP"]) == {"C10", "C00"}
        gains = [tests["PTC_GAIN"] for tests in record["VERIFY"]["AMP"].values()]
        told = butler.get("verifyPtcStats", instrument="corner")
    failed = [words for words in told["S00"].get("FAILURES", ()) if words.endswith("PTC_GAIN")]
    assert gains.count(False) == len(failed)
    assert told["SUCCESS"] is record["SUCCESS"] is told["S00"]["SUCCESS"]


def test_options_of_rubins_tasks_mean_those_of_latcal_and_defects_are_left_out_where_isr_says_so(night: CornerNight) -> None:
    words = ("-c", "cpBiasCombine:combine=MEDIAN", "-c", "isr:overscan.fitType=MEDIAN", "-c", "cpBiasCombine:options={clip: 4}")
    words += ("-c", "isr:doDefect=True")
    done = pipetask(night, "cpBias", night.exposures["biases"], "u/me/median", *words)
    assert done.exit_code == 0, said(done)
    masked, bad = get(night.repo, "bias", "u/me/median"), get(night.repo, "defects", COLLECTION).planes["mask"]
    named = masked.planes["mask"] & (1 << MASK_PLANES["BAD"])
    assert np.array_equal(named != 0, (bad & (1 << MASK_PLANES["BAD"])) != 0)
    options = masked.provenance.options
    assert options["defects"] is True
    assert options["estimator"] == "median"
    assert options["clip"] == 4
    assert options["overscan"]["serial"] == "constant"


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


def test_every_pipeline_file_is_one_and_has_what_steps_name() -> None:
    graphs = {path.stem: Pipeline.from_uri(f"resource://latcal_butler/pipelines/{path.name}").to_graph() for path in PIPELINES.glob("*.yaml")}
    assert all(graph.tasks for graph in graphs.values())
    for pipeline in (*BUILD.values(), *VERIFY.values()):
        graph = graphs[pipeline.file]
        assert set(pipeline.tasks) <= {task.label for task in graph.tasks.values()}
        assert pipeline.output in graph.dataset_types
