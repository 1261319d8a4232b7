"""Commands on the simulated bench, with few frames."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from latcal.cli import main

THREE = """\
latcal: 1
title: Three biases
instrument: bench
camera: {use: simulated, seed: 7, settling: 0 electron}
store: {use: folder, root: ./store}
sequences:
  biases: {image: bias, exposures: 3 x 0 s}
  darks: {image: dark, exposures: 2 x 15 s}
stages:
  - {make: bias, frames: [biases]}
  - {make: dark, frames: [darks]}
certify: {into: calib/daily, begin: 2020-01-01, end: open}
"""
REPORTED = THREE.replace("sequences:", "report: [{use: console}, {use: jsonl, path: night.jsonl}]\nsequences:")
WAIVED = "verify: {waived_by: Ana, reason: lamp test}"
UNVERIFIED = REPORTED.replace("frames: [biases]", f"frames: [biases], {WAIVED}").replace(
    "  - {make: dark, frames: [darks]}\n", ""
).replace("  darks: {image: dark, exposures: 2 x 15 s}\n", "")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "three.yaml").write_text(REPORTED)
    (tmp_path / "plain.yaml").write_text(THREE)
    (tmp_path / "unverified.yaml").write_text(UNVERIFIED)
    (tmp_path / "wrong.yaml").write_text(THREE.replace("3 x 0 s", "3 x 0"))
    return tmp_path


def latcal(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def digest(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def test_a_recipe_that_is_refused_exits_1_and_the_report_is_printed_again_as_it_was(here: Path) -> None:
    done = latcal("recipe", "three.yaml")
    assert done.exit_code == 1, done.stderr
    assert "bias refused: NOISE on 16 of 16 amplifiers in 3 of 3 exposures; worst S00 C" in done.output
    assert "dark skipped: bias was refused" in done.output
    again = latcal("report", "night.jsonl")
    assert (again.exit_code, again.output) == (1, done.output)


def test_a_run_is_opened_by_the_name_of_its_collection(here: Path) -> None:
    done = latcal("recipe", "three.yaml")
    (run,) = (path.name for path in (here / "store" / "reports").iterdir())
    again = latcal("report", f"u/latcal/{run}")
    assert (again.exit_code, again.output) == (1, done.output) == (1, latcal("report", run).output)
    listed = latcal("products", "--collection", f"u/latcal/{run}").output.splitlines()
    assert [line.split()[:4] for line in listed[1:]] == [[f"u/latcal/{run}", "bias", "0", "-"]]
    assert "built, not certified" in listed[1]
    assert latcal("products", "--collection", f"u/latcal/{run}", "--kind", "dark").output == (
        f"the run {run} built nothing in ./store of that kind\n"
    )
    assert latcal("products", "--collection", "u/latcal/never").output == "the run never built nothing in ./store\n"


def test_the_console_is_added_where_a_recipe_names_no_reporter(here: Path) -> None:
    assert "bias refused" in latcal("recipe", "plain.yaml").output


def test_a_night_whose_last_line_was_cut_off_is_still_printed(here: Path) -> None:
    latcal("recipe", "three.yaml")
    text = (here / "night.jsonl").read_text()
    (here / "night.jsonl").write_text(text[:-40])
    done = latcal("report", "night.jsonl")
    assert "bias refused" in done.output
    assert done.output.splitlines()[-1].startswith("it did not come to its end: exit 130")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "night.jsonl: is empty"), ("nothing\n", "night.jsonl:1:1: 'nothing"), ('{"event": "RunEnded", "interrupted": false, "at_s": 1.0}\n', "night.jsonl:1:1: RunEnded is not where")],
)  # fmt: skip
def test_what_is_no_report_is_said_with_its_line(here: Path, text: str, message: str) -> None:
    (here / "night.jsonl").write_text(text)
    done = latcal("report", "night.jsonl")
    assert done.exit_code == 4
    assert done.stderr.startswith(message)


def test_all_recipes_are_read_before_the_first_one_runs_and_all_faults_are_told(here: Path) -> None:
    done = latcal("recipe", "three.yaml", "wrong.yaml", "wrong.yaml", "missing.yaml")
    assert done.exit_code == 2
    assert done.stderr.count("wrong.yaml:7:") == 2
    assert "'missing.yaml' is not a file that can be read, nor a recipe that a plugin has" in done.stderr
    assert done.stdout == ""
    assert not (here / "store").exists()
    assert not (here / "night.jsonl").exists()


def test_the_first_recipe_that_does_not_end_well_is_the_last(here: Path) -> None:
    done = latcal("recipe", "three.yaml", "plain.yaml")
    assert done.exit_code == 1
    assert done.stderr == "not started, since three.yaml did not end well: plain.yaml\n"
    assert done.stdout.count("bias refused") == 1


def test_a_recipe_that_is_not_text_is_said_with_its_line(here: Path) -> None:
    (here / "latin.yaml").write_bytes(b"latcal: 1\ntitle: Z\xfcrich\n")
    done = latcal("plan", "latin.yaml")
    assert (done.exit_code, done.stderr) == (2, "latin.yaml:2:1: is not UTF-8 text (save it as UTF-8)\n")


def test_what_is_taken_unverified_says_so_loudly_and_is_certified(here: Path) -> None:
    done = latcal("recipe", "unverified.yaml")
    assert done.exit_code == 0, done.output
    assert "bias UNVERIFIED: Ana: lamp test" in done.output
    assert "certified bias UNVERIFIED into calib/daily, 2020-01-01 onwards" in done.output

    products = latcal("products").output
    assert "calib/daily  bias" in products
    assert "UNVERIFIED: Ana: lamp test" in products
    assert latcal("products", "--store", "unverified.yaml").output == products
    (run,) = (path.name for path in (here / "store" / "reports").iterdir())
    built = latcal("products", "--collection", f"u/latcal/{run}").output
    assert "built, certified into calib/daily  3" in built
    assert "UNVERIFIED" not in built  # that is of the certificate
    assert latcal("products", "--store", "folder:root=./store").output == products
    assert latcal("products", "--kind", "flat").output == "nothing is certified in ./store of that kind and name\n"

    found = latcal("find", "bias", "--at", "2026-01-01", "--detector", "0", "--collections", "calib/other,calib/daily")
    assert found.exit_code == 0
    assert "from calib/daily" in found.output
    assert "  exposures   3, " in found.output
    assert "not used" not in found.output

    missing = latcal("find", "bias", "--at", "2019-01-01", "--detector", "0", "--collections", "calib/daily")
    assert missing.exit_code == 4
    assert "is not valid at 2019-01-01T00:00:00.000" in missing.output
    assert "2019-01-01" in missing.stderr

    exposure = found.output.split("  exposures   3, ")[1].split()[0]
    by_exposure = latcal("find", "bias", "--exposure", exposure, "--detector", "0", "--collections", "calib/daily")
    assert by_exposure.output == found.output


def test_find_wants_an_exposure_or_a_date(here: Path) -> None:
    done = latcal("find", "bias", "--detector", "0", "--collections", "a")
    assert done.exit_code == 2
    assert "give one of --exposure and --at" in done.stderr


def test_a_store_that_is_not_there_is_empty_and_is_not_made(here: Path) -> None:
    assert latcal("products", "--store", "nowhere").output == "nothing is certified in nowhere\n"
    assert not (here / "nowhere").exists()
    assert latcal("products", "--store", "folder:root").exit_code == 2


def test_a_plan_prints_steps_rules_budget_and_cost_and_writes_nothing(here: Path) -> None:
    before = digest(here)
    done = latcal("plan", "three.yaml", "--preflight")
    assert done.exit_code == 0
    assert "      0-2  Take biases 1 to 3 of 3  0 s\n" in done.output
    assert "  bias  NOISE" in done.output
    assert "  bias NOISE        -18.4 %  limit 5 %  WILL FAIL: 8 more frames would do\n" in done.output
    assert "camera time " in done.output
    assert done.output.endswith("three.yaml is ready\n")
    assert digest(here) == before


def test_a_preflight_that_finds_something_missing_exits_4_with_its_line(here: Path) -> None:
    latcal("recipe", "unverified.yaml")
    before = digest(here)
    done = latcal("plan", "unverified.yaml", "--preflight")
    assert done.exit_code == 4
    assert "unverified.yaml:11:11: certify.into: calib/daily: a bias for detector 0 is already valid" in done.stderr
    assert digest(here) == before


def test_a_setting_is_checked_like_the_file(here: Path) -> None:
    done = latcal("plan", "three.yaml", "--set", "sequences.biases.exposures=20 x 0 s")
    assert "Take biases 1 to 20 of 20" in done.output
    assert latcal("plan", "three.yaml", "--set", "sequences.biases.exposures=20").exit_code == 2


def test_an_expanded_recipe_is_a_recipe_with_the_same_plan(here: Path) -> None:
    done = latcal("expand", "three.yaml", "--set", "title=Other")
    (here / "expanded.yaml").write_text(done.output)
    first, second = latcal("plan", "three.yaml").output, latcal("plan", "expanded.yaml").output
    assert first.splitlines()[2:] == second.splitlines()[2:]
    assert second.startswith("Other\n")


def test_schemas_are_json_and_show_the_default_rules_with_their_limits() -> None:
    assert "oneOf" in json.loads(latcal("schema").output)
    bias = json.loads(latcal("schema", "bias").output)
    assert bias["rules"]["noise"]["rule"] == "abs(noise - frame_noise) <= 0.05 * frame_noise"
    assert bias["metrics"]["noise"] == bias["metrics"]["noise"] | {"unit": "electron", "scope": "amplifier"}
    assert "workers" in json.loads(latcal("schema", "processes").output)["properties"]
    unknown = latcal("schema", "biass")
    assert unknown.exit_code == 2
    assert "'biass' is not the name of anything (there is bench, bias," in unknown.stderr


def test_plugins_are_printed_with_distribution_and_version_and_can_be_left_out() -> None:
    from latcal import __version__

    everything = latcal("plugins").output
    assert f"latcal {__version__}" in next(line for line in everything.splitlines() if line.startswith("calibration  dark"))
    assert "latcal:recipes" in everything
    assert "calibration  dark" not in latcal("plugins", "--without", "latcal:dark").output
    assert latcal("plugins", "--without", "nobody").exit_code == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_in_order_and_exits_130(here: Path, number: int) -> None:
    (here / "slow.yaml").write_text(REPORTED.replace("seed: 7", "seed: 7, clock: real"))
    program = [sys.executable, "-c", "from latcal.cli import main; main()", "recipe", "slow.yaml"]
    program += ["--set", "sequences.biases.exposures=1 x 0 s", "--set", "sequences.darks.exposures=2 x 600 s"]
    running = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert running.stdout is not None
    for line in running.stdout:  # the bias line is written once its exposures have ended: the darks are next
        if line.startswith("biases: "):
            break
    os.kill(running.pid, number)
    out, err = running.communicate(timeout=300)  # the darks would take twenty minutes
    assert running.returncode == 130, err
    assert err == "stopping: the exposure under way is given up (again to leave at once)\n"
    assert "interrupted: exit 130" in out
    assert not [path for path in (here / "store").rglob("*") if "tmp" in path.name]
