"""The instruments of Rubin Observatory, against the facts of verification.md, section 8."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from importlib.resources import files

import pytest

from latcal.builtin.instruments import latcal_instruments
from latcal.formats.instruments import read_instrument
from latcal.model.geometry import Box

ORDER = [*(f"C1{i}" for i in range(8)), *(f"C0{i}" for i in range(7, -1, -1))]
E2V = {"R11", "R12", "R13", "R14", "R21", "R22", "R23", "R24", "R30", "R31", "R32", "R33", "R34"}


def builtin(name):
    (load,) = [one.load for one in latcal_instruments() if one.name == name]
    return load()


@pytest.fixture(scope="module")
def latiss():
    return builtin("latiss")


@pytest.fixture(scope="module")
def comcam():
    return builtin("lsstcomcam")


@pytest.fixture(scope="module")
def lsstcam():
    return builtin("lsstcam")


class TestLatiss:
    def test_it_is_one_sensor_of_itl(self, latiss):
        (detector,) = latiss.detectors
        assert (detector.id, detector.name, detector.serial) == (0, "RXX_S00", "ITL-3800C-068")
        assert (detector.vendor, detector.pixel_um, detector.shape) == ("ITL", 10.0, (4000, 4072))
        assert (latiss.id_prefix, latiss.rollover_h, latiss.binning) == ("AT_O", 12.0, "1x1")

    def test_its_amplifiers_come_in_the_order_of_the_camera(self, latiss):
        amplifiers = latiss.detectors[0].amplifiers
        assert [one.name for one in amplifiers] == ORDER
        assert [one.extension for one in amplifiers] == [f"Segment{name[1:]}" for name in ORDER]

    def test_every_amplifier_has_the_regions_of_the_camera_model_in_an_image_of_576_by_2048(self, latiss):
        for one in latiss.detectors[0].amplifiers:
            assert one.raw.shape == (2048, 576)
            assert one.data == Box(0, 2000, 3, 512)
            assert one.serial_overscan == Box(0, 2000, 512, 576)
            assert one.parallel_overscan == Box(2000, 2048, 3, 512)

    def test_the_upper_amplifiers_are_mirrored_both_ways_and_the_lower_ones_in_x(self, latiss):
        for one in latiss.detectors[0].amplifiers:
            upper, column = one.name[1] == "1", int(one.name[2])
            assert (one.flip_x, one.flip_y) == (True, upper)
            assert one.position == Box(2000 * upper, 2000 * upper + 2000, 509 * column, 509 * column + 509)

    def test_gains_and_read_noises_are_those_of_each_amplifier(self, latiss):
        amplifiers = latiss.detectors[0].amplifiers
        assert statistics.median(one.gain for one in amplifiers) == pytest.approx(1.0825, abs=1e-4)  # given so
        assert statistics.median(one.read_noise for one in amplifiers) == pytest.approx(8.55)
        figures = {one.name: (one.gain, one.read_noise) for one in amplifiers}
        assert figures["C10"] == (1.0811, 8.4)
        assert figures["C17"] == (1.0560, 8.0)
        assert figures["C07"] == (1.1033, 8.5)
        assert figures["C00"] == (1.0972, 9.1)
        assert {one.saturation for one in amplifiers} == {120_000.0}

    def test_its_wheels_hold_26_filters_and_27_gratings(self, latiss):
        assert (len(latiss.filters), len(set(latiss.filters))) == (26, 26)
        assert (len(latiss.gratings), len(set(latiss.gratings))) == (27, 27)
        assert {"empty", "SDSSr_65mm", "BG40_65mm_2", "KPNO_1111_436nm"} <= set(latiss.filters)
        pinholes = [f"pinhole_1_{size}" for size in ("1000", "0500", "0200", "0100")]
        pinholes += [f"pinhole_2_{row}_{size}" for row in range(1, 5) for size in ("1000", "0500", "0200", "0100")]
        assert set(pinholes) | {"empty", "holo4_003", "ronchi170lpmm", "blue300lpmm_qn1"} <= set(latiss.gratings)

    def test_its_constant_cards_are_those_of_its_real_headers(self, latiss, latiss_headers):
        real = latiss_headers["2024"]
        said = {keyword: real.get(keyword) for keyword in latiss.header}
        assert said == latiss.header
        assert {keyword: type(value) for keyword, value in said.items()} == {
            keyword: type(value) for keyword, value in latiss.header.items()
        }


class TestComCam:
    def test_it_is_one_raft_of_nine(self, comcam):
        assert [(one.id, one.name) for one in comcam.detectors] == [
            (3 * row + column, f"R22_S{row}{column}") for row in range(3) for column in range(3)
        ]
        assert {(one.shape, one.vendor) for one in comcam.detectors} == {((4000, 4072), "ITL")}
        assert comcam.detectors[0].serial == "ITL-3800C-229"  # as in the header of a raw file
        assert comcam.id_prefix == "CC_O"

    def test_its_sensors_are_laid_out_as_that_of_latiss(self, comcam, latiss):
        def layout(detector):
            return [(a.name, a.extension, a.raw, a.data, a.position, a.flip_x, a.flip_y) for a in detector.amplifiers]

        assert all(layout(one) == layout(latiss.detectors[0]) for one in comcam.detectors)

    def test_its_gains_and_read_noises_have_the_range_and_median_that_are_given(self, comcam):
        gains = [a.gain for one in comcam.detectors for a in one.amplifiers]
        noises = [a.read_noise for one in comcam.detectors for a in one.amplifiers]
        assert (min(gains), statistics.median(gains), max(gains)) == pytest.approx((1.173, 1.381, 1.450), abs=6e-4)
        assert (min(noises), statistics.median(noises), max(noises)) == pytest.approx((5.0, 7.9, 11.2))
        assert {a.saturation for one in comcam.detectors for a in one.amplifiers} == {142_857.0}

    def test_its_filters_are_those_given(self, comcam):
        assert " ".join(comcam.filters) == (
            "u_02 u_05 u_06 g_01 g_07 r_03 i_06 z_02 z_03 y_04 OG590_2_5mm pinhole empty none unknown"
        )


class TestLsstCam:
    def test_it_has_205_detectors_with_ids_in_their_order(self, lsstcam):
        assert [one.id for one in lsstcam.detectors] == list(range(205))
        assert len({one.name for one in lsstcam.detectors}) == 205
        assert lsstcam.id_prefix == "MC_O"

    @pytest.mark.parametrize(
        ("key", "name"),
        [
            (0, "R01_S00"), (8, "R01_S22"), (9, "R02_S00"), (27, "R10_S00"), (94, "R22_S11"), (99, "R23_S00"),
            (162, "R41_S00"), (188, "R43_S22"), (189, "R00_SG0"), (190, "R00_SG1"), (191, "R00_SW0"), (192, "R00_SW1"),
            (193, "R04_SG0"), (197, "R40_SG0"), (201, "R44_SG0"), (204, "R44_SW1"),
        ],
    )  # fmt: skip
    def test_rafts_and_slots_follow_one_another(self, lsstcam, key, name):
        assert lsstcam.detector(key).name == name

    def test_rafts_are_of_one_vendor(self, lsstcam):
        vendors = Counter(one.vendor for one in lsstcam.detectors[:189])
        assert vendors == {"ITL": 72, "E2V": 117}
        assert {one.name[:3] for one in lsstcam.detectors if one.vendor == "E2V"} == E2V
        assert {one.vendor for one in lsstcam.detectors[189:]} == {"ITL"}

    def test_sensors_of_e2v_have_regions_of_their_own_and_lower_amplifiers_that_are_not_mirrored(self, lsstcam):
        detector = lsstcam.detector(94)
        assert detector.shape == (4004, 4096)
        assert [one.name for one in detector.amplifiers] == ORDER
        for one in detector.amplifiers:
            upper, column = one.name[1] == "1", int(one.name[2])
            assert one.raw.shape == (2048, 576)
            assert one.data == Box(0, 2002, 10, 522)
            assert one.serial_overscan == Box(0, 2002, 522, 576)
            assert one.parallel_overscan == Box(2002, 2048, 10, 522)
            assert (one.flip_x, one.flip_y) == (upper, upper)
            assert one.position == Box(2002 * upper, 2002 * upper + 2002, 512 * column, 512 * column + 512)

    def test_a_wavefront_sensor_is_half_a_sensor_with_its_first_amplifier_on_the_right(self, lsstcam):
        detector = lsstcam.detector(191)
        assert detector.shape == (2000, 4072)
        assert [one.name for one in detector.amplifiers] == [f"C1{i}" for i in range(8)]
        assert detector.amplifier("C10").position == Box(0, 2000, 3563, 4072)
        assert not any(one.flip_x or one.flip_y for one in detector.amplifiers)  # turned by 180 degrees: derived

    @pytest.mark.parametrize(
        ("key", "gain", "read_noise"), [(0, 1.671, 6.40), (94, 1.476, 5.41), (189, 1.462, 10.95), (191, 1.246, 8.31)]
    )
    def test_figures_are_the_medians_of_each_kind_of_sensor(self, lsstcam, key, gain, read_noise):
        assert {(one.gain, one.read_noise) for one in lsstcam.detector(key).amplifiers} == {(gain, read_noise)}

    def test_serial_numbers_are_of_the_vendor_where_they_are_known(self, lsstcam):
        known = [one.serial for one in lsstcam.detectors if one.serial]
        assert len(set(known)) == len(known)
        assert lsstcam.detector(203).serial == "ITL-4400B-025"  # as in the header of a raw file

    def test_detectors_that_are_alike_share_their_amplifiers(self, lsstcam):
        assert lsstcam.detector(0).amplifiers is lsstcam.detector(188).amplifiers

    def test_it_is_read_in_well_under_a_second(self):
        text = (files("latcal.builtin.instruments") / "lsstcam.yaml").read_text(encoding="utf-8")
        begin = time.process_time()
        assert len(read_instrument(text, "lsstcam.yaml").detectors) == 205
        assert time.process_time() - begin < 0.9  # seconds of one core; 0.15 where it was written


class TestTrio:
    def test_it_is_three_small_sensors_one_of_another_vendor(self):
        trio = builtin("trio")
        assert [(one.id, one.name) for one in trio.detectors] == [(0, "T_S00"), (1, "T_S01"), (2, "T_S02")]
        assert [one.vendor for one in trio.detectors] == ["latcal", "latcal", "other"]
        assert len({one.serial for one in trio.detectors}) == 3
        assert {one.shape for one in trio.detectors} == {(200, 400)}
        assert sum(one.raw_pixels for one in trio.detectors) < 600_000

    def test_its_sensors_have_figures_of_the_type_or_their_own(self):
        first, second, third = builtin("trio").detectors
        assert {one.gain for one in first.amplifiers} == {1.08}
        assert len({one.gain for one in second.amplifiers}) == 8
        assert {one.saturation for one in second.amplifiers} == {110_000.0}
        assert {(one.gain, one.saturation) for one in third.amplifiers} == {(1.476, 100_000.0)}
