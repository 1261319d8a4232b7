"""Leave hardware as it was found: exposure aborted, lamp off, then the last thing that was set first."""

from __future__ import annotations

import time

from attrs import define

from latcal_indi.exposing import Exposing
from latcal_indi.hardware import Hardware, Members, shown
from latcal_indi.options import IndiOptions
from latcal_indi.preparing import Preparing
from latcal_indi.troubles import Aborted, Trouble


@define(eq=False)
class Restoring:
    """Puts back what `Hardware.found` remembers."""

    hardware: Hardware
    preparing: Preparing
    exposing: Exposing

    def restore(self) -> list[str]:
        """Put everything back within `waits.restore`; whatever goes wrong with one thing, the others are seen to.

        Returns
        -------
        list of str
            What could not be put back, and why.
        """
        self.hardware.until = time.monotonic() + self.hardware.options.waits.s("restore")
        faults: list[str] = []
        for act in (self._find_again, self.lamp_off, self.exposing.tell_to_abort, self.exposing.wait_for_idle):
            try:
                act()
            except (Trouble, Aborted) as error:
                faults.append(str(error))
        for (device, name), members in reversed(self.hardware.found.items()):
            try:
                self._put_back(device, name, members)
            except (Trouble, Aborted) as error:
                faults.append(str(error))
        return list(dict.fromkeys(faults))

    def _find_again(self) -> None:
        if self.hardware.found and self.hardware.mirror.lost:
            self.hardware.link.open(self.hardware.left_s("connect"), self.hardware.access.stopping)

    def lamp_off(self) -> None:
        """Put the lamp out, if it was ever switched here, and wait until it says so."""
        lamp = self.hardware.options.lamp
        if lamp is not None and (lamp.device, lamp.property) in self.hardware.found:
            self.hardware.put(lamp.device, "CONNECTION", {"CONNECT": "On"}, "discover")
            self.preparing.lamp(lamp, lit=False)
            self.hardware.found[lamp.device, lamp.property] = {lamp.off: "On"}

    def _put_back(self, device: str, name: str, members: Members) -> None:
        hardware = self.hardware
        told = hardware.mirror.get(device, name)
        pointed = name == "CCD_TEMPERATURE" and device in hardware.pointed  # what it tells is not its set point
        as_found = told is not None and hardware.stands(told, members) and not hardware.mirror.lost
        if (as_found and not pointed) or self._is_left(device, name):
            return
        if time.monotonic() >= hardware.until:
            limit = f"waits.restore {hardware.options.waits.s('restore'):g} s"
            raise Trouble(f"{shown(name, members)} of {device!r} was not put back within {limit}")
        if name != "CONNECTION" and not hardware.connected(device):
            hardware.put(device, "CONNECTION", {"CONNECT": "On"}, "discover")
        if pointed:
            hardware.point(device, members["CCD_TEMPERATURE_VALUE"])
        else:
            hardware.put(device, name, members, _limit_of(name, hardware.options))

    def _is_left(self, device: str, name: str) -> bool:
        """Tell what is not put back: the set point of a cooler that was off, and what goes with it."""
        cooler = self.hardware.found.get((device, "CCD_COOLER"))
        return name == "CCD_TEMPERATURE" and cooler is not None and cooler.get("COOLER_ON") != "On"


def _limit_of(name: str, options: IndiOptions) -> str:
    limits = {"CONNECTION": "discover", "FILTER_SLOT": "filter"}
    if options.lamp is not None:
        limits[options.lamp.property] = "lamp"
    if options.cover is not None:
        limits[options.cover.property] = "cover"
    return limits.get(name, "answer")
