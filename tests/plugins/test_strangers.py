"""A stranger's distribution, made of a dist-info folder on the path: found, used, listed, conflicting, blocked."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from latcal.builtin.recipes import names as our_recipes
from latcal.cli import main
from latcal.errors import PluginError, RecipeError
from latcal.model.events import RunStarted
from latcal.plugin.declarations import Declaration
from latcal.plugin.hookspecs import DECLARING
from latcal.plugin.registry import load_plugins

Install = Callable[..., Path]

BRITTLE = Path(__file__).with_name("latcal_brittle.py")
"""A stranger's plugin of every kind; nothing of it is broken here."""

HEAD = """
from attrs import frozen
from latcal.plugin import *

@frozen
class Nothing:
    a: int = option(1, help="One.")

def good(*args): return ()
"""
DECLARED = {
    "calibration": 'CalibrationType(name={!r}, summary="", options=Nothing, images=frozenset({{"bias"}}), metrics={{}}, rules=(), measure=good)',
    "camera": 'CameraType(name={!r}, summary="", options=Nothing, open=good, describe=good)',
    "store": 'StoreType(name={!r}, summary="", options=Nothing, open=good)',
    "executor": 'ExecutorType(name={!r}, summary="", options=Nothing, open=good)',
    "instrument": 'InstrumentType(name={!r}, summary="", options=Nothing, load=good)',
    "procedure": 'ProcedureType(name={!r}, summary="", options=Nothing, expand=good)',
    "reporter": 'ReporterType(name={!r}, summary="", options=Nothing, open=good)',
}


def declaring(kind: str, name: str) -> str:
    hook = next(hook for known, hook, _ in DECLARING if known == kind)
    return f"{HEAD}\n@hookimpl\ndef {hook}():\n    yield {DECLARED[kind].format(name)}\n"


STORE = declaring("store", "cellar")
EAR = f"{HEAD}\n@hookimpl\ndef latcal_event(event): pass\n@hookimpl\ndef latcal_check_plan(plan): pass\n"


def latcal(arguments: str) -> Result:
    return CliRunner().invoke(main, arguments.split(), catch_exceptions=False)


def version_of_ours() -> str:
    return load_plugins().sources["latcal:bias"].version


def test_a_strangers_plugin_is_found_and_named_with_its_version(install: Install) -> None:
    install("latcal-cellar", STORE, version="2.3")
    registry = load_plugins(without=["latcal"])
    named = registry.named("store", "cellar")
    assert (named.plugin, named.distribution, named.version) == ("latcal-cellar:plugin", "latcal-cellar", "2.3")
    assert registry.versions["latcal-cellar"] == "2.3"


def test_a_stranger_with_the_entry_name_of_a_built_in_displaces_nothing(install: Install) -> None:
    install("latcal-cellar", STORE, entry="folder")
    assert {"cellar", "folder"} <= set(load_plugins().names("store"))


def test_what_a_stranger_declares_is_used_beside_what_is_ours(install: Install, night: Callable) -> None:
    install("latcal-brittle", BRITTLE, version="2.3")
    text = "latcal: 1\nprocedure: brittle\n"
    heard = night(text, registry=load_plugins())
    assert heard.report.exit_code == 0
    assert heard.report.stages[0].certified


@pytest.mark.parametrize(
    ("kind", "name", "entry"),
    [
        ("calibration", "bias", "bias"),
        ("camera", "simulated", "simulated"),
        ("store", "memory", "memory"),
        ("executor", "serial", "serial"),
        ("instrument", "latiss", "instruments"),
        ("reporter", "console", "console"),
    ],
)
def test_a_stranger_with_the_name_of_a_built_in_stops_the_program_and_says_what_removes_either(
    install: Install, kind: str, name: str, entry: str
) -> None:
    install("latcal-cellar", declaring(kind, name), version="2.3")
    with pytest.raises(PluginError) as caught:
        load_plugins()
    assert str(caught.value) == (
        f"two plugins declare the {kind} {name!r}: latcal-cellar:plugin (latcal-cellar 2.3) and latcal:{entry} "
        f"(latcal {load_plugins(without=['latcal-cellar']).versions['latcal']}) "
        f"(run with --without latcal:{entry} or --without latcal-cellar:plugin)"
    )
    assert load_plugins(without=["latcal-cellar:plugin"]).named(kind, name).distribution == "latcal"
    assert load_plugins(without=[f"latcal:{entry}"]).named(kind, name).distribution == "latcal-cellar"


