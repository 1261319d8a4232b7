"""The short texts of a recipe: exposures, counts, instants, names; each read or refused with what to write.

Each reader raises ValueError with what is wrong and, as its second argument, what to write.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from latcal.errors import Problem, RecipeError
from latcal.formats.scalars import read_bool, read_int, shown
from latcal.model.exposures import Exposures, Group, Ladder, parse
from latcal.model.verdicts import MAJORITY

if TYPE_CHECKING:
    from astropy.time import Time

OPEN = "open"
"""What a recipe writes for a side of a validity range that has no end."""

_DATE = re.compile(r"[12]\d{3}-\d{2}-\d{2}")
_MOMENT = re.compile(r"[12]\d{3}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?")
_DAY_FIRST = re.compile(r"(?P<day>\d{1,2})[-./ ](?P<month>\d{1,2})[-./ ](?P<year>\d{4})")
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})[-./ ]?(?P<month>\d{1,2})[-./ ]?(?P<day>\d{1,2})")
_SWAPPED = re.compile(r"\s*(?P<each>[\d.]+ *[A-Za-z%][A-Za-z% ]*?)\s*[x×*]\s*(?P<count>\d+)\s*")
_COUNT = re.compile(r"\s*(?P<sign>[-+]?)(?P<count>\d*\.?\d+)\s*[x×]\s*(?P<each>\S.*)")
_TIMES_WORD = re.compile(r"\s*(?P<count>\d+)\s*(?:\*|X|times)\s*(?P<each>[\d.]+ *[A-Za-z%][A-Za-z% ]*?)\s*")
_COLLECTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")


def read_exposures(value: Any) -> Exposures:
    """Read ``16 x 30 s``, or a list of such, and say which item is not one.

    Raises
    ------
    ValueError
    RecipeError
        For the items of a list, each with its index as the path.
    """
    if not isinstance(value, list) or not value:
        return _phrase(value)
    groups: list[Group | Ladder] = []
    problems: list[Problem] = []
    for index, item in enumerate(value):
        try:
            groups += _phrase(item).groups
        except ValueError as error:
            what, hint = error.args
            problems.append(Problem(what, hint, path=str(index)))
    if problems:
        raise RecipeError(problems)
    return Exposures(tuple(groups))


def _phrase(value: Any) -> Exposures:
    try:
        return parse(value)
    except ValueError as error:
        for pattern in (_SWAPPED, _TIMES_WORD):
            match = pattern.fullmatch(value) if isinstance(value, str) else None
            if match:
                hint = f"write '{match['count']} x {match['each']}'"
                raise ValueError(f"{value!r} is not an exposure", hint) from None
        match = _COUNT.fullmatch(value) if isinstance(value, str) else None
        if match and (match["sign"] or not match["count"].isdecimal()):
            what = f"{match['sign']}{match['count']} in {value!r} is not a number of exposures"
            raise ValueError(what, f"write a whole number, as in '5 x {match['each'].strip()}'") from None
        raise ValueError(*error.args) from None


def read_discard(value: Any) -> int | Exposures:
    """Read how many exposures are discarded: a number, or a phrase with their time.

    Raises
    ------
    Faults
        In the words of a whole number, if it is neither.
    RecipeError
        For the items of a list.
    """
    if isinstance(value, list) and value:
        return read_exposures(value)
    try:
        return parse(value) if isinstance(value, str) else read_int(value)
    except ValueError:
        return read_int(value)


def read_switch(value: Any) -> bool:
    """Read true or false, also spelt as in Python: a site's operators paste what they have."""
    return {"True": True, "False": False}[value] if value in ("True", "False") else read_bool(value)


def read_count(value: Any) -> int:
    """Read a whole number of at least one, as a count at which something fails."""
    if type(value) is int and value >= 1:
        return value
    if value == MAJORITY:
        raise ValueError(
            f"{value!r} is not a number of amplifiers", "write a count such as 8, or leave it out for half"
        )
    raise ValueError(f"{shown(value)} is not a count of at least 1", "write a whole number such as 8")


def read_limit(value: Any) -> int | str:
    """Read a count of at least one, or ``majority``."""
    if value == MAJORITY or (type(value) is int and value >= 1):
        return MAJORITY if value == MAJORITY else int(value)
    raise ValueError(f"{shown(value)} is not a count of at least 1", f"write a whole number such as 2, or {MAJORITY}")


def read_collection(value: Any) -> str:
    """Read the name of a collection."""
    if isinstance(value, str) and _COLLECTION.fullmatch(value):
        return value
    raise ValueError(
        f"{shown(value)} is not a collection", "write letters, digits and . _ - between /, as in calib/daily.1"
    )


def read_name(value: Any) -> str:
    """Read a name that a person gives: of a sequence or a rule."""
    if isinstance(value, str) and _NAME.fullmatch(value):
        return value
    raise ValueError(f"{shown(value)} is not a name", "write a letter first, then letters, digits, _ and -")


def read_instant(value: Any) -> Time | None:
    """Read a date (its midnight), a date and time, both TAI, or ``open``.

    Returns
    -------
    Time or None
        None for ``open``.
    """
    from latcal.model.validity import instant

    if value == OPEN:
        return None
    if not (isinstance(value, str) and (_DATE.fullmatch(value) or _MOMENT.fullmatch(value))):
        raise ValueError(f"{shown(value)} is not a date", f"write {_meant(value)}")
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise ValueError(f"{value!r} is not in the calendar", "write year-month-day, as in 2022-11-04") from None
    return instant(value)


def _meant(value: Any) -> str:
    """Give the date that was probably meant, or an example."""
    text = str(value).strip()
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?.*", text):
        return f"{text[:10]}T{text[11:16]}:00, in TAI and without a zone"
    for pattern in (_DAY_FIRST, _YEAR_FIRST):
        match = pattern.fullmatch(text)
        if match:
            year, month, day = (int(match[key]) for key in ("year", "month", "day"))
            for m, d in ((month, day), (day, month)):
                try:
                    return date(year, m, d).isoformat()
                except ValueError:
                    continue
    return f"2022-11-04, 2022-11-04T18:30:00 or {OPEN}"
