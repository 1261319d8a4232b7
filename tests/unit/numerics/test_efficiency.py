from __future__ import annotations

import math

import numpy as np
import pytest

from latcal.numerics import efficiency


@pytest.mark.parametrize("clip", [2.0, 3.0])
def test_one_clip_costs_what_a_simulation_says(clip):
    frames, trials = 60, 40_000
    values = np.random.default_rng(4).normal(size=(frames, trials))
    kept = np.abs(values - np.median(values, axis=0)) <= clip
    means = np.where(kept, values, 0.0).sum(axis=0) / kept.sum(axis=0)
    noise, fraction = efficiency.one_clip(clip)
    # 40,000 trials: 0.35 %; and 60 frames are not yet many
    assert means.std() * math.sqrt(frames) == pytest.approx(noise, abs=0.012)
    assert kept.mean() == pytest.approx(fraction, abs=0.003)


def test_a_clip_at_5_sigma_costs_nothing():
    assert efficiency.one_clip(5.0) == pytest.approx((1.0, 1.0), abs=1e-4)


def test_tables_are_interpolated_and_end_at_their_limits():
    noise, kept = efficiency.clipped_mean(np.array([0.0, 1.0, 2.0, 12.0, 20.0, 500.0]), 3.0, 3)
    assert noise[:3] == pytest.approx([1.0, 1.0, 1.0])
    assert 1.044 < noise[3] < 1.057
    assert noise[4] == pytest.approx(1.035)
    assert noise[5] == pytest.approx(1.018, abs=0.001)
    assert kept[4] == pytest.approx(0.990)


def test_odd_and_even_medians_differ_and_meet_at_many_frames():
    noise = efficiency.median(np.array([1.0, 2.0, 3.0, 4.0, 9.0, 10.0, 1e6, 1e6 + 1.0]))
    assert noise[:6] == pytest.approx([1.0, 1.0, 1.158, 1.092, 1.222, 1.175])
    assert noise[6:] == pytest.approx(math.sqrt(math.pi / 2), abs=1e-3)


def test_another_clip_is_taken_as_one_pass():
    noise, kept = efficiency.clipped_mean(np.array([2.0, 30.0]), 4.0, 3)
    assert (noise[0], kept[0]) == (1.0, 1.0)
    assert (noise[1], kept[1]) == pytest.approx(efficiency.one_clip(4.0))
