"""Look at what came: whether it is what was asked for, and whether it can be used. Bad frames end here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from astropy.time import Time
from numpy.typing import NDArray

from latcal.errors import BuildError, CameraError, StoreError
from latcal.formats.raw import read_raw
from latcal.model.frames import Exposure, ExposureRequest, Frame, Setup
from latcal.model.geometry import Amplifier
from latcal.plugin.calling import expect

TIME_OFF_S = 0.1
"""How far an exposure time may be from the one asked for [s]; our choice: a slow shutter, and above what headers round."""

TIME_OFF = 0.01
"""The same, as a part of it; our choice. The larger of the two is allowed."""

WITHOUT_NUMBER = 0.001
"""Part of an amplifier's pixels that may have no number; our choice: a few bad ones, and no lost column or block."""


def check(
    frames: Iterable[Frame], asked: ExposureRequest, foreseen: Setup, keys: Iterable[str], tolerance_s: float = 0.0
) -> None:
    """See that frames are those of the exposure asked for: one of each detector, with its facts.

    Parameters
    ----------
    foreseen : Setup
        In which preflight was told that it will come.
    keys : iterable of str
        Those of a setup that matter.
    tolerance_s : float [s]
        How far the camera says that its exposure times may be off.

    Raises
    ------
    CameraError
        If they are not, naming exposure and detector.
    PluginError
        If a fact is of no type that it may have.
    """
    frames = tuple(frames)
    came = [frame.detector.id for frame in frames]
    for words, wrong in (
        ("no frame of detector {} came", set(asked.detectors) - set(came)),
        ("a frame of detector {} came, which was not asked for", set(came) - set(asked.detectors)),
        ("more than one frame of detector {} came", {one for one in came if came.count(one) > 1}),
    ):
        if wrong:
            raise CameraError(f"exposure {asked.number}: " + words.format(", ".join(map(str, sorted(wrong)))))
    for frame in frames:
        place = f"exposure {asked.number}, detector {frame.detector.name},"
        _compare(frame.exposure, asked, foreseen, tuple(keys), place)
        _check_times(frame.exposure, asked, tolerance_s, place)


def _compare(exposure: Exposure, asked: ExposureRequest, foreseen: Setup, keys: tuple[str, ...], place: str) -> None:
    """Refuse an exposure that is not the one asked for: its number, its type, and the setup that was foreseen."""
    expect(exposure.setup, Setup, "setup of the camera's exposure")
    pairs = [("number", exposure.id, asked.number), ("image type", exposure.image, asked.image)]
    pairs += [(key, getattr(exposure.setup, key), getattr(foreseen, key)) for key in keys]
    for word, came, wanted in pairs:
        if came != wanted:
            raise CameraError(f"{place} came with {word} {came!r}, not {wanted!r}")


def _check_times(exposure: Exposure, asked: ExposureRequest, tolerance_s: float, place: str) -> None:
    """Refuse times that cannot be: darks and gains are made by them."""
    expect(exposure.begin, Time, "begin of the camera's exposure")
    time_s = float(expect(exposure.time_s, Real, "time_s of the camera's exposure"))
    dark_time_s = float(expect(exposure.dark_time_s, Real, "dark_time_s of the camera's exposure"))
    off = max(TIME_OFF_S, TIME_OFF * asked.time_s, tolerance_s)
    if not abs(time_s - asked.time_s) <= off:
        raise CameraError(f"{place} came with a time of {time_s:g} s, not {asked.time_s:g} s (within {off:g} s)")
    if not time_s <= dark_time_s < math.inf:
        raise CameraError(f"{place} came with a dark time of {dark_time_s:g} s, which its time of {time_s:g} s exceeds")


def check_file(frame: Frame) -> None:
    """See that a frame that came as a file can be read back from it: what a store keeps is the file.

    Raises
    ------
    CameraError
        If it is missing, empty, cut short or no FITS, or has not the images of its detector.
    """
    if frame.path is None:
        return
    path: Path = expect(frame.path, Path, "path of the camera's frame")
    try:
        read_raw(path, frame.detector)
    except StoreError as error:
        raise CameraError(f"exposure {frame.exposure.id}, detector {frame.detector.name}: {error}") from error


def check_pixels(raw: NDArray[Any], amplifier: Amplifier, place: str) -> int:
    """See that a raw image is whole, and has a number for all of its pixels but very few.

    Parameters
    ----------
    raw : (ny, nx) [adu]
    place : str
        Exposure, detector and amplifier.

    Returns
    -------
    int
        How many pixels of the data section have no number.

    Raises
    ------
    BuildError
        If it has another shape, no number at all, or too many pixels without.
    """
    if raw.shape != amplifier.raw.shape:
        raise BuildError(
            f"{place}: a raw image of {raw.shape} pixels is not of the shape {amplifier.raw.shape} that the "
            "instrument says (take the instrument of this camera)"
        )
    finite = np.isfinite(raw)
    if not finite.any():
        raise BuildError(f"{place}: its raw image holds no value at all (take the exposure again)")
    data = finite[amplifier.data.slices]
    without = int(data.size - np.count_nonzero(data))
    most = int(WITHOUT_NUMBER * data.size)
    if without > most:
        raise BuildError(
            f"{place}: {without} of {data.size} pixels are not numbers, and at most {most} may be none "
            "(see the camera's readout, and take the exposure again)"
        )
    return without
