"""docs/plugins.md is true: its files are written and its commands run, in the environment that these tests run in."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import tutorial


def install(folder: Path) -> None:
    """Make a distribution known as an editable install does, without asking a registry for its build backend."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["latcal"].items())
    (info / "entry_points.txt").write_text(f"[latcal]\n{points}")


def run(command: str, folder: Path) -> str:
    """Run a command in the environment of these tests."""
    if command.startswith(("python3 -m venv", ". .venv", "pip install")):
        if command.endswith("-e ."):
            install(folder)
        return ""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        env={**os.environ, "PATH": path, "PYTHONPATH": str(folder)},
    )  # fmt: skip
    return done.stdout


def test_following_the_tutorial_word_for_word_gives_what_it_tells(tmp_path: Path) -> None:
    steps = list(tutorial.steps(tutorial.PAGE.read_text(encoding="utf-8")))
    assert [name for what, name, _ in steps if what == "write"] == [
        "pyproject.toml", "latcal_glow.py", "glow.yaml", "test_latcal_glow.py"
    ]
    assert tutorial.follow(tutorial.PAGE.read_text(encoding="utf-8"), tmp_path, run) == []


@pytest.mark.parametrize(
    ("printed", "told", "true"),
    [
        ("a\nb\nc\n", "a\n...\nc\n", True),
        ("a   b\n", "a b\n", True),
        ("a\nc\n", "a\nb\n", False),
        ("one [2] *\n", "one [2] *\n", True),
        ("one 2 x\n", "one [2] *\n", False),
        ("all done: exit 0, after 2 s\n", "all done: exit 0, ...\n", True),
        ("all done: exit 1, after 2 s\n", "all done: exit 0, ...\n", False),
    ],
)
def test_what_is_told_is_compared_with_what_is_printed(printed: str, told: str, true: bool) -> None:
    assert tutorial.agrees(printed, told) is true
