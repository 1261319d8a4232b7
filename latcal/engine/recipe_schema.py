"""The JSON Schema of a recipe for the plugins installed, so that editors can help."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latcal.engine.shapes import SCHEMAS, WANTED, ProcedureShape, RecipeShape, StageShape
from latcal.formats.schema import json_schema
from latcal.model.recipe import VERBS
from latcal.plugin.declarations import CalibrationType
from latcal.plugin.registry import Registry

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def recipe_schema(registry: Registry) -> dict[str, Any]:
    """Describe a recipe as JSON Schema, draft 2020-12.

    Parameters
    ----------
    registry : Registry
        Every declaration is described: its options, and of a calibration type the default rules with their limits.

    Returns
    -------
    dict
    """
    choices = [_recipe(registry), *(_procedure(registry, name) for name in registry.names("procedure"))]
    return {"$schema": _DRAFT, "title": "latcal recipe", "oneOf": choices}


def _recipe(registry: Registry) -> dict[str, Any]:
    schema = _of_class(RecipeShape)
    properties = schema["properties"]
    for key in ("camera", "store", "executor"):
        properties[key] = _described(properties[key], _choice(registry, key))
    properties["report"] = _described(properties["report"], {"type": "array", "items": _choice(registry, "reporter")})
    kinds = [registry.get("calibration", name) for name in registry.names("calibration")]
    properties["stages"] = _described(
        properties["stages"],
        {"type": "array", "minItems": 1, "items": {"oneOf": [_stage(verb, kind) for kind in kinds for verb in VERBS]}},
    )
    properties["rules"] = _described(
        properties["rules"],
        {
            "type": "object",
            "properties": {kind.name: _rules(kind) for kind in kinds},
            "additionalProperties": False,
        },
    )
    return {**schema, "required": list(WANTED)}


def _choice(registry: Registry, kind: str) -> dict[str, Any]:
    """Describe ``{use: NAME, option: value}``, one choice for each declaration."""
    choices = []
    for name in registry.names(kind):
        declaration = registry.get(kind, name)
        options = _of_class(declaration.options)
        choices.append(
            {
                **options,
                "title": name,
                "description": declaration.summary,
                "properties": {"use": {"const": name}, **options["properties"]},
                "required": ["use", *options["required"]],
            }
        )
    return {"oneOf": choices} if choices else {"not": {}}


def _stage(verb: str, kind: CalibrationType) -> dict[str, Any]:
    schema = _of_class(StageShape)
    others = {key: value for key, value in schema["properties"].items() if key not in VERBS}
    options = _of_class(kind.options)
    own = {
        verb: {"const": kind.name, "description": kind.summary},
        "options": _described(others["options"], options),
        "rules": _described(others["rules"], _rules(kind)),
    }
    required = [verb, "frames", *(["options"] if options["required"] else []), *(["collections"] * (verb == "check"))]
    return {**schema, "title": f"{verb} {kind.name}", "properties": {**others, **own}, "required": required}


def _rules(kind: CalibrationType) -> dict[str, Any]:
    """Describe the rules of a calibration type; each default with its limit."""
    written = _of_class(StageShape)["properties"]["rules"]["additionalProperties"]
    defaults = {
        rule.name: {**written, "description": f"{rule.summary} Default: {rule.text}".strip(), "default": rule.text}
        for rule in kind.rules
    }
    return {"type": "object", "properties": defaults, "additionalProperties": written}


def _procedure(registry: Registry, name: str) -> dict[str, Any]:
    declaration = registry.get("procedure", name)
    schema = _of_class(ProcedureShape)
    options = _of_class(declaration.options)
    own = {
        "procedure": {"const": name, "description": declaration.summary},
        "config": _described(schema["properties"]["config"], options),
    }
    required = ["latcal", "procedure", *(["config"] if options["required"] else [])]
    return {**schema, "title": name, "properties": {**schema["properties"], **own}, "required": required}


def _of_class(kind: type) -> dict[str, Any]:
    schema = json_schema(kind, schemas=SCHEMAS)
    del schema["$schema"]
    return schema


def _described(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Keep what a key is for, and say more of what may stand there."""
    return {**new, "description": old.get("description", "")}
