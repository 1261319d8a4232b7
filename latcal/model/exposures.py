"""How many exposures and how long or how bright: one phrase, read and printed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from attrs import frozen

_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_PHRASE = re.compile(rf"\s*(?:(\d+)\s*[x×]\s*)?({_NUMBER})\s*(\S.*?)?\s*")
_SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "min": 60.0, "h": 3600.0}
_LEVELS = ("adu", "electron", "% of full well")
_MOST = 100_000


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) and abs(value) < 1e15 else repr(float(value))


@frozen
class Level:
    """A mean signal above bias, asked for instead of a time.

    Parameters
    ----------
    value : float
    unit : str
        ``adu``, ``electron``, or ``% of full well``.
    """

    value: float
    unit: str

    def electrons(self, gain: float, full_well: float) -> float:
        """Give the level in electrons.

        Parameters
        ----------
        gain : float [electron / adu]
        full_well : float [electron]
        """
        return self.value * {"adu": gain, "electron": 1.0, "% of full well": full_well / 100}[self.unit]

    def __str__(self) -> str:
        return f"{_number(self.value)} {self.unit}"


@frozen
class Group:
    """So many exposures alike: of a time in seconds, or to a level."""

    count: int
    time_s: float | None = None
    level: Level | None = None

    def __str__(self) -> str:
        return f"{self.count} x {self.level or _number(self.time_s or 0.0) + ' s'}"


@frozen
class Exposures:
    """Groups of exposures, in the order in which they are taken."""

    groups: tuple[Group, ...]

    def __len__(self) -> int:
        return sum(group.count for group in self.groups)

    def __iter__(self) -> Iterator[Group]:
        """Give one group of one for every exposure."""
        for group in self.groups:
            yield from [Group(1, group.time_s, group.level)] * group.count

    @property
    def times_s(self) -> tuple[float, ...]:
        """The times of those exposures that have one [s]."""
        return tuple(group.time_s for group in self if group.time_s is not None)

    def __str__(self) -> str:
        return ", ".join(str(group) for group in self.groups)


def _group(text: Any) -> Group:
    if isinstance(text, bool | int | float) or text is None:
        some = text if type(text) is int and text > 0 else 5
        time = text if type(text) in (int, float) else 5
        raise ValueError(f"{text!r} is not an exposure", f"write '{some} x 5 s' or '{time} s'")
    match = _PHRASE.fullmatch(text) if isinstance(text, str) else None
    if not match:
        raise ValueError(f"{text!r} is not an exposure", "write '16 x 30 s', '5 s' or '2 x 30000 adu'")
    count, value, unit = match.groups()
    number, unit = float(value), " ".join((unit or "").split())
    if not unit:
        raise ValueError(f"{text!r} has no unit", f"write '{text} s'")
    if not 1 <= int(count or 1) <= _MOST:
        raise ValueError(f"{text!r} takes {count} exposures, which is not between 1 and {_MOST}", "write '1 x 5 s'")
    if unit in _SECONDS:
        if not 0 <= number * _SECONDS[unit] < 86_400:
            raise ValueError(f"{text!r} is not a time between 0 s and a day", "write '16 x 30 s'")
        return Group(int(count or 1), time_s=number * _SECONDS[unit])
    if unit not in _LEVELS:
        raise ValueError(
            f"{unit!r} in {text!r} is not a unit of time or level", "write s, adu, electron or '% of full well'"
        )
    if not number > 0 or (unit.startswith("%") and number > 100):
        raise ValueError(f"{text!r} is not a level that a sensor can have", "write '2 x 30000 adu'")
    return Group(int(count or 1), level=Level(number, unit))


def parse(value: Any) -> Exposures:
    """Read ``16 x 30 s``, ``2 x 30000 adu``, ``20 x 50 % of full well``, or a list of such.

    Raises
    ------
    ValueError
        With what is wrong and what to write.
    """
    texts: Iterable[Any] = value if isinstance(value, list | tuple) else [value]
    if isinstance(value, str) and "," in value:
        texts = value.split(",")
    groups = tuple(_group(text) for text in texts)
    if not groups:
        raise ValueError("an empty list is not an exposure", "write '16 x 30 s'")
    return Exposures(groups)
