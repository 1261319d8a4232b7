"""What a recipe may say to an INDI camera."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from attrs import Factory, fields, frozen
from latcal.plugin import option

if TYPE_CHECKING:
    from astropy.units import Quantity

FRAME_TYPES = ("bias", "dark", "flat", "light")
"""What a CCD_FRAME_TYPE may be (INDI standard properties)."""

ENDING_S = 2.0
"""How long the connection may take to end [s]; our choice. Its thread is a daemon: nothing waits for it after that."""

Part = Literal["cover", "shutter"]
Parked = Literal["dome", "mount"]


def _not_negative(_: Any, attribute: Any, value: Any) -> None:
    number = value if isinstance(value, int | float) else value.value
    if number < 0:
        raise ValueError(f"{attribute.name} of {value} is not 0 or more", f"write '{attribute.name}: 5' with its unit")


def _above_zero(_: Any, attribute: Any, value: Any) -> None:
    if not value.value > 0:
        raise ValueError(f"{attribute.name} of {value} is not above 0", f"write '{attribute.name}: 10 s'")


def _at_least_one(_: Any, __: Any, value: tuple[str, ...]) -> None:
    if not value or len(set(value)) != len(value):
        raise ValueError(f"{list(value)} is not a list of different devices", "write [CCD Simulator]")


def _of_known_images(options: Any, __: Any, gates: Gates) -> None:
    """Refuse a gate of image types that no exposure has: it would hold for nothing, and nobody would see."""
    wanted = gates.parked.images if gates.parked is not None else ()
    for image in wanted:
        if image not in options.types:
            near = difflib.get_close_matches(image, options.types, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there is {', '.join(options.types)}"
            raise ValueError(f"gates.parked.images: {image!r} is not an image that this camera takes", hint)


def _a_port(_: Any, __: Any, value: int) -> None:
    if not 0 < value < 65536:
        raise ValueError(f"{value} is not a port", "write 7624")


def _binned(_: Any, __: Any, value: str) -> None:
    if not re.fullmatch("[1-9][0-9]?x[1-9][0-9]?", value):
        raise ValueError(f"{value!r} is not a binning", "write 2x2")


def _limit(default: str, help: str) -> Any:  # noqa: A002 - as `option` calls it
    return option(default, unit="s", validator=_above_zero, help=help)


@frozen
class Lamp:
    """A lamp for flats: a light panel, or any switch of two positions."""

    device: str = option(help="Its INDI device.")
    intensity: float | None = option(None, help="To be set before it is lit (FLAT_LIGHT_INTENSITY); left as it is if left out.")
    property: str = option("FLAT_LIGHT_CONTROL", help="The switch property that lights it.")
    on: str = option("FLAT_LIGHT_ON", help="The switch that is on when it is lit.")
    off: str = option("FLAT_LIGHT_OFF", help="The switch that is on when it is not.")


@frozen
class Cover:
    """A dust cover: it is closed for biases and darks, and opened for all others."""

    device: str = option(help="Its INDI device.")
    flats: Literal["open", "closed"] = option(
        "open", help="How it is for flats: closed, if the light panel is in it."
    )
    property: str = option("CAP_PARK", help="The switch property that moves it.")
    closed: str = option("PARK", help="The switch that is on when it is closed.")
    open: str = option("UNPARK", help="The switch that is on when it is open.")


@frozen
class TemperatureGate:
    """The sensor must be near its set point, and have been so for a while."""

    within: Quantity = option("0.5 deg_C", unit="deg_C", validator=_above_zero, help="How far from it; our choice.")
    stable: Quantity = option("30 s", unit="s", validator=_not_negative, help="For how long; our choice.")
    wait: Quantity = _limit("15 min", "How long it is waited for.")


@frozen
class ClosedGate:
    """Cover and shutter must be closed before biases and darks."""

    what: tuple[Part, ...] = option(("cover",), help="The dust cover, the shutter of the dome, or both.")
    wait: Quantity = _limit("60 s", "How long it is waited for.")


@frozen
class LampGate:
    """The lamp must be lit, and have been so for a while, before flats."""

    warm: Quantity = option("0 s", unit="s", validator=_not_negative, help="For how long.")
    wait: Quantity = _limit("60 s", "How long it is waited for.")


@frozen
class ParkedGate:
    """Dome or mount must be parked; latcal moves neither."""

    what: tuple[Parked, ...] = option(help="Dome, mount, or both.")
    images: tuple[str, ...] = option((), help="Before which image types; before all, if left out.")
    wait: Quantity = _limit("60 s", "How long it is waited for.")


@frozen
class Gates:
    """What must hold before exposures."""

    temperature: TemperatureGate | None = option(None, help="Sensor at its set point, which `temperature` says.")
    closed: ClosedGate | None = option(None, help="Cover and shutter closed for biases and darks.")
    lamp: LampGate | None = option(None, help="Lamp lit and warm for flats.")
    parked: ParkedGate | None = option(None, help="Dome or mount parked.")


@frozen
class Waits:
    """How long the hardware is waited for; each is named in the error when it is over. All are our choice."""

    connect: Quantity = _limit("10 s", "For the server to take a connection.")
    discover: Quantity = _limit("15 s", "For a device to be there, to connect, and to tell its properties.")
    answer: Quantity = _limit("10 s", "For a property that moves nothing to be as it was set, and for an exposure to begin.")
    filter: Quantity = _limit("60 s", "For the filter wheel.")
    lamp: Quantity = _limit("20 s", "For the lamp to be lit, or not.")
    cover: Quantity = _limit("60 s", "For the cover to open or close.")
    frame: Quantity = _limit("60 s", "For a frame, after the exposure time.")
    abort: Quantity = _limit("5 s", "For an exposure to end once it is told to.")
    restore: Quantity = _limit("20 s", "For all to be as it was found; the recipe's limits.abort must not be less.")

    def s(self, name: str) -> float:
        """Give one of them [s]."""
        return float(getattr(self, name).to_value("s"))


@frozen
class SensorFigures:
    """Figures of a sensor that INDI does not tell, for an instrument without a file."""

    gain: Quantity = option("1 electron/adu", unit="electron/adu", validator=_above_zero, help="Nominal gain.")
    read_noise: Quantity = option("5 electron", unit="electron", validator=_not_negative, help="Nominal read noise.")
    full_well: Quantity = option("50000 electron", unit="electron", validator=_above_zero, help="Of a typical pixel.")
    readout: Quantity = option("2 s", unit="s", validator=_not_negative, help="From the end of an exposure to the next.")


@frozen
class IndiOptions:
    """Options of the INDI camera."""

    devices: tuple[str, ...] = option(
        help="INDI devices of the cameras, in the order of the instrument's detectors; all are exposed together.",
        validator=_at_least_one,
    )
    host: str = option("localhost", help="Where the INDI server is.")
    port: int = option(7624, help="And its port.", validator=_a_port)
    wheel: str = option("", help="INDI device of the filter wheel.")
    filters: Mapping[str, str | int] = option(
        Factory(dict), help="Names that the recipe uses for filters, each with the wheel's own name, or its slot."
    )
    lamp: Lamp | None = option(None, help="Light panel or flat lamp, lit for flats and off at the end.")
    cover: Cover | None = option(None, help="Dust cover.")
    dome: str = option("", help="INDI device of the dome; it is never moved.")
    mount: str = option("", help="INDI device of the mount; it is never moved.")
    images: Mapping[str, Literal["bias", "dark", "flat", "light"]] = option(
        Factory(dict), help="Further image types, each with the frame type that it is for the driver."
    )
    gain: float | None = option(None, help="Gain setting of the driver (CCD_GAIN); as found, if left out.")
    offset: float | None = option(None, help="Offset setting of the driver (CCD_OFFSET); as found, if left out.")
    binning: str = option(
        "1x1", help="Columns and rows read as one, for `instrument: camera`; else the instrument says it.", validator=_binned
    )
    temperature: Quantity | None = option(
        None, unit="deg_C", help="Set point of the cooler; the cooler is as found, if left out."
    )
    server_folder: str = option("", help="Folder on the server in which it keeps a file of each frame too; none if left out.")
    settings: Mapping[str, Mapping[str, Mapping[str, str | float]]] = option(
        Factory(dict), help="More properties to be set by device, property and member, and to be put back at the end."
    )
    gates: Gates = option(Gates(), help="What must hold before exposures; nothing, if left out.", validator=_of_known_images)
    waits: Waits = option(Waits(), help="How long the hardware is waited for.")
    retries: int = option(2, help="How often an exposure is tried again; our choice.", validator=_not_negative)
    sensor: SensorFigures = option(SensorFigures(), help="Figures for `instrument: camera`, which INDI does not tell.")

    @property
    def types(self) -> Mapping[str, str]:
        """Frame type of the driver by image type."""
        return {"bias": "bias", "dark": "dark", "flat": "flat", **self.images}

    @property
    def others(self) -> tuple[str, ...]:
        """Devices that are used beside the cameras, each once."""
        named = [part.device for part in (self.lamp, self.cover) if part is not None]
        every = (self.wheel, *named, self.dome, self.mount)
        return tuple(dict.fromkeys(name for name in every if name and name not in self.devices))

    @property
    def gate_wait_s(self) -> float:
        """How long gates are waited for at most [s]: what stands still first, then the sensor, then all of them again."""
        still = _longest(self.gates.parked, self.gates.closed)
        sensor = _longest(self.gates.temperature)
        return still + sensor + _longest(*(getattr(self.gates, attribute.name) for attribute in fields(Gates)))

    @property
    def lasting(self) -> Mapping[tuple[str, str], float]:
        """Properties by device that gates look back at, and for how long [s]."""
        cold, lit, found = self.gates.temperature, self.gates.lamp, {}
        if cold is not None:
            found.update({(device, "CCD_TEMPERATURE"): float(cold.stable.to_value("s")) for device in self.devices})
        if lit is not None and self.lamp is not None:
            found[self.lamp.device, self.lamp.property] = float(lit.warm.to_value("s"))
        return found


def _longest(*gates: TemperatureGate | ClosedGate | LampGate | ParkedGate | None) -> float:
    return max((float(gate.wait.to_value("s")) for gate in gates if gate is not None), default=0.0)
