"""Strict hooks for cattrs: a value is of the type that is wanted, or it is refused with what to write."""

from __future__ import annotations

import enum
import pathlib
import types
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date
from typing import Any, Literal, Union, get_args, get_origin

import attrs
from cattrs import Converter

from latcal.formats.faults import Fault, Gathering, guarded, refuse
from latcal.formats.scalars import (
    as_written,
    nearest,
    read_bool,
    read_date,
    read_enum,
    read_float,
    read_int,
    read_literal,
    read_none,
    read_path,
    read_str,
    shown,
)
from latcal.formats.shapes import field_types, is_list, is_mapping
from latcal.model.quantities import parse_quantity

# cattrs looks for these by class, with subclasses, before it asks any predicate
_PRIMITIVES: tuple[tuple[type, Callable[[Any], Any]], ...] = (
    (bool, read_bool),
    (int, read_int),
    (float, read_float),
    (str, read_str),
    (pathlib.Path, read_path),
)
_READERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (date, read_date),
    (type(None), read_none),
    (Any, lambda value: value),
)
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list", tuple: "a list"}
"""What messages call the members of a union."""


def strict_converter(hooks: Mapping[Any, Callable[[Any], Any]]) -> Converter:
    """Make a converter that coerces nothing.

    Parameters
    ----------
    hooks : mapping of type to callable
        For types of one's own; they come before all others.
    """
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    for primitive, read in _PRIMITIVES:
        converter.register_structure_hook(primitive, _or_enum(read))
    for kind, read in _READERS:
        converter.register_structure_hook_func(_only(kind), _ignoring_type(read))
    converter.register_structure_hook_func(_is_enum, read_enum)
    converter.register_structure_hook_func(_is_literal, read_literal)
    for wanted, make in ((is_list, _list), (is_mapping, _mapping), (_is_union, _union), (attrs.has, _class)):
        converter.register_structure_hook_factory(wanted, _factory(make, converter))
    for kind, own in hooks.items():
        if isinstance(kind, type) and issubclass(kind, (str, int, float)):
            converter.register_structure_hook(kind, _ignoring_type(_guarding(own)))
        else:
            converter.register_structure_hook_func(_only(kind), _ignoring_type(_guarding(own)))
    return converter


def _only(wanted: Any) -> Callable[[Any], bool]:
    return lambda kind: kind is wanted


