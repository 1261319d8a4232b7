"""latcal inside somebody else's program: what the docs show runs there, and leaves everything of it alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOST = Path(__file__).with_name("host.py")
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FIRST = "Run a recipe and read the verdict"


def sections() -> dict[str, str]:
    """Give the programs of each section of docs/embedding.md, as one."""
    _, *parts = re.split(r"^## (.+)\n", (ROOT / "docs" / "embedding.md").read_text("utf-8"), flags=re.MULTILINE)
    return {title: "\n".join(FENCE.findall(text)) for title, text in zip(parts[::2], parts[1::2], strict=True)}


SECTIONS = sections()
(BEGIN, *_) = FENCE.findall((ROOT / "docs" / "embedding.md").read_text("utf-8"))


def program(title: str) -> str:
    """Give a section's programs behind what they begin with: registry and plan of the first."""
    source = SECTIONS[title]
    alone = title == FIRST or not re.search(r"\b(plan|text|registry)\b", source.replace("load_plugins", ""))
    return source if alone else BEGIN.replace("report = latcal.run(plan, registry)\n", "") + source


def test_every_section_has_a_program() -> None:
    assert len(SECTIONS) >= 9
    assert all(SECTIONS.values())


@pytest.mark.parametrize("title", SECTIONS)
def test_an_example_runs_in_another_program_and_leaves_it_as_it_was(title: str, tmp_path: Path) -> None:
    examples = tmp_path / "examples.json"
    examples.write_text(json.dumps([program(title)]), encoding="utf-8")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, str(HOST), str(examples)],
        capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(scratch), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    beside, within = json.loads(done.stdout)
    for report in (beside, within):
        assert report["changed"] == []
        assert report["printed"] == ""
        assert report["tasks"] == []
        assert report["handlers"] == []
        assert report["exception handler"]
        assert not any(report["left"].values()), report["left"]
    # ticks come every 20 ms; half a second is time enough for what holds the interpreter's lock
    assert beside["longest silence"] < 0.5
