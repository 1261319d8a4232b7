from __future__ import annotations

import math

import pytest

from latcal.numerics.brighter_fatter import brighter_fatter_factor


def test_no_signal_has_the_variance_of_photons():
    assert brighter_fatter_factor(0.0) == 1.0


@pytest.mark.parametrize("x", [1e-12, -1e-9, 1e-6])
def test_it_is_accurate_next_to_zero(x):
    # the series 1 + x + 2 x^2 / 3, to float64
    assert brighter_fatter_factor(x) - 1.0 == pytest.approx(x, rel=1e-3, abs=3e-16)


def test_it_is_the_exponential_form():
    x = -1.7e-6 * 50_000.0
    assert brighter_fatter_factor(x) == pytest.approx((math.exp(2 * x) - 1.0) / (2 * x), rel=1e-14)
    # the linear form is off by 0.5 % there: that is why it is not used
    assert brighter_fatter_factor(x) / (1.0 + x) - 1.0 == pytest.approx(0.005, abs=0.001)
