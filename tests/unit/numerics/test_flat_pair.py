"""Flat pairs: what cancels, what is set apart, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latcal.errors import BuildError
from latcal.numerics.flat_pair import FlatPair, inner

SHAPE = (200, 204)


def flat(seed, level, noise=8.0, shape=SHAPE):
    random = np.random.default_rng(seed)
    return (random.poisson(np.broadcast_to(level, shape)) + random.normal(0.0, noise, shape)).astype(np.float32)


def test_the_variance_is_that_of_one_flat():
    pair = FlatPair.of(flat(1, 5000.0), flat(2, 5000.0), noise=8.0)
    # a level: sqrt(5064 / 81600) = 0.25; a variance: within three of the errors it states, 0.7 % each
    assert pair.level == pytest.approx(5000.0, abs=0.75)
    assert pair.variance == pytest.approx(5064.0, abs=3 * pair.variance_error)
    assert pair.variance_error == pytest.approx(5064.0 * math.sqrt(2 / pair.pixels), rel=0.02)
    assert pair.pixels == 200 * 204 - pair.rejected
    assert pair.difference[pair.kept].mean(dtype=float) == pytest.approx(0.0, abs=0.01)


def test_what_does_not_change_cancels_also_in_flats_of_unequal_level():
    pattern = np.random.default_rng(3).normal(1.0, 0.05, SHAPE)
    pattern[:, 100] = 0.5
    first, second = flat(1, 50_000.0 * pattern), flat(2, 48_500.0 * pattern)
    pair = FlatPair.of(first, second)
    # a pattern of 5 % left in 3 % of the light would add (75)^2 = 5600 adu^2: 0.7 % of 49250 is 345
    assert pair.variance == pytest.approx(pair.level * (1 - 0.25 * pair.mismatch**2), abs=3 * pair.variance_error)
    assert pair.mismatch == pytest.approx(-1500 / 49_250, rel=0.01)


def test_cosmic_rays_and_pixels_that_blink_are_set_apart():
    first, second = flat(1, 1000.0), flat(2, 1000.0)
    clean = FlatPair.of(first, second, noise=8.0)
    struck = first.copy()
    struck[50, 20:120] += 4000.0
    struck[10:20, 7] = 0.0
    found = FlatPair.of(struck, second, noise=8.0)
    assert not found.kept[50, 20:120].any()
    assert not found.kept[10:20, 7].any()
    assert found.rejected == 110 + clean.rejected
    # the 110 pixels lost change a variance by sqrt(2 * 110) / 40800 = 0.04 %, and a level by as little; three of them
    assert found.variance == pytest.approx(clean.variance, rel=0.0012)
    assert found.level == pytest.approx(clean.level, rel=1e-4)


def test_a_vignetted_flat_loses_no_more_where_it_is_bright():
    light = np.broadcast_to(np.linspace(200.0, 19_800.0, 204), SHAPE)
    first, second = flat(1, light), flat(2, light)
    pair = FlatPair.of(first, second, noise=8.0, clip=3.0)
    bright, dark = pair.kept[:, 170:].mean(), pair.kept[:, :34].mean()
    # 0.27 % are lost of either half at 3 sigma; by the mean noise the bright part would lose 2.5 %, the dark part none
    assert bright == pytest.approx(0.9973, abs=0.002)
    assert dark == pytest.approx(0.9973, abs=0.006)  # within a block of 32 columns the light doubles there
    # the noise varies: fewer pixels speak, and the error says so; mean(v)^2 / mean(v^2) of a ramp is 0.76
    assert pair.effective_pixels == pytest.approx(0.76 * pair.pixels, rel=0.02)
    assert pair.variance == pytest.approx(10_064.0, abs=3 * pair.variance_error)


def test_masked_pixels_are_left_out_whichever_flat_has_them():
    first, second = flat(1, 1000.0), flat(2, 1000.0)
    first[:10], second[:, :4], second[50, 50] = np.nan, np.nan, np.inf
    pair = FlatPair.of(first, second)
    assert not pair.kept[:10].any()
    assert not pair.kept[:, :4].any()
    assert not pair.kept[50, 50]
    assert np.isfinite(pair.difference).all()


def test_pixels_that_are_given_are_left_alone():
    first, second = flat(1, 1000.0), flat(2, 1000.0)
    first[3, 3] = np.nan
    before = first.copy(), second.copy()
    FlatPair.of(first, second)
    np.testing.assert_array_equal(first, before[0])
    np.testing.assert_array_equal(second, before[1])


@pytest.mark.parametrize(
    ("first", "second", "match"),
    [
        (flat(1, 1000.0), flat(2, 1000.0)[:50], r"are \(200, 204\) and \(50, 204\) pixels, not alike"),
        (flat(1, 1000.0), flat(2, 1100.0), r"differ by 9\.\d+%, not by 5\.000% or less"),
        (flat(1, 0.0) - 3.0, flat(2, 0.0), r"are -3\.\d+ and -?0\.\d+ adu, not above 0"),
        (flat(1, 1000.0), np.full(SHAPE, np.nan, dtype=np.float32), "0 pixels have a value in both flats"),
        (flat(1, 1000.0)[:4], flat(2, 1000.0)[:4], "816 pixels have a value in both flats of a pair, not 1000"),
    ],
)
def test_what_is_no_pair_is_refused_with_its_numbers(first, second, match):
    with pytest.raises(BuildError, match=match):
        FlatPair.of(first.astype(np.float32), second)


def test_flats_that_do_not_differ_by_noise_alone_are_refused():
    random = np.random.default_rng(5)
    first = np.full(SHAPE, 1000.0, dtype=np.float32)
    second = first + np.where(random.random(SHAPE) < 0.5, 1.0, 0.0).astype(np.float32)
    second[random.random(SHAPE) < 0.97] = 1000.0
    with pytest.raises(BuildError, match=r"pixels of a pair of flats differ by their noise, not 40500"):
        FlatPair.of(first, second, at_least=40_500)


def test_an_edge_is_left_out_on_all_sides():
    pixels = np.arange(30, dtype=np.float32).reshape(5, 6)
    assert inner(pixels, 0).shape == (5, 6)
    assert inner(pixels, 2).tolist() == [[14.0, 15.0]]
    with pytest.raises(BuildError, match="an edge of 3 pixels leaves nothing of 5 x 6 pixels"):
        inner(pixels, 3)
