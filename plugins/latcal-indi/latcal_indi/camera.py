"""The INDI camera: what latcal asks of a camera, by the devices of an INDI server."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Self

from attrs import evolve
from latcal.plugin import (
    CameraError,
    ExposureRequest,
    Frame,
    Gate,
    Setup,
    World,
    wait_for_gates,
)

from latcal_indi import checking, framing, gating, offering
from latcal_indi.exposing import Exposing
from latcal_indi.hardware import Hardware
from latcal_indi.options import IndiOptions
from latcal_indi.preparing import Preparing, Wheel
from latcal_indi.restoring import Restoring
from latcal_indi.troubles import Aborted, Trouble

LOOK_S = 0.1
"""How often a gate that does not hold is looked at again [s]; our choice: the server tells by itself."""


class IndiCamera:
    """Exposes the cameras of an INDI server."""

    def __init__(self, options: IndiOptions, world: World) -> None:
        if world.instrument is None:
            raise CameraError("an INDI camera needs an instrument (name one in the recipe)")
        self.detectors = world.instrument.detectors
        self._options, self._instrument, self._world = options, world.instrument, world
        self._hardware = Hardware(options)
        self._exposing, self._preparing = Exposing(self._hardware), Preparing(self._hardware)
        self._wheel = Wheel(self._hardware)
        self._first_slot: float | None = None
        self._last_lit: frozenset[int] = frozenset()
        self._busy, self._open = threading.Lock(), False

    def __enter__(self) -> Self:
        """Connect to the server and its devices; nothing is moved."""
        self._hardware.begin()
        try:
            self._hardware.open()
        except CameraError:
            self._hardware.link.close()
            raise
        self._first_slot = self._wheel.slot
        self._open = True
        return self

    def __exit__(self, *exc: object) -> None:
        """Leave everything as it was found.

        Raises
        ------
        CameraError
            If that was not possible, saying what is not.
        """
        if not self._open:
            return
        self._open = False
        self._hardware.aborted.clear()
        try:
            faults = Restoring(self._hardware, self._preparing, self._exposing).restore()
        finally:
            self._hardware.link.close()
        if faults:
            raise CameraError(f"not all hardware is as it was found: {'; '.join(faults)} (see to it by hand)")

    # -- what is asked beforehand ----------------------------------------------------------------------------------

    def problems(self, requests: tuple[ExposureRequest, ...]) -> Iterable[str]:
        """Say what of these cannot be taken, and what to do; each thing once."""
        checked = checking.Checking(self._hardware, self._instrument, self._wheel, self._exposing)
        return tuple(dict.fromkeys(checked.problems(requests)))

    def remarks(self) -> Iterable[str]:
        """Say what is found that will not be left so: a lamp that is lit."""
        lamp = self._options.lamp
        if lamp is not None and self._hardware.value(lamp.device, lamp.property, lamp.on) == "On":
            yield f"the lamp {lamp.device!r} was found lit: once it has been switched here, it is off at the end"

    def gates(self) -> tuple[Gate, ...]:
        """Give what must hold before exposures, and how it stands."""
        return tuple(gating.gates(self._hardware))

    def offers(self) -> Mapping[str, str]:
        """Say what there is beside detectors."""
        return offering.offers(self._hardware, self._wheel)

    def setup(self, request: ExposureRequest) -> Setup:
        """Give the setup asked for; a filter that is left open is the one that was found, but for frames without light."""
        if request.setup.filter is not None or self._options.types.get(request.image) in gating.COVERED:
            return request.setup
        return evolve(request.setup, filter=self._wheel.name(self._first_slot))

    def foresee(self, lit: Iterable[int]) -> None:
        """Learn after which exposures, by index, the lamp may go out: no other wants it next."""
        self._last_lit = frozenset(lit)

    # -- exposures -------------------------------------------------------------------------------------------------

    def take(self, request: ExposureRequest) -> Iterator[Frame]:
        """Take one exposure and give its frames, one per detector asked for.

        Raises
        ------
        CameraError
            If it failed as often as it may be tried, or was aborted.
        NotReady
            If a gate before it does not hold within its limit.
        """
        if not self._busy.acquire(blocking=False):
            raise CameraError(f"exposure {request.number}: the one before is still under way (wait for it)")
        try:
            self._hardware.aborted.clear()
            frames = self._tried(request)
        finally:
            self._busy.release()
        yield from frames

    def _tried(self, request: ExposureRequest) -> tuple[Frame, ...]:
        faults: list[Trouble] = []
        dark = True
        try:
            while True:
                try:
                    frames = self._attempt(request, tuple(map(str, faults)))
                except Trouble as trouble:
                    faults.append(trouble)
                    self._end_what_is_under_way(faults)
                    if len(faults) > self._options.retries:
                        raise CameraError(_failed(request, faults)) from trouble
                else:
                    dark = request.index in self._last_lit
                    return frames
        except Aborted as aborted:
            raise CameraError(f"exposure {request.number} was aborted") from aborted
        finally:
            if dark:
                with contextlib.suppress(Trouble):  # closing sees to the lamp again, and says if it cannot
                    self._darken()

    def _attempt(self, request: ExposureRequest, faults: tuple[str, ...]) -> tuple[Frame, ...]:
        hardware, kind = self._hardware, self._options.types[request.image]
        if hardware.aborted.wait(0.0 if faults else request.pause_s):
            raise Aborted("it was told to abort")
        setup = self.setup(request)
        hardware.open()
        self._preparing.cameras(kind, setup.binning)
        self._preparing.filter(None if setup.filter is None else self._wheel.find(setup.filter))
        self._preparing.light(kind)
        wait_for_gates(self._standing, request, hardware.aborted, every_s=LOOK_S)
        devices = tuple(self._device(key) for key in request.detectors)
        begin, began = self._world.now(), time.monotonic()
        came = self._exposing.finish(self._exposing.begin(devices, request.time_s), request.time_s)
        blobs = {key: came[device] for key, device in zip(request.detectors, devices, strict=True)}
        taken = framing.Taken(request, setup, begin, time.monotonic() - began, faults)
        return framing.Framing(self._hardware, self._wheel, self._exposing, self._world).frames(taken, blobs)

    def _standing(self) -> tuple[Gate, ...]:
        if self._hardware.mirror.lost:
            raise Trouble(self._hardware.mirror.lost)
        return self.gates()

    def _device(self, key: int) -> str:
        places = {detector.id: device for detector, device in zip(self.detectors, self._options.devices, strict=False)}
        return places[key]

    def _end_what_is_under_way(self, faults: list[Trouble]) -> None:
        """Abort what a failed attempt left behind; what goes wrong with that is told with the fault."""
        try:
            self._exposing.tell_to_abort()
            self._exposing.wait_for_idle()
        except Trouble as trouble:
            if str(trouble) not in map(str, faults):
                faults[-1].add_note(str(trouble))

    def _darken(self) -> None:
        """Send the lamp off, waiting for nothing: no exposure wants it next, or this one has failed."""
        lamp = self._options.lamp
        place = None if lamp is None else (lamp.device, lamp.property)
        if lamp is None or place not in self._hardware.found or self._hardware.mirror.lost:
            return
        if place in self._hardware.unheard or self._hardware.value(*place, lamp.on) == "On":
            self._hardware.send(*place, {lamp.off: "On"}, self._options.waits.s("lamp"))

    def abort(self) -> None:
        """End an exposure under way, from any thread: it is told to the cameras at once, and the lamp goes off."""
        if not self._busy.locked():
            return
        self._hardware.aborted.set()
        self._hardware.mirror.wake()
        if not self._hardware.mirror.lost:
            self._darken()
            self._exposing.tell_to_abort()


def _failed(request: ExposureRequest, faults: list[Trouble]) -> str:
    words = list(dict.fromkeys(map(str, faults)))
    before = f"; before that: {'; '.join(words[:-1])}" if len(words) > 1 else ""
    count = f"{len(faults)} attempts failed" if len(faults) > 1 else "it failed"
    return f"exposure {request.number}: {count}: {words[-1]}{before}"
