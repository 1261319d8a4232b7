"""Linearity: what is left of levels against light."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latcal.errors import BuildError
from latcal.numerics.linearity import fit_linearity

TIME = np.arange(1.0, 97.0, 5.0)


def test_the_curvature_of_the_rubin_test_comes_back():
    # algorithms.md 7.4: intercept 0 to 1e-2, slope to 1e-5, curvature to 1e-6
    found = fit_linearity(1000.0 * TIME - 5e-6 * TIME**2, TIME, order=2)
    assert found.coefficients[0] == pytest.approx(0.0, abs=1e-2)
    assert found.coefficients[1:] == pytest.approx([1000.0, -5e-6], rel=1e-5)
    assert found.coefficients[2] == pytest.approx(-5e-6, rel=1e-6)
    assert found.largest < 1e-12  # noiseless
    # stored is -k2 / k1^2, which is 5e-6 / 1000^2; the cubic term is 0
    assert -found.coefficients[2] / found.coefficients[1] ** 2 == pytest.approx(5e-12, rel=1e-6)
    cubic = fit_linearity(1000.0 * TIME - 5e-6 * TIME**2, TIME, order=3).coefficients
    assert cubic[3] == pytest.approx(0.0, abs=1e-12)


def test_the_curvature_comes_back_from_the_levels_that_are_used():
    # algorithms.md 7.4, "polynomial with cuts": 10,000 to 90,000 adu, same tolerances
    levels = 1000.0 * TIME - 5e-6 * TIME**2
    inside = (levels > 10_000.0) & (levels < 90_000.0)
    found = fit_linearity(np.where(inside, levels, 0.5 * levels), TIME, inside, order=2)
    assert found.coefficients[0] == pytest.approx(0.0, abs=1e-2)
    assert found.coefficients[1] == pytest.approx(1000.0, rel=1e-5)
    assert found.coefficients[2] == pytest.approx(-5e-6, rel=1e-6)
    assert found.fitted.sum() == inside.sum() == 16


def test_a_slow_shutter_is_no_nonlinearity_and_full_well_is():
    levels = np.minimum(2_000.0 * (TIME - 0.05), 120_000.0)
    found = fit_linearity(levels, TIME, levels < 115_000.0)
    assert found.coefficients == pytest.approx([-100.0, 2_000.0], rel=1e-9)
    assert found.largest < 1e-12
    assert found.residuals[-1] == pytest.approx(120_000.0 / (2_000.0 * 95.95) - 1.0, rel=1e-9)
    assert not found.fitted[-1]


def test_errors_are_the_scatter_of_fits():
    random = np.random.default_rng(1)
    fits = [fit_linearity(1000.0 * TIME * (1 + 0.001 * random.standard_normal(20)), TIME) for _ in range(200)]
    pulls = np.array([(fit.coefficients - [0.0, 1000.0]) / fit.errors for fit in fits])
    # mean: three of 1 / sqrt(200); width: that of Student's t of 18 degrees of freedom is 1.06, within three of 5 %
    assert np.abs(pulls.mean(axis=0)).max() < 0.21
    assert pulls.std(axis=0) == pytest.approx([1.06, 1.06], abs=0.16)


def test_what_was_not_measured_has_no_residual():
    levels = 1000.0 * TIME
    levels[3], levels[5] = math.nan, -4.0
    found = fit_linearity(levels, TIME)
    assert np.flatnonzero(np.isnan(found.residuals)).tolist() == [3, 5]
    assert not found.fitted[[3, 5]].any()
    with pytest.raises(BuildError, match="1 different exposures are not the 2 or more that order 1 needs"):
        fit_linearity(np.full(5, 100.0), np.full(5, 2.0))
    assert np.isnan(fit_linearity(levels[:2], TIME[:2]).errors).all()
