"""The simulated camera itself: it is imported when one is opened."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from functools import lru_cache, partial
from typing import Self

from latcal.builtin.cameras.simulation.clock import RealClock, SimulatedClock
from latcal.builtin.cameras.simulation.cooling import gate
from latcal.builtin.cameras.simulation.failing import Failing
from latcal.builtin.cameras.simulation.faults import Struck, settled, struck
from latcal.builtin.cameras.simulation.options import IMAGES, LONGEST_S, SimulatedOptions
from latcal.builtin.cameras.simulation.sensor import Readout, Shot, expose, lamplight
from latcal.builtin.cameras.simulation.truth import Truth, truth
from latcal.builtin.cameras.simulation.truth_file import write_truth
from latcal.plugin import RETRIED, CameraError, ExposureRequest, Frame, Gate, Instrument, Setup, World, wait_for_gates

KEPT_PIXELS = 2**26
"""Truth of so many pixels is kept at hand (half a gigabyte); our choice."""


class SimulatedCamera:
    """Exposes simulated detectors; see `latcal.builtin.cameras.simulation`.

    Pixels follow from the seed, the index of the exposure, its type and time, its place in its sequence, the detector's
    id and the order of its amplifiers; from no name, number or earlier exposure. The first exposure of a sequence comes
    after a pause: the readout settles.
    """

    def __init__(self, options: SimulatedOptions, world: World) -> None:
        if world.instrument is None:
            raise CameraError("a simulated camera needs an instrument (name one in the recipe)")
        self.detectors = world.instrument.detectors
        self._options, self._instrument = options, world.instrument
        self._clock = SimulatedClock(world.now) if options.clock == "simulated" else RealClock(world.now, world.stop)
        largest = max(detector.shape[0] * detector.shape[1] for detector in self.detectors)
        self._truth = lru_cache(maxsize=max(1, KEPT_PIXELS // largest))(partial(_true, options, world.instrument))
        self._failing = Failing(world)
        self._written: set[int] = set()
        self._writing = threading.Lock()

    def __enter__(self) -> Self:
        """Open the camera."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it: what hangs lets go."""
        self._failing.close()

    def problems(self, requests: tuple[ExposureRequest, ...]) -> Iterable[str]:
        """Say what of these cannot be taken, and what to do; each thing once."""
        texts = [text for request in requests for text in _problems(request, self._instrument)]
        folder = self._options.truth
        if folder is not None and folder.exists() and not folder.is_dir():
            texts.append(f"truth: {str(folder)!r} is not a folder (name one that exists or can be made)")
        return tuple(dict.fromkeys(texts))

    def remarks(self) -> Iterable[str]:
        """Say what goes wrong on command: a simulated camera has no other history."""
        return tuple(f"the simulated camera has a fault on command: {fault}" for fault in self._options.faults)

    def setup(self, request: ExposureRequest) -> Setup:
        """Give the setup asked for: what is left open stays so, there being no wheel that stands somewhere."""
        return request.setup

    def offers(self) -> dict[str, str]:
        """Say that there is nothing but a lamp."""
        return {"lamp": f"simulated, {self._options.lamp}"}

    def gates(self) -> tuple[Gate, ...]:
        """Say whether the sensor is cold."""
        return (gate(self._options, self._clock.elapsed_s),)

    def prepare(self, request: ExposureRequest) -> None:
        """Wait until the sensor is cold.

        Raises
        ------
        CameraError
            If it was aborted.
        NotReady
            If the sensor does not become cold in time.
        """
        self._clock.begin()
        wait_for_gates(self.gates, request, self._clock, now=lambda: self._clock.elapsed_s)

    def take(self, request: ExposureRequest) -> Iterator[Frame]:
        """Take one exposure and give its frames, one per detector asked for.

        Raises
        ------
        CameraError
            If it was aborted, or the truth cannot be written.
        NotReady
            If the sensor does not become cold in time.
        """
        faults = struck(self._options.faults, request.sequence, request.position)
        self.prepare(request)
        retried = {RETRIED: 1} if any("lost once" in faults.on(key) for key in request.detectors) else {}
        for _ in retried:
            self._clock.expose(request.time_s, self._instrument.readout_s, request.pause_s)
        begin = self._clock.expose(request.time_s, self._instrument.readout_s, request.pause_s)
        dark_time_s = float(request.time_s + self._options.dark_delay.to_value("s"))
        exposure = request.happened(self._instrument.id_prefix, begin, dark_time_s=dark_time_s)
        for key in request.detectors:
            true, mine = self._truth(key), faults.on(key)
            self._failing.wait(mine, request)
            self._write(true)
            shot = self._shot(request, mine, exposure.dark_time_s, key)
            raw = Readout(expose(true, self._options, shot))
            header = {**self._instrument.header, "SIMSEED": self._options.seed, "LAMP": shot.light > 0, **retried}
            yield self._failing.spoilt(mine, Frame(exposure, true.detector, raw, header))

    def _shot(self, request: ExposureRequest, faults: Struck, dark_time_s: float, detector: int) -> Shot:
        """Give an exposure as a detector with these faults sees it."""
        index, light, well = self._options.first + request.index, 0.0, self._options.full_well
        since = settled(self._options.faults, request.sequence, faults.position, detector)
        begins = since == faults.position - 1 and "reset" not in faults  # it settles since the sequence began
        if IMAGES.get(request.image, False):
            light = lamplight(self._options, index, request.time_s) * faults.lamp
        return Shot(
            index=index,
            light=light,
            dark_time_s=dark_time_s,
            full_well=self._instrument.full_well if well is None else float(well.to_value("electron")),
            settled=since,
            leak=faults.leak,
            reset=None if begins else index - since,
        )

    def abort(self) -> None:
        """End an exposure under way, from any thread."""
        self._clock.abort()
        self._failing.abort()

    def _write(self, true: Truth) -> None:
        """Write what is true of a detector when it is first exposed."""
        if self._options.truth is None:
            return
        with self._writing:
            if true.detector.id not in self._written:
                write_truth(true, self._options.truth, self._options.seed)
                self._written.add(true.detector.id)


def _true(options: SimulatedOptions, instrument: Instrument, key: int) -> Truth:
    return truth(options, instrument.detector(key))


def _problems(request: ExposureRequest, instrument: Instrument) -> Iterator[str]:
    setup, place = request.setup, request.sequence
    if request.image not in IMAGES:
        yield f"{place}: {request.image!r} is not an image that a simulated camera takes (it takes {', '.join(IMAGES)})"
    if not 0 <= request.time_s <= LONGEST_S:
        yield f"{place}: {request.time_s:g} s is not between 0 s and {LONGEST_S:g} s (write a time between them)"
    if request.image == "bias" and request.time_s > 0:
        yield f"{place}: {request.time_s:g} s is not the time of a bias (write 0 s, or take a dark)"
    for word, value, known in (
        ("filter", setup.filter, instrument.filters),
        ("grating", setup.grating, instrument.gratings),
    ):
        if value is not None and value not in known:
            there = ", ".join(known) or "none"
            yield f"{place}: {value!r} is not a {word} of {instrument.name} (it has {there})"
    for key in request.detectors:
        if key not in {detector.id for detector in instrument.detectors}:
            yield f"{place}: {key} is not a detector of {instrument.name}"
