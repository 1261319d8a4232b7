"""The gates of an INDI camera, as they stand: sensor temperature, cover and shutter, lamp, dome and mount."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import evolve
from latcal.plugin import Gate

from latcal_indi.hardware import Hardware
from latcal_indi.options import ClosedGate, Cover, Lamp, LampGate, ParkedGate, TemperatureGate

COVERED = ("bias", "dark")
"""Frame types before which cover and shutter must be closed."""

SHUTTER = ("DOME_SHUTTER", "SHUTTER_CLOSE")
PARKING = {"dome": ("DOME_PARK", "PARK"), "mount": ("TELESCOPE_PARK", "PARK")}
"""Properties and switches of the INDI standard."""


def gates(hardware: Hardware) -> Iterator[Gate]:
    """Give every gate that the options ask for, as it stands now."""
    chosen = hardware.options.gates
    yield from cold(hardware)
    if chosen.closed is not None and hardware.options.cover is not None and "cover" in chosen.closed.what:
        yield _cover(hardware, chosen.closed, hardware.options.cover)
    if chosen.lamp is not None and hardware.options.lamp is not None:
        yield _lamp(hardware, chosen.lamp, hardware.options.lamp)
    yield from still(hardware)


def still(hardware: Hardware) -> Iterator[Gate]:
    """Give those gates of which latcal moves nothing: they must hold before it moves anything else."""
    options, chosen = hardware.options, hardware.options.gates
    if chosen.closed is not None and "shutter" in chosen.closed.what:
        yield _shut(hardware, chosen.closed, "shutter", (options.dome, *SHUTTER))
    if chosen.parked is not None:
        yield from _parked(hardware, chosen.parked)


def cold(hardware: Hardware) -> Iterator[Gate]:
    """Give those of the sensors, which are waited for before a lamp is lit."""
    options, chosen = hardware.options, hardware.options.gates
    if chosen.temperature is not None and options.temperature is not None:
        point = float(options.temperature.to_value("deg_C"))
        for device in options.devices:
            yield _temperature(hardware, chosen.temperature, point, device)


def images_of(types: Mapping[str, str], *wanted: str) -> frozenset[str]:
    """Give the image types that are of some frame types."""
    return frozenset(image for image, kind in types.items() if kind in wanted)


def _temperature(hardware: Hardware, gate: TemperatureGate, point: float, device: str) -> Gate:
    within, stable_s = float(gate.within.to_value("deg_C")), float(gate.stable.to_value("s"))

    def near(values: Mapping[str, Any]) -> bool:
        return bool(abs(values.get("CCD_TEMPERATURE_VALUE", float("inf")) - point) <= within)

    now = hardware.value(device, "CCD_TEMPERATURE", "CCD_TEMPERATURE_VALUE")
    since_s = hardware.mirror.since(device, "CCD_TEMPERATURE", near)
    good = now is not None and near({"CCD_TEMPERATURE_VALUE": now})
    return Gate(
        name=f"sensor temperature of {device}",
        holds=good and since_s >= stable_s,
        value="not told" if now is None else f"{now:.4g} C" + (f" for {since_s:.3g} s" if good else ""),
        wanted=f"{point:g} C within {within:g} C for {stable_s:g} s",
        wait_s=float(gate.wait.to_value("s")),
        limit="camera.gates.temperature.wait",
        brought=True,
    )


def _cover(hardware: Hardware, gate: ClosedGate, cover: Cover) -> Gate:
    return evolve(_shut(hardware, gate, "cover", (cover.device, cover.property, cover.closed)), brought=True)


def _shut(hardware: Hardware, gate: ClosedGate, part: str, place: tuple[str, str, str]) -> Gate:
    covered = images_of(hardware.options.types, *COVERED)
    return _switch(hardware, part, place, "closed", covered, gate.wait, "camera.gates.closed.wait")


def _parked(hardware: Hardware, gate: ParkedGate) -> Iterator[Gate]:
    options = hardware.options
    images = frozenset(gate.images) or None
    for part in gate.what:
        device = options.dome if part == "dome" else options.mount
        yield _switch(hardware, part, (device, *PARKING[part]), "parked", images, gate.wait, "camera.gates.parked.wait")


def _switch(
    hardware: Hardware, part: str, place: tuple[str, str, str], wanted: str, images: frozenset[str] | None,
    wait: Any, limit: str,
) -> Gate:  # fmt: skip
    device, name, member = place
    told = hardware.mirror.get(device, name)
    on = told is not None and told.values.get(member) == "On"
    moving = told is not None and told.state == "Busy"
    value = "not told" if told is None else "moving" if moving else wanted if on else f"not {wanted}"
    return Gate(
        name=f"{part} ({device})",
        holds=on and not moving,
        value=f"{value} ({name} {told.on or 'unknown'}, {told.state})" if told else value,
        wanted=wanted,
        images=images,
        wait_s=float(wait.to_value("s")),
        limit=limit,
    )


def _lamp(hardware: Hardware, gate: LampGate, lamp: Lamp) -> Gate:
    warm_s = float(gate.warm.to_value("s"))
    since_s = hardware.mirror.since(lamp.device, lamp.property, lambda values: values.get(lamp.on) == "On")
    lit = hardware.value(lamp.device, lamp.property, lamp.on) == "On"
    return Gate(
        name=f"lamp ({lamp.device})",
        holds=lit and since_s >= warm_s,
        value=f"lit for {since_s:.3g} s" if lit else "off",
        wanted=f"lit for {warm_s:g} s",
        images=images_of(hardware.options.types, "flat"),
        wait_s=float(gate.wait.to_value("s")),
        limit="camera.gates.lamp.wait",
        brought=True,
    )
