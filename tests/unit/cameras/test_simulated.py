from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from attrs import evolve

from latcal.builtin.cameras.simulated import describe, latcal_cameras
from latcal.builtin.cameras.simulation.camera import SimulatedCamera
from latcal.builtin.cameras.simulation.channels import mirrored
from latcal.builtin.cameras.simulation.charge import NORMAL_ABOVE, even, fluctuation
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.cameras.simulation.tracks import CHARGE, THICKNESS_UM, rays
from latcal.builtin.cameras.simulation.truth import truth
from latcal.errors import CameraError, RecipeError
from latcal.formats.located import compose
from latcal.formats.raw import write_raw
from latcal.formats.structure import structure
from latcal.plugin import ExposureRequest, Frame, Instrument, Setup, World
from latcal.testing.cameras import request, small_instrument

NOON = Time("2022-11-04T12:00:00", scale="tai")
OFF = {
    "gain_scatter": "0 %", "read_noise_factor": 0.0, "pedestal_drift": "0 adu", "bias_structure": "0 electron",
    "dark_current": "0 electron/s", "hot_pixels": "0 %", "cosmic_rays": "0 / (cm2 min)", "prnu": "0 %",
    "vignetting": "0 %", "lamp": "0 electron/s", "lamp_noise": "0 %", "lamp_drift": "0 %",
    "glow": "0 electron", "settling": "0 electron", "crosstalk": 0.0, "bad_columns": 0, "telegraph_pixels": "0 %",
    "brighter_fatter": "0 / electron", "non_linearity": "0 %",
}  # fmt: skip


def options(**said: object) -> SimulatedOptions:
    return SimulatedOptions(**said)


def quiet(**said: object) -> SimulatedOptions:
    """Every effect off, but for what is said."""
    return SimulatedOptions(**(OFF | said))


def camera(chosen: SimulatedOptions, instrument: Instrument | None = None, **world: object) -> SimulatedCamera:
    parts = {"now": lambda: NOON, "run": "run", "stop": threading.Event(), "scratch": Path("scratch")} | world
    return SimulatedCamera(chosen, World(instrument or small_instrument(), **parts))


def frame(chosen: SimulatedOptions, wanted: ExposureRequest, instrument: Instrument | None = None) -> Frame:
    with camera(chosen, instrument) as opened:
        return next(opened.take(wanted))


def raws(one: Frame) -> np.ndarray:
    return np.stack([one.raw(amplifier) for amplifier in one.detector.amplifiers])


def same(one: Frame, other: Frame) -> bool:
    return bool(np.array_equal(raws(one), raws(other)))


class TestRepeats:
    def test_pixels_follow_from_seed_and_index_whatever_was_taken_before(self) -> None:
        wanted = [request(0), request(1, "dark", 15.0), request(2, "flat", 5.0), request(3, "flat", 5.0)]
        with camera(options(seed=5)) as one, camera(options(seed=5)) as other:
            forward = [next(one.take(each)) for each in wanted]
            backward = [next(other.take(each)) for each in reversed(wanted)][::-1]
        assert all(same(*pair) for pair in zip(forward, backward, strict=True))

    def test_pixels_are_the_same_from_several_threads(self) -> None:
        wanted = [request(index, "flat", 1.0) for index in range(6)]
        with camera(options()) as opened, ThreadPoolExecutor(3) as pool:
            together = list(pool.map(lambda each: next(opened.take(each)), wanted))
        assert all(same(found, frame(options(), each)) for found, each in zip(together, wanted, strict=True))

    def test_another_seed_gives_another_sensor_and_other_noise(self) -> None:
        assert not same(frame(options(seed=1), request(0)), frame(options(seed=2), request(0)))

    def test_another_index_gives_other_noise_on_the_same_sensor(self) -> None:
        one, other = (raws(frame(options(settling="0 electron"), request(index))) for index in (0, 1))
        assert not np.array_equal(one, other)
        assert abs(float(one.mean()) - float(other.mean())) < 2  # adu; the drift is 0.5 rms

    def test_pixels_depend_on_no_name_and_no_exposure_number(self) -> None:
        plain = small_instrument()
        detector = plain.detectors[0]
        renamed = evolve(
            plain,
            name="other",
            detectors=(evolve(detector, name="X", amplifiers=tuple(evolve(a, name="a" + a.name) for a in detector.amplifiers)),),
        )
        wanted = request(4, "flat", 2.0)
        assert same(frame(options(), wanted), frame(options(), evolve(wanted, number=7, sequence="x"), renamed))

    def test_detectors_of_one_exposure_differ(self) -> None:
        with camera(options(), small_instrument(detectors=2)) as opened:
            one, other = opened.take(request(0, detectors=(0, 1)))
        assert not same(one, other)

    def test_switching_one_effect_off_leaves_the_rest_of_the_truth_alone(self) -> None:
        detector = small_instrument().detectors[0]
        full, less = truth(options(), detector), truth(options(hot_pixels="0 %", prnu="0 %"), detector)
        assert full.gain == less.gain
        assert full.read_noise == less.read_noise
        assert np.array_equal(full.bias, less.bias)


