"""Headers of LATISS, real ones and ours, through the mapping that latcal brings."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from astropy.time import Time
from attrs import evolve

from latcal.builtin.cameras.replay import ReplayCamera, ReplayOptions
from latcal.builtin.cameras.replaying.facts import detector_of, facts
from latcal.builtin.cameras.replaying.mapping import Word, read_mapping
from latcal.builtin.cameras.simulation.camera import SimulatedCamera
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.instruments import latcal_instruments
from latcal.formats.raw import headers, write_raw
from latcal.plugin import Exposure, Frame, Setup, World, exposure_id
from latcal.testing.cameras import request, small_instrument


@pytest.fixture(scope="module")
def latiss():
    (load,) = [one.load for one in latcal_instruments() if one.name == "latiss"]
    return load()


def world(instrument, folder):
    return World(instrument, lambda: Time("2022-11-04T20:00:00", scale="tai"), "run", threading.Event(), folder)


class TestRealHeaders:
    @pytest.fixture
    def dark(self, latiss_headers):
        return facts(latiss_headers["2024"], read_mapping("latiss"))

    def test_the_dark_is_a_dark_of_its_times(self, dark):
        assert (dark.image, dark.time_s, dark.dark_time_s) == ("dark", 30.0, 30.0096)

    def test_it_begins_at_its_date_in_tai(self, dark):
        assert dark.begin.scale == "tai"
        assert dark.begin.isot == "2024-06-25T07:10:40.383"

    def test_its_filter_has_the_name_of_the_instrument_and_the_open_grating_is_empty(self, dark, latiss, latiss_headers):
        assert latiss_headers["2024"]["GRATING"] == "empty_1"
        assert dark.setup == Setup("SDSSr_65mm", "empty")
        assert dark.setup.filter in latiss.filters
        assert dark.setup.grating in latiss.gratings

    def test_its_ids_are_those_that_rubin_gives_it(self, dark, latiss_headers):
        header = latiss_headers["2024"]
        assert dark.key == "AT_O_20240624_000169"
        assert exposure_id(int(header["DAYOBS"]), header["SEQNUM"]) == 2024062400169

    def test_it_is_of_the_only_detector(self, latiss, latiss_headers):
        assert detector_of(latiss_headers["2024"], read_mapping("latiss"), latiss).name == "RXX_S00"

    def test_an_image_of_the_sky_is_no_calibration(self, latiss_headers):
        with pytest.raises(ValueError, match=r"it is of no image type of the mapping \(IMGTYPE 'OBJECT'"):
            facts(latiss_headers["2023"], read_mapping("latiss"))


@pytest.mark.parametrize(
    ("name", "ours"), [("empty_1", "empty"), ("empty", "empty"), ("emptied", "emptied"), ("empty_9", "nine"), ("off", "")]
)
def test_a_name_may_be_translated_by_how_it_begins(name, ours):
    word = Word("GRATING", {"empty_*": "empty", "empty_9": "nine", "off": ""})
    assert word(name) == ours


def test_a_file_of_ours_replayed_gives_the_exposure_back(latiss, tmp_path):
    wanted = request(0, "flat", 5.0, setup=Setup("SDSSr_65mm", "empty"))
    taken = Exposure(
        wanted.number, "AT_O_20221104_000001", "flat", 5.0, 5.01, Time("2022-11-04T20:00:00.123456789", scale="tai"),
        wanted.setup, "flats", labels=wanted.labels,
    )  # fmt: skip

    def raw(amplifier):
        return np.full(amplifier.raw.shape, int(amplifier.name[1:]), np.int32)

    write_raw(Frame(taken, latiss.detectors[0], raw, latiss.header), tmp_path / "flat.fits", compress=True)
    with ReplayCamera(ReplayOptions(folder=tmp_path, mapping="latiss"), world(latiss, tmp_path)) as camera:
        assert not tuple(camera.problems((wanted,)))
        (replayed,) = camera.take(wanted)
    assert replayed.exposure == taken
    for amplifier in (latiss.detectors[0].amplifiers[0], latiss.detectors[0].amplifiers[-1]):
        assert (replayed.raw(amplifier) == raw(amplifier)).all()


def test_a_simulated_frame_has_the_constant_cards_of_its_instrument(tmp_path):
    instrument = evolve(small_instrument(), header={"INSTRUME": "small", "OBS-LAT": -30.25})
    with SimulatedCamera(SimulatedOptions(seed=7), world(instrument, tmp_path)) as camera:
        (taken,) = camera.take(request(0))
    write_raw(taken, tmp_path / "bias.fits", compress=False)
    header = headers(tmp_path / "bias.fits")[0]
    assert (header["INSTRUME"], header["OBS-LAT"], header["SIMSEED"]) == ("small", -30.25, 7)
