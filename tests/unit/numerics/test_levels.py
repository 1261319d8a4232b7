"""Levels of light: means, ratios and scatters, where some are not measured."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latcal.numerics import levels

NAN = math.nan


def test_a_mean_leaves_out_what_was_not_measured() -> None:
    found = levels.mean_of_finite(np.array([[1.0, 3.0], [NAN, 5.0], [NAN, NAN]]), 1)
    np.testing.assert_array_equal(found, [2.0, 5.0, NAN])


def test_ratios_are_per_second_and_over_the_reference() -> None:
    found = levels.ratios(np.array([[10.0], [22.0]]), np.array([1.0, 2.0]), np.array([10.0]))
    np.testing.assert_allclose(found, [[1.0], [1.1]])


def test_without_a_reference_the_median_of_the_set_is_taken() -> None:
    lots = np.array([[10.0, 5.0], [10.0, NAN], [11.0, 5.0]])
    found = levels.ratios(lots, np.ones(3), np.array([NAN, NAN]))
    np.testing.assert_allclose(found, [[1.0, 1.0], [1.0, NAN], [1.1, 1.0]])


@pytest.mark.parametrize(("time", "reference"), [(0.0, 10.0), (1.0, 0.0), (1.0, -1.0)])
def test_no_time_and_no_light_give_no_ratio(time: float, reference: float) -> None:
    assert np.isnan(levels.ratios(np.array([[10.0]]), np.array([time]), np.array([reference]))).all()


def test_one_value_has_no_scatter_and_none_is_not_a_number() -> None:
    assert levels.scatter(np.array([3.0, NAN])) == 0.0
    assert levels.relative_scatter(np.array([3.0, NAN])) == 0.0
    assert math.isnan(levels.scatter(np.array([NAN])))
    assert math.isnan(levels.relative_scatter(np.array([NAN])))
    assert math.isnan(levels.relative_scatter(np.array([-1.0, 1.0])))


def test_scatters_are_of_the_population_over_detectors_and_of_a_sample_over_amplifiers() -> None:
    assert levels.scatter(np.array([0.9, 1.1])) == pytest.approx(0.1)
    assert levels.relative_scatter(np.array([90.0, 110.0])) == pytest.approx(math.sqrt(2) / 10)
