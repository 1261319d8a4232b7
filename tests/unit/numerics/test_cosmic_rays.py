from __future__ import annotations

import math

import numpy as np
import pytest

from latcal.numerics import cosmic_rays, statistics
from latcal.numerics.growth import grown


def noise(shape=(500, 400), sigma=8.0, seed=1):
    return np.random.default_rng(seed).normal(0.0, sigma, shape).astype(np.float32)


def track(image, y, x, length, dy, dx, charge):
    """A muon: charge along a line, spread over its neighbours."""
    for step in range(length):
        row, column = round(y + step * dy), round(x + step * dx)
        for up, right, part in ((0, 0, 0.6), (1, 0, 0.1), (-1, 0, 0.1), (0, 1, 0.1), (0, -1, 0.1)):
            if 0 <= row + up < image.shape[0] and 0 <= column + right < image.shape[1]:
                image[row + up, column + right] += part * charge


def test_clean_noise_loses_next_to_nothing():
    # 6 sigma one-sided, by a background of 81 pixels: 2e-9 a pixel
    assert cosmic_rays.find(noise((1000, 1000)), 8.0).sum() <= 9


def test_a_single_hot_sample_is_found_with_its_neighbours():
    image = noise()
    image[100, 200] += 200.0
    mask = cosmic_rays.find(image, 8.0)
    assert mask[99:102, 199:202].all()
    assert mask.sum() == 9
    assert cosmic_rays.find(image, 8.0, grow=0).sum() == 1


@pytest.mark.parametrize(("dy", "dx"), [(1, 0), (0, 1), (1, 1), (0.5, 1), (-1, 0.3)])
def test_a_track_is_found_whole(dy, dx):
    image = noise()
    track(image, 200, 200, 30, dy, dx, 800.0)
    mask = cosmic_rays.find(image, 8.0)
    truth = np.zeros_like(image)
    track(truth, 200, 200, 30, dy, dx, 800.0)
    assert mask[truth > 5 * 8.0].all()
    assert mask.sum() < 3 * np.count_nonzero(truth)


@pytest.mark.parametrize(("y", "x"), [(0, 0), (0, 399), (499, 0), (499, 399), (250, 0), (1, 200)])
def test_borders_are_searched_too(y, x):
    image = noise()
    image[y, x] += 300.0
    assert cosmic_rays.find(image, 8.0)[y, x]


def test_a_warm_region_is_not_a_cosmic_ray():
    image = noise()
    image[100:130, 150:190] += 400.0
    image[300:306, 50:56] += 400.0
    assert cosmic_rays.find(image, 8.0).sum() == 0


def test_a_ray_within_a_warm_region_is():
    image = noise()
    image[100:130, 150:190] += 400.0
    image[115, 170] += 400.0
    assert cosmic_rays.find(image, 8.0)[115, 170]


def test_a_bright_spot_with_soft_edges_is_not_a_cosmic_ray():
    image = noise(sigma=1.0)
    y, x = np.mgrid[:500, :400]
    image += (200.0 * np.exp(-0.5 * ((y - 200) ** 2 + (x - 150) ** 2) / 6.0**2)).astype(np.float32)
    assert cosmic_rays.find(image, 1.0).sum() == 0


def test_a_gradient_is_not_a_cosmic_ray_and_hides_none():
    image = noise() + np.linspace(0.0, 3000.0, 400, dtype=np.float32)
    assert cosmic_rays.find(image, 8.0).sum() == 0
    image[50, 30] += 100.0
    assert cosmic_rays.find(image, 8.0)[50, 30]


def test_nan_is_never_a_cosmic_ray_nor_in_the_way_of_one():
    image = noise()
    image[100:110] = np.nan
    image[110, 7] += 300.0
    image[300:310, 200:210] = np.nan
    image[305, 205] = 300.0
    mask = cosmic_rays.find(image, 8.0, grow=0)
    assert not mask[np.isnan(image)].any()
    assert mask[110, 7]


