"""A stranger's plugin that breaks: in each of its functions, in each way, and what is said and done about it.

`PLACES` are the rows of the matrix and `WAYS` its columns. The plugin is `latcal_brittle.py`, a distribution of its own.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from astropy.time import Time
from attrs import frozen
from click.testing import CliRunner
from corner import on_the_corner

from latcal.builtin.stores.memory import MemoryOptions, MemoryStore
from latcal.cli import main
from latcal.engine.opening import open_store
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.engine.running import check_ready, events
from latcal.errors import BuildError, LatcalError, PluginError
from latcal.model.events import Certified, Event, Exposed, Noted, RunEnded, Status
from latcal.model.report import fold
from latcal.plugin import StoreType, hookimpl
from latcal.plugin.registry import Registry, load_plugins

SOURCE = "latcal-brittle 2.3"
PLUGIN = Path(__file__).with_name("latcal_brittle.py")
WAY_OUT = "(mend or remove latcal-brittle, or run with --without latcal-brittle:plugin)"
EXPOSURE = "exposure 2026110400001: "
AFTERNOON = Time("2026-11-04T16:00:00", scale="tai")

WAYS = {
    "ValueError": "raised ValueError: the wires are crossed",
    "SystemExit": "asked the program to exit (enough)",
    "Escape": "raised Escape: out of here",
    "Mute": "raised Mute, which raises RuntimeError when asked what it is",
}
"""How a function breaks, and what is said of it."""

WRONG = {"nothing": "None", "text": "'later'"}
"""What a function gives that it should not, as it is shown."""


@frozen
class Place:
    """A function that can break.

    Parameters
    ----------
    name : str
        As BRITTLE names it.
    when : str
        What ends: loading, reading, planning; a run before its first event (``begin``), one of its steps, or a run
        that is over (``end``); or nothing, and a note is made.
    what : str
        How messages call it.
    gives : str
        What it must give, where that is looked at.
    about : str
        What comes before the message: the exposure.
    """

    name: str
    when: str
    what: str
    gives: str = ""
    about: str = ""

    def __str__(self) -> str:
        return self.name


PLACES = (
    Place("calibration.check", "plan", "check of the calibration 'crack'", "a list of texts"),
    Place("calibration.needs", "plan", "needs of the calibration 'crack'", "a set of names"),
    Place("calibration.unpinned", "plan", "unpinned of the calibration 'crack'", "a mapping of names to texts"),
    Place("calibration.preparation", "plan", "preparation of the calibration 'crack'", "a Preparation"),
    Place("calibration.crosstalk", "plan", "crosstalk of the calibration 'crack'", "true or false"),
    Place("calibration.budget", "plan", "budget of the calibration 'crack'", "a list of Expectation"),
    Place("calibration.build_amplifier", "Build", "build_amplifier of the calibration 'crack'", "a Part"),
    Place("calibration.assemble", "Build", "assemble of the calibration 'crack'", "a Product"),
    Place("calibration.measure", "Verify", "measure of the calibration 'crack'", "a list of Measurement"),
    Place("calibration.residual", "Verify", "residual of the calibration 'crack'", "a Part"),
    Place("calibration.summarise", "Verify", "summarise of the calibration 'crack'", "a list of Measurement"),
    Place("camera.open", "begin", "open of the camera 'brittle'", "a Camera"),
    Place("camera.describe", "plan", "describe of the camera 'brittle'", "a CameraDescription"),
    Place("camera.__enter__", "begin", "__enter__ of the camera"),
    Place("camera.problems", "begin", "problems of the camera", "a list of texts"),
    Place("camera.remarks", "begin", "remarks of the camera", "a list of texts"),
    Place("camera.setup", "begin", "setup of the camera", "a Setup"),
    Place("camera.take", "Take", "take", about=EXPOSURE),
    Place("camera.__exit__", "end", "__exit__ of the camera"),
    Place("store.open", "begin", "open of the store 'brittle'", "a Store"),
    Place("store.__enter__", "begin", "__enter__ of the store"),
    Place("store.is_free", "begin", "is_free of the store", "true or false"),
    Place("store.free_bytes", "begin", "free_bytes of the store", "a number of bytes"),
    Place("store.reserve", "begin", "reserve of the store", "a range of exposure ids"),
    Place("store.ingest", "Take", "ingest of the store", "a Frame", EXPOSURE),
    Place("store.put", "Build", "put of the store", "a ProductRef"),
    Place("store.certify", "Certify", "certify of the store"),
    Place("store.write_report", "end", "write_report of the store"),
    Place("store.__exit__", "end", "__exit__ of the store"),
    Place("executor.open", "begin", "open of the executor 'brittle'", "an Executor"),
    Place("executor.__enter__", "begin", "__enter__ of the executor"),
    Place("executor.map", "Build", "map of the executor"),
    Place("executor.__exit__", "end", "__exit__ of the executor"),
    Place("reporter.open", "begin", "open of the reporter 'brittle'", "a Reporter"),
    Place("reporter.__enter__", "begin", "__enter__ of the reporter"),
    Place("reporter.latcal_event", "note", "latcal_event"),
    Place("reporter.__exit__", "end", "__exit__ of the reporter"),
    Place("instrument.load", "plan", "load of the instrument 'crumb'", "an Instrument"),
    Place("procedure.expand", "read", "expand of the procedure 'brittle'"),
    Place("hook.latcal_calibrations", "load", "latcal_calibrations", "a list of declarations"),
    Place("hook.latcal_cameras", "load", "latcal_cameras", "a list of declarations"),
    Place("hook.latcal_stores", "load", "latcal_stores", "a list of declarations"),
    Place("hook.latcal_executors", "load", "latcal_executors", "a list of declarations"),
    Place("hook.latcal_instruments", "load", "latcal_instruments", "a list of declarations"),
    Place("hook.latcal_procedures", "load", "latcal_procedures", "a list of declarations"),
    Place("hook.latcal_reporters", "load", "latcal_reporters", "a list of declarations"),
    Place("hook.latcal_check_plan", "plan", "latcal_check_plan", "a list of Problem"),
    Place("hook.latcal_preflight", "begin", "latcal_preflight", "a list of Problem"),
    Place("hook.latcal_before_take", "Take", "latcal_before_take", about=EXPOSURE),
    Place("hook.latcal_event", "note", "latcal_event"),
)
BY_NAME = {place.name: place for place in PLACES}

NONE_WILL_DO = {"calibration.preparation", "camera.describe", "store.free_bytes", "hook.latcal_check_plan", "hook.latcal_preflight"}
"""Where None is an answer: the instrument's own way, known at preflight, no limit, nothing found."""

