"""What calibration types that combine frames share: defects left out, the light of flats, validators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from attrs import evolve, frozen

from latcal.builtin.calibrations import bias
from latcal.errors import RecipeError
from latcal.formats.located import compose
from latcal.formats.structure import structure
from latcal.plugin import (
    MASK_PLANES,
    AmplifierFrame,
    AmplifierInputs,
    AmplifierProduct,
    Exposure,
    ProductRef,
    Setup,
    combining,
    instant,
    option,
)
from latcal.testing import samples
from latcal.testing.watching import held

DETECTOR = samples.instrument().detectors[0]
AMPLIFIER = DETECTOR.amplifiers[0]
SHAPE = AMPLIFIER.data.shape
BAD, REJECTED, NO_DATA, SATURATED = (
    np.uint8(1 << MASK_PLANES[name]) for name in ("BAD", "REJECTED", "NO_DATA", "SATURATED")
)


def frame(pixels: Any, *, number: int = 1, level: float = 0.0, time_s: float = 0.0) -> AmplifierFrame:
    exposure = Exposure(number, "T", "bias", time_s, time_s, instant("2026-11-04T12:00:00"))
    return AmplifierFrame(exposure, held(np.array(pixels, np.float32)), 9.0, 0.1, 9.2, level, level, 1000.0)


def product(kind: str, mask: Any = None, level: float = 0.0) -> AmplifierProduct:
    plane = held(np.zeros(SHAPE, np.float32))
    facts = {"level": level}
    made = AmplifierProduct(ProductRef(f"{kind}-1", kind, 0, Setup(), "", "run"), "", plane, plane, facts, facts)
    return made if mask is None else evolve(made, mask=held(mask))


def inputs(frames: list[AmplifierFrame], options: Any = None, **needs: AmplifierProduct) -> AmplifierInputs:
    return AmplifierInputs(DETECTOR, AMPLIFIER, tuple(frames), needs, options)


@pytest.fixture
def mask() -> Any:
    flags = np.zeros(SHAPE, dtype=np.uint8)
    flags[2, 1] = BAD | REJECTED
    flags[3, 3] = REJECTED  # no defect
    return flags


def test_a_reader_leaves_out_defects_where_a_map_is_needed_and_only_there(mask: Any) -> None:
    one = frame(np.arange(mask.size).reshape(SHAPE))
    plain, masked = (combining.reader(inputs([one], **needs), one) for needs in ({}, {"defects": product("defects", mask)}))
    assert np.isfinite(plain(slice(None))).all()
    assert np.argwhere(np.isnan(masked(slice(None)))).tolist() == [[2, 1]]
    assert np.array_equal(masked(slice(2, 4)), masked(slice(None))[2:4], equal_nan=True)


def test_a_part_says_which_pixels_a_map_left_out_and_how_many(mask: Any) -> None:
    random = np.random.default_rng(1)
    frames = [frame(random.normal(0.0, 9.0, SHAPE), number=number) for number in range(1, 6)]
    given = inputs(frames, bias.BiasOptions(defects=True), defects=product("defects", mask))
    part = bias.build_amplifier(given)
    assert np.argwhere(part.planes["mask"] & BAD).tolist() == [[2, 1]]
    assert np.argwhere(np.isnan(part.planes["image"])).tolist() == [[2, 1]]
    assert part.facts["defects"] == (1.0, "")
    assert "defects" not in bias.build_amplifier(inputs(frames, bias.BiasOptions())).facts


def test_what_is_left_of_a_frame_has_its_variance_and_says_why_a_pixel_has_no_value(mask: Any) -> None:
    pixels = np.full(SHAPE, 5.0)
    pixels[0, 0] = np.nan
    needs = {"bias": product("bias"), "defects": product("defects", mask)}
    for saturated, why in ((1, NO_DATA | SATURATED), (0, NO_DATA)):
        left = bias.residual(inputs([evolve(frame(pixels), saturated=saturated)], bias.BiasOptions(defects=True), **needs))
        flags, variance = left.planes["mask"], left.planes["variance"]
        assert (flags[0, 0], flags[2, 1], flags[3, 3]) == (why, NO_DATA | BAD, 0)
        assert np.array_equal(np.isnan(variance), np.isnan(left.planes["image"]))
        assert variance.dtype == np.float32
        assert variance[1, 1] == pytest.approx(9.2**2)  # the frame's noise, and no light


def test_a_defect_does_not_count_when_frames_are_judged(mask: Any) -> None:
    pixels = np.random.default_rng(2).normal(0.0, 9.0, SHAPE)
    pixels[2, 1] = -1e4  # above 0 it would be a cosmic ray
    needs = {"bias": product("bias"), "defects": product("defects", mask)}
    bad, good = (
        {one.metric: one.value for one in bias.measure(inputs([frame(pixels)], bias.BiasOptions(), **chosen))}
        for chosen in ({"bias": needs["bias"]}, needs)
    )
    assert abs(good["mean"]) < 10.0 < -bad["mean"]


def test_defects_are_needed_if_they_are_to_be_left_out() -> None:
    assert combining.defects(bias.BiasOptions()) == frozenset()
    assert combining.defects(bias.BiasOptions(defects=True)) == {"defects"}


def test_the_light_of_a_flat_is_its_level_without_bias_and_dark() -> None:
    one = frame(np.zeros(SHAPE), level=1_010.0, time_s=30.0)
    needs = {"bias": product("bias", level=4.0), "dark": product("dark", level=0.2)}
    assert combining.light_of(inputs([one], **needs), one) == pytest.approx(1_000.0)
    assert combining.light_of(inputs([one], bias=needs["bias"]), one) == pytest.approx(1_006.0)


def test_flats_of_one_time_count_alike_and_others_by_the_inverse_of_their_variance() -> None:
    short, long = (frame(np.zeros(SHAPE), time_s=time) for time in (1.0, 10.0))
    assert combining.light_weights([short, short], [100.0, 101.0]) is None
    found = combining.light_weights([short, long], [100.0, 1_000.0])
    assert found is not None
    # where the flat is 1 the variance of a frame is (noise^2 + light) / light^2
    assert found == pytest.approx([100.0**2 / (9.2**2 + 100.0), 1_000.0**2 / (9.2**2 + 1_000.0)])


@frozen
class Widths:
    width: int = option(3, validator=combining.at_least(2), help="A width.")
    narrow: int = option(0, validator=combining.at_least(1), help="A width whose default is not to be written.")


@pytest.mark.parametrize(
    ("text", "what"),
    [("width: 1", r"1 is not 2 or more \(write 'width: 3'\)"), ("narrow: 0", r"0 is not 1 or more \(write 'narrow: 1'\)")],
)
def test_a_least_value_is_told_with_one_that_would_do(text: str, what: str) -> None:
    with pytest.raises(RecipeError, match=what):
        structure(compose(text, "r.yaml"), Widths)
