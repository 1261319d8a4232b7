"""The clock of the simulated camera: times that only add up, or that are waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from astropy.time import Time, TimeDelta

from latcal.plugin import CameraError


class SimulatedClock:
    """Begins when it is made, and advances by what is exposed and read out."""

    def __init__(self, now: Callable[[], Time]) -> None:
        self._start = now().tai
        self._elapsed_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the camera was opened."""
        return self._elapsed_s

    def begin(self) -> None:
        """Begin what may be aborted."""

    def wait(self, seconds: float) -> bool:
        """Let some time pass; tell whether that was aborted."""
        self._elapsed_s += seconds
        return False

    def expose(self, time_s: float, readout_s: float, pause_s: float = 0.0) -> Time:
        """Let a pause and an exposure pass, and give its begin (TAI)."""
        self._elapsed_s += pause_s
        begin = self._start + TimeDelta(self._elapsed_s, format="sec")
        self._elapsed_s += time_s + readout_s
        return begin

    def abort(self) -> None:
        """End the exposure under way: there never is one."""


class RealClock:
    """Waits as long as an exposure and its readout last, unless it is aborted.

    Parameters
    ----------
    now : callable
        The clock that says when an exposure begins.
    stop : threading.Event
        Once it is set no exposure begins: what ends a run sets it before it aborts.
    """

    def __init__(self, now: Callable[[], Time], stop: threading.Event) -> None:
        self._now, self._stop = now, stop
        self._aborted = threading.Event()
        self._opened = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """Seconds since the camera was opened."""
        return time.monotonic() - self._opened

    def begin(self) -> None:
        """Begin what may be aborted: what was aborted before is over."""
        self._aborted.clear()

    def wait(self, seconds: float) -> bool:
        """Wait for some time; tell whether that was aborted."""
        return self._stop.is_set() or self._aborted.wait(seconds)

    def expose(self, time_s: float, readout_s: float, pause_s: float = 0.0) -> Time:
        """Wait for a pause and an exposure, and give its begin (TAI).

        Raises
        ------
        CameraError
            If it was aborted.
        """
        paused = self._stop.is_set() or (pause_s > 0.0 and self._aborted.wait(pause_s))
        begin = self._now().tai
        if paused or self._aborted.wait(time_s + readout_s):
            raise CameraError(f"the exposure of {time_s:g} s was aborted")
        return begin

    def abort(self) -> None:
        """End the exposure under way, if there is one."""
        self._aborted.set()