ONE_OF_EACH = (  # every place from which plugins are called, once
    "hook.latcal_calibrations",
    "procedure.expand",
    "calibration.check",
    "hook.latcal_check_plan",
    "camera.open",
    "camera.take",
    "store.ingest",
    "calibration.build_amplifier",
    "executor.map",
    "calibration.summarise",
    "store.certify",
    "store.__exit__",
    "reporter.latcal_event",
    "hook.latcal_before_take",
)


@frozen
class Outcome:
    """How far it came, what was heard, and what was raised."""

    when: str
    heard: tuple[Event, ...] = ()
    error: BaseException | None = None


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Registry, ModuleType]]:
    """Install the plugin, as it is when nothing is broken; tests that run between these may install and remove their own."""
    folder = tmp_path_factory.mktemp("brittle")
    info = folder / "latcal_brittle-2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: latcal-brittle\nVersion: 2.3\n")
    (info / "entry_points.txt").write_text("[latcal]\nplugin = latcal_brittle\n")
    (folder / PLUGIN.name).write_bytes(PLUGIN.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.delenv("BRITTLE", raising=False)
        yield load_plugins(), sys.modules[PLUGIN.stem]
    sys.modules.pop(PLUGIN.stem, None)


@pytest.fixture(scope="module")
def brittle(installed: tuple[Registry, ModuleType]) -> Registry:
    """Give what is installed then."""
    return installed[0]


@pytest.fixture(scope="module")
def source(installed: tuple[Registry, ModuleType]) -> ModuleType:
    """Give the module of the plugin."""
    return installed[1]


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the folder in which runs have theirs."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def broken(brittle: Registry, source: ModuleType, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Outcome]]:
    """Break a function, do all that a night does, and see that nothing is left behind."""
    before = threading.active_count()

    def do(name: str, how: str, *changes: str) -> Outcome:
        monkeypatch.setenv("BRITTLE", f"{name}={how}")
        text = "latcal: 1\nprocedure: brittle\n" if name == "procedure.expand" else source.RECIPE
        when, heard = "load", []
        try:
            registry = load_plugins() if name.startswith("hook.") else brittle
            when = "read"
            recipe = read(text, "night.yaml", registry, settings=changes)
            when = "plan"
            planned = plan(recipe, registry)
            when = "begin"
            for event in events(planned, registry, now=lambda: AFTERNOON):
                when = "end" if isinstance(event, RunEnded) else "middle"
                heard.append(event)
        except (LatcalError, KeyboardInterrupt) as error:
            return Outcome(when, tuple(heard), error)
        return Outcome(when, tuple(heard))

    yield do
    assert not [path for path in scratch.iterdir() if path.name.startswith("latcal-")]
    assert threading.active_count() <= before
    assert source.Brittle.entered == []


def check(place: Place, outcome: Outcome, words: str) -> None:
    """See that a night ended as it must, and what is said of it."""
    message = f"{SOURCE}: {place.what} {words}"
    if place.when in ("load", "read", "plan", "begin", "end"):
        assert isinstance(outcome.error, PluginError)
        assert str(outcome.error) == message + (f" {WAY_OUT}" if place.when == "load" else "")
        assert (outcome.when, outcome.error.exit_code) == (place.when, 3)
        assert bool(outcome.heard) == (place.when == "end")
    else:
        assert outcome.error is None
        assert isinstance(outcome.heard[-1], RunEnded)
        report = fold(outcome.heard)
        failed = [step for step in report.steps if step.status is Status.FAILED]
        if place.when == "note":
            assert [event.what for event in outcome.heard if isinstance(event, Noted)] == [
                f"the reporter {message}; it hears no more of this run"
            ]
            assert (report.exit_code, failed) == (0, [])
        else:
            assert report.exit_code == 3
            assert failed[0].line.label.startswith(place.when)
            assert failed[0].reason == place.about + message
            assert not [event for event in outcome.heard if isinstance(event, Certified)]


def test_a_plugin_that_breaks_nothing_is_certified(broken: Callable[..., Outcome]) -> None:
    outcome = broken("nothing", "at all")
    assert (outcome.error, fold(outcome.heard).exit_code) == (None, 0)
    assert [event for event in outcome.heard if isinstance(event, Certified)]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_function_that_raises_is_named_with_its_version_wherever_it_is_called(
    place: Place, broken: Callable[..., Outcome]
) -> None:
    check(place, broken(place.name, "ValueError"), WAYS["ValueError"])


@pytest.mark.parametrize("place", [place for place in PLACES if place.gives], ids=str)
@pytest.mark.parametrize("given", WRONG)
def test_a_function_that_gives_something_else_is_named_with_what_it_should_give(
    place: Place, given: str, broken: Callable[..., Outcome]
) -> None:
    outcome = broken(place.name, given)
    if given == "nothing" and place.name in NONE_WILL_DO:
        assert (outcome.error, fold(outcome.heard).exit_code) == (None, 0)
    else:
        check(place, outcome, f"gave {WRONG[given]}, which is not {place.gives}")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("calibration.check", "a text, nor a text with a hint"),
        ("calibration.measure", "a Measurement"),
        ("calibration.summarise", "a Measurement"),
        ("calibration.budget", "an Expectation"),
        ("camera.problems", "a text"),
        ("executor.map", "a result of its task"),
        ("hook.latcal_check_plan", "a Problem"),
        ("hook.latcal_preflight", "a Problem"),
    ],
)
def test_a_function_that_gives_a_list_of_something_else_is_named(
    name: str, wanted: str, broken: Callable[..., Outcome]
) -> None:
    check(BY_NAME[name], broken(name, "list"), f"gave 42, which is not {wanted}")


