from __future__ import annotations

import enum
import pathlib
from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

import jsonschema
import pytest
from attrs import frozen

from latcal.errors import RecipeError
from latcal.formats.located import compose
from latcal.formats.schema import json_schema
from latcal.formats.structure import structure
from latcal.model.options import option

if TYPE_CHECKING:
    from astropy.units import Quantity


class Mode(enum.Enum):
    FAST = "fast"
    SLOW = "slow"


@frozen
class Part:
    name: str


@frozen(kw_only=True)
class Options:
    need: str = option(help="Needed.")
    clip: float = option(5.0, help="Reject beyond.")
    count: int = option(1, help="How many.")
    time: Quantity = option("5 s", unit="s", help="Exposure time.")
    times: tuple[Quantity, ...] = option((), unit="s", help="Exposure times.")
    level: Quantity | None = option(None, unit="adu", help="Level.")
    part: Quantity = option("50 %", unit="", help="A part.")
    mode: Mode = option(Mode.FAST, help="Mode.")
    verb: Literal["make", "check"] = option("make", help="Verb.")
    day: date | None = option(None, help="Day.")
    root: pathlib.Path = option(pathlib.Path("x"), help="Folder.")
    names: frozenset[str] = option(frozenset(), help="Names.")
    pair: tuple[int, float] = option((1, 2.0), help="Two.")
    labels: Mapping[str, str] = option(None, help="Labels.")
    parts: tuple[Part, ...] = option((), help="Parts.")
    anything: Any = option(None, help="Anything.")


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(Options))


def test_only_keys_without_a_default_are_required_and_no_other_is_allowed() -> None:
    schema = json_schema(Options)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["required"] == ["need"]
    assert schema["additionalProperties"] is False


def test_each_key_has_its_help_and_default() -> None:
    properties = json_schema(Options)["properties"]
    assert properties["clip"] == {"type": "number", "description": "Reject beyond.", "default": 5.0}
    assert properties["mode"] == {"enum": ["fast", "slow"], "description": "Mode.", "default": "fast"}
    assert properties["time"]["x-unit"] == "s"
    assert properties["time"]["default"] == "5 s"


@pytest.mark.parametrize(
    "text",
    [
        "need: a",
        "need: 5",
        "{}",
        "{need: a, other: 1}",
        "{need: a, clip: 3, count: 2, mode: slow, verb: check, day: 2022-11-04, root: ./x}",
        "{need: a, count: 2.5}",
        "{need: a, time: 5}",
        "{need: a, time: '5'}",
        "{need: a, time: 0.5 min, times: [1 s, 2s], level: 3e4 adu, part: 5 %}",
        "{need: a, part: 0.5}",
        "{need: a, level: null, day: null}",
        "{need: a, times: 5 s}",
        "{need: a, mode: other}",
        "{need: a, day: 04-11-2022}",
        "{need: a, names: [a, a]}",
        "{need: a, pair: [1]}",
        "{need: a, labels: {a: b}, parts: [{name: x}], anything: [1]}",
        "{need: a, parts: [{}]}",
        "{need: a, labels: {a: 1}}",
    ],
)
def test_schema_and_structure_agree(text: str) -> None:
    tree = compose(text, "f")
    try:
        structure(tree, Options)
        fits = True
    except RecipeError:
        fits = False
    assert jsonschema.Draft202012Validator(json_schema(Options)).is_valid(tree.value) is fits


def test_types_of_ones_own_bring_their_schema() -> None:
    schema = json_schema(Options, schemas={Part: {"type": "string"}})
    assert schema["properties"]["parts"]["items"] == {"type": "string"}
