"""The devices as a whole: set things, remember how they were found, and put them back."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from attrs import define, field

from latcal_indi.access import Access
from latcal_indi.link import Link
from latcal_indi.mirror import Mirror, Property
from latcal_indi.options import IndiOptions
from latcal_indi.settings import SETTINGS, setting
from latcal_indi.troubles import Trouble

CLOSE = 1e-6
"""How far a number may be from what was set, as a part of it: drivers tell fewer digits; our choice."""

QUIET_S = 0.2
"""For how long nothing new is told by devices that have told all [s]; our choice."""

LEAST_S = 0.2
"""What is left for a property when the time for all is over [s]; our choice."""

Members = Mapping[str, Any]


@define(eq=False)
class Hardware:
    """All devices of a camera.

    Parameters
    ----------
    found : dict
        By device and property: how it was before it was first set here, in that order.
    access : Access
        Says who may send, and ends waits.
    points : dict
        By camera: the set point that its cooler was given [C], on this connection.
    pointed : set of str
        Cameras whose coolers were given one at all: what they tell is a temperature, and never that point.
    unheard : set of (str, str)
        Properties that were sent and of which nothing was heard since: how they stand is not known.
    until : float
        Of `time.monotonic`: no wait for a property is longer.
    """

    options: IndiOptions
    mirror: Mirror = field(init=False)
    link: Link = field(init=False)
    access: Access = field(factory=Access, init=False)
    found: dict[tuple[str, str], Members] = field(factory=dict, init=False)
    points: dict[str, float] = field(factory=dict, init=False)
    pointed: set[str] = field(factory=set, init=False)
    unheard: set[tuple[str, str]] = field(factory=set, init=False)
    until: float = field(default=math.inf, init=False)

    def __attrs_post_init__(self) -> None:
        self.mirror = Mirror(lasting=self.options.lasting)
        self.link = Link(self.options.host, self.options.port, self.mirror)

    @property
    def devices(self) -> tuple[str, ...]:
        """Every device that is used: cameras first."""
        return tuple(dict.fromkeys((*self.options.devices, *self.options.others, *self.options.settings)))

    def begin(self) -> None:
        """Remember nothing, wait as long as the options say."""
        self.access.begin()
        self.found.clear()
        self.points.clear()
        self.pointed.clear()
        self.unheard.clear()
        self.until = math.inf

    def close_to_others(self) -> None:
        """Leave it to this thread: `Access.close_to_others`; whoever waits is woken."""
        self.access.close_to_others()
        self.mirror.wake()

    def left_s(self, limit: str) -> float:
        """Give how long something may be waited for [s]: its own limit, and never much longer than all may take."""
        return min(self.options.waits.s(limit), max(self.until - time.monotonic(), LEAST_S))

    def open(self) -> None:
        """Connect to the server and see that all devices are there and connected.

        Raises
        ------
        Trouble
            If they are not within the limits.
        """
        waits = self.options.waits
        new = bool(self.mirror.lost)
        if new:
            self.link.open(self.left_s("connect"), self.access.stopping)
        for device in self.devices:
            self.need(device, "CONNECTION")
            new = new or not self.connected(device)
        for device in self.devices:
            self.put(device, "CONNECTION", {"CONNECT": "On"}, "discover")
        if new:
            self.points.clear()
            self._listen_to_all(time.monotonic() + self.left_s("discover"))
        for device in self.options.devices:
            for name in ("CCD_EXPOSURE", "CCD_FRAME_TYPE", "CCD_INFO", "CCD1"):
                self.need(device, name)
            if device not in self.link.listened:
                self.link.listen(device, waits.s("answer"))

    def _listen_to_all(self, until: float) -> None:
        """Wait until all that is expected is told and nothing new comes: a device tells its properties one by one."""
        missing = {*self.expected, *self._missing_settings}
        known = -1
        while time.monotonic() < until and (missing or known != self.mirror.count):
            known = self.mirror.count
            self.mirror.wait(lambda: None, QUIET_S, self.access.stopping)
            missing = {place for place in missing if self.mirror.get(*place) is None} | self._missing_settings

    def see_that_it_answers(self) -> None:
        """Ask what is known already: of a connection that is dead nobody says so, and another must be made.

        Raises
        ------
        Trouble
            If no device answers within `waits.answer`.
        """
        before, limit_s = self.mirror.heard, self.left_s("answer")
        for device in self.devices:
            self.link.ask(device, "CONNECTION", limit_s)
        if self.mirror.wait(lambda: True if self.mirror.heard > before else None, limit_s, self.access.stopping) is None:
            self.mirror.lose(f"{self.link.place} answered nothing within waits.answer {limit_s:g} s")
            raise Trouble(self.mirror.lost)

    @property
    def expected(self) -> tuple[tuple[str, str], ...]:
        """Properties that the options speak of, by device; whether one is missing is said in preflight."""
        options, every = self.options, []
        for device in options.devices:
            every += [(device, name) for name in ("CCD_EXPOSURE", "CCD_FRAME_TYPE", "CCD_INFO", "CCD1")]
            every += [(device, "CCD_TEMPERATURE")] if options.temperature is not None else []
        every += [(options.wheel, name) for name in ("FILTER_SLOT", "FILTER_NAME") if options.wheel]
        every += [(part.device, part.property) for part in (options.lamp, options.cover) if part is not None]
        every += [(device, name) for device, names in options.settings.items() for name in names]
        return tuple(every)

    @property
    def _missing_settings(self) -> set[tuple[str, str]]:
        """Settings that the options speak of and that no device has told, by its first name."""
        wanted = [word for word in SETTINGS if getattr(self.options, word) is not None]
        return {(one, SETTINGS[word][0][0]) for one in self.options.devices for word in wanted if setting(self.mirror, one, word) is None}

    def need(self, device: str, name: str) -> Property:
        """Wait until a device has told a property.

        Raises
        ------
        Trouble
            If it does not.
        """
        limit_s = self.left_s("discover")
        told = self.mirror.wait(lambda: self.mirror.get(device, name), limit_s, self.access.stopping)
        if told is None:
            there = self.mirror.devices
            what = f"{device!r} has no {name}" if device in there else f"{device!r} is no device of {self.link.place}"
            has = f"it has {', '.join(there)}" if there else "it has none"
            raise Trouble(f"{what} within waits.discover {limit_s:g} s ({has})")
        return told

    def value(self, device: str, name: str, member: str) -> Any:
        """Give what a device has told, or None."""
        told = self.mirror.get(device, name)
        return None if told is None else told.values.get(member)

    def put(self, device: str, name: str, members: Members, limit: str = "answer") -> None:
        """Set a property, if it is not so already, and wait until it is.

        Parameters
        ----------
        limit : str
            Which of `Waits` bounds it.

        Raises
        ------
        Trouble
            If the device refuses, or it is not so within the limit.
        Aborted
            If that was told meanwhile.
        """
        told = self.need(device, name)
        self.remember(told)
        if self.stands(told, members) and told.state != "Busy":
            return
        limit_s = self.left_s(limit)
        self.unheard.add((device, name))
        self.send(device, name, members, limit_s)
        self._settle(device, name, members, told.heard, limit, limit_s)
        self.unheard.discard((device, name))

    def _settle(self, device: str, name: str, members: Members, before: int, limit: str, limit_s: float) -> None:
        def there() -> Property | None:
            now = self.mirror.get(device, name)
            if now is None:
                raise Trouble(f"{device!r} is gone: its driver has ended")
            if now.heard > before and now.state == "Alert":
                raise Trouble(f"{device!r} refused {shown(name, members)}{self.mirror.said(device)}")
            return now if now.heard > before and now.state != "Busy" and _stands(now, members) else None

        if self.mirror.wait(there, limit_s, self.access.stopping) is None:
            now = self.mirror.get(device, name)
            at = f"{shown(name, {one: now.values.get(one) for one in members})}, {now.state}" if now else "gone"
            raise Trouble(f"{device!r} is at {at}, not at {shown(name, members)}, after waits.{limit} {limit_s:g} s")

    def point(self, device: str, celsius: float) -> None:
        """Give a cooler its set point, whatever the temperature is now; it is not waited for."""
        told = self.need(device, "CCD_TEMPERATURE")
        self.remember(told)
        self.send(device, told.name, {"CCD_TEMPERATURE_VALUE": celsius}, self.left_s("answer"))
        self.points[device] = celsius
        self.pointed.add(device)

    def send(self, device: str, name: str, members: Members, limit_s: float, *, safe: bool = False) -> None:
        """Send without waiting for what comes of it.

        Parameters
        ----------
        safe : bool
            Whether any thread may send it at any time: a lamp off, an exposure aborted.

        Raises
        ------
        Trouble
            If the connection is lost.
        Aborted
            If another thread closes it, and it is not safe.
        """
        told = self.mirror.get(device, name)
        self.link.send(device, name, _whole(told, members), limit_s, self.access.turn(safe=safe))

    def stands(self, told: Property, members: Members) -> bool:
        """Tell whether a property surely has these values: it says so, and nothing is on its way to it."""
        return _stands(told, members) and (told.device, told.name) not in self.unheard

    def remember(self, told: Property) -> None:
        """Keep how a property was found, the first time."""
        self.found.setdefault((told.device, told.name), dict(told.values))

    def connected(self, device: str) -> bool:
        """Tell whether a device is there and connected."""
        told = self.mirror.get(device, "CONNECTION")
        return told is not None and told.values.get("CONNECT") == "On" and told.state != "Busy"


def _stands(told: Property, members: Members) -> bool:
    return all(_same(told.values.get(member), value) for member, value in members.items())


def _same(told: Any, wanted: Any) -> bool:
    if isinstance(wanted, str) or not isinstance(told, float):
        return bool(told == wanted)
    return bool(abs(told - wanted) <= CLOSE * max(1.0, abs(wanted)))


def _whole(told: Property | None, members: Members) -> Members:
    """Of switches of which one is on: switch the others off too, as not all drivers do that by themselves."""
    if told is None or "On" not in members.values():
        return members
    return {**{one: "Off" for one, value in told.values.items() if value == "On" and one not in members}, **members}


def shown(name: str, members: Members) -> str:
    """Write a property and values of it."""
    return f"{name} {', '.join(f'{member} {value}' for member, value in members.items())}"
