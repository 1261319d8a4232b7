"""The executor ``pipetask``: whole steps as processes, what a plan shows of them, and what becomes of their failures."""

from __future__ import annotations

import os
import shlex
import signal
import stat
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import latcal
import pytest
from attrs import evolve
from corners import WAIVED, only_biases, recipe, run
from latcal.plugin import BuildError, NotReady, Plan, Status
from latcal.testing import samples
from lsst.daf.butler import Butler, DatasetType
from repositories import opened

from latcal_butler.commands import BUILD, PIPELINES, Command, classes, literal, ranges
from latcal_butler.executor import PipetaskExecutor, PipetaskOptions
from latcal_butler.naming import chain_name
from latcal_butler.outcomes import failure, outputs
from latcal_butler.processes import Processes


def planned(text: str) -> Plan:
    registry = latcal.load_plugins()
    return latcal.plan(latcal.read(text, "corner_night.yaml", registry), registry)


def executor(**options: object) -> str:
    words = ", ".join(f"{name}: {value}" for name, value in {"workers": 1, **options}.items())
    return f"{{use: pipetask, {words}}}"


def test_a_failing_quantum_of_a_sites_own_pipeline_fails_the_step_with_its_own_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mountain.py").write_text("""\
from latcal.plugin import BuildError
from latcal_butler.tasks.building import CpBiasTask


class MountainTask(CpBiasTask):
    _DefaultName = "cpBiasCombine"

    def runQuantum(self, butlerQC, inputRefs, outputRefs):
        raise BuildError(f"the dome was lit in {len(list(inputRefs.frames))} frames")
""")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    own = tmp_path / "own.yaml"
    own.write_text("""\
description: A site's own
tasks:
  isr:
    class: latcal_butler.tasks.isr.IsrTask
    config: {calibration: bias, connections.frame: cpBiasProc}
  cpBiasCombine:
    class: mountain.MountainTask
    config: {calibration: bias, connections.frames: cpBiasProc, connections.product: bias}
""")
    stages = f"\n  - {{make: bias, frames: [biases], {WAIVED}}}\n"
    report = run(only_biases(recipe(tmp_path / "repo", stages=stages, executor=executor(pipelines=f"{{cpBias: {own}}}"))))
    built = next(step for step in report.steps if step.line.verb == "build")
    assert built.status is Status.FAILED
    assert report.exit_code == 4
    assert built.reason.startswith("cpBiasCombine of detector 0: the dome was lit in 4 frames (")
    name = built.reason.split("the report ")[1].split(" of the run")[0]
    with latcal.open_store("butler", latcal.load_plugins(), repo=str(tmp_path / "repo")) as store:
        assert "the dome was lit in 4 frames" in store.read_report(report.run, name)
        assert not list(store.list())


def test_a_plan_shows_the_command_line_of_every_build_and_verify(tmp_path: Path) -> None:
    plan = planned(recipe(tmp_path / "a repo; touch x", executor=executor()).replace("repo: ", "repo: '").replace(", create", "', create"))
    registry = latcal.load_plugins()
    from latcal.cli.plan import plan_lines

    lines = [line.strip() for line in plan_lines(plan, registry) if line.strip().startswith("pipetask run")]
    assert len(lines) == 6 + 3  # every Build, and the Verify of bias, dark and gain: the others are waived, and measure nothing
    words = shlex.split(lines[0])
    assert words[words.index("-b") + 1] == str(tmp_path / "a repo; touch x")
    assert words[words.index("-d") + 1] == "instrument='corner' AND detector IN (0) AND exposure IN (...)"
    assert words[words.index("-p") + 1].endswith("cpBias.yaml#isr,cpBiasCombine")
    assert not (tmp_path / "a repo; touch x").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("use: butler, repo: REPO, create: true, user: ann", "use: memory"), "the store is 'memory'"),
        (("workers: 1", "workers: 1, pipelines: {cpBais: x.yaml}"), "'cpBais' is not a pipeline"),
        (("workers: 1", "workers: 1, pipelines: {cpBias: x.yaml}"), "x.yaml cannot be read as a pipeline"),
        (("workers: 1", "workers: 1, program: nowhere"), r"nowhere is not there, or not a program .*pip install 'latcal-butler\[pipetask\]'"),
        (("{make: defects, frames: [darks, flats], ", "{make: defects, frames: [darks, flats], options: {compare: true}, collections: [a], "),
         "which no pipeline can"),
    ],
)  # fmt: skip
def test_what_no_pipeline_can_do_is_said_before_anything_is_taken(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    text = recipe(tmp_path / "repo", executor=executor())
    old, new = (part.replace("REPO", str(tmp_path / "repo")) for part in change)
    assert old in text
    with pytest.raises((NotReady, latcal.plugin.RecipeError), match=words):
        latcal.run(planned(text.replace(old, new)), latcal.load_plugins())


SLOW = """\
#!{python}
import os, sys, time
from lsst.daf.butler import Butler
repo, output = (sys.argv[sys.argv.index(word) + 1] for word in ("-b", "--output-run"))
with Butler.from_config(repo, writeable=True) as butler:
    butler.collections.register(output)
