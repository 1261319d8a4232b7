from __future__ import annotations

import math

import numpy as np
import pytest

from latcal.errors import BuildError
from latcal.numerics import overscan, smoothing

NY, NX, SERIAL, PARALLEL = 600, 200, 64, 48
DATA = np.s_[0:NY, 3 : 3 + NX]
COLUMNS = np.s_[0:NY, 3 + NX : 3 + NX + SERIAL]
ROWS = np.s_[NY : NY + PARALLEL, 3 : 3 + NX]


def amplifier(seed=1, sigma=8.0, pedestal=20_000.0, shape=(NY + PARALLEL, 3 + NX + SERIAL)):
    values = np.random.default_rng(seed).normal(pedestal, sigma, shape)
    return np.rint(values).astype(np.float32)


def noise_of(pixels):
    """Variance within an amplifier, in units of what was put in."""
    return pixels.var(dtype=np.float64) / (8.0**2 + 1.0 / 12.0)


def test_the_pedestal_goes_and_the_data_stay():
    got = overscan.subtract(amplifier(), DATA, COLUMNS, ROWS)
    assert got.pixels.shape == (NY, NX)
    assert got.pixels.dtype == np.float32
    # the offset of 42 parallel rows, each corrected by 58 samples: 8 / sqrt(42 * 58) = 0.16; four of them
    assert got.pixels.mean(dtype=np.float64) == pytest.approx(0.0, abs=0.65)
    assert got.pedestal == pytest.approx(20_000.0, abs=0.65)


def test_the_read_noise_has_no_bias():
    # 8 amplifiers x 20,000 rows x 57 degrees of freedom: 0.023 %; twice that and the allowed 0.06 %
    sizes = (20_000, 70)
    values = []
    for seed in range(8):
        raw = amplifier(seed, shape=sizes)
        values.append(overscan.subtract(raw, np.s_[:, 0:6], np.s_[:, 6:70], None).read_noise)
    assert np.mean(values) == pytest.approx(8.0, rel=6e-4)


def test_the_error_of_the_read_noise_is_its_scatter():
    got = [overscan.subtract(amplifier(seed, shape=(200, 70)), np.s_[:, 0:6], np.s_[:, 6:70], None) for seed in range(200)]
    # 200 values: 5 % of scatter, three of them
    assert np.std([each.read_noise for each in got]) == pytest.approx(got[0].read_noise_error, rel=0.15)


@pytest.mark.parametrize("serial_model", overscan.SERIAL_MODELS)
@pytest.mark.parametrize("parallel_model", overscan.PARALLEL_MODELS)
def test_a_model_adds_the_variance_that_it_says(serial_model, parallel_model):
    # the same noise corrected and not: only the added part differs, so that few amplifiers are enough
    added = []
    for seed in range(8):
        raw = amplifier(seed)
        got = overscan.subtract(raw, DATA, COLUMNS, ROWS, serial_model=serial_model, parallel_model=parallel_model)
        added.append(noise_of(got.pixels) - noise_of(raw[DATA]))
    expected = got.serial_variance + got.parallel_variance
    # a variance of 600 row values (200 column values) and its product with the noise: 0.06 (0.1) of it, /sqrt(8);
    # and 2 sqrt(nu / pixels) / sqrt(8): 0.0003
    assert np.mean(added) == pytest.approx(expected, rel=0.15, abs=6e-4)


@pytest.mark.parametrize(("serial_model", "expected"), [
    ("median per row", math.pi / 2 / 58),
    ("constant", 1 / 58 / (NY + PARALLEL - 3)),  # the last 3 rows are skipped
    ("none", 0.0),
])
def test_the_serial_variance_is_that_of_the_model(serial_model, expected):
    got = overscan.subtract(amplifier(), DATA, COLUMNS, ROWS, serial_model=serial_model)
    assert got.serial_variance == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("smooth", "factor"), [(0.0, 1.0), (1.0, 0.2821), (2.0, 0.1410)])
