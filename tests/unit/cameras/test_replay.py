from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from attrs import evolve

from latcal.builtin.cameras.replay import ReplayCamera, ReplayOptions, describe
from latcal.builtin.cameras.replaying.mapping import read_mapping
from latcal.errors import CameraError, RecipeError
from latcal.plugin import Amplifier, Box, Detector, ExposureRequest, Instrument, Setup, World
from latcal.testing.cameras import request, small_instrument

MAPPING = """\
source: files that this test writes
images:
  - {image: bias, when: {TYPE: [BIAS, ZERO]}}
  - {image: dark, when: {TYPE: DARK, EXPTIME: {above: 0}}}
  - {image: flat, when: {TYPE: FLAT}}
  - {image: flat, when: {LAMP: true}}
time: {keyword: EXPTIME}
date: {keyword: DATE-OBS}
filter: {keyword: FILTER, translate: {Free: empty}}
"""
TYPES = {"bias": "BIAS", "dark": "DARK", "flat": "FLAT"}
SMALL = small_instrument()
SINGLE = Instrument(
    "single",
    (
        Detector(
            0,
            "ccd",
            (
                Amplifier(
                    "L", 0, Box(0, 30, 0, 24), Box(0, 28, 0, 20), Box(0, 28, 0, 20), 1.1, 8.0, 60000.0,
                    serial_overscan=Box(0, 30, 20, 24),
                ),
            ),
        ),
    ),
    filters=("empty", "r"),
)  # fmt: skip


def put(
    folder: Path, name: str, second: int, instrument: Instrument = SMALL, value: int = 1000, **header: object
) -> Path:
    """Write a frame; a keyword of None is left out, and in names ``__`` is a hyphen."""
    detector = instrument.detectors[0]
    said = {"TYPE": "BIAS", "EXPTIME": 0.0, "DATE-OBS": f"2022-11-04T12:00:{second:02d}", "FILTER": "r"} | {
        keyword.replace("__", "-"): one for keyword, one in header.items()
    }
    hdus = [fits.PrimaryHDU()]
    for amplifier in detector.amplifiers:
        pixels = np.full((amplifier.raw.y1, amplifier.raw.x1), value, np.int32)
        if amplifier.extension == 0:
            hdus[0].data = pixels
        else:
            hdus.append(fits.ImageHDU(pixels, name=str(amplifier.extension)))
    for keyword, one in said.items():
        if one is not None:
            hdus[0].header[keyword] = one
    path = folder / name
    fits.HDUList(hdus).writeto(path)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "frames"
    made.mkdir()
    return made


def camera(
    folder: Path, mapping: str = MAPPING, instrument: Instrument = SMALL, **options: object
) -> ReplayCamera:
    path = folder.parent / "ours.yaml"
    path.write_text(mapping)
    world = World(instrument, lambda: Time.now().tai, "run", threading.Event(), folder.parent / "scratch")
    return ReplayCamera(ReplayOptions(folder=folder, mapping=str(path), **options), world)


def first(opened: ReplayCamera, wanted: ExposureRequest) -> int:
    """Take one, and tell it by its value."""
    (found,) = opened.take(wanted)
    return int(found.pixels(found.detector.amplifiers[0])[0, 0])


