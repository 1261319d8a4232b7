"""What bias, dark and flat make of prepared frames and say of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.time import Time
from attrs import evolve

from latcal.builtin.calibrations import bias, dark, flat
from latcal.errors import BuildError
from latcal.model.frames import AmplifierFrame, Exposure, Plane, Setup
from latcal.model.geometry import Amplifier, Box, Detector
from latcal.model.measurements import Measurements
from latcal.model.products import AmplifierProduct, Column, Product, ProductRef, Provenance
from latcal.plugin import AmplifierInputs, DetectorInputs, Part

SHAPE = (20, 24)
BOX = Box(0, 20, 0, 24)
AMPLIFIER = Amplifier("A", 0, BOX, BOX, BOX, gain=1.5, read_noise=4.0, saturation=60_000)
DETECTOR = Detector(0, "S00", (AMPLIFIER,))
BEGIN = Time("2022-11-04T12:00:00", scale="tai")


class Scratch:
    """Writes planes, frames and products of one amplifier."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = 0

    def plane(self, pixels: Any) -> Plane:
        self.count += 1
        path = self.folder / f"{self.count}.f32"
        np.broadcast_to(np.asarray(pixels, dtype=np.float32), SHAPE).tofile(path)
        return Plane(str(path), 0, SHAPE)

    def frame(self, pixels: Any, time_s: float = 0.0, **changes: Any) -> AmplifierFrame:
        exposure = Exposure(self.count + 1, "T", "any", time_s, time_s, BEGIN)
        level = float(np.nanmean(pixels))
        frame = AmplifierFrame(exposure, self.plane(pixels), 4.0, 0.1, 4.2, level, level, 1000.0)
        return evolve(frame, **changes)

    def product(self, kind: str, pixels: Any, **facts: float) -> AmplifierProduct:
        ref = ProductRef(f"{kind}-1", kind, 0, Setup(), "", "run")
        return AmplifierProduct(ref, "", self.plane(pixels), self.plane(1.0), facts, facts)


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(tmp_path)


def inputs(frames: Sequence[AmplifierFrame], options: Any, **needs: AmplifierProduct) -> AmplifierInputs:
    return AmplifierInputs(DETECTOR, AMPLIFIER, tuple(frames), needs, options)


def noisy(rng: np.random.Generator, level: float = 0.0) -> Any:
    return level + 4.2 * rng.standard_normal(SHAPE)


def values(measured: Any) -> dict[str, float]:
    return {one.metric: one.value for one in measured}


@pytest.mark.parametrize("estimator", ["model", "clipped", "median"])
def test_a_bias_says_what_it_was_made_of(scratch: Scratch, estimator: str) -> None:
    rng = np.random.default_rng(2)
    frames = [scratch.frame(noisy(rng)) for _ in range(9)]
    part = bias.build_amplifier(inputs(frames, bias.BiasOptions(estimator=estimator)))
    facts = {name: value for name, (value, _) in part.facts.items()}
    assert (facts["frames"], facts["gain"], facts["pedestal"], facts["read_noise"]) == (9, 1.5, 1000, 4)
    assert facts["frame_noise"] == pytest.approx(4.2)
    # 4.2^2 = 4^2 (1 + nu) + 1.5^2 / 12
    assert facts["overscan_variance"] == pytest.approx((4.2**2 - 1.5**2 / 12) / 16 - 1)
    assert facts["model_sigma"] == pytest.approx(4.2)
    assert 1.0 <= facts["clip_efficiency"] < 1.3
    # 480 pixels of 8 degrees of freedom, 1.1 %; clipping at 3 sigma takes a few percent
    assert facts["sample_sigma"] == pytest.approx(4.2, rel=0.1 if estimator == "clipped" else 0.035)
    assert facts["kept"] == pytest.approx(9, abs=0.5)
    assert part.facts["level"][1] == part.facts["model_sigma"][1] == "electron"


def test_a_sample_that_noise_cannot_explain_is_left_out_and_marked(scratch: Scratch) -> None:
    rng = np.random.default_rng(3)
    frames = [noisy(rng) for _ in range(5)]
    frames[2][4, 5] = 500.0
    part = bias.build_amplifier(inputs([scratch.frame(one) for one in frames], bias.BiasOptions()))
    assert abs(part.planes["image"][4, 5]) < 10
    assert np.argwhere(part.planes["mask"]).tolist() == [[4, 5]]
    assert part.planes["mask"][4, 5] == 0b100
    assert part.planes["kept"][4, 5] == 4


