"""The plugins that pages of the documentation show: their files, their entry points, their modules."""

from __future__ import annotations

import importlib
import logging
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import ModuleType
from unittest import mock

import pytest
from click.testing import CliRunner
from tutorial import steps

from latcal.cli import main

DOCS = Path(__file__).parents[1] / "docs"
KINDS = (
    "calibration-types.md",
    "cameras.md",
    "stores.md",
    "executors.md",
    "reporters.md",
    "procedures.md",
    "instruments.md",
)
"""The page of each kind of plugin."""

_TOML = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def files(page: Path) -> dict[str, str]:
    """Give the files that a page writes, by their paths in the folder where its reader begins."""
    written, here = {}, PurePosixPath()
    for what, name, text in steps(text_of(page)):
        if what == "write":
            written[str(here / name)] = text
        elif name.startswith("cd "):
            here = here.parent if name == "cd .." else here / name.removeprefix("cd ")
    return written


def entry_points(page: Path) -> dict[str, str]:
    """Give the entry points that a page declares: names, and the modules that they name."""
    found: dict[str, str] = {}
    for text in _TOML.findall(text_of(page)):
        found |= tomllib.loads(text)["project"].get("entry-points", {}).get("latcal", {})
    return found


def distribution(page: Path) -> str:
    """Give the name of the distribution that a page would make."""
    return next(iter(entry_points(page).values())).replace("_", "-")


def write(page: Path, folder: Path, changed: tuple[str, str] = ("", "")) -> None:
    """Write the files of a page, one text in its modules changed for another."""
    old, new = changed
    for name, text in files(page).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(old, new) if old else text, encoding="utf-8")


def install(page: Path, folder: Path) -> None:
    """Make the plugins of a page installed, for whoever has the folder on the path."""
    know(distribution(page), entry_points(page), folder)


def know(name: str, points: Mapping[str, str], folder: Path) -> None:
    """Write what pip writes of a distribution, beside its modules."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    lines = [f"{entry} = {module}" for entry, module in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[latcal]", *lines, ""]))


@contextmanager
def forgotten(page: Path) -> Iterator[None]:
    """Forget the modules of a page when they are no longer wanted: another folder has others of the same names."""
    ours = {PurePosixPath(name).parts[0].removesuffix(".py") for name in files(page) if name.endswith(".py")}
    try:
        yield
    finally:
        for name in ours & sys.modules.keys():
            del sys.modules[name]


@contextmanager
def plugins(page: Path, folder: Path) -> Iterator[list[ModuleType]]:
    """Write a page's files into a folder, and give the modules of its plugins for a while; none if it shows none."""
    write(page, folder)
    places = [str(place) for place in (folder, *folder.iterdir()) if place.is_dir()]
    with forgotten(page), mock.patch.object(sys, "path", [*places, *sys.path]):
        yield [importlib.import_module(module) for module in entry_points(page).values()]


def go_to(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder the working directory, and first on the path, of other processes too."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def run(command: str, folder: Path) -> str:
    """Run a command of a page: latcal in this process, which is quick, all else as a reader does."""
    if command.startswith("latcal ") and "|" not in command:
        with mock.patch.object(logging.getLogger(), "handlers", []):  # as in a program that no test listens to
            return CliRunner().invoke(main, shlex.split(command)[1:], catch_exceptions=False).output
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}"
    return done.stdout


def table(page: str, heading: str, number: int = 0) -> list[list[str]]:
    """Give the rows of a table behind a heading, or before the first one, cell by cell."""
    text = text_of(DOCS / page)
    section = (text.split(f"\n## {heading}\n", 1)[1] if heading else text).split("\n## ", 1)[0]
    found = re.findall(r"^\| --- .*\n((?:\|.*\n)+)", section, re.MULTILINE)[number]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in found.splitlines()]


def quoted(cells: list[str]) -> list[str]:
    """Give all that stands in backticks in cells."""
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]
