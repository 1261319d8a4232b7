"""Plain values with places to typed values, by cattrs with hooks that coerce nothing, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from latcal.errors import Problem, RecipeError
from latcal.formats.faults import Fault, Faults
from latcal.formats.hooks import strict_converter
from latcal.formats.plain import unstructure
from latcal.formats.tree import Path, Tree, dotted

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["structure", "unstructure"]

T = TypeVar("T")


@cache
def _without_hooks() -> Converter:
    """Give the converter that most values are made by: one takes a millisecond to make."""
    return strict_converter({})


def structure(
    tree: Tree, kind: type[T], at: Path = (), *, hooks: Mapping[Any, Callable[[Any], Any]] | None = None
) -> T:
    """Make a typed value of a tree, or of a part of it.

    Parameters
    ----------
    tree : Tree
    kind : type
        An attrs class, or any type that one of its fields may have.
    at : path
        The part to make it of.
    hooks : mapping of type to callable
        How to make a value of that type from the plain value; a ValueError gives the message, and as its second
        argument the hint. A RecipeError gives several, with paths relative to the value.

    Returns
    -------
    kind

    Raises
    ------
    RecipeError
        With every fault of the shape: unknown and missing keys, values of another type, units, and what the
        validators of the class refuse; each with its place.
    """
    value = tree.value
    for part in at:
        value = value[part]
    try:
        made: T = (strict_converter(hooks) if hooks else _without_hooks()).structure(value, kind)
    except Faults as faults:
        raise RecipeError(_located(tree, at, fault) for fault in faults.faults) from None
    return made


def _located(tree: Tree, at: Path, fault: Fault) -> Problem:
    path = at + fault.path
    where = tree.key_at(path) if fault.about_key else tree.value_at(path)
    return Problem(fault.what, fault.hint, where, dotted(path))
