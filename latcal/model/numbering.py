"""What an exposure id and an observation id are made of: the observing day, and a number on it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # astropy is imported by who has an instant
    from astropy.time import Time

EXPOSURES_PER_DAY = 100_000
"""An exposure id is the day, as YYYYMMDD, times this, plus a number."""


def observing_day(instant: Time, rollover_h: float = 12.0) -> date:
    """Give the observing day of an instant.

    Parameters
    ----------
    instant : Time
    rollover_h : float [h]
        Hour (UTC) at which an observing day begins: that of the instrument. The default is that of Rubin's cameras,
        whose nights have one day: 2024-06-25T07:10 is of 2024-06-24.
    """
    day: date = (instant.utc.to_datetime() - timedelta(hours=rollover_h)).date()
    return day


def exposure_id(day: int, number: int) -> int:
    """Give the id of an exposure: 2024062400169 of the day 20240624 and the number 169."""
    return day * EXPOSURES_PER_DAY + number


def day_and_number(exposure: int) -> tuple[int, int]:
    """Give the day, as YYYYMMDD, and the number that an exposure id is made of."""
    return divmod(exposure, EXPOSURES_PER_DAY)


def observation_id(prefix: str, exposure: int) -> str:
    """Give the observation id of an exposure id: ``AT_O_20240624_000169`` of ``AT_O`` and 2024062400169."""
    day, number = day_and_number(exposure)
    return f"{prefix}_{day}_{number:06d}"