with open({pid!r}, "w") as file:
    file.write(f"{{os.getpid()}} {{output}}")
time.sleep(3600)
"""


def test_a_run_that_is_interrupted_ends_its_process_and_knows_what_that_made(tmp_path: Path) -> None:
    program = tmp_path / "slow"
    program.write_text(SLOW.format(python=sys.executable, pid=str(tmp_path / "pid")))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    stages = f"\n  - {{make: bias, frames: [biases], {WAIVED}}}\n"
    text = only_biases(recipe(tmp_path / "repo", stages=stages, executor=executor(program=program)))
    stop = threading.Event()

    def interrupt() -> None:
        until = time.monotonic() + 300
        while not ((tmp_path / "pid").exists() and (tmp_path / "pid").read_text()) and time.monotonic() < until:
            time.sleep(0.05)
        stop.set()

    thread = threading.Thread(target=interrupt)
    thread.start()
    registry = latcal.load_plugins()
    report = latcal.run(planned(text), registry, stop=stop)
    thread.join()
    assert report.exit_code == 130
    pid, output = (tmp_path / "pid").read_text().split()
    with pytest.raises(ProcessLookupError, match="No such process"):
        os.kill(int(pid), 0)
    with Butler.from_config(str(tmp_path / "repo")) as butler:
        assert output in butler.collections.get_info(chain_name(report.run)).children


def test_workers_do_not_outlive_a_process_that_was_killed(tmp_path: Path) -> None:
    program = tmp_path / "killed"
    program.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {tmp_path}/pid\nkill -9 $$\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert Processes(threading.Event()).run([str(program)], tmp_path / "log") == -signal.SIGKILL
    with pytest.raises(ProcessLookupError, match="No such process"):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_prepared_frames_that_find_no_room_are_told_before_anything_is_taken(tmp_path: Path) -> None:
    full = SimpleNamespace(free_bytes=lambda: 1000)
    plan = planned(recipe(tmp_path / "repo", executor=executor()))
    world = evolve(samples.world(tmp_path), store=full, plan=plan)
    with pytest.raises(NotReady, match=r"has room for 0\.0 GB, and frames that pipetask prepares need 0\.0 GB"), PipetaskExecutor(PipetaskOptions(), world):
        pass


def test_datasets_of_rubins_own_classes_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with opened(tmp_path) as store:  # which has no bias of ours
        with store.repository.writing() as butler:
            theirs = DatasetType("bias", ("instrument", "detector"), "StructuredDataDict", universe=butler.dimensions, isCalibration=True)
            butler.registry.registerDatasetType(theirs)
            butler.collections.register("u/me/bias")
            butler.put({}, theirs, instrument="sample", detector=0, run="u/me/bias")
        with store.repository.reading() as butler, pytest.raises(BuildError, match=r"cpBias made bias of the storage class StructuredDataDict, .*Product"):
            outputs(butler, BUILD["bias"], "u/me/bias")


def test_what_a_process_says_last_is_told_where_it_made_no_summary(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("first\nNo such option: --summary\n\n")
    error = failure(tmp_path / "none.json", log, 7)
    assert str(error) == "pipetask: No such option: --summary (all of it is in the report 7_pipetask.log of the run)"


def test_values_are_arguments_and_no_commands() -> None:
    nasty = "$(touch x); '\"`"
    command = Command(nasty, BUILD["bias"], str(PIPELINES / "cpBias.yaml"), (nasty,), "out", nasty, {"isr": {"options": literal(nasty)}})
    words = command.arguments()
    assert words[3] == nasty
    assert shlex.split(str(command)) == words


@pytest.mark.parametrize(("numbers", "text"), [((3, 1, 2), "1..3"), ((1, 2, 5, 7, 8), "1..2, 5, 7..8"), ((4,), "4"), ((), "")])
def test_numbers_are_written_as_ranges(numbers: tuple[int, ...], text: str) -> None:
    assert ranges(numbers) == text


def test_a_pipeline_that_imports_another_has_its_tasks(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("""\
description: A site's own
imports: resource://latcal_butler/pipelines/cpBias.yaml
tasks: {mine: my.Task}
subsets: {few: [isr, mine]}
""")
    assert list(classes(str(own))) == ["isr", "cpBiasCombine", "mine"]
    assert set(classes(f"{own}#few")) == {"isr", "mine"}
    named = Command("repo", BUILD["bias"], f"{own}#few", (), "out", "").arguments()
    assert named[named.index("-p") + 1] == f"{own}#few"  # those that are named, and no others
