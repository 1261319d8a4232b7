"""Raw files of LATISS as latcal writes them, against the headers of real ones."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from attrs import evolve

from latcal.builtin.instruments import latcal_instruments
from latcal.formats.raw import exposure_of, headers, write_raw
from latcal.model.frames import Exposure, Frame, Setup

DARK = Exposure(
    id=2024062400169,
    obs_id="AT_O_20240624_000169",
    image="dark",
    time_s=30.0,
    dark_time_s=30.0096,
    begin=Time("2024-06-25T07:10:40.383", scale="tai"),
    setup=Setup("SDSSr_65mm", "empty"),
    sequence="darks",
    labels={"program": "BLOCK-59", "reason": "SITCOM-857", "note": "closed dome"},
)
FACTS = (
    "OBSID", "DAYOBS", "SEQNUM", "FILENAME", "IMGTYPE", "TESTTYPE", "EXPTIME", "SHUTTIME", "DARKTIME", "TIMESYS", "FILTER",
    "LSST_NUM", "CCD_MANU", "DETSIZE", "BINX", "BINY", "CHANNEL", "EXTNAME", "CCDSUM", "DATASEC", "BUNIT", "INHERIT",
    "BITPIX", "ZIMAGE", "ZCMPTYPE", "ZBITPIX", "ZNAXIS", "ZNAXIS1", "ZNAXIS2", "ZTILE1",
)  # fmt: skip
DATES = ("DATE", "DATE-OBS", "DATE-BEG", "DATE-END")
ORDER = [*(f"Segment1{i}" for i in range(8)), *(f"Segment0{i}" for i in range(7, -1, -1))]


def builtin(name):
    (load,) = [one.load for one in latcal_instruments() if one.name == name]
    return load()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A dark as the simulated camera gives it, with pixels that say which amplifier they are of."""
    latiss = builtin("latiss")

    def raw(amplifier):
        return np.full(amplifier.raw.shape, 10_000 + int(amplifier.name[1:]), np.int32)

    path = tmp_path_factory.mktemp("latiss") / "dark.fits"
    write_raw(Frame(DARK, latiss.detectors[0], raw, latiss.header), path, compress=True)
    return path


@pytest.fixture(scope="module")
def header(path):
    """The primary header and that of the first image, as the dump has them."""
    primary, first = headers(path)[:2]
    return {**primary, **first}


def test_a_file_has_16_images_of_whole_numbers_compressed_by_rice_in_the_order_of_the_camera(path):
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", *ORDER]
        assert {hdu.compression_type for hdu in hdus[1:]} == {"RICE_1"}
        assert {(hdu.data.dtype.name, hdu.data.shape) for hdu in hdus[1:]} == {("int32", (2048, 576))}
        assert [int(hdu.data[0, 0]) for hdu in hdus[1:]] == [10_000 + int(name[-2:]) for name in ORDER]


def test_every_keyword_that_a_real_header_has_too_is_of_the_same_type(header, latiss_headers):
    real = {keyword: value for keyword, value in latiss_headers["2024"].items() if value is not None}
    shared = header.keys() & real.keys()
    assert len(shared) > 60
    assert {keyword: type(header[keyword]) for keyword in shared} == {keyword: type(real[keyword]) for keyword in shared}


def test_constants_and_facts_are_those_of_the_real_header(header, latiss_headers):
    keywords = (*FACTS, *builtin("latiss").header)
    assert {word: header[word] for word in keywords} == {word: latiss_headers["2024"][word] for word in keywords}


def test_dates_are_those_of_the_real_header_to_a_millisecond(header, latiss_headers):
    real = latiss_headers["2024"]
    for keyword in DATES:
        difference = Time(header[keyword], scale="tai") - Time(real[keyword], scale="tai")
        assert abs(difference.sec) < 1.1e-3, keyword  # its end is cut off at the millisecond
        number = keyword.replace("DATE", "MJD")
        assert header[number] == pytest.approx(real[number], abs=2e-8)  # of a day


def test_detsec_follows_the_camera_model_and_not_the_error_of_the_real_headers(path, latiss_headers):
    assert latiss_headers["2024"]["DETSEC"] == "[509:1,1:2000]"  # DM-36115: C10 is an upper amplifier
    sections = {header["EXTNAME"]: header["DETSEC"] for header in headers(path)[1:]}
    assert sections["Segment10"] == "[509:1,4000:2001]"
    assert sections["Segment00"] == "[509:1,1:2000]"
    assert sections["Segment17"] == "[4072:3564,4000:2001]"


def test_channels_count_the_amplifiers_from_1(path):
    assert [header["CHANNEL"] for header in headers(path)[1:]] == list(range(1, 17))


def test_program_reason_and_note_are_those_of_the_recipe(header):
    assert (header["PROGRAM"], header["REASON"], header["NOTE"]) == ("BLOCK-59", "SITCOM-857", "closed dome")


def test_the_exposure_comes_back(path):
    assert exposure_of(headers(path)[0]) == DARK


@pytest.fixture
def small(tmp_path):
    """Write a frame of the smallest instrument that has bays and slots, and give its primary header."""
    detector = builtin("trio").detectors[0]

    def write(exposure=DARK, name="R22_S11", header=None):
        frame = Frame(exposure, evolve(detector, name=name), lambda a: np.zeros(a.raw.shape, np.int32), header or {})
        write_raw(frame, tmp_path / "small.fits", compress=False)
        return headers(tmp_path / "small.fits")[0]

    return write


def test_bay_and_slot_are_read_off_the_name_of_a_detector(small):
    header = small()
    assert (header["RAFTBAY"], header["CCDSLOT"]) == ("R22", "S11")
    assert header["FILENAME"] == "AT_O_20240624_000169_R22_S11.fits"


@pytest.mark.parametrize("name", ["T_S00", "S00", "main"])
def test_a_name_without_bay_and_slot_is_not_guessed_at(small, name):
    header = small(name=name)
    assert "RAFTBAY" not in header
    assert "CCDSLOT" not in header
    assert header["FILENAME"] == f"AT_O_20240624_000169_{name}.fits"


def test_a_camera_that_knows_its_bay_better_than_the_name_says_is_believed(small):
    assert small(header={"RAFTBAY": "R23"})["RAFTBAY"] == "R23"


@pytest.mark.parametrize("image", ["dark", "Dark", "twilight flat", "été", "DARK "])
def test_the_image_type_is_in_capitals_and_comes_back_as_it_was(small, image):
    header = small(evolve(DARK, image=image))
    assert header["IMGTYPE"] == header["TESTTYPE"]
    assert header["IMGTYPE"].isascii()
    assert exposure_of(header).image == image


def test_what_is_not_known_is_left_out(small):
    header = small(evolve(DARK, id=7, setup=Setup(binning="drift"), labels={}))
    for keyword in ("DAYOBS", "SEQNUM", "FILTER", "GRATING", "BINX", "BINY", "PROGRAM", "REASON", "NOTE"):
        assert keyword not in header, keyword
