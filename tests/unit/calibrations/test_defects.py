"""Parts of the defect map: what frames are made of, what is found, the map of a detector, what stands out of a frame."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from latcal.builtin.calibrations import defects
from latcal.builtin.calibrations.blemishes import detector_map, series, standing
from latcal.builtin.calibrations.blemishes.edges import edges
from latcal.builtin.calibrations.blemishes.finding import find
from latcal.builtin.calibrations.blemishes.options import DefectsOptions
from latcal.errors import BuildError, RecipeError
from latcal.formats.located import compose
from latcal.formats.structure import structure
from latcal.model.exposures import parse
from latcal.model.recipe import Sequence
from latcal.numerics.defect_maps import Cuts
from latcal.numerics.reasons import Reason
from latcal.plugin import (
    MASK_PLANES,
    AmplifierFrame,
    AmplifierInputs,
    AmplifierProduct,
    DetectorInputs,
    Exposure,
    Light,
    Part,
    ProductRef,
    Setup,
    instant,
)
from latcal.testing import samples
from latcal.testing.cameras import small_instrument
from latcal.testing.watching import held

DETECTOR = small_instrument(rows=100, columns=60).detectors[0]
AMPLIFIER = DETECTOR.amplifiers[3]
SHAPE = AMPLIFIER.data.shape
NOISE = 9.0
(TYPE,) = defects.latcal_calibrations()
BAD = np.uint8(1 << MASK_PLANES["BAD"])


def options(text: str = "") -> DefectsOptions:
    return structure(compose(f"{{{text}}}", "r.yaml"), DefectsOptions)


def frame(image: str, pixels: Any, time_s: float, number: int, **changes: Any) -> AmplifierFrame:
    exposure = Exposure(number, "T", image, time_s, time_s, instant("2026-11-04T12:00:00"))
    level = float(np.nanmedian(pixels))
    made = AmplifierFrame(exposure, held(np.asarray(pixels, np.float32)), NOISE, 0.1, NOISE, level, level, 1000.0)
    return evolve(made, **{"saturated": int(np.isnan(pixels).sum()), **changes})


def product(kind: str, pixels: Any, **changes: Any) -> AmplifierProduct:
    ref = ProductRef(f"{kind}-1", kind, 0, Setup(), "", "run")
    plane = held(np.asarray(np.broadcast_to(pixels, SHAPE), np.float32))
    return evolve(AmplifierProduct(ref, "", plane, plane, {"level": 0.0}, {"level": 0.0}), **changes)


BIAS = product("bias", np.random.default_rng(0).normal(0.0, 2.0, SHAPE))


def inputs(frames: Iterable[AmplifierFrame], text: str = "edge: 0", **needs: AmplifierProduct) -> AmplifierInputs:
    return AmplifierInputs(DETECTOR, AMPLIFIER, tuple(frames), {"bias": BIAS, **needs}, options(text))


class Sensor:
    """Rates [electron / s] and responses that frames are drawn of."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.rate, self.response = np.full(SHAPE, 0.02), np.ones(SHAPE)

    def frames(self, darks: int = 0, flats: int = 0, *, time_s: float = 30.0, light: float = 600.0) -> list[AmplifierFrame]:
        kinds = ["dark"] * darks + ["flat"] * flats
        return [self.frame(kind, number, time_s, light) for number, kind in enumerate(kinds, 1)]

    def frame(self, kind: str, number: int = 1, time_s: float = 30.0, light: float = 600.0) -> AmplifierFrame:
        bias = BIAS.reader(slice(None))
        mean = (self.rate + (light * self.response if kind == "flat" else 0.0)) * time_s
        return frame(kind, self.random.poisson(mean) + self.random.normal(bias, NOISE), time_s, number)


def found(given: AmplifierInputs) -> Any:
    return find(given)[0]


# -- frames --------------------------------------------------------------------------------------------------------


def test_flats_are_rid_of_the_dark_signal_of_their_own_time() -> None:
    sensor = Sensor(1)
    sensor.rate[50, 30] = 200.0
    taken = sensor.frames(darks=5) + sensor.frames(flats=4, time_s=60.0, light=20.0)
    dark = series.darks(inputs(taken))
    seen = series.flats(inputs(taken), dark.rate().image)
    assert (len(dark.frames), len(seen.frames)) == (5, 4)
    # 12,000 electrons of dark signal beside 1,200 of light; what is left is noise of 12,000 in 4 flats and 5 darks
    assert seen.response()[50, 30] == pytest.approx(1.0, abs=5 * math.sqrt(12_000) * 1.5 / 1_200 / 2)
    assert series.flats(inputs(taken), None).response()[50, 30] > 8.0


