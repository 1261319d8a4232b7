from __future__ import annotations

import numpy as np
import pytest

from latcal.errors import BuildError
from latcal.numerics import combine, statistics
from latcal.numerics.stacks import BLOCK_BYTES

SHAPE = (60, 80)


def readers(cube):
    return [lambda rows, frame=frame: frame[rows].copy() for frame in np.asarray(cube, dtype=np.float32)]


def gaussian(frames, sigma=8.0, seed=1, shape=SHAPE):
    return np.random.default_rng(seed).normal(0.0, sigma, (frames, *shape)).astype(np.float32)


def by_definition(cube, noise, scale, clip, poisson):
    """Kept samples and mean in float64, pixel by pixel by the definition."""
    scale = np.asarray(scale, dtype=np.float64)[:, None, None]
    values = cube.astype(np.float64) / scale
    centre = np.nanmedian(values, axis=0)
    floor = np.asarray(noise)[:, None, None] ** 2
    sigma = np.sqrt(floor + (np.maximum(centre * scale, 0.0) if poisson else 0.0)) / scale
    z = np.abs(values - centre) / sigma
    count = np.isfinite(z).sum(axis=0)
    limit = np.full(z.shape[1:], clip)
    for place in zip(*np.nonzero((z > clip).any(axis=0) & (count >= 5)), strict=True):
        others = np.sort(z[:, *place][np.isfinite(z[:, *place])])[:-1]
        own = 1.4826 * np.median(others)
        if own > 1.0 + 4.68 / np.sqrt(count[place]):
            limit[place] = clip * own * (1.0 + 2.0 / count[place])
    kept = z <= limit
    with np.errstate(invalid="ignore"):
        return kept, np.where(kept, values, 0.0).sum(axis=0) / kept.sum(axis=0)


@pytest.mark.parametrize("frames", [1, 3, 4, 5, 6, 20, 200])
@pytest.mark.parametrize("poisson", [False, True])
def test_the_mean_keeps_what_the_definition_keeps(frames, poisson):
    random = np.random.default_rng(frames)
    scale, noise = random.uniform(0.5, 2.0, frames), random.uniform(5.0, 12.0, frames)
    level = 500.0 if poisson else 0.0
    sigma = np.sqrt(noise**2 + level * scale)
    cube = (random.normal(size=(frames, *SHAPE)) * sigma[:, None, None] + level * scale[:, None, None]).astype("f4")
    cube[random.random(cube.shape) < 0.01] += 300.0
    cube[:, 10:15, 20:30] *= 4.0  # really noisier
    cube[random.random(cube.shape) < 0.01] = np.nan
    cube[:, 5, 5] = 1.0
    kept, image = by_definition(cube, noise, scale, 5.0, poisson) if frames > 1 else (np.isfinite(cube), cube[0] / scale)
    got = combine.mean(readers(cube), noise, SHAPE, scale=scale, poisson=poisson)
    # a sample within float32 of its limit may fall on either side: one in a million here
    assert np.count_nonzero(got.kept != kept.sum(axis=0)) <= 1
    assert got.rejected == pytest.approx(int(np.isfinite(cube).sum() - kept.sum()), abs=1)
    same = got.kept == kept.sum(axis=0)
    assert np.allclose(got.image[same], image[same], rtol=1e-5, atol=1e-3, equal_nan=True)


@pytest.mark.parametrize("frames", [3, 5, 20])
def test_the_variance_of_a_mean_is_that_of_its_pulls(frames):
    cube = gaussian(frames, shape=(200, 200))
    hits = np.random.default_rng(2).integers(0, 200, (2, 100))
    for index, (y, x) in enumerate(hits.T):
        cube[index % frames, y, x] += 2_000.0
    got = combine.mean(readers(cube), [8.0] * frames, (200, 200))
    pulls = got.image / np.sqrt(got.variance)
    # 40,000 pulls: 0.35 % of width
    assert pulls.std() == pytest.approx(1.0, abs=0.015)
    assert np.abs(pulls).max() < 6.0
    assert 95 <= got.rejected <= 102


