"""The fields of an options class: what a recipe may write for a plugin, with its unit and its help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import NOTHING, field

from latcal.model.quantities import is_quantity, parse_quantity


def option(
    default: Any = NOTHING,
    *,
    help: str,  # noqa: A002 - what it is called everywhere else
    unit: str | None = None,
    validator: Callable[[Any, Any, Any], Any] | list[Callable[[Any, Any, Any], Any]] | None = None,
) -> Any:
    """Declare a field of an options class.

    Parameters
    ----------
    default : Any
        Left out, the recipe must write the key. The default of an option with a unit may be text, ``"5 s"``, which
        is read when the options are made: so a plugin declares it without importing astropy.
    help : str
        One sentence for `latcal schema` and the documentation.
    unit : str or None
        The unit that the option is wanted in; the recipe may write any unit that converts to it.
    validator : callable, list of callables or None
        As in attrs; the text of its ValueError is shown with the place of the key.
    """
    metadata = {"help": help} if unit is None else {"help": help, "unit": unit}
    converter = None if unit is None else _reader(unit)
    return field(default=default, validator=validator, metadata=metadata, converter=converter)


def _reader(unit: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return tuple(read(item) for item in value)
        if isinstance(value, str):
            return parse_quantity(value, unit)
        if is_quantity(value):
            value.to(unit)  # raises UnitConversionError, a ValueError, in the caller's own words
        return value

    return read