class TestTaking:
    def test_frames_come_in_the_order_of_their_dates_each_once(self, folder: Path) -> None:
        for name, second in (("c.fits", 1), ("a.fits", 3), ("b.fits", 2)):
            put(folder, name, second, value=1000 + second)
        with camera(folder) as opened:
            assert [first(opened, request(index)) for index in range(3)] == [1001, 1002, 1003]
            with pytest.raises(CameraError, match=r"bias of 0 s: none is left in .*it holds 3 bias of 0 s"):
                next(opened.take(request(3)))

    def test_asking_for_problems_uses_no_frame_up(self, folder: Path) -> None:
        put(folder, "a.fits", 1)
        with camera(folder) as opened:
            assert not opened.problems((request(0),))
            assert not opened.problems((request(0),))
            assert first(opened, request(0)) == 1000

    def test_an_exposure_has_the_number_asked_for_and_the_facts_of_its_header(self, folder: Path) -> None:
        path = put(folder, "a.fits", 7, TYPE="FLAT", EXPTIME=10.312)
        with camera(folder) as opened:
            (found,) = opened.take(request(4, "flat", 10.31, discarded=True))
        exposure = found.exposure
        assert (exposure.id, exposure.obs_id) == (2022110400005, "LC_O_20221104_000005")
        assert (exposure.time_s, exposure.dark_time_s, exposure.discarded) == (10.312, 10.312, True)
        assert exposure.setup == Setup(filter="r")
        assert exposure.begin.tai.isot == "2022-11-04T12:00:44.000"  # UTC was 37 s behind TAI
        assert (found.path, found.header["REPLAYED"], found.header["TYPE"]) == (path, "a.fits", "FLAT")

    def test_frames_of_one_image_in_the_primary_are_read_too(self, folder: Path) -> None:
        put(folder, "a.fits", 1, SINGLE, value=321)
        with camera(folder, instrument=SINGLE) as opened:
            assert first(opened, request(0)) == 321

    @pytest.mark.parametrize(("asked", "found"), [(10.3079, True), (10.3171, False), (10.3169, True), (10.3069, False)])
    def test_a_time_may_be_off_by_the_tolerance_and_no_more(self, folder: Path, asked: float, found: bool) -> None:
        put(folder, "a.fits", 1, TYPE="FLAT", EXPTIME=10.312)
        with camera(folder) as opened:
            assert (not opened.problems((request(0, "flat", asked),))) is found

    def test_a_filter_asked_for_is_the_filter_given(self, folder: Path) -> None:
        put(folder, "a.fits", 1, TYPE="FLAT", EXPTIME=5, value=1)
        put(folder, "b.fits", 2, TYPE="FLAT", EXPTIME=5, FILTER="Free", value=2)
        with camera(folder) as opened:
            wanted = request(0, "flat", 5.0, setup=Setup(filter="empty"))
            assert not opened.problems((wanted,))
            assert first(opened, wanted) == 2

    def test_dates_may_be_days_with_a_clock_or_julian(self, folder: Path) -> None:
        put(folder, "a.fits", 1, DATE__OBS="2022-11-04", UT="01:02:03", MJD=59887.25)
        for date, expected in (
            ("{keyword: DATE-OBS, clock: UT, scale: tai}", "2022-11-04T01:02:03.000"),
            ("{keyword: MJD, scale: tai}", "2022-11-04T06:00:00.000"),
            ("{keyword: DATE-OBS, scale: tai}", "2022-11-04T00:00:00.000"),
        ):
            with camera(folder, MAPPING.replace("{keyword: DATE-OBS}", date)) as opened:
                assert next(opened.take(request(0))).exposure.begin.isot == expected

    def test_times_are_read_in_their_unit_and_dark_time_has_its_own_keyword(self, folder: Path) -> None:
        put(folder, "a.fits", 1, TYPE="DARK", EXPTIME=1500, DARK=1.6)
        mapping = MAPPING.replace("time: {keyword: EXPTIME}", "time: {keyword: EXPTIME, unit: ms}\ndark_time: {keyword: DARK}")
        with camera(folder, mapping) as opened:
            exposure = next(opened.take(request(0, "dark", 1.5))).exposure
        assert (exposure.time_s, exposure.dark_time_s) == (1.5, 1.6)

    def test_the_frames_of_one_exposure_on_two_detectors_go_together(self, folder: Path) -> None:
        two = small_instrument(detectors=2)
        mapping = MAPPING + "detector: {keyword: CHIP}\nexposure: EXPNO\n"
        for second, (number, chip) in enumerate([("x", "S00"), ("y", "1"), ("y", "S00"), ("z", "S01")]):
            put(folder, f"{number}{chip}.fits", second, CHIP=chip, EXPNO=number)
        with camera(folder, mapping, two) as opened:
            assert not opened.problems((request(0, detectors=(0, 1)),))
            frames = list(opened.take(request(0, detectors=(0, 1))))
            assert [frame.path.name for frame in frames] == ["yS00.fits", "y1.fits"]
            assert "2 wanted, 1 found" in opened.problems((request(0, detectors=(0, 1)), request(1, detectors=(0, 1))))[0]


