from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from attrs import evolve

from latcal.errors import StoreError
from latcal.formats.raw import checksum, exposure_of, headers, read_raw, write_raw
from latcal.model.frames import Frame, Setup
from latcal.model.geometry import Amplifier, Box, Detector
from latcal.testing import samples


@pytest.fixture
def path(tmp_path):
    return tmp_path / "raw.fits"


def written(path: Path, frame: Frame | None = None, *, compress: bool = False) -> Frame:
    frame = frame or samples.frame(1)
    write_raw(frame, path, compress=compress)
    return frame


class Pixels:
    """Raw pixels of one value for each amplifier, of a type."""

    def __init__(self, dtype, value=7):
        self.dtype, self.value = dtype, value

    def __call__(self, amplifier):
        pixels = np.full(amplifier.raw.shape, self.value, self.dtype)
        pixels[0, 0] = ord(amplifier.name[0])
        return pixels


def one_image() -> Detector:
    """Two amplifiers side by side in the primary image."""
    return Detector(
        3,
        "whole",
        tuple(
            Amplifier(
                name, 0, Box(0, 6, 5 * i, 5 * i + 5), Box(0, 6, 0, 4), Box(0, 6, 4 * i, 4 * i + 4),
                gain=1.0, read_noise=5.0, saturation=60_000.0, serial_overscan=Box(0, 6, 4, 5),
            )
            for i, name in enumerate(("L", "R"))
        ),
    )


@pytest.mark.parametrize("compress", [True, False])
def test_every_amplifier_comes_back_as_it_was(path, compress):
    frame = written(path, compress=compress)
    _, raw = read_raw(path, frame.detector)
    for amplifier in frame.detector.amplifiers:
        pixels = raw(amplifier)
        assert pixels.dtype == np.int32
        assert pixels.dtype.isnative
        np.testing.assert_array_equal(pixels, frame.raw(amplifier))


@pytest.mark.parametrize("compress", [True, False])
def test_pixels_that_are_not_whole_numbers_come_back_exactly(path, compress):
    def raw(amplifier):
        pixels = np.random.default_rng(5).normal(1000, 9, amplifier.raw.shape).astype(np.float32)
        pixels[1, 1] = np.nan
        return pixels

    frame = written(path, evolve(samples.frame(1), raw=raw), compress=compress)
    for amplifier in frame.detector.amplifiers:
        np.testing.assert_array_equal(read_raw(path, frame.detector)[1](amplifier), raw(amplifier))


@pytest.mark.parametrize(("dtype", "kind"), [("uint16", "int32"), ("float32", "int32"), ("int64", "int32"), ("uint8", "int32")])
def test_whole_numbers_of_any_type_are_stored_as_int32(path, dtype, kind):
    frame = written(path, evolve(samples.frame(1), raw=Pixels(dtype)))
    assert read_raw(path, frame.detector)[1](frame.detector.amplifiers[0]).dtype == kind


def test_a_frame_of_wrong_shape_is_not_written(path):
    frame = evolve(samples.frame(1), raw=lambda _: np.zeros((3, 4)))
    with pytest.raises(StoreError, match="S00 A: the pixels are 4 x 3 pixels, not 8 x 10 pixels"):
        write_raw(frame, path, compress=False)


def test_any_reader_finds_the_images_by_name_with_their_sections(path):
    frame = written(path)
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "SegmentA", "SegmentB"]
        header = hdus["SegmentB"].header
    assert header["DATASEC"] == "[2:5,1:8]"
    assert header["BIASSEC"] == "[6:8,1:8]"
    assert header["DETSEC"] == "[8:5,1:8]"  # mirrored
    assert (header["GAIN"], header["RDNOISE"]) == (1.1, 9.0)
    assert frame.detector.amplifiers[1].flip_x


def test_amplifiers_of_one_image_stay_in_one_image(path):
    frame = written(path, evolve(samples.frame(1), detector=one_image(), raw=Pixels("uint16")), compress=True)
    with fits.open(path) as hdus:
        assert len(hdus) == 1
        assert hdus[0].data.shape == (6, 10)
        assert hdus[0].header["DATASEC2"] == "[6:9,1:6]"
    _, raw = read_raw(path, frame.detector)
    assert [raw(amplifier)[0, 0] for amplifier in frame.detector.amplifiers] == [ord("L"), ord("R")]


def test_numbered_extensions_stand_where_their_number_says(path):
    detector = evolve(one_image(), amplifiers=tuple(evolve(a, extension=2) for a in one_image().amplifiers))
    frame = written(path, evolve(samples.frame(1), detector=detector, raw=Pixels("uint16")))
    assert [len(header) > 0 for header in headers(path)] == [True, True, True]
    assert read_raw(path, detector)[1](frame.detector.amplifiers[1])[0, 0] == ord("R")


