"""docs/latiss.md cannot lie: its examples are followed, its tables are those of the code, its slips give their messages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pages
import pytest
import tutorial

from latcal.builtin.procedures.latiss.options import LatissOptions
from latcal.builtin.procedures.latiss.pipelines import TASKS
from latcal.engine.reading import read
from latcal.errors import RecipeError
from latcal.formats.plain import unstructure
from latcal.formats.scalars import as_written
from latcal.formats.schema import json_schema
from latcal.plugin.registry import Registry

PAGE = "latiss.md"


def test_the_page_can_be_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages.go_to(tmp_path, monkeypatch)
    wrong = tutorial.follow(pages.text_of(pages.DOCS / PAGE), tmp_path, pages.run)
    assert wrong == []


def written(default: object) -> str:
    plain = unstructure(default)
    if isinstance(plain, list):
        return f"[{', '.join(map(str, plain))}]"
    return "''" if plain == "" else as_written(plain)


def test_the_table_has_every_key_in_order_with_its_default() -> None:
    rows = pages.table(PAGE, "Key by key")
    told = [tuple(pages.quoted(row[:2])) for row in rows]
    assert told == [(field.name, written(field.default)) for field in attrs.fields(LatissOptions)]


def told_type(schema: Mapping[str, Any]) -> str:
    """Put a type of the JSON Schema of the options into words."""
    if "anyOf" in schema:
        return " or ".join(map(told_type, schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if schema["type"] == "array":
        return f"list of {told_type(schema['items'])}"
    words = {"integer": "whole number", "boolean": "true or false", "string": schema.get("format", "text")}
    return words.get(schema["type"], schema["type"])


def test_the_table_of_the_options_class_is_that_of_its_schema() -> None:
    properties = json_schema(LatissOptions)["properties"]
    wanted = [[f"`{key}`", told_type(schema), schema["description"]] for key, schema in properties.items()]
    assert pages.table(PAGE, "What they are") == wanted


def test_the_table_of_pipelines_has_every_field() -> None:
    told = {(pipeline, task): fields for pipeline, task, *fields in map(pages.quoted, pages.table(PAGE, "Options of pipelines"))}
    assert told == {(p, task): list(fields) for p, tasks in TASKS.items() for task, fields in tasks.items()}


SLIPS = [row for row in pages.table(PAGE, "Slips of the page") if "latcal find" not in row[0]]


@pytest.mark.parametrize(("slip", "said"), SLIPS)
def test_a_slip_of_the_page_gives_the_message_that_is_told(slip: str, said: str, registry: Registry) -> None:
    (line,) = pages.quoted([slip])
    lines = [line, line] if ":" not in line and "=" not in line else [line]
    body = "".join(f"  {one}{': 2022-11-04' if len(lines) > 1 else ''}\n" for one in lines)
    text = f"latcal: 1\nprocedure: latiss\nconfig:\n  n_bias: 20\n{body}"
    with pytest.raises(RecipeError, match=re.escape(pages.quoted([said])[0])) as caught:
        read(text, "night.yaml", registry)
    assert len(caught.value.problems) == 1


def test_a_name_that_no_product_has_is_refused_with_those_that_there_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pages.go_to(tmp_path, monkeypatch)
    (row,) = [row for row in pages.table(PAGE, "Slips of the page") if "latcal find" in row[0]]
    (command,), (said,) = pages.quoted(row[:1]), pages.quoted(row[1:])
    assert said in pages.run(f"{command} --exposure 2022110400001", tmp_path)
