"""The straight line: what it gives, and that its errors are those of the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from latcal_darkcurrent import fault, fit

TIMES = np.repeat([5.0, 15.0, 30.0, 60.0], 4)


def test_a_line_without_scatter_is_found_and_its_errors_are_those_of_the_pixels() -> None:
    rate, rate_error, intercept, intercept_error, departure = fit(TIMES, 3.0 + 0.02 * TIMES, 0.1, 20)
    assert (rate, intercept, departure) == pytest.approx((0.02, 3.0, 0.0), abs=1e-12)
    squares = np.sum((TIMES - TIMES.mean()) ** 2)
    assert rate_error == pytest.approx(0.1 / np.sqrt(squares))
    assert intercept_error == pytest.approx(0.1 * np.sqrt(1 / 16 + TIMES.mean() ** 2 / squares + 1 / 20))


def test_errors_are_the_standard_errors_of_a_straight_line_times_students_t() -> None:
    levels = 1.0 + 0.02 * TIMES + np.random.default_rng(1).normal(0, 0.3, TIMES.size)
    known = stats.linregress(TIMES, levels)
    rate, rate_error, intercept, intercept_error, _ = fit(TIMES, levels, 0.0, 10**9)
    wider = stats.t.ppf(stats.norm.cdf(1), TIMES.size - 2)
    assert 1.03 < wider < 1.04
    assert (rate, intercept) == pytest.approx((known.slope, known.intercept))
    assert (rate_error, intercept_error) == pytest.approx((known.stderr * wider, known.intercept_stderr * wider), rel=1e-5)


def test_the_largest_departure_is_that_of_the_frame_farthest_off_with_its_sign() -> None:
    levels = 0.02 * TIMES
    levels[6] -= 4.0
    departures = levels - np.polyval(np.polyfit(TIMES, levels, 1), TIMES)
    *_, worst = fit(TIMES, levels, 0.1, 20)
    assert worst == pytest.approx(departures[6])
    assert worst < -3


@pytest.mark.parametrize("times", [[5.0, 15.0, 60.0], [5.0, 5.0, 60.0, 60.0], TIMES], ids=["three", "four", "sixteen"])
def test_errors_hold_in_68_per_cent_of_cases_for_few_frames_as_for_many(times: list[float]) -> None:
    """Of 4,000 ladders, each over a bias of 8 frames that scatter alike: chance is 0.74 %, allowed are 4 sigma.

    Standard errors without Student's t would hold in 50 % of cases for 3 frames, and in 58 % for 4.
    """
    random, t, n = np.random.default_rng(20261104), np.array(times), 4_000
    found = []
    for _ in range(n):
        of_bias = random.normal(0, 0.3, 8).mean()
        found.append(fit(t, 0.5 + 0.02 * t + random.normal(0, 0.3, t.size) - of_bias, 1e-9, 8))
    rate, rate_error, intercept, intercept_error, _ = np.array(found).T
    assert np.mean(np.abs(rate - 0.02) <= rate_error) == pytest.approx(0.6827, abs=4 * 0.0074)
    assert np.mean(np.abs(intercept - 0.5) <= intercept_error) == pytest.approx(0.6827, abs=4 * 0.0074)


def test_what_all_frames_share_is_in_the_intercept_alone() -> None:
    levels = 0.02 * TIMES + np.random.default_rng(2).normal(0, 0.3, TIMES.size)
    plain, shifted = fit(TIMES, levels, 0.1, 20), fit(TIMES, levels + 5.0, 0.1, 20)
    assert np.subtract(shifted, plain) == pytest.approx([0, 0, 5, 0, 0], abs=1e-12)


@pytest.mark.parametrize("times", [[5.0, 5.0, 10.0], [30.0, 5.0, 15.0], [1.0, 2.0, 2.0]])
def test_three_frames_of_times_that_differ_by_a_factor_of_two_are_a_ladder(times: list[float]) -> None:
    assert fault(times, 2.0) == ""


@pytest.mark.parametrize(
    ("times", "what"),
    [
        ([30.0] * 16, "16 frames of 30 s are not a ladder of dark times"),
        ([60.0, 5.0], "2 frames of 5, 60 s are not a ladder of dark times"),
        ([10.0, 12.0, 19.9], "3 frames of 10, 12, 19.9 s are not a ladder of dark times"),
        ([30.0101, 30.0102, 30.0103], "3 frames of 30.01 s are not a ladder of dark times"),
    ],
)
def test_anything_else_is_not_and_the_message_gives_the_times(times: list[float], what: str) -> None:
    assert fault(times, 2.0) == what


def test_dark_times_longer_than_the_exposures_are_still_a_ladder_when_it_is_built() -> None:
    """Planning asks for a factor of 2 between exposures; that of the dark times, 2 s longer here, is less."""
    assert fault([1.0, 1.0, 2.0], 2.0) == ""
    assert fault([3.0, 3.0, 4.0], 2.0) != ""
    assert fault([3.0, 3.0, 4.0]) == ""
