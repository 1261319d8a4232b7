"""Quantities as people write them: ``5 s``, ``30000 adu``, ``50 %``."""

from __future__ import annotations

import functools
import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # astropy is imported when the first quantity is read, so that commands start quickly
    from astropy.units import Quantity, UnitBase

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_QUANTITY = re.compile(rf"\s*({NUMBER})\s*(\S.*)?", re.DOTALL)
_SCALED = re.compile(r"\s*(?!1\s*/)[0-9.]")
_UNIT = re.compile(r"[A-Za-z0-9_%/*. ()^+-]{1,60}")


def parse_unit(text: str) -> UnitBase:
    """Read the name of a unit; empty text is dimensionless.

    Raises
    ------
    ValueError
        With a message, and a hint as its second argument.
    """
    unit = _unit(text)
    if unit is None:
        raise ValueError(f"{text!r} is not a unit", "write one like s, adu, electron / s or %")
    return unit


@functools.lru_cache(maxsize=256)  # a plan reads some thirty of them, hundreds of times
def _unit(text: str) -> UnitBase | None:
    from astropy import units

    if not text.strip():
        return units.dimensionless_unscaled
    try:
        # astropy would take "2 s" for a unit of its own
        return units.Unit(text) if _UNIT.fullmatch(text) and not _SCALED.match(text) else None
    except (ValueError, TypeError, ZeroDivisionError, OverflowError):
        return None


def is_unit(given: object) -> bool:
    """Tell whether something is the name of a unit."""
    if not isinstance(given, str):
        return False
    try:
        parse_unit(given)
    except ValueError:
        return False
    return True


def parse_quantity(text: str, unit: str) -> Quantity:
    """Read a number and its unit, kept as they were written.

    Parameters
    ----------
    text : str
    unit : str
        The unit that is wanted; any unit that converts to it will do. If it is empty, a bare number will do too.

    Raises
    ------
    ValueError
        With a message, and a hint as its second argument.
    """
    from astropy.units import Quantity

    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a number with a unit", f"write '{_example(unit)}'")
    number, written = match[1], (match[2] or "").strip()
    wanted = parse_unit(unit)
    if not written and unit:
        raise ValueError(f"{text!r} has no unit", f"write '{number} {unit}'")
    if not math.isfinite(float(number)):
        raise ValueError(f"{text!r} is not a finite number", f"write '{_example(unit)}'")
    found = parse_unit(written)
    if not found.is_equivalent(wanted):
        kind = f"not in {unit!r}" if unit else "and a number without unit is wanted"
        raise ValueError(f"{text!r} is in {written!r}, {kind}", f"write '{_example(unit)}'")
    return Quantity(float(number), found)


def format_quantity(quantity: Quantity) -> str:
    """Write a quantity so that `parse_quantity` reads the same again."""
    return f"{number_text(float(quantity.value))} {quantity.unit.to_string()}".rstrip()


def number_text(value: float) -> str:
    """Write a number in the shortest form that reads back the same."""
    short = f"{value:.15g}"
    return short if float(short) == value else repr(value)


def is_quantity(value: Any) -> bool:
    """Say whether a value is an astropy quantity, without importing astropy."""
    return hasattr(value, "to_value") and hasattr(value, "unit")


def _example(unit: str) -> str:
    return f"5 {unit}".rstrip()
