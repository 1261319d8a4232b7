"""Readers of single plain values: each takes what it is for, and refuses the rest with what to write.

All raise `Faults` with one fault.
"""

from __future__ import annotations

import difflib
import enum
import math
import pathlib
import re
from collections.abc import Iterable
from datetime import date
from typing import Any, get_args

from latcal.formats.faults import refuse

_BOOLEANS = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OTHER_DATES = (
    re.compile(r"(?P<day>[0-9]{1,2})[-./](?P<month>[0-9]{1,2})[-./](?P<year>[0-9]{4})"),
    re.compile(r"(?P<year>[0-9]{4})[-./]?(?P<month>[0-9]{1,2})[-./]?(?P<day>[0-9]{1,2})"),
)


def read_bool(value: Any) -> bool:
    """Read true or false."""
    if isinstance(value, bool):
        return value
    meant = _BOOLEANS.get(str(value).lower()) if isinstance(value, str) else None
    raise refuse(f"{value!r} is not true or false", f"write {meant or 'true or false'}")


def read_int(value: Any) -> int:
    """Read a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    hint = "write a whole number like 5"
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value):
        hint = f"write {int(value)} without quotes or leading zeros"
    elif isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        hint = f"write {int(value)}"
    raise refuse(f"{shown(value)} is not a whole number", hint)


def read_float(value: Any) -> float:
    """Read a finite number; a whole one will do."""
    if isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    raise refuse(f"{shown(value)} is not a number", "write one like 0.5, without quotes or unit")


def read_str(value: Any) -> str:
    """Read text."""
    if isinstance(value, str):
        return value
    plain = isinstance(value, (bool, int, float))
    hint = f"write '{as_written(value)}' in quotes" if plain else "write a word, or text in quotes"
    raise refuse(f"{shown(value)} is not text", hint)


def read_path(value: Any) -> pathlib.Path:
    """Read a path, which is text."""
    if isinstance(value, str) and value:
        return pathlib.Path(value)
    raise refuse(f"{shown(value)} is not a path", "write one like ./store")


def read_none(value: Any) -> None:
    """Read null."""
    if value is not None:
        raise refuse(f"{shown(value)} is not null", "leave it out")


def read_date(value: Any) -> date:
    """Read a day, year first."""
    text = str(value)
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise refuse(f"{value!r} is not a day of the calendar", "write year-month-day") from None
    example = "2022-11-04"
    for pattern in _OTHER_DATES if isinstance(value, (str, int)) else ():
        match = pattern.fullmatch(text)
        if match is not None:
            try:
                example = date(int(match["year"]), int(match["month"]), int(match["day"])).isoformat()
            except ValueError:
                continue
            break
    raise refuse(f"{shown(value)} is not a date", f"write {example}")


def read_enum(value: Any, kind: type[enum.Enum]) -> enum.Enum:
    """Read the value of one member of an enumeration."""
    for member in kind:
        if type(member.value) is type(value) and member.value == value:
            return member
    raise refuse(f"{shown(value)} is not one of its choices", nearest(value, [member.value for member in kind]))


def read_literal(value: Any, kind: Any) -> Any:
    """Read one of a few values."""
    for choice in get_args(kind):
        if type(choice) is type(value) and choice == value:
            return choice
    raise refuse(f"{shown(value)} is not one of its choices", nearest(value, get_args(kind)))


def nearest(value: Any, known: Iterable[Any]) -> str:
    """Suggest the nearest of what is known, or list it."""
    near = difflib.get_close_matches(str(value), [str(choice) for choice in known], n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(str(choice) for choice in known)}"


def shown(value: Any) -> str:
    """Show a value as it was written, not as Python has it."""
    return repr(value) if isinstance(value, str) else as_written(value)


def as_written(value: Any) -> str:
    """Write a plain value as a recipe has it, in short."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case dict():
            return "a mapping"
        case list():
            return f"[{', '.join(as_written(item) for item in value[:5])}{', ...' if len(value) > 5 else ''}]"
        case _:
            return str(value)
