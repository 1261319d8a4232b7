"""A camera that fails on command: it does not answer, answers late, or gives frames that are spoilt."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from latcal.builtin.cameras.simulation.faults import Struck
from latcal.builtin.cameras.simulation.readout import Readout
from latcal.formats.raw import write_raw
from latcal.plugin import CameraError, ExposureRequest, Frame, World

SPOILT = 0.1
"""Part of the rows of an amplifier that have no numbers; our choice, far above what any camera leaves out."""


class Failing:
    """Carries out the faults of a simulated camera that are not of its sensor."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._aborted, self._closed = threading.Event(), threading.Event()

    def abort(self) -> None:
        """End what waits, unless it is to hang."""
        self._aborted.set()

    def close(self) -> None:
        """End everything."""
        self._closed.set()
        self._aborted.set()

    def wait(self, faults: Struck, request: ExposureRequest) -> None:
        """Wait as long as the faults say.

        Raises
        ------
        CameraError
            If it was aborted, or closed.
        """
        self._aborted.clear()
        if "no answer" in faults:
            self._closed.wait()
            raise CameraError(f"exposure {request.number}: the camera did not answer")
        if "never arrives" in faults:
            self._aborted.wait()
            raise CameraError(f"exposure {request.number} never arrived, and was aborted")
        if faults.delay_s and self._aborted.wait(faults.delay_s):
            raise CameraError(f"exposure {request.number} was aborted while it was late")

    def spoilt(self, faults: Struck, frame: Frame) -> Frame:
        """Give a frame as the faults leave it."""
        if "wrong header" in faults:
            exposure = frame.exposure
            frame = evolve(frame, exposure=evolve(exposure, id=exposure.id + 1, time_s=exposure.time_s + 1.0))
        if "no numbers" in faults:
            frame = _changed(frame, _without_numbers)
        if "wrong shape" in faults:
            frame = _changed(frame, _shorter)
        if "truncated file" in faults or "empty file" in faults:
            path = self._file(frame)
            size = 0 if "empty file" in faults else path.stat().st_size * 2 // 3
            with path.open("rb+") as file:
                file.truncate(size)
            frame = evolve(frame, path=path)
        return frame

    def _file(self, frame: Frame) -> Path:
        path = self._world.scratch / f"camera-{frame.exposure.id}-{frame.detector.id}.fits"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_raw(frame, path, compress=False)
        except OSError as error:
            raise CameraError(f"{path}: the frame cannot be written: {error.strerror or error}") from error
        return path


def _changed(frame: Frame, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Frame:
    """Change the raw image of the first amplifier."""
    first = frame.detector.amplifiers[0]
    images = {amplifier.name: frame.raw(amplifier) for amplifier in frame.detector.amplifiers}
    return evolve(frame, raw=Readout({**images, first.name: change(images[first.name])}))


def _without_numbers(raw: NDArray[Any]) -> NDArray[Any]:
    spoilt = raw.astype(np.float32)
    spoilt[: math.ceil(SPOILT * len(spoilt))] = np.nan
    return spoilt


def _shorter(raw: NDArray[Any]) -> NDArray[Any]:
    return raw[:-1]