@pytest.mark.parametrize("frames", [3, 5, 20])
def test_the_variance_of_a_flat_is_that_of_its_pulls(frames):
    random = np.random.default_rng(3)
    scale = np.linspace(0.3, 2.0, frames)
    cube = random.poisson(5_000.0 * scale[:, None, None], (frames, 200, 200)) + gaussian(frames, 10.0, shape=(200, 200))
    got = combine.mean(readers(cube), [10.0] * frames, (200, 200), scale=scale, poisson=True)
    pulls = (got.image - 5_000.0) / np.sqrt(got.variance)
    assert pulls.std() == pytest.approx(1.0, abs=0.015)
    assert pulls.mean() == pytest.approx(0.0, abs=0.02)


def test_weights_weigh_and_are_in_the_variance():
    cube = np.stack([np.full(SHAPE, 10.0), np.full(SHAPE, 16.0)])
    got = combine.mean(readers(cube), [4.0, 8.0], SHAPE, weights=[2.0, 1.0])
    assert np.allclose(got.image, 12.0)
    assert np.allclose(got.variance, (4.0 * 16.0 + 64.0) / 9.0)
    cube[1, 3, 3] = np.nan
    got = combine.mean(readers(cube), [4.0, 8.0], SHAPE, weights=[2.0, 1.0])
    assert got.image[3, 3] == pytest.approx(10.0)
    assert got.variance[3, 3] == pytest.approx(16.0)


def test_a_pixel_without_value_is_nan():
    cube = gaussian(4)
    cube[:, 7, 9] = np.nan
    cube[0] = np.nan
    for got in (
        combine.mean(readers(cube), [8.0] * 4, SHAPE),
        combine.median(readers(cube), [8.0] * 4, SHAPE),
        combine.clipped_mean(readers(cube), [8.0] * 4, SHAPE),
        combine.rate(readers(cube), [5.0, 30.0, 30.0, 30.0], [8.0] * 4, SHAPE),
    ):
        assert np.isnan(got.image[7, 9])
        assert np.isnan(got.variance[7, 9])
        assert got.kept[7, 9] == 0
        assert np.isfinite(np.delete(got.image.ravel(), 7 * 80 + 9)).all()
        assert got.kept.max() <= 3


def test_two_samples_that_differ_are_both_doubted():
    cube = np.zeros((2, *SHAPE))
    cube[1, 4, 4] = 1_000.0
    got = combine.mean(readers(cube), [8.0, 8.0], SHAPE)
    assert got.kept[4, 4] == 0
    assert np.isnan(got.image[4, 4])


@pytest.mark.parametrize("frames", [3, 4, 5, 8, 20])
@pytest.mark.parametrize("charge", [100.0, 1e4, 1e8])
def test_a_cosmic_ray_never_widens_its_own_limit(frames, charge):
    cube = gaussian(frames)
    cube[1] += charge
    got = combine.mean(readers(cube), [8.0] * frames, SHAPE)
    # at 100 (12 sigma): where the others are by chance 3 times as noisy as the model, at most 0.05 % of 4,800 pixels
    assert np.count_nonzero(got.kept == frames) <= (8 if charge == 100.0 else 0)
    assert got.rejected >= 0.998 * got.kept.size


def test_pixels_that_are_really_noisier_are_kept():
    cube = gaussian(20)
    cube[:, :, 40:] *= 6.0
    got = combine.mean(readers(cube), [8.0] * 20, SHAPE)
    # at 6 times the model's noise a limit of 5 sigma of the model would lose 40 %
    assert got.kept[:, 40:].mean() > 0.99 * 20
    # the quality tells them
    ratio = got.quality / (got.kept * got.variance)
    assert np.median(ratio[:, :40]) == pytest.approx(1.0, abs=0.05)
    assert np.median(ratio[:, 40:]) == pytest.approx(36.0, rel=0.06)


