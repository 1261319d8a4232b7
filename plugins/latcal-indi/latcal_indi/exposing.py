"""One exposure of one or several cameras at once: begin, wait, and end it when it is told to."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

from attrs import define, field

from latcal_indi.hardware import Hardware
from latcal_indi.mirror import Blob, Property
from latcal_indi.troubles import Trouble

EXPOSURE, ABORT = "CCD_EXPOSURE", "CCD_ABORT_EXPOSURE"


@define(eq=False)
class Exposing:
    """The cameras of one server, exposed together.

    Parameters
    ----------
    under_way : tuple of str
        Devices that were told to expose and whose frames have not come.
    """

    hardware: Hardware
    under_way: tuple[str, ...] = field(default=(), init=False)

    def shortest_s(self, device: str) -> float:
        """Give the shortest time that a driver exposes [s]."""
        told = self.hardware.mirror.get(device, EXPOSURE)
        return told.ranges["CCD_EXPOSURE_VALUE"][0] if told else 0.0

    def longest_s(self, device: str) -> float:
        """Give the longest [s]; without end where the driver says none."""
        told = self.hardware.mirror.get(device, EXPOSURE)
        least, most = told.ranges["CCD_EXPOSURE_VALUE"] if told else (0.0, 0.0)
        return most if most > least else float("inf")

    def begin(self, devices: tuple[str, ...], time_s: float) -> Mapping[str, int]:
        """Tell the cameras to expose, one right after the other.

        Returns
        -------
        mapping of str to int
            By device: after what was heard its frame may come.
        """
        mirror, limit_s = self.hardware.mirror, self.hardware.options.waits.s("answer")
        self.under_way = devices
        before = mirror.heard
        for device in devices:
            asked_s = max(time_s, self.shortest_s(device))
            self.hardware.send(device, EXPOSURE, {"CCD_EXPOSURE_VALUE": asked_s}, limit_s)
        after = {}
        for device in devices:
            begun = mirror.wait(partial(self._begun, device, before), limit_s, self.hardware.aborted)
            if begun is None:
                raise Trouble(f"{device!r} did not begin an exposure within waits.answer {limit_s:g} s{mirror.said(device)}")
            after[device] = begun
        return after

    def _begun(self, device: str, before: int) -> int | None:
        """Give when the driver took it up: a short exposure may have come, and ended, before this is looked at."""
        told, first = self._told(device), self.hardware.mirror.first_after(device, EXPOSURE, before)
        if first is None:
            return None
        if told.state == "Alert":
            raise Trouble(f"{device!r} refused to expose{self.hardware.mirror.said(device)}")
        return first.heard if told.state in ("Busy", "Ok") else None

    def _told(self, device: str) -> Property:
        told = self.hardware.mirror.get(device, EXPOSURE)
        if told is None or not self.hardware.connected(device):
            raise Trouble(f"{device!r} is gone: its driver has ended, or was disconnected")
        return told

    def finish(self, after: Mapping[str, int], time_s: float) -> dict[str, Blob]:
        """Wait for the frames of all cameras that were told to expose.

        Raises
        ------
        Trouble
            If one has not come `waits.frame` after the exposure time, or its driver gave the exposure up or is gone.
        """
        limit_s = self.hardware.options.waits.s("frame")
        until = time.monotonic() + time_s + limit_s
        came: dict[str, Blob] = {}
        for device, heard in after.items():
            left_s = until - time.monotonic()
            blob = self.hardware.mirror.wait(partial(self._came, device, heard), left_s, self.hardware.aborted)
            if blob is None:
                told = self._told(device)
                stands = f"{EXPOSURE} {told.values.get('CCD_EXPOSURE_VALUE'):g} s, {told.state}"
                what = f"{device!r} sent no frame within {time_s:g} s exposure and waits.frame {limit_s:g} s"
                raise Trouble(f"{what} (it is at {stands}{self.hardware.mirror.said('')})")
            came[device] = blob
        self.under_way = ()
        return came

    def _came(self, device: str, heard: int) -> Blob | None:
        told, mirror = self._told(device), self.hardware.mirror
        blob = mirror.take_blob(device, heard)
        if blob is None and told.heard > heard and told.state in ("Alert", "Idle"):
            gave = "gave the exposure up" if told.state == "Alert" else "ended the exposure, which somebody else aborted"
            raise Trouble(f"{device!r} {gave}{mirror.said(device)}")
        return blob

    def tell_to_abort(self) -> None:
        """Tell the cameras to end what is under way, waiting for nothing."""
        for device in self.under_way:
            if self.hardware.mirror.get(device, ABORT) is not None:
                self.hardware.send(device, ABORT, {"ABORT": "On"}, self.hardware.options.waits.s("abort"))

    def wait_for_idle(self) -> None:
        """Wait until no camera exposes.

        Raises
        ------
        Trouble
            If one still does after `waits.abort`.
        """
        limit_s = self.hardware.options.waits.s("abort")
        for device in self.under_way:
            idle = self.hardware.mirror.wait(partial(self._idle, device), limit_s, self.hardware.aborted)
            if idle is None:
                raise Trouble(f"{device!r} did not end its exposure within waits.abort {limit_s:g} s")
        self.under_way = ()

    def _idle(self, device: str) -> bool | None:
        told = self.hardware.mirror.get(device, EXPOSURE)
        return True if told is None or told.state != "Busy" else None
