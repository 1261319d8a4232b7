"""Recipes to printed plans: compared with the files beside, letter by letter."""

from __future__ import annotations

from pathlib import Path

import pytest

import latcal
from latcal.cli.plan import plan_lines

PLANS = Path(__file__).parent / "plans"


@pytest.mark.parametrize("path", sorted(PLANS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_recipe_is_planned_and_printed_as_it_is_here(path: Path) -> None:
    registry = latcal.load_plugins()
    recipe = latcal.read(path.read_text(encoding="utf-8"), path.name, registry)
    text = "".join(f"{line}\n" for line in plan_lines(latcal.plan(recipe, registry), registry))
    assert text == path.with_suffix(".txt").read_text(encoding="utf-8")
