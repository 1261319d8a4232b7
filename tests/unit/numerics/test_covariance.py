"""Covariances of a pair: the sums, their signs, their errors, and the numbers of others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latcal.builtin.cameras.simulation.brighter_fatter import redistribute
from latcal.errors import BuildError
from latcal.numerics.covariance import pair_covariances, row_mean_variance
from latcal.numerics.flat_pair import FlatPair
from latcal.numerics.lagged_sums import LaggedSums
from latcal.numerics.statistics import clip_factor

SHAPE = (200, 204)
A00 = -1.7e-6


def flat(random, level, shape=SHAPE, a00=0.0):
    expected = np.broadcast_to(level, shape).astype(np.float32)
    charge = (random.poisson(expected) - expected).astype(np.float32)
    redistribute(expected, charge, a00)
    return (charge + random.normal(0.0, 8.0, shape)).astype(np.float32)


def rubin(seed, level, noise, gain=0.75):
    """Give the flat of the mock of cp_pipe: algorithms.md 7.0."""
    random = np.random.RandomState(seed)
    pixels = random.normal(level, np.sqrt(level), (204, 200)) + random.normal(0.0, noise, (204, 200))
    return (pixels / gain).astype(np.float32)


def directly(pixels, kept, lags):
    """Sum lag by lag, both diagonals together."""
    values, weights = pixels.astype(np.float64), kept.astype(np.float64)
    height, width = values.shape
    covariances, counts = np.zeros((lags, lags)), np.zeros((lags, lags))
    for serial in range(lags):
        for parallel in range(lags):
            for sign in {1, -1} if serial and parallel else {1}:
                here = (slice(0, height - parallel), slice(0, width - serial))
                there = (slice(parallel, height), slice(serial, width))
                if sign < 0:
                    here, there = (here[0], there[1]), (there[0], here[1])
                both = weights[here] * weights[there]
                count = both.sum()
                covariances[serial, parallel] += (both * values[here] * values[there]).sum()
                covariances[serial, parallel] -= (
                    (both * values[here]).sum() * (both * values[there]).sum() / count
                )
                counts[serial, parallel] += count
    return covariances / counts, counts


@pytest.mark.parametrize("shape", [(12, 11), (70, 40), (131, 33), (200, 17)])
@pytest.mark.parametrize("masked", [0.0, 0.1, 0.6])
def test_the_transform_gives_the_sums_lag_by_lag(shape, masked):
    random = np.random.default_rng(1)
    kept = random.random(shape) >= masked
    pixels = (random.normal(30.0, 100.0, shape) * kept).astype(np.float32)
    wanted, counts = directly(pixels, kept, 5)
    found = LaggedSums.of(pixels, kept, 5)
    np.testing.assert_array_equal(found.counts, counts)
    # double precision: 1e-16 of the variance of 1e4, times the root of the number of terms
    np.testing.assert_allclose(found.covariances, wanted, rtol=0, atol=1e-9)


def test_a_lag_at_which_no_two_pixels_are_kept_has_no_covariance():
    kept = np.zeros((8, 8), dtype=bool)
    kept[::2, ::2] = True
    found = LaggedSums.of(kept.astype(np.float32), kept, 3)
    assert found.counts[1].tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(found.covariances[1]).all()
    assert found.counts[2, 2] == 2 * 9


def test_the_first_index_is_the_serial_lag_and_neighbours_that_go_together_are_positive():
    random = np.random.default_rng(2)
    noise = [random.normal(0.0, 100.0, (300, 301)) for _ in range(2)]
    # each pixel has 20 % of its neighbour to the left: a covariance of 0.2 of the variance at lag (1, 0), 0 elsewhere
    first, second = ((10_000.0 + each[:, 1:] + 0.2 * each[:, :-1]).astype(np.float32) for each in noise)
    found = pair_covariances(first, second, lags=3)
    assert found.covariances[1, 0] == pytest.approx(2000.0, abs=4 * found.errors[1, 0])
    assert found.covariances[0, 1] == pytest.approx(0.0, abs=4 * found.errors[0, 1])
    assert found.covariances[0, 0] == found.variance == pytest.approx(10_400.0, abs=4 * found.variance_error)


def test_the_errors_are_what_white_noise_shows():
    random = np.random.default_rng(3)
    pulls = []
    for _ in range(40):
        found = pair_covariances(*(flat(random, 1000.0, (110, 102)) for _ in range(2)), noise=8.0, lags=4)
        truth = np.zeros((4, 4))
        truth[0, 0] = 1064.0
        pulls.append((found.covariances - truth) / found.errors)
    pulls = np.array(pulls)
    # 640 pulls: width within three of 1 / sqrt(1280), mean within three of 1 / sqrt(640); each lag, 4 sigma of 40
    assert pulls.std() == pytest.approx(1.0, abs=0.084)
    assert pulls.mean() == pytest.approx(0.0, abs=0.12)
    assert np.abs(pulls.mean(axis=0)).max() < 4 / math.sqrt(40)
    assert np.abs(pulls.std(axis=0) - 1.0).max() < 4 / math.sqrt(80)
    # diagonals have pairs on two sides: half the variance
    assert found.errors[1, 1] / found.errors[1, 0] == pytest.approx(math.sqrt(0.5), rel=0.01)
    assert found.errors[0, 0] / found.errors[1, 0] == pytest.approx(math.sqrt(2.0), rel=0.01)


def test_charge_that_is_moved_shows_at_the_lags_where_it_goes():
    random = np.random.default_rng(4)
    level, a00 = 30_000.0, -1.7e-6
    all_found = [
        pair_covariances(*(flat(random, level, (400, 300), a00) for _ in range(2)), noise=8.0, lags=4)
        for _ in range(8)
    ]
    mean = np.mean([found.covariances for found in all_found], axis=0)
    error = all_found[0].errors / math.sqrt(8)
    # to first order C_ij = a_ij mu^2; the next order is 2 / 3 (a * a) mu^3, some 7 % of these
    assert mean[0, 0] == pytest.approx(64 + level * math.expm1(2 * a00 * level) / (2 * a00 * level), abs=3 * error[0, 0])
    assert mean[1, 0] == pytest.approx(1.5e-7 * level**2, abs=3 * error[1, 0] + 0.1 * 135)
    assert mean[0, 1] == pytest.approx(2.5e-7 * level**2, abs=3 * error[0, 1] + 0.1 * 225)
    # charge is only moved: all lags together have the variance of photons; those beyond the fourth are 0
    whole = mean[0, 0] + 2 * mean[1:, 0].sum() + 2 * mean[0, 1:].sum() + 4 * mean[1:, 1:].sum()
    assert whole == pytest.approx(level + 64, abs=3 * math.sqrt(2 + 2 * 6 + 16 / 2 * 9 / 4) * 2 * error[1, 0])


@pytest.mark.parametrize(
    ("time", "level", "variance", "c10", "c01", "c11", "c22"),
    [  # algorithms.md 7.1, "numbers to check a from-scratch reader and statistics against"
        (1, 1333.2674, 1789.8332, -0.022, 4.823, -5.865, 7.940),
        (51, 67999.6161, 90518.2253, -67.522, 98.141, -235.256, 373.813),
        (96, 127999.4786, 170376.5322, -132.465, 172.248, -437.911, 701.433),
    ],
)
def test_the_mock_of_the_rubin_tests_gives_their_covariances(time, level, variance, c10, c01, c11, c22):
    found = pair_covariances(rubin(1984, 1000.0 * time, 3.0), rubin(666, 1000.0 * time, 3.0))
    # half of the last digit, and float32 pixels; ours are corrected for clipping
    assert found.level == pytest.approx(level, abs=6e-5)
    assert found.variance / clip_factor(5.5) == pytest.approx(variance, rel=2e-7)
    near = np.array([found.covariances[lag] for lag in ((1, 0), (0, 1), (1, 1), (2, 2))])
    assert near == pytest.approx(np.array([c10, c01, c11, c22]), abs=max(6e-4, 2e-7 * variance))


def test_the_correction_for_clipping_puts_back_variance_and_covariance():
    random = np.random.default_rng(5)
    noise = [random.normal(0.0, 100.0, (600, 601)) for _ in range(2)]
    first, second = ((10_000.0 + each[:, 1:] + 0.2 * each[:, :-1]).astype(np.float32) for each in noise)
    loose, tight = (pair_covariances(first, second, lags=2, clip=clip) for clip in (6.0, 3.0))
    # 3 sigma takes 2.7 % of a variance and 5.4 % of a covariance: without the factors these would be 10 and 2 sigma off;
    # what is clipped is common to both, so that they differ by less than one error
    assert tight.variance == pytest.approx(loose.variance, abs=loose.variance_error)
    assert tight.covariances[1, 0] == pytest.approx(loose.covariances[1, 0], abs=0.01 * 2000)
    assert tight.rejected == pytest.approx(0.0027 * 360_000, rel=0.15)


def test_noise_that_is_common_to_a_row_shows_in_the_variance_of_its_rows():
    random = np.random.default_rng(6)
    first, second = flat(random, 1000.0, (2000, 50)), flat(random, 1000.0, (2000, 50))
    pair = FlatPair.of(first, second)
    # 2 (1000 + 64) / 50; 2000 rows: three of 3.2 %
    assert row_mean_variance(pair) == pytest.approx(42.56, rel=0.095)
    first += random.normal(0.0, 5.0, (2000, 1)).astype(np.float32)
    assert row_mean_variance(FlatPair.of(first, second)) == pytest.approx(42.56 + 25.0, rel=0.095)


def test_the_last_row_counts_and_a_row_without_pixels_does_not():
    random = np.random.default_rng(7)
    first, second = flat(random, 1000.0, (40, 60)), flat(random, 1000.0, (40, 60))
    pair = FlatPair.of(first, second)
    means = pair.difference.mean(axis=1, dtype=np.float64)
    assert row_mean_variance(pair) == pytest.approx(means.var(ddof=1) * clip_factor(5.0), rel=1e-9)
    first[7] = np.nan
    masked = FlatPair.of(first, second)
    means = np.delete(masked.difference.mean(axis=1, dtype=np.float64), 7)
    assert row_mean_variance(masked) == pytest.approx(means.var(ddof=1) * clip_factor(5.0), rel=1e-3)


def test_edges_are_left_out():
    random = np.random.default_rng(8)
    first, second = flat(random, 1000.0), flat(random, 1000.0)
    whole = pair_covariances(first[20:-20, 20:-20], second[20:-20, 20:-20])
    first[:20], second[:, -3:] = 5e5, np.nan
    found = pair_covariances(first, second, edge=20)
    assert found.pixels == 160 * 164 - found.rejected
    np.testing.assert_array_equal(found.covariances, whole.covariances)


@pytest.mark.parametrize(
    ("shape", "options", "match"),
    [
        ((8, 3000), {}, r"8 x 3000 pixels have no 10 lags in both directions"),
        ((200, 204), {"lags": 0}, r"200 x 204 pixels have no 0 lags in both directions"),
        ((90, 90), {}, "8100 pixels have a value in both flats of a pair, not 10000"),
        ((40, 300), {"edge": 20}, "an edge of 20 pixels leaves nothing of 40 x 300 pixels"),
    ],
)
def test_what_has_no_covariances_is_refused_with_its_numbers(shape, options, match):
    pixels = np.ones(shape, dtype=np.float32)
    with pytest.raises(BuildError, match=match):
        pair_covariances(pixels, pixels, **options)


def test_a_band_without_values_costs_its_pixels_and_nothing_else():
    # algorithms.md 7.1, "mean and variance": mean 2000, sigma sqrt(2000) + 10, and 10 rows of NaN. Theirs is one-sided and to
    # 1 adu; too few pixels, none, and a strip narrower than the lag make NaN there and are refused here
    sigma = math.sqrt(2000.0) + 10.0
    random = np.random.default_rng(9)
    first, second = ((2000.0 + sigma * random.standard_normal(SHAPE)).astype(np.float32) for _ in range(2))
    first[50:60] = np.nan
    found = pair_covariances(first, second, lags=5)
    assert found.pixels == 190 * 204 - found.rejected
    # three of 54.7 / sqrt(2 * 38760), and the error that is stated
    assert found.level == pytest.approx(2000.0, abs=0.6)
    assert found.variance == pytest.approx(sigma**2, abs=3 * found.variance_error)
    assert np.abs(found.covariances / found.errors)[1:, 1:].max() < 4


def test_an_assembled_detector_with_seams_has_the_covariances_of_its_amplifiers():
    random = np.random.default_rng(10)
    parts = [[flat(random, 20_000.0 * bright, (150, 120), A00) for _ in range(2)] for bright in (1.0, 1.1, 0.95, 1.05)]
    seam = np.full((150, 7), np.nan, dtype=np.float32)

    def assembled(which):
        top = np.concatenate([parts[0][which], seam, parts[1][which]], axis=1)
        low = np.concatenate([parts[2][which], seam, parts[3][which]], axis=1)
        return np.concatenate([top, np.full((9, 247), np.nan, dtype=np.float32), low])

    whole = pair_covariances(assembled(0), assembled(1), noise=8.0, lags=4)
    each = [pair_covariances(*part, noise=8.0, lags=4) for part in parts]
    assert whole.pixels + whole.rejected == 4 * 150 * 120
    # seams of 7 and 9 pixels part lags below 7: the same pairs of pixels
    np.testing.assert_array_equal(whole.counts, sum(part.counts for part in each))
    assert whole.level == pytest.approx(np.mean([part.level for part in each]), rel=1e-6)
    # a level of its own in each amplifier: D of them has another mean in each, and a mismatch, by 1e-3 of an error
    mean = np.mean([part.covariances for part in each], axis=0)
    np.testing.assert_allclose(whole.covariances, mean, atol=0.05 * whole.errors[1, 0])
    assert whole.row_mean_variance < each[0].row_mean_variance  # twice as wide


def test_a_flat_without_any_value_is_refused_not_passed_on_as_nan():
    nothing = np.full(SHAPE, np.nan, dtype=np.float32)
    with pytest.raises(BuildError, match="0 pixels have a value in both flats of a pair, not 10000"):
        pair_covariances(nothing, nothing)
