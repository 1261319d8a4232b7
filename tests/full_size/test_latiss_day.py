"""The LATISS day of README's first command, run by hand: what it ends with, and what it takes.

``python -m pytest -n 0 -s tests/full_size`` prints times, memory and disk; the figures stand in docs/physics.md.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"


MEMORY_GB, KEPT_GB = 2.0, 3.0
"""What the day may take: the peak of any process, and what is on the disk at its end."""


def latcal(folder: Path, *recipes: str) -> tuple[int, str]:
    """Run recipes as an operator does; print what they take, and see that it is not too much."""
    command = [sys.executable, "-c", "from latcal.cli import main; main()", "recipe", *(str(RECIPES / one) for one in recipes)]
    peak, over = [0], threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            peak[0] = max(peak[0], size(folder))

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=_environment(folder))
    took = time.monotonic() - began
    over.set()
    watcher.join()
    most = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e6
    kept = size(folder / "store") / 1e9
    print(f"{' '.join(recipes)}: exit {done.returncode}, {took:.0f} s, {most:.2f} GB of memory at most in one process,")
    print(f"{kept:.2f} GB kept, {peak[0] / 1e9:.2f} GB at the most with scratch files")
    print(done.stdout)
    assert most < MEMORY_GB
    return done.returncode, done.stdout + done.stderr


def size(folder: Path) -> int:
    """Give what the files of a folder take [byte]; some may be gone meanwhile."""
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(OSError):
            total += path.stat().st_size if path.is_file() else 0
    return total


def _environment(folder: Path) -> dict[str, str]:
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    return {**os.environ, "TMPDIR": str(scratch)}


@pytest.fixture(scope="module")
def days(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[int, str]]:
    """Run README's first command, and the same again."""
    folder = tmp_path_factory.mktemp("day")
    first = latcal(folder, "reference.yaml", "daily.yaml")
    assert size(folder / "store") < KEPT_GB * 1e9
    return [first, latcal(folder, "reference.yaml", "daily.yaml")]


def test_the_day_ends_with_three_accepted_checks(days: list[tuple[int, str]]) -> None:
    code, text = days[0]
    assert code == 0
    checks = text[text.index("Daily check of LATISS") :]
    for kind in ("bias", "dark", "flat"):
        assert f"{kind} accepted: " in checks


def test_the_same_again_keeps_the_reference_and_checks(days: list[tuple[int, str]]) -> None:
    code, text = days[1]
    assert code == 0
    for kind in ("bias", "dark", "flat"):
        assert f"{kind} kept: already certified into LATISS/calib" in text
        assert f"{kind} accepted: " in text


def test_three_biases_are_refused_as_on_the_page(tmp_path: Path) -> None:
    code, text = latcal(tmp_path, "three_biases.yaml")
    assert code == 1
    assert text.count("\tNOISE: 16\n") == 3
    numbers = [line.rsplit(" ", 1)[-1] for line in text.splitlines() if line.startswith("\t") and line[-1].isdigit()]
    assert numbers[-5:] == ["8", "1", "8", "3", "3"]
    assert "dark skipped: bias was refused" in text
    assert "certified bias" not in text
