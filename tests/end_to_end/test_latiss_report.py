"""The LATISS report of a night on the bench: three biases, as on the page of the procedure, and what comes after."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from latcal.cli import main
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.engine.running import run
from latcal.model.validity import instant
from latcal.plugin.registry import Registry

RECIPE = """\
latcal: 1
title: Three biases are too few
instrument: bench
camera: {use: simulated, seed: 7, settling: 0 electron}
store: {use: folder, root: ./store}
report: [{use: latiss_text, path: night.txt}, {use: jsonl, path: night.jsonl}]
sequences:
  biases: {image: bias, exposures: 3 x 0 s}
  darks: {image: dark, exposures: 3 x 15 s}
stages:
  - {make: bias, frames: [biases]}
  - {make: dark, frames: [darks]}
accept: {amplifiers: 8, detectors: 1, exposures: 3}
certify: {into: calib/night, begin: 2026-11-04, end: 2026-11-05}
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, registry: Registry) -> Path:
    """Give the folder in which the night was: read only."""
    folder = tmp_path_factory.mktemp("night")
    with contextlib.chdir(folder):
        planned = plan(read(RECIPE, "night.yaml", registry), registry)
        assert run(planned, registry, now=lambda: instant("2026-11-04T16:00:00")).exit_code == 1
    return folder


@pytest.fixture
def here(told: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(told)
    return told


def latcal(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_three_biases_fail_noise_on_all_amplifiers_at_the_limits_of_the_page(here: Path) -> None:
    lines = (here / "night.txt").read_text(encoding="utf-8").splitlines()
    exposures = [line.strip() for line in lines if line.startswith("\tExposure ID: ")]
    assert len(exposures) == 6  # three with their counts, then the same three with their failures
    assert lines[1] == "".join(f"{exposure.split()[2]}  " for exposure in exposures[:3])
    assert lines.count("\tNOISE: 16") == 3
    assert sum(line.endswith(" NOISE") and line.startswith("\t \t S00 C") for line in lines) == 3 * 16
    begin = lines.index("Threshold values:")
    limits = [line.rpartition(": ")[2] for line in lines[begin + 1 : begin + 7]]
    assert [limits[i] for i in (0, 2, 3, 4, 5)] == ["8", "1", "8", "3", "3"]
    assert lines[-3:-1] == ["BIAS calibration failed verification and will not be certified.", "8 more frames would do."]
    assert lines[-1] == "DARK skipped: bias was refused"


def test_both_collections_are_a_run_that_latcal_report_prints_again(here: Path) -> None:
    text = (here / "night.txt").read_text(encoding="utf-8")
    names = {line.rpartition(": ")[2] for line in text.splitlines() if " collection: " in line}
    (collection,) = names
    run = collection.removeprefix("u/latcal/")
    assert (here / "store" / "reports" / run / "0_make_bias_measurements.ecsv").is_file()
    done = latcal("report", run, "--as", "latiss_text")
    assert (done.exit_code, done.output) == (1, text)
    assert latcal("report", "night.jsonl", "--as", "latiss_text").output == text


@pytest.mark.parametrize(
    ("reporter", "message"),
    [
        ("latis_text", "no plugin declares the reporter 'latis_text' (did you mean 'latiss_text'?)"),
        ("jsonl", "'path' is missing"),
    ],
)
def test_an_old_run_is_told_only_by_a_reporter_that_needs_no_options(here: Path, reporter: str, message: str) -> None:
    done = latcal("report", "night.jsonl", "--as", reporter)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""
