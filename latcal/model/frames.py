"""What is asked of a camera, what happened, and the pixels of it.

A raw `Frame` reads its pixels when asked. Once prepared (overscan subtracted, trimmed, in electrons), each
amplifier's pixels lie in a scratch file and an `AmplifierFrame` is a small, picklable reference to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from astropy.time import Time
from attrs import field, frozen
from numpy.typing import NDArray

from latcal.model.geometry import Amplifier, Detector
from latcal.model.numbering import observation_id

SETUP_KEYS = ("filter", "grating", "binning", "mode")


@frozen
class Setup:
    """What tells products of one kind apart beside the detector."""

    filter: str | None = None
    grating: str | None = None
    binning: str = "1x1"
    mode: str = ""

    def only(self, keys: frozenset[str]) -> Setup:
        """Keep the named keys and let the others take their defaults."""
        return Setup(**{key: getattr(self, key) for key in SETUP_KEYS if key in keys})

    def __str__(self) -> str:
        words = [word for word in (self.filter, self.grating, self.mode) if word]
        return "~".join(words + ([self.binning] if self.binning != "1x1" else []))


@frozen
class ExposureRequest:
    """One exposure, as asked of a camera.

    Parameters
    ----------
    number : int
        Its reserved exposure id, day x 100000 + sequence number.
    index : int
        Its place among all exposures of the run, from zero.
    image : str
        Image type: bias, dark, flat, or one that a plugin consumes.
    time_s : float [s]
    position : int
        Its place in its sequence, from 1; discarded exposures and probes count.
    pause_s : float [s]
        To be waited before it.
    """

    number: int
    index: int
    image: str
    time_s: float
    setup: Setup
    sequence: str
    detectors: tuple[int, ...]
    position: int = 1
    discarded: bool = False
    labels: Mapping[str, str] = field(factory=dict)
    pause_s: float = 0.0

    def happened(
        self, prefix: str, begin: Time, *, dark_time_s: float, time_s: float | None = None, setup: Setup | None = None
    ) -> Exposure:
        """Give the exposure that it became, the rest being as it was asked for.

        Parameters
        ----------
        prefix : str
            Of observation ids: `Instrument.id_prefix`.
        begin : Time
        dark_time_s : float [s]
            For how long charge was collected.
        time_s : float [s], optional
            For how long light fell in; what was asked for if left out.
        setup : Setup, optional
            In which it came; what was asked for if left out.
        """
        return Exposure(
            id=self.number,
            obs_id=observation_id(prefix, self.number),
            image=self.image,
            time_s=self.time_s if time_s is None else time_s,
            dark_time_s=dark_time_s,
            begin=begin,
            setup=self.setup if setup is None else setup,
            sequence=self.sequence,
            discarded=self.discarded,
            labels=self.labels,
        )


@frozen
class Exposure:
    """One exposure, as it happened.

    Parameters
    ----------
    id : int
        Exposure id; unique in a store.
    time_s, dark_time_s : float [s]
        Shutter open; charge collected, never less.
    begin : Time
        TAI.
    """

    id: int
    obs_id: str
    image: str
    time_s: float
    dark_time_s: float
    begin: Time = field(eq=lambda time: (time.tai.jd1, time.tai.jd2))
    setup: Setup = field(factory=Setup)
    sequence: str = ""
    discarded: bool = False
    labels: Mapping[str, str] = field(factory=dict)


class RawPixels(Protocol):
    """Gives the raw pixels of an amplifier, in adu, overscans included, as read out."""

    def __call__(self, amplifier: Amplifier) -> NDArray[Any]:
        """Read the raw image of one amplifier, (ny, nx) of its raw box [adu], of any number type."""


@frozen
class Frame:
    """The raw pixels of one exposure on one detector.

    Parameters
    ----------
    raw : RawPixels
        Called for each amplifier when its pixels are wanted. Raises `CameraError` or `StoreError` if it cannot.
    header : mapping
        What the camera says beside the exposure's own facts, by FITS keyword.
    path : Path or None
        The file it is, if it is one.
    checksum : str
        SHA-256 of the stored file, once stored.
    """

    exposure: Exposure
    detector: Detector
    raw: RawPixels = field(eq=False)
    header: Mapping[str, Any] = field(factory=dict)
    path: Path | None = None
    checksum: str = ""

    def pixels(self, amplifier: Amplifier) -> NDArray[np.float32]:
        """Read one amplifier as float32 [adu], NaN where it has no number."""
        return np.asarray(self.raw(amplifier), dtype=np.float32)


@frozen
class Plane:
    """A picklable reference to rows of pixels in a scratch file."""

    path: str
    offset: int
    shape: tuple[int, int]
    dtype: str = "float32"

    def read(self, rows: slice = slice(None)) -> NDArray[Any]:
        """Read some rows into a fresh array, (n, nx)."""
        start, stop, _ = rows.indices(self.shape[0])
        kind, nx = np.dtype(self.dtype), self.shape[1]
        count = max(stop - start, 0) * nx
        pixels = np.fromfile(self.path, kind, count, offset=self.offset + start * nx * kind.itemsize)
        return pixels.reshape(-1, nx)


@frozen
class AmplifierFrame:
    """One amplifier of one prepared exposure: picklable, without pixels.

    Parameters
    ----------
    exposure : Exposure
    pixels : Plane
        float32 [electron], trimmed and in the detector's orientation; NaN where saturated or without value.
    read_noise, read_noise_error : float [electron]
        From the serial overscan of this frame.
    frame_noise : float [electron]
        What a pixel without signal must show: read noise, overscan model and quantisation together. Of this frame
        when building; pooled over the frames of the stage when verifying.
    level : float [electron]
        Clipped mean of the pixels.
    detector_level : float [electron]
        Mean of the levels over the detector's amplifiers.
    pedestal : float [adu]
    saturated, without_number : int
        Numbers of saturated pixels, and of those that the camera gave no number for.
    """

    exposure: Exposure
    pixels: Plane
    read_noise: float
    read_noise_error: float
    frame_noise: float
    level: float
    detector_level: float
    pedestal: float
    saturated: int = 0
    without_number: int = 0

    @property
    def reader(self) -> Any:
        """The function that reads rows: ``reader(slice(0, 100))`` gives (100, nx) [electron]."""
        return self.pixels.read