def test_strips_do_not_change_a_mean():
    cube = gaussian(7)
    cube[2, 10:14, 3] += 500.0
    whole = combine.mean(readers(cube), [8.0] * 7, SHAPE)
    for rows in (1, 7, 1000):
        got = combine.mean(readers(cube), [8.0] * 7, SHAPE, rows=rows)
        assert np.array_equal(got.image, whole.image)
        assert np.array_equal(got.kept, whole.kept)
        assert got.rejected == whole.rejected


def test_a_mean_says_what_it_is_made_of():
    got = combine.mean(readers(gaussian(3)), [6.0, 8.0, 9.0], SHAPE)
    assert got.model_sigma == pytest.approx(8.0)
    assert got.clip_efficiency == pytest.approx(1.0, abs=1e-4)
    assert (got.image.dtype, got.variance.dtype, got.kept.dtype) == (np.float32, np.float32, np.uint16)
    flat = combine.mean(readers(gaussian(3) + 1_000.0), [8.0] * 3, SHAPE, poisson=True)
    assert flat.model_sigma == pytest.approx(np.sqrt(1_064.0), rel=0.01)


NIGHT = np.array([5.0] * 4 + [15.0] * 2 + [30.0] * 16)


def darks(current=0.02, shape=(150, 200), seed=5, sigma=8.0):
    random = np.random.default_rng(seed)
    signal = random.poisson(current * NIGHT[:, None, None], (NIGHT.size, *shape))
    return (signal + random.normal(0.0, sigma, (NIGHT.size, *shape))).astype(np.float32)


@pytest.mark.parametrize("current", [0.02, 2.0, 100.0])
def test_the_variance_of_a_dark_is_that_of_its_pulls(current):
    cube = darks(current)
    for index, frame in enumerate(cube):
        frame[5 + 6 * index, 10:190:9] += 3_000.0
    got = combine.rate(readers(cube), NIGHT, [8.0] * NIGHT.size, (150, 200))
    pulls = (got.image - current) / np.sqrt(got.variance)
    # 30,000 pulls: 0.4 % of width; the rectified rate in the weights is 0.5 % of variance
    assert pulls.std() == pytest.approx(1.0, abs=0.02)
    assert np.abs(pulls).max() < 6.0


def test_a_dark_is_better_than_a_mean_of_rates():
    cube = darks()
    got = combine.rate(readers(cube), NIGHT, [8.0] * NIGHT.size, (150, 200))
    weighted = np.sqrt(1.0 / (NIGHT**2 / (64.0 + 0.02 * NIGHT)).sum())
    assert got.image.std() == pytest.approx(weighted, rel=0.02)
    assert (cube / NIGHT[:, None, None]).mean(axis=0).std() > 2.0 * weighted


def test_rejected_samples_take_their_neighbours_along_in_their_frame():
    cube = darks(shape=SHAPE)
    cube[10, 20, 30] += 4_000.0
    cube[11, 0, 0] += 4_000.0
    got = combine.rate(readers(cube), NIGHT, [8.0] * NIGHT.size, SHAPE)
    assert (got.kept[19:22, 29:32] == NIGHT.size - 1).all()
    assert (got.kept[:2, :2] == NIGHT.size - 1).all()
    assert got.rejected == 13
    bare = combine.rate(readers(cube), NIGHT, [8.0] * NIGHT.size, SHAPE, grow=0)
    assert bare.rejected == 2


def test_strips_do_not_change_a_dark():
    cube = darks(0.5, SHAPE)
    random = np.random.default_rng(1)
    cube[random.random(cube.shape) < 0.003] += 60.0
    cube[random.random(cube.shape) < 0.003] += 1_000.0
    cube[random.random(cube.shape) < 0.003] = np.nan
    whole = combine.rate(readers(cube), NIGHT, [8.0] * NIGHT.size, SHAPE, rows=60, grow=2)
    for rows in (1, 2, 7):
        got = combine.rate(readers(cube), NIGHT, [8.0] * NIGHT.size, SHAPE, rows=rows, grow=2)
        assert np.array_equal(got.kept, whole.kept)
        assert np.allclose(got.image, whole.image, rtol=1e-6, atol=1e-6, equal_nan=True)
        assert got.rejected == whole.rejected


