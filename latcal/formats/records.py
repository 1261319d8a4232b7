"""Values of the model as JSON text and back, exactly: what an index, a product or a run's journal holds."""

from __future__ import annotations

import functools
import json
import math
from typing import TYPE_CHECKING, Any, TypeVar

from astropy.time import Time

from latcal.errors import StoreError

if TYPE_CHECKING:  # cattrs is imported when the first value is written or read
    from cattrs import Converter

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Write a value of the model as dicts, lists, text, numbers, bool and None.

    What JSON has no word for is text: NaN and infinities (``"nan"``, ``"inf"``), instants (`time_text`).
    """
    return _converter().unstructure(value)


def from_plain(plain: Any, cls: type[T]) -> T:
    """Make the value again.

    Raises
    ------
    StoreError
        If it is not one; keys that the class does not know are left aside, so that older versions read newer files.
    """
    try:
        return _converter().structure(plain, cls)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(f"{_short(plain)} is not a {cls.__name__} ({type(error).__name__}: {error})") from error


def to_text(value: Any, *, canonical: bool = False) -> str:
    """Write a value as JSON in one line of ASCII.

    Parameters
    ----------
    canonical : bool
        Sort the keys, so that equal values give equal texts.
    """
    return json.dumps(to_plain(value), allow_nan=False, sort_keys=canonical)


def from_text(text: str, cls: type[T]) -> T:
    """Read what `to_text` wrote.

    Raises
    ------
    StoreError
        If the text is not JSON, or not that value.
    """
    try:
        plain = json.loads(text)
    except ValueError as error:
        raise StoreError(f"{_short(text)} is not JSON ({error})") from error
    return from_plain(plain, cls)


def time_text(time: Time) -> str:
    """Write an instant so that it reads back exactly.

    Returns
    -------
    str
        ``2022-11-04T12:00:00.000000000`` in TAI; for an instant that nine decimals do not tell, ``JD`` and the two
        numbers that add up to its Julian date.
    """
    tai = time.tai.copy(format="isot")
    tai.precision = 9
    text = str(tai.value)
    back = read_time(text)
    if (back.jd1, back.jd2) == (tai.jd1, tai.jd2):
        return text
    return f"JD {float(tai.jd1)!r} {float(tai.jd2)!r}"


def read_time(text: str) -> Time:
    """Read what `time_text` wrote.

    Raises
    ------
    ValueError
        If it is not an instant.
    """
    words = text.split()
    if words[:1] == ["JD"] and len(words) == 3:
        return Time(float(words[1]), float(words[2]), format="jd", scale="tai")
    return Time(text, format="isot", scale="tai")


@functools.cache
def _converter() -> Converter:
    from cattrs import Converter
    from cattrs.strategies import configure_union_passthrough

    converter = Converter(detailed_validation=False)
    configure_union_passthrough(bool | int | float | str, converter)  # the cards of an instrument
    converter.register_unstructure_hook(float, _float_text)
    converter.register_unstructure_hook(int, int)
    converter.register_unstructure_hook(bool, bool)
    converter.register_unstructure_hook(Time, time_text)
    converter.register_structure_hook(Time, lambda text, _: read_time(text))
    return converter


def _float_text(value: Any) -> float | str:
    number = float(value)
    return number if math.isfinite(number) else repr(number)


def _short(plain: Any) -> str:
    text = repr(plain)
    return text if len(text) <= 60 else f"{text[:57]}..."
