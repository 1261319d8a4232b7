"""The page of each kind of plugin is true: its files are written, its recipes and tests run, its tables compared."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

import attrs
import pages
import pytest
import tutorial

from latcal import plugin
from latcal.formats.instruments import InstrumentFile, SensorUse
from latcal.formats.located import compose
from latcal.formats.sensors import AmplifierRow, Sensor
from latcal.formats.structure import structure
from latcal.model.events import EVENTS
from latcal.plugin import (
    Gate,
    carrying,
    combining,
    contracts,
    declarations,
    judging,
    lookup,
    ordered,
    protocols,
    wording,
)

EVERY_PAGE = pytest.mark.parametrize("page", [pytest.param(pages.DOCS / name, id=name) for name in pages.KINDS])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    pages.go_to(tmp_path, monkeypatch)
    return tmp_path


# -- what is written, run and printed


@EVERY_PAGE
def test_a_page_followed_word_for_word_gives_what_it_tells(page: Path, here: Path) -> None:
    pages.install(page, here)
    told = PYTEST.sub("", pages.text_of(page))  # the tests of all pages are run together, below
    with pages.forgotten(page):
        wrong = tutorial.follow(told, here, pages.run)
    assert not wrong, "\n".join(wrong)


@pytest.mark.skipif(
    not os.environ.get("LATCAL_EVERY_TEST"), reason="two minutes of a processor: by hand, with LATCAL_EVERY_TEST=1"
)
@pytest.mark.parametrize("names", [("stores.md",), tuple(name for name in pages.KINDS if name != "stores.md")], ids=len)
def test_the_tests_of_the_pages_pass_and_skip_what_the_pages_tell(names: tuple[str, ...], here: Path) -> None:
    """Plugins of several pages are installed side by side: what starts up once for all is quicker."""
    for name in names:
        pages.write(pages.DOCS / name, here)
        pages.install(pages.DOCS / name, here)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junitxml=found.xml"],
        cwd=here, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "warning" not in done.stdout.splitlines()[-1]
    for name in names:
        (told,) = PYTEST.findall(pages.text_of(pages.DOCS / name))
        (module,) = (path.removesuffix(".py") for path in pages.files(pages.DOCS / name) if path.startswith("test_"))
        assert tutorial.agrees(outcome(here / "found.xml", module), told), name


PYTEST = re.compile(r"^```console\n\$ pytest -q\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


def outcome(path: Path, module: str) -> str:
    """Say of the tests of one module what pytest would say if it had run them alone."""
    cases = [case for case in ET.parse(path).iter("testcase") if case.get("classname", "").split(".")[0] == module]
    skipped = sum(case.find("skipped") is not None for case in cases)
    assert len(cases) > skipped
    return f".\n{len(cases) - skipped} passed{f', {skipped} skipped' if skipped else ''} in 1.00s\n"


@EVERY_PAGE
def test_a_page_runs_its_recipes_and_its_tests(page: Path) -> None:
    written = pages.files(page)
    commands = " ; ".join(name for what, name, _ in tutorial.steps(pages.text_of(page)) if what == "run")
    recipes = [name for name, text in written.items() if text.startswith("latcal: 1")]
    tests = [name for name in written if name.startswith("test_")]
    assert recipes
    assert len(tests) == 1
    assert all(f"latcal recipe {name}" in commands for name in recipes)
    assert "pytest -q" in commands


@EVERY_PAGE
def test_a_whole_plugin_is_less_than_a_hundred_lines(page: Path) -> None:
    modules = [name for name in pages.files(page) if name.endswith(".py") and not name.startswith("test_")]
    assert modules
    assert all(len(pages.files(page)[name].splitlines()) < 100 for name in modules)


def test_the_pages_are_those_that_the_tutorial_links_to() -> None:
    text = pages.text_of(tutorial.PAGE)
    linked = re.findall(r"^\| [^|]* \| \[[^]]*\]\(([\w-]+\.md)\) \| `latcal_", text, re.MULTILINE)
    assert sorted(linked) == sorted(pages.KINDS)


# -- what the tables tell


def fields(cls: type) -> list[str]:
    return sorted(field.name for field in attrs.fields(cls))


def members(protocol: type) -> list[str]:
    """Give what a protocol asks for: attributes and methods, how it is entered among them."""
    methods = {name for name, value in vars(protocol).items() if callable(value)}
    return sorted(name for name in methods | protocol.__annotations__.keys() if name[0] != "_" or name in ENTERED)


ENTERED = ("__enter__", "__exit__")


def shared(module: ModuleType) -> list[str]:
    """Give what a module defines for others to use: functions, classes and constants."""
    found = set()
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return sorted(name for name in found if not name.startswith("_"))


CALLED = "What is called when"
TABLES = (
    ("calibration-types.md", "What it declares", 0, fields(declarations.CalibrationType)),
    ("calibration-types.md", "How it is judged", 0, sorted(scope.name for scope in plugin.Scope)),
    ("calibration-types.md", "What is there to use", 0, shared(combining)),
    ("calibration-types.md", "What is there to use", 1, shared(judging)),
    ("cameras.md", "", 0, fields(declarations.CameraType)),
    ("cameras.md", "", 1, fields(protocols.CameraDescription)),
    ("cameras.md", "The world", 0, fields(protocols.World)),
    ("cameras.md", CALLED, 0, members(protocols.Camera)),
    ("cameras.md", CALLED, 1, members(protocols.CameraExtras)),
    ("cameras.md", CALLED, 2, fields(Gate)),
    ("stores.md", "", 0, fields(declarations.StoreType)),
    ("stores.md", CALLED, 0, members(protocols.Store)),
    ("stores.md", "The laws", 0, shared(lookup)),
    ("executors.md", "", 0, fields(declarations.ExecutorType)),
    ("executors.md", CALLED, 0, members(protocols.Executor)),
    ("executors.md", CALLED, 1, shared(ordered)),
    ("executors.md", CALLED, 2, shared(carrying)),
    ("reporters.md", "", 0, fields(declarations.ReporterType)),
    ("reporters.md", CALLED, 0, members(protocols.Reporter)),
    ("reporters.md", CALLED, 1, sorted(event.__name__ for event in EVENTS)),
    ("reporters.md", CALLED, 2, sorted(wording.__all__)),
    ("procedures.md", "", 0, fields(declarations.ProcedureType)),
    ("instruments.md", "", 0, fields(declarations.InstrumentType)),
    ("instruments.md", "The file", 0, fields(InstrumentFile)),
    ("instruments.md", "The file", 1, fields(Sensor)),
    ("instruments.md", "The file", 2, fields(AmplifierRow)),
    ("instruments.md", "The file", 3, fields(SensorUse)),
)


@pytest.mark.parametrize(("page", "heading", "number", "there"), TABLES)
def test_a_table_names_all_that_there_is_and_nothing_else(
    page: str, heading: str, number: int, there: list[str]
) -> None:
    assert sorted(pages.quoted([row[0] for row in pages.table(page, heading, number)])) == there


@pytest.mark.parametrize(
    ("page", "heading", "number"), [("calibration-types.md", "What it declares", 1), ("reporters.md", CALLED, 1)]
)
def test_a_table_of_classes_names_their_fields_in_order(page: str, heading: str, number: int) -> None:
    for row in pages.table(page, heading, number):
        (name,) = pages.quoted(row[:1])
        assert pages.quoted(row[-1:]) == [field.name for field in attrs.fields(getattr(plugin, name))], name


@pytest.mark.parametrize(
    ("page", "protocol"),
    [("cameras.md", protocols.Camera), ("stores.md", protocols.Store), ("executors.md", protocols.Executor)],
)
def test_a_table_of_methods_tells_what_each_is_given(page: str, protocol: type) -> None:
    for row in pages.table(page, CALLED):
        methods = [getattr(protocol, name, None) for name in pages.quoted(row[:1]) if name not in ENTERED]
        given = [", ".join(arguments(method)) for method in methods if callable(method)]
        told = [word.strip("()") for word in pages.quoted(row[1:2]) if word.startswith("(")]
        assert told == [one for one in given if one], row[0]


def arguments(method: Callable[..., Any]) -> list[str]:
    parameters = list(inspect.signature(method).parameters.values())[1:]
    words = [parameter.name for parameter in parameters]
    apart = next((place for place, one in enumerate(parameters) if one.kind is one.KEYWORD_ONLY), None)
    return words if apart is None else [*words[:apart], "*", *words[apart:]]


def test_a_table_of_functions_tells_what_each_is_given() -> None:
    for page, kind, heading in (
        ("calibration-types.md", "calibration", "What it declares"),
        ("cameras.md", "camera", ""),
        ("stores.md", "store", ""),
        ("executors.md", "executor", ""),
        ("reporters.md", "reporter", ""),
        ("procedures.md", "procedure", ""),
        ("instruments.md", "instrument", ""),
    ):
        for row in pages.table(page, heading):
            (name, *_), told = pages.quoted(row[:1]), [word for word in pages.quoted(row[1:2]) if word.startswith("(")]
            if told:
                assert told[0] == f"({', '.join(contracts.FUNCTIONS[kind][name].arguments)})", (page, name)


@pytest.mark.parametrize("row", pages.table("procedures.md", "Keys"), ids=lambda row: row[0])
def test_a_key_of_a_type_may_be_written_as_it_is_told_and_not_otherwise(row: list[str]) -> None:
    kind, right, wrong = (word.replace("\\|", "|") for word in pages.quoted(row))
    names = {"Literal": Literal, "Path": Path, "date": date, "Mapping": Mapping}
    body = {"__annotations__": {"key": eval(kind, names)}, "key": plugin.option(help="A key.")}
    made = attrs.frozen(type("One", (), body))
    assert structure(compose(f"key: {right}", "page.yaml"), made).key is not None
    with pytest.raises(plugin.RecipeError, match=r"^page\.yaml:1:\d+: key"):
        structure(compose(f"key: {wrong}", "page.yaml"), made)