def test_a_hot_pixel_does_not_draw_charge_and_one_that_is_bright_in_light_does() -> None:
    sensor = Sensor(2)
    sensor.rate[50, 30] = 200.0
    sensor.response[20, 40] = 2.5
    seen = found(inputs(sensor.frames(darks=5, flats=4, light=20.0), "edge: 0, vampires: 1.9, vampire_radius: 2"))
    assert seen[50, 30] == Reason.HOT
    assert seen[20, 40] & Reason.BRIGHT
    # algorithms.md 3.2, step 7: a disc around it; nothing of the kind is looked for unless asked for (3.1)
    assert np.count_nonzero(seen & np.uint16(Reason.BRIGHT)) == 13
    assert not found(inputs(sensor.frames(flats=4)))[20, 40]


def test_flats_of_more_light_count_more() -> None:
    sensor = Sensor(3)
    taken = sensor.frames(flats=4, time_s=30.0) + sensor.frames(flats=4, time_s=7.5)
    # four of 18,000 and four of 4,500 electrons: the noise is that of 90,000, 0.33 %; a plain mean has 0.42 %
    assert series.flats(inputs(taken), None).response().std() == pytest.approx(1 / math.sqrt(90_000), rel=0.04)


def test_a_pixel_is_saturated_if_it_is_in_half_of_the_frames() -> None:
    sensor = Sensor(4)
    taken = sensor.frames(darks=4)
    for number, one in enumerate(taken):
        pixels = one.reader(slice(None)).copy()
        pixels[10, 10], pixels[12, 12] = (np.nan if number < count else 0.0 for count in (2, 1))
        taken[number] = frame("dark", pixels, 30.0, number + 1)
    assert np.argwhere(series.darks(inputs(taken)).saturated()).tolist() == [[10, 10]]


def test_a_pixel_that_is_full_in_every_frame_is_saturated_and_not_dead() -> None:
    sensor = Sensor(5)
    taken = []
    for one in sensor.frames(darks=4, flats=3):
        pixels = one.reader(slice(None)).copy()
        pixels[10, 10] = np.nan
        taken.append(frame(one.exposure.image, pixels, 30.0, one.exposure.id))
    assert found(inputs(taken))[10, 10] == Reason.SATURATED


def test_an_amplifier_that_does_not_answer_is_dead() -> None:
    # algorithms.md 7.3, "dead amplifier": one box that covers it
    taken = [frame("dark", np.zeros(SHAPE), 30.0, number) for number in range(1, 5)]
    taken += [frame("flat", np.zeros(SHAPE), 30.0, 5, detector_level=18_000.0)]
    seen = found(inputs(taken))
    assert np.all(seen & np.uint16(Reason.DEAD))
    table = detector_map.table(seen)
    assert [table[name].values for name in detector_map.BOX] == [(0,), (0,), (SHAPE[1],), (SHAPE[0],)]


def test_where_an_older_map_left_the_bias_without_value_it_is_taken_for_0() -> None:
    sensor = Sensor(6)
    mask = np.zeros(SHAPE, dtype=np.uint8)
    mask[30:40, 20:30] = BAD
    pixels = np.where(mask != 0, np.nan, BIAS.reader(slice(None)))
    pixels[5, 5] = np.nan  # for another reason: no frame of it had a value
    of_map = product("bias", pixels, mask=held(mask), facts={"level": 0.0, "defects": 100.0})
    seen = found(inputs(sensor.frames(darks=4, flats=3), bias=of_map))
    assert np.argwhere(seen).tolist() == [[5, 5]]


def test_an_amplifier_that_an_older_map_has_left_out_may_be_good_again() -> None:
    of_map = product("bias", np.nan, mask=held(np.full(SHAPE, BAD)), facts={"level": 0.0, "defects": 6000.0})
    for images in ("combined", "each"):
        taken = Sensor(16).frames(darks=4, flats=3)
        assert not found(inputs(taken, f"edge: 0, images: {images}", bias=of_map)).any()


