"""Coefficients of crosstalk in an instrument file: read as they are written, or refused where they are wrong."""

from __future__ import annotations

import pytest
from attrs import evolve

from latcal.errors import RecipeError
from latcal.formats.instruments import read_instrument
from latcal.model.geometry import Preparation

GOOD = """\
name: pair
sensors:
  half:
    raw: '[1:8,1:10]'
    data: '[2:5,1:8]'
    serial_overscan: '[6:8,1:8]'
    gain: 1.1 electron/adu
    read_noise: 9 electron
    saturation: 100000 adu
    amplifiers:
      - {names: [A, B, C], extensions: [1, 2, 3]}
detectors:
  - id: 0
    name: S00
    sensor: half
    crosstalk:
      - [0, 1.5e-3, 2e-05]
      - [1.2e-3, 0, 0]
      - [-4e-5, 0.0, 0]
  - {id: 1, name: S01, sensor: half}
"""


def test_a_detector_has_the_coefficients_of_its_own_row_by_row():
    first, second = read_instrument(GOOD, "pair.yaml").detectors
    assert first.crosstalk == ((0, 1.5e-3, 2e-5), (1.2e-3, 0, 0), (-4e-5, 0, 0))
    assert second.crosstalk == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("      - [1.2e-3, 0, 0]\n", "", "pair.yaml:17:7: detectors.0.crosstalk: 2 rows for 3 amplifiers .write 3 rows of 3"),
        ("[1.2e-3, 0, 0]", "[1.2e-3, 0]", "pair.yaml:18:9: detectors.0.crosstalk.1: 2 numbers for 3 amplifiers .write 3"),
        ("[1.2e-3, 0, 0]", "[1.2e-3, 1e-3, 0]", "18:18: detectors.0.crosstalk.1.1: 0.001 of an amplifier in itself is not 0"),
        ("2e-05", "0.1", "17:21: detectors.0.crosstalk.0.2: 0.1 is not a coefficient of crosstalk .write adu per adu, below 0.1"),
        ("2e-05", "-0.2", "17:21: detectors.0.crosstalk.0.2: -0.2 is not a coefficient"),
        ("2e-05", ".nan", "17:21: detectors.0.crosstalk.0.2: '.nan' is not a number"),
        ("2e-05", "1e999", "17:21: detectors.0.crosstalk.0.2: "),
        ("2e-05", "0.002 %", "17:21: detectors.0.crosstalk.0.2: '0.002 %' is not a number"),
        ("[1.2e-3, 0, 0]", "1.2e-3", "18:9: detectors.0.crosstalk.1: 0.0012 is not a list"),
        ("    crosstalk:\n", "    crosstolk:\n", "16:5: detectors.0.crosstolk: 'crosstolk' is not a key here .did you mean 'crosstalk'"),
        ("name: pair", "name: pair\noverscan: {crosstalk: false}", r"2:12: overscan.crosstalk: 'crosstalk' is not a key here .*options: \{crosstalk: false\}"),
    ],
)  # fmt: skip
def test_a_slip_is_shown_where_it_is(old, new, message):
    assert old in GOOD
    with pytest.raises(RecipeError, match=message):
        read_instrument(GOOD.replace(old, new, 1), "pair.yaml")


def test_every_slip_is_shown_at_once():
    text = GOOD.replace("2e-05", "0.5").replace("[-4e-5, 0.0, 0]", "[-4e-5, 0.0, 7]")
    with pytest.raises(RecipeError) as caught:
        read_instrument(text, "pair.yaml")
    assert [problem.path for problem in caught.value.problems] == ["detectors.0.crosstalk.0.2", "detectors.0.crosstalk.2.2"]


def test_amplifiers_with_raw_images_of_several_shapes_have_no_crosstalk():
    other = "      - {names: [C], extensions: [3], columns: [2], raw: '[1:9,1:10]'}\n"
    text = GOOD.replace("      - {names: [A, B, C], extensions: [1, 2, 3]}\n", "      - {names: [A, B], extensions: [1, 2]}\n" + other)
    with pytest.raises(RecipeError, match=r"crosstalk: .* several shapes \(A 10 x 8, B 10 x 8, C 10 x 9\) .*leave crosstalk out"):
        read_instrument(text, "pair.yaml")


def test_a_row_of_small_coefficients_may_add_up_to_too_much():
    names = [f"C{number:02}" for number in range(12)]
    rows = [[0.0 if i == j else 0.095 for j in range(12)] for i in range(12)]
    text = GOOD.replace("[A, B, C]", str(names).replace("'", "")).replace("[1, 2, 3]", "[0]")
    text = text[: text.index("    crosstalk:")] + f"    crosstalk: {rows}\n"
    with pytest.raises(RecipeError, match=r"crosstalk.0: coefficients that add up to 1.04 are not crosstalk"):
        read_instrument(text, "pair.yaml")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.1])
def test_a_detector_of_wrong_coefficients_cannot_be_made(value):
    first, _ = read_instrument(GOOD, "pair.yaml").detectors
    with pytest.raises(ValueError, match=f"detector S00: crosstalk: {value} is not a coefficient of crosstalk"):
        evolve(first, crosstalk=((0, value, 0), (0, 0, 0), (0, 0, 0)))


def test_a_preparation_says_crosstalk_where_it_is_subtracted_and_nothing_elsewhere():
    first, second = read_instrument(GOOD, "pair.yaml").detectors
    plain = "serial overscan 'mean per row', parallel 'line', skip 3, clip 5, smooth 1"
    assert str(Preparation().on(first)) == f"{plain}, crosstalk subtracted"
    assert str(Preparation().on(second)) == plain
    assert str(Preparation(crosstalk=False).on(first)) == plain
