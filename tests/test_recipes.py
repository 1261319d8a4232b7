"""Every recipe that comes with latcal is planned, fits its schema, and reads back as it is written."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import jsonschema
import pytest

from latcal.engine.planning import plan
from latcal.engine.reading import read, recipe_schema
from latcal.engine.writing import write
from latcal.formats.located import compose
from latcal.plugin.registry import Registry, load_plugins

FOLDER = Path(__file__).parents[1] / "recipes"
RECIPES = sorted(FOLDER.rglob("*.yaml"))
SETTING = re.compile(r"--set (\S*'[^']*'|\S+)")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins()


def first_comment(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(line for line in lines[: next(n for n, line in enumerate(lines) if line[:1] != "#")])


def settings_of(comment: str) -> tuple[str, ...]:
    """Give what the first comment says to write behind ``--set``."""
    return tuple(shlex.split(word)[0] for word in SETTING.findall(comment))


def test_there_are_recipes() -> None:
    assert {path.stem for path in RECIPES} >= {"quickstart", "reference", "daily", "three_biases", "real_efosc2"}


@pytest.fixture(scope="module")
def validator(registry: Registry) -> jsonschema.Draft202012Validator:
    schema = recipe_schema(registry)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.relative_to(FOLDER).with_suffix("").as_posix())
class TestRecipe:
    def test_is_planned_as_it_is(self, path: Path, registry: Registry) -> None:
        planned = plan(read(path.read_text(encoding="utf-8"), path.name, registry, folder=str(FOLDER)), registry)
        assert planned.steps

    def test_is_planned_with_what_its_first_comment_sets(self, path: Path, registry: Registry) -> None:
        text = path.read_text(encoding="utf-8")
        settings = settings_of(first_comment(text))
        assert settings or "no --set" in first_comment(text)
        recipe = read(text, path.name, registry, settings=settings, folder=str(FOLDER))
        assert plan(recipe, registry).recipe.settings == settings

    def test_fits_the_schema(self, path: Path, validator: jsonschema.Draft202012Validator) -> None:
        validator.validate(compose(path.read_text(encoding="utf-8"), path.name).value)

    def test_reads_back_as_it_is_written(self, path: Path, registry: Registry) -> None:
        recipe = read(path.read_text(encoding="utf-8"), path.name, registry)
        assert read(write(recipe, registry), path.name, registry) == recipe
