"""The night that tests share: the plugin's own recipe, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import latcal
from attrs import frozen
from latcal.plugin import Certification

COLLECTION = "LATISS/calib/daily/calib.1"
SETTINGS = (
    "instrument=bench", "store.instrument=LATISS", "store.user=ann", "executor={use: serial}", "config.filter=r",
)  # fmt: skip
"""What differs from the recipe: the small sensor and its filter. Its dates and all else are the recipe's,
the numbers of frames too: of fewer the rules refuse something."""


@frozen
class Night:
    """What came of it.

    Parameters
    ----------
    folder : Path
        With the repository ``repo``.
    certified : mapping of str to Certification
        By kind.
    flats : sequence of int
        Ids of the flats that were judged.
    """

    folder: Path
    output: str
    code: int
    certified: Mapping[str, Certification]
    flats: Sequence[int]

    @property
    def repo(self) -> str:
        return str(self.folder / "repo")

    @property
    def run(self) -> str:
        return self.certified["bias"].ref.run


def run_night(folder: Path) -> Night:
    """Run it; what it prints is read by tests."""
    done = command("latcal", "recipe", "butler_daily", *(word for one in SETTINGS for word in ("--set", one)), cwd=folder)
    output = done.stdout + done.stderr
    assert done.returncode in (0, 1), output
    with latcal.open_store("butler", latcal.load_plugins(), repo=str(folder / "repo")) as store:
        certified = {one.ref.kind: one for one in store.list()}
        verdict = json.loads(store.read_report(certified["bias"].ref.run, "2_make_flat_verdict.json"))
    return Night(folder, output, done.returncode, certified, verdict["exposures"])


def command(program: str, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of the programs that are installed with this Python, as a user does."""
    whole = [str(Path(sys.executable).with_name(program)), *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(whole, cwd=cwd, capture_output=True, text=True, check=False, timeout=580, env=environment)


def python(script: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a script with this Python, in a process of its own."""
    return subprocess.run(
        [sys.executable, str(script), *words], capture_output=True, text=True, check=False, timeout=300
    )

