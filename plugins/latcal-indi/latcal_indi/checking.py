"""What cannot be taken, said before the first exposure."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import define
from latcal.plugin import Detector, ExposureRequest, Instrument

from latcal_indi.exposing import Exposing
from latcal_indi.gating import PARKING, SHUTTER
from latcal_indi.hardware import Hardware
from latcal_indi.preparing import FRAME, Wheel, binned
from latcal_indi.settings import SETTINGS, setting


@define(eq=False)
class Checking:
    """Compares requests with what the devices tell."""

    hardware: Hardware
    instrument: Instrument
    wheel: Wheel
    exposing: Exposing

    def problems(self, requests: tuple[ExposureRequest, ...]) -> Iterator[str]:
        """Say what cannot be taken, and what to do."""
        yield from self._devices()
        for request in requests:
            yield from self._image(request)
            yield from self._setup(request)
            yield from self._detectors(request)

    def _devices(self) -> Iterator[str]:
        options, get = self.hardware.options, self.hardware.mirror.get
        if len(options.devices) != len(self.instrument.detectors):
            counts = f"{len(options.devices)} devices, and {self.instrument.name} has {len(self.instrument.detectors)} detectors"
            yield f"devices: {counts} (name one for each, in their order)"
        for word, device, names in (
            ("wheel", options.wheel, ("FILTER_SLOT", "FILTER_NAME")),
            ("lamp", options.lamp and options.lamp.device, (options.lamp.property,) if options.lamp else ()),
            ("cover", options.cover and options.cover.device, (options.cover.property,) if options.cover else ()),
        ):
            for name in names if device else ():
                if get(str(device), name) is None:
                    yield f"{word}: {device!r} has no {name} (name another device or property)"
        yield from self._gates()
        yield from self._settings()

    def _gates(self) -> Iterator[str]:
        options, get = self.hardware.options, self.hardware.mirror.get
        gates = options.gates
        if gates.temperature is not None and options.temperature is None:
            yield "gates.temperature: there is no set point (write 'temperature: -10 deg_C' beside gates)"
        if gates.lamp is not None and options.lamp is None:
            yield "gates.lamp: there is no lamp (write 'lamp: {device: ...}' beside gates)"
        if gates.closed is not None and "cover" in gates.closed.what and options.cover is None:
            yield "gates.closed: there is no cover (write 'cover: {device: ...}' beside gates, or 'what: [shutter]')"
        wanted = [("closed", "dome", options.dome, SHUTTER[0])] if gates.closed and "shutter" in gates.closed.what else []
        parked = gates.parked.what if gates.parked else ()
        wanted += [("parked", part, getattr(options, part), PARKING[part][0]) for part in parked]
        for gate, word, device, name in wanted:
            if not device:
                yield f"gates.{gate}: there is no {word} (write '{word}: ...' beside gates)"
            elif get(device, name) is None:
                yield f"gates.{gate}: {device!r} has no {name} (leave the gate out, or name another device)"

    def _settings(self) -> Iterator[str]:
        options = self.hardware.options
        for device in options.devices:
            if options.temperature is not None and self.hardware.mirror.get(device, "CCD_TEMPERATURE") is None:
                yield f"temperature: {device!r} has no CCD_TEMPERATURE (leave it out)"
            for word in SETTINGS:
                wanted, found = getattr(options, word), setting(self.hardware.mirror, device, word)
                if wanted is None:
                    continue
                if found is None:
                    names = " and no ".join(name for name, _ in SETTINGS[word])
                    yield f"{word}: {device!r} has no {names} (leave it out, or write it in settings)"
                    continue
                least, most = found[0].ranges[found[1]]
                if least < most and not least <= wanted <= most:  # equal ones are no limits (INDI protocol)
                    yield f"{word}: {wanted:g} is no {word} of {device!r} (it has {least:g} to {most:g})"

    def _image(self, request: ExposureRequest) -> Iterator[str]:
        place, types = request.sequence, self.hardware.options.types
        if request.image not in types:
            there = f"it takes {', '.join(types)}; write 'images: {{{request.image}: light}}' for others"
            yield f"{place}: {request.image!r} is not an image that this camera takes ({there})"
            return
        for device in self.hardware.options.devices:
            told = self.hardware.mirror.get(device, FRAME)
            if told is None or f"FRAME_{types[request.image].upper()}" not in told.values:
                yield f"{place}: {device!r} has no frame type for {request.image!r}"
            if not 0.0 <= request.time_s <= self.exposing.longest_s(device):
                most = f"{self.exposing.longest_s(device):g} s"
                yield f"{place}: {request.time_s:g} s is not between 0 s and {most} (write a time between them)"
            if 0.0 < request.time_s < self.exposing.shortest_s(device):
                least = f"{self.exposing.shortest_s(device):g} s"
                yield f"{place}: {request.time_s:g} s is shorter than {device!r} exposes (write {least} or more)"
        if types[request.image] == "bias" and request.time_s > 0:
            yield f"{place}: {request.time_s:g} s is not the time of a bias (write 0 s, or take a dark)"

    def _setup(self, request: ExposureRequest) -> Iterator[str]:
        place, setup = request.sequence, request.setup
        if setup.filter is not None and not self.hardware.options.wheel:
            yield f"{place}: {setup.filter!r} is asked for, and there is no wheel (write 'wheel: ...' in camera)"
        elif setup.filter is not None and self.wheel.find(setup.filter) is None:
            there = ", ".join(dict.fromkeys(self.wheel.known()))
            yield f"{place}: {setup.filter!r} is not in the wheel (it has {there}, or write a slot)"
        if setup.grating is not None:
            yield f"{place}: {setup.grating!r} is a grating, which an INDI camera does not move (leave it out)"

    def _detectors(self, request: ExposureRequest) -> Iterator[str]:
        known = {detector.id: place for place, detector in enumerate(self.instrument.detectors)}
        devices = self.hardware.options.devices
        for key in request.detectors:
            if key not in known:
                yield f"{request.sequence}: {key} is not a detector of {self.instrument.name}"
            elif known[key] < len(devices):
                yield from self._size(devices[known[key]], self.instrument.detector(key), request.setup.binning)

    def _size(self, device: str, detector: Detector, binning: str) -> Iterator[str]:
        """Compare the instrument's image with the driver's, where it is one image."""
        if {amplifier.extension for amplifier in detector.amplifiers} != {0}:
            return
        info, (columns, rows) = self.hardware.need(device, "CCD_INFO").values, binned(binning)
        comes = int(info["CCD_MAX_X"]) // columns, int(info["CCD_MAX_Y"]) // rows
        wanted = max(one.raw.x1 for one in detector.amplifiers), max(one.raw.y1 for one in detector.amplifiers)
        if comes != wanted:
            sizes = f"{comes[0]} x {comes[1]} pixels, and {detector.name} has {wanted[0]} x {wanted[1]}"
            yield f"{device!r} reads {sizes} (mend the instrument file, or name another device)"