def test_a_pixel_without_value_in_every_frame_has_no_data(scratch: Scratch) -> None:
    pixels = np.zeros(SHAPE)
    pixels[1, 1] = np.nan
    part = bias.build_amplifier(inputs([scratch.frame(pixels, saturated=1)] * 3, bias.BiasOptions()))
    assert part.planes["mask"][1, 1] == 0b011
    assert math.isnan(part.planes["image"][1, 1])


def test_a_pixel_that_two_frames_disagree_on_has_no_data_because_it_was_rejected(scratch: Scratch) -> None:
    hit = np.zeros(SHAPE)
    hit[1, 1] = 500.0
    part = bias.build_amplifier(inputs([scratch.frame(np.zeros(SHAPE)), scratch.frame(hit)], bias.BiasOptions()))
    assert part.planes["mask"][1, 1] == 0b101


def test_no_frames_at_all_are_refused() -> None:
    with pytest.raises(BuildError, match="there are no frames"):
        bias.build_amplifier(inputs([], bias.BiasOptions()))


def test_a_dark_without_dark_time_is_refused_with_its_exposure(scratch: Scratch) -> None:
    frames = [scratch.frame(0.0, 5.0), scratch.frame(0.0, 0.0)]
    needs = {"bias": scratch.product("bias", 0.0, level=0.0)}
    with pytest.raises(BuildError, match="exposure 2: a dark time of 0 s is not above 0"):
        dark.build_amplifier(inputs(frames, dark.DarkOptions(), **needs))


def test_a_dark_is_a_rate_without_its_bias(scratch: Scratch) -> None:
    needs = {"bias": scratch.product("bias", 7.0, level=7.0)}
    frames = [scratch.frame(7.0 + 0.5 * time, time) for time in (5.0, 10.0, 20.0)]
    part = dark.build_amplifier(inputs(frames, dark.DarkOptions(), **needs))
    np.testing.assert_allclose(part.planes["image"], 0.5, rtol=1e-5)
    assert part.facts["dark_current"] == (pytest.approx(0.5), "electron / s")
    assert part.facts["bias_weight"] == (pytest.approx(35 / 525), "1 / s")


def test_an_error_of_the_bias_moves_the_rate_by_the_weight_it_says(scratch: Scratch) -> None:
    frames = [scratch.frame(7.0, time, frame_noise=noise) for time, noise in ((5.0, 3.0), (10.0, 4.0), (20.0, 5.0))]
    parts = [
        dark.build_amplifier(inputs(frames, dark.DarkOptions(), bias=scratch.product("bias", level, level=level)))
        for level in (7.0, 8.0)
    ]
    moved = parts[1].planes["image"][0, 0] - parts[0].planes["image"][0, 0]
    assert moved == pytest.approx(-parts[0].facts["bias_weight"][0], rel=1e-4)


def test_the_expected_noise_of_a_dark_has_its_signal(scratch: Scratch) -> None:
    rng = np.random.default_rng(4)
    needs = {"bias": scratch.product("bias", 0.0, level=0.0), "dark": scratch.product("dark", 0.5, level=0.5)}
    frame = scratch.frame(15.0 + math.sqrt(4.2**2 + 15) * rng.standard_normal(SHAPE), 30.0)
    found = values(dark.measure(inputs([frame], dark.DarkOptions(), **needs)))
    assert found["frame_noise"] == pytest.approx(math.sqrt(4.2**2 + 15), rel=1e-4)
    # 480 pixels: 3.2 %; three sigma
    assert found["noise"] == pytest.approx(found["frame_noise"], rel=0.1)
    assert found["cr_noise"] == pytest.approx(found["frame_noise"], rel=0.1)
    assert found["pull"] == pytest.approx(1, rel=0.1)


def flat_needs(scratch: Scratch) -> dict[str, AmplifierProduct]:
    return {"bias": scratch.product("bias", 10.0, level=10.0), "dark": scratch.product("dark", 0.1, level=0.1)}


