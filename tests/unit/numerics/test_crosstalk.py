"""What amplifiers see of one another is taken out again, at the place where it was read."""

from __future__ import annotations

import numpy as np
import pytest

from latcal.errors import BuildError
from latcal.numerics import crosstalk

NAMES = ("A", "B", "C", "D")
# asymmetric, of the size that LATISS has at most: a row for each that sees, a column for each that is seen
COEFFICIENTS = (
    (0.0, 1.5e-3, 2.0e-5, 0.0),
    (1.5e-3, 0.0, -4.0e-4, 7.0e-4),
    (1.0e-4, 3.0e-4, 0.0, 1.5e-3),
    (0.0, 1.2e-3, 5.0e-6, 0.0),
)
SHAPE = (70, 24)  # two whole strips and a part of one
ROUNDING = 0.02
"""Two roundings of float32 at 1e5 adu, 0.008 each; what is added is rounded where it is small."""


def observed(true: dict[str, np.ndarray], coefficients=COEFFICIENTS) -> dict[str, np.ndarray]:
    """Add to each what it sees of the others, in double precision."""
    wide = np.stack([image.astype(np.float64) for image in true.values()])
    seen = wide + np.einsum("ij,jyx->iyx", np.array(coefficients), wide)
    return {name: image.astype(np.float32) for name, image in zip(true, seen, strict=True)}


def nothing() -> dict[str, np.ndarray]:
    return {name: np.zeros(SHAPE, dtype=np.float32) for name in NAMES}


def noise(seed=1, level=30_000.0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {name: random.normal(level, 200.0, SHAPE).astype(np.float32) for name in NAMES}


def test_a_row_sees_and_a_column_is_seen():
    seen = nothing()
    seen["B"][40, 5] = 100_000.0
    got = crosstalk.subtract(seen, COEFFICIENTS)
    # beside terms in c², up to 3e-6 of the source each
    expected = {"A": -150.0, "B": 100_000.0, "C": -30.0, "D": -120.0}
    for name, value in expected.items():
        assert got[name][40, 5] == pytest.approx(value, abs=0.6)
        got[name][40, 5] = 0.0
        assert not got[name].any()


def test_nothing_is_left_not_even_in_the_square_of_a_coefficient():
    true = nothing()
    true["A"][3, 4] = 100_000.0
    true["D"][:, 9] = 90_000.0
    got = crosstalk.subtract(observed(true), COEFFICIENTS)
    # the first order alone would leave (1.5e-3)² of 1e5, 0.2 adu: 2e-6 of the source. Allowed are 1e-5, wanted is none.
    for name in NAMES:
        assert np.abs(got[name] - true[name]).max() < ROUNDING < 1e-5 * 100_000.0


def test_every_pixel_of_every_strip_is_corrected():
    true = noise()
    for name, image in crosstalk.subtract(observed(true), COEFFICIENTS).items():
        np.testing.assert_allclose(image, true[name], rtol=0, atol=ROUNDING)
        assert image.dtype == np.float32


def test_what_has_no_value_stays_so_and_is_no_signal_to_the_others():
    true = noise()
    for value in (np.nan, np.inf, -np.inf):
        hit, without = observed(true), observed(true)
        hit["B"][40, 5], without["B"][40, 5] = value, 0.0
        got, expected = crosstalk.subtract(hit, COEFFICIENTS), crosstalk.subtract(without, COEFFICIENTS)
        np.testing.assert_equal(got["B"][40, 5], value)
        got["B"][40, 5] = expected["B"][40, 5]
        for name in NAMES:
            assert np.array_equal(got[name], expected[name])


def test_a_saturated_pixel_has_a_number_and_is_seen_like_any_other():
    true = noise()
    true["B"][40, 5] = 242_143.0  # 18 bits above a pedestal of 20,000
    got = crosstalk.subtract(observed(true), COEFFICIENTS)
    assert got["A"][40, 5] == pytest.approx(true["A"][40, 5], abs=ROUNDING)


def test_without_coefficients_the_images_are_the_very_same():
    images = noise()
    got = crosstalk.subtract(images, np.zeros((4, 4)).tolist())
    assert all(got[name] is images[name] for name in NAMES)


def test_an_amplifier_that_sees_nothing_keeps_every_bit():
    images = noise()
    images["D"][2, 3] = np.nan
    coefficients = np.zeros((4, 4))
    coefficients[0, 1] = 1e-3
    got = crosstalk.subtract(images, coefficients.tolist())
    for name in "BCD":
        assert np.array_equal(got[name], images[name], equal_nan=True)


def test_the_images_are_left_alone():
    images = noise()
    images["A"][0, 0] = np.nan
    before = {name: image.copy() for name, image in images.items()}
    crosstalk.subtract(images, COEFFICIENTS)
    assert all(np.array_equal(images[name], before[name], equal_nan=True) for name in NAMES)


def test_images_of_several_shapes_are_an_error_that_names_them():
    images = noise() | {"C": np.zeros((70, 23), dtype=np.float32)}
    with pytest.raises(BuildError, match=r"of one shape, and these are not: A \(70, 24\), B .*, C \(70, 23\), D"):
        crosstalk.subtract(images, COEFFICIENTS)


def test_coefficients_of_another_number_of_amplifiers_are_an_error():
    with pytest.raises(BuildError, match=r"\(2, 2\) coefficients of crosstalk are not those of 4 amplifiers"):
        crosstalk.subtract(noise(), ((0.0, 1e-3), (1e-3, 0.0)))


@pytest.mark.parametrize("value", [0.34, np.nan])
def test_coefficients_that_have_no_inverse_to_speak_of_are_an_error(value):
    coefficients = np.full((4, 4), value) * (1 - np.eye(4))
    with pytest.raises(BuildError, match="add up to 1 or more cannot be told from signal"):
        crosstalk.subtract(noise(), coefficients.tolist())