def dark_by_definition(cube, times, noise, clip=5.0):
    """As `combine.rate` without growth, every pixel in float64, no shortcut."""
    values, time, floor = cube.astype(np.float64), times[:, None, None], np.asarray(noise)[:, None, None] ** 2

    def average(kept):
        guess = np.where(kept, time * values / floor, 0.0).sum(axis=0) / np.where(kept, time**2 / floor, 0.0).sum(axis=0)
        variance = floor + time * np.maximum(guess, 0.0)
        top = np.where(kept, time * values / variance, 0.0).sum(axis=0)
        return top / np.where(kept, time**2 / variance, 0.0).sum(axis=0)

    long = times >= 0.5 * times.max()
    current = np.median((values / time)[long], axis=0)
    sigma = np.sqrt(floor + time * np.maximum(current, 0.0))
    doubt = np.sqrt(np.pi / 2 / long.sum()) * np.median((sigma / time)[long], axis=0)
    for number in range(2):
        sigma = np.sqrt(floor + time * np.maximum(current, 0.0))
        z = np.abs(values - time * current) / (np.maximum(sigma, time * doubt) if number == 0 else sigma)
        own = 1.4826 * np.median(np.sort(z, axis=0)[:-1], axis=0)
        kept = z <= clip * np.where(own > 1.0 + 4.68 / np.sqrt(len(z)), own * (1.0 + 2.0 / len(z)), 1.0)
        current = average(kept)
    return kept, current


def test_the_dark_keeps_what_the_definition_keeps():
    cube = darks(0.3)
    random = np.random.default_rng(1)
    cube[random.random(cube.shape) < 0.004] += 45.0
    cube[random.random(cube.shape) < 0.004] += 700.0
    cube[:, 50:60, 50:60] += (200.0 * NIGHT)[:, None, None] * random.normal(1.0, 0.3, (NIGHT.size, 10, 10))
    noise = random.uniform(7.0, 9.0, NIGHT.size)
    kept, image = dark_by_definition(cube, NIGHT, noise)
    got = combine.rate(readers(cube), NIGHT, noise, (150, 200), grow=0)
    same = got.kept == kept.sum(axis=0)
    assert np.count_nonzero(~same) <= 1
    assert np.allclose(got.image[same], image[same], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "times",
    [(5.0, 20.0, 60.0), (5.0, 5.0, 60.0), (5.0, 30.0, 60.0), (5.0, 5.0, 15.0, 60.0), (5.0, 15.0, 30.0, 60.0), (5.0, 300.0)],
)
def test_a_long_frame_is_not_judged_by_what_a_short_one_knows(times):
    random, shape = np.random.default_rng(3), (150, 200)
    cube = [random.poisson(0.02 * time, shape) + 9.0 * random.standard_normal(shape) for time in times]
    got = combine.rate(readers(cube), times, [9.0] * len(times), shape)
    # what noise alone must not lose; 30,000 pulls: 0.4 % of width, and the rectified rate in the weights (docs/physics.md)
    assert np.mean(got.kept < len(times)) < 0.003
    assert 0.96 < ((got.image - 0.02) / np.sqrt(got.variance)).std() < 1.01
    assert got.image.mean() == pytest.approx(0.02, abs=4.0 * got.image.std() / np.sqrt(got.image.size) + 0.0005)
    if len(times) > 2:
        cube[-1][::10, ::10] += 1_000.0  # a cosmic ray in the longest frame is more than the others' doubt
        struck = combine.rate(readers(cube), times, [9.0] * len(times), shape, grow=0)
        assert (struck.kept[::10, ::10] < len(times)).all()


def test_short_frames_judge_one_another_where_the_long_ones_have_no_value():
    times, random = (5.0, 5.0, 20.0, 60.0, 60.0, 60.0), np.random.default_rng(4)
    cube = [random.poisson(0.02 * time, SHAPE) + 9.0 * random.standard_normal(SHAPE) for time in times]
    for frame in cube[3:]:
        frame[:] = np.nan
    assert (combine.rate(readers(cube), times, [9.0] * 6, SHAPE).kept == 3).mean() > 0.997