class TestTruth:
    instrument = small_instrument(rows=200, columns=100)
    detector = instrument.detectors[0]

    def test_it_is_not_what_is_nominal(self) -> None:
        true = truth(options(), self.detector)
        for amplifier in self.detector.amplifiers:
            assert true.gain[amplifier.name] != amplifier.gain
            assert true.read_noise[amplifier.name] != amplifier.read_noise
            assert 8400 <= true.pedestal[amplifier.name] <= 22500

    def test_read_noise_is_in_the_overscan(self) -> None:
        chosen = options(settling="0 electron")
        true = truth(chosen, self.detector)
        found = frame(chosen, request(0), self.instrument)
        for amplifier in self.detector.amplifiers:
            overscan = found.pixels(amplifier)[amplifier.serial_overscan.slices]
            gain = true.gain[amplifier.name]
            measured = gain * np.sqrt(overscan.var(ddof=1) - 1 / 12)
            error = true.read_noise[amplifier.name] / np.sqrt(2 * overscan.size)
            assert abs(measured - true.read_noise[amplifier.name]) < 4 * error

    def test_gain_is_in_the_noise_of_a_flat_pair(self) -> None:
        chosen = quiet(lamp="3600 electron/s", read_noise_factor=1.0, gain_scatter="2 %", prnu="0.4 %")
        true = truth(chosen, self.detector)
        one, other = (frame(chosen, request(index, "flat", 10.0), self.instrument) for index in (0, 1))
        for amplifier in self.detector.amplifiers:
            name = amplifier.name
            first, second = (each.pixels(amplifier)[amplifier.data.slices] - true.pedestal[name] for each in (one, other))
            mean = float(first.mean() + second.mean()) / 2
            difference = (first * second.mean() - second * first.mean()) / mean
            variance = difference.var(ddof=1) / 2 - (true.read_noise[name] / true.gain[name]) ** 2 - 1 / 12
            error = np.sqrt(2 / first.size) * true.gain[name]
            assert abs(mean / variance - true.gain[name]) < 4 * error

    def test_dark_signal_grows_with_the_dark_time(self) -> None:
        chosen = quiet(dark_current="2 electron/s", dark_delay="10 s", gain_scatter="2 %")
        true = truth(chosen, self.detector)
        found = frame(chosen, request(0, "dark", 40.0), self.instrument)
        assert found.exposure.dark_time_s == pytest.approx(50.0)
        for amplifier in self.detector.amplifiers:
            data = found.pixels(amplifier)[amplifier.data.slices]
            signal = (float(data.mean(dtype=np.float64)) - true.pedestal[amplifier.name]) * true.gain[amplifier.name]
            # Poisson error of the mean, and half an adu at most from rounding a pedestal that is not whole
            assert abs(signal - 100.0) < 4 * np.sqrt(100 / data.size) + 0.6

    def test_hot_pixels_are_where_the_truth_has_them(self) -> None:
        chosen = quiet(hot_pixels="0.05 %")
        true = truth(chosen, self.detector)
        assert len(true.hot_pixels) > 5
        whole = _assembled(frame(chosen, request(0, "dark", 100.0), self.instrument), true)
        expected = true.dark * np.float32(100.01)
        assert np.all(np.abs(whole - expected) < 5 * np.sqrt(expected) + 1.1)  # Poisson, and whole adu

    def test_bias_structure_is_what_the_mean_of_many_frames_shows(self) -> None:
        chosen = options(
            cosmic_rays="0 / (cm2 min)", pedestal_drift="0 adu", hot_pixels="0 %", settling="0 electron", telegraph_pixels="0 %",
            bad_columns=0,
        )
        true = truth(chosen, self.detector)
        count = 30
        with camera(chosen, self.instrument) as opened:
            stack = [next(opened.take(request(index))) for index in range(count)]
        for amplifier in self.detector.amplifiers:
            name = amplifier.name
            mean = np.mean([each.pixels(amplifier) for each in stack], axis=0, dtype=np.float64)
            structure = (mean - true.pedestal[name]) * true.gain[name] - true.raw_bias(amplifier)
            noise = np.hypot(true.read_noise[name], true.gain[name] / np.sqrt(12)) / np.sqrt(count)
            assert structure.std() / noise == pytest.approx(1.0, abs=4 / np.sqrt(2 * structure.size))
            assert abs(structure.mean()) < 4 * noise / np.sqrt(structure.size)

    def test_column_structure_has_neither_mean_nor_slope_so_that_a_line_leaves_it(self) -> None:
        true = truth(options(), self.detector)
        for columns in true.columns.values():
            slope, offset = np.polyfit(np.arange(columns.size), columns, 1)
            assert abs(slope) * columns.size < 1e-3
            assert abs(offset) < 1e-3
            assert columns.std() > 1

    def test_flat_response_is_what_a_flat_shows(self) -> None:
        chosen = quiet(prnu="0.4 %", vignetting="2.5 %", lamp="3600 electron/s", gain_scatter="2 %")
        true = truth(chosen, self.detector)
        whole = _assembled(frame(chosen, request(0, "flat", 10.0), self.instrument), true)
        assert true.flat.mean(dtype=np.float64) == pytest.approx(1.0, abs=1e-6)
        assert true.flat.max() - true.flat.min() > 0.05
        pull = (whole - 36000 * true.flat) / np.sqrt(36000 * true.flat)
        assert pull.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * pull.size))

    def test_mirrored_pixels_turn_back(self) -> None:
        amplifier = self.detector.amplifiers[0]
        block = np.arange(12).reshape(3, 4)
        assert mirrored(block, amplifier)[0, 0] == 11
        assert np.array_equal(mirrored(mirrored(block, amplifier), amplifier), block)


