"""Typed values back to the plain ones that YAML and JSON can write."""

from __future__ import annotations

import enum
import pathlib
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import date
from typing import Any

import attrs

from latcal.model.quantities import format_quantity, is_quantity


def unstructure(
    value: Any, *, omit_defaults: bool = False, hooks: Mapping[type, Callable[[Any], Any]] | None = None
) -> Any:
    """Write a typed value as plain ones, from which `structure` makes the same again.

    Parameters
    ----------
    value : Any
    omit_defaults : bool
        Leave out the fields that equal their default.
    hooks : mapping of type to callable
        How to write values of one's own types.

    Raises
    ------
    TypeError
        If there is no plain way to write a value.
    """
    hooks = hooks or {}

    def plain(value: Any) -> Any:
        if type(value) in hooks:
            return hooks[type(value)](value)
        if attrs.has(type(value)):
            return {
                attribute.alias or attribute.name: plain(getattr(value, attribute.name))
                for attribute in attrs.fields(type(value))
                if attribute.init and not (omit_defaults and _is_default(value, attribute))
            }
        match value:
            case enum.Enum():
                return value.value
            case None | bool() | int() | float() | str():
                return value
            case pathlib.PurePath():
                return str(value)
            case date():
                return value.isoformat()
            case Mapping():
                return {str(key): plain(item) for key, item in value.items()}
            case AbstractSet():
                return sorted(plain(item) for item in value)
            case tuple() | list():
                return [plain(item) for item in value]
            case _ if is_quantity(value):
                return format_quantity(value)
        raise TypeError(f"{value!r} is not plain, and no hook writes {type(value).__name__}")

    return plain(value)


def _is_default(instance: Any, attribute: Any) -> bool:
    default, value = attribute.default, getattr(instance, attribute.name)
    if default is attrs.NOTHING:
        return False
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]
        default = default.factory(instance) if default.takes_self else default.factory()
    if is_quantity(value):
        default = attribute.converter(default) if callable(attribute.converter) else default
        return is_quantity(default) and format_quantity(default) == format_quantity(value)
    return bool(default == value)