class TestMissing:
    def test_too_few_frames_are_a_problem_that_says_what_is_wanted_and_what_there_is(self, folder: Path) -> None:
        put(folder, "a.fits", 1)
        put(folder, "b.fits", 2, TYPE="FLAT", EXPTIME=5)
        with camera(folder) as opened:
            wanted = (request(0), request(1), request(2, "flat", 5.0, setup=Setup(filter="empty")))
            assert opened.problems(wanted) == (
                f"biass: bias of 0 s: 2 wanted, 1 found in {folder} (it holds 1 bias of 0 s; 1 flat of 5 s (filter r))",
                f"flats: flat of 5 s, filter empty: 1 wanted, 0 found in {folder} (it holds 1 bias of 0 s; 1 flat of 5 s (filter r))",
            )

    def test_a_folder_that_is_not_there_is_a_problem(self, tmp_path: Path) -> None:
        with camera(tmp_path / "nowhere") as opened:
            assert "is not a folder (set camera.folder" in opened.problems((request(0),))[0]

    def test_a_frame_is_not_given_to_two_requests(self, folder: Path) -> None:
        put(folder, "a.fits", 1)
        with camera(folder) as opened:
            assert "2 wanted, 1 found" in opened.problems((request(0), request(1)))[0]

    def test_unclear_frames_are_left_alone_while_nothing_is_missing(self, folder: Path) -> None:
        put(folder, "a.fits", 1)
        put(folder, "b.fits", 2, TYPE="MOON")
        with camera(folder) as opened:
            assert not opened.problems((request(0),))


