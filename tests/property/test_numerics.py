from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latcal.errors import BuildError
from latcal.numerics import budget, combine, cosmic_rays, overscan, statistics
from latcal.numerics.exposure import Probe, solve

SHAPE = (6, 8)
few = settings(max_examples=40, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def readers(cube):
    return [lambda rows, frame=frame: frame[rows].copy() for frame in cube]


def frames_with_rays(seed, count, sigma=8.0):
    random = np.random.default_rng(seed)
    cube = random.normal(0.0, sigma, (count, *SHAPE))
    cube[random.random(cube.shape) < 0.05] += 1_000.0
    cube[random.random(cube.shape) < 0.05] = np.nan
    return cube.astype(np.float32)


def nearly(first, second, scale=1.0):
    # float32 pixels: a few roundings of the largest number that went in
    return np.allclose(first, second, rtol=1e-5, atol=1e-3 * scale, equal_nan=True)


@few
@given(seeds, st.integers(1, 200), st.sampled_from(["mean", "median", "clipped_mean"]))
def test_the_order_of_the_frames_does_not_matter(seed, count, name):
    cube = frames_with_rays(seed, count)
    noise = np.random.default_rng(seed).uniform(6.0, 10.0, count)
    order = np.random.default_rng(seed + 1).permutation(count)
    combined = getattr(combine, name)
    first = combined(readers(cube), noise, SHAPE)
    second = combined(readers(cube[order]), noise[order], SHAPE)
    assert np.array_equal(first.kept, second.kept)
    assert nearly(first.image, second.image)
    assert np.allclose(first.variance, second.variance, rtol=1e-5, equal_nan=True)


@few
@given(seeds, st.integers(1, 40), st.integers(-1000, 1000), st.sampled_from(["mean", "median", "clipped_mean"]))
def test_a_shift_shifts_the_image_and_nothing_else(seed, count, shift, name):
    cube = np.rint(frames_with_rays(seed, count))  # whole numbers, so that the shift rounds nothing
    combined = getattr(combine, name)
    first = combined(readers(cube), [8.0] * count, SHAPE)
    second = combined(readers(cube + np.float32(shift)), [8.0] * count, SHAPE)
    assert np.array_equal(first.kept, second.kept)
    assert nearly(first.image + shift, second.image)
    assert np.allclose(first.variance, second.variance, equal_nan=True)


@few
@given(seeds, st.integers(1, 40), st.integers(-8, 8), st.sampled_from(["mean", "median", "clipped_mean"]))
def test_a_scale_scales_the_image_and_its_noise(seed, count, power, name):
    cube, scale = frames_with_rays(seed, count), 2.0**power  # powers of two round nothing
    combined = getattr(combine, name)
    first = combined(readers(cube), [8.0] * count, SHAPE)
    second = combined(readers(cube * np.float32(scale)), [8.0 * scale] * count, SHAPE)
    assert np.array_equal(first.kept, second.kept)
    assert nearly(first.image * scale, second.image, scale)
    assert np.allclose(first.variance * scale**2, second.variance, rtol=1e-5, equal_nan=True)


@few
@given(seeds, st.integers(1, 30))
def test_dividing_by_a_scale_is_combining_what_was_divided(seed, count):
    cube, random = frames_with_rays(seed, count), np.random.default_rng(seed)
    scale, noise = 2.0 ** random.integers(-2, 3, count), random.uniform(6.0, 10.0, count)
    first = combine.mean(readers(cube), noise, SHAPE, scale=scale)
    divided = (cube / scale[:, None, None]).astype(np.float32)
    second = combine.mean(readers(divided), noise / scale, SHAPE)
    assert np.array_equal(first.kept, second.kept)
    assert nearly(first.image, second.image)
    assert np.allclose(first.variance, second.variance, rtol=1e-5, equal_nan=True)


@few
@given(seeds, st.integers(3, 20), st.floats(1e3, 1e9))
def test_one_ray_is_rejected_however_bright(seed, count, charge):
    random = np.random.default_rng(seed)
    cube = random.normal(0.0, 8.0, (count, *SHAPE)).astype(np.float32)
    clean = combine.mean(readers(cube), [8.0] * count, SHAPE)
    cube[random.integers(count), 2, 3] += np.float32(charge)
    got = combine.mean(readers(cube), [8.0] * count, SHAPE)
    assert got.kept[2, 3] == count - 1
    # the mean of the others: no part of the charge
    assert abs(got.image[2, 3] - clean.image[2, 3]) < 8.0 * 5.0
    assert got.rejected == 1 + clean.rejected


@few
@given(seeds, st.integers(1, 30), st.floats(1.0, 20.0))
def test_the_mean_lies_among_its_samples(seed, count, clip):
    cube = frames_with_rays(seed, count)
    got = combine.mean(readers(cube), [8.0] * count, SHAPE, clip=clip)
    for y, x in np.ndindex(SHAPE):
        samples = cube[:, y, x][np.isfinite(cube[:, y, x])]
        assert got.kept[y, x] <= samples.size
        if got.kept[y, x]:
            assert samples.min() - 1e-3 <= got.image[y, x] <= samples.max() + 1e-3
            assert got.variance[y, x] > 0.0
        else:
            assert np.isnan(got.image[y, x])
            assert np.isnan(got.variance[y, x])


@few
@given(seeds, st.integers(1, 30), st.floats(0.1, 100.0))
def test_a_dark_in_another_unit_of_time_is_the_same_dark(seed, count, unit):
    cube, random = frames_with_rays(seed, count), np.random.default_rng(seed)
    times = random.choice([5.0, 15.0, 30.0], count)
    order = random.permutation(count)
    first = combine.rate(readers(cube), times, [8.0] * count, SHAPE)
    second = combine.rate(readers(cube[order]), times[order] * unit, [8.0] * count, SHAPE)
    # a sample within float32 of its limit may fall on either side, with its neighbours
    assert np.count_nonzero(first.kept != second.kept) == 0
    assert np.allclose(first.image, second.image * unit, rtol=1e-4, atol=1e-4, equal_nan=True)
    assert np.allclose(first.variance, second.variance * unit**2, rtol=1e-4, equal_nan=True)


@few
@given(seeds, st.integers(-500, 500), st.integers(-6, 6))
def test_clipped_statistics_follow_shift_and_scale(seed, shift, power):
    pixels = np.rint(np.random.default_rng(seed).normal(0.0, 20.0, 500)).astype(np.float32)
    pixels[::50] += 4_000.0
    scale = np.float32(2.0**power)
    first, second = statistics.clipped(pixels), statistics.clipped((pixels + np.float32(shift)) * scale)
    assert first.kept == second.kept
    assert second.mean == pytest.approx((first.mean + shift) * float(scale), rel=1e-9, abs=1e-9)
    assert second.sigma == pytest.approx(first.sigma * float(scale), rel=1e-9)


@few
@given(seeds, st.integers(-2000, 2000), st.sampled_from(overscan.SERIAL_MODELS[:3]),
       st.sampled_from(overscan.PARALLEL_MODELS))
def test_a_pedestal_is_taken_off_whole(seed, pedestal, serial_model, parallel_model):
    raw = np.rint(np.random.default_rng(seed).normal(5_000.0, 6.0, (60, 90))).astype(np.float32)
    sections = np.s_[0:40, 0:50], np.s_[0:40, 50:90], np.s_[40:60, 0:50]
    models = {"serial_model": serial_model, "parallel_model": parallel_model}
    first = overscan.subtract(raw, *sections, **models)
    second = overscan.subtract(raw + np.float32(pedestal), *sections, **models)
    # float32 of the model, at 7,000: half a thousandth
    assert np.allclose(first.pixels, second.pixels, atol=2e-3)
    assert second.read_noise == pytest.approx(first.read_noise, rel=1e-6)
    assert second.pedestal == pytest.approx(first.pedestal + pedestal, abs=2e-3)


@few
@given(seeds, st.integers(-200, 200), st.integers(-4, 4))
def test_cosmic_rays_follow_shift_scale_and_mirror(seed, shift, power):
    random = np.random.default_rng(seed)
    image = np.rint(random.normal(0.0, 64.0, (40, 50))).astype(np.float32)
    image[random.integers(0, 40, 5), random.integers(0, 50, 5)] += 1_000.0
    scale = np.float32(2.0**power)
    mask = cosmic_rays.find(image, 64.0)
    assert np.array_equal(cosmic_rays.find((image + np.float32(shift)) * scale, 64.0 * float(scale)), mask)
    assert np.array_equal(cosmic_rays.find(image[::-1], 64.0)[::-1], mask)
    assert np.array_equal(cosmic_rays.find(image.T, 64.0).T, mask)


@given(st.floats(1e3, 1e5), st.floats(-0.4, 2.0), st.floats(0.5, 5.0), st.floats(2.0, 10.0), st.floats(0.01, 1.0))
@settings(max_examples=200, deadline=None)
def test_two_probes_recover_any_rate_and_delay(rate, delay, time, factor, part):
    probes = [Probe(each, rate * (each + delay)) for each in (time, time * factor)]
    wanted = time * factor * (1.0 + part)
    target = rate * (wanted + delay)
    got = solve(probes, target, ceiling=10.0 * target, shortest=0.01, longest=1e4)
    # float64, amplified by at most 1 / (factor - 1) and delay / time
    assert got == pytest.approx(wanted, rel=1e-12)


numbers = st.floats(-1e6, 1e6)
times = st.floats(1e-3, 1e4)


@given(st.lists(st.builds(Probe, times, numbers), max_size=4), numbers, numbers, times, times)
@settings(max_examples=200, deadline=None)
def test_a_solved_time_is_within_limits_or_an_error(probes, target, ceiling, shortest, longest):
    try:
        got = solve(probes, target, ceiling=ceiling, shortest=shortest, longest=longest)
    except BuildError:
        return
    assert shortest <= got <= longest


@given(st.lists(st.floats(0.1, 1e3), min_size=1, max_size=40), st.integers(1, 100))
@settings(max_examples=100, deadline=None)
def test_an_internal_dark_is_never_noisier_than_an_independent_one(times_s, bias_frames):
    inside, outside = (
        budget.dark_excess(times_s[0], times_s, independent=independent, bias_frames=bias_frames)
        for independent in (False, True)
    )
    assert -1.0 <= inside < outside


@given(st.floats(0.005, 0.5), st.booleans())
@settings(max_examples=100, deadline=None)
def test_the_frames_needed_are_the_fewest(limit, independent):
    def excess(frames):
        return budget.bias_excess(frames, independent=independent)

    frames = budget.frames_needed(excess, limit, 1)
    assert frames is not None
    assert abs(excess(frames)) <= limit
    assert frames == 1 or abs(excess(frames - 1)) > limit
