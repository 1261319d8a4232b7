"""How docs/plugins.md is followed: .ci/run does it word for word, with tests/tutorial.py; here is what it reads of the page."""

from __future__ import annotations

import pytest
import tutorial


def test_the_tutorial_writes_a_whole_distribution_and_uses_it() -> None:
    steps = list(tutorial.steps(tutorial.PAGE.read_text(encoding="utf-8")))
    assert [name for what, name, _ in steps if what == "write"] == [
        "pyproject.toml",
        "latcal_glow.py",
        "glow.yaml",
        "test_latcal_glow.py",
    ]
    commands = [name for what, name, _ in steps if what == "run"]
    assert "pip install -q -e ." in commands
    assert commands[-1] == "pytest -q"


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
