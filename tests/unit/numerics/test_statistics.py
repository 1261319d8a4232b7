from __future__ import annotations

import math

import numpy as np
import pytest

from latcal.numerics import statistics


def by_definition(values, clip, iterations):
    values = values[np.isfinite(values)].astype(np.float64)
    low, centre, high = np.percentile(values, [25, 50, 75])
    half = clip * 0.741301109252802 * (high - low)
    for _ in range(iterations):
        kept = values[np.abs(values - centre) <= half]
        centre, sigma = kept.mean(), kept.std(ddof=1)
        half = clip * sigma
    return centre, sigma, kept.size


@pytest.mark.parametrize(("clip", "iterations"), [(3.0, 3), (5.0, 3), (3.0, 1), (2.0, 6)])
def test_the_clip_follows_its_definition(clip, iterations):
    random = np.random.default_rng(3)
    pixels = random.normal(20_000.0, 150.0, (301, 407)).astype(np.float32)
    pixels[random.random(pixels.shape) < 0.003] += 5_000.0
    pixels[5:9] = np.nan
    got = statistics.clipped(pixels, clip=clip, iterations=iterations)
    mean, sigma, kept = by_definition(pixels, clip, iterations)
    # both in float64; the sums differ in order only
    assert got.mean == pytest.approx(mean, rel=1e-10)
    assert got.sigma == pytest.approx(sigma, rel=1e-8)
    assert got.kept == kept


def test_without_any_value_the_answer_is_nan():
    got = statistics.clipped(np.full((3, 4), np.nan, dtype=np.float32))
    assert math.isnan(got.mean)
    assert math.isnan(got.sigma)
    assert got.kept == 0
    assert math.isnan(statistics.quartile_sigma(np.empty(0, dtype=np.float32)))
    assert math.isnan(statistics.level(np.full(3, np.nan, dtype=np.float32)))


def test_one_value_has_a_mean_and_no_sigma():
    got = statistics.clipped(np.array([np.nan, 7.0], dtype=np.float32))
    assert (got.mean, got.kept) == (7.0, 1)
    assert math.isnan(got.sigma)


def test_pixels_that_are_all_alike_are_all_kept():
    got = statistics.clipped(np.full(1000, 0.1, dtype=np.float32))
    assert (got.mean, got.sigma, got.kept) == (pytest.approx(0.1), 0.0, 1000)


@pytest.mark.parametrize("holes", [False, True])
def test_what_is_there_without_some_pixels_comes_with_the_clip(holes):
    random = np.random.default_rng(5)
    pixels = random.normal(3.0, 8.0, (301, 407)).astype(np.float32)
    pixels[random.random(pixels.shape) < 0.001] += 60_000.0
    if holes:
        pixels[random.random(pixels.shape) < 0.01] = np.nan
        pixels[7, 7] = np.inf
    left_out = (pixels > 30_000.0) | (random.random(pixels.shape) < 0.001)
    left_out[:, 200] = True
    clipped, whole = statistics.clipped_and_whole(pixels, left_out)
    assert clipped == statistics.clipped(pixels)
    # sums in float64, in another order
    assert (whole.mean, whole.sigma) == pytest.approx(statistics.unclipped(pixels, left_out), rel=1e-9)
    assert whole.kept == np.count_nonzero(np.isfinite(pixels) & ~left_out)


def test_infinite_pixels_are_ignored():
    got = statistics.clipped(np.array([1.0, 2.0, 3.0, np.inf, -np.inf], dtype=np.float32))
    assert (got.mean, got.kept) == (2.0, 3)


def test_the_level_does_not_follow_outliers():
    pixels = np.random.default_rng(1).normal(100.0, 10.0, 100_000).astype(np.float32)
    pixels[:200] = 60_000.0
    # 10 / sqrt(1e5) is 0.03: four of them
    assert statistics.level(pixels) == pytest.approx(100.0, abs=0.13)


def test_the_quartile_sigma_is_that_of_a_gaussian():
    pixels = np.random.default_rng(1).normal(0.0, 3.0, 400_000).astype(np.float32)
    # its error is 1.17 / sqrt(n) = 0.2 %: four of them
    assert statistics.quartile_sigma(pixels) == pytest.approx(3.0, rel=0.008)


@pytest.mark.parametrize("clip", [2.0, 3.0, 5.0])
def test_the_clip_factor_restores_the_variance(clip):
    values = np.random.default_rng(2).normal(size=1_000_000)
    inside = values[np.abs(values) <= clip]
    # sqrt(2 / 1e6) is 0.14 %: four of them
    assert inside.var() * statistics.clip_factor(clip) == pytest.approx(1.0, rel=0.006)


def test_the_clip_factor_at_5_sigma_is_next_to_nothing():
    assert statistics.clip_factor(5.0) - 1.0 == pytest.approx(1.49e-5, rel=0.01)


def test_statistics_leave_their_pixels_alone():
    pixels = np.random.default_rng(1).normal(size=(20, 30)).astype(np.float32)
    before = pixels.copy()
    statistics.clipped(pixels)
    statistics.quartile_sigma(pixels)
    assert np.array_equal(pixels, before)