def test_an_array_where_it_does_not_belong_is_shown_in_one_line(broken: Callable[..., Outcome]) -> None:
    place = BY_NAME["calibration.crosstalk"]
    shown = "array([[0., 0., 0.], [0., 0., 0.], [0., 0., 0.]])"
    check(place, broken(place.name, "array"), f"gave {shown}, which is not true or false")


@pytest.mark.parametrize(
    "name",
    [
        "calibration.measure",
        "calibration.budget",
        "camera.problems",
        "camera.take",
        "executor.map",
        "hook.latcal_calibrations",
        "hook.latcal_check_plan",
        "hook.latcal_event",
    ],
)
def test_a_generator_that_gives_something_good_and_then_raises_is_named(
    name: str, broken: Callable[..., Outcome]
) -> None:
    check(BY_NAME[name], broken(name, "half"), WAYS["ValueError"])


@pytest.mark.parametrize("how", ["SystemExit", "Escape"])
@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_whatever_is_raised_is_an_error_of_the_plugin(name: str, how: str, broken: Callable[..., Outcome]) -> None:
    check(BY_NAME[name], broken(name, how), WAYS[how])


def test_an_error_that_cannot_say_what_it_is_is_named_all_the_same(broken: Callable[..., Outcome]) -> None:
    check(BY_NAME["camera.take"], broken("camera.take", "Mute"), WAYS["Mute"])