def test_one_dark_is_its_rate():
    cube = darks(shape=SHAPE)[-1:]
    got = combine.rate(readers(cube), [30.0], [8.0], SHAPE)
    assert np.allclose(got.image, cube[0] / 30.0, rtol=1e-5)
    assert np.isnan(got.quality).all()


def test_a_dark_of_no_time_is_an_error():
    with pytest.raises(BuildError, match="dark time of frame 2 of 2 is 0"):
        combine.rate(readers(gaussian(2)), [30.0, 0.0], [8.0, 8.0], SHAPE)


@pytest.mark.parametrize("combined", [
    lambda: combine.mean([], [], SHAPE),
    lambda: combine.median([], [], SHAPE),
    lambda: combine.clipped_mean([], [], SHAPE),
    lambda: combine.rate([], [], [], SHAPE),
])
def test_no_frames_are_an_error(combined):
    with pytest.raises(BuildError, match="no frames to combine"):
        combined()


def test_a_number_for_each_frame_is_asked_for():
    with pytest.raises(BuildError, match="2 values of noise are not one for each of 3 frames"):
        combine.mean(readers(gaussian(3)), [8.0, 8.0], SHAPE)
    with pytest.raises(BuildError, match="the scale of frame 1 of 3 is 0, not a positive number"):
        combine.mean(readers(gaussian(3)), [8.0] * 3, SHAPE, scale=[0.0, 1.0, 1.0])
    with pytest.raises(BuildError, match="the noise of frame 3 of 3 is nan"):
        combine.mean(readers(gaussian(3)), [8.0, 8.0, np.nan], SHAPE)


# the table of Monte Carlo figures for the parity primitive: 4e5 trials a row there, 2e5 here: 0.16 % of noise
@pytest.mark.parametrize(("frames", "noise", "kept", "variance", "plain"), [
    (3, 1.001, 1.000, 0.998, 1.158),
    (4, 1.082, 0.955, 0.834, 1.092),
    (5, 1.085, 0.929, 0.764, 1.198),
    (20, 1.035, 0.990, 0.940, 1.213),
])
def test_the_clipped_mean_and_the_median_are_those_of_the_table(frames, noise, kept, variance, plain):
    shape = (200, 1000)
    cube = gaussian(frames, 1.0, 9, shape)
    got = combine.clipped_mean(readers(cube), [1.0] * frames, shape)
    assert got.image.std() * np.sqrt(frames) == pytest.approx(noise, abs=0.008)
    assert got.kept.mean() / frames == pytest.approx(kept, abs=0.002)
    assert np.nanmean(got.quality) == pytest.approx(variance, abs=0.008)
    # where few are kept by chance, 1 / kept says too much: 1.7 % at 4 frames, and 3 % is fair
    assert (got.image / np.sqrt(got.variance)).std() == pytest.approx(1.0, abs=0.03)
    assert got.clip_efficiency == pytest.approx(noise)
    middle = combine.median(readers(cube), [1.0] * frames, shape)
    assert middle.image.std() * np.sqrt(frames) == pytest.approx(plain, abs=0.008)
    assert (middle.image / np.sqrt(middle.variance)).std() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 7, 12])
def test_the_clipped_mean_is_the_statistic_pixel_by_pixel(frames):
    cube = gaussian(frames, shape=(4, 5))
    cube[0, :2] += 100.0
    cube[0, 1, 1] = np.nan
    cube[:, 3, 3] = 0.1
    got = combine.clipped_mean(readers(cube), [8.0] * frames, (4, 5))
    for y, x in np.ndindex(4, 5):
        expected = statistics.clipped(cube[:, y, x], clip=3.0, iterations=3)
        # float32 of what is up to 100 off the first frame
        assert got.image[y, x] == pytest.approx(expected.mean, rel=1e-6, abs=1e-5, nan_ok=True)
        assert got.kept[y, x] == expected.kept


