"""What the bias, dark and flat declare: rules that hold together, options, checks and budgets."""

from __future__ import annotations

import math
from typing import Any

import pytest

from latcal.builtin.calibrations import bias, dark, flat
from latcal.errors import RecipeError
from latcal.formats.located import compose
from latcal.formats.structure import structure
from latcal.model.exposures import parse
from latcal.model.geometry import Preparation
from latcal.model.recipe import Sequence
from latcal.numerics import overscan_models
from latcal.numerics.allowed import PARALLEL_MODELS, SERIAL_MODELS
from latcal.plugin import CalibrationType, Outlook

TYPES: dict[str, CalibrationType] = {
    one.name: one for module in (bias, dark, flat) for one in module.latcal_calibrations()
}
ALL = pytest.mark.parametrize("kind", sorted(TYPES))


def sequence(image: str, *phrases: str) -> tuple[Sequence, ...]:
    return (Sequence("these", image, parse(list(phrases))),)


def outlook(times: tuple[float, ...], *, internal: bool = True, **frames: int) -> Outlook:
    return Outlook(times, internal, frames, None)


@ALL
def test_every_rule_and_every_metric_says_what_it_is(kind: str) -> None:
    assert all(rule.summary.endswith(".") for rule in TYPES[kind].rules)
    assert all(metric.summary.endswith(".") for metric in TYPES[kind].metrics.values())


@ALL
def test_frames_are_prepared_as_the_instrument_says_unless_told_otherwise(kind: str) -> None:
    declared = TYPES[kind]
    assert declared.preparation(declared.options()) is None
    written = structure(compose("overscan: {serial: constant, skip: 1}", "r.yaml"), declared.options)
    assert declared.preparation(written) == Preparation(serial="constant", skip=1)


@ALL
def test_crosstalk_is_subtracted_unless_told_otherwise(kind: str) -> None:
    declared = TYPES[kind]
    assert declared.crosstalk(declared.options()) is True
    assert declared.crosstalk(structure(compose("crosstalk: false", "r.yaml"), declared.options)) is False
    with pytest.raises(RecipeError, match=r"r.yaml:1:12: crosstalk: 'no' is not true or false"):
        structure(compose("crosstalk: no", "r.yaml"), declared.options)


@ALL
def test_an_overscan_model_that_is_not_there_is_refused_in_its_place(kind: str) -> None:
    with pytest.raises(RecipeError, match=r"r.yaml:1:20: overscan.serial: .*did you mean 'mean per row'"):
        structure(compose("overscan: {serial: mean per raw}", "r.yaml"), TYPES[kind].options)


def test_the_overscan_models_are_those_of_numerics() -> None:
    from typing import get_args, get_type_hints

    from latcal.plugin.combining import OverscanOptions

    kinds = get_type_hints(OverscanOptions)
    assert get_args(kinds["serial"]) == SERIAL_MODELS
    assert get_args(kinds["parallel"]) == PARALLEL_MODELS
    assert tuple(overscan_models.SERIAL) == SERIAL_MODELS
    assert tuple(overscan_models.PARALLEL) == PARALLEL_MODELS
    written = OverscanOptions()
    plain = Preparation()
    assert (written.serial, written.parallel, written.skip) == (plain.serial, plain.parallel, plain.skip)
    assert (written.clip, written.smooth) == (plain.clip, plain.smooth)


@pytest.mark.parametrize("text", ["clip: 0", "clip: -5", "overscan: {clip: 0}", "overscan: {skip: -1}"])
@ALL
def test_numbers_that_cannot_be_meant_are_refused(kind: str, text: str) -> None:
    with pytest.raises(RecipeError, match=r"(clip|skip): .* is not (above|at least) 0 \(write"):
        structure(compose(text, "r.yaml"), TYPES[kind].options)


def test_the_brighter_fatter_coefficient_has_a_unit() -> None:
    options = structure(compose("brighter_fatter: -1.7e-6 1 / electron", "r.yaml"), flat.FlatOptions)
    assert options.brighter_fatter.to_value("1 / electron") == pytest.approx(-1.7e-6)
    assert flat.FlatOptions().brighter_fatter is None  # that of the detector
    with pytest.raises(RecipeError, match="has no unit"):
        structure(compose("brighter_fatter: -1.7e-6", "r.yaml"), flat.FlatOptions)


def test_each_type_says_what_it_needs() -> None:
    assert TYPES["bias"].needs(bias.BiasOptions()) == frozenset()
    assert TYPES["dark"].needs(dark.DarkOptions()) == {"bias"}
    assert TYPES["flat"].needs(flat.FlatOptions()) == {"bias", "dark"}
    assert TYPES["flat"].needs(flat.FlatOptions(without_dark="none was taken")) == {"bias"}