def test_a_pixel_that_jumps_is_unstable_by_its_darks_however_frames_are_looked_at() -> None:
    sensor = Sensor(7)
    taken = sensor.frames(darks=20)
    up = sensor.random.permutation(20) < 9
    for number, one in enumerate(taken):
        pixels = one.reader(slice(None)).copy()
        pixels[40, 40] += 120.0 * up[number]
        taken[number] = frame("dark", pixels, 30.0, number + 1)
    for images in ("combined", "each"):
        assert found(inputs(taken, f"edge: 0, images: {images}"))[40, 40] & Reason.UNSTABLE, images


def test_flats_that_are_all_dark_are_an_error_and_some_are_left_out() -> None:
    sensor = Sensor(8)
    lit, unlit = sensor.frames(flats=2), [sensor.frame("flat", number, light=0.01) for number in (3, 4)]
    assert find(inputs(lit + unlit))[1] == {"darks": 0.0, "flats": 2.0}
    with pytest.raises(BuildError, match=r"none of the 2 flats saw light: the brightest has \S+ electron \(see to the lamp"):
        find(inputs(unlit))


# -- the map -------------------------------------------------------------------------------------------------------


def test_amplifiers_inside_a_detector_have_no_edge_of_it() -> None:
    # algorithms.md 3.2, step 2: the Rubin pipelines cut the right strip off every amplifier that is not at x = 0
    height, width = DETECTOR.shape
    marked = edges(DETECTOR, options("edge: 5"))
    assert np.count_nonzero(marked) == height * width - (height - 10) * (width - 10)
    assert not marked[5:-5, 5:-5].any()


def test_edges_of_amplifiers_are_marked_when_asked_for() -> None:
    marked = edges(DETECTOR, options("edge: 0, amplifier_edge: 3"))
    for amplifier in DETECTOR.amplifiers:
        part = marked[amplifier.position.slices]
        assert not part[3:-3, 3:-3].any()
        # algorithms.md 7.3, "edge bits"
        assert np.count_nonzero(part) == SHAPE[1] * 3 * 2 + SHAPE[0] * 3 * 2 - 4 * 3 * 3


def test_nothing_is_found_at_the_edge_of_an_amplifier_that_is_left_out() -> None:
    sensor = Sensor(9)
    sensor.rate[50, 1] = sensor.rate[50, 30] = 50.0
    for text, count in (("edge: 0", 2), ("edge: 0, amplifier_edge: 3", 1)):
        assert np.count_nonzero(found(inputs(sensor.frames(darks=5), text))) == count


def assembled(reasons: Any, text: str = "edge: 0", before: Any = None) -> Any:
    parts = []
    for amplifier in DETECTOR.amplifiers:
        planes = {"reason": reasons[amplifier.position.slices]}
        if before is not None:
            planes["before"] = before[amplifier.position.slices]
        parts.append(Part(planes, {"pixels": (float(planes["reason"].size), "")}))
    given = DetectorInputs("defects", DETECTOR, Setup(), (), {}, options(text), samples.provenance())
    return detector_map.assemble(given, tuple(parts))


def empty() -> Any:
    return np.zeros(DETECTOR.shape, dtype=np.uint16)


def test_equal_masks_give_equal_tables_whatever_made_them() -> None:
    one, other = empty(), empty()
    one[10:20, 30] = Reason.HOT
    one[12, 31:33] = Reason.COLD
    other[10:20, 30] = other[12, 31:33] = Reason.MANUAL
    tables = [assembled(reasons).tables["defects"] for reasons in (one, other)]
    for name in detector_map.BOX:
        assert tables[0][name] == tables[1][name]
    assert tables[0]["reason"].values == ("HOT", "COLD")
    manual = assembled(empty(), "edge: 0, manual: [[30, 10, 1, 10], [31, 12, 2, 1]]").tables["defects"]
    assert manual == tables[1]


def test_what_is_grown_crosses_amplifiers_and_counts_for_the_one_it_is_in() -> None:
    reasons = empty()
    reasons[50, 59] = Reason.HOT
    made = assembled(reasons, "edge: 0, grow: 1")
    assert made.planes["reason"][49:52, 60].tolist() == [Reason.DILATED] * 3
    table = made.tables["amplifiers"]
    rows = dict(zip(table["amplifier"].values, zip(table["masked"].values, table["bad_pixels"].values, strict=True), strict=True))
    # what was grown is masked, and no defect
    assert rows["C00"] == (6.0, 1.0)
    assert rows["C01"] == (3.0, 0.0)