class TestUnclear:
    @pytest.mark.parametrize(
        ("header", "text"),
        [
            ({"TYPE": "MOON"}, "a.fits: it is of no image type of the mapping (TYPE 'MOON', EXPTIME 0.0, no LAMP)"),
            ({"TYPE": None}, "a.fits: it is of no image type of the mapping (no TYPE"),
            ({"TYPE": "DARK"}, "a.fits: it is of no image type of the mapping (TYPE 'DARK', EXPTIME 0.0"),
            ({"LAMP": True}, "a.fits: it is bias and flat alike (TYPE 'BIAS'"),
            ({"EXPTIME": None}, "a.fits: it has no EXPTIME"),
            ({"EXPTIME": "short"}, "a.fits: EXPTIME of 'short' is not a number"),
            ({"EXPTIME": -1.0}, "a.fits: EXPTIME of -1 s is not a time"),
            ({"DATE__OBS": None}, "a.fits: it has no DATE-OBS"),
            ({"DATE__OBS": "yesterday"}, "a.fits: DATE-OBS of 'yesterday' is not a date"),
            ({"FILTER": None}, "a.fits: it has no FILTER"),
        ],
    )
    def test_a_frame_that_cannot_be_placed_is_named_with_why(self, folder: Path, header: dict, text: str) -> None:
        put(folder, "a.fits", 1, **header)
        with camera(folder) as opened:
            missing, unclear = opened.problems((request(0),))
        assert "1 wanted, 0 found" in missing
        assert f"unclear frame {text}" in unclear

    def test_a_number_that_is_true_is_not_one(self, folder: Path) -> None:
        put(folder, "a.fits", 1, TYPE="X", LAMP=1)
        with camera(folder) as opened:
            assert "of no image type" in opened.problems((request(0),))[1]

    @pytest.mark.parametrize(("left", "text"), [(0, "a.fits is empty"), (5000, "a.fits is cut short"), (100, "a.fits is cut short")])
    def test_a_file_that_is_not_whole_is_named(self, folder: Path, left: int, text: str) -> None:
        path = put(folder, "a.fits", 1)
        path.write_bytes(path.read_bytes()[:left])
        with camera(folder) as opened:
            assert text in opened.problems((request(0),))[1]

    def test_a_file_that_is_no_fits_is_named(self, folder: Path) -> None:
        (folder / "a.fits").write_text("a letter")
        with camera(folder) as opened:
            assert "a.fits is not FITS" in opened.problems((request(0),))[1]

    def test_a_frame_of_another_geometry_is_named(self, folder: Path) -> None:
        put(folder, "a.fits", 1, small_instrument(rows=41))
        with camera(folder) as opened:
            assert "49 x 49 pixels, and S00 wants 49 x 48 pixels" in opened.problems((request(0),))[1]

    def test_a_detector_that_the_instrument_has_not_is_named(self, folder: Path) -> None:
        put(folder, "a.fits", 1, CHIP="S09")
        with camera(folder, MAPPING + "detector: {keyword: CHIP}\n") as opened:
            assert "detector 'S09' is not one of small (it has 0 S00)" in opened.problems((request(0),))[1]

    def test_two_frames_of_one_exposure_of_one_detector_are_both_named(self, folder: Path) -> None:
        put(folder, "a.fits", 1)
        put(folder, "copy.fits", 1)
        with camera(folder) as opened:
            missing, unclear = opened.problems((request(0),))
        assert "0 found" in missing
        assert "a.fits, copy.fits: one exposure of one detector alike" in unclear

    def test_flats_of_two_filters_are_not_chosen_between(self, folder: Path) -> None:
        for second, name in enumerate(("r", "g")):
            put(folder, f"{name}.fits", second, TYPE="FLAT", EXPTIME=5, FILTER=name)
        with camera(folder) as opened:
            assert opened.problems((request(0, "flat", 5.0),)) == (
                "flats: flat of 5 s: frames of filter g and r fit alike (write a filter in the sequence)",
            )
            assert not opened.problems((request(0, "flat", 5.0, setup=Setup(filter="g")),))

    def test_biases_of_two_filters_are_biases(self, folder: Path) -> None:
        for second, name in enumerate(("r", "g")):
            put(folder, f"{name}.fits", second, FILTER=name)
        with camera(folder) as opened:
            assert not opened.problems((request(0), request(1)))

    def test_readout_modes_and_binnings_are_chosen_between_by_name_only(self, folder: Path) -> None:
        mapping = MAPPING + "mode: {keyword: SPEED}\nbinning: {x: BX, y: BY}\n"
        for second, (speed, binned) in enumerate([("fast", 1), ("slow", 1), ("slow", 2)]):
            put(folder, f"{second}.fits", second, SPEED=speed, BX=binned, BY=binned, value=second)
        with camera(folder, mapping) as opened:
            assert opened.problems((request(0),)) == (
                "biass: bias of 0 s: frames of mode fast and slow fit alike (write camera.mode)",
                "biass: bias of 0 s: frames of binning 1x1 and 2x2 fit alike (write camera.binning)",
            )
        with camera(folder, mapping, mode="slow", binning="2x2") as opened:
            assert not opened.problems((request(0),))
            (found,) = opened.take(request(0))
            assert found.exposure.setup == Setup(filter="r", binning="2x2", mode="slow")