def test_smoothing_takes_its_part_of_the_variance(smooth, factor):
    got = overscan.subtract(amplifier(), DATA, COLUMNS, ROWS, smooth=smooth)
    # a continuous Gaussian: 1 / (2 sqrt(pi) sigma); the reflected ends add less than 1 %
    assert got.serial_variance == pytest.approx(factor / 58, rel=0.01)


def test_the_reflected_ends_are_counted_exactly():
    kernel = smoothing.gaussian(1.5)
    for size in (1, 2, 5, 30, 200):
        matrix = np.array([smoothing.smoothed(row, kernel) for row in np.eye(size)])
        assert smoothing.mean_variance(kernel, size) == pytest.approx((matrix**2).sum() / size, rel=1e-12)


def test_row_structure_goes():
    raw = amplifier()
    raw += (50.0 * np.sin(np.arange(len(raw)) / 40.0)).astype(np.float32)[:, None]
    got = overscan.subtract(raw, DATA, COLUMNS, ROWS)
    assert noise_of(got.pixels) == pytest.approx(noise_of(amplifier()[DATA]), rel=0.02)


def test_a_slope_along_the_columns_goes_with_a_line():
    raw = amplifier()
    slope = np.zeros(raw.shape[1], dtype=np.float32)
    slope[3 : 3 + NX] = np.linspace(-30.0, 30.0, NX)
    got = overscan.subtract(raw + slope, DATA, COLUMNS, ROWS)
    assert noise_of(got.pixels) == pytest.approx(noise_of(raw[DATA]), rel=0.02)


def test_outliers_in_the_overscan_change_next_to_nothing():
    raw = amplifier()
    clean = overscan.subtract(raw, DATA, COLUMNS, ROWS)
    random = np.random.default_rng(7)
    hit = raw.copy()
    hit[random.integers(0, NY, 300), random.integers(3 + NX, 3 + NX + SERIAL, 300)] += 5_000.0
    hit[NY:, 50] += 60_000.0  # a saturated column, trailing
    got = overscan.subtract(hit, DATA, COLUMNS, ROWS)
    assert got.read_noise == pytest.approx(clean.read_noise, rel=0.002)
    assert np.abs(got.pixels - clean.pixels).max() < 3.0


def test_samples_without_value_are_ignored():
    raw = amplifier()
    clean = overscan.subtract(raw, DATA, COLUMNS, ROWS)
    for model in ("mean per row", "median per row", "constant"):
        hit = raw.copy()
        hit[::3, 3 + NX : 3 + NX + 20] = np.nan
        hit[100:103, 3 + NX :] = np.nan
        hit[NY : NY + 20, 10] = np.nan
        hit[NY:, 11] = np.nan
        got = overscan.subtract(hit, DATA, COLUMNS, ROWS, serial_model=model)
        assert np.isfinite(got.pixels).all()
        assert got.read_noise == pytest.approx(clean.read_noise, rel=0.02)
        # a row of 41 or no samples: 5 sigma of their error
        assert np.abs(got.pixels - clean.pixels).max() < 5.0 * 8.0 * math.sqrt(math.pi / 2 / 41) * 1.5


@pytest.mark.parametrize(("section", "name"), [(COLUMNS, "serial"), (ROWS, "parallel")])
def test_an_overscan_without_any_value_is_an_error(section, name):
    raw = amplifier()
    raw[section] = np.nan
    if name == "serial":
        raw[:, COLUMNS[1]] = np.nan
    with pytest.raises(BuildError, match=f"the {name} overscan .* holds no value at all"):
        overscan.subtract(raw, DATA, COLUMNS, ROWS)


