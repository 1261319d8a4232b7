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
    longest = camera.longest_s if camera else 0.0
    seconds, size, at_most = 0.0, 0, False
    for take in takes:
        seconds += take.pause_s + overhead + (longest if take.time_s is None else take.time_s)
        size += len(take.detectors) * (camera.frame_bytes if camera else 0)
        at_most = at_most or take.time_s is None
    return Estimate(seconds, at_most, size)


def lack_of_room(takes: Iterable[Take], instrument: Instrument, raw_bytes: int, store: Store) -> Iterator[Problem]:
    """See that the exposures fit into the store, and the prepared frames into the scratch folder."""
    room, size = store.free_bytes(), raw_bytes * MARGIN
    if room is not None and room < size:
        what = f"the store has room for {room / 1e9:.1f} GB, and the exposures need {size / 1e9:.1f} GB"
        yield Problem(what, "make room", path="store")
    pixels = {d.id: d.shape[0] * d.shape[1] for d in instrument.detectors}
    scratch = 4.0 * sum(pixels[detector] for take in takes if not take.discarded for detector in take.detectors)
    folder = tempfile.gettempdir()
    there = shutil.disk_usage(folder).free
    if there < scratch:
        what = f"{folder} has room for {there / 1e9:.1f} GB, and prepared frames need {scratch / 1e9:.1f} GB"
        yield Problem(what, "make room, or set TMPDIR", path="scratch")
