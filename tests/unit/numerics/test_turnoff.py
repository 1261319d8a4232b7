"""The turnoff: of real sensors, and of ladders in which one pair is wrong."""

from __future__ import annotations

import math

import numpy as np
import pytest

from latcal.errors import BuildError
from latcal.numerics.ladder import Ladder
from latcal.numerics.transfer import fit_transfer
from latcal.numerics.transfer_models import exponential
from latcal.numerics.turnoff import find_turnoff

NAN = math.nan
PIXELS = 919_240.0

# algorithms.md 7.2 and 7.7: means [adu] and variances [adu^2] of real sensors
SAMPLES = {
    "sparse normal": (
        [
            73.5242203, 92.9532799, 112.149391, 139.776279, 174.22002, 215.692281, 268.814926, 334.446868,
            414.359931, 514.691775, 640.642848, 795.596873, 990.75328, 1228.85224, 1526.84706, 1899.07469, 2357.0177,
            2931.06806, 3594.66174, 4467.20318, 5552.32373, 6900.91293, 8576.60238, 10658.3769, 13245.7052,
            16461.8675, 20460.5037, 25430.1936, 31592.6481, 38778.4321, 48131.8315, 59714.557, 74185.9291,
            92173.9596, 108484.387, 110456.942, 110677.645, 110691.134, 110693.202, 110692.292, 110699.619,
            110703.407, 110704.764,
        ],
        [
            71.66098099, 85.85187266, 100.0744455, 121.5904542, 143.5499824, 171.3926206, 210.5122034, 257.4079679,
            313.1167749, 381.9133325, 476.4654208, 583.7263264, 729.2639775, 888.4619489, 1101.586062, 1363.392637,
            1686.289166, 2096.149208, 2552.128977, 3159.703297, 3894.292546, 4800.370795, 5940.177604, 7310.225372,
            9015.143748, 11022.81586, 13509.1805, 16391.8906, 19905.15872, 23628.84876, 28128.21786, 33476.91933,
            40023.07406, 45198.48421, 3390.765619, 1601.38678, 1890.127151, 1805.34862, 1904.841561, 1903.848597,
            1857.158858, 1889.456495, 1892.016727,
        ],
    ),
    "sparse upturn": (
        [
            56.5607783, 70.4062631, 87.4047057, 108.812996, 135.333046, 167.636667, 208.4452, 259.202618, 321.602277,
            399.545078, 496.963648, 617.791959, 767.578708, 954.04004, 1185.87264, 1472.97327, 1831.09922,
            2275.27491, 2793.09339, 3471.93365, 4315.20802, 5362.44611, 6664.82002, 8283.57528, 10296.2387,
            12797.2565, 15906.9356, 19774.6199, 24573.7678, 30187.3089, 37507.5197, 46567.7579, 57797.7537,
            71832.2986, 89255.3708, 97440.8608, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
        ],
        [
            68.2700079, 76.51661413, 84.52771312, 98.70960506, 113.9564444, 137.2544902, 158.3915981, 190.7985178,
            229.9244715, 279.5253411, 338.906632, 414.9707228, 510.1601263, 622.0095112, 763.8126801, 938.0709801,
            1149.759835, 1424.881252, 1745.363827, 2165.899273, 2666.43505, 3303.634075, 4094.406663, 5072.783176,
            6238.35971, 7697.015806, 9479.413633, 11654.65159, 14268.54472, 17316.88017, 21012.82422, 25275.74645,
            30725.05799, 37363.24467, 39830.33374, 48083.26242, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
        ],
    ),
    "sparse dip": (
        [
            69.4187281, 89.2438988, 105.958756, 132.423251, 164.877564, 204.367731, 255.076247, 316.9405, 392.525299,
            487.631833, 606.783494, 753.540982, 939.742534, 1163.67754, 1446.70172, 1800.47945, 2233.57272,
            2778.72101, 3406.46845, 4233.06945, 5260.85005, 6539.69254, 8129.14423, 10101.6373, 12554.641,
            15607.2062, 19398.7924, 24115.3677, 29966.9024, 36795.6267, 45687.9445, 56690.1053, 70436.0489,
            87557.8289, 108738.204, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
        ],
        [
            61.7553328, 75.60175792, 88.98931208, 106.95977, 129.786375, 153.5130247, 192.2518278, 233.4904232,
            287.0259504, 349.575542, 428.7151589, 528.0987701, 656.970114, 820.8821378, 1003.622891, 1243.672839,
            1543.242102, 1905.000504, 2321.633297, 2889.086528, 3574.526103, 4393.023, 5427.500875, 6691.627086,
            8226.429412, 10104.75768, 12365.56292, 15029.66357, 18233.57856, 21684.66746, 25811.97832, 30686.30643,
            36834.73747, 41993.20347, 30079.64884, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN,
        ],
    ),
    "C10": (
        [
            5025.1826, 10044.0995, 15068.9709, 20101.8205, 25137.3086, 30176.4258, 35216.4193, 40256.7730,
            45302.9725, 50337.0609, 55362.2603, 60378.8681, 65393.1077, 70403.3380, 75444.3226, 80501.0119,
            85569.0655, 90650.4472, 95745.0134, 100842.5710, 105933.0718, 111033.8122, 116133.4776, 121232.7912,
            126334.5432, 131356.7219, 136020.6816, 140044.4659, 143362.9096, 146069.4164,
        ],
        [
            4809.4284, 9492.2461, 14105.7081, 18695.8734, 23194.1747, 27495.0252, 31824.8218, 36183.8589, 40429.4253,
            44353.1372, 48263.2982, 51998.6469, 55902.6400, 60009.3564, 64389.1233, 68709.6087, 72830.4939,
            76638.2646, 80732.1138, 84511.5508, 87972.4243, 91691.6384, 95113.2700, 98294.0636, 97896.8995,
            81271.8253, 47750.3941, 27037.6715, 25387.6341, 36513.3864,
        ],
    ),
    "C13": (
        [
            5045.4737, 10083.1055, 15126.9388, 20178.6930, 25233.9935, 30293.4083, 35354.1149, 40415.3440,
            45483.4591, 50541.5917, 55592.7406, 60636.2591, 65674.0508, 70700.2446, 75750.6146, 80811.4094,
            85892.2008, 90987.4286, 96097.2197, 101211.7634, 106319.6537, 111437.7854, 116537.8128, 121482.4557,
            125983.5325, 129836.6035, 133044.8345, 135665.6470, 137810.3687, 139608.7262,
        ],
        [
            4840.4473, 9533.5923, 14195.4781, 18776.5098, 23287.9184, 27789.2411, 32194.5263, 36501.5579, 40713.0926,
            44779.7334, 48715.2250, 52480.1316, 56197.6220, 60264.4778, 64551.5191, 69106.0558, 73035.7728,
            77204.0408, 81141.2063, 84762.4083, 88648.5785, 92377.5844, 94014.0967, 86219.7684, 68923.4795,
            53186.9529, 39799.7961, 33729.9020, 39542.0894, 55882.8376,
        ],
    ),
    "C01": (
        [
            4932.0679, 9855.8561, 14784.5772, 19721.0401, 24659.3292, 29600.5454, 34542.6435, 39484.2018, 44431.1119,
            49366.7638, 54294.8383, 59215.9593, 64129.7221, 69030.8906, 73954.7364, 78888.6256, 83839.8761,
            88807.1686, 93786.7739, 98771.2102, 103748.7004, 108735.7426, 113718.4663, 118699.2452, 123689.2483,
            128685.2711, 133670.7974, 138506.7225, 142835.2556, 146410.2408,
        ],
        [
            4683.0212, 9162.3278, 13650.5463, 18016.6736, 22355.6966, 26640.6887, 30815.4525, 34901.9127, 38891.6866,
            42852.1299, 46420.3082, 50188.3555, 53692.9050, 57402.3221, 61419.8800, 65513.6326, 69682.6484,
            73681.4737, 77324.6595, 80760.6176, 84153.6766, 87481.2276, 90893.5731, 92833.2526, 89696.9136,
            71880.4134, 47154.0919, 28401.6033, 17175.7339, 15530.1161,
        ],
    ),
}


