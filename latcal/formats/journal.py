"""The events of a run as lines of JSON, and back: ``night.jsonl``."""

from __future__ import annotations

import json
from typing import cast

from latcal.errors import StoreError
from latcal.formats import records
from latcal.model.events import EVENTS, Event
from latcal.model.verdicts import Verdict


def to_json(event: Event) -> str:
    """Write an event as one line of JSON, without the line's end.

    Returns
    -------
    str
        An object whose first key, ``event``, names the class.
    """
    return json.dumps({"event": type(event).__name__, **records.to_plain(event)}, allow_nan=False)


def from_json(line: str) -> Event:
    """Read an event again; it equals the one that was written.

    Raises
    ------
    StoreError
        If the line is not JSON, or no event.
    """
    try:
        plain = json.loads(line)
    except ValueError as error:
        raise StoreError(f"{line[:60]!r} is not a line of JSON ({error})") from error
    name = plain.pop("event", None) if isinstance(plain, dict) else None
    for cls in EVENTS:
        if cls.__name__ == name:
            return cast("Event", records.from_plain(plain, cls))
    known = ", ".join(cls.__name__ for cls in EVENTS)
    raise StoreError(f"{line[:60]!r} is not an event (its key 'event' is one of {known})")


def verdict_json(verdict: Verdict) -> str:
    """Write a verdict as JSON for people and programs: indented, every count and finding."""
    return json.dumps(records.to_plain(verdict), allow_nan=False, indent=1)