def test_a_parallel_overscan_alone_gives_level_and_noise():
    # as on EFOSC2: six rows at the top
    raw = amplifier(shape=(506, 1000))
    got = overscan.subtract(raw, np.s_[0:500, :], None, np.s_[500:506, :], parallel_model="constant")
    # 4 rows are left: 8 / sqrt(4000) = 0.13, and 1 / sqrt(2 * 4000) = 1.1 %; four of either
    assert got.pixels.mean(dtype=np.float64) == pytest.approx(0.0, abs=0.5)
    assert got.read_noise == pytest.approx(8.0, rel=0.045)
    assert got.read_noise_error == pytest.approx(8.0 / math.sqrt(2 * 4 * 999), rel=0.05)
    assert got.serial_variance == 0.0
    assert got.parallel_variance == pytest.approx(1 / 4000)


def test_a_serial_overscan_alone_is_enough():
    got = overscan.subtract(amplifier(), DATA, COLUMNS, None)
    assert got.parallel_variance == 0.0
    assert got.pixels.mean(dtype=np.float64) == pytest.approx(0.0, abs=0.2)


def test_without_overscan_the_nominal_read_noise_is_taken():
    got = overscan.subtract(amplifier(), DATA, None, None, nominal_read_noise=7.5)
    assert (got.read_noise, got.pedestal) == (7.5, 0.0)
    assert math.isnan(got.read_noise_error)
    assert np.array_equal(got.pixels, amplifier()[DATA])


def test_without_overscan_or_nominal_read_noise_it_is_an_error():
    with pytest.raises(BuildError, match="give its nominal read noise"):
        overscan.subtract(amplifier(), DATA, None, None)


def test_an_unknown_model_is_an_error_that_names_the_known():
    with pytest.raises(BuildError, match=r"'spline' is not a model of the serial overscan .*median per row"):
        overscan.subtract(amplifier(), DATA, COLUMNS, ROWS, serial_model="spline")
    with pytest.raises(BuildError, match="'mean per row' is not a model of the parallel overscan"):
        overscan.subtract(amplifier(), DATA, COLUMNS, ROWS, parallel_model="mean per row")


def test_a_constant_is_not_a_whole_number():
    raw = amplifier(pedestal=20_000.4)
    got = overscan.subtract(raw, DATA, COLUMNS, None, serial_model="constant")
    # 8 / sqrt(58 * 600) = 0.043; four of them: a rounded median would be 0.4 off
    assert got.pedestal == pytest.approx(20_000.4, abs=0.17)


def test_hardly_any_noise_does_not_break_the_clip():
    raw = amplifier(sigma=0.3)
    got = overscan.subtract(raw, DATA, COLUMNS, ROWS)
    # rounding of so little noise is not a twelfth any more: only what was measured can be compared; samples of 0 and
    # ±1 scatter more than a Gaussian: 0.8 % each
    assert np.hypot(got.read_noise, 12**-0.5) == pytest.approx(raw[DATA].std(), rel=0.04)
    flat = np.full_like(raw, 100.0)
    assert overscan.subtract(flat, DATA, COLUMNS, ROWS).read_noise == 0.0


def test_one_narrow_column_cannot_tell_the_read_noise():
    with pytest.raises(BuildError, match="no line of the overscan holds two values"):
        overscan.subtract(amplifier(), DATA, np.s_[0:NY, 203:204], None)


def test_the_raw_array_is_left_alone():
    raw = amplifier()
    raw[5, 210] = np.nan
    before = raw.copy()
    overscan.subtract(raw, DATA, COLUMNS, ROWS)
    assert np.array_equal(raw, before, equal_nan=True)


def test_frame_noise_adds_models_and_quantisation_in_squares() -> None:
    nothing = np.zeros((1, 1), np.float32)
    read = overscan.Overscan(nothing, 3.0, 0.1, 3 / 9, 4 / 9, 1000.0)
    assert read.frame_noise == pytest.approx(math.sqrt(16.0 + 1 / 12))
    assert overscan.Overscan(nothing, 0.0, 0.1, 0.5, 0.0, 1000.0).frame_noise == pytest.approx(1 / math.sqrt(12.0))
