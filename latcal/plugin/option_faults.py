"""Whether the options of a declaration can be written by a recipe, and made of their defaults."""

from __future__ import annotations

import types
from collections.abc import Iterator
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import attrs
from attrs.exceptions import FrozenInstanceError

from latcal.errors import Problem
from latcal.formats.shapes import field_types, is_list, is_mapping
from latcal.plugin.calling import told
from latcal.plugin.promises import shown

_WRITTEN = (bool, int, float, str, Path, date, type(None), Any)
_MUTABLE = (list, dict, set)


def option_faults(words: str, options: Any) -> Iterator[Problem]:
    """Say what is wrong with an options class.

    Parameters
    ----------
    words : str
        What messages call it: ``options of the store 'folder'``.
    """
    if not isinstance(options, type) or not attrs.has(options):
        yield Problem(f"{words} are {shown(options)}, which is not an attrs class", "write @attrs.frozen over a class")
        return
    fields = attrs.fields(options)
    silent = ", ".join(field.name for field in fields if not field.metadata.get("help"))
    if silent:
        yield Problem(f"{words} have no help text: {silent}", "write latcal.plugin.option(..., help=...)")
    if not _is_frozen(options):
        yield Problem(f"{words} can be changed", "write @attrs.frozen over the class")
    for field in fields:
        if isinstance(field.default, _MUTABLE):
            what = f"{words} share the {type(field.default).__name__} that is the default of {field.name!r}"
            yield Problem(what, "write a tuple")
    yield from _type_faults(words, options)
    yield from _default_faults(words, options)


def _type_faults(words: str, options: type) -> Iterator[Problem]:
    try:
        for name in _unwritten(options):
            yield Problem(f"{words} have one that no recipe can write: {name}", "write a type that YAML has")
    except NameError as error:
        yield Problem(f"{words} have a type that is not there: {error}", "import it outside of TYPE_CHECKING")


def _unwritten(options: type) -> Iterator[str]:
    """Give the options whose type cannot be read, each with the type."""
    kinds = field_types(options)
    for field in attrs.fields(options):
        if field.init and field.metadata.get("unit") is None:
            yield from (f"{field.name}: {part}" for part in _parts(kinds[field.name]))


def _parts(kind: Any) -> Iterator[str]:
    """Give the parts of a type that cannot be read."""
    if isinstance(kind, type) and attrs.has(kind):
        yield from _unwritten(kind)
    elif get_origin(kind) in (Union, types.UnionType) or is_list(kind) or is_mapping(kind):
        for part in get_args(kind):
            yield from _parts(part) if part is not Ellipsis else ()
    elif not (kind in _WRITTEN or get_origin(kind) is Literal or (isinstance(kind, type) and issubclass(kind, Enum))):
        yield str(getattr(kind, "__name__", kind))


def _default_faults(words: str, options: type) -> Iterator[Problem]:
    if any(field.init and field.default is attrs.NOTHING for field in attrs.fields(options)):
        return
    try:
        options()
    except (ValueError, TypeError) as error:
        yield Problem(f"{words} cannot be made of their defaults: making them {told(error)}")


def _is_frozen(options: type) -> bool:
    """Tell whether attrs lets nobody set a field."""
    try:
        setattr(object.__new__(options), "of nobody", None)
    except FrozenInstanceError:
        return True
    except (AttributeError, TypeError):
        return False
    return False
