"""latcal inside somebody else's program: what the docs show runs there, and leaves everything of it alone."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from corner import CORNER

ROOT = Path(__file__).parents[2]
HOST = Path(__file__).with_name("host.py")
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FIRST = "Run a recipe and read the verdict"


def sections() -> dict[str, str]:
    """Give the programs of each section of docs/embedding.md, as one."""
    _, *parts = re.split(r"^## (.+)\n", (ROOT / "docs" / "embedding.md").read_text("utf-8"), flags=re.MULTILINE)
    return {title: "\n".join(FENCE.findall(text)) for title, text in zip(parts[::2], parts[1::2], strict=True)}


SECTIONS = sections()
HALVES = (tuple(SECTIONS)[::2], tuple(SECTIONS)[1::2])
(BEGIN, *_) = FENCE.findall((ROOT / "docs" / "embedding.md").read_text("utf-8"))


def program(title: str) -> str:
    """Give a section's programs behind what they begin with, registry and plan of the first; on the corner of the bench."""
    source = SECTIONS[title]
    alone = title == FIRST or not re.search(r"\b(plan|text|registry)\b", source.replace("load_plugins", ""))
    whole = source if alone else BEGIN.replace("report = latcal.run(plan, registry)\n", "") + source
    return whole.replace("instrument: bench\n", f"instrument: {CORNER}\n")


def test_every_section_has_a_program() -> None:
    assert len(SECTIONS) >= 9
    assert all(SECTIONS.values())


@pytest.mark.parametrize("titles", HALVES, ids=["one half", "the other half"])
def test_the_examples_run_in_another_program_and_leave_it_as_it_was(titles: tuple[str, ...], tmp_path: Path) -> None:
    """One program runs several, one after the other: what each leaves is seen against what was there before it."""
    examples = tmp_path / "examples.json"
    examples.write_text(json.dumps([program(title) for title in titles]), encoding="utf-8")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    done = subprocess.run(
        [sys.executable, str(HOST), str(examples)],
        capture_output=True, text=True, check=False, timeout=600, cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(scratch), "HOME": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    reports = json.loads(done.stdout)
    assert len(reports) == 2 * len(titles)
    for place, report in enumerate(reports):  # beside the loop and within it
        example = f"{titles[place // 2]}: {report}"
        assert report["beside"] is (place % 2 == 0)
        assert report["changed"] == [], example
        assert report["printed"] == "", example
        assert report["tasks"] == [], example
        assert report["handlers"] == [], example
        assert report["exception handler"], example
        assert not any(report["left"].values()), example
        # ticks come every 20 ms; half a second of a processor is enough for what holds the interpreter's lock
        assert not report["beside"] or report["longest silence"] < 0.5, example