@pytest.mark.parametrize("name", [*ONE_OF_EACH, "camera.abort", "camera.setup", "calibration.measure"])
def test_an_interrupt_ends_the_run_in_order_wherever_it_is_raised(name: str, broken: Callable[..., Outcome]) -> None:
    outcome = broken(name, "KeyboardInterrupt")
    if name == "camera.abort":  # nobody aborts a night that goes well
        assert fold(outcome.heard).exit_code == 0
        return
    assert isinstance(outcome.error, KeyboardInterrupt)
    if name != "store.__exit__":
        assert not [event for event in outcome.heard if isinstance(event, (Certified, RunEnded))]


@pytest.mark.parametrize("name", ONE_OF_EACH)
def test_one_of_latcals_own_errors_keeps_its_type_but_while_plugins_are_loaded(
    name: str, broken: Callable[..., Outcome]
) -> None:
    place, outcome = BY_NAME[name], broken(name, "BuildError")
    if place.when == "load":
        check(place, outcome, "raised BuildError: no fit")
    elif place.when in ("read", "plan", "begin", "end"):
        assert type(outcome.error) is BuildError
        assert str(outcome.error) == "no fit"
    elif place.when == "note":
        notes = [event.what for event in outcome.heard if isinstance(event, Noted)]
        assert notes == [f"the reporter {SOURCE}: no fit; it hears no more of this run"]
    else:
        failed = [step for step in fold(outcome.heard).steps if step.status is Status.FAILED]
        assert (failed[0].reason, failed[0].exit_code) == (place.about + "no fit", 4)


