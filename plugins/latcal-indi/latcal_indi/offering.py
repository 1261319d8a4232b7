"""What an INDI camera offers: for a person, and as cards for the headers of its frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from latcal_indi.hardware import Hardware
from latcal_indi.preparing import Wheel
from latcal_indi.settings import SETTINGS, setting


def offers(hardware: Hardware, wheel: Wheel) -> dict[str, str]:
    """Say what there is, device by device."""
    options = hardware.options
    told = {f"camera {device}": _camera(hardware, device) for device in options.devices}
    if options.wheel:
        names = ", ".join(f"{slot:g} {name}" for slot, name in wheel.names.items())
        told[f"filter wheel {options.wheel}"] = f"at {wheel.name(wheel.slot)}, of {names}"
    if options.lamp is not None:
        lamp = options.lamp
        bright = hardware.value(lamp.device, "FLAT_LIGHT_INTENSITY", "FLAT_LIGHT_INTENSITY_VALUE")
        lit = "on" if hardware.value(lamp.device, lamp.property, lamp.on) == "On" else "off"
        told[f"lamp {lamp.device}"] = lit + ("" if bright is None else f", intensity {bright:g}")
    if options.cover is not None:
        cover = options.cover
        closed = hardware.value(cover.device, cover.property, cover.closed) == "On"
        told[f"cover {cover.device}"] = "closed" if closed else "open"
    for word, device, name in (("dome", options.dome, "DOME_PARK"), ("mount", options.mount, "TELESCOPE_PARK")):
        if device:
            told[f"{word} {device}"] = "parked" if hardware.value(device, name, "PARK") == "On" else "not parked"
    return told


def _camera(hardware: Hardware, device: str) -> str:
    info = hardware.need(device, "CCD_INFO").values
    words = [
        f"{info['CCD_MAX_X']:g} x {info['CCD_MAX_Y']:g} pixels of {info['CCD_PIXEL_SIZE']:.3g} um",
        f"{info['CCD_BITSPERPIXEL']:g} bit",
    ]
    binning = hardware.mirror.get(device, "CCD_BINNING")
    if binning is not None:
        words.append(f"binning up to {binning.ranges['HOR_BIN'][1]:g}x{binning.ranges['VER_BIN'][1]:g}")
    for word in SETTINGS:
        found = setting(hardware.mirror, device, word)
        if found is not None:
            told, member = found
            least, most = told.ranges[member]
            words.append(f"{word} {told.values[member]:g}" + (f" ({least:g} to {most:g})" if most > least else ""))
    temperature = hardware.value(device, "CCD_TEMPERATURE", "CCD_TEMPERATURE_VALUE")
    if temperature is not None:
        cooler = hardware.value(device, "CCD_COOLER", "COOLER_ON")
        words.append(f"sensor at {temperature:.4g} C" + ("" if cooler is None else f", cooler {cooler.lower()}"))
    return ", ".join(words)


def remarks(hardware: Hardware) -> Iterator[str]:
    """Say what is found that will not be left so: a lamp that is lit, a cooler on its way."""
    options, value = hardware.options, hardware.value
    lamp = options.lamp
    if lamp is not None and value(lamp.device, lamp.property, lamp.on) == "On":
        yield f"the lamp {lamp.device!r} was found lit: once it has been switched here, it is off at the end"
    for device in options.devices if options.temperature is not None else ():
        told = hardware.mirror.get(device, "CCD_TEMPERATURE")
        if told is not None and told.state == "Busy" and value(device, "CCD_COOLER", "COOLER_ON") != "Off":
            what = f"the cooler of {device!r} was found on its way to a set point, which INDI does not tell"
            yield f"{what}: at the end it is set to {told.values['CCD_TEMPERATURE_VALUE']:.3g} C, where it was found"


def cards(hardware: Hardware, wheel: Wheel, device: str) -> Mapping[str, Any]:
    """Give what is known of the hardware now, by FITS keyword; None for what is not."""
    options, value = hardware.options, hardware.value
    lamp = options.lamp
    return {
        "INDIDEV": device,
        "CCD-TEMP": value(device, "CCD_TEMPERATURE", "CCD_TEMPERATURE_VALUE"),
        "DRVGAIN": _set_to(hardware, device, "gain"),
        "DRVOFFST": _set_to(hardware, device, "offset"),
        "FILTSLOT": wheel.slot,
        "FILTNAME": None if wheel.slot is None else wheel.names.get(wheel.slot),
        "LAMP": None if lamp is None else value(lamp.device, lamp.property, lamp.on) == "On",
        "LAMPINT": None if lamp is None else value(lamp.device, "FLAT_LIGHT_INTENSITY", "FLAT_LIGHT_INTENSITY_VALUE"),
    }


def _set_to(hardware: Hardware, device: str, word: str) -> Any:
    found = setting(hardware.mirror, device, word)
    return None if found is None else found[0].values[found[1]]
