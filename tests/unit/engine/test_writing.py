"""Writing a recipe: YAML that reads back the same, and that a person can read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from latcal.engine.reading import read, recipe_schema
from latcal.engine.writing import to_yaml, write
from latcal.formats.located import compose
from latcal.plugin.registry import Registry, load_plugins
from latcal.testing import strangers

TEXT = """\
latcal: 1
title: no
instrument: eye
camera: {use: webcam, port: 1, delay: 500 ms}
store: {use: cupboard}
report: [{use: bell}]
sequences:
  skies: {image: sky, exposures: [5 x 5 s, 2 x 30000 adu], discard: 1, filter: '010'}
stages:
  - {make: sky, frames: [skies], options: {pause: 5 ms}, verify: {drop: [mean]}}
  - {measure: cloud, frames: [skies], rules: {steady: {rule: ratio <= 1.1, advisory: true}}}
certify: {into: calib/sky, begin: 2022-11-04T18:30:00, end: open}
"""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins(without=["latcal"], extra=[strangers])


def test_what_is_written_reads_back_the_same(registry: Registry) -> None:
    recipe = read(TEXT, "sky.yaml", registry)
    assert read(write(recipe, registry), "sky.yaml", registry) == recipe


def test_writing_twice_gives_the_same_text(registry: Registry) -> None:
    once = write(read(TEXT, "sky.yaml", registry), registry)
    assert write(read(once, "sky.yaml", registry), registry) == once


def test_options_that_have_their_defaults_are_left_out(registry: Registry) -> None:
    written = compose(write(read(TEXT, "sky.yaml", registry), registry), "").value
    assert written["store"] == {"use": "cupboard"}
    assert written["camera"] == {"use": "webcam", "port": 1, "delay": "500 ms"}
    assert "accept" not in written


def test_the_default_rules_of_every_type_used_are_listed_in_comments(registry: Registry) -> None:
    lines = write(read(TEXT, "sky.yaml", registry), registry).splitlines()
    assert "#   noise: noise <= 10 electron" in lines
    assert "# default rules of cloud, replaced or dropped by name:" in lines


def test_a_procedure_is_written_as_the_recipe_that_it_stands_for(registry: Registry) -> None:
    recipe = read("latcal: 1\nprocedure: weekly\nconfig: {n_sky: 3}\n", "night.yaml", registry)
    text = write(recipe, registry)
    assert "procedure" not in text
    assert read(text, "night.yaml", registry) == recipe


@pytest.mark.parametrize(
    "text",
    [
        *("no", "yes", "on", "null", "~", "", "010", "1e5", "0x10", "1_000", "12:30", "2022-11-04", "5 s", "a: b"),
        *("a #b", "- a", "a=b", "[a]", "{a}", "&a", "*a", "!a", "'", '"', "a\nb", "a\tb", " a", "a ", "\x07", "é"),
        "\u2028",
    ],
)
def test_text_that_looks_like_something_else_is_quoted(text: str) -> None:
    assert compose(to_yaml({"a": text, text: [text]}), "").value == {"a": text, text: [text]}


@pytest.mark.parametrize("number", [0, -1, 10**17, 0.5, 1e-7, 1e300, -0.0, 5.0])
def test_numbers_keep_their_type_and_value(number: float) -> None:
    assert repr(compose(to_yaml({"a": number}), "").value["a"]) == repr(number)


def test_one_value_in_two_places_is_written_twice() -> None:
    shared = {"a": [1]}
    assert compose(to_yaml({"one": shared, "two": shared}), "").value == {"one": shared, "two": shared}


def test_what_is_not_plain_is_refused() -> None:
    with pytest.raises(TypeError, match="is not plain"):
        to_yaml({"a": object()})


@pytest.fixture(scope="module")
def schema(registry: Registry) -> dict[str, Any]:
    return recipe_schema(registry)


@pytest.fixture(scope="module")
def validate(schema: dict[str, Any]) -> Callable[[object], None]:
    """Do what `jsonschema.validate` does, without looking at the schema each time: that is a test of its own."""
    validator = jsonschema.Draft202012Validator(schema)

    def fits(value: object) -> None:
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
        if error is not None:
            raise error

    return fits


def test_the_schema_is_one(schema: dict[str, Any]) -> None:
    assert jsonschema.validators.validator_for(schema, default=None) is jsonschema.Draft202012Validator
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("text", [TEXT, "latcal: 1\nprocedure: weekly\nconfig: {n_sky: 3}\n"])
def test_a_recipe_fits_its_schema(text: str, validate: Callable[[object], None]) -> None:
    validate(compose(text, "").value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("title: no", "tittle: no", "is not valid under any"),
        ("latcal: 1", "latcal: 2", "is not valid under any"),
        ("instrument: eye\n", "", "is not valid under any"),
        ("use: webcam", "use: webcm", "'webcam' was expected"),
        ("port: 1", "prot: 1", "is not valid under any"),
        ("port: 1", "port: '1'", "'1' is not of type 'integer'"),
        ("delay: 500 ms", "delay: 500", "500 is not of type 'string'"),
        ("discard: 1", "discard: no", "'no' does not match"),
        ("make: sky", "make: skyy", "is not valid under any"),
        ("make: sky", "make: sky, check: sky", "is not valid under any"),
        ("make: sky", "check: sky", "is not valid under any"),
        ("frames: [skies], options", "frames: skies, options", "is not valid under any"),
        ("pause: 5 ms", "puase: 5 ms", "is not valid under any"),
        ("begin: 2022-11-04T18:30:00", "begin: 04-11-2022", "'04-11-2022' does not match"),
        ("end: open", "end: open, occupied: maybe", "'maybe' is not one of .'refuse', 'keep'."),
        ("into: calib/sky", "into: calib sky", "'calib sky' does not match"),
        ("[5 x 5 s, 2 x 30000 adu]", "[5, 2]", "5 is not of type 'string'"),
        ("rule: ratio <= 1.1", "rul: ratio <= 1.1", "is not valid under any"),
    ],
)
def test_a_slip_does_not_fit_the_schema(old: str, new: str, message: str, validate: Callable[[object], None]) -> None:
    assert old in TEXT
    with pytest.raises(jsonschema.ValidationError, match=message):
        validate(compose(TEXT.replace(old, new), "").value)


def test_the_schema_shows_every_default_rule_with_its_limit(schema: dict[str, Any]) -> None:
    rules = schema["oneOf"][0]["properties"]["rules"]["properties"]["sky"]["properties"]
    assert rules["noise"]["default"] == "noise <= 10 electron"
    assert rules["noise"]["description"] == "The scatter is small. Default: noise <= 10 electron"
    assert set(rules) == {"noise", "mean"}


def test_the_schema_shows_every_option_with_its_help_unit_and_default(schema: dict[str, Any]) -> None:
    (camera,) = schema["oneOf"][0]["properties"]["camera"]["oneOf"]
    assert camera["properties"]["delay"]["x-unit"] == "s"
    assert camera["properties"]["delay"]["description"] == "Before each exposure."
    assert camera["required"] == ["use", "port"]
