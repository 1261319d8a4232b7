"""One exposure of one or several cameras at once: begin, wait, and end it when it is told to."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import datetime
from functools import partial

from attrs import define, field, frozen

from latcal_indi.arriving import early, stale
from latcal_indi.hardware import Hardware
from latcal_indi.mirror import Blob, Property
from latcal_indi.troubles import Aborted, Trouble

EXPOSURE, ABORT = "CCD_EXPOSURE", "CCD_ABORT_EXPOSURE"


@frozen
class Begun:
    """An exposure of one camera, under way.

    Parameters
    ----------
    heard : int
        After what was heard its frame may come.
    sent : float [s]
        When the camera was told to expose, of `time.monotonic`.
    stamp : datetime or None
        When it took that up, by the clock of its driver, UTC.
    took_s : float [s]
        Between the two.
    """

    heard: int
    sent: float
    stamp: datetime | None
    took_s: float


@define(eq=False)
class Exposing:
    """The cameras of one server, exposed together.

    Parameters
    ----------
    under_way : tuple of str
        Devices that were told to expose and whose frames have not come.
    strange : list of str
        Why frames that came for the exposure under way are none of it.
    """

    hardware: Hardware
    under_way: tuple[str, ...] = field(default=(), init=False)
    strange: list[str] = field(factory=list, init=False)
    _telling: threading.Lock = field(factory=threading.Lock, init=False)

    def shortest_s(self, device: str) -> float:
        """Give the shortest time that a driver exposes [s]."""
        told = self.hardware.mirror.get(device, EXPOSURE)
        return told.ranges["CCD_EXPOSURE_VALUE"][0] if told else 0.0

    def longest_s(self, device: str) -> float:
        """Give the longest [s]; without end where the driver says none."""
        told = self.hardware.mirror.get(device, EXPOSURE)
        least, most = told.ranges["CCD_EXPOSURE_VALUE"] if told else (0.0, 0.0)
        return most if most > least else float("inf")

    def begin(self, devices: tuple[str, ...], time_s: float) -> Mapping[str, Begun]:
        """Tell the cameras to expose, one right after the other; give by device what begins.

        Raises
        ------
        Trouble
            If one does not take it up within `waits.answer`.
        Aborted
            If that was told before: an abort that comes later finds it under way.
        """
        mirror, limit_s = self.hardware.mirror, self.hardware.options.waits.s("answer")
        self.strange.clear()
        sent = {}
        with self._telling:
            if self.hardware.access.stopping.is_set():
                raise Aborted("it was told to abort")
            self.under_way, before = devices, mirror.heard
            for device in devices:
                sent[device] = time.monotonic()
                asked_s = max(time_s, self.shortest_s(device))
                self.hardware.send(device, EXPOSURE, {"CCD_EXPOSURE_VALUE": asked_s}, limit_s)
        begun = {}
        for device in devices:
            first = mirror.wait(partial(self._begun, device, before), limit_s, self.hardware.access.stopping)
            if first is None:
                raise Trouble(f"{device!r} did not begin an exposure within waits.answer {limit_s:g} s{mirror.said(device)}")
            begun[device] = Begun(first.heard, sent[device], first.stamp, time.monotonic() - sent[device])
        return begun

    def _begun(self, device: str, before: int) -> Property | None:
        """Give what the driver said first: a short exposure may have come, and ended, before this is looked at."""
        told, first = self._told(device), self.hardware.mirror.first_after(device, EXPOSURE, before)
        if first is None:
            return None
        if told.state == "Alert":
            raise Trouble(f"{device!r} refused to expose{self.hardware.mirror.said(device)}")
        return first if told.state in ("Busy", "Ok") else None

    def _told(self, device: str) -> Property:
        told = self.hardware.mirror.get(device, EXPOSURE)
        if told is None or not self.hardware.connected(device):
            raise Trouble(f"{device!r} is gone: its driver has ended, or was disconnected")
        return told

    def finish(self, begun: Mapping[str, Begun], time_s: float) -> dict[str, Blob]:
        """Wait for the frames of all cameras that were told to expose.

        Raises
        ------
        Trouble
            If one has not come `waits.frame` after the exposure time, or its driver gave the exposure up or is gone.
        """
        limit_s = self.hardware.options.waits.s("frame")
        until = time.monotonic() + time_s + limit_s
        came: dict[str, Blob] = {}
        for device, one in begun.items():
            left_s = until - time.monotonic()
            blob = self.hardware.mirror.wait(partial(self._came, device, one, time_s), left_s, self.hardware.access.stopping)
            if blob is None:
                told = self._told(device)
                stands = f"{EXPOSURE} {told.values.get('CCD_EXPOSURE_VALUE'):g} s, {told.state}"
                what = f"{device!r} sent no frame within {time_s:g} s exposure and waits.frame {limit_s:g} s"
                other = "".join(f"; {words}" for words in self.strange)
                raise Trouble(f"{what} (it is at {stands}{self.hardware.mirror.said('')}{other})")
            came[device] = blob
        self.under_way = ()
        return came

    def _came(self, device: str, begun: Begun, time_s: float) -> Blob | None:
        told, mirror = self._told(device), self.hardware.mirror
        blob = mirror.take_blob(device, begun.heard)
        if blob is not None and (why := self._is_of_another(blob, begun, time_s)):
            self.strange.append(f"{device!r} sent {why}")
            blob = None
        if blob is None and told.heard > begun.heard and told.state in ("Alert", "Idle"):
            gave = "gave the exposure up" if told.state == "Alert" else "ended the exposure, which somebody else aborted"
            raise Trouble(f"{device!r} {gave}{mirror.said(device)}")
        return blob

    def _is_of_another(self, blob: Blob, begun: Begun, time_s: float) -> str:
        """Say why a frame is one of an exposure before, which was given up; empty if it is not."""
        return early(blob.came - begun.sent, time_s) or stale(blob.data, begun.stamp, begun.took_s)

    def tell_to_abort(self) -> None:
        """Tell the cameras to end what is under way, waiting for nothing."""
        with self._telling:
            for device in self.under_way:
                if self.hardware.mirror.get(device, ABORT) is not None:
                    limit_s = self.hardware.options.waits.s("abort")
                    self.hardware.send(device, ABORT, {"ABORT": "On"}, limit_s, safe=True)

    def end_the_one_before(self) -> None:
        """End what was given up, if it goes on: it may not have heard that, the connection being lost.

        Raises
        ------
        Trouble
            As `wait_for_idle`.
        """
        if any(self._idle(device) is None for device in self.under_way):
            self.tell_to_abort()
        self.wait_for_idle()

    def wait_for_idle(self) -> None:
        """Wait until no camera exposes.

        Raises
        ------
        Trouble
            If one still does after `waits.abort`.
        """
        limit_s = self.hardware.left_s("abort")
        for device in self.under_way:
            idle = self.hardware.mirror.wait(partial(self._idle, device), limit_s, self.hardware.access.stopping)
            if idle is None:
                raise Trouble(f"{device!r} did not end its exposure within waits.abort {limit_s:g} s")
        self.under_way = ()

    def _idle(self, device: str) -> bool | None:
        told = self.hardware.mirror.get(device, EXPOSURE)
        return True if told is None or told.state != "Busy" else None
