"""Laws of crosstalk: what was added is subtracted again, and a sum of signals is as good as each of them."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from latcal.numerics import crosstalk

SHAPE = (37, 5)  # a whole strip and a part of one
few = settings(max_examples=40, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)
counts = st.integers(2, 16)


def signals(seed, count):
    """Signals up to 2^17 adu, with noise around 0 in part of the pixels."""
    random = np.random.default_rng(seed)
    cube = random.normal(0.0, 8.0, (count, *SHAPE)) + random.uniform(0, 2**17, (count, *SHAPE)) * (
        random.random((count, *SHAPE)) < 0.5
    )
    return cube.astype(np.float32)


def matrix(seed, count, largest=1.5e-3):
    """Coefficients of either sign, some of them 0, none symmetric but by chance."""
    random = np.random.default_rng(seed + 1)
    coefficients = random.uniform(-largest, largest, (count, count)) * (random.random((count, count)) < 0.7)
    np.fill_diagonal(coefficients, 0.0)
    return coefficients


def subtract(cube, coefficients):
    images = {f"C{number:02}": image for number, image in enumerate(cube)}
    return np.stack(list(crosstalk.subtract(images, coefficients.tolist()).values()))


def rounding(count):
    """Give two roundings of float32 of the largest number (its half a last digit each, 2^17 x 2^-24), and those of the
    sums over amplifiers, which are 1.5e-3 of it each and rounded as often as there are amplifiers [adu]."""
    return 2**17 * 2**-24 * (2 + 1.5e-3 * count * count)


@few
@given(seeds, counts)
def test_what_was_added_is_subtracted_again(seed, count):
    true, coefficients = signals(seed, count), matrix(seed, count)
    wide = true.astype(np.float64)
    seen = (wide + np.einsum("ij,jyx->iyx", coefficients, wide)).astype(np.float32)
    np.testing.assert_allclose(subtract(seen, coefficients), true, rtol=0, atol=rounding(count))


@few
@given(seeds, counts, st.floats(-4.0, 4.0))
def test_subtracting_is_linear(seed, count, factor):
    first, second, coefficients = signals(seed, count), signals(seed + 7, count), matrix(seed, count)
    together = subtract((first + np.float32(factor) * second) / np.float32(8), coefficients)
    apart = (subtract(first, coefficients) + np.float32(factor) * subtract(second, coefficients)) / np.float32(8)
    # the terms are rounded one by one, the larger of them at up to 4 times the largest signal
    np.testing.assert_allclose(together, apart, rtol=0, atol=2 * rounding(count))


@few
@given(seeds, st.permutations(range(6)))
def test_the_order_of_the_amplifiers_does_not_matter(seed, order):
    true, coefficients = signals(seed, 6), matrix(seed, 6)
    got = subtract(true[list(order)], coefficients[np.ix_(order, order)])
    np.testing.assert_allclose(got, subtract(true, coefficients)[list(order)], rtol=0, atol=rounding(6))


@few
@given(seeds, counts)
def test_a_pixel_is_seen_only_at_its_own_place(seed, count):
    true, coefficients = signals(seed, count), matrix(seed, count)
    other = true.copy()
    other[:, 20, 3] += 1000.0
    changed = np.argwhere((subtract(other, coefficients) != subtract(true, coefficients)).any(axis=0))
    assert changed.tolist() == [[20, 3]]
