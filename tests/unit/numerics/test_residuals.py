"""Residuals: the mean and noise of what is left, and what the noise should be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latcal.numerics import residuals
from latcal.numerics.brighter_fatter import brighter_fatter_factor

SHAPE = (200, 150)


def noise(seed: int = 1, sigma: float = 8.0) -> residuals.Pixels:
    return (sigma * np.random.default_rng(seed).standard_normal(SHAPE)).astype(np.float32)


def test_a_clean_residual_shows_the_noise_of_its_frame_in_every_way() -> None:
    found = residuals.residual(noise(), 8.0)
    # 30000 pixels: 0.4 %; three sigma. The mean: 0.046
    assert found.noise == pytest.approx(8, rel=0.012)
    assert found.cr_noise == pytest.approx(8, rel=0.012)
    assert found.pull == pytest.approx(1, rel=0.012)
    assert found.expected == 8.0
    assert found.mean == pytest.approx(0, abs=0.15)


def test_a_residual_judged_by_another_noise_is_what_is_measured_against_it_or_nothing() -> None:
    """By that of its set, which is known later."""
    pixels = noise()
    pixels[50:53, 60] += np.array([40.0, 900.0, 30.0], dtype=np.float32)
    found = residuals.residual(pixels, 8.0)
    assert found.judged_by(8.01) == residuals.residual(pixels, 8.01)
    assert found.judged_by(4.0) is None
    assert residuals.residual(pixels, 8.0, np.zeros(SHAPE, np.float32)).judged_by(8.0) is None


def test_a_cosmic_ray_moves_neither_mean_nor_noise_but_what_is_wide_moves_both() -> None:
    pixels = noise()
    pixels[50, 20:60] = 5000.0
    found = residuals.residual(pixels, 8.0)
    assert found.cr_noise == pytest.approx(8, rel=0.012)
    assert found.mean == pytest.approx(0, abs=0.15)
    pixels[:20] += 1000 * np.exp(-np.arange(20, dtype=np.float32) / 8)[:, None]
    found = residuals.residual(pixels, 8.0)
    assert found.mean > 10
    assert found.cr_noise > 20


def test_a_hot_pixel_that_behaves_adds_nothing_to_the_noise_without_cosmic_rays() -> None:
    signal = np.zeros(SHAPE, dtype=np.float32)
    signal[::10, ::10] = 6000.0
    sigma = np.sqrt(64 + signal)
    found = residuals.residual(noise(sigma=1.0) * sigma, 8.0, signal)
    assert found.expected == 8.0
    assert found.cr_noise == pytest.approx(8, rel=0.012)
    assert found.pull == pytest.approx(1, rel=0.012)


def test_nothing_left_to_measure_is_not_a_number() -> None:
    nothing = np.full(SHAPE, np.nan, dtype=np.float32)
    found = residuals.residual(nothing, 8.0, nothing)
    assert all(math.isnan(value) for value in (found.mean, found.noise, found.cr_noise, found.pull))
    assert found.expected == 8.0


def test_pixels_that_are_given_are_left_alone() -> None:
    pixels, flat = noise(), np.ones(SHAPE, dtype=np.float32)
    before = pixels.copy()
    residuals.residual(pixels, 8.0, flat)
    residuals.flattened(pixels, flat, 8.0)
    np.testing.assert_array_equal(pixels, before)


def light(flat: residuals.Pixels, level: float) -> residuals.Pixels:
    rng = np.random.default_rng(3)
    return (rng.poisson(level * flat) + 8.0 * rng.standard_normal(flat.shape)).astype(np.float32)


def test_a_flattened_frame_has_the_noise_of_its_light() -> None:
    flat = np.full(SHAPE, 0.9, dtype=np.float32)
    found = residuals.flattened(light(flat, 10_000), flat, 8.0)
    assert found.mean == pytest.approx(10_000, rel=0.001)
    assert found.expected == pytest.approx(math.sqrt(10_000 / 0.9 + 64 / 0.81), rel=0.001)
    assert found.noise == pytest.approx(found.expected, rel=0.012)
    assert found.pull == pytest.approx(1, rel=0.012)


def test_pulls_hold_where_the_illumination_varies_strongly_and_the_clipped_noise_does_not() -> None:
    flat = np.broadcast_to(np.geomspace(0.01, 3.0, SHAPE[0], dtype=np.float32)[:, None], SHAPE)
    found = residuals.flattened(light(flat, 10_000), flat, 8.0)
    assert found.pull == pytest.approx(1, rel=0.012)
    assert found.mean == pytest.approx(10_000, rel=0.001)
    assert abs(found.noise / found.expected - 1) < 0.05  # of the pixels above a twentieth of the mean


def test_where_the_flat_has_no_pixel_the_mean_is_the_level_of_the_signal() -> None:
    nothing = np.full(SHAPE, np.nan, dtype=np.float32)
    found = residuals.flattened(noise(), nothing, 8.0)
    assert found.mean == pytest.approx(0, abs=0.15)
    assert all(math.isnan(value) for value in (found.noise, found.expected, found.pull))


def test_the_variance_of_photons_follows_the_brighter_fatter_effect() -> None:
    signal = np.array([1.0, 1e4, 1e5])
    np.testing.assert_array_equal(residuals.photon_variance(signal), signal)
    wanted = [brighter_fatter_factor(-1.7e-6 * mu) * mu for mu in signal]
    np.testing.assert_allclose(residuals.photon_variance(signal, -1.7e-6), wanted)