def test_a_flat_is_divided_by_the_light_on_its_detector_not_on_its_amplifier(scratch: Scratch) -> None:
    frames = [scratch.frame(10 + 0.5 + 2000.0, 5.0, detector_level=10 + 0.5 + 4000.0) for _ in range(3)]
    part = flat.build_amplifier(inputs(frames, flat.FlatOptions(), **flat_needs(scratch)))
    np.testing.assert_allclose(part.planes["image"], 0.5, rtol=1e-5)
    assert part.facts["level"] == (pytest.approx(0.5), "")
    assert part.facts["level_rate"] == (pytest.approx(800.0), "electron / s")


def test_pixels_too_dark_in_the_flat_have_no_data(scratch: Scratch) -> None:
    pixels = np.full(SHAPE, 4010.5)
    pixels[0, :2] = 10.5 + 4000 * 0.04, 10.5 + 4000 * 0.06
    frames = [scratch.frame(pixels, 5.0, detector_level=4010.5) for _ in range(3)]
    part = flat.build_amplifier(inputs(frames, flat.FlatOptions(), **flat_needs(scratch)))
    assert part.planes["mask"][0, :2].tolist() == [1, 0]
    assert np.isnan(part.planes["image"][0, 0])
    assert np.isnan(part.planes["variance"][0, 0])


def test_a_product_that_does_not_say_its_level_is_refused(scratch: Scratch) -> None:
    needs = {**flat_needs(scratch), "bias": scratch.product("bias", 10.0)}
    with pytest.raises(BuildError, match="bias of detector 0 bias-1 has no 'level'"):
        flat.build_amplifier(inputs([scratch.frame(4000.0, 5.0)], flat.FlatOptions(), **needs))


def test_a_flat_is_normalised_over_its_detector() -> None:
    boxes = [Box(0, 20, 24 * x, 24 * x + 24) for x in (0, 1, 2)]
    detector = Detector(0, "S00", tuple(evolve(AMPLIFIER, name=f"A{x}", position=box) for x, box in enumerate(boxes)))

    def part(level: float) -> Part:
        whole = np.full(SHAPE, level, dtype=np.float32)
        names = ("level", "model_sigma", "sample_sigma")
        facts = {**dict.fromkeys(names, (level, "")), "level_rate": (100.0, "electron / s")}
        return Part({"image": whole, "variance": whole**2}, facts)

    record = Provenance("run", "recipe", "", "", (), {}, (), {}, {}, BEGIN)
    there = DetectorInputs("flat", detector, Setup("r"), (), {}, flat.FlatOptions(), record)
    made = flat.assemble(there, (part(1.0), part(3.0), part(math.nan)))
    assert [made.facts(f"A{x}")["level"] for x in (0, 1)] == [0.5, 1.5]
    assert made.planes["image"][0, [0, 24]].tolist() == [0.5, 1.5]
    assert made.planes["variance"][0, [0, 24]].tolist() == [0.25, 2.25]
    assert made.facts("A0")["level_rate"] == 200.0  # electrons where the flat is 1
    assert made.setup.filter == "r"


def test_a_known_brighter_fatter_effect_lowers_the_expected_noise(scratch: Scratch) -> None:
    needs = {**flat_needs(scratch), "flat": scratch.product("flat", 1.0)}
    frame = scratch.frame(10 + 0.5 + 20_000.0, 5.0)
    expected = []
    for a00 in ("0 1 / electron", "-1.7e-6 1 / electron"):
        found = values(flat.measure(inputs([frame], flat.FlatOptions(brighter_fatter=a00), **needs)))
        expected.append(found["shot_noise"])
        assert found["mean"] == pytest.approx(20_000)
    assert expected[0] == pytest.approx(math.sqrt(20_000 + 4.2**2))
    x = -1.7e-6 * 20_000
    assert expected[1] == pytest.approx(math.sqrt(20_000 * math.expm1(2 * x) / (2 * x) + 4.2**2))


def product_with(column: str, *numbers: float) -> Product:
    tables = {"amplifiers": {"amplifier": Column(tuple("AB")), column: Column(numbers)}}
    record = Provenance("run", "recipe", "", "", (), {}, (), {}, {}, BEGIN)
    return Product("flat", 0, "S00", Setup(), "", {}, tables, record)


def measured(declared: Any, means: Any, times: tuple[float, ...], *detectors: str) -> Measurements:
    amplifiers = tuple(("A", "B") for _ in detectors)
    exposures = tuple(range(1, len(times) + 1))
    return Measurements(exposures, times, detectors, amplifiers, declared.metrics, {"mean": np.array(means, float)})


