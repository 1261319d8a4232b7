"""Hardware is left as it was found, whatever ends the command: a camera with a lamp, in a process that is told to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import dedent

LAMP = '''
    import threading, time
    from pathlib import Path
    import numpy as np
    from astropy.time import Time
    from attrs import frozen
    from latcal.plugin import (
        CalibrationType, CameraDescription, CameraError, CameraType, Exposure, Frame, hookimpl, option
    )

    @frozen
    class LitOptions:
        stuck: bool = option(False, help="Whether it hears no abort, and does not close.")

    @frozen
    class Nothing:
        """No options."""

    def note(text):
        with Path("hardware.txt").open("a") as file:
            print(text, file=file)

    class Lit:
        def __init__(self, options, world):
            self.detectors, self.options = world.instrument.detectors, options
            self.aborted = threading.Event()

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            time.sleep(3600 if self.options.stuck else 0.3)
            note("closed")

        problems = lambda self, requests: ()
        remarks = lambda self: ()
        setup = lambda self, request: request.setup

        def take(self, request):
            note("lamp on")
            print("exposing", flush=True)
            if self.aborted.wait(request.time_s):
                time.sleep(0.5)  # a lamp takes its time
                note("lamp off")
                raise CameraError("aborted")
            note("lamp off")
            exposure = Exposure(
                request.number, f"L_{request.number}", request.image, request.time_s, request.time_s, Time.now().tai,
                request.setup,
            )
            random = np.random.default_rng(7)
            for key in request.detectors:
                yield Frame(exposure, self.detectors[key], lambda one: 1000 + random.integers(0, 30, one.raw.shape))

        def abort(self):
            if self.options.stuck:
                threading.Event().wait()
            self.aborted.set()

    def ask_what_it_is(options):
        note("connected")
        try:
            print("asking", flush=True)
            time.sleep(3600)
        finally:
            note("disconnected")

    def build(inputs):
        print("building", flush=True)
        time.sleep(3600)

    def assemble(inputs, parts):
        raise AssertionError("it is never built")

    @hookimpl
    def latcal_cameras():
        describe = lambda options, instrument: CameraDescription(overhead_s=0.0, frame_bytes=1000)
        yield CameraType(
            name="lit", summary="A lamp", options=LitOptions, open=Lit, describe=describe, instrument=ask_what_it_is
        )

    @hookimpl
    def latcal_calibrations():
        yield CalibrationType(
            name="slow", summary="Builds for an hour", options=Nothing, images=frozenset({"flat"}), metrics={}, rules=(),
            build_amplifier=build, assemble=assemble, measure=None,
        )
'''
NIGHT = """\
latcal: 1
instrument: bench
camera: {use: lit}
store: {use: memory}
executor: {use: serial}
sequences:
  first: {image: flat, exposures: 1 x 0.01 s}
  second: {image: flat, exposures: 1 x 3000 s}
stages:
  - {measure: slow, frames: [first], verify: &v}
  - {measure: slow, frames: [second], verify: &v}
limits: {abort: 5 s}
""".replace("&v", "{waived_by: a test, reason: nothing is judged}")
AT_ONCE_S = 300.0
"""What a busy machine may need for what takes a second [s]; building takes an hour, and so does the exposure."""


@contextmanager
def begun(folder: Path, *settings: str, seen: str = "building") -> Iterator[subprocess.Popen[str]]:
    """Give the command in the middle of its long exposure, and while it builds."""
    info = folder / "latcal_lit-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: latcal-lit\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[latcal]\nlit = latcal_lit\n")
    (folder / "latcal_lit.py").write_text(dedent(LAMP))
    (folder / "night.yaml").write_text(NIGHT)
    program = [sys.executable, "-c", "from latcal.cli import main; main()", "recipe", "night.yaml"]
    program += [word for setting in settings for word in ("--set", setting)]
    paths = [str(folder), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "TMPDIR": str(folder)}
    pipe = subprocess.PIPE
    with subprocess.Popen(program, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True) as running:
        assert running.stdout is not None
        said = ""
        while not (said.count("exposing") == (0 if seen == "asking" else 2) and seen in said):
            line = running.stdout.readline()
            assert line, f"it ended: {said}{running.stderr.read() if running.stderr else ''}"
            said += line
        try:
            yield running
        finally:
            running.kill()


def hardware(folder: Path) -> list[str]:
    return (folder / "hardware.txt").read_text().splitlines()


AS_FOUND = ["lamp on", "lamp off", "lamp on", "lamp off", "closed"]


def test_a_second_signal_leaves_at_once_when_the_lamp_is_off_though_building_would_take_an_hour(tmp_path: Path) -> None:
    with begun(tmp_path) as running:
        for number in (signal.SIGINT, signal.SIGTERM):  # the second comes while the lamp is still being switched off
            running.send_signal(number)
            time.sleep(0.2)
        _, err = running.communicate(timeout=AT_ONCE_S)
    assert running.returncode == 130
    assert hardware(tmp_path) == AS_FOUND
    assert err.splitlines() == ["stopping: the exposure under way is given up (again to leave at once)", "left"]
    assert not list(tmp_path.glob("latcal-*")), "scratch files are left"


def test_a_second_signal_leaves_a_camera_that_hangs_after_its_time_and_says_so(tmp_path: Path) -> None:
    with begun(tmp_path, "camera.stuck=true", "limits.abort=1 s") as running:
        began = time.monotonic()
        running.send_signal(signal.SIGINT)
        assert running.stderr.readline().startswith("stopping")  # two of one number at once would be one
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=AT_ONCE_S)
        assert time.monotonic() - began > 1.0
    assert running.returncode == 130
    assert err.splitlines()[-1] == "left: the camera was not made safe in time (see that its hardware is)"


def test_a_third_signal_waits_for_nothing(tmp_path: Path) -> None:
    with begun(tmp_path, "camera.stuck=true", "limits.abort=1 h") as running:
        until = time.monotonic() + AT_ONCE_S
        while running.poll() is None and time.monotonic() < until:  # a busy machine may hear two at once, as one
            running.send_signal(signal.SIGINT)
            time.sleep(0.3)
    assert running.returncode == -signal.SIGINT


def test_a_terminal_that_is_gone_ends_a_run_in_order(tmp_path: Path) -> None:
    both = "stages=[{measure: slow, frames: [first, second], verify: {waived_by: a test, reason: nothing is judged}}]"
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # which a suite under nohup has ignored, and its children inherit
    try:
        with begun(tmp_path, both, seen="exposing") as running:  # nothing is built before both are there
            running.send_signal(signal.SIGHUP)
            out, _ = running.communicate(timeout=AT_ONCE_S)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert running.returncode == 130
    assert hardware(tmp_path) == AS_FOUND
    assert "interrupted: exit 130" in out


def test_a_signal_while_planning_leaves_a_camera_that_is_asked_what_it_is_as_it_was_found(tmp_path: Path) -> None:
    with begun(tmp_path, "instrument=camera", seen="asking") as running:
        running.send_signal(signal.SIGTERM)
        _, err = running.communicate(timeout=AT_ONCE_S)
    assert (running.returncode, err) == (130, "interrupted\n")
    assert hardware(tmp_path) == ["connected", "disconnected"]