class TestSections:
    def section(self, folder: Path, keyword: str, text: str) -> None:
        path = put(folder, "a.fits", 1)
        with fits.open(path, mode="update") as hdus:
            hdus["SEGMENT11"].header[keyword] = text

    @pytest.mark.parametrize(
        ("keyword", "text"),
        [("DATASEC", "[4:33,1:40]"), ("TRIMSEC", "[4 : 33, 1 : 40]"), ("BIASSEC", "[34:49,1:48]"), ("BIASSEC", "[4:33,41:48]")],
    )
    def test_sections_that_say_what_the_instrument_says_pass(self, folder: Path, keyword: str, text: str) -> None:
        self.section(folder, keyword, text)
        with camera(folder) as opened:
            assert not opened.problems((request(0),))

    @pytest.mark.parametrize(
        ("keyword", "text", "ours"),
        [
            ("DATASEC", "[5:33,1:40]", "'[4:33,1:40]'"),
            ("TRIMSEC", "[33:4,1:40]", "'[4:33,1:40]'"),
            ("BIASSEC", "[34:48,1:48]", "'[34:49,1:48]' or '[4:33,41:48]'"),
        ],
    )
    def test_sections_that_disagree_are_named_both_unless_ignored(
        self, folder: Path, keyword: str, text: str, ours: str
    ) -> None:
        self.section(folder, keyword, text)
        with camera(folder) as opened:
            said = opened.problems((request(0),))[1]
        assert f"a.fits: {keyword} '{text}' of C11" in said
        assert ours in said
        with camera(folder, MAPPING + "sections: ignore\n") as opened:
            assert not opened.problems((request(0),))

    def test_a_single_image_of_one_amplifier_is_compared_too(self, folder: Path) -> None:
        put(folder, "a.fits", 1, SINGLE, DATASEC="[1:21,1:28]")
        with camera(folder, instrument=SINGLE) as opened:
            assert "is not the data section '[1:20,1:28]'" in opened.problems((request(0),))[1]


class TestMapping:
    def test_a_name_that_nobody_has_is_told_what_there_is(self) -> None:
        with pytest.raises(RecipeError, match=r"mapping: 'efosc3' is not a mapping .*\(write efosc2 or latiss, or the path"):
            read_mapping("efosc3")

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("filter:", "filtre:", r"ours.yaml:9:1: filtre: 'filtre' is not a key here \(did you mean 'filter'\?\)"),
            ("time: {keyword: EXPTIME}", "time: {keyword: EXPTIME, unit: m}", "ours.yaml:7:.*'m' is not a unit of time"),
            ("date: {keyword: DATE-OBS}\n", "", "'date' is missing"),
            ("{above: 0}", "{over: 0}", "'over' is not a key here"),
            ("{TYPE: FLAT}", "[FLAT]", r"ours.yaml:5:"),
        ],
    )
    def test_a_slip_in_a_mapping_is_told_where_it_is(self, folder: Path, old: str, new: str, message: str) -> None:
        with pytest.raises(RecipeError, match=message):
            camera(folder, MAPPING.replace(old, new))

    def test_it_describes_the_images_of_the_mapping_without_looking_in_the_folder(self, tmp_path: Path) -> None:
        described = describe(ReplayOptions(folder=tmp_path / "nowhere", mapping="efosc2"), SINGLE)
        assert described.images == {"bias", "dark", "flat"}
        assert described.overhead_s == 0.0
        assert described.frame_bytes > 30 * 24 * 4

    def test_without_an_instrument_it_does_not_open(self, tmp_path: Path) -> None:
        world = World(None, lambda: Time.now().tai, "run", threading.Event(), tmp_path)
        with pytest.raises(CameraError, match="needs an instrument"):
            ReplayCamera(ReplayOptions(folder=tmp_path, mapping="efosc2"), world)

    def test_a_wrong_tolerance_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="is not 0 s or more"):
            ReplayOptions(folder=tmp_path, mapping="efosc2", tolerance="-1 s")


def test_frames_that_change_after_they_were_listed_are_errors_with_their_name(folder: Path) -> None:
    path = put(folder, "a.fits", 1)
    with camera(folder) as opened:
        assert not opened.problems((request(0),))
        path.write_bytes(path.read_bytes()[:3000])
        with pytest.raises(Exception, match=r"a\.fits is cut short") as caught:
            list(opened.take(request(0)))
    assert type(caught.value).__name__ == "StoreError"


def test_a_pattern_chooses_the_files(folder: Path) -> None:
    put(folder, "a.fits", 1, value=1)
    put(folder, "b.fit", 2, value=2)
    with camera(folder, pattern="*.fit") as opened:
        assert first(opened, request(0)) == 2
        assert len(opened.catalogue.shots) == 1


def test_detectors_are_those_of_the_instrument(folder: Path) -> None:
    assert camera(folder, instrument=evolve(SMALL, name="other")).detectors == SMALL.detectors