def real(name):
    means, variances = SAMPLES[name]
    return Ladder.of_variances(means, variances, [PIXELS] * len(means))


def simulated(levels, falls_at=math.inf, seed=1):
    levels = np.asarray(levels, dtype=float)
    truth = exponential(levels, -1.7e-6, 1.08, 74.0)
    truth[levels > falls_at] *= np.exp(-(levels[levels > falls_at] - falls_at) / 20_000.0)
    noise = math.sqrt(2 / PIXELS) * np.random.default_rng(seed).standard_normal(levels.size)
    return Ladder.of_variances(levels, truth * (1 + noise), [PIXELS] * levels.size)


@pytest.mark.parametrize(
    ("name", "kept", "turnoff", "error", "reached"),
    [
        ("sparse normal", 34, 92173.9596, 17149.22895, True),
        ("sparse dip", 34, 87557.8289, 19151.07755, True),
        ("C13", 23, 116537.812837, 0.5 * (121482.4557 - 111437.7854), True),
        ("C01", 24, 118699.245151, 0.5 * (123689.2483 - 113718.4663), True),
    ],
)
def test_real_sensors_turn_off_where_the_pipelines_say(name, kept, turnoff, error, reached):
    found = find_turnoff(real(name))
    assert found.kept.sum() == kept
    assert found.level == pytest.approx(turnoff, abs=1e-3)  # the digits given
    assert found.error == pytest.approx(error, abs=1e-3)
    assert found.reached is reached


