"""The gain of a pair: truth, stated errors, the variants of the Rubin pipelines, what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from attrs import evolve

from latcal.builtin.cameras.simulation.brighter_fatter import redistribute
from latcal.errors import BuildError
from latcal.numerics.gain import Noise, corrected, pair_gain

SHAPE = (200, 204)
GAIN, READ_NOISE, A00 = 1.08, 8.6, -1.7e-6
KNOWN = Noise(READ_NOISE / GAIN, 0.01)


def flat(random, level, shape=SHAPE, a00=0.0):
    """Count photons, move their charge, read it out, give adu."""
    expected = np.broadcast_to(level, shape).astype(np.float32)
    charge = (random.poisson(expected) - expected).astype(np.float32)
    redistribute(expected, charge, a00)
    return ((charge + random.normal(0.0, READ_NOISE, shape)) / GAIN).astype(np.float32)


def rubin(seed, level, noise, gain=0.75):
    """Give the flat of the mock of cp_pipe: algorithms.md 7.0."""
    random = np.random.RandomState(seed)
    pixels = random.normal(level, np.sqrt(level), (204, 200)) + random.normal(0.0, noise, (204, 200))
    return (pixels / gain).astype(np.float32)


@pytest.mark.parametrize("level", [50.0, 1_000.0, 50_000.0])
def test_the_gain_of_pairs_is_the_truth_within_the_errors_they_state(level):
    random = np.random.default_rng(int(level))
    pairs = [pair_gain(*(flat(random, level, (100, 102)) for _ in range(2)), KNOWN) for _ in range(40)]
    pulls = np.array([(pair.gain - GAIN) / pair.error for pair in pairs])
    # of 40: the mean pull within three of 1 / sqrt(40) = 0.16, their width within three of 1 / sqrt(80) = 11 %
    assert abs(pulls.mean()) < 0.48
    assert pulls.std(ddof=1) == pytest.approx(1.0, abs=0.34)


def test_the_error_has_that_of_the_noise_and_of_the_zero_of_the_level():
    random = np.random.default_rng(4)
    first, second = flat(random, 50.0), flat(random, 50.0)
    plain = pair_gain(first, second, Noise(KNOWN.value))
    with_noise = pair_gain(first, second, Noise(KNOWN.value, 0.02))
    with_level = pair_gain(first, second, Noise(KNOWN.value), level_error=0.3)
    light = plain.variance - KNOWN.value**2
    # decisions.md 1.8, term by term; 1e-4 for the mismatch and the second order
    photons = plain.variance / light * math.sqrt(2 / plain.pixels)
    counted = math.sqrt(plain.variance / (2 * plain.pixels)) / plain.level
    assert plain.error / plain.gain == pytest.approx(math.hypot(photons, counted), rel=1e-4)
    of_noise = math.sqrt(with_noise.error**2 - plain.error**2) / plain.gain
    assert of_noise == pytest.approx(2 * KNOWN.value * 0.02 / light, rel=1e-3)
    of_level = math.sqrt(with_level.error**2 - plain.error**2) / plain.gain
    assert of_level == pytest.approx(0.3 / plain.level, rel=1e-3)


def test_unequal_levels_cost_nothing():
    random = np.random.default_rng(5)
    pairs = [pair_gain(flat(random, 20_400.0), flat(random, 19_600.0), KNOWN, max_mismatch=0.05) for _ in range(20)]
    mean = np.mean([pair.gain for pair in pairs])
    # the plain difference would give a gain that is low by mismatch^2 mu g / 2, which is 94 %
    assert mean == pytest.approx(GAIN, abs=3 * pairs[0].error / math.sqrt(20))


def test_a_vignette_costs_nothing():
    random = np.random.default_rng(6)
    light = np.linspace(200.0, 3_800.0, SHAPE[1])
    pairs = [pair_gain(flat(random, light), flat(random, light), KNOWN) for _ in range(20)]
    pulls = np.array([(pair.gain - GAIN) / pair.error for pair in pairs])
    assert abs(pulls.mean()) < 3 / math.sqrt(20)
    assert pulls.std(ddof=1) == pytest.approx(1.0, abs=3 / math.sqrt(40))


def test_brighter_fatter_comes_out_of_the_gain_and_its_error_goes_in():
    random = np.random.default_rng(8)
    pairs = [pair_gain(*(flat(random, 50_000.0, (400, 300), A00) for _ in range(2)), KNOWN) for _ in range(6)]
    found = np.array([corrected(pair, A00).gain for pair in pairs])
    error = pairs[0].error / math.sqrt(6)
    assert np.mean([pair.gain for pair in pairs]) > GAIN + 20 * error  # what is corrected is there: 8.7 %
    # three sigma, 0.4 %, and 0.7 % of the 8.7 % for the model of the camera (decisions.md section 2)
    assert found.mean() == pytest.approx(GAIN, abs=3 * error + 0.007 * 0.087)


def test_the_correction_is_the_exponential_form_with_the_true_gain_in_it():
    random = np.random.default_rng(9)
    pair = pair_gain(flat(random, 50_000.0), flat(random, 50_000.0), KNOWN)
    found = corrected(pair, A00, 1e-7)
    x = A00 * found.gain * pair.level
    # solved to rounding
    assert found.gain == pytest.approx(pair.gain * (math.exp(2 * x) - 1) / (2 * x), rel=1e-12)
    assert found.factor == pytest.approx(found.gain / pair.gain, rel=1e-12)
    low, high = (corrected(pair, A00 + shift).gain for shift in (-1e-9, 1e-9))
    of_a00 = 1e-7 * abs(high - low) / 2e-9
    raised, lowered = (corrected(evolve(pair, gain=pair.gain * factor), A00).gain for factor in (1 + 1e-6, 1 - 1e-6))
    of_pair = pair.error / pair.gain * (raised - lowered) / 2e-6
    # the derivatives are taken over steps of 1e-3 and 1e-6
    assert found.error == pytest.approx(math.hypot(of_a00, of_pair), rel=1e-4)
    assert corrected(pair, 0.0).gain == pair.gain
    assert corrected(pair, 0.0, 1e-7).error == pytest.approx(
        math.hypot(pair.error, pair.gain**2 * pair.level * 1e-7), rel=1e-9
    )


@pytest.mark.parametrize(
    ("time", "noise", "flux", "level", "variance", "none", "full", "ratio"),
    [  # algorithms.md 7.1, "numbers to check a from-scratch reader and statistics against"
        (1, 3.0, 1000, 1333.2674, 1789.8332, 0.744303, 0.750635, 0.751011),
        (51, 3.0, 1000, 67999.6161, 90518.2253, 0.751189, 0.751315, 0.751322),
        (96, 3.0, 1000, 127999.4786, 170376.5322, 0.751250, 0.751317, 0.751321),
        (1, math.sqrt(1.5), 100, 133.3112, 180.0290, 0.735938, 0.743164, 0.746934),
        (51, math.sqrt(1.5), 100, 6799.8773, 9052.6949, 0.750968, 0.751116, 0.751189),
        (96, math.sqrt(1.5), 100, 12799.8338, 17038.4504, 0.751120, 0.751199, 0.751238),
    ],
)
def test_the_mock_of_the_rubin_tests_gives_their_numbers(time, noise, flux, level, variance, none, full, ratio):
    first, second = (rubin(seed, flux * time, noise) for seed in (1984, 666))
    sigma = Noise(noise / 0.75)
    found = {name: pair_gain(first, second, sigma, estimator=name) for name in ("NONE", "SIMPLE", "FULL", "VARIANCE")}
    pair = found["VARIANCE"]
    # half of the last digit there, and float32 pixels
    assert pair.level == pytest.approx(level, abs=6e-5)
    assert pair.variance / 1.00000118467 == pytest.approx(variance, rel=2e-7)  # ours has the correction for clipping
    # theirs have the mismatch in c, ours do not: c rises by mismatch^2 mu / 2, up to 3e-5 here
    unmatched = 1 / found["NONE"].gain + pair.mismatch**2 * pair.level / 2
    assert 1 / unmatched == pytest.approx(none, abs=1.5e-6)
    matched = found["NONE"].gain - none
    assert found["FULL"].gain - full == pytest.approx(matched, abs=2e-6)
    assert found["SIMPLE"].gain == pytest.approx(found["FULL"].gain, abs=1e-4)
    assert 1 / (unmatched - sigma.value**2 / pair.level) == pytest.approx(ratio, abs=1.5e-6)
    # tests/test_ptc.py of cp_pipe: the gain is 0.75, to 0.04
    assert all(value.gain == pytest.approx(0.75, abs=0.04) for value in found.values())
    # ours is the truth within its error of 0.7 %, and the seeds are the same for every level: 0.2 %
    assert pair.gain == pytest.approx(0.7515, abs=2e-4)


@pytest.mark.parametrize("estimator", ["NONE", "SIMPLE", "FULL", "VARIANCE"])
def test_every_level_of_the_mock_of_the_rubin_tests_has_the_gain(estimator):
    # algorithms.md 7.1, "gain from pairs": read noise sqrt(1.5), 100 electrons / s, t = 1, 6, ..., 96; 0.75 to 0.04
    for time in range(1, 97, 19):
        first, second = (rubin(seed, 100 * time, math.sqrt(1.5)) for seed in (1984, 666))
        found = pair_gain(first, second, Noise(math.sqrt(1.5) / 0.75), estimator=estimator)
        assert found.gain == pytest.approx(0.75, abs=0.04 if estimator != "VARIANCE" else 3 * found.error)


def test_the_variants_of_the_pipelines_are_low_by_what_their_formulas_say():
    random = np.random.default_rng(10)
    shape = (1000, 500)
    first, second = (random.poisson(50.0, shape).astype(np.float32) for _ in range(2))
    found = {name: pair_gain(first, second, Noise(0.0), estimator=name) for name in ("NONE", "SIMPLE", "FULL", "VARIANCE")}
    # algorithms.md 5, Poisson at 50 electrons without readout: 0.99944, -, 0.98934. The sampling error is 0.2 %.
    error = 3 * found["NONE"].error
    assert found["NONE"].gain == pytest.approx(1.0, abs=error)
    assert found["FULL"].gain == pytest.approx(0.98934, abs=error)
    assert found["VARIANCE"].gain == pytest.approx(1.0, abs=error)
    # as documented, with 1 / (2 g^2), not as coded: at g = 1 the two are the same, 1 / (2 N) low
    assert found["SIMPLE"].gain / found["NONE"].gain == pytest.approx(1 / (1 + 1 / 100), abs=1e-3)
    scaled = pair_gain(first / 2, second / 2, Noise(0.0), estimator="SIMPLE").gain
    assert scaled == pytest.approx(2 * found["SIMPLE"].gain, rel=1e-5)  # as coded it would be 2.035


def test_the_errors_of_the_variants_are_those_of_what_they_average():
    random = np.random.default_rng(11)
    first, second = flat(random, 5_000.0), flat(random, 5_000.0)
    ours = pair_gain(first, second, KNOWN)
    for name in ("NONE", "SIMPLE", "FULL"):
        # c has the error of V; what the noise of 1.3 % of V adds differs by as much
        assert pair_gain(first, second, KNOWN, estimator=name).error == pytest.approx(ours.error, rel=0.04)


@pytest.mark.parametrize(
    ("noise", "options", "match"),
    [
        (Noise(60.0), {}, r"the variance of a pair of flats at 92\d\.?\d* adu is .* not above that of its noise of 60 adu"),
        (Noise(math.nan), {}, r"a noise of nan ± 0 adu is not a number of 0 or more"),
        (Noise(8.0, -1.0), {}, r"a noise of 8 ± -1 adu is not a number of 0 or more"),
        (Noise(8.0), {"estimator": "BEST"}, r"'BEST' is not an estimator of the gain \(write one of VARIANCE, NONE"),
        (Noise(8.0), {"max_mismatch": 1e-6}, r"they differ by 0\.\d+%, not by 0\.000% or less"),
    ],
)
def test_what_gives_no_gain_is_refused_with_its_numbers(noise, options, match):
    random = np.random.default_rng(12)
    with pytest.raises(BuildError, match=match):
        pair_gain(flat(random, 1_000.0), flat(random, 1_000.0), noise, **options)


@pytest.mark.parametrize(("a00", "error", "match"), [
    (math.nan, 0.0, "an a00 of nan ± 0 per electron is not a number with an error"),
    (A00, math.inf, "an a00 of -1.7e-06 ± inf per electron is not a number with an error"),
    (1e-4, 0.0, r"no gain fits an a00 of 0\.0001 per electron at 46\d+\.?\d* adu"),
])
def test_a_brighter_fatter_coefficient_that_fits_nothing_is_refused(a00, error, match):
    random = np.random.default_rng(13)
    pair = pair_gain(flat(random, 50_000.0), flat(random, 50_000.0), KNOWN)
    with pytest.raises(BuildError, match=match):
        corrected(pair, a00, error)
