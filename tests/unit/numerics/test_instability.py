from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from latcal.errors import BuildError
from latcal.numerics import instability, scatter_limits


def readers(cube):
    return [lambda rows, frame=frame: frame[rows].copy() for frame in cube]


def found(cube, noise=9.0, time=30.0, **options):
    return instability.find(readers(cube), [time] * len(cube), [noise] * len(cube), cube.shape[1:], **options)


def gaussian(frames, shape=(200, 200), noise=9.0, seed=1):
    return np.random.default_rng(seed).standard_normal((frames, *shape), dtype=np.float32) * np.float32(noise)


def jumping(frames, count, noise, lowest, highest, seed):
    """A row of pixels that jump, one in each column."""
    random = np.random.default_rng(seed)
    heights, duties = random.uniform(lowest, highest, count), random.uniform(0.3, 0.7, count)
    cube = gaussian(frames, (1, count), noise, seed)
    cube[:, 0, :] += np.where(random.random((frames, count)) < duties, heights, 0.0).astype(np.float32)
    return cube


@pytest.mark.parametrize("noise", [8.0, 10.3])
def test_telegraph_pixels_are_found(noise):
    # decisions.md 3.8: 60 electrons and more (to 300 in the simulator), duty 0.3 to 0.7, 20 frames; 99 %
    assert found(jumping(20, 10_000, noise, 60.0, 300.0, 1), noise).unstable.mean() >= 0.99


def test_the_faintest_telegraph_pixels_are_mostly_found():
    # exactly 60 electrons at a noise of 8: of 20 frames 2 or fewer are up, or down, in 1 %, and 3 are not always enough
    assert found(jumping(20, 10_000, 8.0, 60.0, 60.0, 2), 8.0).unstable.mean() >= 0.98


def test_gaussian_pixels_with_cosmic_rays_are_stable():
    # decisions.md 3.8: fewer than 20 false objects per detector of 16 million pixels; a sixteenth of it, with 16 rays of
    # 20 pixels in 30 s and detector, in 20 frames
    random = np.random.default_rng(3)
    shape = (1009, 1009)
    cube = gaussian(20, shape)
    for frame in cube:
        y, x, angle = random.uniform(0, shape[0]), random.uniform(0, shape[1]), random.uniform(0.0, 2.0 * np.pi)
        along = np.arange(20)
        rows, columns = (y + along * np.sin(angle)).astype(int), (x + along * np.cos(angle)).astype(int)
        inside = (rows >= 0) & (rows < shape[0]) & (columns >= 0) & (columns < shape[1])
        frame[rows[inside], columns[inside]] += 2_000.0
    assert ndimage.label(found(cube).unstable, np.ones((3, 3)))[1] <= 1


@pytest.mark.parametrize("frames", [5, 10, 20, 100])
def test_one_ray_however_bright_makes_no_pixel_unstable(frames):
    cube = gaussian(frames, (60, 60))
    hit = np.random.default_rng(4).integers(0, frames, (60, 60))
    np.put_along_axis(cube, hit[None], np.take_along_axis(cube, hit[None], 0) + np.float32(1e5), 0)
    assert not found(cube).unstable.any()


def test_two_rays_of_twenty_frames_are_too_many_and_three_of_a_hundred_not():
    for frames, rays, unstable in ((20, 2, True), (100, 3, False), (100, 4, True)):
        cube = gaussian(frames, (20, 20))
        cube[:rays] += 2_000.0
        assert bool(found(cube).unstable.all()) is unstable
        assert bool(found(cube).unstable.any()) is unstable


def test_a_pixel_more_than_twice_as_noisy_is_unstable():
    cube = gaussian(100, (60, 60))
    cube[:, :, :20] *= np.float32(1.5)
    cube[:, :, 40:] *= np.float32(2.5)
    unstable = found(cube).unstable
    assert not unstable[:, :40].any()
    assert unstable[:, 40:].mean() > 0.99


def test_a_hot_pixel_is_as_noisy_as_its_charge():
    random = np.random.default_rng(5)
    times = np.repeat([5.0, 15.0, 30.0], [4, 4, 16])
    cube = np.array([random.poisson(200.0 * time, (100, 100)) for time in times]) + gaussian(24, (100, 100))
    assert not instability.find(readers(cube), times, [9.0] * 24, (100, 100)).unstable.any()


def test_flats_are_judged_by_their_levels():
    random = np.random.default_rng(6)
    levels = np.linspace(5_000.0, 40_000.0, 20)
    prnu = 1.0 + 0.004 * random.standard_normal((100, 100))
    cube = np.array([random.poisson(level * prnu) for level in levels]) + gaussian(20, (100, 100))
    cube[::2, 3, 4] += 4_000.0
    assert np.argwhere(instability.find(readers(cube), levels, [9.0] * 20, (100, 100)).unstable).tolist() == [[3, 4]]


def test_what_is_missing_is_counted():
    cube = gaussian(10, (20, 20))
    cube[:4, 2, 3] = np.nan
    cube[:, 5, 6] = np.nan
    cube[:8, 7, 8] = np.inf
    got = found(cube)
    assert (got.missing[2, 3], got.missing[5, 6], got.missing[7, 8]) == (4, 10, 8)
    assert np.count_nonzero(got.missing) == 3
    assert not got.unstable.any()


@pytest.mark.parametrize("frames", [1, 2, 3, 4])
def test_few_frames_say_little(frames):
    cube = gaussian(frames, (50, 50))
    cube[0] += 500.0
    assert not found(cube).unstable.any()


def test_strips_change_nothing():
    cube = jumping(20, 400, 9.0, 60.0, 300.0, 7).reshape(20, 20, 20)
    cube[3, 4] = np.nan
    whole = found(cube)
    for rows in (1, 7, 100):
        cut = found(cube, rows=rows)
        assert np.array_equal(cut.unstable, whole.unstable)
        assert np.array_equal(cut.missing, whole.missing)


@pytest.mark.parametrize(("frames", "dropped"), [(5, 1), (20, 1), (50, 2), (100, 3)])
def test_what_is_left_below_the_highest_samples_has_the_variance_that_is_told(frames, dropped):
    samples = np.sort(np.random.default_rng(8).standard_normal((40_000, frames)), axis=1)[:, : frames - dropped]
    # 1 %: three standard errors of 40,000 variances of 4 samples
    assert samples.var(axis=1, ddof=1).mean() == pytest.approx(scatter_limits.kept_variance(frames, dropped), rel=0.01)
    assert scatter_limits.set_aside(frames) == dropped


def test_a_time_that_is_none_is_refused():
    cube = gaussian(3, (4, 4))
    with pytest.raises(BuildError, match="the time of frame 2 of 3 is 0, not a positive number"):
        instability.find(readers(cube), [30.0, 0.0, 30.0], [9.0] * 3, (4, 4))


@pytest.mark.parametrize(("frames", "limit"), [(5, 3.59), (10, 2.54), (20, 2.0), (100, 1.41)])
def test_few_frames_raise_the_limit(frames, limit):
    freedom = frames - scatter_limits.set_aside(frames) - 1
    assert scatter_limits.smallest_limit(freedom) == pytest.approx(limit, abs=0.01)