def _assembled(found: Frame, true: object) -> np.ndarray:
    """Put a frame together in electrons, the true pedestal subtracted; without the cameras' own code."""
    whole = np.zeros(found.detector.shape)
    for a in found.detector.amplifiers:
        data = found.pixels(a)[a.data.slices]
        data = data[::-1] if a.flip_y else data
        data = data[:, ::-1] if a.flip_x else data
        whole[a.position.slices] = (data - true.pedestal[a.name]) * true.gain[a.name]
    return whole


class TestEffects:
    def test_with_everything_off_an_amplifier_reads_one_number(self) -> None:
        found = frame(quiet(), request(0, "flat", 5.0))
        true = truth(quiet(), found.detector)
        for amplifier in found.detector.amplifiers:
            assert np.all(found.raw(amplifier) == round(true.pedestal[amplifier.name]))
            assert true.gain[amplifier.name] == amplifier.gain

    def test_the_lamp_is_on_for_flats_only(self) -> None:
        chosen = quiet(lamp="3600 electron/s")
        level = {image: raws(frame(chosen, request(0, image, time))).mean() for image, time in (("dark", 5.0), ("flat", 5.0))}
        assert level["flat"] - level["dark"] > 5000

    def test_a_flat_of_no_time_has_no_light(self) -> None:
        assert same(frame(quiet(lamp="3600 electron/s", shutter_delay="1 s"), request(0, "flat", 0.0)), frame(quiet(), request(0)))

    @pytest.mark.parametrize(("delay", "expected"), [("0.5 s", 1.5), ("-0.5 s", 0.5), ("-2 s", 0.0)])
    def test_a_shutter_delay_adds_to_the_light_and_never_takes_more_than_all(self, delay: str, expected: float) -> None:
        chosen = quiet(lamp="10000 electron/s", shutter_delay=delay)
        light = raws(frame(chosen, request(0, "flat", 1.0))).astype(float) - raws(frame(quiet(), request(0)))
        data = light[:, :40, 3:33]  # of every small amplifier
        assert data.mean() * 1.1 == pytest.approx(10000 * expected, abs=4)

    def test_lamp_noise_is_one_number_for_an_exposure(self) -> None:
        chosen = quiet(lamp="10000 electron/s", lamp_noise="5 %")
        with camera(chosen, small_instrument(detectors=2)) as opened:
            taken = [opened.take(request(index, "flat", 2.0, detectors=(0, 1))) for index in (0, 1, 2)]
            levels = [[raws(found)[:, :40, 3:33].mean() for found in frames] for frames in taken]
        changes = np.diff(np.array(levels), axis=0)
        assert np.abs(changes).max() > 500
        # Poisson noise of four means of 4800 pixels is 4 adu
        assert np.allclose(changes[:, 0], changes[:, 1], atol=16)

    def test_the_lamp_brightens_with_the_index(self) -> None:
        chosen = quiet(lamp="10000 electron/s", lamp_drift="20 %")
        first, later = (raws(frame(chosen, request(index, "flat", 4.0))).astype(float) for index in (0, 60))
        # 60 exposures are the 10 minutes that the drift is said for
        assert (later - first)[:, :40, 3:33].mean() * 1.1 == pytest.approx(0.2 * 40_000, rel=0.01)

    def test_charge_ends_at_the_full_well(self) -> None:
        chosen = quiet(lamp="100000 electron/s")
        found = frame(chosen, request(0, "flat", 10.0), evolve(small_instrument(), full_well=130_000.0))
        for a in found.detector.amplifiers:
            above = found.pixels(a)[a.data.slices] - round(truth(chosen, found.detector).pedestal[a.name])
            assert np.all(np.abs(above - 130_000 / 1.1) <= 1)
            assert np.all(above >= a.saturation)

    def test_numbers_end_where_the_converter_does(self) -> None:
        chosen = options(lamp="100000 electron/s", adc_bits=16)
        assert raws(frame(chosen, request(0, "flat", 10.0))).max() == 65535

    def test_raw_pixels_are_whole_numbers_of_four_bytes(self) -> None:
        assert raws(frame(options(), request(0))).dtype == np.int32

    @pytest.mark.parametrize("mean", [0.02, 0.5, 40.0, 0.9 * NORMAL_ABOVE, 1.1 * NORMAL_ABOVE])
    def test_light_has_poisson_mean_and_variance(self, mean: float) -> None:
        count = 40_000
        drawn = mean + fluctuation(np.random.default_rng(1), np.full((200, 200), mean, np.float32)).astype(float)
        assert abs(drawn.mean() - mean) <= 4 * np.sqrt(mean / count)
        assert abs(drawn.var() - mean) <= 4 * np.sqrt((2 * mean**2 + mean) / count)

    @pytest.mark.parametrize("mean", [0.0, 0.02, 0.3, 4.0, 40.0])
    def test_dark_current_has_poisson_mean_and_variance(self, mean: float) -> None:
        count = 40_000
        drawn = even(np.random.default_rng(1), (200, 200), mean).astype(float)
        assert abs(drawn.mean() - mean) <= 4 * np.sqrt(mean / count)
        assert abs(drawn.var() - mean) <= 4 * np.sqrt((2 * mean**2 + mean) / count)

    def test_cosmic_rays_bring_the_charge_that_their_tracks_are_long(self) -> None:
        places, electrons = rays(np.random.default_rng(2), (1500, 1500), 10.0, 400.0)
        # mean of 1/cosine is 4/3 for a cosine that is a fourth root; rms of a sum of 400 is 7 %, edges lose 1 %
        assert electrons.sum() == pytest.approx(400 * CHARGE * THICKNESS_UM * 4 / 3, rel=0.3)
        assert np.unique(places).size == places.size
        assert places.min() >= 0
        assert places.max() < 1500**2

    def test_no_cosmic_ray_leaves_nothing(self) -> None:
        places, electrons = rays(np.random.default_rng(2), (100, 100), 10.0, 0.0)
        assert places.size == electrons.size == 0

    def test_cosmic_rays_cross_amplifiers_and_count_with_dark_time(self) -> None:
        chosen = quiet(cosmic_rays="3000 / (cm2 min)")
        lit = raws(frame(chosen, request(0, "dark", 60.0))).astype(float) - raws(frame(quiet(), request(0)))
        area_cm2 = 80 * 60 * 1e-6
        assert lit.sum() * 1.1 == pytest.approx(3000 * area_cm2 * 8000 * 4 / 3, rel=0.8)  # 14 rays on a small sensor
        assert np.all(lit[:, 40:, :] == 0)


