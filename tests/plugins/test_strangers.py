"""A stranger's distribution, made of a dist-info folder on the path: found, conflicting, broken, blocked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from latcal.errors import PluginError
from latcal.plugin.registry import load_plugins

Install = Callable[..., None]

STORE = '''
    from attrs import frozen
    from latcal.plugin import StoreType, hookimpl

    @frozen
    class Nothing:
        """No options."""

    @hookimpl
    def latcal_stores():
        yield StoreType(name={name!r}, summary="Theirs", options=Nothing, open=lambda options, world: None)
'''


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Make a distribution of one module, whose entry point has a name of its own."""
    modules: list[str] = []

    def made(distribution: str, source: str, *, version: str = "1.0", entry: str = "store", module: str = "") -> None:
        folder = tmp_path / distribution
        module = module or f"{distribution.replace('-', '_')}_plugin"
        info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[latcal]\n{entry} = {module}\n")
        (folder / f"{module}.py").write_text(dedent(source))
        monkeypatch.syspath_prepend(folder)
        modules.append(module)

    yield made
    for module in modules:
        sys.modules.pop(module, None)


def test_a_strangers_plugin_is_found_and_named_with_its_version(install: Install) -> None:
    install("latcal-cellar", STORE.format(name="cellar"), version="2.3")
    registry = load_plugins(without=["latcal"])
    named = registry.named("store", "cellar")
    assert (named.plugin, named.distribution, named.version) == ("latcal-cellar:store", "latcal-cellar", "2.3")
    assert registry.versions["latcal-cellar"] == "2.3"


def test_a_stranger_with_the_entry_name_of_a_built_in_displaces_nothing(install: Install) -> None:
    install("latcal-cellar", STORE.format(name="cellar"), entry="folder")
    assert {"cellar", "folder"} <= set(load_plugins().names("store"))


def test_a_stranger_with_the_name_of_a_built_in_stops_the_program_and_says_what_removes_either(install: Install) -> None:
    install("latcal-cellar", STORE.format(name="memory"), version="2.3")
    ours = load_plugins(without=["latcal-cellar"]).named("store", "memory")
    with pytest.raises(PluginError) as caught:
        load_plugins()
    text = str(caught.value)
    assert text.startswith("two plugins declare the store 'memory': ")
    assert f"latcal:memory (latcal {ours.version})" in text
    assert "latcal-cellar:store (latcal-cellar 2.3)" in text
    assert "--without latcal-cellar:store" in text
    assert "--without latcal:memory" in text
    assert "\n" not in text


@pytest.mark.parametrize("left_out", ["latcal-cellar:store", "latcal-cellar"])
def test_a_conflict_is_ended_by_leaving_the_plugin_or_its_distribution_out(install: Install, left_out: str) -> None:
    install("latcal-cellar", STORE.format(name="memory"))
    assert load_plugins(without=[left_out]).named("store", "memory").distribution == "latcal"


def test_a_conflict_is_ended_by_leaving_the_built_in_out(install: Install) -> None:
    install("latcal-cellar", STORE.format(name="memory"))
    assert load_plugins(without=["latcal:memory"]).named("store", "memory").distribution == "latcal-cellar"


def test_two_strangers_in_conflict_are_named_in_one_order_whichever_is_first_on_the_path(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("latcal-attic", STORE.format(name="room"))
    install("latcal-cellar", STORE.format(name="room"))
    said = []
    for _ in range(2):
        with pytest.raises(PluginError, match="two plugins declare the store 'room'") as caught:
            load_plugins(without=["latcal"])
        said.append(str(caught.value))
        monkeypatch.setattr(sys, "path", [*sys.path[1::-1], *sys.path[2:]])
    assert said[0] == said[1]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import a_module_that_is_not_there", "ModuleNotFoundError: No module named 'a_module_that_is_not_there'"),
        ("def broken(:\n    pass", "SyntaxError: "),
        ("raise RuntimeError('no licence')", "RuntimeError: no licence"),
    ],
)
def test_a_plugin_that_does_not_import_stops_the_program_named_with_its_version(
    install: Install, source: str, reason: str
) -> None:
    install("latcal-cellar", source, version="2.3")
    with pytest.raises(PluginError, match=r"^latcal-cellar 2\.3: entry point 'store' does not import: ") as caught:
        load_plugins(without=["latcal"])
    assert reason in str(caught.value)
    assert "run with --without latcal-cellar:store" in str(caught.value)


def test_a_broken_plugin_that_is_left_out_is_not_imported(install: Install) -> None:
    install("latcal-cellar", "raise RuntimeError('no licence')")
    assert "memory" in load_plugins(without=["latcal-cellar"]).names("store")


def test_options_without_help_stop_the_program_named_with_the_version(install: Install) -> None:
    source = STORE.format(name="cellar").replace('"""No options."""', "damp: int = 3")
    install("latcal-cellar", source, version="2.3")
    message = "^latcal-cellar 2.3: options of the store 'cellar' have no help text: damp$"
    with pytest.raises(PluginError, match=message):
        load_plugins(without=["latcal"])


def test_a_declaration_of_the_wrong_class_stops_the_program(install: Install) -> None:
    install("latcal-cellar", STORE.format(name="cellar").replace("latcal_stores", "latcal_cameras"))
    with pytest.raises(PluginError, match=r"^latcal-cellar 1\.0: .* as a camera, which is not a CameraType$"):
        load_plugins(without=["latcal"])
