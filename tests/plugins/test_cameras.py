"""The cameras that come with latcal, by the suite that a stranger's must pass."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.time import Time
from attrs import evolve

from latcal.builtin.cameras.replay import ReplayCamera, ReplayOptions
from latcal.builtin.cameras.simulation.camera import SimulatedCamera
from latcal.builtin.cameras.simulation.faults import Fault
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.plugin import Camera, CameraDescription, ExposureRequest, Instrument, World
from latcal.testing import CameraSuite
from latcal.testing.cameras import request, small_instrument

INSTRUMENT = small_instrument(detectors=2)
REQUESTS = (request(0, detectors=(0, 1)), request(1, "dark", 15.0, discarded=True), request(2, "flat", 5.0, detectors=(1, 0)))
MAPPING = """
source: files that this test writes
images: [{image: bias, when: {TYPE: BIAS}}, {image: dark, when: {TYPE: DARK}}, {image: flat, when: {TYPE: FLAT}}]
time: {keyword: EXPTIME}
date: {keyword: DATE-OBS}
detector: {keyword: CHIP}
"""


def world(folder: Path) -> World:
    return World(INSTRUMENT, lambda: Time("2022-11-04T12:00:00", scale="tai"), "run", threading.Event(), folder / "scratch")


class TestSimulated(CameraSuite):
    flats = "2 x 3 levels from 500 electron to 90 % of full well"

    def open(self, folder: Path) -> Camera:
        return SimulatedCamera(SimulatedOptions(seed=3), world(folder))

    def requests(self) -> Sequence[ExposureRequest]:
        return REQUESTS

    def barred(self, folder: Path) -> Iterable[tuple[Camera, ExposureRequest, str]]:
        warm = SimulatedOptions(cools_in="1000 s", cools_within="50 s")
        yield SimulatedCamera(warm, world(folder)), REQUESTS[0], "is 14.0 C, not -100 to -95 C after 50 s"
        yield SimulatedCamera(evolve(warm, cools_within="0 s"), world(folder)), REQUESTS[1], "is 20.0 C, not"

    def retrying(self, folder: Path) -> tuple[Camera, ExposureRequest]:
        return SimulatedCamera(SimulatedOptions(faults=[Fault("lost once")]), world(folder)), REQUESTS[2]


class TestSimulatedInRealTime(CameraSuite):
    def open(self, folder: Path) -> Camera:
        quick = evolve(world(folder), instrument=evolve(INSTRUMENT, readout_s=0.0), now=lambda: Time.now().tai)
        return SimulatedCamera(SimulatedOptions(seed=3, clock="real"), quick)

    def requests(self) -> Sequence[ExposureRequest]:
        return [evolve(one, time_s=one.time_s / 1000) for one in REQUESTS]

    def barred(self, folder: Path) -> Iterable[tuple[Camera, ExposureRequest, str]]:
        warm = SimulatedOptions(clock="real", cools_in="1 h", cools_within="0.1 s")
        yield SimulatedCamera(warm, world(folder)), REQUESTS[0], "C, not -100 to -95 C after 0.1 s"

    def describe(self, instrument: Instrument) -> CameraDescription:
        return evolve(super().describe(instrument), overhead_s=0.0)


class TestReplay(CameraSuite):
    def open(self, folder: Path) -> Camera:
        frames = folder / "frames"
        if not frames.exists():
            frames.mkdir()
            (folder / "ours.yaml").write_text(MAPPING)
            for wanted in REQUESTS:
                for key in (0, 1):
                    write(frames / f"{wanted.index}_{key}.fits", wanted, key)
        options = ReplayOptions(folder=frames, mapping=str(folder / "ours.yaml"))
        return ReplayCamera(options, world(folder))

    def requests(self) -> Sequence[ExposureRequest]:
        return REQUESTS

    def long_request(self) -> None:
        """What has been exposed takes no time."""


def write(path: Path, wanted: ExposureRequest, key: int) -> None:
    primary = fits.PrimaryHDU()
    primary.header["TYPE"] = wanted.image.upper()
    primary.header["EXPTIME"] = wanted.time_s
    primary.header["DATE-OBS"] = f"2022-11-04T12:00:{wanted.index:02d}"
    primary.header["CHIP"] = INSTRUMENT.detector(key).name
    images = [
        fits.ImageHDU(np.full(amplifier.raw.shape, 1000 + wanted.index, np.int32), name=str(amplifier.extension))
        for amplifier in INSTRUMENT.detector(key).amplifiers
    ]
    fits.HDUList([primary, *images]).writeto(path)
