from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latcal.numerics.covariance import pair_covariances
from latcal.numerics.gain import Noise, pair_gain
from latcal.numerics.ladder import Ladder
from latcal.numerics.lagged_sums import LaggedSums
from latcal.numerics.transfer import fit_transfer
from latcal.numerics.transfer_models import FullCovariance, exponential
from latcal.numerics.turnoff import find_turnoff

few = settings(max_examples=15, deadline=None, derandomize=True)
dear = settings(max_examples=6, deadline=None, derandomize=True)  # fits of several ladders
seeds = st.integers(0, 2**32 - 1)
levels = st.floats(100.0, 60_000.0)
estimators = st.sampled_from(["VARIANCE", "NONE", "SIMPLE", "FULL"])


def flats(seed, level, shape=(70, 64)):
    random = np.random.default_rng(seed)
    return [(random.poisson(level, shape) + random.normal(0.0, 5.0, shape)).astype(np.float32) for _ in range(2)]


def ladder(seed, count=14, side=2):
    random = np.random.default_rng(seed)
    at = np.sort(random.uniform(500.0, 90_000.0, count))
    a = np.array([[-2e-6, 2e-7], [1.5e-7, 5e-8]])
    noise = np.array([[50.0, 0.0], [0.0, 0.0]])
    truth = FullCovariance(1.2, a, noise, np.zeros((2, 2))).at(at)[:, :side, :side]
    relative = np.full(truth.shape, 0.002)
    return Ladder(at, truth + relative * truth[:, :1, :1] * random.standard_normal(truth.shape), relative)


@few
@given(seeds, levels, st.sampled_from([0.5, 2.0, 4.0]), estimators)
def test_the_gain_of_pixels_times_k_is_the_gain_over_k(seed, level, factor, estimator):
    first, second = flats(seed, level)
    one = pair_gain(first, second, Noise(5.0, 0.1), estimator=estimator)
    scaled = Noise(5.0 * factor, 0.1 * factor)
    two = pair_gain(first * factor, second * factor, scaled, estimator=estimator)
    # powers of two round nothing but the limit of the clip
    assert two.gain == pytest.approx(one.gain / factor, rel=1e-6)
    assert two.error == pytest.approx(one.error / factor, rel=1e-6)


@few
@given(seeds, levels, estimators)
def test_swapping_a_pair_changes_nothing_but_the_sign_of_the_mismatch(seed, level, estimator):
    first, second = flats(seed, level)
    one, two = (pair_gain(*pair, Noise(5.0), estimator=estimator) for pair in ((first, second), (second, first)))
    # float32 differences
    assert two.gain == pytest.approx(one.gain, rel=1e-5)
    assert two.mismatch == pytest.approx(-one.mismatch, abs=1e-9)
    assert two.pixels == one.pixels
    found, turned = (pair_covariances(*pair, lags=4, at_least=100) for pair in ((first, second), (second, first)))
    np.testing.assert_allclose(turned.covariances, found.covariances, atol=1e-5 * found.variance)


@few
@given(seeds, levels, st.integers(1, 40), st.integers(1, 40))
def test_adding_masked_pixels_changes_nothing(seed, level, rows, columns):
    first, second = flats(seed, level)
    wide = [np.pad(each, ((0, rows), (0, columns)), constant_values=np.nan) for each in (first, second)]
    one, two = pair_gain(first, second, Noise(5.0)), pair_gain(*wide, Noise(5.0))
    # sums in another order
    assert two.gain == pytest.approx(one.gain, rel=1e-6)
    assert two.pixels == one.pixels
    found, more = pair_covariances(first, second, lags=4, at_least=100), pair_covariances(*wide, lags=4, at_least=100)
    np.testing.assert_array_equal(more.counts, found.counts)
    np.testing.assert_allclose(more.covariances, found.covariances, atol=1e-6 * found.variance)


@few
@given(seeds, st.floats(-1000.0, 1000.0), st.floats(0.1, 10.0))
def test_lagged_sums_follow_a_shift_and_a_scale(seed, shift, scale):
    random = np.random.default_rng(seed)
    kept = random.random((30, 25)) < 0.8
    pixels = random.normal(0.0, 10.0, (30, 25))
    one = LaggedSums.of((pixels * kept).astype(np.float32), kept, 4)
    two = LaggedSums.of(((scale * pixels + shift) * kept).astype(np.float32), kept, 4)
    # float32 of a number of the size of the shift
    np.testing.assert_allclose(two.covariances, scale**2 * one.covariances, atol=1e-4 * scale * (scale + abs(shift)))


@dear
@given(seeds, st.sampled_from(["EXPAPPROXIMATION", "POLYNOMIAL", "FULLCOVARIANCE", "FULLCOVARIANCE_NO_B"]))
def test_the_order_of_the_pairs_does_not_matter(seed, model):
    pairs = ladder(seed)
    order = np.random.default_rng(seed).permutation(pairs.levels.size)
    one, two = fit_transfer(pairs, model, lags=2), fit_transfer(pairs.chosen(order), model, lags=2)
    assert two.gain == one.gain
    assert two.a00 == one.a00
    np.testing.assert_array_equal(two.kept, one.kept[order])
    np.testing.assert_array_equal(two.model_covariances, one.model_covariances[order])


@dear
@given(seeds, st.sampled_from([0.25, 2.0, 8.0]))
def test_a_curve_in_larger_units_has_a_smaller_gain_and_the_same_electrons(seed, factor):
    pairs = ladder(seed, side=1)
    scaled = Ladder(pairs.levels * factor, pairs.covariances * factor**2, pairs.relative_errors)
    one, two = fit_transfer(pairs), fit_transfer(scaled)
    # the fits settle at 1e-12 of chi-square: 1e-6 of an error
    assert two.gain == pytest.approx(one.gain / factor, rel=1e-5)
    assert two.a00 == pytest.approx(one.a00, rel=1e-3)
    assert two.turnoff.level == pytest.approx(one.turnoff.level * factor)


@dear
@given(seeds, st.integers(0, 13))
def test_a_pair_without_numbers_changes_nothing(seed, place):
    pairs = ladder(seed, side=1)
    nothing = [np.insert(each, place, np.nan, axis=0) for each in (pairs.levels, pairs.covariances, pairs.relative_errors)]
    one, two = fit_transfer(pairs), fit_transfer(Ladder(*nothing))
    assert two.gain == one.gain
    np.testing.assert_array_equal(np.delete(two.kept, place), one.kept)
    assert not two.kept[place]


@few
@given(seeds, st.integers(10, 40), st.floats(50_000.0, 90_000.0))
def test_a_turnoff_is_a_level_of_the_ladder_and_nothing_above_it_is_kept(seed, count, falls_at):
    # of 10 pairs that are spread at random, 4 or more lie below 50,000: fewer are no curve
    jitter = np.random.default_rng(seed).uniform(0.0, 1.0, count)
    at = 500.0 + 120_000.0 * (np.arange(count) + jitter) / count
    variances = exponential(at, -1.7e-6, 1.1, 70.0) * np.exp(-np.maximum(at - falls_at, 0.0) / 10_000.0)
    found = find_turnoff(Ladder.of_variances(at, variances, [1e6] * count))
    assert found.level == at[found.kept][-1]
    # 5 % low, which the scatter of real sensors allows, is 500 adu beyond the fall, and the curve may bend as much again
    assert found.level <= falls_at + 2_000.0
    assert found.kept.sum() >= (at < falls_at).sum()