def test_where_one_pair_decides_the_error_says_so():
    # the same 34 pairs and turnoff as the pipelines; but the last pair is on the curve again, and only the one between is
    # off it: without that one the turnoff would be at 97441 adu, which theirs, 15729 adu, does not tell
    found = find_turnoff(real("sparse upturn"))
    assert found.kept.sum() == 34
    assert found.level == pytest.approx(71832.2986, abs=1e-3)
    assert found.error == pytest.approx(97440.8608 - 71832.2986, abs=1e-3)
    assert not found.reached


def test_an_uncertainty_of_the_variance_keeps_what_its_root_does_not():
    # C10 at 126335 adu is 3 % low: within five of 1 % and counting, and off by five of sqrt(V); the pipelines end at 121233
    found = find_turnoff(real("C10"))
    assert found.kept.sum() == 25
    assert found.level == pytest.approx(126334.5432, abs=1e-3)
    # without a scatter of real sensors, counting 919240 pixels alone leaves little more than half of it
    strict = find_turnoff(real("C01"), scatter=0.0)
    assert strict.level < 80_000.0


@pytest.mark.parametrize(
    ("name", "gain", "a00", "noise"),
    [  # "1/var-weighted fit" of algorithms.md 7.2
        ("sparse normal", 1.399807, -3.015611e-06, 38.1227),
        ("sparse upturn", 1.618426, -1.618580e-06, 84.0392),
        ("sparse dip", 1.448981, -3.021722e-06, 30.6493),
    ],
)
def test_real_sensors_have_the_parameters_of_an_independent_fit(name, gain, a00, noise):
    found = fit_transfer(real(name))
    # theirs weighs by the measured variance, ours by that of the model; the two differ by 0.5 to 2 %
    assert found.gain == pytest.approx(gain, rel=5e-5)
    assert found.a00 == pytest.approx(a00, rel=2e-3)
    assert found.noise_squared == pytest.approx(noise, rel=3e-3)
    # real residuals of 0.5 to 2 % against 0.15 %: a real chi-square says that the model does not hold to counting
    assert found.reduced_chi_square > 10


@pytest.mark.parametrize(
    ("name", "gain", "noise", "a00", "turnoff"),
    [  # algorithms.md 7.7, "three amplifiers in full": fits of the legacy run
        ("C10", 1.0670245, 13.331273, -1.146447e-06, 121232.7912),
        ("C13", 1.0586912, 11.712135, -1.227380e-06, 116537.812837),
        ("C01", 1.0799885, 13.799388, -1.289750e-06, 118699.245151),
    ],
)
def test_latiss_has_the_parameters_of_the_legacy_run(name, gain, noise, a00, turnoff):
    found = fit_transfer(real(name), highest=turnoff + 1.0)  # C10: ours goes one pair higher, see above
    assert found.highest == pytest.approx(turnoff, abs=1e-3)
    # weights as above: 2e-4 of a gain, 0.2 % of a00; and the noise, of variances that begin at 4800 adu^2, as n00
    assert found.gain == pytest.approx(gain, rel=2e-4)
    assert found.a00 == pytest.approx(a00, rel=2e-3)
    assert found.noise_squared == pytest.approx(noise**2, rel=0.03)


