"""Ask a camera, and give up on one that does not answer: every wait has a limit, and every limit a name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Self

from attrs import define, evolve, field

from latcal.engine.answers import Answer, AskedPixels, Caller
from latcal.engine.ledger import POLL_S
from latcal.errors import CameraError, LatcalError
from latcal.model.frames import Exposure, ExposureRequest, Frame, Setup
from latcal.model.geometry import Detector
from latcal.model.recipe import TimeLimits
from latcal.plugin.calling import Guarded, bare, call, each, expect
from latcal.plugin.gates import Gate

DARK_S = 2.5
"""How long a camera that can put its lamp out may take to, when all is left at once [s]; our choice: what a person waits for."""

AGAIN_S = 0.5
"""How soon a camera that goes on is told to abort again [s]; our choice: it may have begun just after it was told."""


@define(eq=False)
class Asked:
    """A camera that answers in time or is given up on.

    It is asked everything in one thread; only `abort` comes from another.

    Parameters
    ----------
    open : callable
        Opens the camera.
    overhead_s : float [s]
        From the end of an exposure until its frames may be there.
    stop : threading.Event
        Set when the run is to end early.
    wait_s : float [s]
        How long it may wait for its gates, before an exposure begins.
    attempts : int
        How often it may take an exposure anew: its time counts so often.
    lost : str
        Why it is asked no more; empty while it answers.
    refusal : str
        What it raised when it was told to abort.
    """

    open: Callable[[], Guarded]
    limits: TimeLimits
    overhead_s: float
    stop: threading.Event
    wait_s: float = 0.0
    attempts: int = 1
    lost: str = field(default="", init=False)
    refusal: str = field(default="", init=False)
    _camera: Guarded = field(init=False)
    _open: bool = field(default=False, init=False)
    _closing: Answer | None = field(default=None, init=False)
    _caller: Caller = field(factory=lambda: Caller("latcal-camera"), init=False)
    _aborter: Caller = field(factory=lambda: Caller("latcal-abort"), init=False)
    _aborting: Answer | None = field(default=None, init=False)
    _telling: threading.Lock = field(factory=threading.Lock, init=False)

    @property
    def bare(self) -> Any:
        """The camera as it is, for hooks."""
        return bare(self._camera)

    def __enter__(self) -> Self:
        """Open the camera."""
        try:
            self._answer("to open", self._begin)
        except LatcalError:
            self._caller.end()
            raise
        except BaseException:  # a signal: what is open, or opens yet, is closed
            with self._telling:
                self.lost = self.lost or "left while it was opened"
            if self._open:
                self._close()
            self._caller.rests(self.limits.abort_s)
            self._caller.end()
            raise
        return self

    def _begin(self) -> None:
        camera = self.open().__enter__()
        with self._telling:
            self._camera, self._open = camera, not self.lost
        if not self._open:  # too late: nobody would close it
            camera.__exit__(None, None, None)
            raise CameraError(self.lost)

    def __exit__(self, *exc: object) -> None:
        """Close the camera, in a thread of its own if it hangs already.

        Raises
        ------
        CameraError
            If it does not close within `limits.abort`, unless another error is under way or it is lost already.
        """
        closing = self._close(*exc)
        closed = closing.wait(self.limits.abort_s)
        for one in (self._caller, self._aborter):
            one.end()
        if closed:
            closing.result()
        elif not self.lost:
            limit = f"limits.abort {self.limits.abort_s:g} s"
            what = f"the camera did not close within {limit} (see that its hardware is as it was found)"
            if len(exc) < 2 or not isinstance(exc[1], LatcalError):
                raise CameraError(what)
            exc[1].add_note(what)  # what ended the run is not hidden

    def _close(self, *exc: object) -> Answer:
        """Close the camera, once, whoever asks for it first."""
        with self._telling:
            if self._closing is None:
                caller = Caller("latcal-close") if self._caller.busy else self._caller
                self._closing = caller.ask(partial(self._camera.__exit__, *exc))
                if caller is not self._caller:
                    caller.finish()
            return self._closing

    def release(self) -> bool:
        """Make the hardware safe, from any thread, waiting for nothing but that.

        A camera that has `darken` is told that, and is not closed: its filter and cover are of no matter to who leaves at
        once. Of any other what is under way is aborted, and it is closed.

        Returns
        -------
        bool
            Whether it is dark, or closed; False if that took longer than 2.5 s, or `limits.abort`.
        """
        if self._open and self._has("darken"):
            caller = Caller("latcal-dark")
            darkening = caller.ask(partial(self._do, "darken"))
            caller.finish()
            return darkening.wait(DARK_S) and darkening.error is None
        until = time.monotonic() + self.limits.abort_s
        if self._open and self._closing is None and self._caller.busy:
            self.abort()
        with self._telling:
            self.lost = self.lost or ("" if self._open else "the run was left before it was open")
        while self._closing is None and time.monotonic() < until and not self._caller.rests(POLL_S):
            self.abort()
        if not self._open:
            return not self._caller.busy
        return self._close(None, None, None).wait(until - time.monotonic())

    def problems(self, requests: tuple[ExposureRequest, ...]) -> Iterable[str]:
        """Ask for what cannot be taken."""
        answer: Iterable[str] = self._answer("for problems", partial(self._do, "problems", requests))
        return answer

    def remarks(self) -> Iterable[str]:
        """Ask for what a person should know."""
        answer: Iterable[str] = self._answer("for remarks", partial(self._do, "remarks"))
        return answer

    def setup(self, request: ExposureRequest) -> Setup:
        """Ask for the setup of an exposure."""
        answer: Setup = self._answer("for the setup", partial(self._do, "setup", request))
        return answer

    def offers(self) -> Mapping[str, str]:
        """Ask what there is beside detectors; a camera need not say it."""
        answer: Mapping[str, str] = self._may_answer("for what it offers", "offers", {})
        return answer

    def gates(self) -> tuple[Gate, ...]:
        """Ask what must hold before exposures, and how it stands; a camera need not say it."""
        answer: tuple[Gate, ...] = self._may_answer("for its gates", "gates", ())
        return answer

    def _may_answer(self, what: str, method: str, otherwise: Any) -> Any:
        return self._answer(what, partial(self._do, method)) if self._has(method) else otherwise

    def _has(self, method: str) -> bool:
        """Tell whether it has what a camera may have."""
        return callable(getattr(self.bare, method, None))

    def _do(self, method: str, *arguments: Any) -> Any:
        return getattr(self._camera, method)(*arguments)

    def _answer(self, what: str, function: Callable[[], Any]) -> Any:
        """Ask a question that needs no exposure."""
        answer = self._caller.ask(function)
        if not answer.came(time.monotonic() + self.limits.answer_s, self.stop, self.limits.abort_s):
            self.lost = f"the camera stopped answering when asked {what}"
            limit = f"limits.answer {self.limits.answer_s:g} s"
            raise CameraError(f"the camera was asked {what}, and did not answer within {limit} (see that it is on)")
        return answer.result()

    def check(self, number: int) -> None:
        """See that it still answers before an exposure.

        Raises
        ------
        CameraError
            If it is lost.
        """
        if self.lost:
            raise CameraError(f"exposure {number}: {self.lost}")

    def take(self, request: ExposureRequest) -> tuple[tuple[Frame, ...], float]:
        """Take an exposure, and wait for all its frames.

        Returns
        -------
        frames : tuple of Frame
        late_s : float [s]
            How long after gates, exposure time (of every attempt) and overhead they were there; negative if before.

        Raises
        ------
        CameraError
            If they did not come in time, or the camera is lost.
        """
        self.check(request.number)
        if self._has("prepare"):
            self._prepare(request)
        came: list[Frame] = []
        began, due_s = time.monotonic(), self._due_s(request)
        answer = self._caller.ask(partial(self._collect, request, came))
        if not answer.came(began + due_s + self.limits.answer_s, self.stop):
            late = "" if self.stop.is_set() else self._late(request, came)
            self._give_up(answer, request.number, late)
            if late:
                raise CameraError(f"exposure {request.number}: {late}{self._refused}") from answer.error
        answer.result()
        return tuple(came), time.monotonic() - began - due_s

    def _prepare(self, request: ExposureRequest) -> None:
        """Have things brought into place for an exposure, and its gates waited for."""
        limit_s = self.wait_s + self.limits.answer_s
        answer = self._caller.ask(partial(self._do, "prepare", request))
        if not answer.came(time.monotonic() + limit_s, self.stop):
            parts = f"{self.wait_s:g} s for its gates, limits.answer {self.limits.answer_s:g} s"
            late = "" if self.stop.is_set() else f"it was not ready within {limit_s:g} s ({parts})"
            self._give_up(answer, request.number, late)
            if late:
                raise CameraError(f"exposure {request.number}: {late}{self._refused}") from answer.error
        answer.result()

    def _collect(self, request: ExposureRequest, came: list[Frame]) -> None:
        """Gather the frames of an exposure; one more than was asked for is enough to see that they are too many."""
        source = self._camera.distribution
        for given in each(source, call(source, getattr, self._camera.opened, "take"), request):
            frame: Frame = expect(given, Frame, f"{source}: take of the camera")
            expect(frame.exposure, Exposure, f"{source}: exposure of the camera's frame")
            detector = expect(frame.detector, Detector, f"{source}: detector of the camera's frame")
            place = f"exposure {request.number}, detector {detector.name}"
            came.append(evolve(frame, raw=AskedPixels(frame.raw, source, place, self.limits.answer_s, self.stop)))
            if len(came) > len(request.detectors):
                break

    def _late(self, request: ExposureRequest, came: list[Frame]) -> str:
        """Say what did not come, and how long it was waited for."""
        limit, there = self.limits.answer_s, {frame.detector.id for frame in came}
        missing = ", ".join(str(detector) for detector in request.detectors if detector not in there)
        what = f"no frame of detector {missing}" if there and missing else "no frame"
        gates = f"{self._gates_s:g} s for its gates, " if self._gates_s else ""
        times = f"{self.attempts} x " if self.attempts > 1 else ""
        parts = f"{gates}{times}{request.time_s:g} s exposure, {self.overhead_s:g} s readout, limits.answer {limit:g} s"
        return f"{what} came within {self._due_s(request) + limit:g} s ({parts})"

    def _due_s(self, request: ExposureRequest) -> float:
        """Give how long frames may take to come, before `limits.answer` begins [s]."""
        return request.pause_s + self._gates_s + self.attempts * request.time_s + self.overhead_s

    @property
    def _gates_s(self) -> float:
        """How long `take` may wait for gates [s]: not at all if that was done before it."""
        return 0.0 if self._has("prepare") else self.wait_s

    @property
    def _refused(self) -> str:
        return f"; and it could not be aborted: {self.refusal}" if self.refusal else ""

    def _give_up(self, answer: Answer, number: int, why: str) -> None:
        """Abort an exposure and wait until the camera is free again.

        Raises
        ------
        CameraError
            If it is not by the limit: then it is lost.
        """
        until = time.monotonic() + self.limits.abort_s
        self.abort()
        while not answer.wait(min(AGAIN_S, until - time.monotonic())) and time.monotonic() < until:
            self.abort()
        aborting = self._aborting
        if answer.ended.is_set() and (aborting is None or aborting.wait(until - time.monotonic())):
            return
        self.lost = f"the camera stopped answering at exposure {number}"
        parts = [why, f"abort was not answered within limits.abort {self.limits.abort_s:g} s"]
        words = ", and ".join(part for part in parts if part) + self._refused
        raise CameraError(f"exposure {number}: the camera stopped answering: {words} (see that its hardware is safe)")

    def abort(self) -> None:
        """Tell the camera to abort, from any thread; it is told once at a time, and no more when it is lost."""
        with self._telling:
            self._hear()
            if not self.lost and not self._aborter.busy:
                self.refusal = ""
                self._aborting = self._aborter.ask(partial(self._do, "abort"))
            aborting = self._aborting
        if aborting is not None:
            aborting.wait(POLL_S)
            self._hear()

    def _hear(self) -> None:
        """Keep what an abort raised."""
        if self._aborting is not None and self._aborting.ended.is_set() and self._aborting.error is not None:
            self.refusal = str(self._aborting.error)