def test_a_file_of_others_is_read_by_its_geometry(path):
    whole = np.arange(60, dtype=np.uint16).reshape(6, 10)
    fits.PrimaryHDU(whole).writeto(path)
    _, raw = read_raw(path, one_image())
    np.testing.assert_array_equal(raw(one_image().amplifiers[1]), whole[:, 5:])


def test_the_facts_of_an_exposure_come_back(path):
    facts = evolve(
        samples.exposure(4, setup=Setup("SDSSr_65mm", "empty~1", "2x2", "fast")),
        time_s=0.1 + 0.2,
        begin=Time("2022-11-04T20:00:00.123456789", scale="tai"),
        discarded=True,
        labels={"note": "après l'été: 'ça' \n" + "long " * 40, "empty": ""},
    )
    written(path, samples.frame(of=facts))
    assert exposure_of(headers(path)[0]) == facts


def test_times_of_other_scales_are_written_in_tai(path):
    facts = evolve(samples.exposure(1), begin=Time("2022-11-04T20:00:00", scale="utc"))
    written(path, samples.frame(of=facts))
    header = headers(path)[0]
    assert (header["DATE-BEG"], header["TIMESYS"]) == ("2022-11-04T20:00:37.000000000", "TAI")
    assert abs((exposure_of(header).begin - facts.begin).sec) < 1e-9  # what nine decimals tell


def test_a_camera_header_is_kept_beside_the_facts_and_never_over_them(path):
    said = {"CCDTEMP": -100.5, "ESO DET READ MODE": "normal", "EXPTIME": 99.0, "WIND": float("nan"), "NAXIS": 7, "HOT": True}
    written(path, evolve(samples.frame(1), header=said))
    header = headers(path)[0]
    assert (header["CCDTEMP"], header["ESO DET READ MODE"], header["WIND"], header["HOT"]) == (-100.5, "normal", "nan", True)
    assert (header["EXPTIME"], header["NAXIS"]) == (0.0, 0)


def test_a_header_value_that_fits_cannot_hold_is_named(path):
    with pytest.raises(StoreError, match=r"the header value THING = .* is not one that FITS can hold"):
        written(path, evolve(samples.frame(1), header={"THING": object()}))


def test_facts_of_a_file_of_others_are_not_guessed():
    with pytest.raises(StoreError, match="TIMESYS None is not 'TAI'"):
        exposure_of({"EXPTIME": 5.0})
    with pytest.raises(StoreError, match="the header has no EXPID"):
        exposure_of({"TIMESYS": "TAI"})
    with pytest.raises(StoreError, match="not of a raw frame that latcal wrote"):
        exposure_of({"TIMESYS": "TAI", "EXPID": "five"})


def test_reading_is_lazy_and_picklable_and_keeps_nothing_open(path):
    frame = written(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        raw = pickle.loads(pickle.dumps(read_raw(path, frame.detector)[1]))
        raw(frame.detector.amplifiers[0])
    path.unlink()
    with pytest.raises(StoreError, match=r"raw.fits: amplifier A cannot be read"):
        raw(frame.detector.amplifiers[0])


# -- files that are not what they should be --------------------------------------------------------------------


def test_a_file_that_is_missing_empty_or_not_fits_is_named(path):
    detector = samples.instrument().detectors[0]
    with pytest.raises(StoreError, match=r"raw.fits cannot be read \(No such file"):
        read_raw(path, detector)
    path.touch()
    with pytest.raises(StoreError, match=r"raw.fits is empty \(0 bytes\), not FITS"):
        read_raw(path, detector)
    path.write_bytes(b"some text " * 1000)
    with pytest.raises(StoreError, match=r"raw.fits is not FITS"):
        read_raw(path, detector)


@pytest.mark.parametrize("compress", [True, False])
def test_a_file_cut_short_anywhere_is_never_taken_for_whole(path, compress):
    frame = written(path, compress=compress)
    content = path.read_bytes()
    for length in [1, 100, 2879, 2880, 3000, len(content) // 2, len(content) - 2880, len(content) - 1]:
        path.write_bytes(content[:length])
        with pytest.raises(StoreError, match=r"raw.fits (is cut short|is not FITS|has no extension)"):
            read_raw(path, frame.detector)


def test_an_image_of_another_size_is_refused_with_both_sizes(path):
    fits.PrimaryHDU(np.zeros((7, 9), np.uint16)).writeto(path)
    with pytest.raises(StoreError, match="extension 0 is 9 x 7 pixels, and whole wants 10 x 6 pixels"):
        read_raw(path, one_image())


def test_an_extension_that_is_not_there_is_named_with_those_that_are(path):
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((10, 8)), name="CHIP1")]).writeto(path)
    with pytest.raises(StoreError, match=r"no extension 'SegmentA' \(it has 2: CHIP1\)"):
        read_raw(path, samples.instrument().detectors[0])


def test_the_checksum_is_that_of_the_bytes(path):
    path.write_bytes(b"abc")
    assert checksum(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(StoreError, match=r"gone.fits cannot be read"):
        checksum(path.with_name("gone.fits"))