(FLAT,), (DARK,) = flat.latcal_calibrations(), dark.latcal_calibrations()


def test_levels_are_compared_within_and_over_detectors() -> None:
    means = [[[100, 100], [200, 200]], [[100, 100], [240, 240]], [[100, 100], [200, np.nan]]]
    before = measured(FLAT, means, (1.0, 1.0, 1.0), "S00", "S01")
    found = before.extended(flat.summarise(before, {})).values
    np.testing.assert_allclose(found["level"], [[100, 200], [100, 240], [100, 200]])
    np.testing.assert_allclose(found["level_ratio"], [1.0, 1.1, 1.0])
    np.testing.assert_allclose(found["scatter"], [0.0, 0.1, 0.0], atol=1e-12)


def test_levels_are_compared_per_second_with_what_the_product_remembers() -> None:
    before = measured(FLAT, [[[100, 120]], [[220, 220]]], (1.0, 2.0), "S00")
    found = before.extended(flat.summarise(before, {"S00": product_with("level_rate", 100.0, 100.0)})).values
    np.testing.assert_allclose(found["level_ratio"], [1.1, 1.1])
    np.testing.assert_allclose(found["scatter"], [0.0, 0.0])
    np.testing.assert_allclose(found["amplifier_scatter"][:, 0], [np.std([100, 120], ddof=1) / 110, 0.0])


def test_a_detector_that_saw_nothing_has_no_ratio() -> None:
    before = measured(FLAT, [[[np.nan, np.nan]]], (0.0,), "S00")
    found = before.extended(flat.summarise(before, {})).values
    assert all(np.isnan(found[name]).all() for name in ("level", "level_ratio", "scatter", "amplifier_scatter"))


def test_the_dark_current_is_that_of_the_worst_amplifier() -> None:
    before = measured(DARK, [[[0, 0]]], (30.0,), "S00")
    found = before.extended(dark.summarise(before, {"S00": product_with("dark_current", 0.02, 0.3)})).values
    assert found["dark_current"].tolist() == [0.3]
    dead = product_with("dark_current", math.nan, 0.1)
    assert [one.value for one in dark.summarise(before, {"S00": dead})] == [0.1]
    assert list(dark.summarise(before, {"S00": product_with("level", 1.0, 1.0)})) == []


def detector_inputs(kind: str, options: Any) -> DetectorInputs:
    record = Provenance("run", "recipe", "", "", (), {}, (), {}, {}, BEGIN)
    refs = {"bias": ProductRef("bias-1", "bias", 0, Setup(), "", "run")}
    return DetectorInputs(kind, DETECTOR, Setup(), (), refs, options, record)


@pytest.mark.parametrize(
    ("declared", "left", "variance"),
    # minus a bias of 10; and a dark of 0.1 in 20 s; and through a flat of 0.5: the variance is that of a frame with noise of
    # 4.2, and of the 2 electrons of the dark, or the 88 of the light, through the flat
    [
        (next(iter(bias.latcal_calibrations())), 90.0, 4.2**2),
        (DARK, 88.0, 4.2**2 + 2.0),
        (FLAT, 176.0, (4.2**2 + 88.0) / 0.5**2),
    ],
)
def test_what_was_measured_can_be_kept_as_an_image_in_electrons(
    scratch: Scratch, declared: Any, left: float, variance: float
) -> None:
    pixels = np.full(SHAPE, 100.0)
    pixels[3, 4] = np.nan
    needs = {**flat_needs(scratch), "flat": scratch.product("flat", 0.5)}
    part = declared.residual(inputs([scratch.frame(pixels, 20.0)], declared.options(), **needs))
    kept = declared.assemble(detector_inputs(declared.name, declared.options()), (part,))
    assert kept.unit == "electron"
    assert kept.facts("A")["level"] == pytest.approx(left)
    assert np.argwhere(kept.planes["mask"]).tolist() == [[3, 4]]
    assert kept.planes["image"][0, 0] == pytest.approx(left)
    assert kept.planes["variance"][0, 0] == pytest.approx(variance, rel=1e-6)
    assert np.argwhere(np.isnan(kept.planes["variance"])).tolist() == [[3, 4]]