def test_every_kind_of_declaration_can_be_in_conflict(install: Install) -> None:
    for kind, _, cls in DECLARING:
        assert issubclass(cls, Declaration)
        for number in (1, 2):
            install(f"latcal-{kind}-{number}", declaring(kind, "room"))
        with pytest.raises(PluginError, match=rf"^two plugins declare the {kind} 'room': latcal-{kind}-1:plugin .* and latcal-"):
            load_plugins(without=["latcal"])
        del sys.path[:2]


def test_two_strangers_in_conflict_are_named_in_one_order_whichever_is_first_on_the_path(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("latcal-attic", declaring("store", "room"))
    install("latcal-cellar", declaring("store", "room"))
    said = []
    for _ in range(2):
        with pytest.raises(PluginError, match="two plugins declare the store 'room'") as caught:
            load_plugins(without=["latcal"])
        said.append(str(caught.value))
        monkeypatch.setattr(sys, "path", [*sys.path[1::-1], *sys.path[2:]])
    assert said[0] == said[1]


def test_what_is_handed_over_displaces_nothing_either(install: Install) -> None:
    install("latcal-cellar", declaring("store", "room"), version="2.3")
    namespace: dict[str, object] = {}
    exec(declaring("store", "room"), namespace)
    handed = type("Handed", (), {"latcal_stores": staticmethod(namespace["latcal_stores"])})
    with pytest.raises(PluginError) as caught:
        load_plugins(without=["latcal"], extra=[handed()])
    assert str(caught.value) == (
        "two plugins declare the store 'room': extra:Handed:1 (extra:Handed) and latcal-cellar:plugin (latcal-cellar 2.3) "
        "(run with --without latcal-cellar:plugin)"
    )
    with pytest.raises(PluginError, match=r"extra:Handed:1 .* and extra:Handed:2 .* \(load without one of them\)$"):
        load_plugins(without=["latcal", "latcal-cellar"], extra=[handed(), handed()])


def test_two_versions_of_one_distribution_are_refused_whichever_is_first_on_the_path(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = install("latcal-cellar", STORE, version="2.3", place="old")
    new = install("Latcal_Cellar", STORE, version="2.4", place="new")
    for _ in range(2):
        with pytest.raises(PluginError) as caught:
            load_plugins(without=["latcal"])
        words = f"is installed twice: 2.3 in {old} and 2.4 in {new} (remove one, or run with --without "
        assert words in str(caught.value)
        monkeypatch.setattr(sys, "path", [*sys.path[1::-1], *sys.path[2:]])
    assert load_plugins(without=["latcal", "latcal.cellar"]).names("store") == ()


def test_an_old_version_that_had_no_plugins_yet_does_not_hide_behind_the_new_one(install: Install) -> None:
    install("latcal-cellar", STORE, version="2.3", place="new")
    install("latcal-cellar", STORE, version="2.2", place="old", points="[console_scripts]\na = b\n")
    with pytest.raises(PluginError, match=r"^latcal-cellar is installed twice: 2\.2 in .*old and 2\.3 in .*new \("):
        load_plugins(without=["latcal"])


def test_one_version_that_is_found_twice_is_one_plugin(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = install("latcal-cellar", STORE)
    monkeypatch.syspath_prepend(folder)
    assert load_plugins(without=["latcal"]).names("store") == ("cellar",)
    install("latcal-cellar", STORE, place="elsewhere")
    assert load_plugins(without=["latcal"]).names("store") == ("cellar",)


RECIPE = """\
latcal: 1
title: Theirs
instrument: bench
camera: {use: simulated}
store: {use: memory}
sequences: {biases: {image: bias, exposures: 2 x 0 s}}
stages: [{measure: bias, frames: [biases]}]
"""


def finding(name: str, answer: str = "Path(__file__).with_name('theirs.yaml')") -> str:
    return f"from pathlib import Path\n{HEAD}\n@hookimpl\ndef latcal_find_recipe(name):\n    return {answer} if name == {name!r} else None\n"


def test_a_recipe_that_a_stranger_has_is_found_by_its_name(install: Install) -> None:
    folder = install("latcal-cellar", finding("theirs"))
    (folder / "theirs.yaml").write_text(RECIPE)
    done = latcal("plan theirs")
    assert (done.exit_code, done.output.splitlines()[0]) == (0, "Theirs")


def test_a_recipe_with_the_name_of_one_of_ours_displaces_nothing_and_stops_the_program(install: Install) -> None:
    assert "quickstart" in our_recipes()
    folder = install("latcal-cellar", finding("quickstart"), version="2.3")
    (folder / "theirs.yaml").write_text(RECIPE)
    done = latcal("plan quickstart")
    words = (
        "two plugins have a recipe 'quickstart': latcal-cellar:plugin (latcal-cellar 2.3) and latcal:recipes "
        f"(latcal {version_of_ours()}) (give the path of one, or run with --without latcal:recipes or "
        "--without latcal-cellar:plugin)\n"
    )
    assert (done.exit_code, done.stderr) == (3, words)
    assert latcal(f"plan {folder / 'theirs.yaml'}").exit_code == 0
    ours, theirs = latcal("plan quickstart --without latcal-cellar"), latcal("plan quickstart --without latcal:recipes")
    assert (ours.exit_code, theirs.exit_code) == (0, 0)
    assert theirs.output.splitlines()[0] == "Theirs" != ours.output.splitlines()[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("1 / 0", "latcal_find_recipe raised ZeroDivisionError: division by zero"),
        ("str(Path(__file__))", "latcal_find_recipe gave '"),
        ("Path('nowhere.yaml')", "latcal_find_recipe gave 'nowhere.yaml' for 'theirs', which is not a file"),
    ],
)
def test_a_stranger_that_finds_a_recipe_badly_is_named(install: Install, answer: str, words: str) -> None:
    install("latcal-cellar", finding("theirs", answer), version="2.3")
    done = latcal("plan theirs")
    assert done.exit_code == 3
    assert done.stderr.startswith(f"latcal-cellar 2.3: {words}")
    assert done.stderr.count("\n") == 1


def test_what_hears_every_run_merely_because_it_is_installed_is_recorded_in_it(install: Install, night: Callable) -> None:
    install("latcal-ear", EAR, version="2.3")
    heard = night(registry=load_plugins())
    (started,) = heard.of(RunStarted)
    assert started.versions["latcal-ear"] == "2.3"


def test_what_is_left_out_of_a_distribution_is_recorded_with_its_version(install: Install) -> None:
    install("latcal-ear", EAR, version="2.3")
    every, some = load_plugins(), load_plugins(without=["latcal:replay", "latcal:dark", "latcal-ear"])
    assert some.versions["latcal"] == f"{every.versions['latcal']} without dark, replay"
    assert "latcal-ear" in every.versions
    assert "latcal-ear" not in some.versions


def test_plugins_lists_what_each_declares_and_each_hook_with_distribution_and_version(install: Install) -> None:
    install("latcal-ear", EAR, version="2.3")
    install("latcal-cellar", STORE, version="1.5rc1")
    rows = [line.split() for line in latcal("plugins").output.splitlines()]
    assert ["store", "cellar", "latcal-cellar", "1.5rc1", "latcal-cellar:plugin"] in rows
    ear = [row[:5] for row in rows if "latcal-ear" in row]
    assert ear == [["hook", hook, "latcal-ear", "2.3", "latcal-ear:plugin"] for hook in ("latcal_check_plan", "latcal_event")]
    assert not [row for row in rows if row[0] == "left"]


def test_plugins_lists_what_is_left_out_too(install: Install) -> None:
    install("latcal-cellar", "raise RuntimeError('no licence')")
    rows = [line.split() for line in latcal("plugins --without latcal-cellar --without latcal:dark").output.splitlines()]
    assert rows[-2:] == [["left", "out", left, "by", "--without"] for left in ("latcal-cellar", "latcal:dark")]
    assert not [row for row in rows if row[:2] == ["calibration", "dark"]]


COMMANDS = (
    "plugins",
    "schema",
    "plan night.yaml",
    "expand night.yaml",
    "recipe night.yaml",
    "products --store memory:",
    "find bias --at 2022-11-04 --collections a --store memory:",
    "report 20261104T160000-0a1b2c3d --store memory:",
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_broken_plugin_stops_every_command_and_is_not_imported_by_any_that_leaves_it_out(
    install: Install, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "night.yaml").write_text(RECIPE)
    install("latcal-cellar", "raise RuntimeError('no licence')", version="2.3")
    broken, whole = latcal(command), latcal(f"{command} --without latcal-cellar")
    words = (
        "latcal-cellar 2.3: entry point 'plugin' does not import: RuntimeError: no licence "
        "(mend or remove latcal-cellar, or run with --without latcal-cellar:plugin)\n"
    )
    assert (broken.exit_code, broken.stderr) == (3, words)
    assert "licence" not in whole.stderr
    assert latcal(f"{command} --without latcal-cellar:plugin").exit_code == whole.exit_code in (0, 1, 4)


@pytest.mark.parametrize(
    ("without", "hint"),
    [
        ("latcal-celar", "did you mean 'latcal-cellar'?"),
        ("latcal-cellar:plugn", "did you mean 'latcal-cellar:plugin'?"),
        ("nothing_like_it", "see 'latcal plugins'"),
    ],
)
def test_what_is_not_installed_cannot_be_left_out_and_the_nearest_is_suggested(
    install: Install, without: str, hint: str
) -> None:
    install("latcal-cellar", STORE)
    with pytest.raises(PluginError) as caught:
        load_plugins(without=[without])
    assert str(caught.value) == f"--without {without}: no such plugin or distribution is installed ({hint})"


@pytest.mark.parametrize(
    ("without", "words"),
    [
        ("latcal:simulated", "night.yaml:4:15: camera.use: no plugin declares the camera 'simulated', {out} (known: replay)"),
        ("latcal:memory", "night.yaml:5:14: store.use: no plugin declares the store 'memory', {out} (known: folder)"),
        ("latcal:instruments", "night.yaml:3:13: instrument: no plugin declares the instrument 'bench', {out} (known: none)"),
        ("latcal:bias", "night.yaml:7:20: stages.0.measure: no plugin measures 'bias', {out} (known: dark, defects, flat, gain, ptc)"),
        ("latcal:serial", "no plugin declares the executor 'serial', {out} (name an executor; there is processes, threads)"),
        ("latcal:console", "no plugin declares the reporter 'console', {out} (name a reporter; there is jsonl, latiss_text, plots)"),
    ],
)
def test_what_is_missing_because_it_was_left_out_is_said_to_be(
    without: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "night.yaml").write_text(RECIPE)
    done = latcal(f"plan night.yaml --without {without}")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == words.format(out=f"{without} being left out by --without")


def test_without_all_of_ours_nothing_of_ours_is_there() -> None:
    registry = load_plugins(without=["latcal"])
    assert all(registry.names(kind) == () for kind, _, _ in DECLARING)
    done = latcal("plan quickstart --without latcal")
    words = "'quickstart' is not a file that can be read, nor a recipe that a plugin has, latcal being left out by --without"
    assert (done.exit_code, done.stderr) == (2, f"{words} (see 'latcal recipe --help')\n")


def test_a_default_that_no_recipe_wrote_and_that_is_none_is_asked_for(install: Install) -> None:
    needy = declaring("executor", "serial").replace('option(1, help="One.")', 'option(help="One.")')
    install("latcal-needy", needy)
    registry = load_plugins(without=["latcal:serial"])
    with pytest.raises(RecipeError, match=r"^the executor 'serial' has options without a default \(name an executor, and write"):
        registry.defaults("executor", "serial")


def test_what_a_stranger_made_is_still_found_without_the_stranger(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, night: Callable
) -> None:
    monkeypatch.chdir(tmp_path)
    install("latcal-brittle", BRITTLE, version="2.3")
    registry = load_plugins()
    recipe = sys.modules[BRITTLE.stem].RECIPE.replace("store: {use: brittle}", "store: {use: folder, root: ./store}")
    heard = night(recipe, registry=registry)
    assert heard.report.exit_code == 0
    (certified,) = heard.report.stages[0].certified
    without, days = "--without latcal-brittle", "--at 2026-11-04T18:00:00 --detector 0 --collections calib/crack"
    products = latcal(f"products {without}")
    assert products.output.count(" crack ") == 1
    found = latcal(f"find crack {days} {without}")
    assert found.exit_code == 0, found.stderr
    assert certified.refs[0].id[:12] in found.output
    assert "latcal-brittle 2.3" in found.output
    assert latcal(f"report {heard.report.run} {without}").exit_code == 0


def test_the_order_of_installation_changes_nothing(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("latcal-attic", "latcal-cellar", "latcal-ear"):
        install(name, declaring("store", name.partition("-")[2]) + "\n@hookimpl\ndef latcal_check_plan(plan): pass\n")
    rest, seen = sys.path[3:], set()
    for order in itertools.permutations(sys.path[:3]):
        monkeypatch.setattr(sys, "path", [*order, *rest])
        registry = load_plugins()
        hooks = tuple(str(source) for source, _ in registry.implementers("latcal_check_plan"))
        seen.add((registry.names("store"), hooks, tuple(registry.versions.items())))
    assert len(seen) == 1