def _or_enum(read: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, kind: read_enum(value, kind) if _is_enum(kind) else read(value)


def _ignoring_type(read: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    return lambda value, _: read(value)


def _guarding(own: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: guarded(own, value)


def _factory(make: Callable[[Any, Any, Converter], Any], converter: Converter) -> Callable[[Any], Any]:
    return lambda kind: lambda value, _: make(value, kind, converter)


def _list(value: Any, kind: Any, converter: Converter) -> Any:
    if not isinstance(value, list):
        of_mappings = get_origin(next(iter(get_args(kind)), None)) is Mapping
        hint = f"write [{as_written(value)}]" if isinstance(value, (str, int, float)) else "write [a, b]"
        hint = "write a list of {key: value}" if of_mappings else hint
        raise refuse(f"{shown(value)} is not a list", hint)
    origin, parts = get_origin(kind), get_args(kind)
    fixed = origin is tuple and Ellipsis not in parts and bool(parts)
    if fixed and len(parts) != len(value):
        raise refuse(f"{shown(value)} is not a list of {len(parts)}", f"write {len(parts)} items")
    gathering, made = Gathering(), []
    for index, item in enumerate(value):
        with gathering.under(index):
            made.append(converter.structure(item, parts[index] if fixed else (parts or (Any,))[0]))
    gathering.finish()
    if origin in (set, frozenset):
        twice = [item for index, item in enumerate(value) if item in value[:index]]
        if twice:
            raise refuse(f"{shown(twice[0])} is given twice", "remove one")
        return origin(made)
    return made if origin is list else tuple(made)


def _mapping(value: Any, kind: Any, converter: Converter) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise refuse(f"{shown(value)} is not a mapping", "write {key: value}")
    parts = get_args(kind) or (str, Any)
    gathering, made = Gathering(), {}
    for key, item in value.items():
        with gathering.under(key):
            made[converter.structure(key, parts[0])] = converter.structure(item, parts[1])
    gathering.finish()
    return made


def _union(value: Any, kind: Any, converter: Converter) -> Any:
    """Take the first member that the value is; what refuses a single one says so in its own words."""
    members = [member for member in get_args(kind) if member is not type(None)]
    if value is None and len(members) < len(get_args(kind)):
        return None
    if len(members) == 1:
        return converter.structure(value, members[0])
    fit = [member for member in members if _could_be(value, member)]
    gathering = Gathering()
    for member in fit or members:
        tried = Gathering()
        made = None
        with tried.under("_"):
            made = converter.structure(value, member)
        if not tried.found:
            return made
        gathering.found = gathering.found or [attrs.evolve(fault, path=fault.path[1:]) for fault in tried.found]
    if len(fit) == 1:
        gathering.finish()
    names = " or ".join(_KINDS.get(get_origin(member) or member, getattr(member, "__name__", str(member)).lower()) for member in members)
    raise refuse(f"{shown(value)} is not {names}", gathering.found[0].hint)


def _class(value: Any, kind: Any, converter: Converter) -> Any:
    if not isinstance(value, dict):
        known = [attribute.alias for attribute in attrs.fields(kind) if attribute.init]
        raise refuse(f"{shown(value)} is not a mapping", f"write {{{known[0] if known else 'key'}: ...}}")
    gathering, made = Gathering(), {}
    kinds = field_types(kind)
    fields = {attribute.alias or attribute.name: attribute for attribute in attrs.fields(kind) if attribute.init}
    for key in value:
        if key not in fields:
            gathering.add(Fault(f"{key!r} is not a key here", nearest(key, list(fields)), (key,), about_key=True))
    for key, attribute in fields.items():
        if key in value:
            with gathering.under(key):
                made[key] = _field(value[key], kinds[attribute.name], attribute, converter)
        elif attribute.default is attrs.NOTHING:
            gathering.add(Fault(f"{key!r} is missing", f"write '{key}: {_example(attribute)}'"))
    if gathering.found:
        # a validator may need a field that could not be read, and then has no say
        with suppress(TypeError, AttributeError):
            _validate_each(kind, made, gathering, (ValueError,))
    gathering.finish()
    return _validated(kind, made)


def _field(value: Any, kind: Any, attribute: Any, converter: Converter) -> Any:
    unit = attribute.metadata.get("unit")
    return converter.structure(value, kind) if unit is None else _quantities(value, kind, unit)


def _quantities(value: Any, kind: Any, unit: str) -> Any:
    """Read a quantity, or a list of them."""
    if _is_union(kind):
        if value is None and type(None) in get_args(kind):
            return None
        kind = next(member for member in get_args(kind) if member is not type(None))
    if is_list(kind):
        if not isinstance(value, list):
            raise refuse(f"{shown(value)} is not a list", f"write [5 {unit}, 10 {unit}]")
        gathering, made = Gathering(), []
        for index, item in enumerate(value):
            with gathering.under(index):
                made.append(_quantities(item, Any, unit))
        gathering.finish()
        return tuple(made)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and unit:
        raise refuse(f"{value} has no unit", f"write '{value} {unit}'")
    if not number and not isinstance(value, str):
        raise refuse(f"{shown(value)} is not a number with a unit", f"write '{f'5 {unit}'.rstrip()}'")
    return guarded(lambda text: parse_quantity(text, unit), str(value))


def _validated(kind: Any, made: dict[str, Any]) -> Any:
    """Make an instance; if it is refused, ask each validator, so that each fault has its key."""
    try:
        return kind(**made)
    except (ValueError, TypeError) as error:
        refused = error
    gathering = Gathering()
    _validate_each(kind, made, gathering, (ValueError, TypeError))
    gathering.finish()

    def again(_: Any) -> Any:
        raise refused

    return guarded(again, None, (ValueError, TypeError))


def _validate_each(
    kind: Any, made: Mapping[str, Any], gathering: Gathering, refusals: tuple[type[Exception], ...]
) -> None:
    """Ask the validators of the fields that could be read, on a draft of the instance."""
    draft = kind.__new__(kind)
    for attribute in attrs.fields(kind):
        object.__setattr__(draft, attribute.name, _drafted(attribute, made))
    for attribute in attrs.fields(kind):
        if attribute.validator is not None and attribute.alias in made:
            with gathering.under(attribute.alias):
                guarded(_bound(attribute, draft), getattr(draft, attribute.name), refusals)


def _drafted(attribute: Any, made: Mapping[str, Any]) -> Any:
    value = made.get(attribute.alias, attribute.default)
    if isinstance(value, attrs.Factory):  # type: ignore[arg-type]
        value = None if value.takes_self else value.factory()
    return attribute.converter(value) if callable(attribute.converter) else value


def _bound(attribute: Any, draft: Any) -> Callable[[Any], Any]:
    return lambda value: attribute.validator(draft, attribute, value)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, enum.Enum)


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _is_union(kind: Any) -> bool:
    return get_origin(kind) in (Union, types.UnionType)


def _could_be(value: Any, member: Any) -> bool:
    """Say whether a value has the shape of a member of a union, so that its own faults are the ones to tell."""
    if attrs.has(member) or is_mapping(member):
        return isinstance(value, dict)
    if is_list(member):
        return isinstance(value, list)
    if member in (bool, int, str):
        return type(value) is member
    return member is float and type(value) in (int, float)


def _example(attribute: Any) -> str:
    unit = attribute.metadata.get("unit")
    return f"5 {unit}" if unit else "..."