def test_three_frames_never_lose_an_outlier_to_the_clipped_mean_but_do_to_the_mean():
    cube = gaussian(3)
    cube[1, 5, 5] = 800.0
    assert combine.clipped_mean(readers(cube), [8.0] * 3, SHAPE).kept[5, 5] == 3
    assert combine.mean(readers(cube), [8.0] * 3, SHAPE).kept[5, 5] == 2


@pytest.mark.parametrize("clip", [2.0, 3.0])
def test_a_narrow_clip_of_the_mean_is_paid_for_in_the_variance(clip):
    shape = (100, 200)
    got = combine.mean(readers(gaussian(40, shape=shape)), [8.0] * 40, shape, clip=clip)
    # 20,000 pulls: 0.5 %; many frames are assumed, of which 40 are not quite enough
    assert (got.image / np.sqrt(got.variance)).std() == pytest.approx(1.0, abs=0.02)


def test_memory_is_bounded_by_strips():
    seen = []

    def read(rows):
        seen.append(rows.stop - rows.start)
        return np.zeros((rows.stop - rows.start, 500), dtype=np.float32)

    combine.mean([read] * 50, [8.0] * 50, (2_000, 500))
    assert max(seen) * 50 * 500 * 4 <= BLOCK_BYTES


def counts(frames):
    """Give raw counts with cosmic rays, as a file holds them."""
    random = np.random.default_rng(frames)
    cube = np.rint(random.normal(1_000.3, 5.0, (frames, *SHAPE)))
    cube[random.random(cube.shape) < 0.01] += 700.0
    return cube


COMBINATIONS = (combine.mean, combine.clipped_mean, combine.median)


@pytest.mark.parametrize("combination", COMBINATIONS)
@pytest.mark.parametrize("scaled", [False, True])
def test_numbers_of_any_type_are_taken_as_they_are(combination, scaled):
    cube = counts(9)
    scale = np.linspace(0.5, 2.0, 9) if scaled else None
    wanted = combination(readers(cube), [5.0] * 9, SHAPE, scale=scale)
    for kind in (">u2", ">i4", "<u2", ">f4", "f8"):
        stack = [lambda rows, frame=frame: frame[rows] for frame in cube.astype(kind)]
        got = combination(stack, [5.0] * 9, SHAPE, scale=scale)
        assert np.array_equal(got.image, wanted.image)
        assert np.array_equal(got.kept, wanted.kept)


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_threads_do_not_change_a_combination(combination):
    cube = counts(7)
    one = combination(readers(cube), [5.0] * 7, SHAPE, rows=3)
    two = combination(readers(cube), [5.0] * 7, SHAPE, rows=3, threads=2)
    for name in ("image", "variance", "kept", "quality"):
        assert np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True), name
    assert (one.rejected, one.model_sigma) == (two.rejected, two.model_sigma)


class Again:
    """Reads a frame, from the second block on into what it gave before."""

    def __init__(self, frame):
        self.frame, self.used = frame, 0

    def __call__(self, rows):
        return self.frame[rows].copy()

    def again(self, rows, room):
        self.used += 1
        part = room[: self.frame[rows].size].reshape(-1, SHAPE[1])
        part[...] = self.frame[rows]
        return part


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_reading_into_the_same_memory_does_not_change_a_combination(combination):
    cube = counts(7)
    wanted, stack = combination(readers(cube), [5.0] * 7, SHAPE, rows=7), [Again(frame) for frame in cube.astype(">u2")]
    got = combination(stack, [5.0] * 7, SHAPE, rows=7, threads=2)
    assert all(read.used for read in stack)
    for name in ("image", "variance", "kept", "quality"):
        assert np.array_equal(getattr(got, name), getattr(wanted, name), equal_nan=True), name


