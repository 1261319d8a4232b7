"""Time how long after the last exposure of a set its verdict is there, at the cadence of a real camera.

``python tests/benchmarks/cadence.py [--instrument latiss] [--exposures 20] [--exposure 2.3] [--runs 3] [--json FILE]``: biases, one
every so many seconds as a camera with that readout gives them, are stored, built and judged by two processes meanwhile. *Lag* is from
the last frame given until the verdict, and until the run's end. ``internal`` makes a bias of the set, judges the set against it and
certifies it; ``external`` judges the set against a bias certified before.
The camera's frames were made before; what a frame takes to be stored, alone, is the peer: no engine can store a frame sooner.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

from camera_lane import Plugin, Stopwatch, StopwatchOptions, made

import latcal
from latcal.builtin.stores.folder.options import FolderOptions
from latcal.builtin.stores.folder.store import FolderStore
from latcal.engine.planning import find_instrument
from latcal.model.events import Judged, RunEnded

HEAD = """\
latcal: 1
instrument: {instrument}
camera: {{use: stopwatch}}
store: {{use: folder, root: {root}}}
executor: {{use: processes, workers: 2}}
sequences:
  biases: {{image: bias, exposures: {exposures} x 0 s}}
stages:
"""
STAGES = {
    "internal": "  - {{make: bias, frames: [biases], certify: {{into: {into}, begin: 2020-01-01, end: open}}}}\n",
    "external": "  - {{check: bias, frames: [biases], collections: [calib/made]}}\n",
}


def night(kind, into, options, root, camera):
    """Run one set; give how long after the last frame the verdict was there, and the end."""
    text = (HEAD + STAGES[kind]).format(instrument=options.instrument, root=root, exposures=options.exposures, into=into)
    registry = latcal.load_plugins(extra=[Plugin(camera)])
    at = {}
    for event in latcal.events(latcal.plan(latcal.read(text, "night.yaml", registry), registry), registry):
        if isinstance(event, (Judged, RunEnded)):
            at[type(event)] = time.perf_counter()
        if isinstance(event, Judged):
            assert event.verdict.accepted, event.verdict.remedy
    return {"verdict": at[Judged] - camera.fetched[-1], "end": at[RunEnded] - camera.fetched[-1]}


def stored(folder, world, frames):
    """Give how long one frame takes to be stored, alone: the last, for what is imported and made for the first does not count."""
    with FolderStore(FolderOptions(Path(folder) / "alone"), world) as store:
        for frame in frames:
            began = time.perf_counter()
            store.ingest(frame)
            took = time.perf_counter() - began
        return took


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--instrument", default="latiss")
    parser.add_argument("--exposures", type=int, default=20)
    parser.add_argument("--exposure", type=float, default=2.3, help="seconds from one frame to the next")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    options = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    instrument = find_instrument(options.instrument, latcal.load_plugins(), "", None)
    with tempfile.TemporaryDirectory() as folder:
        # as many as a set has: a bias of a few frames given again and again would not be one of independent noise
        world, frames = made(folder, instrument, options.exposures)
        alone = stored(folder, world, [taken[0] for taken in frames[:3]])
        found = {kind: [] for kind in STAGES}
        for number in range(options.runs):
            for kind in STAGES:
                camera = Stopwatch(StopwatchOptions(options.exposure), instrument.detectors, frames)
                into = "calib/made" if number == 0 else f"calib/{number}"
                found[kind].append(night(kind, into, options, f"{folder}/store", camera))
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors; {options.instrument}, ", end="")
    print(f"{options.exposures} biases, one in {options.exposure:g} s; one frame alone is stored in {alone:.2f} s\n")
    print("| set | verdict after [s] | least to greatest | end after [s] | least to greatest |\n| --- | --- | --- | --- | --- |")
    for kind, runs in found.items():
        print(f"| {kind} | {told(runs, 'verdict')} | {told(runs, 'end')} |")
    if options.json:
        options.json.write_text(json.dumps({"stored_s": alone, "lag_s": found}, indent=2))


def told(runs, name):
    values = [run[name] for run in runs]
    return f"{statistics.median(values):.2f} | {min(values):.2f} to {max(values):.2f}"


if __name__ == "__main__":
    main()
