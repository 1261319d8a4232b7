"""INDI cameras for tests: short limits, small frames."""

from pathlib import Path

from astropy.time import Time
from attrs import evolve
from latcal.formats.instruments import read_instrument
from latcal.plugin import Setup
from latcal.testing import samples
from latcal.testing.cameras import request
from servers import CCD, DOME, MOUNT, PANEL, WHEEL

import latcal_indi
from latcal_indi.options import Cover, IndiOptions, Lamp, Waits

SMALL = Path(__file__).with_name("small.yaml")
TWO = Path(__file__).with_name("two.yaml")
SHORT = Waits(
    connect="3 s", discover="15 s", answer="3 s", filter="4 s", lamp="3 s", cover="6 s", frame="2 s", abort="2 s",
    restore="12 s",
)  # fmt: skip
"""Limits for tests: long enough for a busy machine, short enough to wait for."""


def instrument(path=SMALL):
    return read_instrument(path.read_text(), str(path))


def world(folder, path=SMALL):
    return evolve(samples.world(folder), instrument=instrument(path), now=lambda: Time.now().tai)


def options(port, **more):
    chosen = {
        "devices": (CCD,),
        "host": "127.0.0.1",
        "port": port,
        "wheel": WHEEL,
        "lamp": Lamp(PANEL, intensity=100.0),
        "dome": DOME,
        "mount": MOUNT,
        "gain": 0.0,
        "waits": SHORT,
    }
    return IndiOptions(**{**chosen, **more})


def camera(port, folder, path=SMALL, **more):
    return latcal_indi.open_camera(options(port, **more), world(folder, path))


def ask(index=0, image="bias", time_s=0.0, **more):
    return request(index, image, time_s, setup=more.pop("setup", Setup(binning="4x4")), **more)


def flat(index=0, time_s=0.1, filter="Green", **more):  # noqa: A002
    return ask(index, "flat", time_s, setup=Setup(filter=filter, binning="4x4"), **more)


DOME_AS_COVER = Cover(DOME, property="DOME_SHUTTER", closed="SHUTTER_CLOSE", open="SHUTTER_OPEN")
"""There is no simulated dust cover in indi-bin 1.9.9: the shutter of the dome opens and closes likewise."""
