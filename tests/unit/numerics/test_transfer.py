"""Photon transfer curves: models, fits and their errors, turnoff, linearity, and the numbers of others."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latcal.builtin.cameras.simulation.brighter_fatter import redistribute
from latcal.errors import BuildError
from latcal.numerics.covariance import pair_covariances
from latcal.numerics.covariance_fit import Compressed
from latcal.numerics.curve_models import pairs_needed
from latcal.numerics.ladder import Ladder
from latcal.numerics.transfer import fit_transfer
from latcal.numerics.transfer_fits import fit_exponential
from latcal.numerics.transfer_models import FullCovariance, convolved, exponential, exponential_slopes

GAIN, NOISE, A00 = 1.08, 8.6, -1.7e-6
PIXELS = 40_000.0
LEVELS = np.geomspace(500.0, 100_000.0, 20) / GAIN

A = np.array([[-3e-6, 4e-7, 6e-8], [1.8e-7, 1e-7, 3e-8], [3e-8, 3e-8, 2e-8]])
N = np.array([[36.0, 1.0, 0.0], [-0.5, 0.0, 0.0], [0.0, 0.0, 0.0]])


def variance_ladder(random, pixels=PIXELS, levels=LEVELS):
    truth = exponential(levels, A00, GAIN, NOISE**2)
    measured = truth * (1.0 + math.sqrt(2 / pixels) * random.standard_normal(levels.size))
    return Ladder.of_variances(levels, measured, [pixels] * levels.size)


def covariance_ladder(random, pixels=PIXELS, levels=LEVELS, c=None):
    truth = FullCovariance(1.5, A, N, np.zeros((3, 3)) if c is None else c).at(levels)
    relative = np.full((3, 3), 1 / math.sqrt(2 * pixels))
    relative[0], relative[:, 0] = 1 / math.sqrt(pixels), 1 / math.sqrt(pixels)
    relative[0, 0] = math.sqrt(2 / pixels)
    relative = np.broadcast_to(relative, truth.shape)
    return Ladder(levels, truth + random.standard_normal(truth.shape) * relative * truth[:, :1, :1], relative)


@pytest.mark.parametrize(
    ("level", "with_b", "c00", "c01", "c10", "c11", "c22"),
    [  # algorithms.md 7.1, "full covariance model evaluation"
        (1000, True, 679.6790685642, 0.8417941839634, -0.04328554146522, 0.09950422077100, 0.01990871020225),
        (1000, False, 679.6760862691, 0.8421899427134, -0.04310720571522, 0.09960347564600, 0.01992857595225),
        (20000, True, 12242.36174005, 141.0267674844, 63.92189889778, 36.28012336, 7.31683236),
        (20000, False, 12221.19452005, 143.5481674844, 65.09561889778, 36.96090336, 7.45535236),
        (60000, True, 31376.09774432, 1017.596610684444, 472.654788497778, 273.56679216, 56.23462116),
        (60000, False, 30957.55292432, 1049.030010684444, 489.966108497778, 285.50997216, 58.81474116),
    ],
)
def test_the_full_model_gives_the_golden_numbers(level, with_b, c00, c01, c10, c11, c22):
    c = -1e-6 * A if with_b else np.zeros((3, 3))
    found = FullCovariance(1.5, A, N, c).at(np.array([float(level)]))[0]
    near = [found[lag] for lag in ((0, 0), (0, 1), (1, 0), (1, 1), (2, 2))]
    assert near == pytest.approx([c00, c01, c10, c11, c22], rel=1e-11)  # the digits given


def test_convolutions_give_the_golden_numbers():
    twice = convolved(A, A, 5)
    assert twice[0, 0] == pytest.approx(9.4426e-12, rel=1e-12)
    assert convolved(twice, A, 3)[0, 0] == pytest.approx(-3.0663444e-17, rel=1e-12)


def test_convolutions_are_complete_where_the_pipelines_cut_them():
    random = np.random.default_rng(1)
    a = random.normal(0.0, 1.0, (8, 8))
    found = convolved(convolved(a, a, 15), a, 8)

    def whole(quadrant):
        side = len(quadrant)
        return np.array([[quadrant[abs(i), abs(j)] for j in range(1 - side, side)] for i in range(1 - side, side)])

    full = np.fft.irfft2(np.fft.rfft2(whole(a), (64, 64)) ** 3, (64, 64))[21:29, 21:29]
    np.testing.assert_allclose(found, full, atol=1e-10)
    # cut at 1.5 r, as upstream, the far lags of the threefold one are not the same
    cut = np.zeros((15, 15))
    cut[:13, :13] = convolved(a, a, 13)
    assert np.abs(convolved(cut, a, 8) - found).max() > 1e-3


@pytest.mark.parametrize("side", [1, 3])
@pytest.mark.parametrize("clear", [None, [[True, False, True], [True, False, False], [False, True, False]]])
def test_the_derivatives_of_the_full_model_are_those_of_small_steps(side, clear):
    levels, size = np.array([1e3, 5e4]), side * side
    c = -1e-6 * A
    parameters = np.concatenate([[1.5], *(each[:side, :side].reshape(-1) for each in (A, N, c))])
    steps = np.concatenate([[1e-5], np.full(size, 1e-10), np.full(size, 1e-2), np.full(size, 1e-16)])

    def model(values):
        a, noise, third = (values[1 + k * size : 1 + (k + 1) * size].reshape(side, side) for k in range(3))
        return FullCovariance(values[0], a, noise, third, None if clear is None else np.array(clear)[:side, :side])

    found = np.einsum("nk,kip->nip", levels[:, None] ** np.arange(5), model(parameters).power_slopes())
    for index, step in enumerate(steps):
        shift = step * (np.arange(parameters.size) == index)
        numeric = (model(parameters + shift).at(levels) - model(parameters - shift).at(levels)) / (2 * step)
        np.testing.assert_allclose(
            found[:, :, index], numeric.reshape(2, -1), rtol=1e-6, atol=1e-6 * np.abs(numeric).max()
        )


def test_the_derivatives_of_one_coefficient_are_those_of_small_steps():
    at = (-2e-6, 1.5, 30.0)
    found = exponential_slopes(np.array([1.0, 1e2, 9e4]), *at)
    for index, step in enumerate((1e-10, 1e-6, 1e-3)):
        low, high = (tuple(np.array(at) + sign * step * (np.arange(3) == index)) for sign in (-1, 1))
        numeric = (exponential(np.array([1.0, 1e2, 9e4]), *high) - exponential(np.array([1.0, 1e2, 9e4]), *low)) / (2 * step)
        # a00 at 1 adu is 1e-10 of a variance: the difference has no more digits
        np.testing.assert_allclose(found[1:, index], numeric[1:], rtol=1e-5)


def test_one_coefficient_is_fitted_to_the_numbers_of_the_rubin_test():
    time = np.arange(1.0, 97.0, 5.0)
    levels = 1000.0 * time - 5e-6 * time**2
    variances = exponential(levels, -1.2e-6, 0.75, 1.5)
    # algorithms.md 7.1, "Noiseless one-parameter variances": t = 1, 51, 96
    assert variances[[0, 10, 19]] == pytest.approx([1334.80071302, 64974.80727847, 117553.83039056], rel=1e-11)  # the digits given
    weights = [0.07980188, 0.01339653, 0.0073118, 0.00502802, 0.00383132, 0.00309475, 0.00259572, 0.00223528, 0.00196273]
    weights += [0.00174943, 0.00157794, 0.00143707, 0.00131929, 0.00121935, 0.0011334, 0.00105893, 0.00099357]
    weights += [0.0009358, 0.00088439, 0.00083833]
    relative = 1 / np.array(weights) / variances
    for options in ({}, {"bootstrap": 20, "random": np.random.default_rng(1)}):
        found = fit_transfer(Ladder.of_variances(levels, variances, 2 / relative**2), **options)
        assert found.gain == pytest.approx(0.75, abs=1e-7)
        assert found.a00 == pytest.approx(-1.2e-6, rel=1e-5)  # theirs: 7 decimals, which is 4 % of a00
        assert found.noise == pytest.approx(math.sqrt(1.5), abs=1e-5)
        np.testing.assert_allclose(found.model_covariances[:, 0, 0], variances, rtol=1e-9)
        assert found.kept.all()
    # theirs: the error of the noise is below the noise, for it is scaled by a chi-square of 0. By the weights, a variance
    # of 1335 is known to 12.5 adu^2, which is 7 electron^2: no noise of 1.2 can be seen, and the error says so
    plain = fit_transfer(Ladder.of_variances(levels, variances, 2 / relative**2))
    assert plain.noise_error > plain.noise
    truth = np.array([-1.2e-6, 0.75, 1.5])
    steps = np.diag([1e-10, 1e-6, 1e-3])
    slopes = np.array([exponential(levels, *(truth + step)) - exponential(levels, *(truth - step)) for step in steps])
    rows = slopes / (2 * steps.sum(axis=1, keepdims=True)) * weights
    errors = np.sqrt(np.diagonal(np.linalg.inv(rows @ rows.T)))
    # the inverse of the information, with derivatives over small steps: 1e-4
    assert [plain.a00_error, plain.gain_error, plain.noise_squared_error] == pytest.approx(errors, rel=1e-4)


def test_one_coefficient_has_honest_errors_over_200_amplifiers():
    random = np.random.default_rng(2)
    ladders = [variance_ladder(random) for _ in range(200)]
    fits = [fit_exponential(ladder) for ladder in ladders]
    pulls = np.array([(fit.parameters - [A00, GAIN, NOISE**2]) / fit.errors for fit in fits])
    # decisions.md section 3, point 5: mean 0.21 (three of 1 / sqrt(200)), width within 15 % (three of 5 %)
    assert np.abs(pulls.mean(axis=0)).max() < 0.21
    assert pulls.std(axis=0, ddof=1) == pytest.approx([1.0, 1.0, 1.0], abs=0.15)
    chi_squares = np.array([fit.chi_square / fit.freedom for fit in fits])
    # a real one: 17 degrees of freedom, sqrt(2 / 17) = 0.34 each, 0.024 for the mean of 200
    assert chi_squares.mean() == pytest.approx(1.0, abs=0.075)
    assert chi_squares.std() == pytest.approx(math.sqrt(2 / 17), rel=0.2)
    for ladder, fit in zip(ladders[:20], fits, strict=False):
        told = fit_transfer(ladder)  # nothing is set apart where nothing is wrong
        assert (told.gain, told.freedom, told.turnoff.reached) == (fit.parameters[1], 17, False)
        assert told.reduced_chi_square == fit.chi_square / 17


def test_a_ladder_is_compressed_without_loss():
    random = np.random.default_rng(3)
    ladder = covariance_ladder(random)
    sigma = ladder.relative_errors * ladder.variances[:, None, None]
    small = Compressed.of(ladder, sigma, 5)
    assert small.rows.shape == (9, 5, 5)
    assert small.values.shape == (9, 5)
    whole, kept = [], []
    for factor in (0.9, 1.0, 1.1):
        model = FullCovariance(1.5 * factor, A * factor, N / factor, -1e-6 * A)
        whole.append((((ladder.covariances - model.at(ladder.levels)) / sigma) ** 2).sum())
        pulls = np.einsum("sjk,ks->sj", small.rows, model.powers().reshape(5, -1)) - small.values
        kept.append((pulls**2).sum())
    # chi-squares of 180 to 1e5 that differ by one constant: what no polynomial of order 4 explains, 4 degrees of freedom less
    assert np.ptp(np.array(whole) - kept) == pytest.approx(0.0, abs=1e-6)
    assert whole[0] - kept[0] == pytest.approx(135.0, abs=3 * math.sqrt(2 * 135))


@pytest.fixture(
    scope="module", params=[("FULLCOVARIANCE_NO_B", 0.0, 2e4), ("FULLCOVARIANCE", -1e-6, 1e6)], ids=lambda each: each[0]
)
def full_fits(request):
    """Give fits of one full model to 25 amplifiers, and the b of the truth.

    The charge turns away 40 % of its variance at the top here: where a00 is then known to 10 % only, as from 2e4 pixels with b,
    the error depends so much on the value found that pulls are not Gaussian.
    """
    model, b, pixels = request.param
    random = np.random.default_rng(3)
    return model, b, [fit_transfer(covariance_ladder(random, pixels, c=b * A), model, lags=3) for _ in range(25)]


def test_full_models_have_honest_errors(full_fits):
    model, _, fits = full_fits
    of_a = np.array([(fit.a_matrix - A) / fit.a_errors for fit in fits])
    of_n = np.array([(fit.noise_matrix - N) / fit.noise_errors for fit in fits])
    of_gain = np.array([(fit.gain - 1.5) / fit.gain_error for fit in fits])
    # three of 1 / sqrt(n) and of 1 / sqrt(2 n); 225 pulls of matrices, not all independent, and 25 of the gain
    for pulls, n in ((of_a, 112), (of_n, 112), (of_gain, 25)):
        assert abs(pulls.mean()) < 3 / math.sqrt(n)
        assert pulls.std() == pytest.approx(1.0, abs=3 / math.sqrt(2 * n))
    freedom = 20 * 9 - (19 if model.endswith("NO_B") else 28)
    assert all(fit.freedom == freedom for fit in fits)
    assert np.mean([fit.reduced_chi_square for fit in fits]) == pytest.approx(1.0, abs=3 * math.sqrt(2 / freedom / 25))


def test_b_is_zero_where_it_is_not_fitted_and_hard_to_tell_from_a_where_it_is(full_fits):
    model, b, fits = full_fits
    if model.endswith("NO_B"):
        assert (fits[0].b_matrix == 0.0).all()
        assert math.isnan(fits[0].a00_c00_correlation)
        return
    both = np.array([[fit.a00, fit.b_matrix[0, 0] * fit.a00] for fit in fits])
    errors = np.array([fit.b_errors[0, 0] for fit in fits])
    # the correlation of 25 draws is good to (1 - 0.97^2) / sqrt(25) = 0.012; three of it
    assert np.corrcoef(both.T)[0, 1] == pytest.approx(fits[0].a00_c00_correlation, abs=0.04)
    assert fits[0].a00_c00_correlation == pytest.approx(-0.95, abs=0.03)
    # a quotient of two noisy numbers: the median, good to 1.25 / sqrt(25) = 0.25 of an error; three of it
    assert np.median([(fit.b_matrix[0, 0] - b) / error for fit, error in zip(fits, errors, strict=True)]) == pytest.approx(
        0.0, abs=0.75
    )


def many_lags(seed, pixels, side):
    """Give a ladder of many lags, most of whose coefficients are hidden by noise."""
    lag = np.hypot(*np.meshgrid(np.arange(side), np.arange(side)))
    a = 1.2e-7 / np.maximum(lag, 1.0) ** 3
    a[0, 0], a[1, 0], a[0, 1] = A00, 1.5e-7, 2.5e-7
    noise = np.zeros((side, side))
    noise[0, 0] = NOISE**2
    truth = FullCovariance(GAIN, a, noise, np.zeros((side, side))).at(LEVELS)
    relative = np.full((side, side), 1 / math.sqrt(2 * pixels))
    relative[0] = relative[:, 0] = 1 / math.sqrt(pixels)
    relative[0, 0] = math.sqrt(2 / pixels)
    relative = np.broadcast_to(relative, truth.shape)
    draws = np.random.default_rng(seed).standard_normal(truth.shape)
    return Ladder(LEVELS, truth + draws * relative * truth[:, :1, :1], relative)


def test_the_full_model_settles_on_small_amplifiers_with_honest_errors():
    # a bench of 100 x 100 pixels, where no c can be seen
    fits = [fit_transfer(many_lags(seed, 1e4, 6), "FULLCOVARIANCE", lags=6) for seed in range(16)]
    pulls = np.array([[(fit.gain - GAIN) / fit.gain_error, (fit.a00 - A00) / fit.a00_error] for fit in fits])
    # three of 1 / sqrt(16) and of 1 / sqrt(32)
    assert np.abs(pulls.mean(axis=0)).max() < 0.75
    assert np.abs(pulls.std(axis=0) - 1.0).max() < 0.53
    chi_squares = [fit.reduced_chi_square for fit in fits]
    assert np.mean(chi_squares) == pytest.approx(1.0, abs=3 * math.sqrt(2 / fits[0].freedom / 16))


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_of_far_lags_does_not_add_up_in_the_convolutions(seed):
    pixels = 1e4
    ladder = many_lags(seed, pixels, 10)
    fit = fit_transfer(ladder, "FULLCOVARIANCE", lags=10)
    letter = FullCovariance(fit.gain, fit.a_matrix, fit.noise_matrix, fit.a_matrix * fit.b_matrix).at(ladder.levels)
    top = int(np.argmax(ladder.levels))
    # equation 20 to the letter sums a*c over 361 lags, where the errors of a and c go against each other: at the top the
    # variance is low by four of its errors, whatever the data; that is no physics
    low = letter[top, 0, 0] / fit.model_covariances[top, 0, 0] - 1.0
    assert low / math.sqrt(2 / pixels) == pytest.approx(-4.3, abs=1.0)
    assert fit.model_covariances[top, 0, 0] == pytest.approx(
        ladder.variances[top], abs=3 * math.sqrt(2 / pixels) * ladder.variances[top]
    )


@pytest.fixture(scope="module")
def flats():
    """Give ladders of pixels: correlated flats of three amplifiers, 200 x 200 pixels."""
    random = np.random.default_rng(4)
    ladders = []
    for _ in range(3):
        pairs = []
        for level in np.geomspace(1_000.0, 90_000.0, 10):
            two = []
            for _ in range(2):
                expected = np.full((200, 200), level, dtype=np.float32)
                charge = (random.poisson(level, (200, 200)) - level).astype(np.float32)
                redistribute(expected, charge, A00)
                two.append(((charge + random.normal(0.0, NOISE, (200, 200))) / GAIN).astype(np.float32))
            pairs.append(pair_covariances(*two, noise=NOISE / GAIN, lags=5))
        ladders.append(Ladder.of(pairs))
    return ladders


@pytest.mark.parametrize("model", ["EXPAPPROXIMATION", "FULLCOVARIANCE_NO_B", "FULLCOVARIANCE", "POLYNOMIAL"])
def test_the_truth_comes_out_of_pixels(flats, model):
    fits = [fit_transfer(ladder, model, lags=5, order=3) for ladder in flats]
    for fit in fits:
        assert fit.gain == pytest.approx(GAIN, abs=4 * fit.gain_error)  # 12 numbers in all: 4 sigma
        assert fit.noise_squared == pytest.approx(NOISE**2, abs=4 * fit.noise_squared_error)
        # the camera is good to 0.7 % of a00; equation 16 leaves out what the neighbours give back, 4 %
        assert fit.a00 == pytest.approx(A00, abs=4 * fit.a00_error + 0.05 * 1.7e-6)
        assert 0.2 < fit.reduced_chi_square < 2.6
        assert fit.highest == max(flats[0].levels) or fit.highest > 80_000
    assert np.mean([fit.gain for fit in fits]) == pytest.approx(GAIN, abs=3 * fits[0].gain_error / math.sqrt(3))
    if model == "FULLCOVARIANCE_NO_B":
        a10, a01 = (np.mean([fit.a_matrix[lag] for fit in fits]) for lag in ((1, 0), (0, 1)))
        assert a10 == pytest.approx(1.5e-7, abs=3 * fits[0].a_errors[1, 0] / math.sqrt(3) + 0.05 * 1.5e-7)
        assert a01 == pytest.approx(2.5e-7, abs=3 * fits[0].a_errors[0, 1] / math.sqrt(3) + 0.05 * 2.5e-7)


@pytest.fixture(scope="module")
def mock():
    """Give the ladder of the mock of cp_pipe: algorithms.md 7.0 and 7.1."""
    pairs = []
    for time in np.arange(1.0, 97.0, 5.0):
        two = []
        for seed in (1984, 666):
            random = np.random.RandomState(seed)
            level = 1000.0 * time
            pixels = random.normal(level, np.sqrt(level), (204, 200)) + random.normal(0.0, 3.0, (204, 200))
            two.append((pixels / 0.75).astype(np.float32))
        pairs.append(pair_covariances(*two, at_least=5000))
    return Ladder.of(pairs)


GOLDEN_NOISE = {
    "FULLCOVARIANCE": [
        [8.99474598, 9.94916264, -27.90587299], [-2.95079527, -17.11827641, -47.88156244], [5.24915021, -3.25786165, 26.09634067]
    ],
    "FULLCOVARIANCE_NO_B": [
        [8.71049338, 12.48584043, -37.06585088], [-4.80523971, -23.29102809, -66.37815343], [7.48654766, -4.10168337, 35.64469824]
    ],
}


@pytest.mark.parametrize("model", ["FULLCOVARIANCE", "FULLCOVARIANCE_NO_B"])
def test_full_models_are_fitted_to_the_mock_of_the_rubin_tests(mock, model):
    found = fit_transfer(mock, model, lags=3, lowest=2000.0)
    # tests/test_ptc.py of cp_pipe, by algorithms.md 7.1: gain to 2 decimals; variance of model against data 2e-3
    assert found.gain == pytest.approx(0.75, abs=0.005)
    kept = found.kept
    assert kept.sum() == 19
    assert found.turnoff.level == max(mock.levels)
    ratio = found.model_covariances[kept, 0, 0] / mock.variances[kept]
    assert np.abs(ratio - 1.0).max() < 2e-3
    for lag in ((0, 1), (1, 0)):
        near = mock.covariances[kept, *lag]
        # theirs: 0.3 of the covariance. All levels of the mock are one noise, whose covariance rises with mu and not with
        # mu^2; ours weighs the low levels less, by the true error of a covariance: or within half of that
        apart = np.abs(found.model_covariances[kept, *lag] - near)
        error = mock.relative_errors[kept, *lag] * mock.variances[kept]
        assert (apart < np.maximum(0.3 * np.abs(near), 0.5 * error)).all()
    # decisions.md section 3, point 10: their noise matrix is a start value hardly moved; within 0.1 of its error
    assert (np.abs(found.noise_matrix - GOLDEN_NOISE[model]) / found.noise_errors).max() < 0.1


def test_a_curve_that_ends_is_followed_to_where_it_ends(mock):
    covariances, levels = mock.covariances.copy(), mock.levels.copy()
    levels[-1] = np.nan
    covariances[-2, 0, 0] *= 0.9
    found = fit_transfer(Ladder(levels, covariances, mock.relative_errors), "FULLCOVARIANCE", lags=3, lowest=2000.0)
    assert found.turnoff.level == levels[-3]  # third from last, as for C:0,0 of the same test
    assert found.turnoff.reached
    assert found.turnoff.error == pytest.approx(0.5 * (levels[-2] - levels[-4]))
    assert np.isnan(found.model_covariances[-1]).all()


def test_a_polynomial_has_the_gain_in_its_slope():
    random = np.random.default_rng(5)
    levels = np.linspace(500.0, 20_000.0, 25)
    pulls = []
    for _ in range(40):
        truth = 60.0 + levels / 1.25 - 1.5e-6 * levels**2 + 4e-12 * levels**3
        measured = truth * (1 + 0.007 * random.standard_normal(25))
        fit = fit_transfer(Ladder.of_variances(levels, measured, [2 / 0.007**2] * 25), "POLYNOMIAL", order=3)
        pulls.append(
            [
                (fit.gain - 1.25) / fit.gain_error,
                (fit.a00 + 1.5e-6) / fit.a00_error,
                (fit.noise_squared - 60.0 * 1.25**2) / fit.noise_squared_error,
            ]
        )
    pulls = np.array(pulls)
    # three of 1 / sqrt(40) and 1 / sqrt(80)
    assert np.abs(pulls.mean(axis=0)).max() < 0.48
    assert np.abs(pulls.std(axis=0) - 1.0).max() < 0.34
    assert fit.parameters.size == 4


def test_a_bootstrap_finds_the_errors_that_the_weights_give_where_the_model_holds():
    random = np.random.default_rng(6)
    ladder = variance_ladder(random, levels=np.geomspace(500.0, 100_000.0, 60) / GAIN)
    plain = fit_transfer(ladder)
    drawn = fit_transfer(ladder, bootstrap=60, random=random)
    assert drawn.gain == plain.gain
    # 60 residuals say their own size to 9 %, leverage of the lowest ones adds as much: within 40 %
    assert drawn.gain_error == pytest.approx(plain.gain_error, rel=0.4)
    assert drawn.a00_error == pytest.approx(plain.a00_error, rel=0.4)


@pytest.mark.parametrize("model", ["POLYNOMIAL", "FULLCOVARIANCE_NO_B", "FULLCOVARIANCE"])
def test_a_bootstrap_gives_errors_of_all_parameters_of_any_model(model):
    ladder = covariance_ladder(np.random.default_rng(6), 1e6)
    plain = fit_transfer(ladder, model, lags=3, order=4)
    drawn = fit_transfer(ladder, model, lags=3, order=4, bootstrap=15, random=np.random.default_rng(1))
    np.testing.assert_array_equal(drawn.parameters, plain.parameters)
    # 15 draws of 20 residuals say an error to 18 and 16 %, those of the few pairs at an end much worse: a factor of 2 in the median
    ratios = np.log(drawn.parameter_errors / plain.parameter_errors)
    assert abs(np.median(ratios)) < math.log(2)
    assert np.isfinite(ratios).all()
    if model == "POLYNOMIAL":
        again = fit_transfer(ladder, model, lags=3, order=4, bootstrap=15, random=np.random.default_rng(1))
        np.testing.assert_array_equal(drawn.parameter_errors, again.parameter_errors)  # the generator says which are drawn
    else:
        assert drawn.a_errors.shape == drawn.b_errors.shape == drawn.noise_errors.shape == (3, 3)
    if model == "FULLCOVARIANCE":
        assert -1.0 <= drawn.a00_c00_correlation < -0.5


def test_a_noise_that_comes_out_below_zero_is_none_and_has_an_error():
    levels = np.geomspace(2_000.0, 50_000.0, 12)
    truth = exponential(levels, A00, GAIN, -50.0)
    fit = fit_transfer(Ladder.of_variances(levels, truth, [1e5] * 12))
    assert fit.noise_squared == pytest.approx(-50.0, rel=1e-6)
    assert fit.noise == 0.0
    assert fit.noise_error == pytest.approx(math.sqrt(fit.noise_squared_error))


@pytest.mark.parametrize(
    ("model", "options", "needed"),
    [
        ("EXPAPPROXIMATION", {}, 4),
        ("POLYNOMIAL", {"order": 3}, 5),
        ("FULLCOVARIANCE", {"lags": 10}, 10),
        ("FULLCOVARIANCE", {"lags": 2}, 5),
        ("FULLCOVARIANCE_NO_B", {"lags": 2}, 4),
    ],
)
def test_a_model_says_how_many_pairs_it_needs_and_refuses_one_less(model, options, needed):
    assert pairs_needed(model, **options) == needed
    random = np.random.default_rng(7)
    side = options.get("lags", 1)
    levels = np.geomspace(1_000.0, 60_000.0, needed)
    truth = np.zeros((needed, side, side))
    truth[:, 0, 0] = exponential(levels, A00, GAIN, 70.0)
    relative = np.full(truth.shape, 0.003)
    ladder = Ladder(levels, truth + 0.001 * truth[:, :1, :1] * random.standard_normal(truth.shape), relative)
    assert fit_transfer(ladder, model, **options).kept.all()
    with pytest.raises(BuildError, match=rf"{needed - 1} .*not {needed} or more"):
        fit_transfer(ladder.chosen(np.arange(needed - 1)), model, **options)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"model": "BEST"}, r"'BEST' is not a model of the photon transfer curve \(write one of POLYNOMIAL, EXP"),
        ({"model": "POLYNOMIAL", "order": 1}, r"a polynomial of order 1 has no brighter-fatter term \(write 2 or more\)"),
        ({"model": "FULLCOVARIANCE", "lags": 0}, r"0 lags are none to fit FULLCOVARIANCE to"),
        ({"model": "FULLCOVARIANCE", "lags": 3}, "the covariances have 1 lags in one direction, not the 3 of FULLCOV"),
        ({"bootstrap": 5}, "a bootstrap of 5 needs a random generator"),
        ({"highest": 700.0}, r"\d levels of \d+ pairs are left for EXPAPPROXIMATION, not 4 or more"),
    ],
)
def test_what_cannot_be_fitted_is_refused_with_the_reason(options, match):
    with pytest.raises(BuildError, match=match):
        fit_transfer(variance_ladder(np.random.default_rng(8)), **options)


def test_a_variance_that_does_not_rise_has_no_gain():
    levels = np.linspace(1_000.0, 9_000.0, 9)
    falling = Ladder.of_variances(levels, 20_000.0 - levels, [1e5] * 9)
    with pytest.raises(BuildError, match=r"1 of 9 pairs of flats follow one curve, not 4 or more"):
        fit_transfer(falling)
    with pytest.raises(BuildError, match=r"the variance rises by -1 adu with each adu of light, which is no gain"):
        fit_exponential(falling)


def test_equal_levels_do_not_tell_parameters_apart():
    levels = np.full(8, 5_000.0)
    with pytest.raises(BuildError, match="1 levels of 8 pairs are left for EXPAPPROXIMATION, not 4 or more"):
        fit_transfer(Ladder.of_variances(levels, levels, [1e5] * 8))


def test_covariances_that_are_not_numbers_are_counted():
    ladder = covariance_ladder(np.random.default_rng(9))
    ladder.covariances[3, 1, 2] = np.nan
    with pytest.raises(BuildError, match="1 of the covariances, or of their errors, are not numbers"):
        fit_transfer(ladder, "FULLCOVARIANCE", lags=3)
    assert math.isfinite(fit_transfer(ladder, "FULLCOVARIANCE", lags=2).gain)


def test_a_ladder_says_what_it_is_made_of():
    with pytest.raises(BuildError, match="there are no pairs of flats"):
        Ladder.of([])
    with pytest.raises(BuildError, match="2, 1, 2 levels, variances and numbers of pixels are not as many of each"):
        Ladder.of_variances([1.0, 2.0], [1.0], [1.0, 1.0])
    ladder = Ladder.of_variances([1.0, -1.0, math.nan, 4.0, 5.0], [1.0, 1.0, 1.0, 0.0, 1.0], [9.0, 9.0, 9.0, 9.0, 0.0])
    assert ladder.usable.tolist() == [True, False, False, False, False]