class TestClock:
    def test_exposures_follow_each_other_from_the_time_it_was_opened(self) -> None:
        with camera(options()) as opened:
            begins = [next(opened.take(each)).exposure.begin for each in (request(0), request(1, "dark", 30.0), request(2))]
        assert [(begin - NOON).to_value("s") for begin in begins] == pytest.approx([0.0, 2.0, 34.0], abs=1e-6)

    def test_facts_are_those_of_the_request(self) -> None:
        setup = Setup(filter="r", grating="empty")
        found = frame(options(), request(6, "flat", 5.0, setup=setup, discarded=True)).exposure
        assert (found.id, found.obs_id) == (2022110400007, "LC_O_20221104_000007")
        assert (found.setup, found.discarded, found.time_s, found.begin.scale) == (setup, True, 5.0, "tai")
        assert found.dark_time_s == pytest.approx(5.01)

    def test_a_real_exposure_lasts_as_long_as_it_says(self) -> None:
        begun, stop = threading.Event(), threading.Event()

        def now() -> Time:
            begun.set()
            return NOON

        with camera(options(clock="real"), evolve(small_instrument(), readout_s=0.0), now=now, stop=stop) as opened:
            assert next(opened.take(request(0, "dark", 0.02))).exposure.begin == NOON
        assert begun.is_set()

    def test_an_abort_from_another_thread_ends_a_real_exposure(self) -> None:
        begun = threading.Event()

        def now() -> Time:
            begun.set()
            return NOON

        with camera(options(clock="real"), now=now) as opened, ThreadPoolExecutor(1) as pool:
            frames = pool.submit(lambda: list(opened.take(request(0, "dark", 3000.0))))
            assert begun.wait(120)
            opened.abort()
            with pytest.raises(CameraError, match="exposure of 3000 s was aborted"):
                frames.result(timeout=120)

    def test_once_a_run_is_stopped_no_real_exposure_begins(self) -> None:
        stop = threading.Event()
        stop.set()
        with camera(options(clock="real"), stop=stop) as opened, pytest.raises(CameraError, match="was aborted"):
            next(opened.take(request(0, "dark", 3000.0)))


