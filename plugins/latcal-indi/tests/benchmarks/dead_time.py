"""Measure the dead time between exposures: by the client alone, and in a run whose processing lane builds meanwhile.

Run it by hand: ``python tests/benchmarks/dead_time.py``. It starts a real server; frames are 1280 x 1024 pixels.
The dead time is from begin to begin, less the exposure time.
"""

import itertools
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import latcal
from astropy.io import fits
from attrs import evolve
from cameras import ask, options, world
from latcal.plugin import Setup
from servers import CCD, PANEL, WHEEL, Server

import latcal_indi
from latcal_indi.discovering import instrument

TIME_S, DARKS, ROUNDS = 0.3, 40, 3
RECIPE = """\
latcal: 1
title: Dead time
instrument: camera
camera: {{use: indi, host: 127.0.0.1, port: {port}, devices: [CCD Simulator], sensor: {{read_noise: 2.87 electron}}}}
store: {{use: folder, root: {root}}}
executor: {{use: processes, workers: 1}}
sequences:
  biases: {{image: bias, exposures: 20 x 0 s}}
  darks: {{image: dark, exposures: {darks} x {time_s} s}}
stages:
  - {{make: bias, frames: [biases]}}
  - {{make: dark, frames: [darks]}}
certify: {{into: calib/x, begin: 2020-01-01, end: open}}
"""


def dead_ms(begins_mjd):
    begins = sorted(begins_mjd)
    return [1000 * (86_400 * (after - before) - TIME_S) for before, after in itertools.pairwise(begins)]


def alone(port, folder):
    chosen = options(port, wheel="", lamp=None, dome="", mount="", gain=None)
    around = evolve(world(folder), instrument=instrument(chosen))
    with latcal_indi.open_camera(chosen, around) as camera:
        return dead_ms([next(camera.take(ask(n, "dark", TIME_S, setup=Setup()))).exposure.begin.tai.mjd for n in range(DARKS)])


def busy(port, folder):
    registry = latcal.load_plugins()
    text = RECIPE.format(port=port, root=folder / "store", darks=DARKS, time_s=TIME_S)
    latcal.run(latcal.plan(latcal.read(text, "dead_time.yaml", registry), registry), registry)
    headers = [fits.getheader(path) for path in (folder / "store" / "raw").rglob("*.fits")]
    return dead_ms([header["MJD-BEG"] for header in headers if header["IMAGE"] == "dark"])


def told(name, dead):
    print(f"{name}: median {statistics.median(dead):.1f} ms, 90 % below {sorted(dead)[int(0.9 * len(dead))]:.1f} ms")
    return statistics.median(dead)


def main():
    print(f"load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        with Server(folder, (CCD, WHEEL, PANEL)) as server:
            idle, run = [], []
            for number in range(ROUNDS):  # in turns: what else the machine does is in both
                idle += alone(server.port, folder)
                run += busy(server.port, folder / str(number))
    print(f"beyond: {told('in a run that builds meanwhile', run) - told('client alone', idle):.1f} ms")
    print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
