"""The INDI camera does what every camera must, with a real server and simulated devices."""

import pytest
from attrs import evolve
from cameras import ask, camera, flat, instrument
from latcal.plugin import CameraDescription
from latcal.testing import CameraSuite
from meddling import Meddler
from servers import CCD, hardware

import latcal_indi
from latcal_indi.options import Gates, IndiOptions, LampGate, TemperatureGate


class TestIndi(CameraSuite):
    deterministic = False  # the simulator's noise is its own
    abort_s = 15.0
    fault_s = 30.0
    flats = "3 x 20000 electron"

    @pytest.fixture(autouse=True)
    def _server(self, connected):
        self.server = connected

    def open(self, folder):
        return camera(self.server.port, folder)

    def requests(self):
        return ask(0), ask(1, "dark", 0.2), flat(2, 0.2)

    def hardware(self, folder):
        return hardware(self.server)

    def instrument(self, camera):
        return evolve(instrument(), name="suite_sensors")

    def describe(self, instrument) -> CameraDescription:
        return latcal_indi.describe(IndiOptions(devices=(CCD,)), instrument)

    def barred(self, folder):
        cold = Gates(temperature=TemperatureGate(within="0.5 deg_C", stable="0 s", wait="0.5 s"))
        yield camera(self.server.port, folder, gates=cold, temperature="-90 deg_C"), ask(0), "-90 C"
        warm = Gates(lamp=LampGate(warm="60 s", wait="0.5 s"))
        yield camera(self.server.port, folder, gates=warm), flat(0), "lit for 60 s"

    def failing(self, folder):
        for how, words in FAULTS.items():
            with Meddler(self.server.port) as meddler:
                meddler.spoil += [how] * 3
                yield camera(meddler.port, folder), ask(0, "dark", 0.1), words

    def retrying(self, folder):
        self.meddler = Meddler(self.server.port)
        self.meddler.spoil.append("cut")
        return camera(self.meddler.port, folder), ask(0)


FAULTS = {
    "cut": "cut short",
    "small": "said that there are",
    "swallow": "waits.frame",
    "junk": "is not FITS",
    "packed": "'.fits.fz'",
    "drop": "closed by the server",
}
"""What is done to every frame, and what the error says of it."""