class TestTruthFile:
    def test_it_is_written_at_the_first_exposure_and_not_before(self, tmp_path: Path) -> None:
        folder = tmp_path / "truth"
        chosen = options(truth=folder)
        with camera(chosen, small_instrument(detectors=2)) as opened:
            assert not tuple(opened.problems((request(0),)))
            assert not folder.exists()
            list(opened.take(request(0, detectors=(1,))))
        assert [path.name for path in folder.iterdir()] == ["truth_S01.fits"]

    def test_it_has_what_the_truth_has(self, tmp_path: Path) -> None:
        chosen = options(truth=tmp_path, hot_pixels="2 %")
        found = frame(chosen, request(0))
        true = truth(chosen, found.detector)
        with fits.open(tmp_path / "truth_S00.fits") as hdus:
            for name, array in (("BIAS", true.bias), ("DARK", true.dark), ("FLAT", true.flat)):
                assert np.array_equal(hdus[name].data, array)
            assert list(hdus["AMPLIFIERS"].data["gain"]) == list(true.gain.values())
            assert list(hdus["AMPLIFIERS"].data["amplifier"]) == [a.name for a in found.detector.amplifiers]
            assert np.array_equal(hdus["HOT"].data["x"], true.hot_pixels[:, 1])
            assert hdus["DARK"].header["BUNIT"] == "electron / s"

    def test_a_folder_that_cannot_be_made_is_a_problem_and_then_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with camera(options(truth=tmp_path / "file")) as opened:
            assert any("is not a folder" in text for text in opened.problems(()))
            with pytest.raises(CameraError, match="truth of the sensor cannot be written"):
                next(opened.take(request(0)))


