from __future__ import annotations

import functools
import subprocess
import sys

import numpy as np
import pytest

from latcal.errors import BuildError
from latcal.numerics import budget

NIGHT = [5.0] * 4 + [15.0] * 2 + [30.0] * 16


@pytest.mark.parametrize(
    ("frames", "independent", "excess"),
    [(3, False, -0.1835), (3, True, 0.1547), (20, True, 0.0247), (20, False, -0.0253), (1, False, -1.0)],
)
def test_a_bias_shows_the_noise_of_its_product(frames, independent, excess):
    assert budget.bias_excess(frames, independent=independent) == pytest.approx(excess, abs=5e-5)
    assert budget.flat_excess(frames, independent=independent) == pytest.approx(excess, abs=5e-5)


@pytest.mark.parametrize(("independent", "frames"), [(False, 11), (True, 10)])
def test_five_percent_needs_so_many_biases(independent, frames):
    excess = functools.partial(budget.bias_excess, independent=independent)
    assert budget.frames_needed(excess, 0.05, 3) == frames


def test_frames_enough_from_the_start_are_the_start():
    assert budget.frames_needed(lambda _: 0.0, 0.05, 7) == 7


def test_frames_that_are_never_enough_are_none():
    assert budget.frames_needed(lambda _: 1.0, 0.05, 3, most=20) is None


@pytest.mark.parametrize("independent", [False, True])
@pytest.mark.parametrize("time_s", [5.0, 15.0, 30.0])
def test_the_dark_formula_is_that_of_the_linear_algebra(time_s, independent):
    # noise as a matrix over (frames, frame under test, bias): exact
    bias_frames, times = 7, np.array(NIGHT)
    count = len(times)
    noise = np.hstack([np.eye(count + 1), np.zeros((count + 1, 1))])
    noise[:, -1] = -1.0 / np.sqrt(bias_frames)  # the same bias in every frame
    product = times @ noise[:count] / (times @ times)
    row = noise[count] if independent else noise[NIGHT.index(time_s)]
    exact = np.sqrt(((row - time_s * product) ** 2).sum()) - 1.0
    got = budget.dark_excess(time_s, NIGHT, independent=independent, bias_frames=bias_frames)
    assert got == pytest.approx(exact, rel=1e-12)


def test_the_documented_night_passes_outside_and_inside():
    assert budget.dark_excess(30.0, NIGHT, independent=True, bias_frames=20) == pytest.approx(0.030, abs=0.001)
    assert -0.05 < budget.dark_excess(30.0, NIGHT, independent=False, bias_frames=20) < 0.0


def test_one_dark_minus_itself_is_nothing():
    assert budget.dark_excess(30.0, [30.0], independent=False, bias_frames=20) == -1.0


@pytest.mark.parametrize("call", [
    lambda: budget.bias_excess(0, independent=True),
    lambda: budget.flat_excess(0, independent=True),
    lambda: budget.dark_excess(5.0, [], independent=True, bias_frames=3),
    lambda: budget.dark_excess(5.0, [5.0], independent=True, bias_frames=0),
])
def test_no_frames_are_an_error(call):
    with pytest.raises(BuildError, match="0 frames are not enough"):
        call()


def test_a_dark_of_no_time_is_an_error():
    with pytest.raises(BuildError, match="not all positive"):
        budget.dark_excess(5.0, [5.0, 0.0], independent=True, bias_frames=3)


def test_budget_and_exposure_need_no_scipy():
    code = "import sys, latcal.numerics.budget, latcal.numerics.exposure; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
