"""Frames on arrival: a file is trusted in nothing that can be checked, and its header is completed."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attrs import frozen
from latcal.formats.raw import read_raw
from latcal.plugin import Amplifier, Detector, StoreError
from numpy.typing import NDArray

from latcal_indi.mirror import Blob
from latcal_indi.troubles import Trouble

TIME_OFF_S, TIME_OFF = 0.01, 0.01
"""How far the exposure time of a file may be from that asked for, in seconds and as a part of it; our choice, a tenth of what
latcal allows itself: what a driver writes is what it was told, rounded, or what it measured of its shutter."""

CLOCK_S = 0.1
"""How far the begin of a file may be before that of its exposure, by one clock [s]; our choice: both are rounded."""

ZONE_S = 900
"""What times of two zones differ by a multiple of [s]."""

HEADER = 40 * 2880
"""Where the header of a file ends, at most [byte]: some thousand cards."""

_BEGAN = re.compile(rb"DATE-OBS= '(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?")

TYPES = {"bias": ("bias", "zero"), "dark": ("dark",), "flat": ("flat",), "light": ("light", "object", "science")}
"""What FRAME, or IMAGETYP, of a file begins with, by the frame type asked for."""


@frozen
class Asked:
    """What a file must be of.

    Parameters
    ----------
    shortest_s : float [s]
        Shortest exposure of the driver: a bias has it.
    """

    device: str
    kind: str
    time_s: float
    binning: str
    shortest_s: float


@frozen(eq=False)
class Held:
    """The raw pixels of a frame, in memory, by amplifier."""

    pixels: Mapping[str, NDArray[Any]]

    def __call__(self, amplifier: Amplifier) -> NDArray[Any]:
        """Give the raw image of one amplifier, (ny, nx) of its raw box [adu]."""
        return self.pixels[amplifier.name]


def early(came_s: float, time_s: float) -> str:
    """Say why a frame cannot be that of an exposure: it came before that was over; empty if it may be.

    Parameters
    ----------
    came_s : float [s]
        After the camera was told to expose.
    """
    if came_s >= time_s - max(TIME_OFF_S, TIME_OFF * time_s):
        return ""
    return f"a frame of an exposure before: it came {came_s:.3g} s after the begin of one of {time_s:g} s"


def stale(data: bytes, stamp: datetime | None, took_s: float) -> str:
    """Say why a frame cannot be that of an exposure: it says that it began before it; empty if it may be.

    Both times are of the clock of the driver, so that it does not matter how that is set; nor of which zone its files tell the
    time, for whole quarters of an hour are left out. What is no time (a second 60) says nothing.

    Parameters
    ----------
    data : bytes
        Of the file.
    stamp : datetime or None
        When the driver took the exposure up.
    took_s : float [s]
        How long that took: as long before it may have begun.
    """
    card = _BEGAN.search(data, 0, HEADER)
    if stamp is None or card is None:
        return ""
    try:
        began = datetime.fromisoformat(card[1].decode()).replace(tzinfo=UTC)
    except ValueError:
        return ""
    before_s = (stamp - began).total_seconds() - float(card[2] or 0.0)
    before_s -= ZONE_S * round(before_s / ZONE_S)
    rounded_s = CLOCK_S if card[2] else 1.0 + CLOCK_S
    if before_s <= took_s + rounded_s:
        return ""
    return f"a frame of an exposure before: it says that it began {before_s:.3g} s earlier"


def read(blob: Blob, detector: Detector, path: Path, asked: Asked) -> tuple[Mapping[str, Any], Held]:
    """Read a file that came.

    Parameters
    ----------
    blob : Blob
    path : Path
        Where it is put while it is read.

    Returns
    -------
    header : mapping
        As the driver wrote it.
    raw : Held

    Raises
    ------
    Trouble
        If it is not whole, not FITS, not of the detector's size, or says that it is of another exposure.
    """
    if blob.form != ".fits":
        hint = "switch the driver's compression off"
        raise Trouble(f"{asked.device!r} sent a file of the format {blob.form!r}, not '.fits' ({hint})")
    if len(blob.data) != blob.size:
        raise Trouble(f"{asked.device!r} sent {len(blob.data)} bytes, and said that there are {blob.size}")
    try:
        path.write_bytes(blob.data)
    except OSError as error:
        raise StoreError(f"{path}: a scratch file cannot be written: {error.strerror or error}") from error
    try:
        header, raw = read_raw(path, detector)
        pixels = {amplifier.name: raw(amplifier) for amplifier in detector.amplifiers}
    except StoreError as error:
        raise Trouble(f"{asked.device!r}: {str(error).replace(str(path), 'its frame')}") from error
    finally:
        path.unlink(missing_ok=True)
    _check(header, asked)
    return header, Held(pixels)


def _check(header: Mapping[str, Any], asked: Asked) -> None:
    """See that a file says nothing else than was asked for; what it does not say is not missed."""
    said = str(header.get("FRAME", header.get("IMAGETYP", asked.kind))).strip().lower()
    if not said.startswith(TYPES[asked.kind]):
        raise Trouble(f"{asked.device!r} sent a frame that says it is a {said!r}, not a {asked.kind!r}")
    time_s = header.get("EXPTIME", asked.time_s)
    wanted_s = max(asked.time_s, asked.shortest_s)
    if not isinstance(time_s, int | float) or not abs(time_s - wanted_s) <= max(TIME_OFF_S, TIME_OFF * wanted_s):
        raise Trouble(f"{asked.device!r} sent a frame that says it is of {time_s} s, not of {wanted_s:g} s")
    binned = f"{header.get('XBINNING', asked.binning[0])}x{header.get('YBINNING', asked.binning[-1])}"
    if "XBINNING" in header and binned != asked.binning:
        raise Trouble(f"{asked.device!r} sent a frame that says it is binned {binned}, not {asked.binning}")


def dark_time_s(header: Mapping[str, Any], asked: Asked, most_s: float) -> float:
    """Give how long charge gathered [s]: as the driver says, if it says what can be; never less than was exposed.

    Parameters
    ----------
    most_s : float [s]
        Between the start of the exposure and the arrival of its frame.
    """
    told = [header.get(word) for word in ("DARKTIME", "EXPTIME")]
    could_be = [one for one in told if isinstance(one, int | float) and math.isfinite(one) and one <= most_s]
    return max(asked.time_s, *could_be, 0.0)


def completed(header: Mapping[str, Any], known: Mapping[str, Any], attempts: Mapping[str, Any]) -> dict[str, Any]:
    """Give the header that goes with a frame: what the driver says, and what is known beside it.

    What latcal knows better (exposure id, image type, times, filter, labels) is written by the store over both; what the
    driver said of times is kept under names of its own.
    """
    plain = {word: value for word, value in header.items() if isinstance(value, bool | int | float | str)}
    said = {"DRVTIME": plain.get("EXPTIME"), "DRVDATE": plain.get("DATE-OBS"), "DRVGAIN": plain.get("GAIN")}
    beside = {word: value for part in (said, known, attempts) for word, value in part.items() if value is not None}
    return {word: value for word, value in {**plain, **beside}.items() if not _is_endless(value)}


def _is_endless(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
