"""Everything that is set before an exposure: frame, binning, file format, cooler, filter, lamp, cover."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from attrs import define

from latcal_indi.hardware import Hardware
from latcal_indi.options import Cover, Lamp
from latcal_indi.settings import SETTINGS, setting

FRAME = "CCD_FRAME_TYPE"
WANTED: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("CCD_TRANSFER_FORMAT", ("FORMAT_FITS",)),
    ("CCD_COMPRESSION", ("INDI_DISABLED", "CCD_RAW")),
)
"""Switches of the INDI standard, and what they must be, under the names that drivers of several years give them."""

_BINNED = re.compile(r"([1-9][0-9]*)x([1-9][0-9]*)")


def binned(text: str) -> tuple[int, int]:
    """Read ``2x2``: columns and rows read as one."""
    match = _BINNED.fullmatch(text)
    return (int(match[1]), int(match[2])) if match else (1, 1)


@define(eq=False)
class Preparing:
    """What is set before an exposure; what is so already is not sent."""

    hardware: Hardware

    def cameras(self, kind: str, binning: str) -> None:
        """Make all cameras ready for a type of frames: whole, as FITS, sent to us."""
        for device in self.hardware.options.devices:
            self._readout(device, binning)
            for name, members in WANTED:
                self._switch(device, name, members)
            self._upload(device)
            self._numbers(device)
            self.hardware.put(device, FRAME, {f"FRAME_{kind.upper()}": "On"})
        for device, properties in self.hardware.options.settings.items():
            for name, values in properties.items():
                self.hardware.put(device, name, values)

    def _readout(self, device: str, binning: str) -> None:
        put, info = self.hardware.put, self.hardware.need(device, "CCD_INFO").values
        columns, rows = binned(binning)
        if self.hardware.mirror.get(device, "CCD_BINNING") is not None:
            put(device, "CCD_BINNING", {"HOR_BIN": float(columns), "VER_BIN": float(rows)})
        if self.hardware.mirror.get(device, "CCD_FRAME") is not None:
            whole = {"X": 0.0, "Y": 0.0, "WIDTH": info["CCD_MAX_X"], "HEIGHT": info["CCD_MAX_Y"]}
            put(device, "CCD_FRAME", whole)

    def _switch(self, device: str, name: str, members: tuple[str, ...]) -> None:
        told = self.hardware.mirror.get(device, name)
        member = next((one for one in members if told and one in told.values), None)
        if member is not None:
            self.hardware.put(device, name, {member: "On"})

    def _upload(self, device: str) -> None:
        folder = self.hardware.options.server_folder
        if folder:
            self.hardware.put(device, "UPLOAD_SETTINGS", {"UPLOAD_DIR": folder, "UPLOAD_PREFIX": "latcal_XXX"})
        self._switch(device, "UPLOAD_MODE", ("UPLOAD_BOTH" if folder else "UPLOAD_CLIENT",))

    def _numbers(self, device: str) -> None:
        options = self.hardware.options
        for word in SETTINGS:
            wanted, found = getattr(options, word), setting(self.hardware.mirror, device, word)
            if wanted is not None and found is not None:  # preflight has said if there is none
                self.hardware.put(device, found[0].name, {found[1]: wanted})
        if options.temperature is not None:
            self._cool(device, float(options.temperature.to_value("deg_C")))

    def _cool(self, device: str, point: float) -> None:
        """Set the cooler, once: what is told later is the temperature as it comes near the set point."""
        hardware = self.hardware
        cooler = hardware.mirror.get(device, "CCD_COOLER")
        if cooler is not None:
            hardware.remember(cooler)
        on = cooler is None or cooler.values.get("COOLER_ON") == "On"
        if not on or hardware.points.get(device) != point:
            hardware.point(device, point)

    def filter(self, slot: float | None) -> None:
        """Turn the wheel."""
        if slot is not None:
            self.hardware.put(self.hardware.options.wheel, "FILTER_SLOT", {"FILTER_SLOT_VALUE": slot}, "filter")

    def light(self, kind: str) -> None:
        """Set lamp and cover as a type of frames wants them: never a lit lamp behind a cover that must be dark."""
        options = self.hardware.options
        if options.lamp is not None and kind != "flat":
            self.lamp(options.lamp, lit=False)
        if options.cover is not None:
            closed = kind in ("bias", "dark") or (kind == "flat" and options.cover.flats == "closed")
            self._cover(options.cover, closed=closed)
        if options.lamp is not None and kind == "flat":
            self.lamp(options.lamp, lit=True)

    def lamp(self, lamp: Lamp, *, lit: bool) -> None:
        """Switch the lamp."""
        if lit and lamp.intensity is not None:
            member = "FLAT_LIGHT_INTENSITY_VALUE"
            self.hardware.put(lamp.device, "FLAT_LIGHT_INTENSITY", {member: lamp.intensity}, "lamp")
        self.hardware.put(lamp.device, lamp.property, {lamp.on if lit else lamp.off: "On"}, "lamp")

    def _cover(self, cover: Cover, *, closed: bool) -> None:
        self.hardware.put(cover.device, cover.property, {cover.closed if closed else cover.open: "On"}, "cover")


@define(eq=False)
class Wheel:
    """The filter wheel: names and slots."""

    hardware: Hardware

    @property
    def names(self) -> Mapping[float, str]:
        """The wheel's own names by slot, from 1."""
        told = self.hardware.mirror.get(self.hardware.options.wheel, "FILTER_NAME")
        return {float(slot): str(name) for slot, name in enumerate(told.values.values() if told else (), 1)}

    @property
    def slot(self) -> float | None:
        """The slot in which it stands; None without a wheel."""
        slot: float | None = self.hardware.value(self.hardware.options.wheel, "FILTER_SLOT", "FILTER_SLOT_VALUE")
        return slot

    def name(self, slot: float | None) -> str | None:
        """Give what a recipe calls the filter in a slot: its own name for it, or the wheel's, or the slot."""
        if slot is None:
            return None
        mine = (name for name in self.hardware.options.filters if self.find(name) == slot)
        return next(mine, self.names.get(slot, f"{slot:g}"))

    def find(self, name: str) -> float | None:
        """Give the slot of a filter that a recipe names; None if it is none of the wheel."""
        wanted = self.hardware.options.filters.get(name, name)
        slots = self._slots()
        for slot, own in self.names.items():
            if own == wanted:
                return slot
        if isinstance(wanted, int) or wanted.isdecimal():
            return float(wanted) if float(wanted) in slots else None
        return None

    def _slots(self) -> tuple[float, ...]:
        told = self.hardware.mirror.get(self.hardware.options.wheel, "FILTER_SLOT")
        if told is None:
            return ()
        least, most = told.ranges["FILTER_SLOT_VALUE"]
        if not least < most:  # equal ones are no limits (INDI protocol)
            return tuple(self.names)
        return tuple(float(slot) for slot in range(int(least), int(most) + 1))

    def known(self) -> Iterator[str]:
        """Give all names that a recipe may write."""
        yield from self.hardware.options.filters
        yield from self.names.values()


