"""What a camera must do with its hardware: gates, faults, flats by level, and all of it left as it was found."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
from attrs import evolve

from latcal.engine.answers import Answer, Caller
from latcal.engine.asking import DARK_S
from latcal.errors import CameraError, NotReady
from latcal.model.events import Ingested, Solved, StepStarted
from latcal.plugin import RETRIED, Camera, CameraDescription, ExposureRequest, Gate, Instrument
from latcal.plugin.calling import call
from latcal.plugin.contracts import MAY_HAVE
from latcal.testing.rehearsals import Rehearsal

PATIENCE_S = 60.0
"""How long the suite waits for an exposure that was not aborted [s]; our choice."""

UNDER_WAY_S = 0.2
"""How long it waits before it aborts one [s]; our choice."""

LEVEL = 0.1
"""How far a flat may be from the level asked for, as a part of it; our choice: a lamp of a laboratory is as steady."""

Trouble = tuple[Camera, ExposureRequest, str]
"""A camera, not yet entered, that is in trouble at an exposure; and words that its error must have."""


class HardwareSuite:
    """The behaviours of a camera's hardware: a part of `CameraSuite`.

    What is in here is tested as far as a subclass tells of it: `hardware` of how things stand, `barred` of gates,
    `failing` and `retrying` of faults, `flats` of levels. A test for which there is nothing is skipped and says so.
    """

    abort_s: ClassVar[float] = 5.0
    """How long it may take to end an exposure after it was told to abort [s]; a recipe gives it `limits.abort`."""

    fault_s: ClassVar[float] = 30.0
    """How long a camera in trouble may take until it says so [s]."""

    flats: ClassVar[str] = ""
    """Flats by level that it can take, as ``3 x 10000 electron``; empty if it has no light, or exposes to no level."""

    def open(self, folder: Path) -> Camera:
        """Give a camera of its own for each call, not yet entered."""
        raise NotImplementedError

    def requests(self) -> Sequence[ExposureRequest]:
        """Give at least two requests that it can take, one after the other, of different numbers and indexes."""
        raise NotImplementedError

    def long_request(self) -> ExposureRequest | None:
        """Give a request that lasts so long that it can be aborted; None if no exposure takes time."""
        longest = max(self.requests(), key=lambda request: request.time_s)
        return evolve(longest, time_s=30.0) if longest.time_s > 0 else None

    def hardware(self, folder: Path) -> Any:
        """Say how the hardware stands, seen from outside of the camera: lamp, shutter, cover, filter, cooler.

        It is compared before and after. None if there is nothing to see, as of a simulation.
        """
        del folder
        return None

    def barred(self, folder: Path) -> Iterable[Trouble]:
        """Give cameras with a gate that does not hold before a request, and its value and limit as the error says them."""
        del folder
        return ()

    def failing(self, folder: Path) -> Iterable[Trouble]:
        """Give cameras that fail at a request: connection lost, exposure without end, frame cut short or of another size.

        A generator may undo a fault when the next is asked for.
        """
        del folder
        return ()

    def retrying(self, folder: Path) -> tuple[Camera, ExposureRequest] | None:
        """Give a camera whose first attempt at a request fails and whose next one does not; None if it tries only once."""
        del folder
        return None

    def instrument(self, camera: Camera) -> Instrument:
        """Give the instrument that a recipe for this camera would name."""
        setups = [request.setup for request in self.requests()]
        filters = tuple(dict.fromkeys(setup.filter for setup in setups if setup.filter is not None))
        gratings = tuple(dict.fromkeys(setup.grating for setup in setups if setup.grating is not None))
        return Instrument("suite_sensors", camera.detectors, filters=filters, gratings=gratings)

    def describe(self, instrument: Instrument) -> CameraDescription:
        """Say what `describe` of the camera's type says; a readout of 5 s if nothing else is said here."""
        return CameraDescription(5.0, 8 * max(one.raw_pixels for one in instrument.detectors) + 100_000)

    # -- what it says of itself ----------------------------------------------------------------------------------

    def test_what_it_offers_and_its_gates_are_told_without_an_exposure(self, tmp_path: Path) -> None:
        """`offers` and `gates`, if it has them, give texts and gates; asked twice, too."""
        promised, before = MAY_HAVE["camera"], self.hardware(tmp_path)
        with self.open(tmp_path) as camera:
            told = [name for name in ("offers", "gates") if callable(getattr(camera, name, None))]
            for name in (*told, *told):
                assert promised[name](getattr(camera, name)()) is not None
            assert self.hardware(tmp_path) == before, "asking moved something"
        if not told:
            pytest.skip("it has neither offers nor gates")

    # -- gates and faults ----------------------------------------------------------------------------------------

    def test_a_gate_that_does_not_hold_is_shown_and_refuses_by_value_and_limit(self, tmp_path: Path) -> None:
        """Within the time that it says; no frame comes, and things are left as they were found."""
        barred, before = False, self.hardware(tmp_path)
        for camera, asked, words in self.barred(tmp_path):
            barred = True
            with camera:
                closed = [gate for gate in _gates(camera) if gate.concerns(asked.image) and not gate.holds]
                assert closed, f"no gate of {asked.image} is shown not to hold"
                error, took_s = _error(camera, asked)
                assert isinstance(error, NotReady | CameraError), f"{error!r} is no NotReady"
                assert words in str(error)
                for word in (closed[0].wanted, closed[0].limit):
                    assert word in str(error)
                most = max(gate.wait_s for gate in closed) + self.fault_s
                assert took_s <= most, f"it took {took_s:.3g} s to refuse, and {most:g} s are enough"
            assert self.hardware(tmp_path) == before
        if not barred:
            pytest.skip("barred gives none")

    def test_a_camera_in_trouble_says_so_in_time_and_can_be_closed(self, tmp_path: Path) -> None:
        """A clear error within `fault_s`, never a hang; what hardware there is stands as it was found."""
        troubled, before = False, self.hardware(tmp_path)
        for camera, asked, words in self.failing(tmp_path):
            troubled = True
            with camera:
                taking = taken_in_a_thread(camera, asked)
                assert taking.wait(self.fault_s), f"{words!r} is not said within {self.fault_s:g} s"
            assert isinstance(taking.error, CameraError | NotReady), f"{taking.error!r} is no CameraError"
            assert words in str(taking.error)
        assert self.hardware(tmp_path) == before
        if not troubled:
            pytest.skip("failing gives none")

    def test_frames_of_an_exposure_that_was_taken_again_are_marked(self, tmp_path: Path) -> None:
        """Their header says how many attempts failed; that of others says nothing, or 0."""
        found = self.retrying(tmp_path)
        if found is None:
            pytest.skip("retrying gives None")
        camera, asked = found
        with camera:
            frames = list(camera.take(asked))
        assert frames
        assert all(frame.header.get(RETRIED, 0) >= 1 for frame in frames), f"no {RETRIED} in the header"

    # -- as it was found -----------------------------------------------------------------------------------------

    def test_hardware_is_left_as_it_was_found_whatever_ends_its_use(self, tmp_path: Path) -> None:
        """After exposures, an abort, an error of others, and frames that nobody fetched."""
        before = self.hardware(tmp_path)
        if before is None:
            pytest.skip("hardware gives None")
        for ending in (_take_all, partial(_abort, self.long_request()), _break_off, _fetch_one):
            camera = self.open(tmp_path)
            try:
                with camera:
                    ending(camera, tuple(self.requests()))
            except ZeroDivisionError:
                pass
            assert self.hardware(tmp_path) == before, f"it is not so after {getattr(ending, '__name__', 'an abort')}"

    def test_a_run_that_ends_well_leaves_hardware_as_it_was_found(self, tmp_path: Path) -> None:
        """All of its requests, taken by a recipe."""
        before, run = self.hardware(tmp_path), self._rehearsal(tmp_path)
        night = run.night()
        assert night.report.exit_code == 0, night.reasons
        assert run.closed == 1
        assert self.hardware(tmp_path) == before

    def test_a_run_that_is_stopped_in_an_exposure_ends_soon_and_leaves_hardware_as_it_was_found(
        self, tmp_path: Path
    ) -> None:
        """As by the first Ctrl-C: told in the middle of the last exposure, which is a long one."""
        asked = self.long_request()
        if asked is None:
            pytest.skip("long_request gives None")
        before, run = self.hardware(tmp_path), self._rehearsal(tmp_path, [*self.requests()[:1], asked])
        began: list[float] = []

        def in_the_middle(event: Any) -> bool:
            if isinstance(event, StepStarted) and event.step == 1:
                time.sleep(UNDER_WAY_S)
                began.append(time.monotonic())
            return bool(began)

        night = run.night(until=in_the_middle)
        took_s = time.monotonic() - began[0]
        assert night.report.exit_code == 130, night.reasons
        assert took_s < self.abort_s + UNDER_WAY_S, f"the run ended {took_s:.3g} s after it was stopped"
        assert run.closed == 1
        assert self.hardware(tmp_path) == before

    def test_a_run_that_is_left_at_once_leaves_hardware_as_it_was_found(self, tmp_path: Path) -> None:
        """As by the second Ctrl-C: only the camera is waited for, or, if it can `darken`, its lamp."""
        asked = self.long_request()
        if asked is None:
            pytest.skip("long_request gives None")
        before, run = self.hardware(tmp_path), self._rehearsal(tmp_path, [asked])
        safe, took_s = run.left(UNDER_WAY_S)
        darkens = callable(getattr(self.open(tmp_path), "darken", None))
        assert safe, "the lamp is not off" if darkens else f"the camera was not closed within {self.abort_s:g} s"
        assert took_s < (DARK_S if darkens else self.abort_s) + UNDER_WAY_S
        assert run.closed == 1
        assert self.hardware(tmp_path) == before

    def test_a_run_that_breaks_off_leaves_hardware_as_it_was_found(self, tmp_path: Path) -> None:
        """By an exception of the program that iterates over its events, after the first exposure began."""
        before, run = self.hardware(tmp_path), self._rehearsal(tmp_path)
        with pytest.raises(ZeroDivisionError, match="theirs"):
            run.night(until=_raise_at_the_first_exposure)
        assert run.closed == 1
        assert self.hardware(tmp_path) == before

    # -- levels --------------------------------------------------------------------------------------------------

    def test_flats_are_taken_to_a_level(self, tmp_path: Path) -> None:
        """Their times are solved from probes, and the level is met within a tenth."""
        if not self.flats:
            pytest.skip("flats are not given")
        before, run = self.hardware(tmp_path), self._rehearsal(tmp_path, flats=self.flats)
        night = run.night()
        assert night.report.exit_code == 0, night.reasons
        assert night.of(Solved)
        wanted = run.wanted
        met = [event for event in night.of(Ingested) if event.step in wanted]
        assert len(met) == len(wanted)
        zero = {name: level for event in night.of(Ingested) if event.step in run.zeros for name, level in event.levels.items()}
        for event in met:
            for name, shown in event.levels.items():
                level = shown - zero.get(name, 0.0)
                assert abs(level / wanted[event.step] - 1) < LEVEL, f"{level:.0f} electron, not {wanted[event.step]:.0f}"
        assert self.hardware(tmp_path) == before

    def _rehearsal(
        self, folder: Path, asked: Sequence[ExposureRequest] | None = None, flats: str = ""
    ) -> Rehearsal:
        lamp = next((request.setup for request in self.requests() if request.image == "flat"), None)
        return Rehearsal(
            open=partial(self.open, folder),
            instrument=self.instrument(self.open(folder)),
            describe=self.describe,
            requests=() if flats else tuple(self.requests() if asked is None else asked),
            flats=flats,
            setup=lamp,
            abort_s=self.abort_s,
        )


