"""Say when a product holds: half-open ranges of TAI."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from astropy.time import Time
from attrs import field, frozen


def _ticks(time: Time | None) -> Any:
    return None if time is None else (time.tai.jd1, time.tai.jd2)


def instant(value: str | date | datetime) -> Time:
    """Give the instant of a date (its midnight) or of a date and time, TAI.

    Parameters
    ----------
    value : str or datetime.date
        ``2022-11-04``, or ``2022-11-04T18:30:00``.

    Raises
    ------
    ValueError
        If the text is neither.
    """
    text = value if isinstance(value, str) else value.isoformat()
    return Time(text, format="isot" if "T" in text else "iso", scale="tai")


def stamp(time: Time) -> str:
    """Write an instant as ISO text in TAI, to the microsecond; texts sort as their instants do."""
    tai = time.tai.copy(format="isot")
    tai.precision = 6
    return str(tai.value)


@frozen
class ValidityRange:
    """Every instant from `begin`, included, to `end`, excluded; None leaves that side open.

    There is no default: a range over all of time is written as such, never assumed.

    Raises
    ------
    ValueError
        If the range holds no instant.
    """

    begin: Time | None = field(eq=_ticks)
    end: Time | None = field(eq=_ticks)

    def __attrs_post_init__(self) -> None:
        if self.begin is not None and self.end is not None and not self.begin < self.end:
            raise ValueError(f"{self} holds no instant: its end is not after its begin")

    def contains(self, time: Time) -> bool:
        """Tell whether `time` lies in the range."""
        return bool((self.begin is None or self.begin <= time) and (self.end is None or time < self.end))

    def overlaps(self, other: ValidityRange) -> bool:
        """Tell whether some instant lies in both ranges."""
        return bool(
            (self.begin is None or other.end is None or self.begin < other.end)
            and (other.begin is None or self.end is None or other.begin < self.end)
        )

    def covers(self, other: ValidityRange) -> bool:
        """Tell whether every instant of the other range lies in this one."""
        return bool(
            (self.begin is None or (other.begin is not None and self.begin <= other.begin))
            and (self.end is None or (other.end is not None and other.end <= self.end))
        )

    def __str__(self) -> str:
        begin, end = (None if t is None else _short(t) for t in (self.begin, self.end))
        if begin and end:
            return f"{begin} to {end}"
        return f"{begin} onwards" if begin else f"until {end}" if end else "always"


def _short(time: Time) -> str:
    return stamp(time).removesuffix(".000000").removesuffix("T00:00:00")
