"""Calls that may be given up on: each in a thread that nothing waits for when the program ends."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue
from typing import Any

from attrs import define, field, frozen
from numpy.typing import NDArray

from latcal.engine.ledger import POLL_S
from latcal.errors import CameraError, LatcalError, PluginError
from latcal.model.frames import RawPixels
from latcal.model.geometry import Amplifier
from latcal.plugin.calling import call


@define(eq=False)
class Answer:
    """What a call gives, once it has ended: its value, or its error."""

    function: Callable[[], Any] | None
    ended: threading.Event = field(factory=threading.Event, init=False)
    error: LatcalError | KeyboardInterrupt | None = field(default=None, init=False)
    _value: Any = field(default=None, init=False)

    def work(self) -> None:
        """Do the call; what is not one of our own errors ends the thread, and is our own bug."""
        function, self.function = self.function, None  # it may hold pixels
        self.error = PluginError("the thread that asked broke off")
        try:
            self._value, self.error = function() if function else None, None
        except (LatcalError, KeyboardInterrupt) as error:  # the latter of a plugin: it ends the run, not the thread
            self.error = error
        finally:
            self.ended.set()

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended, so long at most."""
        return self.ended.wait(min(max(seconds, 0.0), threading.TIMEOUT_MAX))

    def came(self, until: float, stop: threading.Event, grace_s: float = 0.0) -> bool:
        """Wait until it has ended; False once it is time, or the run is to end and that is `grace_s` ago."""
        while not self.wait(min(POLL_S, until - time.monotonic())):
            now = time.monotonic()
            if stop.is_set():
                until, grace_s = min(until, now + grace_s), math.inf
            if now >= until:
                return False
        return True

    def result(self) -> Any:
        """Give its value, or raise its error."""
        if self.error is not None:
            raise self.error
        return self._value


@define(eq=False)
class Caller:
    """A thread that does one call after another, and that nothing waits for when the program ends."""

    name: str
    _asked: SimpleQueue[Answer | None] = field(factory=SimpleQueue, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)
    _last: Answer | None = field(default=None, init=False)

    @property
    def busy(self) -> bool:
        """Whether a call has not ended."""
        return self._last is not None and not self._last.ended.is_set()

    def rests(self, seconds: float) -> bool:
        """Wait until no call is under way, so long at most; tell whether none is."""
        return self._last is None or self._last.wait(seconds)

    def ask(self, function: Callable[[], Any]) -> Answer:
        """Do a call when those before it have ended."""
        if self._thread is None:
            self._start()
        self._last = Answer(function)
        self._asked.put(self._last)
        return self._last

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._work, name=self.name, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        ended = False
        try:
            while (answer := self._asked.get()) is not None:
                answer.work()
            ended = True
        finally:
            if not ended:  # a bug of ours broke it off: what is asked next finds another
                self._start()

    def finish(self) -> None:
        """Let the thread end after the call under way."""
        self._asked.put(None)

    def end(self) -> None:
        """Let the thread end after the call under way; that is hardly waited for."""
        if self._thread is not None:
            self.finish()
            self._thread.join(POLL_S if self.busy else 10 * POLL_S)


@frozen(eq=False)
class AskedPixels:
    """The raw pixels of a frame, given up on as its camera is: they may be fetched when they are asked for."""

    raw: RawPixels
    distribution: str
    place: str
    answer_s: float
    stop: threading.Event

    def __call__(self, amplifier: Amplifier) -> NDArray[Any]:
        """Read the raw image of one amplifier.

        Raises
        ------
        CameraError
            If it does not come.
        PluginError
            If it is no image.
        """
        place = f"{self.place}, amplifier {amplifier.name}"

        def raw() -> Any:
            return self.raw(amplifier)

        raw.__name__ = f"the raw image of {place}"
        answer = Answer(partial(call, self.distribution, raw))
        threading.Thread(target=answer.work, name="latcal-pixels", daemon=True).start()
        if not answer.came(time.monotonic() + self.answer_s, self.stop):
            raise CameraError(f"{place}: no pixels came within limits.answer {self.answer_s:g} s")
        pixels: NDArray[Any] = answer.result()
        if getattr(getattr(pixels, "dtype", None), "kind", "") not in tuple("biuf"):
            what = f"{type(pixels).__name__} of {getattr(pixels, 'dtype', 'no type')}"
            raise PluginError(f"{self.distribution}: {place}: its pixels are not an array of numbers, but {what}")
        return pixels
