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
_LADDER = re.compile(r"\s*(?:(\d+)\s*[x×]\s*)?(\d+)\s+levels\s+from\s+(\S.*?)\s+to\s+(\S.*?)\s*")
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
            What is 100 %.
        """
        return self.value * {"adu": gain, "electron": 1.0, "% of full well": full_well / 100}[self.unit]

    def __str__(self) -> str:
        return f"{_number(self.value)} {self.unit}"


@frozen
class Rung:
    """A level of a ladder, whose levels are evenly spaced in the logarithm.

    Parameters
    ----------
    number, of : int
        Its place, from 1, and how many levels there are.
    low, high : Level
        The first and the last one.
    """

    number: int
    of: int
    low: Level
    high: Level

    def electrons(self, gain: float, full_well: float) -> float:
        """Give the level in electrons, as `Level.electrons` does."""
        low, high = (end.electrons(gain, full_well) for end in (self.low, self.high))
        return float(low * (high / low) ** ((self.number - 1) / (self.of - 1)))

    def __str__(self) -> str:
        return f"level {self.number} of {self.of} from {self.low} to {self.high}"


@frozen
class Group:
    """So many exposures alike: of a time in seconds, or to a level."""

    count: int
    time_s: float | None = None
    level: Level | Rung | None = None

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Group]:
        """Give a group of one for every exposure."""
        return iter([Group(1, self.time_s, self.level)] * self.count)

    def __str__(self) -> str:
        return f"{self.count} x {self.level or _number(self.time_s or 0.0) + ' s'}"


@frozen
class Ladder:
    """So many exposures to each of several levels, from the lowest to the highest.

    Parameters
    ----------
    count : int
        At each level.
    steps : int
        How many levels there are, at least two, evenly spaced in the logarithm.
    """

    count: int
    steps: int
    low: Level
    high: Level

    def __len__(self) -> int:
        return self.count * self.steps

    def __iter__(self) -> Iterator[Group]:
        """Give a group of one for every exposure."""
        for number in range(1, self.steps + 1):
            yield from Group(self.count, level=Rung(number, self.steps, self.low, self.high))

    def __str__(self) -> str:
        return f"{self.count} x {self.steps} levels from {self.low} to {self.high}"


@frozen
class Exposures:
    """Groups of exposures, and ladders, in the order in which they are taken."""

    groups: tuple[Group | Ladder, ...]

    def __len__(self) -> int:
        return sum(len(group) for group in self.groups)

    def __iter__(self) -> Iterator[Group]:
        """Give one group of one for every exposure."""
        for group in self.groups:
            yield from group

    @property
    def levels(self) -> tuple[Level | Rung, ...]:
        """The different levels asked for, in order."""
        return tuple(dict.fromkeys(group.level for group in self if group.level is not None))

    @property
    def times_s(self) -> tuple[float, ...]:
        """The times of those exposures that have one [s]."""
        return tuple(group.time_s for group in self if group.time_s is not None)

    def __str__(self) -> str:
        return ", ".join(str(group) for group in self.groups)


def _group(text: Any) -> Group | Ladder:
    if isinstance(text, bool | int | float) or text is None:
        some = text if type(text) is int and text > 0 else 5
        time = text if type(text) in (int, float) else 5
        raise ValueError(f"{text!r} is not an exposure", f"write '{some} x 5 s' or '{time} s'")
    if isinstance(text, str) and (rungs := _LADDER.fullmatch(text)):
        return _ladder(text, *rungs.groups())
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


def _ladder(text: str, count: str | None, steps: str, low: str, high: str) -> Ladder:
    hint = "write '2 x 20 levels from 500 electron to 90 % of full well'"
    if not (int(steps) >= 2 and 1 <= int(count or 1) * int(steps) <= _MOST):
        what = f"{text!r} takes {count or 1} exposures to {steps} levels, which are not 2 levels or more, and {_MOST} exposures at most"
        raise ValueError(what, hint)
    first, last = _end(low, hint), _end(high, hint)
    if first.unit == last.unit and not first.value < last.value:
        raise ValueError(f"{first} in {text!r} is not below {last}", hint)
    return Ladder(int(count or 1), int(steps), first, last)


def _end(text: str, hint: str) -> Level:
    """Read the level at which a ladder begins or ends."""
    for group in _group(text):
        if isinstance(group.level, Level) and str(group) == f"1 x {group.level}" and " x " not in text:
            return group.level
    raise ValueError(f"{text!r} is not a level", hint)


def parse(value: Any) -> Exposures:
    """Read ``16 x 30 s``, ``2 x 30000 adu``, ``2 x 20 levels from 500 electron to 90 % of full well``, or a list of such.

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