def test_growth_is_of_what_was_found_and_not_masked_before() -> None:
    before, now = empty(), empty()
    before[10, 10] = Reason.HOT
    before[40, 40] = Reason.COLD
    before[:, :5] = Reason.EDGE
    before[0:90, 20] = Reason.COLUMN
    now[10, 10] = Reason.UNSTABLE  # bad then, for another reason
    now[3, 3] = Reason.HOT  # at the edge then
    now[60, 50] = Reason.HOT
    now[0:90, 20] = now[0:50, 22] = Reason.COLUMN
    table = assembled(now, "edge: 7, compare: true, manual: [[30, 30, 4, 4]]", before).tables["amplifiers"]
    counts = {name: sum(table[name].values) for name in ("new_pixels", "new_columns", "healed_pixels")}
    assert counts == {"new_pixels": 51.0, "new_columns": 1.0, "healed_pixels": 1.0}


def test_a_map_without_reasons_cannot_be_compared_with() -> None:
    foreign = product("defects", 0.0)
    with pytest.raises(BuildError, match=r"defects of detector 0 defects-1 has no plane 'reason' to compare with \(make it"):
        defects.build_amplifier(inputs(Sensor(10).frames(darks=3), "compare: true", defects=foreign))


# -- what stands out of a frame ------------------------------------------------------------------------------------


def measured(one: AmplifierFrame, mask: Any, text: str = "edge: 0") -> dict[str, float]:
    of_map = product("defects", 0.0, mask=held(np.where(mask, BAD, np.uint8(0))))
    return {each.metric: each.value for each in standing.measure(inputs([one], text, defects=of_map))}


NONE = np.zeros(SHAPE, dtype=bool)


@pytest.mark.parametrize(("image", "value"), [("dark", "greatest"), ("flat", "least")])
def test_a_defect_that_the_map_has_not_stands_out_and_a_masked_one_does_not(image: str, value: str) -> None:
    sensor = Sensor(11)
    sensor.rate[40, 20:26:2] = 50.0
    sensor.response[40, 20:26:2] = 0.3
    one, mask = sensor.frame(image), NONE.copy()
    mask[40, 20:26:2] = True
    with_map, without = measured(one, mask), measured(one, NONE)
    assert (with_map["outliers"], without["outliers"]) == (0, 3)
    assert with_map["unmasked_outliers"] == without["unmasked_outliers"] == 3
    assert with_map["scatter"] < 1.02
    assert without["scatter"] > 1.1
    assert abs(with_map[value]) < with_map["spared"] < abs(without[value])


def test_a_bad_column_that_the_map_has_not_stands_out() -> None:
    sensor = Sensor(12)
    sensor.rate[10:, 20] = 10.0
    assert measured(sensor.frame("dark"), NONE)["outliers"] > 80


def test_a_cosmic_ray_does_not_stand_out() -> None:
    one = Sensor(13).frame("dark")
    pixels = one.reader(slice(None)).copy()
    for step in range(15):
        pixels[20 + step, 10 + step : 12 + step] += 600.0
    # not beside a masked column either, where the two would be taken for one
    mask = NONE.copy()
    mask[:, 9] = mask[:, 26] = True
    pixels[:, 9] = pixels[:, 26] = 5_000.0
    seen = measured(frame("dark", pixels, 30.0, 1), mask)
    assert (seen["outliers"], seen["greatest"] < 6) == (0, True)


@pytest.mark.parametrize("time_s", [3.0, 30.0, 300.0])
def test_what_the_cuts_spare_is_never_too_far_out(time_s: float) -> None:
    # a fixed limit of 20 sigma would refuse darks of 300 s for pixels that LATISS does not mask
    sensor = Sensor(14)
    sensor.rate[::9, ::9] = 2.9
    seen = measured(sensor.frame("dark", time_s=time_s), NONE)
    assert seen["greatest"] < seen["spared"]
    sensor.rate[50, 50] = 9.0 + 3.0 * (30.0 / time_s) ** 2  # well above the cut, and the more so the noisier a frame
    assert measured(sensor.frame("dark", time_s=time_s), NONE)["greatest"] > seen["spared"]