def taken_in_a_thread(camera: Camera, asked: ExposureRequest) -> Answer:
    """Take an exposure in a thread of its own, which nothing waits for; give what comes of it."""
    return Caller("suite").ask(partial(call, "the camera", lambda: list(camera.take(asked))))


def _gates(camera: Camera) -> tuple[Gate, ...]:
    """Ask for its gates; a camera that is barred by one has some."""
    gates: tuple[Gate, ...] = MAY_HAVE["camera"]["gates"](getattr(camera, "gates", tuple)())
    return gates


def _error(camera: Camera, asked: ExposureRequest) -> tuple[BaseException | None, float]:
    """Take an exposure; give its error, and how long that took [s]."""
    began = time.monotonic()
    taking = taken_in_a_thread(camera, asked)
    taking.wait(PATIENCE_S)
    return taking.error, time.monotonic() - began


def _take_all(camera: Camera, requests: Sequence[ExposureRequest]) -> None:
    for request in requests:
        assert list(camera.take(request))


def _abort(asked: ExposureRequest | None, camera: Camera, requests: Sequence[ExposureRequest]) -> None:
    taking = taken_in_a_thread(camera, asked or requests[-1])
    taking.wait(UNDER_WAY_S)
    camera.abort()
    taking.wait(PATIENCE_S)


def _break_off(camera: Camera, requests: Sequence[ExposureRequest]) -> None:
    list(camera.take(requests[0]))
    raise ZeroDivisionError("theirs")


def _fetch_one(camera: Camera, requests: Sequence[ExposureRequest]) -> None:
    next(iter(camera.take(requests[-1])))


def _raise_at_the_first_exposure(event: Any) -> bool:
    if isinstance(event, StepStarted):
        raise ZeroDivisionError("theirs")
    return False