def test_an_image_of_nan_has_none():
    image = np.full((30, 40), np.nan, dtype=np.float32)
    assert not cosmic_rays.find(image, 8.0).any()
    sigma, masked = cosmic_rays.cleaned_sigma(image, 8.0)
    assert math.isnan(sigma)
    assert masked == 0


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (50, 2), (9, 9)])
def test_small_images_are_no_trouble(shape):
    image = noise(shape)
    assert cosmic_rays.find(image, 8.0).shape == shape


def test_holes_are_not_cosmic_rays():
    image = noise()
    image[100, 100] -= 1000.0
    assert cosmic_rays.find(image, 8.0).sum() == 0


def test_the_noise_may_differ_from_pixel_to_pixel():
    sigma = np.full((500, 400), 8.0, dtype=np.float32)
    sigma[:250] = 80.0
    image = noise() * (sigma / 8.0)
    assert cosmic_rays.find(image, sigma).sum() == 0
    assert cosmic_rays.find(image, 8.0)[:250].sum() > 0


def test_without_its_rays_an_image_has_the_noise_of_a_clipped_one():
    random = np.random.default_rng(5)
    image = noise((1000, 500))
    for _ in range(40):
        track(image, *random.uniform(0, 480, 2), random.integers(1, 40), *random.uniform(-1, 1, 2), 600.0)
    sigma, masked = cosmic_rays.cleaned_sigma(image, 8.0)
    assert masked > 500
    assert image.std() > 8.5
    # 1 %, as the rule on cosmic rays needs
    assert sigma == pytest.approx(statistics.clipped(image).sigma, rel=0.01)
    assert sigma == pytest.approx(8.0, rel=0.01)


def test_the_range_of_noise_in_which_the_same_is_found_is_told():
    """Nothing changes in it; half a per cent beyond it, a pixel of a tail is found or is not any more, if no other's growth has it."""
    changed = 0
    for seed in range(6):
        image, random = noise((300, 250), seed=seed), np.random.default_rng(seed)
        for _ in range(15):
            y, x, charge = random.integers(10, 240), random.integers(10, 190), random.uniform(30, 2000)
            track(image, y, x, random.integers(1, 20), 0.7, 0.4, charge)
        image[random.random(image.shape) < 0.002] = np.nan
        found = cosmic_rays.search(image, 8.0)
        assert np.array_equal(found.mask, cosmic_rays.find(image, 8.0))
        assert 1.0 - cosmic_rays.SPREAD <= found.least < 1.0 < found.most
        for part in (found.least, 0.5 * (found.least + 1.0), 0.5 * (1.0 + found.most), found.most):
            assert np.array_equal(cosmic_rays.find(image, 8.0 * part), found.mask)
        beyond = [cosmic_rays.find(image, 8.0 * part) for part in (found.least - 0.005, found.most + 0.005)]
        changed += any(not np.array_equal(mask, found.mask) for mask in beyond)
    assert changed


def test_a_pixel_whose_surroundings_have_no_value_does_not_hide_where_others_turn():
    image = np.full((60, 120), np.nan, dtype=np.float32)
    image[:, 60:] = noise((60, 60), seed=1) / 8.0
    image[30, 20], image[30, 24] = 100.0, 0.0
    image[30, 90] = 30.0
    image[30, 91] = np.median(image[26:35, 87:96]) + 3.0 * 1.004
    found = cosmic_rays.search(image, 1.0)
    assert found.most < 1.0041
    assert not np.array_equal(cosmic_rays.find(image, 1.006), found.mask)


def test_clean_puts_nan_and_changes_no_input():
    image = noise((20, 20))
    before = image.copy()
    mask = image > 10.0
    cleaned = cosmic_rays.clean(image, mask)
    assert np.array_equal(np.isnan(cleaned), mask)
    assert cleaned.dtype == np.float32
    cosmic_rays.find(image, 8.0)
    assert np.array_equal(image, before)


def test_masks_grow_in_both_directions_and_stop_at_the_edge():
    mask = np.zeros((6, 7), dtype=bool)
    mask[0, 6] = mask[3, 2] = True
    wide = grown(mask, 1)
    assert wide.sum() == 4 + 9
    assert wide[:2, 5:].all()
    assert mask.sum() == 2
    assert np.array_equal(grown(mask, 0), mask)
