"""What exposures cost: camera time, and room in the store and in the scratch folder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator

from latcal.errors import Problem
from latcal.model.geometry import Instrument
from latcal.model.steps import Estimate, Take
from latcal.plugin.protocols import CameraDescription, Store

MARGIN = 1.1
"""Room asked for over the raw frames themselves; our choice, for products and reports."""


def estimate(takes: Iterable[Take], instrument: Instrument, camera: CameraDescription | None) -> Estimate:
    """Give what exposures cost, at most where a time is yet to be solved.

    Parameters
    ----------
    camera : CameraDescription or None
        None if only the camera itself could tell.
    """
    overhead = camera.overhead_s if camera else instrument.readout_s
    every = tuple(takes)
    most = sum(take.pause_s + overhead + (take.longest_s if take.time_s is None else take.time_s) for take in every)
    size = sum(len(take.detectors) for take in every) * (camera.frame_bytes if camera else 0)
    at_most = any(take.time_s is None for take in every)
    if any(take.time_s is None and take.expected_s is None for take in every):
        return Estimate(most, at_most, size)
    likely = sum(take.pause_s + overhead + likely_time(take) for take in every if not take.spare)
    return Estimate(most, at_most, size, likely)


def likely_time(take: Take) -> float:
    """Give the exposure time [s]; of one that is yet to be solved the expected one, or the longest if none is known."""
    return take.time_s if take.time_s is not None else take.longest_s if take.expected_s is None else take.expected_s


def lack_of_room(
    takes: Iterable[Take], instrument: Instrument, raw_bytes: int, store: Store, *, prepared: bool
) -> Iterator[Problem]:
    """See that the exposures fit into the store, and the prepared frames, if there will be any, into the scratch folder."""
    room, size = store.free_bytes(), raw_bytes * MARGIN
    if room is not None and room < size:
        what = f"the store has room for {room / 1e9:.1f} GB, and the exposures need {size / 1e9:.1f} GB"
        yield Problem(what, "make room", path="store")
    if not prepared:
        return
    pixels = {d.id: d.shape[0] * d.shape[1] for d in instrument.detectors}
    scratch = 4.0 * sum(pixels[detector] for take in takes if not take.discarded for detector in take.detectors)
    folder = tempfile.gettempdir()
    there = shutil.disk_usage(folder).free
    if there < scratch:
        what = f"{folder} has room for {there / 1e9:.1f} GB, and prepared frames need {scratch / 1e9:.1f} GB"
        yield Problem(what, "make room, or set TMPDIR", path="scratch")
