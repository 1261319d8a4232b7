from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import Akima1DInterpolator

from latcal.numerics import defects
from latcal.numerics.illumination import response, smooth


def light(shape=(400, 300), level=20_000.0):
    """What a lamp gives: 2.5 % from middle to corner."""
    y, x = np.meshgrid(*(np.linspace(-1.0, 1.0, size) for size in shape), indexing="ij")
    return level * (1.025 - 0.025 * (x * x + y * y))


def flat(shape=(400, 300), seed=1, noise=0.004):
    return (light(shape) * (1.0 + noise * np.random.default_rng(seed).standard_normal(shape))).astype(np.float32)


def test_the_smooth_part_is_the_light():
    off = smooth(flat()) / light() - 1.0
    # noise of a block 0.00016, and what a parabola has over straight lines; most where it goes on to the corners
    assert np.abs(off).max() < 0.0025
    assert off.std() < 0.0003


def test_dead_columns_do_not_drag_the_light():
    image = flat()
    image[:, 100:112] = 0.0
    image[:, 0:3] = np.nan
    image[200:, 290:] = 0.0
    good = np.isfinite(image) & (image > 0.0)
    assert np.abs(smooth(image) / light() - 1.0)[good].max() < 0.006  # of a pixel's 0.004


def test_a_dead_corner_does_not_drag_the_light():
    image = flat()
    image[:150, :120] = 0.0
    off = smooth(image) / light() - 1.0
    # the surface goes on into the corner, and all of it is cold
    assert np.abs(off).max() < 0.01
    assert defects.dim(response(image), 0.9)[:150, :120].all()


def test_a_shadow_larger_than_a_block_is_cold():
    image = flat()
    image[150:230, 100:180] *= 0.8
    cold = defects.dim(response(image), 0.9)
    assert cold[150:230, 100:180].mean() > 0.99
    cold[140:240, 90:190] = False
    assert not cold.any()


def test_the_response_is_that_of_the_pixel():
    image = flat()
    image[30, 40], image[0, 0], image[399, 299], image[7, 7] = 0.85 * light()[30, 40], 0.0, np.nan, np.inf
    answer = response(image)
    assert answer[30, 40] == pytest.approx(0.85, abs=0.002)
    assert answer[0, 0] == 0.0
    assert np.isnan(answer[[399, 7], [299, 7]]).all()
    assert np.count_nonzero(~np.isfinite(answer)) == 2
    assert np.std(answer[100:300]) == pytest.approx(0.004, rel=0.02)


def test_the_level_does_not_matter():
    image = flat()
    assert np.allclose(response(image), response(image / np.float32(20_000.0)), atol=1e-5)


@pytest.mark.parametrize("value", [np.nan, 0.0, -5.0])
def test_without_light_there_is_no_response(value):
    assert np.isnan(response(np.full((40, 50), value, dtype=np.float32))).all()


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (33, 31), (64, 64), (200, 80)])
def test_an_amplifier_of_any_size_is_divided(shape):
    answer = response(np.full(shape, 7.0, dtype=np.float32))
    assert np.allclose(answer, 1.0, atol=1e-6)


def test_a_steep_gradient_makes_no_cold_pixel():
    # algorithms.md 7.3, "amplifier gradient": radial 1.0, 0.8, 0.5, 0.3 over 4 nodes, gains 1.5 to 2.5 of seed 12345;
    # more than 10 false defects without a correction, none with it: a spline in the radius there, local medians here
    ny, nx = 204, 200
    y, x = np.indices((ny, nx))
    radius = np.hypot(y - 0.5 * ny, x - 0.5 * nx)
    shape = Akima1DInterpolator(np.linspace(0.0, radius.max(), 4), [1.0, 0.8, 0.5, 0.3])(radius)
    random = np.random.RandomState(12345)
    without, divided = 0, 0
    for top in range(0, ny, 51):
        for left in (0, 100):
            part = np.s_[top : top + 51, left : left + 100]
            signal = 50_000.0 * shape[part]
            image = ((signal + np.sqrt(signal) * random.normal(size=(51, 100))) / random.uniform(1.5, 2.5)).astype("f4")
            without += int(defects.dim(image / np.mean(image), 0.8).sum())
            divided += int(defects.dim(response(image, block=16), 0.8).sum() + defects.bright(response(image, block=16), 0.2).sum())
    assert without > 10
    assert divided == 0


