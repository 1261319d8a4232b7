"""Slips that observers make: one line each, at the place of the slip, with what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.errors import RecipeError
from latcal.plugin.registry import Registry, load_plugins

SLIPS = sorted((Path(__file__).parent / "slips").glob("*.yaml"))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins()


def test_there_are_at_least_twenty_five_slips() -> None:
    assert len(SLIPS) >= 25


@pytest.mark.parametrize("slip", SLIPS, ids=lambda slip: slip.stem)
def test_a_slip_gives_one_line_at_its_place_with_what_to_write(slip: Path, registry: Registry) -> None:
    expected = slip.with_suffix(".txt").read_text(encoding="utf-8").rstrip("\n")
    text = slip.read_text(encoding="utf-8")
    with pytest.raises(RecipeError, match=r"^\w+\.yaml:\d+:\d+: .*\(.+\)$") as caught:
        plan(read(text, slip.name, registry), registry)
    assert str(caught.value) == expected
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
