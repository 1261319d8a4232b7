"""What an INDI server has told: the properties of its devices, kept where all threads can read them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from attrs import define, evolve, field, frozen

from latcal_indi.troubles import Aborted, Trouble

T = TypeVar("T")

LOOK_S = 0.1
"""How often it is seen whether a wait was aborted, if nothing is heard [s]; our choice."""

REMEMBERED = 1000
"""Values of a property that are kept, of one that no gate looks back at; our choice: more than are told while one is waited for."""


@frozen
class Property:
    """One property of a device, as it was last told.

    Parameters
    ----------
    state : str
        ``Idle``, ``Ok``, ``Busy`` or ``Alert``.
    values : mapping of str to str or float
        By member: ``On`` and ``Off`` of switches, numbers, texts.
    ranges : mapping of str to (float, float)
        Of a number: least and greatest; equal where there is no limit.
    heard : int
        Counts what was heard of all properties: later is greater.
    stamp : datetime or None
        When it was told, by the clock of the driver, UTC; None if it does not say.
    """

    device: str
    name: str
    state: str
    values: Mapping[str, Any]
    ranges: Mapping[str, tuple[float, float]]
    heard: int
    stamp: datetime | None = None

    @property
    def on(self) -> str:
        """The first switch that is on; empty if none is."""
        return next((member for member, value in self.values.items() if value == "On"), "")


@frozen(eq=False)
class Blob:
    """A file that came.

    Parameters
    ----------
    form : str
        Its format, as the server says: ``.fits``.
    size : int [byte]
        What the server says that it has.
    heard : int
        As that of a `Property`.
    came : float [s]
        When, of `time.monotonic`.
    """

    data: bytes
    form: str
    size: int
    heard: int
    came: float


@define(eq=False)
class Mirror:
    """The properties of all devices; written by the thread that hears the server, read by all.

    Parameters
    ----------
    lost : str
        Why nothing more is heard; empty while the connection stands.
    lasting : mapping of (str, str) to float [s]
        Properties that gates look back at, and for how long.
    """

    lasting: Mapping[tuple[str, str], float] = field(factory=dict)
    lost: str = field(default="there is no connection yet", init=False)
    _changed: threading.Condition = field(factory=threading.Condition, init=False)
    _known: dict[tuple[str, str], Property] = field(factory=dict, init=False)
    _blobs: dict[str, Blob] = field(factory=dict, init=False)
    _said: dict[str, str] = field(factory=dict, init=False)
    _told: dict[tuple[str, str], deque[tuple[float, Property]]] = field(factory=dict, init=False)
    _heard: int = field(default=0, init=False)

    # -- written ---------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Forget all of an earlier connection."""
        with self._changed:
            self._known.clear()
            self._blobs.clear()
            self._said.clear()
            self._told.clear()
            self.lost = ""

    def lose(self, why: str) -> None:
        """Let all who wait know that nothing more comes."""
        with self._changed:
            self.lost = self.lost or why
            self._changed.notify_all()

    def put(self, told: Property) -> None:
        """Take a property as it is told; a member that is not told keeps its value."""
        with self._changed:
            key = told.device, told.name
            earlier = self._known.get(key)
            values = {**(earlier.values if earlier else {}), **told.values}
            ranges = told.ranges or (earlier.ranges if earlier else {})
            self._heard += 1
            self._known[key] = now = evolve(told, values=values, ranges=ranges, heard=self._heard)
            self._remember(key, now)
            self._changed.notify_all()

    def _remember(self, key: tuple[str, str], now: Property) -> None:
        """Keep what was told: for as long as a gate looks back, or so many."""
        told = self._told.setdefault(key, deque(maxlen=None if key in self.lasting else REMEMBERED))
        told.append((time.monotonic(), now))
        if key in self.lasting:
            oldest = told[-1][0] - self.lasting[key]
            while len(told) > 1 and told[1][0] <= oldest:  # the first is how it was at the oldest moment
                told.popleft()

    def put_blob(self, device: str, data: bytes, form: str, size: int) -> None:
        """Take a file that came; one that nobody fetched is replaced."""
        with self._changed:
            self._heard += 1
            self._blobs[device] = Blob(data, form, size, self._heard, time.monotonic())
            self._changed.notify_all()

    def remove(self, device: str, name: str | None) -> None:
        """Forget a property, or a whole device."""
        with self._changed:
            for key in [key for key in self._known if key[0] == device and name in (None, key[1])]:
                del self._known[key]
                self._told.pop(key, None)
            self._changed.notify_all()

    def say(self, device: str, message: str) -> None:
        """Keep the last message of a device."""
        with self._changed:
            self._said[device] = " ".join(message.split())

    def wake(self) -> None:
        """Let all who wait look whether they were aborted."""
        with self._changed:
            self._changed.notify_all()

    # -- read ------------------------------------------------------------------------------------------------------

    @property
    def heard(self) -> int:
        """How much was heard so far."""
        return self._heard

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the devices, in order."""
        with self._changed:
            return tuple(sorted({device for device, _ in self._known}))

    @property
    def count(self) -> int:
        """How many properties are known."""
        return len(self._known)

    def get(self, device: str, name: str) -> Property | None:
        """Give a property, or None if the device does not have it."""
        return self._known.get((device, name))

    def said(self, device: str) -> str:
        """Give the last message of a device, for the end of a line."""
        text = self._said.get(device, "")
        return f": {text}" if text else ""

    def since(self, device: str, name: str, good: Callable[[Mapping[str, Any]], bool]) -> float:
        """Say for how long the values of a property have been good [s]; 0 if they are not."""
        with self._changed:
            told = tuple(self._told.get((device, name), ()))
        began = None
        for when, one in reversed(told):
            if not good(one.values):
                break
            began = when
        return 0.0 if began is None else time.monotonic() - began

    def first_after(self, device: str, name: str, heard: int) -> Property | None:
        """Give the first that was told of a property after something else was heard; much may have come since."""
        with self._changed:
            first = None
            for _, one in reversed(self._told.get((device, name), ())):
                if one.heard <= heard:
                    break
                first = one
        return first

    def take_blob(self, device: str, after: int) -> Blob | None:
        """Give the file of a device that came after something else was heard, once."""
        with self._changed:
            blob = self._blobs.get(device)
            if blob is None or blob.heard <= after:
                return None
            return self._blobs.pop(device)

    def wait(self, look: Callable[[], T | None], seconds: float, aborted: threading.Event) -> T | None:
        """Wait until something is there.

        Parameters
        ----------
        look : callable
            Gives it, or None; called whenever something was heard. It may raise.
        seconds : float [s]
            How long at most.

        Returns
        -------
        What `look` gave; None if it is time.

        Raises
        ------
        Trouble
            If the connection is lost.
        Aborted
            If that was told meanwhile.
        """
        until = time.monotonic() + seconds
        with self._changed:
            while True:
                if aborted.is_set():
                    raise Aborted("it was told to abort")
                if self.lost:
                    raise Trouble(self.lost)
                if (found := look()) is not None:
                    return found
                left = until - time.monotonic()
                if left <= 0:
                    return None
                self._changed.wait(min(left, LOOK_S))