@pytest.mark.parametrize("kind", ["dark", "flat"])
def test_a_dark_keeps_to_its_bias_unless_a_reason_is_written(kind: str) -> None:
    declared = TYPES[kind]
    assert declared.unpinned(declared.options()) == {}
    assert declared.unpinned(declared.options(other_bias="the old one was lost")) == {"dark": "the old one was lost"}


@pytest.mark.parametrize(
    ("kind", "phrase"), [("bias", "20 x 0 s"), ("dark", "16 x 30 s"), ("flat", "2 x 5 s"), ("flat", "2 x 30000 adu")]
)
def test_frames_that_fit_are_let_through(kind: str, phrase: str) -> None:
    assert list(TYPES[kind].check(sequence(kind, phrase), TYPES[kind].options())) == []


@pytest.mark.parametrize(
    ("kind", "phrase", "what"),
    [
        ("bias", "2 x 5 s", "sequence 'these': 5 s is not a time for bias frames"),
        ("bias", "2 x 3 adu", "sequence 'these': 3 adu is not what bias frames can be exposed to"),
        ("dark", "2 x 0 s", "sequence 'these': 0 s is not a time for dark frames"),
        ("dark", "2 x 300 adu", "sequence 'these': 300 adu is not what dark frames can be exposed to"),
        ("flat", "2 x 0 s", "sequence 'these': 0 s is not a time for flat frames"),
    ],
)
def test_frames_that_cannot_be_meant_are_a_problem_with_a_hint(kind: str, phrase: str, what: str) -> None:
    ((found, hint),) = TYPES[kind].check(sequence(kind, phrase), TYPES[kind].options())
    assert found == what
    assert hint.startswith("write ")


def only(kind: str, seen: Outlook) -> Any:
    (expected,) = TYPES[kind].budget(seen)
    return expected


@pytest.mark.parametrize(("frames", "more"), [(3, 8), (10, 1), (11, 0), (20, 0)])
@pytest.mark.parametrize("kind", ["bias", "flat"])
def test_the_budget_of_equal_frames_says_how_many_more_would_pass(kind: str, frames: int, more: int) -> None:
    times = (0.0 if kind == "bias" else 5.0,) * frames
    expected = only(kind, outlook(times))
    assert expected.rule == "noise"
    assert expected.excess == pytest.approx(math.sqrt(1 - 1 / frames) - 1)
    assert (expected.limit, expected.more) == (0.05, more)


@pytest.mark.parametrize("kind", ["bias", "flat"])
def test_the_budget_of_another_nights_product_is_an_excess(kind: str) -> None:
    expected = only(kind, outlook((5.0,) * 3, internal=False, **{kind: 5}))
    assert expected.excess == pytest.approx(math.sqrt(1 + 1 / 5) - 1)
    assert expected.more == 5  # 10 in all
    assert only(kind, outlook((5.0,) * 3, internal=False)).excess is None


def test_the_budget_follows_the_limit_of_the_rule_in_force() -> None:
    expected = only("bias", Outlook((0.0,) * 11, True, {}, None, {"noise": 0.02}))
    assert (expected.limit, expected.more) == (0.02, 15)


def test_the_budget_of_darks_has_a_line_for_each_time() -> None:
    times = (5.0,) * 4 + (15.0,) * 2 + (30.0,) * 16
    lines = {one.case: one for one in TYPES["dark"].budget(outlook(times, bias=20))}
    assert list(lines) == ["5 s", "15 s", "30 s"]
    # 1 - t^2 / sum(t^2), and what the bias of 20 frames gives back, worked out by hand for 30 s
    share, back = 900 / 14950, (1 - 30 * 530 / 14950) ** 2 / 20
    assert lines["30 s"].excess == pytest.approx(math.sqrt(1 - share + back) - 1)
    assert lines["30 s"].more == 0
    assert all(one.excess is None for one in TYPES["dark"].budget(outlook(times)))


def test_the_budget_of_three_darks_says_how_many_more_would_pass() -> None:
    expected = only("dark", outlook((15.0,) * 3, bias=20))
    assert expected.excess == pytest.approx(math.sqrt(2 / 3) - 1)
    assert expected.more == 8


def test_the_budget_of_a_dark_of_another_night_is_not_guessed() -> None:
    expected = only("dark", outlook((15.0,) * 3, internal=False, bias=20, dark=20))
    assert expected.excess is None  # twenty darks of 5 s leave a frame of 30 s twice its noise, twenty of 30 s do not
    assert "times of the frames of the dark" in expected.note


def test_the_budget_of_flats_of_mixed_times_counts_light() -> None:
    lines = {one.case: one for one in TYPES["flat"].budget(outlook((2.0,) * 10 + (10.0,) * 4))}
    assert lines["2 s"].excess == pytest.approx(math.sqrt(1 - 2 / 60) - 1)
    assert lines["2 s"].more == 0
    assert lines["10 s"].excess == pytest.approx(math.sqrt(1 - 10 / 60) - 1)
    assert lines["10 s"].more == 5  # 11 frames' worth of the longest
