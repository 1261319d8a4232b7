"""The frames of one exposure, made of the files that came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from astropy.time import Time
from attrs import define, frozen
from latcal.plugin import RETRIED, Exposure, ExposureRequest, Frame, Setup, World, observation_id

from latcal_indi import arriving, offering
from latcal_indi.exposing import Exposing
from latcal_indi.hardware import Hardware
from latcal_indi.mirror import Blob
from latcal_indi.preparing import Wheel


@frozen
class Taken:
    """One exposure that was taken.

    Parameters
    ----------
    begin : Time
        When it was told to begin, TAI.
    took_s : float [s]
        From then until its last file was there.
    faults : tuple of str
        Of the attempts before.
    """

    request: ExposureRequest
    setup: Setup
    begin: Time
    took_s: float
    faults: tuple[str, ...]


@define(eq=False)
class Framing:
    """Reads and checks files, and completes their headers."""

    hardware: Hardware
    wheel: Wheel
    exposing: Exposing
    world: World

    def frames(self, taken: Taken, blobs: Mapping[int, Blob]) -> tuple[Frame, ...]:
        """Give the frames, in the order of the request.

        Parameters
        ----------
        blobs : mapping of int to Blob
            By detector.

        Raises
        ------
        Trouble
            If a file is not what was asked for.
        """
        self.world.scratch.mkdir(parents=True, exist_ok=True)
        read = [self._read(taken, key, blobs[key]) for key in taken.request.detectors]
        exposure = self._exposure(taken, max(dark_s for _, dark_s in read))
        return tuple(Frame(exposure, *parts) for parts, _ in read)

    def _read(self, taken: Taken, key: int, blob: Blob) -> tuple[tuple[Any, ...], float]:
        """Give detector, pixels and header of one frame, and how long its charge gathered [s]."""
        request, options = taken.request, self.hardware.options
        assert self.world.instrument is not None
        detectors = self.world.instrument.detectors
        detector = self.world.instrument.detector(key)
        device = options.devices[detectors.index(detector)]
        asked = arriving.Asked(
            device, options.types[request.image], request.time_s, taken.setup.binning, self.exposing.shortest_s(device)
        )
        header, raw = arriving.read(blob, detector, self.world.scratch / f"indi-{request.number}-{key}.fits", asked)
        whole = arriving.completed(header, offering.cards(self.hardware, self.wheel, device), _marks(taken.faults))
        return (detector, raw, whole), arriving.dark_time_s(header, asked, taken.took_s)

    def _exposure(self, taken: Taken, dark_time_s: float) -> Exposure:
        request = taken.request
        assert self.world.instrument is not None
        return Exposure(
            id=request.number,
            obs_id=observation_id(self.world.instrument.id_prefix, request.number),
            image=request.image,
            time_s=request.time_s,
            dark_time_s=dark_time_s,
            begin=taken.begin,
            setup=taken.setup,
            sequence=request.sequence,
            discarded=request.discarded,
            labels=request.labels,
        )


def _marks(faults: tuple[str, ...]) -> dict[str, Any]:
    """Mark a frame that was taken again: how often it failed before, and why at last."""
    return {RETRIED: len(faults), "RETRYWHY": faults[-1][:60]} if faults else {}