@pytest.mark.parametrize("combination", COMBINATIONS)
def test_a_reader_that_fails_in_a_thread_fails_the_combination(combination):
    def read(rows):
        raise BuildError(f"rows {rows.start} cannot be read")

    with pytest.raises(BuildError, match="cannot be read"):
        combination([*readers(counts(4)), read], [5.0] * 5, SHAPE, threads=2)


@pytest.mark.parametrize("combination", [*COMBINATIONS[:2], lambda stack, noise, shape: combine.rate(stack, [1.0] * 9, noise, shape)])
def test_it_is_marked_where_a_sample_was_left_out(combination):
    cube = gaussian(9)
    cube[4, 7, 8] += 900.0
    cube[:, 3, 3] = np.nan
    got = combination(readers(cube), [8.0] * 9, SHAPE)
    valued = np.isfinite(cube).sum(axis=0)
    assert np.array_equal(got.left_out, got.kept < valued)
    assert got.left_out[7, 8]


def test_nothing_is_marked_where_all_was_kept():
    assert combine.mean(readers(np.ones((5, *SHAPE))), [8.0] * 5, SHAPE).left_out is None


@pytest.mark.parametrize("frames", [3, 4, 20, 63, 200])
def test_the_clipped_mean_keeps_what_sorting_and_clipping_in_float64_keeps(frames):
    cube = np.random.default_rng(frames).normal(1e4, 8.0, (frames, *SHAPE)).astype(np.float32)
    cube[0, ::3, ::5] += 500.0
    cube[0, 1::9] += 3e6  # the reference is far off
    values = cube.astype(np.float64)
    low, centre, high = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
    half = 3.0 * statistics.QUARTILES_TO_SIGMA * (high - low)
    for _ in range(3):
        kept = np.abs(values - centre) <= half
        left = np.where(kept, values, np.nan)
        centre, half = np.nanmean(left, axis=0), 3.0 * np.nanstd(left, axis=0, ddof=1)
    got = combine.clipped_mean(readers(cube), [8.0] * frames, SHAPE)
    assert np.array_equal(got.kept, kept.sum(axis=0))
    assert np.allclose(got.image, centre, rtol=5e-7)  # some roundings of float32 at the largest sample


def test_a_ray_in_the_frame_that_offsets_are_from_costs_no_digits():
    cube = gaussian(5) + np.float32(1_000.0)
    cube[0, ::4] += 1e9
    for combination in COMBINATIONS[1:]:
        struck = combination(readers(cube), [8.0] * 5, SHAPE)
        expected = np.median(cube[:, ::4], axis=0) if combination is combine.median else cube[1:, ::4].mean(axis=0)
        same = struck.kept[::4] == (5 if combination is combine.median else 4)
        assert same.mean() > 0.4
        assert np.allclose(struck.image[::4][same], expected[same], rtol=2e-7)


@pytest.mark.parametrize("frames", [3, 4, 5, 8, 20, 60, 200])
@pytest.mark.parametrize("sigmas", [8.0, 30.0])
def test_rays_are_found_no_worse_than_by_the_robust_primitive(frames, sigmas):
    shape = (100, 100)
    cube, clean = gaussian(frames, shape=shape), gaussian(frames, seed=2, shape=shape)
    cube[frames // 2, ::5, ::5] += 8.0 * sigmas
    found, lost = ({}, {})
    for combination in (combine.mean, combine.clipped_mean):
        struck = combination(readers(cube), [8.0] * frames, shape)
        found[combination] = np.count_nonzero(struck.kept[::5, ::5] < frames)
        lost[combination] = combination(readers(clean), [8.0] * frames, shape).rejected
    # 400 rays: by chance either finds one or two more that hide in noise
    assert found[combine.mean] >= found[combine.clipped_mean] - 2
    assert found[combine.mean] >= (0.95 if frames > 3 or sigmas > 8.0 else 0.85) * 400
    # of good samples 1 in 10^6 lies beyond 5 sigma of the median; more where few know the median, or all seem noisier
    assert lost[combine.mean] <= max(1e-5 * cube.size, 30)
    assert lost[combine.mean] <= lost[combine.clipped_mean] + 30
