"""The INDI camera: what latcal asks of a camera, by the devices of an INDI server."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
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
from latcal_indi.darkness import Darkness
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
        self._biases = False
        self._taking, self._busy, self._open = threading.Lock(), False, False
        self._darkness = Darkness(self._hardware)

    def __enter__(self) -> Self:
        """Connect to the server and its devices; nothing is moved."""
        self._hardware.begin()
        try:
            self._hardware.open()
        except CameraError as error:
            if faults := self._restored():
                raise CameraError(f"{error}; and {_left(faults)}") from error
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
        with self._taking:
            if not self._open:
                return
            self._open = False
            self._darkness.wait()
        if faults := self._restored():
            raise CameraError(_left(faults))

    def _restored(self) -> list[str]:
        """Put everything back, whatever hangs in other threads, and end the connection; give what could not be put back."""
        self._hardware.close_to_others()
        try:
            return [] if not self._hardware.found else Restoring(self._hardware, self._preparing, self._exposing).restore()
        finally:
            self._hardware.link.close()

    # -- what is asked beforehand ----------------------------------------------------------------------------------

    def problems(self, requests: tuple[ExposureRequest, ...]) -> Iterable[str]:
        """Say what of these cannot be taken, and what to do; each thing once."""
        self._biases = any(self._options.types.get(request.image) == "bias" for request in requests)
        checked = checking.Checking(self._hardware, self._instrument, self._wheel, self._exposing)
        return tuple(dict.fromkeys(checked.problems(requests)))

    def remarks(self) -> Iterable[str]:
        """Say what will not be left as it was found, and what is not what it is called."""
        yield from offering.remarks(self._hardware)
        for device in self._options.devices if self._biases else ():
            if (shortest_s := self._exposing.shortest_s(device)) > 0:
                what = f"a bias of {device!r} is an exposure of {shortest_s:g} s, the shortest of its driver"
                yield f"{what}: EXPTIME is 0 s, and DRVTIME what the driver says"

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
        self._begin(request)
        try:
            frames = self._tried(request)
        finally:
            with self._taking:
                self._busy = False
                if self._open:
                    self._darkness.come_by_itself(self._taking)
        yield from frames

    def _begin(self, request: ExposureRequest) -> None:
        """Be busy with an exposure; an abort from now on is one of it."""
        with self._taking:
            if not self._open:
                raise CameraError(f"exposure {request.number}: the camera is closed (enter it first)")
            if self._busy:
                raise CameraError(f"exposure {request.number}: the one before is still under way (wait for it)")
            self._darkness.wait()
            self._busy = True
            self._hardware.access.aborted.clear()

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
                    self._darkness.begin()

    def _attempt(self, request: ExposureRequest, faults: tuple[str, ...]) -> tuple[Frame, ...]:
        hardware, kind = self._hardware, self._options.types[request.image]
        if hardware.access.stopping.wait(0.0 if faults else request.pause_s):
            raise Aborted("it was told to abort")
        setup = self.setup(request)
        hardware.open()
        self._exposing.end_the_one_before()
        self._wait_for(gating.still, request)
        self._preparing.cameras(kind, setup.binning)
        self._wait_for(gating.cold, request)
        self._preparing.filter(None if setup.filter is None else self._wheel.find(setup.filter))
        self._preparing.light(kind)
        self._wait_for(gating.gates, request)
        devices = tuple(self._device(key) for key in request.detectors)
        begin, began = self._world.now(), time.monotonic()
        came = self._exposing.finish(self._exposing.begin(devices, request.time_s), request.time_s)
        blobs = {key: came[device] for key, device in zip(request.detectors, devices, strict=True)}
        taken = framing.Taken(request, setup, begin, time.monotonic() - began, faults)
        return framing.Framing(self._hardware, self._wheel, self._exposing, self._world).frames(taken, blobs)

    def _wait_for(self, some: Callable[[Hardware], Iterator[Gate]], request: ExposureRequest) -> None:
        """Wait for some of the gates before an exposure."""

        def standing() -> tuple[Gate, ...]:
            if self._hardware.mirror.lost:
                raise Trouble(self._hardware.mirror.lost)
            return tuple(some(self._hardware))

        wait_for_gates(standing, request, self._hardware.access.stopping, every_s=LOOK_S)

    def _device(self, key: int) -> str:
        places = {detector.id: device for detector, device in zip(self.detectors, self._options.devices, strict=False)}
        return places[key]

    def _end_what_is_under_way(self, faults: list[Trouble]) -> None:
        """Abort what a failed attempt left behind; what goes wrong with that is told with the fault."""
        try:
            if not self._hardware.mirror.lost:
                self._hardware.see_that_it_answers()
            self._exposing.tell_to_abort()
            self._exposing.wait_for_idle()
        except Trouble as trouble:
            if str(trouble) not in map(str, faults):
                faults[-1].add_note(str(trouble))

    def abort(self) -> None:
        """End an exposure under way, from any thread: it is told to the cameras at once, and the lamp goes off."""
        with self._taking:
            if not self._busy:
                return
            self._hardware.access.aborted.set()
        self._hardware.mirror.wake()
        if not self._hardware.mirror.lost:
            self._darkness.begin()
            self._exposing.tell_to_abort()

    def darken(self) -> None:
        """End the exposure and put the lamp out, from any thread, and wait until it is off; nothing else is put back.

        Raises
        ------
        CameraError
            If the lamp does not say so within 2 s.
        """
        self._hardware.access.leave_it_dark()
        try:
            self._darkness.come()
        finally:
            if not self._hardware.mirror.lost:
                self._exposing.tell_to_abort()


def _left(faults: list[str]) -> str:
    return f"not all hardware is as it was found: {'; '.join(faults)} (see to it by hand)"


def _failed(request: ExposureRequest, faults: list[Trouble]) -> str:
    words = list(dict.fromkeys(map(str, faults)))
    before = f"; before that: {'; '.join(words[:-1])}" if len(words) > 1 else ""
    count = f"{len(faults)} attempts failed" if len(faults) > 1 else "it failed"
    return f"exposure {request.number}: {count}: {words[-1]}{before}"
