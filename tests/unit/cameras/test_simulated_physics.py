"""Each effect of the simulated sensor: on, it does what is written of it; off, it is not there."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from latcal.builtin.cameras.simulation.blemishes import JUMP_HIGHEST, JUMP_LOWEST
from latcal.builtin.cameras.simulation.brighter_fatter import kernel, redistribute
from latcal.builtin.cameras.simulation.channels import mirrored
from latcal.builtin.cameras.simulation.charge import Shot, collected
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.cameras.simulation.readout import SETTLING_FALL, cross, read
from latcal.builtin.cameras.simulation.sensor import lamplight
from latcal.builtin.cameras.simulation.truth import truth
from latcal.builtin.cameras.simulation.wells import spill
from latcal.plugin import Instrument
from latcal.testing.cameras import small_instrument

OFF = {
    "gain_scatter": "0 %", "read_noise_factor": 0.0, "pedestal_drift": "0 adu", "bias_structure": "0 electron",
    "dark_current": "0 electron/s", "hot_pixels": "0 %", "cosmic_rays": "0 / (cm2 min)", "prnu": "0 %",
    "vignetting": "0 %", "lamp": "0 electron/s", "lamp_noise": "0 %", "lamp_drift": "0 %",
    "glow": "0 electron", "settling": "0 electron", "crosstalk": 0.0, "bad_columns": 0, "telegraph_pixels": "0 %",
    "brighter_fatter": "0 / electron", "non_linearity": "0 %",
}  # fmt: skip
A00 = -1.7e-6


def quiet(**said: object) -> SimulatedOptions:
    """Every effect off, but for what is said."""
    return SimulatedOptions(**(OFF | said))


def sixteen() -> Instrument:
    from latcal.plugin.registry import load_plugins

    return load_plugins().get("instrument", "bench").load()


def shot(index: int = 0, **said: object) -> Shot:
    return Shot(**({"index": index, "light": 0.0, "dark_time_s": 0.0, "full_well": 1e9} | said))


class TestBrighterFatter:
    def test_charge_is_only_moved(self) -> None:
        assert kernel(A00).sum() == pytest.approx(0.0, abs=1e-20)

    def test_coefficients_are_those_decided_for_latiss(self) -> None:
        found = kernel(A00)
        assert found[3, 3] == pytest.approx(A00, rel=1e-12)
        assert found[3, 4] == pytest.approx(1.5e-7, rel=1e-3)  # along a row, a10
        assert found[4, 3] == pytest.approx(2.5e-7, rel=1e-3)  # along a column, a01
        assert np.array_equal(found, found[::-1, ::-1])

    def test_neighbours_take_less_the_farther_they_are(self) -> None:
        for line in (kernel(A00)[3, 4:], kernel(A00)[4:, 3], np.diag(kernel(A00))[4:]):
            assert (np.diff(line) < 0).all()
            assert (line > 0).all()

    @pytest.mark.parametrize("level", [20_000.0, 50_000.0, 100_000.0])
    def test_covariances_are_those_of_its_coefficients(self, level: float) -> None:
        random, shape = np.random.default_rng(3), (600, 700)
        expected = np.full(shape, level, np.float32)
        sums = np.zeros((2, 2))
        for _ in range(8):
            charge = (np.sqrt(level) * random.standard_normal(shape)).astype(np.float32)
            redistribute(expected, charge, A00)
            left = charge.astype(float) - level
            for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
                sums[y, x] += np.mean(left[y:, x:] * left[: shape[0] - y, : shape[1] - x])
        found, n = sums / 8, 8 * 600 * 700
        a = kernel(A00)[3:5, 3:5]
        full = level * _astier(kernel(A00), level)[3:5, 3:5]
        # 4 standard errors of a variance (of a covariance, which is smaller), and 0.7 % of what a00 does at this level,
        # as decided for the method
        tolerance = 4 * level * np.sqrt(2 / n) + 0.007 * abs(A00) * level**2
        assert np.abs(found - full).max() < tolerance
        assert np.sign(found - [[level, 0], [0, 0]]).tolist() == np.sign(a).tolist()

    def test_there_is_no_seam_where_strips_meet_and_no_wrap(self) -> None:
        random, shape = np.random.default_rng(4), (150, 40)
        expected = (50_000 * (1 + 0.1 * random.random(shape))).astype(np.float32)
        drawn = (220 * random.standard_normal(shape)).astype(np.float32)
        charge = drawn.copy()
        redistribute(expected, charge, A00)
        wide = expected.astype(float)
        once = _convolve(drawn.astype(float), kernel(A00))
        wanted = wide + drawn + wide * once / 2 + 5 / 24 * wide**2 * _convolve(once, kernel(A00))
        assert np.abs(charge - wanted).max() < 0.05  # electrons; float32 has 0.004 at 50,000

    def test_off_leaves_mean_and_fluctuation(self) -> None:
        expected, charge = np.full((8, 9), 500.0, np.float32), np.full((8, 9), -3.0, np.float32)
        redistribute(expected, charge, 0.0)
        assert (charge == 497.0).all()

    def test_flats_of_the_camera_have_it_and_no_seam_between_amplifiers(self) -> None:
        instrument, level = sixteen(), 120_000.0
        chosen = quiet(brighter_fatter="-1.7e-6 / electron")
        true = truth(chosen, instrument.detectors[0])
        stack = [collected(true, chosen, shot(index, light=level)).astype(float) - level for index in range(30)]
        left, width = np.array(stack), instrument.detectors[0].amplifiers[0].data.shape[1]
        factor = left.var() / level
        assert factor == pytest.approx(_astier(kernel(A00), level)[3, 3], abs=4 * np.sqrt(2 / left.size) + 0.001)
        borders = np.arange(1, 8) * width
        across = left[:, :, borders - 1] * left[:, :, borders]  # covariance over the borders of amplifiers
        inside = left[:, :, borders] * left[:, :, borders + 1]
        error = across.std() / np.sqrt(across.size)
        assert abs(across.mean() - inside.mean()) < 4 * np.sqrt(2) * error
        assert across.mean() > 3 * error


def _convolve(image: np.ndarray, weights: np.ndarray) -> np.ndarray:
    reach = len(weights) // 2
    padded = np.pad(image, reach)
    ny, nx = image.shape
    return sum(
        weights[y, x] * padded[y : y + ny, x : x + nx] for y in range(len(weights)) for x in range(len(weights))
    )


def _astier(a: np.ndarray, level: float) -> np.ndarray:
    """Give covariances over the level by Astier et al. 2019, equation 20, with b = 0, to third order."""
    size = len(a)
    wide = np.zeros((8 * size, 8 * size))
    wide[:size, :size] = a
    transform = np.fft.fft2(np.roll(wide, (-(size // 2), -(size // 2)), axis=(0, 1)))
    square, cube = (np.real(np.fft.ifft2(transform**n)) for n in (2, 3))
    rolled = [np.roll(one, (size // 2, size // 2), axis=(0, 1))[:size, :size] for one in (square, cube)]
    delta = np.zeros((size, size))
    delta[size // 2, size // 2] = 1.0
    return delta + a * level + 2 / 3 * rolled[0] * level**2 + 1 / 3 * rolled[1] * level**3


class TestFullWell:
    @given(st.integers(0, 2**32 - 1), st.floats(0.2, 3.0))
    def test_no_pixel_holds_more_and_what_has_room_is_kept(self, seed: int, level: float) -> None:
        charge = (np.random.default_rng(seed).random((60, 5)) ** 4 * level * 1000).astype(np.float32)
        before = charge.astype(float)
        spill(charge, 500.0)
        assert charge.max() <= 500.0 + 1e-3
        lost = before.sum(axis=0) - charge.astype(float).sum(axis=0)
        assert (lost > -0.05).all()  # float32 sums of 60 numbers of 500
        full = (charge >= 500.0 - 1e-3).all(axis=0)
        over_an_end = (charge[0] >= 500.0 - 1e-3) | (charge[-1] >= 500.0 - 1e-3)
        assert (np.abs(lost[~full & ~over_an_end]) < 0.05).all()

    def test_charge_spills_to_both_sides_of_its_column_and_to_no_other(self) -> None:
        charge = np.zeros((21, 3), np.float32)
        charge[10, 1] = 500.0
        spill(charge, 100.0)
        assert charge[:, 1].tolist() == [0.0] * 8 + [100.0] * 5 + [0.0] * 8
        assert charge[:, [0, 2]].sum() == 0.0

    def test_what_is_below_is_left_as_it_is(self) -> None:
        charge = np.arange(12, dtype=np.float32).reshape(4, 3)
        spill(charge, 100.0)
        assert np.array_equal(charge, np.arange(12).reshape(4, 3))

    def test_a_flat_beyond_it_is_cut_there(self) -> None:
        instrument, chosen = small_instrument(rows=40, columns=30), quiet()
        true = truth(chosen, instrument.detectors[0])
        charge = collected(true, chosen, shot(light=160_000.0, full_well=130_000.0))
        assert charge.max() == 130_000.0
        assert charge.mean() > 129_000.0


class TestCrosstalk:
    def test_it_is_asymmetric_and_as_small_as_that_of_latiss(self) -> None:
        found = truth(quiet(crosstalk=1.5e-3), sixteen().detectors[0]).crosstalk
        others = found[~np.eye(16, dtype=bool)]
        assert found.diagonal().tolist() == [0.0] * 16
        assert others.max() <= 1.5e-3
        assert 0.7 < np.median(others) / 1.8e-5 < 1.4  # of 240: rms of a median of them 15 %
        assert not np.allclose(found, found.T)

    def test_the_coefficients_of_an_amplifier_add_up_to_0_15_per_cent(self) -> None:
        detector = sixteen().detectors[0]
        sums = [truth(quiet(crosstalk=1.5e-3, seed=seed), detector).crosstalk.sum(axis=1).mean() for seed in range(40)]
        assert np.mean(sums) == pytest.approx(1.5e-3, rel=0.1)  # of 40 seeds: rms of their mean 2.5 %

    def test_off_is_off_even_where_the_instrument_has_coefficients(self) -> None:
        plain = small_instrument().detectors[0]
        count = len(plain.amplifiers)
        given = tuple(tuple(0.0 if i == j else 1e-4 for j in range(count)) for i in range(count))
        assert not truth(quiet(), evolve(plain, crosstalk=given)).crosstalk.any()

    def test_a_bright_pixel_shows_where_it_is_read_in_the_others(self) -> None:
        detector = sixteen().detectors[0]
        chosen = quiet(crosstalk=1.5e-3, full_well="1e9 electron")
        true = truth(chosen, detector)
        charge = np.zeros(detector.shape, np.float32)
        source = 3
        box = detector.amplifiers[source].position
        view = mirrored(charge[box.slices], detector.amplifiers[source])
        view[20, 30] = 100_000.0
        raw = read(true, chosen, shot(), charge)
        for victim, amplifier in enumerate(detector.amplifiers):
            data = raw[amplifier.name][amplifier.data.slices] - true.pedestal[amplifier.name]
            wanted = 100_000 / true.gain[detector.amplifiers[source].name] * (
                true.crosstalk[victim, source] if victim != source else 1.0
            )
            assert abs(data[20, 30] - wanted) <= 0.51  # whole numbers
            data[20, 30] = 0.0
            assert np.abs(data).max() <= 0.51

    def test_flats_and_single_pixels_are_crossed_alike(self) -> None:
        random = np.random.default_rng(5)
        signals = [(1000 * random.random((70, 8))).astype(np.float32) for _ in range(4)]
        weights = 1e-3 * random.random((4, 4))
        one, other = [each.copy() for each in signals], [each.copy() for each in signals]
        cross(one, weights, dense=True)
        cross(other, weights, dense=False)
        for dense, sparse in zip(one, other, strict=True):
            assert np.abs(dense - sparse).max() < 4 * 0.1 + 1e-3  # what is below 100 adu is not followed

    def test_coefficients_of_the_instrument_are_the_truth(self) -> None:
        plain = small_instrument().detectors[0]
        count = len(plain.amplifiers)
        given = tuple(tuple(0.0 if i == j else 1e-4 * (i + 2 * j + 1) for j in range(count)) for i in range(count))
        assert truth(quiet(crosstalk=1.5e-3), evolve(plain, crosstalk=given)).crosstalk.tolist() == [list(r) for r in given]


class TestSettling:
    def images(self, settled: int, settling: str = "4000 electron") -> dict[str, np.ndarray]:
        detector, chosen = sixteen().detectors[0], quiet(settling=settling, adc_bits=30)
        true = truth(chosen, detector)
        raw = read(true, chosen, shot(settled=settled), np.zeros(detector.shape, np.float32))
        found = {}
        for amplifier in detector.amplifiers:
            whole = raw[amplifier.name].astype(float)
            level = whole[amplifier.serial_overscan.slices].mean(axis=1)
            found[amplifier.name] = (whole[amplifier.data.slices] - level[:, None]) * true.gain[amplifier.name]
        return found

    def test_seven_of_sixteen_amplifiers_settle_four_of_them_with_much_charge(self) -> None:
        sizes = sorted(true for true in truth(quiet(settling="4000 electron"), sixteen().detectors[0]).settling.values())
        assert sizes[:9] == [0.0] * 9
        assert all(10 <= size <= 50 for size in sizes[9:12])  # a tenth of LATISS's, for a tenth of its rows
        assert all(250 <= size <= 400 for size in sizes[12:])

    def test_charge_of_the_first_rows_falls_by_e_in_eight(self) -> None:
        true = truth(quiet(settling="4000 electron"), sixteen().detectors[0]).settling
        for name, image in self.images(0).items():
            rows = image.mean(axis=1)
            assert np.abs(rows - true[name] * np.exp(-np.arange(200) / 8)).max() < 1.2  # whole adu, here and in the overscan

    def test_each_next_exposure_has_a_fiftieth(self) -> None:
        first, second, third = (self.images(n, "4e6 electron") for n in range(3))  # so that whole adu do not matter
        true = truth(quiet(settling="4e6 electron"), sixteen().detectors[0]).settling
        for name, image in first.items():
            if true[name]:
                assert second[name].sum() == pytest.approx(SETTLING_FALL * image.sum(), rel=0.01)
                assert third[name][0].mean() == pytest.approx(SETTLING_FALL**2 * image[0].mean(), rel=0.02, abs=1.2)  # whole adu

    def test_the_overscan_follows_the_pedestal_that_settles(self) -> None:
        quietest = [name for name, size in truth(quiet(settling="4000 electron"), sixteen().detectors[0]).settling.items() if not size]
        images = self.images(0)
        assert max(np.abs(images[name]).max() for name in quietest) < 1.2  # whole adu against their mean


class TestBlemishes:
    def test_bad_columns_are_bright_or_dim_from_some_row_on_to_the_far_end(self) -> None:
        detector = sixteen().detectors[0]
        true = truth(quiet(bad_columns=6), detector)
        assert len(true.bad_columns) == 6
        for number, column in enumerate(true.bad_columns):
            assert column.y1 - column.y0 >= 100
            assert 200 in (column.y0, column.y1)  # the middle: the far end from either readout
            if number % 2 == 0:
                assert 4.0 <= column.rate <= 20.0
                assert (true.dark[column.rows, column.x] >= column.rate - 1e-5).all()
            else:
                assert column.response <= 0.85
                assert (true.flat[column.rows, column.x] <= 0.86).all()

    def test_a_bright_column_gathers_its_rate(self) -> None:
        instrument, chosen = sixteen(), quiet(bad_columns=1)
        true = truth(chosen, instrument.detectors[0])
        (column,) = true.bad_columns
        charge = collected(true, chosen, shot(dark_time_s=100.0))
        found = charge[column.rows, column.x]
        assert found.mean() == pytest.approx(100 * column.rate, abs=4 * np.sqrt(100 * column.rate / found.size))
        charge[column.rows, column.x] = 0.0
        assert charge.sum() == 0.0

    def test_pixels_that_jump_have_two_levels_by_chance_and_at_any_time(self) -> None:
        instrument, chosen = small_instrument(rows=60, columns=50), quiet(telegraph_pixels="1 %")
        true = truth(chosen, instrument.detectors[0])
        stack = np.array([collected(true, chosen, shot(index)) for index in range(200)])
        y, x = true.telegraph.pixels.T
        assert (true.telegraph.heights >= JUMP_LOWEST).all()
        assert (true.telegraph.heights <= JUMP_HIGHEST).all()
        for row, column, height, duty in zip(y, x, true.telegraph.heights, true.telegraph.duties, strict=True):
            levels = stack[:, row, column]
            assert set(levels.tolist()) == {0.0, float(round(height))}
            assert abs((levels > 0).mean() - duty) < 4.5 * np.sqrt(duty * (1 - duty) / 200)
        assert np.count_nonzero(stack.max(axis=0)) == y.size


class TestNonLinearity:
    def test_signal_falls_short_by_half_a_per_cent_at_100000_electrons(self) -> None:
        instrument, chosen = small_instrument(), quiet(non_linearity="-0.5 %")
        detector = instrument.detectors[0]
        true = truth(chosen, detector)
        for level, part in ((100_000.0, -0.005), (20_000.0, -0.001)):
            raw = read(true, chosen, shot(), np.full(detector.shape, level, np.float32))
            for amplifier in detector.amplifiers:
                data = raw[amplifier.name][amplifier.data.slices] - true.pedestal[amplifier.name]
                wanted = level * (1 + part) / true.gain[amplifier.name]
                assert data.mean() == pytest.approx(wanted, abs=0.51)  # whole adu


class TestReset:
    def pedestals(self, *settled: tuple[int, int | None], settling: str = "0 electron") -> list[float]:
        detector, chosen = small_instrument().detectors[0], quiet(settling=settling)
        true, name = truth(chosen, detector), detector.amplifiers[0].name
        dark = np.zeros(detector.shape, np.float32)
        return [float(read(true, chosen, shot(9, settled=n, reset=at), dark)[name].mean()) for n, at in settled]

    def test_the_pedestal_jumps_and_stays_there_until_the_next(self) -> None:
        before, jumped, after, again = self.pedestals((100, None), (0, 5), (1, 5), (0, 7))
        assert abs(jumped - before) > 2
        assert after == jumped
        assert again != jumped


class TestStreams:
    def test_switching_one_effect_off_leaves_the_others_as_they_are(self) -> None:
        detector = small_instrument(rows=80, columns=60).detectors[0]
        on = {"cosmic_rays": "2000 / (cm2 min)", "hot_pixels": "1 %", "bad_columns": 2, "telegraph_pixels": "1 %"}
        off = {"cosmic_rays": "0 / (cm2 min)", "hot_pixels": "0 %", "bad_columns": 0, "telegraph_pixels": "0 %"}

        def charge(**said: object) -> np.ndarray:
            chosen = quiet(**said)
            return collected(truth(chosen, detector), chosen, shot(3, dark_time_s=60.0)).astype(float)

        together = charge(**on)
        assert np.array_equal(together, sum(charge(**{name: value}) for name, value in on.items()))
        for name, value in on.items():
            assert np.array_equal(together - charge(**{name: value}), charge(**on | {name: off[name]}))


class TestLamp:
    def test_its_drift_does_not_depend_on_the_time_of_the_exposure(self) -> None:
        chosen = quiet(lamp="3600 electron/s", lamp_drift="0.2 %")
        rates = [lamplight(chosen, 100, time_s) / time_s for time_s in (1.0, 5.0, 35.0)]
        assert rates == pytest.approx([rates[0]] * 3, rel=1e-12)
        assert rates[0] == pytest.approx(3600 * (1 + 0.002 * 100 / 60))

    def test_the_middle_is_2_5_per_cent_over_the_mean_and_the_corners_as_much_below(self) -> None:
        response = truth(quiet(vignetting="2.5 %"), sixteen().detectors[0]).flat
        assert response.max() == pytest.approx(1.025, abs=1e-3)
        assert response[0, 0] == pytest.approx(0.975, abs=1e-3)
