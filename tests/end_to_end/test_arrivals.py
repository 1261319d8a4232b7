"""Exposures that do not arrive as they should, from a stranger's camera: one cause each, no certificate, no hang."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any, Self

import numpy as np
import pytest
from astropy.time import Time
from attrs import evolve, frozen

from latcal.engine.opening import open_store
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.engine.running import check_ready, events, run
from latcal.errors import CameraError, PluginError, StoreError
from latcal.formats.raw import write_raw
from latcal.model.events import Exposed, RunEnded, Status, StepStarted
from latcal.model.report import RunReport, fold
from latcal.plugin import (
    CameraDescription,
    CameraType,
    Exposure,
    Frame,
    InstrumentType,
    Setup,
    hookimpl,
    option,
)
from latcal.plugin.registry import Registry, load_plugins
from latcal.testing.cameras import small_instrument

AFTERNOON = Time("2026-11-04T16:00:00", scale="tai")
ANSWER = 0.5
AT_EASE = "limits.answer=20 s"
"""For what is not about being late: a busy computer may take its time."""
SLOW = ("never arrives", "too late", "half", "pixels hang")
PATIENCE = 300.0
"""Longer than any limit here [s], for what a test waits for that must come."""

TEXT = """\
latcal: 1
title: A night with a frail camera
instrument: pair
camera: {use: frail}
store: {use: folder, root: x}
executor: {use: serial}
limits: {answer: 0.5 s, abort: 0.3 s}
sequences: {biases: {image: bias, exposures: 3 x 0 s}}
stages: [{make: bias, frames: [biases], verify: {waived_by: a test, reason: small frames}}]
certify: {into: calib/night, begin: 2026-11-04, end: 2026-11-05}
"""
LONG = [
    "sequences.biases.exposures=4 x 0 s",
    "sequences.darks={image: dark, exposures: 3 x 20 s}",
    "stages=[{make: bias, frames: [biases], at_least: 1, verify: &v}, {make: dark, frames: [darks], verify: &v}]".replace(
        "&v", "{waived_by: a test, reason: small frames}"
    ),
]
"""Biases and darks: the biases that came are enough, and the darks are wanted."""
BAD = 2026110400002
"""The second bias, which the fault strikes."""


@frozen
class FrailOptions:
    fault: str = option("", help="What goes wrong with the second exposure, or with the camera.")


class FrailCamera:
    """Even frames with a little noise, at once; and one fault."""

    def __init__(self, options: FrailOptions, world: Any, let_go: threading.Event, asked: list[str]) -> None:
        self.detectors = world.instrument.detectors
        self.fault, self.scratch, self.let_go, self.asked = options.fault, world.scratch, let_go, asked
        self.aborted = threading.Event()
        self._hang("open")

    def _hang(self, place: str) -> None:
        self.asked.append(place)
        if place in self.fault.split(" and "):
            self.let_go.wait()

    def __enter__(self) -> Self:
        self._hang("enter")
        return self

    def __exit__(self, *exc: object) -> None:
        self._hang("exit")

    def problems(self, requests: Any) -> tuple[str, ...]:
        self._hang("problems")
        return ()

    def remarks(self) -> tuple[str, ...]:
        return ()

    def setup(self, request: Any) -> Setup:
        return request.setup

    def abort(self) -> None:
        self._hang("abort")
        if "refuses" in self.fault:
            self.let_go.wait(0.05)
            raise RuntimeError("the button is stuck")
        self.aborted.set()

    def take(self, request: Any) -> Iterator[Any]:
        self._hang("take")
        faulty, fault = request.number == BAD, self.fault
        exposure = Exposure(
            request.number, f"P_{request.number}", request.image, request.time_s, request.time_s, AFTERNOON, request.setup
        )
        if faulty and fault == "never arrives":
            self.aborted.wait()
            raise CameraError("given up")
        if faulty and fault in ("late", "too late"):
            self.let_go.wait(0.3 if fault == "late" else ANSWER + 0.1)
        if faulty and fault.startswith("stops answering"):
            self.let_go.wait()
        for frame in self._frames(exposure, request):
            if faulty and fault == "half" and frame.detector.id == 1:
                self.aborted.wait()
            if faulty and fault == "breaks off" and frame.detector.id == 1:
                raise OSError("the cable is out")
            if not (faulty and fault == "one missing" and frame.detector.id == 1):
                yield self._spoilt(frame) if faulty else frame
        if faulty and fault == "one twice":
            yield frame

    def _frames(self, exposure: Exposure, request: Any) -> Iterator[Frame]:
        rng = np.random.default_rng(request.index)
        for key in request.detectors:
            detector = self.detectors[key]
            images = {a.name: np.rint(1000 + 8 * rng.standard_normal(a.raw.shape)).astype(np.int32) for a in detector.amplifiers}
            yield Frame(exposure, detector, lambda one, images=images: images[one.name])

    def _spoilt(self, frame: Frame) -> Any:
        exposure, fault = frame.exposure, self.fault
        if fault == "another time":
            return evolve(frame, exposure=evolve(exposure, time_s=0.2, dark_time_s=0.2))
        if fault in FRAMES and frame.detector.id == 1:
            return evolve(frame, **FRAMES[fault](frame, self))
        if fault == "not a frame":
            return frame.raw
        return frame


def _numbers(count: int) -> Callable[..., Any]:
    def made(frame: Frame, camera: Any) -> dict[str, Any]:
        def read(amplifier: Any) -> Any:
            raw = frame.raw(amplifier).astype(np.float32)
            if amplifier.name != "C00":
                raw[amplifier.data.y0, amplifier.data.x0 : amplifier.data.x0 + count] = np.nan
            return raw

        return {"raw": read}

    return made


def _file(change: Callable[[bytes], bytes]) -> Callable[..., Any]:
    def made(frame: Frame, camera: Any) -> dict[str, Any]:
        path = camera.scratch / "seen.fits"
        write_raw(frame, path, compress=False)
        path.write_bytes(change(path.read_bytes()))
        return {"path": path}

    return made


def _raw(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda frame, camera: {"raw": lambda one: function(frame.raw(one), camera)}


def _breaks(*_: Any) -> Any:
    raise KeyError("pixels")


FRAMES: dict[str, Callable[..., Any]] = {
    "few without number": _numbers(1),
    "many without number": _numbers(2),
    "wrong shape": _raw(lambda raw, _: raw[1:]),
    "no array": _raw(lambda raw, _: None),
    "pixels raise": _raw(_breaks),
    "pixels hang": _raw(lambda raw, camera: camera.let_go.wait()),
    "truncated file": _file(lambda whole: whole[: len(whole) // 2]),
    "empty file": _file(lambda whole: b""),
    "no FITS": _file(lambda whole: b"JFIF" * 1000),
    "another layout": _file(lambda whole: whole.replace(b"SEGMENT01", b"SEGMENT99")),
    "a good file": _file(lambda whole: whole),
}


class Frail:
    """The plugin; what hangs in one test is let go at its end."""

    def __init__(self) -> None:
        self.let_go, self.asked = threading.Event(), []

    @hookimpl
    def latcal_cameras(self) -> Iterator[CameraType]:
        yield CameraType(
            name="frail",
            summary="Fails",
            options=FrailOptions,
            open=lambda options, world: FrailCamera(options, world, self.let_go, self.asked),
            describe=lambda *_: CameraDescription(overhead_s=0.0, frame_bytes=100_000),
        )

    @hookimpl
    def latcal_instruments(self) -> Iterator[InstrumentType]:
        yield InstrumentType(
            name="pair", summary="Small", options=FrailOptions,
            load=lambda: evolve(small_instrument(detectors=2), name="pair"),
        )


@pytest.fixture
def frail() -> Iterator[Frail]:
    plugin, before = Frail(), set(threading.enumerate())  # others' tests leave cameras that hang
    yield plugin
    plugin.let_go.set()
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("latcal-"):
            thread.join(PATIENCE)


@pytest.fixture
def plugins(frail: Frail) -> Registry:
    return load_plugins(extra=[frail])


@pytest.fixture
def night(plugins: Registry, tmp_path: Path) -> Callable[..., RunReport]:
    def begun(fault: str = "", *settings: str) -> RunReport:
        chosen = [f"store.root={tmp_path / 'store'}", *([f"camera.fault={fault}"] if fault else []), *settings]
        recipe = read(TEXT, "night.yaml", plugins, settings=chosen)
        return run(plan(recipe, plugins), plugins, now=lambda: AFTERNOON)

    return begun


def certified(plugins: Registry, tmp_path: Path) -> list[str]:
    with open_store("folder", plugins, root=tmp_path / "store") as store:
        return [one.ref.kind for one in store.list()]


def failed(report: RunReport) -> str:
    """Give the reason of the first step that failed."""
    return next(step.reason for step in report.steps if step.status is Status.FAILED)


PLACE = f"exposure {BAD}"
TIMES = r"within 0\.5 s \(0 s exposure, 0 s readout, limits\.answer 0\.5 s\)"
FAULTS = [
    ("never arrives", 4, f"{PLACE}: no frame came {TIMES}$"),
    ("too late", 4, f"{PLACE}: no frame came {TIMES}$"),
    ("half", 4, f"{PLACE}: no frame of detector 1 came {TIMES}$"),
    ("breaks off", 3, f"{PLACE}: extra:Frail: take raised OSError: the cable is out$"),
    ("one missing", 4, f"{PLACE}: no frame of detector 1 came$"),
    ("one twice", 4, f"{PLACE}: more than one frame of detector 1 came$"),
    ("not a frame", 3, f"{PLACE}: extra:Frail: take of the camera gave <function .* which is not a Frame$"),
    ("another time", 4, rf"{PLACE}, detector S00, came with a time of 0\.2 s, not 0 s \(within 0\.1 s\)$"),
    ("many without number", 4, rf"{PLACE}, detector S01, amplifier C10: 2 of 1200 pixels are not numbers, and at most 1 may be none \(see the camera's readout, and take the exposure again\); likewise amplifiers C11, C01$"),
    ("wrong shape", 4, rf"{PLACE}, S01 C10: the pixels are 49 x 47 pixels, not 49 x 48 pixels "),
    ("no array", 3, f"extra:Frail: {PLACE}, detector S01, amplifier C10: its pixels are not an array of numbers, but NoneType"),
    ("pixels raise", 3, f"extra:Frail: the raw image of {PLACE}, detector S01, amplifier C10 raised KeyError: 'pixels'$"),
    ("pixels hang", 4, rf"{PLACE}, detector S01, amplifier C10: no pixels came within limits\.answer 0\.5 s$"),
    ("truncated file", 4, rf"{PLACE}, detector S01: .*seen\.fits is cut short: "),
    ("empty file", 4, rf"{PLACE}, detector S01: .*seen\.fits is empty \(0 bytes\), not FITS$"),
    ("no FITS", 4, rf"{PLACE}, detector S01: .*seen\.fits is not FITS"),
    ("another layout", 4, rf"{PLACE}, detector S01: .*seen\.fits has no extension 'SEGMENT01'"),
]  # fmt: skip


@pytest.mark.parametrize(("fault", "code", "cause"), FAULTS, ids=[fault for fault, _, _ in FAULTS])
def test_a_bad_exposure_fails_its_set_by_name_and_the_next_run_can_use_the_store(
    night: Callable, plugins: Registry, tmp_path: Path, fault: str, code: int, cause: str
) -> None:
    report = night(fault, *([] if fault in SLOW else [AT_EASE]))
    assert report.exit_code == code
    assert re.match(cause, failed(report)), failed(report)
    assert report.stages[0].status is Status.FAILED
    assert "(missing: biases 2/3" in report.stages[0].reason
    assert certified(plugins, tmp_path) == []
    assert night("", AT_EASE).exit_code == 0
    assert certified(plugins, tmp_path) == ["bias", "bias"]


def test_no_frame_of_an_exposure_is_in_the_store_if_the_file_of_one_cannot_be_read(
    night: Callable, plugins: Registry, tmp_path: Path
) -> None:
    assert "cut short" in failed(night("truncated file", AT_EASE))
    with open_store("folder", plugins, instrument=small_instrument(detectors=2), root=tmp_path / "store") as store:
        assert len(list(store.frames([BAD - 1], 1))) == 1
        for detector in (0, 1):
            with pytest.raises(StoreError, match=f"no raw frame of exposure {BAD}"):
                store.frames([BAD], detector)


def test_frames_that_come_as_files_are_taken(night: Callable) -> None:
    assert night("a good file", AT_EASE).exit_code == 0


@pytest.mark.parametrize(
    ("fault", "note"),
    [
        ("late", rf"exposure {BAD} came [\d.]+ s after its readout \(limits\.answer is 20 s\)"),
        ("few without number", rf"exposure {BAD}: 3 pixels of S01 are not numbers \(C10 1, C11 1, C01 1\)"),
    ],
)
def test_what_is_only_odd_is_accepted_and_noted(
    night: Callable, monkeypatch: pytest.MonkeyPatch, fault: str, note: str
) -> None:
    monkeypatch.setattr("latcal.engine.camera_lane.LATE", 0.0125 if fault == "late" else 1.0)
    report = night(fault, AT_EASE)
    assert report.exit_code == 0
    (said,) = report.notes
    assert re.fullmatch(note, said)


def test_a_verdict_names_the_exposures_of_its_set_that_are_missing(night: Callable) -> None:
    report = night("never arrives", "stages.0.at_least=2")
    assert report.stages[0].status is Status.DONE
    assert report.stages[0].verdict.missing == (
        f"biases 2/3: {PLACE}: no frame came within 0.5 s (0 s exposure, 0 s readout, limits.answer 0.5 s)",
    )
    assert report.exit_code == 4  # the camera failed, and the exit code says so


LOST = ["stops answering", "stops answering and abort", "stops answering and exit", "stops answering and abort and exit"]


@pytest.mark.parametrize("fault", LOST)
def test_a_camera_that_stops_answering_is_given_up_once_and_asked_no_more(
    night: Callable, plugins: Registry, frail: Frail, tmp_path: Path, fault: str
) -> None:
    began = time.monotonic()
    report = night(fault, *LONG)
    assert time.monotonic() - began < PATIENCE
    assert report.exit_code == 4
    assert failed(report) == (
        f"{PLACE}: the camera stopped answering: no frame came within 0.5 s (0 s exposure, 0 s readout, "
        "limits.answer 0.5 s), and abort was not answered within limits.abort 0.3 s (see that its hardware is safe)"
    )
    others = [step.reason for step in report.steps if step.line.verb == "take" and step.status is not Status.DONE]
    told = [f"exposure {BAD + n}: the camera stopped answering at exposure {BAD}" for n in (1, 2, 3)]
    assert others[1:] == [*told, *["dark can no longer have 3 frames"] * 2]
    assert [stage.status for stage in report.stages] == [Status.DONE, Status.FAILED]
    assert frail.asked.count("take") == 2
    assert frail.asked.count("abort") == 1
    assert frail.asked.count("exit") == 1
    assert certified(plugins, tmp_path) == ["bias", "bias"]  # of the one that came, as at_least allows
    frail.let_go.set()
    assert night("", "certify.into=calib/next", AT_EASE).exit_code == 0


def test_a_set_of_a_camera_that_stopped_answering_is_not_certified(
    night: Callable, plugins: Registry, tmp_path: Path
) -> None:
    report = night("stops answering")
    assert "(missing: biases 2/3; 1 not taken after that" in report.stages[0].reason
    assert certified(plugins, tmp_path) == []


def test_that_an_abort_was_refused_is_said(night: Callable, frail: Frail) -> None:
    report = night("stops answering, abort refuses")
    assert "extra:Frail: abort of the camera raised RuntimeError: the button is stuck" in failed(report)
    assert "; and it could not be aborted: " in failed(report)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("open", "the camera was asked to open, and did not answer within limits.answer 0.5 s"),
        ("enter", "the camera was asked to open, and did not answer within limits.answer 0.5 s"),
        ("problems", "the camera was asked for problems, and did not answer within limits.answer 0.5 s"),
        ("problems and exit", "the camera was asked for problems, and did not answer within limits.answer 0.5 s"),
    ],
)
def test_a_camera_that_never_answers_stops_the_run_before_it_begins(
    night: Callable, frail: Frail, fault: str, words: str
) -> None:
    with pytest.raises(CameraError, match=words):
        night(fault)
    assert frail.asked.count("exit") == (1 if "problems" in fault else 0)


def test_a_camera_that_opens_when_nobody_waits_any_more_is_closed(night: Callable, frail: Frail) -> None:
    with pytest.raises(CameraError, match="asked to open"):
        night("enter")
    frail.let_go.set()
    for thread in threading.enumerate():
        if thread.name == "latcal-camera":
            thread.join(PATIENCE)
    assert frail.asked == ["open", "enter", "exit"]


def test_preflight_alone_is_bounded_too(plugins: Registry, tmp_path: Path) -> None:
    settings = [f"store.root={tmp_path / 'store'}", "camera.fault=problems"]
    with pytest.raises(CameraError, match="asked for problems, and did not answer"):
        check_ready(plan(read(TEXT, "night.yaml", plugins, settings=settings), plugins), plugins)


def test_a_camera_that_does_not_close_is_said_after_the_report(plugins: Registry, tmp_path: Path) -> None:
    settings = [f"store.root={tmp_path / 'store'}", "camera.fault=exit"]
    planned = plan(read(TEXT, "night.yaml", plugins, settings=settings), plugins)
    heard = []
    with pytest.raises(CameraError, match=r"did not close within limits\.abort 0\.3 s"):
        listen(events(planned, plugins, now=lambda: AFTERNOON), heard)
    assert isinstance(heard[-1], RunEnded)
    assert fold(heard).exit_code == 0


def listen(stream: Iterator[Any], heard: list[Any]) -> None:
    for event in stream:
        heard.append(event)  # noqa: PERF402 - those before an error too


@pytest.mark.parametrize("fault", LOST)
@pytest.mark.parametrize("closed", [True, False])
def test_an_interruption_does_not_wait_for_a_camera_that_does_not_answer(
    plugins: Registry, tmp_path: Path, fault: str, closed: bool
) -> None:
    settings = [f"store.root={tmp_path / 'store'}", f"camera.fault={fault}", "limits.answer=1 h"]
    planned = plan(read(TEXT, "night.yaml", plugins, settings=settings), plugins)
    stop, heard = threading.Event(), []
    stream = events(planned, plugins, now=lambda: AFTERNOON, stop=stop)
    began = 0.0
    for event in stream:
        heard.append(event)
        if isinstance(event, StepStarted) and event.step == 1:
            began = time.monotonic()
            if closed:
                stream.close()
                break
            stop.set()
    assert time.monotonic() - began < PATIENCE
    if not closed:
        report = fold(heard)
        assert report.exit_code == 130
        (note,) = report.notes
        assert note == (
            f"{PLACE}: the camera stopped answering: abort was not answered within limits.abort 0.3 s (see that its "
            "hardware is safe)"
        )
    assert certified(plugins, tmp_path) == []


def test_an_interruption_of_a_camera_that_answers_leaves_no_note(plugins: Registry, tmp_path: Path) -> None:
    settings = [f"store.root={tmp_path / 'store'}", "camera.fault=never arrives", "limits.answer=1 h"]
    planned = plan(read(TEXT, "night.yaml", plugins, settings=settings), plugins)
    stop, heard = threading.Event(), []
    for event in events(planned, plugins, now=lambda: AFTERNOON, stop=stop):
        heard.append(event)
        if isinstance(event, Exposed):
            stop.set()
    report = fold(heard)
    assert (report.exit_code, report.notes) == (130, ())


def test_threads_of_a_camera_that_answers_end_with_the_run(night: Callable) -> None:
    before = threading.active_count()
    night("never arrives")
    assert threading.active_count() == before


def test_a_plugin_that_asks_the_program_to_exit_does_not_end_it(night: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    def leave(*_: Any) -> None:
        raise SystemExit(7)

    monkeypatch.setattr(FrailCamera, "problems", leave)
    with pytest.raises(PluginError, match=r"^extra:Frail: problems of the camera asked the program to exit \(7\)$"):
        night()


DEAF = '''
    import threading
    from attrs import frozen
    from latcal.plugin import CameraDescription, CameraType, Setup, hookimpl

    @frozen
    class Nothing:
        """No options."""

    class Deaf:
        def __init__(self, options, world):
            self.detectors = world.instrument.detectors

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            threading.Event().wait()

        def problems(self, requests):
            return ()

        remarks = lambda self: ()
        setup = lambda self, request: request.setup

        def take(self, request):
            print("taking", flush=True)
            threading.Event().wait()
            yield

        def abort(self):
            threading.Event().wait()

    @hookimpl
    def latcal_cameras():
        describe = lambda options, instrument: CameraDescription(overhead_s=0.0, frame_bytes=1000)
        yield CameraType(name="deaf", summary="Hangs", options=Nothing, open=Deaf, describe=describe)
'''
NIGHT = """\
latcal: 1
instrument: bench
camera: {use: deaf}
store: {use: folder, root: ./store}
sequences: {biases: {image: bias, exposures: 3 x 0 s}}
stages: [{make: bias, frames: [biases]}]
limits: {answer: 0.3 s, abort: 0.2 s}
certify: {into: calib/night, begin: 2026-11-04, end: open}
"""


def deaf(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    info = folder / "latcal_deaf-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: latcal-deaf\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[latcal]\ndeaf = latcal_deaf\n")
    (folder / "latcal_deaf.py").write_text(dedent(DEAF))
    (folder / "night.yaml").write_text(NIGHT)
    program = [sys.executable, "-c", "from latcal.cli import main; main()", "recipe", "night.yaml", *arguments]
    paths = [str(folder), str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    pipe = subprocess.PIPE
    return subprocess.Popen(program, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True)


def test_the_command_ends_though_a_strangers_camera_hangs_for_ever_in_everything(tmp_path: Path) -> None:
    with deaf(tmp_path) as running:
        out, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 4
    assert err == ""
    assert out.count("abort was not answered within limits.abort 0.2 s") == 1
    assert "exposure 1: the camera stopped answering" not in out
    assert "the camera stopped answering: no frame came within 0.3 s" in out


def test_the_command_ends_by_a_signal_though_a_strangers_camera_hangs(tmp_path: Path) -> None:
    with deaf(tmp_path, "--set", "limits.answer=1 h") as running:
        for line in running.stdout:
            if line.startswith("taking"):
                break
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130
    assert "the camera stopped answering: abort was not answered within limits.abort 0.2 s" in out