def test_a_camera_that_raises_when_it_is_told_to_abort_is_noted_and_the_run_ends(
    brittle: Registry, source: ModuleType, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRITTLE", "camera.abort=ValueError")
    recipe = read(source.RECIPE, "night.yaml", brittle, settings=["sequences.biases.exposures=40 x 0 s"])
    stop, heard = threading.Event(), []
    for event in events(plan(recipe, brittle), brittle, stop=stop, now=lambda: AFTERNOON):
        heard.append(event)
        if isinstance(event, Exposed):
            stop.set()
    words = f"the camera could not be aborted: {SOURCE}: abort of the camera {WAYS['ValueError']}"
    assert [event.what for event in heard if isinstance(event, Noted)] == [words]
    assert fold(heard).exit_code == 130
    assert not list(scratch.glob("latcal-*"))


def test_a_preflight_alone_names_what_breaks_too(
    brittle: Registry, source: ModuleType, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan(read(source.RECIPE, "night.yaml", brittle), brittle)
    monkeypatch.setenv("BRITTLE", "hook.latcal_preflight=ValueError")
    with pytest.raises(PluginError, match=f"^{SOURCE}: latcal_preflight {WAYS['ValueError']}$"):
        check_ready(planned, brittle)
    assert not list(scratch.glob("latcal-*"))


PROCESSES = "executor={use: processes, workers: 1}"
LOCKED = f"{SOURCE}: {{what}} raised Locked: the door is locked"


@pytest.mark.parametrize(
    ("name", "how", "words", "code", "executor"),
    [
        ("calibration.build_amplifier", "ValueError", f"{SOURCE}: {{what}} {WAYS['ValueError']}", 3, "executor.use=threads"),
        ("calibration.build_amplifier", "ValueError", f"{SOURCE}: {{what}} {WAYS['ValueError']}", 3, PROCESSES),
        ("calibration.build_amplifier", "Locked", LOCKED, 3, PROCESSES),
        ("calibration.build_amplifier", "Jammed", "tray 3: no paper", 4, "executor.use=threads"),
        ("calibration.build_amplifier", "Jammed", "tray 3: no paper", 4, PROCESSES),
    ],
)
def test_what_breaks_in_a_worker_is_named_as_here(
    name: str, how: str, words: str, code: int, executor: str, broken: Callable[..., Outcome]
) -> None:
    """`Locked` cannot be pickled; `Jammed` can, and cannot be made again."""
    outcome = broken(name, how, executor)
    failed = [step for step in fold(outcome.heard).steps if step.status is Status.FAILED]
    assert (failed[0].reason, failed[0].exit_code) == (words.format(what=BY_NAME[name].what), code)
    assert isinstance(outcome.heard[-1], RunEnded)


def test_an_interrupt_in_a_worker_process_ends_the_run(broken: Callable[..., Outcome]) -> None:
    outcome = broken("calibration.build_amplifier", "KeyboardInterrupt", PROCESSES)
    assert isinstance(outcome.error, KeyboardInterrupt)


def test_what_cannot_be_sent_to_a_worker_process_is_refused_while_planning_and_runs_here(
    broken: Callable[..., Outcome],
) -> None:
    changes = ("stages.0.make=closure", "stages.0.keep=[]")
    assert fold(broken("nothing", "at all", *changes).heard).exit_code == 0
    outcome = broken("nothing", "at all", *changes, PROCESSES)
    words = "build_amplifier of the calibration 'closure' cannot be sent to another process: "
    assert (type(outcome.error), outcome.when, outcome.heard) == (PluginError, "plan", ())
    assert str(outcome.error).startswith(f"{SOURCE}: {words}")


def test_what_cannot_be_sent_back_from_a_worker_process_fails_there_and_runs_here(
    broken: Callable[..., Outcome],
) -> None:
    changes = ("stages.0.make=proxy", "stages.0.keep=[]")
    assert fold(broken("nothing", "at all", *changes).heard).exit_code == 0
    report = fold(broken("nothing", "at all", *changes, PROCESSES).heard)
    words = "build_amplifier of the calibration 'proxy' gave what cannot be sent back from another process: "
    assert report.exit_code == 3
    assert report.stages[0].reason.startswith(f"{SOURCE}: {words}")


@pytest.mark.parametrize(
    ("function", "command"),
    [
        ("list", "products --store brittle:"),
        ("list", "find crack --at 2026-11-04 --collections calib/crack --store brittle:"),
        ("find", "find crack --at 2026-11-04 --detector 0 --collections calib/crack --store brittle:"),
        ("exposure", "find crack --exposure 2026110400001 --detector 0 --collections calib/crack --store brittle:"),
        ("of_exposure", "find crack --exposure 2026110400001 --detector 0 --store brittle:"),
        ("read_report", "report 20261104T160000-0a1b2c3d --store brittle:"),
    ],
)
@pytest.mark.parametrize("how", ["ValueError", "number"])
def test_a_store_that_breaks_when_it_is_looked_into_is_named(
    function: str, command: str, how: str, brittle: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRITTLE", f"store.{function}={how}")
    done = CliRunner().invoke(main, command.split(), catch_exceptions=False)
    gives = {"list": "a list of Certification", "find": "a ProductRef", "exposure": "an Exposure", "read_report": "a text"}
    gives["of_exposure"] = "a ProductRef"
    words = WAYS[how] if how in WAYS else f"gave 42, which is not {gives[function]}"
    assert (done.exit_code, done.stderr) == (3, f"{SOURCE}: {function} of the store {words}\n")


@pytest.mark.parametrize("how", ["ValueError", "number"])
def test_an_executor_that_breaks_when_a_plan_is_printed_is_named(
    how: str, source: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "night.yaml").write_text(source.RECIPE)
    monkeypatch.setenv("BRITTLE", f"executor.describe={how}")
    done = CliRunner().invoke(main, ["plan", str(tmp_path / "night.yaml")], catch_exceptions=False)
    words = WAYS.get(how, "gave 42, which is not a text")
    assert (done.exit_code, done.stderr) == (3, f"{SOURCE}: describe of the executor {words}\n")


@pytest.mark.parametrize(
    ("function", "arguments", "gives"), [("frames", ([1], 0), "a list of Frame"), ("find_exposure", ("bias", 0, 1, ()), "a ProductRef")]
)
def test_a_store_that_an_embedder_opened_is_looked_at_too(
    function: str, arguments: tuple[object, ...], gives: str, brittle: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRITTLE", f"store.{function}=number")
    with open_store("brittle", brittle) as store, pytest.raises(PluginError) as caught:
        getattr(store, function)(*arguments)
    assert str(caught.value) == f"{SOURCE}: {function} of the store gave 42, which is not {gives}"


@pytest.fixture
def shell(source: ModuleType, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command as an operator does."""
    (tmp_path / "night.yaml").write_text(source.RECIPE)

    def run(arguments: str, brittle: str) -> subprocess.CompletedProcess[str]:
        path = os.pathsep.join(filter(None, (str(Path(str(source.__file__)).parent), *sys.path)))
        environment = {**os.environ, "PYTHONPATH": path, "BRITTLE": brittle}
        command = [sys.executable, "-c", "from latcal.cli import main; main()", *shlex.split(arguments)]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize(
    ("arguments", "brittle", "code", "said"),
    [
        ("plan night.yaml", "hook.latcal_stores=ValueError", 3, f"{SOURCE}: latcal_stores {WAYS['ValueError']} {WAY_OUT}\n"),
        ("recipe night.yaml", "camera.take=KeyboardInterrupt", 130, "interrupted\n"),
    ],
)
def test_an_operator_sees_one_line_and_no_traceback(
    arguments: str, brittle: str, code: int, said: str, shell: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = shell(arguments, brittle)
    assert (done.returncode, done.stderr) == (code, said)


def test_an_operator_sees_which_step_failed_and_why(shell: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    done = shell("recipe night.yaml --set 'report=[{use: console}]'", "calibration.measure=ValueError")
    message = f"{SOURCE}: measure of the calibration 'crack' {WAYS['ValueError']}"
    assert (done.returncode, done.stderr) == (3, "")
    assert message in done.stdout
    assert "Traceback" not in done.stdout


KEPT = on_the_corner(
    """\
latcal: 1
instrument: bench
camera: {use: simulated, first: 1}
store: {use: kept}
executor: {use: serial}
sequences: {biases: {image: bias, exposures: 4 x 0 s}}
stages: [STAGE]
"""
)
MAKE = "{make: bias, frames: [biases], verify: {drop: [noise]}, certify: {into: calib/a, begin: 2020-01-01, end: open}}"


class KeptStore:
    """A store that several runs have, and what may be done in place of its `get`."""

    def __init__(self) -> None:
        self.store: Any = None
        self.get: Any = None

    @hookimpl
    def latcal_stores(self) -> Iterator[StoreType]:
        yield StoreType(name="kept", summary="It stays", options=MemoryOptions, open=self.open, shared=False)

    def open(self, options: MemoryOptions, world: Any) -> Any:
        self.store = self.store or MemoryStore(options, world)
        return self if self.get else self.store

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("get", "words"),
    [
        (lambda _: 1 / 0, "raised ZeroDivisionError: division by zero"),
        (lambda _: None, "gave None, which is not a Product"),
        (lambda _: "later", "gave 'later', which is not a Product"),
    ],
)
def test_a_store_that_gives_no_product_is_named(get: Any, words: str) -> None:
    """What a run built itself it does not read again: a check of what an earlier one made does."""
    kept = KeptStore()
    registry = load_plugins(extra=[kept])

    def night(stage: str) -> Any:
        recipe = read(KEPT.replace("STAGE", stage), "night.yaml", registry)
        return fold(events(plan(recipe, registry), registry, now=lambda: AFTERNOON))

    assert night(MAKE).exit_code == 0
    kept.get = get
    report = night("{check: bias, frames: [biases], collections: [calib/a]}")
    assert report.exit_code == 3
    failed = next(step for step in report.steps if step.status is Status.FAILED)
    assert failed.reason == f"extra:KeptStore: get of the store {words}"
