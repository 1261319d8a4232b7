"""JSON Schema of options classes, for editors and for `latcal schema`."""

from __future__ import annotations

import enum
import pathlib
import types
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from latcal.formats.plain import unstructure
from latcal.formats.shapes import field_types, is_list, is_mapping
from latcal.model.quantities import NUMBER

_PLAIN: Mapping[Any, dict[str, Any]] = types.MappingProxyType(
    {
        bool: {"type": "boolean"},
        int: {"type": "integer"},
        float: {"type": "number"},
        str: {"type": "string"},
        type(None): {"type": "null"},
        pathlib.Path: {"type": "string", "minLength": 1},
        date: {"type": "string", "format": "date", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
    }
)


def json_schema(kind: type, *, schemas: Mapping[Any, Mapping[str, Any]] | None = None) -> dict[str, Any]:
    """Describe an attrs class as JSON Schema, draft 2020-12.

    Parameters
    ----------
    kind : type
        An attrs class; its fields may hold others, but not itself.
    schemas : mapping of type to mapping
        The schemas of types of one's own, as `structure` has hooks for them.
    """
    schema = _of_type(kind, schemas or {})
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _of_type(kind: Any, schemas: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:
    for known in (schemas, _PLAIN):
        if kind in known:
            return dict(known[kind])
    origin, parts = get_origin(kind), get_args(kind)
    if attrs.has(kind):
        return _of_class(kind, schemas)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return {"enum": [member.value for member in kind]}
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_of_type(part, schemas) for part in parts]}
    if is_list(kind):
        return _of_list(origin, parts, schemas)
    if is_mapping(kind):
        return {"type": "object", "additionalProperties": _of_type((*parts, Any, Any)[1], schemas)}
    return {}


def _of_list(origin: Any, parts: tuple[Any, ...], schemas: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:
    if origin is tuple and Ellipsis not in parts:
        items = [_of_type(part, schemas) for part in parts]
        return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items)}
    schema: dict[str, Any] = {"type": "array", "items": _of_type((*parts, Any)[0], schemas)}
    return {**schema, "uniqueItems": True} if origin in (set, frozenset) else schema


def _of_class(kind: Any, schemas: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:
    kinds = field_types(kind)
    properties, required = {}, []
    for attribute in attrs.fields(kind):
        if not attribute.init:
            continue
        key = attribute.alias or attribute.name
        properties[key] = _of_field(attribute, kinds[attribute.name], schemas)
        if attribute.default is attrs.NOTHING:
            required.append(key)
    schema = {"title": kind.__name__, "type": "object", "properties": properties}
    return {**schema, "required": required, "additionalProperties": False}


def _of_field(attribute: Any, kind: Any, schemas: Mapping[Any, Mapping[str, Any]]) -> dict[str, Any]:
    unit = attribute.metadata.get("unit")
    schema = _of_type(kind, schemas) if unit is None else _of_quantities(kind, unit)
    if "help" in attribute.metadata:
        schema["description"] = attribute.metadata["help"]
    default = attribute.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        default = attrs.NOTHING if default.takes_self else default.factory()
    if default is not attrs.NOTHING:
        schema["default"] = unstructure(default)
    return schema


def _of_quantities(kind: Any, unit: str) -> dict[str, Any]:
    """Describe a quantity, or a list of them, or either and null."""
    if get_origin(kind) in (Union, types.UnionType):
        choices = [_of_quantities(part, unit) for part in get_args(kind) if part is not type(None)]
        return {"anyOf": [*choices, {"type": "null"}]}
    if is_list(kind):
        return {"type": "array", "items": _of_quantities(Any, unit)}
    pattern = rf"^{NUMBER} *[^\s0-9].*$" if unit else rf"^{NUMBER}( *\S.*)?$"
    text = {"type": "string", "pattern": pattern, "examples": [f"5 {unit}".rstrip()], "x-unit": unit}
    return text if unit else {"anyOf": [text, {"type": "number"}]}