def test_a_linear_ladder_turns_off_within_one_step():
    levels = np.concatenate([np.geomspace(500.0, 70_000.0, 15), np.arange(80_000.0, 160_001.0, 5_000.0)]) / 1.08
    found = find_turnoff(simulated(levels, falls_at=130_000.0 / 1.08))
    # the step after the fall is 2 to 20 % low, of which 5 % show
    assert found.level == pytest.approx(130_000.0 / 1.08, abs=5_000.0 / 1.08)
    assert found.reached
    assert found.error == pytest.approx(5_000.0 / 1.08, rel=1e-6)


def test_a_turnoff_that_was_never_reached_is_a_lower_limit():
    levels = np.geomspace(500.0, 90_000.0, 20)
    found = find_turnoff(simulated(levels))
    assert found.kept.all()
    assert not found.reached
    assert found.level == levels[-1]
    assert found.error == pytest.approx(levels[-1] - levels[-2])


@pytest.mark.parametrize("wrong", [0.7, 50.0])
def test_no_single_pair_moves_the_turnoff_by_more_than_the_error(wrong):
    levels = np.linspace(3_000.0, 150_000.0, 50)
    clean = simulated(levels, falls_at=120_000.0)
    truth = find_turnoff(clean)
    assert truth.reached
    for place in (*range(0, 36, 9), *range(36, 50)):
        covariances = clean.covariances.copy()
        covariances[place] *= wrong
        found = find_turnoff(Ladder(levels, covariances, clean.relative_errors))
        assert abs(found.level - truth.level) <= max(found.error, truth.error)
        last = int(np.flatnonzero(truth.kept)[-1])
        if place < last - 2:  # one in the middle is left out, and nothing else
            np.testing.assert_array_equal(found.kept, truth.kept & (np.arange(50) != place))


@pytest.mark.parametrize("name", SAMPLES)
def test_no_single_pair_of_a_real_sensor_moves_the_turnoff_by_more_than_the_error(name):
    ladder = real(name)
    truth = find_turnoff(ladder)
    last = int(np.flatnonzero(truth.kept)[-1])
    # without itself, the turnoff is one step lower: the steps of the sparse sets grow, and half of the two beside it is 5 % less
    step = ladder.levels[last] - ladder.levels[last - 1]
    for place in np.flatnonzero(ladder.usable)[-8:]:
        for wrong in (math.nan, 0.7):
            covariances = ladder.covariances.copy()
            covariances[place] *= wrong
            found = find_turnoff(Ladder(ladder.levels, covariances, ladder.relative_errors))
            allowed = max(found.error, truth.error, step if place == last else 0.0)
            assert abs(found.level - truth.level) <= allowed + 1e-6


def test_the_order_of_the_pairs_does_not_matter():
    ladder = simulated(np.linspace(3_000.0, 150_000.0, 40), falls_at=120_000.0)
    order = np.random.default_rng(2).permutation(40)
    first, second = find_turnoff(ladder), find_turnoff(ladder.chosen(order))
    assert (first.level, first.error, first.reached) == (second.level, second.error, second.reached)
    np.testing.assert_array_equal(first.kept[order], second.kept)


def test_too_few_pairs_on_one_curve_are_refused():
    random = np.random.default_rng(3)
    levels = np.linspace(1_000.0, 50_000.0, 5)
    wild = Ladder.of_variances(levels, levels * np.array([1.0, 1.0, 1.0, 3.0, 9.0]), [PIXELS] * 5)
    with pytest.raises(BuildError, match=r"\d of 5 pairs of flats follow one curve, not 4 or more"):
        find_turnoff(wild)
    with pytest.raises(BuildError, match="3 pairs of flats have a usable level and variance, not 4 or more"):
        find_turnoff(wild, random.permutation([True, True, True, False, False]))
