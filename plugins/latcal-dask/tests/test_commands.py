"""What a user types and reads: commands, the recipe, an interrupt, and this distribution's README."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import latcal
import psutil
from attrs import fields
from click.testing import CliRunner
from latcal.cli import main
from latcal.plugin.registry import Registry
from nights import BIASES, HERE

from latcal_dask import AMPLIFIERS, DETECTORS, DaskOptions

DECLARED = (DETECTORS, AMPLIFIERS)

README = (HERE.parent / "README.md").read_text(encoding="utf-8")


def test_nothing_of_dask_is_imported_before_there_is_work() -> None:
    script = (
        "import sys, latcal; registry = latcal.load_plugins()\n"
        "text = open(sys.argv[1]).read()\n"
        "plan = latcal.plan(latcal.read(text, 'night.yaml', registry, settings=['executor={use: dask, workers: 2}'],"
        " folder=sys.argv[2]), registry)\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('dask', 'distributed', 'tornado', 'scipy')])"
    )
    done = subprocess.run([sys.executable, "-c", script, str(HERE / "night.yaml"), str(HERE)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_its_recipe_is_found_by_name_and_planned_with_nothing_set() -> None:
    done = CliRunner().invoke(main, ["plan", "mosaic_dask"], catch_exceptions=False)
    assert done.exit_code == 0
    assert "  (detector by detector on the Dask workers of tcp://127.0.0.1:8786)\n" in done.output


def test_the_readme_tells_every_option_with_its_default() -> None:
    part = README[README.index("\n## Options\n") :].split("\n## ", 2)[1]
    lines = [[cell.strip(" `") for cell in line.split("|")] for line in part.splitlines() if line.startswith("| `")]
    told = {name: default for _, name, default, *_ in lines}
    assert list(told) == [one.name for one in fields(DaskOptions)]
    assert told["connect"] == str(DaskOptions().connect).replace(".0", "")


def test_every_executor_in_the_readme_can_be_written(registry: Registry) -> None:
    found = re.findall(r"^executor: (\{.*?\})", README, re.MULTILINE)
    assert {re.search(r"use: (\w+)", text)[1] for text in found} == set(DECLARED)
    for text in found:
        assert latcal.read((HERE / "night.yaml").read_text("utf-8"), "n.yaml", registry, settings=[f"executor={text}"]).executor


def test_an_interrupt_ends_the_run_and_every_worker_of_this_computer(tmp_path: Path) -> None:
    """As a terminal gives it: to the program and to its workers."""
    command = [str(Path(sys.executable).with_name("latcal")), "recipe", str(HERE / "night.yaml")]
    for setting in ("executor={use: dask, workers: 1}", *BIASES, "sequences.biases.exposures=300 x 0 s"):
        command += ["--set", setting]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 300
    while not list(tmp_path.glob("store/reports/*/workers.json")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    told, _ = process.communicate(timeout=300)
    assert process.returncode == 130, told
    assert "Traceback" not in told
    deadline = time.monotonic() + 120
    while left := processes(process.pid):  # what multiprocessing keeps its books with ends a moment after the program
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def processes(group: int) -> list[int]:
    """Give what still runs of a group of processes."""
    return [one.pid for one in psutil.process_iter() if os.getpgid(one.pid) == group and one.status() != psutil.STATUS_ZOMBIE]