class TestProblems:
    @pytest.mark.parametrize(
        ("wanted", "text"),
        [
            (request(0, "sky", 1.0), "skys: 'sky' is not an image that a simulated camera takes"),
            (request(0, "dark", 4000.0), "darks: 4000 s is not between 0 s and 3600 s"),
            (request(0, "dark", -1.0), "darks: -1 s is not between"),
            (request(0, "bias", 5.0), "biass: 5 s is not the time of a bias"),
            (request(0, "flat", 5.0, setup=Setup(filter="z")), "flats: 'z' is not a filter of small (it has empty, g, r)"),
            (request(0, "flat", 5.0, setup=Setup(grating="holo")), "flats: 'holo' is not a grating of small (it has empty)"),
            (request(0, detectors=(0, 9)), "biass: 9 is not a detector of small"),
        ],
    )
    def test_what_cannot_be_taken_is_named_once_before_it_is_asked_for(self, wanted: ExposureRequest, text: str) -> None:
        with camera(options()) as opened:
            problems = tuple(opened.problems((request(0), wanted, evolve(wanted, index=1))))
        assert len(problems) == 1
        assert text in problems[0]

    def test_without_an_instrument_it_does_not_open(self) -> None:
        world = World(None, lambda: NOON, "run", threading.Event(), Path("scratch"))
        with pytest.raises(CameraError, match="needs an instrument"):
            SimulatedCamera(options(), world)


class TestOptions:
    def test_a_recipe_writes_them_with_units(self) -> None:
        chosen = structure(compose("{seed: 7, lamp: 1 electron/ms, clock: real, truth: ./t}", "daily.yaml"), SimulatedOptions)
        assert (chosen.seed, chosen.clock, chosen.truth) == (7, "real", Path("t"))
        assert chosen.lamp.to_value("electron/s") == pytest.approx(1000)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{lamp: 3600}", "has no unit"),
            ("{prnu: 50 %}", "is not between 0 % and 20 %"),
            ("{dark_current: -1 electron/s}", "is not 0 or more"),
            ("{seed: -1}", "is not 0 or more"),
            ("{clock: sundial}", "is not one of its choices"),
            ("{adc_bits: 64}", "is not between 8 and 30"),
            ("{lowest_pedestal: 30000 adu}", "is not below"),
            ("{lowest_hot_rate: 300 electron/s}", "is not below"),
        ],
    )
    def test_a_slip_in_them_is_a_fault_of_the_recipe(self, text: str, message: str) -> None:
        with pytest.raises(RecipeError, match=message):
            structure(compose(text, "daily.yaml"), SimulatedOptions)

    def test_every_option_has_help_and_a_default(self) -> None:
        (declared,) = latcal_cameras()
        assert declared.options() == SimulatedOptions()
        assert all(attribute.metadata["help"] for attribute in SimulatedOptions.__attrs_attrs__)

    def test_it_describes_itself_without_being_opened_and_no_frame_is_larger_than_it_says(self, tmp_path: Path) -> None:
        described = describe(options(), small_instrument())
        assert described.images == {"bias", "dark", "flat"}
        assert described.overhead_s == 2.0
        write_raw(frame(options(), request(0)), tmp_path / "raw.fits", compress=False)
        assert (tmp_path / "raw.fits").stat().st_size <= described.frame_bytes
