"""Nights that reporters are told: real runs on a small sensor, of each way in which a night can end."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from latcal.model.events import Exposed
from latcal.plugin.registry import load_plugins
from latcal.testing.nights import Night, SmallSensor, run_night

RECIPE = """\
latcal: 1
title: A night that reporters are told
instrument: small_sensor
camera: {use: simulated, seed: 7, settling: 0 electron}
store: {use: memory}
executor: {use: serial}
sequences:
  biases: {image: bias, exposures: 3 x 0 s, discard: 1}
  flats: {image: flat, exposures: 2 x 20000 electron, filter: r}
stages:
  - {make: bias, frames: [biases]}
  - {measure: flat, frames: [flats], options: {without_dark: two frames are enough}}
rules:
  bias: {noise: noise <= 2 * frame_noise, cr_noise: cr_noise <= 2 * noise, mean: abs(mean) <= read_noise}
  flat: {noise: noise <= 2 * shot_noise}
certify: {into: calib/story, begin: 2026-11-04, end: 2026-11-05}
"""

STORIES: Mapping[str, int] = {"accepted": 0, "refused": 1, "failed": 4, "interrupted": 130, "unverified": 0, "kept": 0}
"""Nights by how they end, and their exit codes."""

_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "refused": ("rules.bias.noise=noise <= 0.1 * frame_noise",),
    "failed": ("camera.faults=[{what: truncated file, sequence: biases, exposures: 3}]",),
    "unverified": ("stages.0.verify={waived_by: Ann, reason: a trial}", "stages.1.verify={drop: [scatter]}"),
}


def stories(folder: Path) -> dict[str, Night]:
    """Run every night.

    Parameters
    ----------
    folder : Path
        For the store of two of them: what the accepted night certifies is kept by the last one.
    """
    registry = load_plugins(extra=[SmallSensor()])
    keeping = f"store={{use: folder, root: '{folder}'}}", "certify.occupied=keep"
    return {
        "accepted": run_night(RECIPE, registry, *keeping),
        **{name: run_night(RECIPE, registry, *settings) for name, settings in _SETTINGS.items()},
        "interrupted": run_night(RECIPE, registry, until=lambda event: isinstance(event, Exposed)),
        "kept": run_night(RECIPE, registry, *keeping),
    }
