"""The types of the fields of attrs classes, and their shapes."""

from __future__ import annotations

import collections.abc
from typing import Any, get_origin

import attrs

_LISTS = (tuple, list, set, frozenset, collections.abc.Sequence, collections.abc.Set)
_MAPPINGS = (dict, collections.abc.Mapping)


def field_types(kind: type) -> dict[str, Any]:
    """Give the type of each field of an attrs class.

    A class may name `Quantity` in its annotations without importing it at run time, so that the module of a plugin
    imports nothing heavy; it is then astropy's.
    """
    try:
        attrs.resolve_types(kind, include_extras=False)  # it keeps what it found with the class
    except NameError:
        from astropy.units import Quantity

        attrs.resolve_types(kind, localns={"Quantity": Quantity}, include_extras=False)
    return {attribute.name: Any if attribute.type is None else attribute.type for attribute in attrs.fields(kind)}


def is_list(kind: Any) -> bool:
    """Say whether a type is written as a list."""
    return kind in _LISTS or get_origin(kind) in _LISTS


def is_mapping(kind: Any) -> bool:
    """Say whether a type is written as a mapping of names."""
    return kind in _MAPPINGS or get_origin(kind) in _MAPPINGS
