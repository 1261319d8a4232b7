"""Time how long a camera stands idle between exposures while a run builds, beside the same camera in a bare loop.

``python tests/benchmarks/camera_lane.py [--instrument NAME] [--exposures N] [--json FILE]``: a camera whose exposure and readout
only take time, and whose frames were made before, takes sets of biases one after another; each set is built, judged and
certified in processes of its own while the next is taken. *Dead time* is from the last frame of an exposure until the camera is asked
for the next. In a bare loop (``for request in requests: list(camera.take(request))``) nothing else is done: what is above that is
the engine's, and what writing and building take from it. The writer may be two exposures behind: a camera that is quicker than
disk and compression waits for them, which `--exposure` shows.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path

import numpy as np
from astropy.time import Time
from attrs import evolve, frozen

import latcal
from latcal.builtin.cameras.simulation.camera import SimulatedCamera
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.engine.planning import find_instrument
from latcal.plugin import CameraDescription, CameraType, Exposure, hookimpl, option
from latcal.testing import samples
from latcal.testing.sensors import request

SETS = 3
MADE = 3
"""Frames made before; they are given again and again."""


@frozen
class StopwatchOptions:
    exposure: float = option(0.5, help="Seconds that an exposure and its readout take.")


class Stopwatch:
    """A camera that notes when it is asked, and when its last frame was fetched."""

    def __init__(self, options, detectors, frames):
        self.detectors, self.options, self.frames = detectors, options, frames
        self.asked, self.fetched = [], []

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        """Leave it."""

    def problems(self, requests):
        return ()

    def remarks(self):
        return ()

    def setup(self, request):
        return request.setup

    def abort(self):
        """Nothing is under way for long."""

    def take(self, request):
        self.asked.append(time.perf_counter())
        time.sleep(self.options.exposure)
        exposure = Exposure(request.number, f"S_{request.number}", request.image, 0.0, 0.0, Time.now().tai, request.setup)
        for frame in self.frames[request.index % len(self.frames)]:
            yield evolve(frame, exposure=exposure)
        self.fetched.append(time.perf_counter())

    @property
    def dead(self):
        """Seconds from each last frame to the next request."""
        return np.array(self.asked[1:]) - np.array(self.fetched[:-1])


class Plugin:
    """Declares the one camera."""

    def __init__(self, camera):
        self.camera = camera

    @hookimpl
    def latcal_cameras(self):
        yield CameraType(
            name="stopwatch",
            summary="Takes time only",
            options=StopwatchOptions,
            open=lambda options, world: self.camera,
            describe=lambda options, instrument: CameraDescription(options.exposure, 10**6),
        )


def recipe(instrument, exposures, root, executor):
    sets = range(SETS)
    sequences = "".join(f"  set{number}: {{image: bias, exposures: {exposures} x 0 s}}\n" for number in sets)
    stages = "".join(
        f"  - {{make: bias, frames: [set{number}], certify: {{into: calib/set{number}, begin: 2026-11-04, end: open}}}}\n"
        for number in sets
    )
    return (
        f"latcal: 1\ninstrument: {instrument}\ncamera: {{use: stopwatch}}\nstore: {{use: folder, root: {root}}}\n"
        f"executor: {executor}\nreport: [{{use: jsonl, path: {root}/night.jsonl}}]\nsequences:\n{sequences}stages:\n{stages}"
    )


def made(folder, instrument, count):
    """Give a world, and the frames of so many exposures of a simulated camera in it."""
    world = evolve(samples.world(Path(folder)), instrument=instrument)
    detectors = tuple(one.id for one in instrument.detectors)
    with SimulatedCamera(SimulatedOptions(seed=7, settling="0 electron"), world) as camera:
        return world, [list(camera.take(request(index, detectors=detectors))) for index in range(count)]


def bare(camera, count):
    with camera:
        for index in range(count):
            list(camera.take(request(index)))
    return camera.dead


def driven(camera, text):
    registry = latcal.load_plugins(extra=[Plugin(camera)])
    report = latcal.run(latcal.plan(latcal.read(text, "night.yaml", registry), registry), registry)
    assert not [step.reason for step in report.steps if step.line.verb == "take" and step.reason], report
    return camera.dead


def figures(dead):
    return {"median": float(np.median(dead)), "95 %": float(np.quantile(dead, 0.95)), "longest": float(dead.max())}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instrument", default="bench", help="whose sensors are read: bench or latiss")
    parser.add_argument("--exposures", type=int, default=20, help="of each set")
    parser.add_argument("--exposure", type=float, default=0.5, help="seconds that one takes, readout included")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    options = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    instrument = find_instrument(options.instrument, latcal.load_plugins(), "", None)
    with tempfile.TemporaryDirectory() as folder:
        _, frames = made(folder, instrument, MADE)

        def camera():
            return Stopwatch(StopwatchOptions(options.exposure), instrument.detectors, frames)

        found = {"a bare loop": figures(bare(camera(), SETS * options.exposures))}
        for name, executor in (("latcal, processes", "{use: processes, workers: 2}"), ("latcal, serial", "{use: serial}")):
            text = recipe(options.instrument, options.exposures, f"{folder}/{executor[6:12]}", executor)
            found[name] = figures(driven(camera(), text))
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors; {options.instrument}, {options.exposure:g} s each\n")
    print("| dead time between exposures | median [ms] | 95 % [ms] | longest [ms] |\n| --- | --- | --- | --- |")
    for name, one in found.items():
        print(f"| {name} | " + " | ".join(f"{1000 * value:.2f}" for value in one.values()) + " |")
    if options.json:
        options.json.write_text(json.dumps(found))


if __name__ == "__main__":
    main()