def test_a_flat_without_light_and_an_amplifier_that_is_all_masked_are_not_tested() -> None:
    sensor = Sensor(15)
    for one, mask, why in (
        (sensor.frame("flat", light=0.01), NONE, "a flat without light"),
        (sensor.frame("dark"), ~NONE, "every pixel is masked"),
    ):
        of_map = product("defects", 0.0, mask=held(np.where(mask, BAD, np.uint8(0))))
        seen = list(standing.measure(inputs([one], defects=of_map)))
        assert {each.untested for each in seen} == {why}
        assert {each.metric for each in seen} == {each.name for each in standing.metrics()}


# -- the declaration -----------------------------------------------------------------------------------------------


def test_its_rules_are_those_that_can_fail() -> None:
    # verification.md 2.4: OUTLIERS, STDEV, MIN and MAX compare a frame with itself there, and PROB_TEST two unrelated
    # counts: the first four have limits here, the last is none
    rules = {rule.name: rule.text for rule in TYPE.rules}
    assert "prob_test" not in rules
    assert rules["outliers"] == "outliers <= 50"  # decisions.md 3.11
    assert (rules["growth"], rules["column_growth"]) == ("growth_fraction <= 0.001", "growth_columns <= 1")
    for name in ("outliers", "stdev", "min", "max"):
        assert "unmasked" not in rules[name]
    assert all(rule.summary.endswith(".") for rule in TYPE.rules)
    assert all(metric.summary.endswith(".") for metric in TYPE.metrics.values())


def test_its_defaults_are_those_of_latiss() -> None:
    # algorithms.md 3.1
    assert options().cuts == Cuts()
    assert (options().saturated_radius, options().edge, options().grow) == (2, 5, 0)
    assert (options().enough, options("merge: or").enough, options("merge: and").enough) == (0.7, 0.0, 1.0)
    assert options("hot: 5 electron/s, cold: 0.8, sigma: 7").cuts == Cuts(hot=5.0, cold=0.8, clip=7.0)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("sigma: 4.8", r"4.8 is not 6 or more \(write 'sigma: 6"),  # decisions.md 1.11
        ("hot: -1 electron/s", r"-1.0 electron / s is not at least 0 \(write 'hot: 3 electron/s'"),
        ("hot: 3", "has no unit"),
        ("cold: 1.2", r"1.2 is not between 0 and 1 \(write 'cold: 0.9'"),
        ("merge: xor", "'xor' is not"),
        ("blinking: 1", "1 is not 2 or more"),
        ("manual: [[5, 5, 1]]", r"is not x0, y0, width and height of a box, counted from 0 \(write 'manual: \[\[100"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(text: str, what: str) -> None:
    with pytest.raises(RecipeError, match=what):
        options(text)


def sequences(**phrases: str) -> tuple[Sequence, ...]:
    return tuple(Sequence(f"{image}s", image, parse([phrase])) for image, phrase in phrases.items())


def test_what_cannot_make_a_map_is_said_before_it_is_taken() -> None:
    assert list(TYPE.check(sequences(dark="20 x 30 s", flat="1 x 5 s"), options())) == []
    assert list(TYPE.check(sequences(flat="2 x 20000 electron"), options())) == []
    for phrase, what in (
        ("2 x 30 s", "2 darks cannot tell hot pixels from cosmic rays"),
        ("1 x 30 s", "1 dark cannot tell hot pixels from cosmic rays"),
        ("3 x 0 s", "sequence 'darks': 0 s is not a time for dark frames"),
        ("3 x 300 adu", "sequence 'darks': 300 adu is not what dark frames can be exposed to"),
    ):
        ((found_, hint),) = TYPE.check(sequences(dark=phrase), options())
        assert (found_, hint[:6]) == (what, "write ")


def test_flats_that_are_expected_to_be_full_are_refused() -> None:
    given = sequences(dark="3 x 300 s", flat="20 x 40 s")
    ((what, hint),) = TYPE.check_light(given, options(), Light(3_600.0, 119_000.0))
    assert what == "sequence 'flats': 144000 electron are expected, full well or saturation is 119000"
    assert hint == "write less than 33.1 s"
    assert list(TYPE.check_light(given, options(), Light(None, 119_000.0))) == []
    assert list(TYPE.check_light(sequences(flat="20 x 5 s"), options(), Light(3_600.0, 119_000.0))) == []


def test_it_needs_a_bias_and_a_map_only_to_be_compared_with() -> None:
    assert TYPE.needs(options()) == {"bias"}
    assert TYPE.needs(options("compare: true")) == {"bias", "defects"}
