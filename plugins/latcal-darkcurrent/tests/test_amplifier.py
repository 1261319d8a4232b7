"""One amplifier of made-up pixels: what is found of rate, intercept, hot pixels and pixels without value."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from attrs import evolve, frozen
from latcal.plugin import (
    MASK_PLANES,
    AmplifierFrame,
    AmplifierInputs,
    AmplifierProduct,
    BuildError,
    Exposure,
    Part,
    Plane,
    ProductRef,
    Setup,
    instant,
)
from latcal.testing.cameras import small_instrument

import latcal_darkcurrent
from latcal_darkcurrent import DarkCurrentOptions, build_amplifier, measure, summarise

ROWS, COLUMNS, NOISE, BIASES = 100, 80, 9.0, 20
TIMES = np.repeat([5.0, 15.0, 30.0, 60.0], 4)
DETECTOR = small_instrument(ROWS, COLUMNS).detectors[0]


@frozen
class Bench:
    """Writes pixels where a worker would find them."""

    folder: Path

    def plane(self, pixels: np.ndarray) -> Plane:
        path = self.folder / f"{len(list(self.folder.iterdir()))}.f32"
        pixels.astype(np.float32).tofile(path)
        return Plane(str(path), 0, pixels.shape)

    def needed(self, kind: str, image: np.ndarray, variance: np.ndarray, facts: dict[str, float]) -> AmplifierProduct:
        ref = ProductRef(id=kind, kind=kind, detector=0, setup=Setup(), digest="", run="", frames=BIASES)
        return AmplifierProduct(ref, "electron", self.plane(image), self.plane(variance), facts, facts)

    def frame(self, number: int, time: float, pixels: np.ndarray) -> AmplifierFrame:
        """Give a frame of that dark time: its exposure is shorter."""
        exposure = Exposure(number, f"X_{number}", "dark", time - 2.0, time, instant("2026-11-04T20:00:00"))
        return AmplifierFrame(exposure, self.plane(pixels), NOISE, 0.05, NOISE, 0.0, 0.0, 10_000.0)

    def inputs(self, frames: list[np.ndarray], times: np.ndarray = TIMES, **options: str) -> AmplifierInputs:
        """Give inputs over a bias that is 0 as far as its noise lets it."""
        noise = np.random.default_rng(99).normal(0, NOISE / np.sqrt(BIASES), (ROWS, COLUMNS))
        bias = self.needed("bias", noise, np.full((ROWS, COLUMNS), NOISE**2 / BIASES), {})
        made = tuple(self.frame(number, time, pixels) for number, (time, pixels) in enumerate(zip(times, frames, strict=True)))
        return AmplifierInputs(DETECTOR, DETECTOR.amplifiers[0], made, {"bias": bias}, DarkCurrentOptions(**options))

    def verified(self, inputs: AmplifierInputs, part: Part) -> list[dict[str, float]]:
        """Measure each frame with the product, as the engine gives it: NaN where it is bad."""
        unusable = part.planes["mask"] & (1 << MASK_PLANES["BAD"] | 1 << MASK_PLANES["NO_DATA"])
        image = np.where(unusable, np.nan, part.planes["image"])
        product = self.needed("dark_current", image, part.planes["variance"], facts(part))
        needs = {**inputs.needs, "dark_current": product}
        return [
            {one.metric: one.value for one in measure(evolve(inputs, frames=(frame,), needs=needs))}
            for frame in inputs.frames
        ]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def darks(rates: float | np.ndarray = 0.02, *, times: np.ndarray = TIMES, glow: float = 0.0, scatter: float = 0.2, seed: int = 1) -> list[np.ndarray]:
    """Draw frames minus pedestal [electron]: counts of a rate, a glow of every readout, and a pedestal that scatters."""
    random, shape = np.random.default_rng(seed), (ROWS, COLUMNS)
    rates = np.broadcast_to(rates, shape)
    offsets = glow + random.normal(0, scatter, times.size)
    return [random.poisson(rates * time) + random.normal(offset, NOISE, shape) for time, offset in zip(times, offsets, strict=True)]


def facts(part: Part) -> dict[str, float]:
    return {name: value for name, (value, _) in part.facts.items()}


def hot(part: Part) -> np.ndarray:
    return (part.planes["mask"] & (1 << MASK_PLANES["BAD"])) != 0


def test_rate_and_a_glow_of_every_readout_are_told_apart(bench: Bench) -> None:
    found = facts(build_amplifier(bench.inputs(darks(0.1, glow=2.5))))
    assert abs(found["rate"] - 0.1) < 3 * found["rate_error"]
    assert abs(found["intercept"] - 2.5) < 3 * found["intercept_error"]
    # a scatter of 0.2 over 16 frames gives these; a quarter of it is chance (1 / sqrt(2 x 14) is 19 %)
    width = np.sqrt(np.sum((TIMES - TIMES.mean()) ** 2))
    assert found["rate_error"] == pytest.approx(np.hypot(0.2, 0.1) / width, rel=0.5)
    assert found["intercept_error"] > 0.2 / np.sqrt(BIASES)


def test_charge_gathers_over_the_dark_time_which_is_longer_than_the_exposure(bench: Bench) -> None:
    inputs = bench.inputs(darks(2.0, scatter=0.0))
    part = build_amplifier(inputs)
    found = facts(part)
    assert abs(found["intercept"]) < 3 * found["intercept_error"] < 0.5  # 4 electrons over the exposure times
    assert np.abs([one["departure"] for one in bench.verified(inputs, part)]).max() < 1.0


def test_the_error_is_that_of_whole_frames_and_not_of_pixels(bench: Bench) -> None:
    calm, rough = (facts(build_amplifier(bench.inputs(darks(scatter=scatter)))) for scatter in (0.0, 2.0))
    assert rough["rate_error"] > 5 * calm["rate_error"]
    # without scatter of its own a frame is as good as its 8000 pixels, and its line no better
    floor = NOISE / np.sqrt(ROWS * COLUMNS) / np.sqrt(np.sum((TIMES - TIMES.mean()) ** 2))
    assert calm["rate_error"] >= floor


def test_cosmic_rays_and_hot_pixels_do_not_pull_the_line(bench: Bench) -> None:
    plain = darks()
    spoilt = [pixels.copy() for pixels in plain]
    for number, pixels in enumerate(spoilt):
        pixels[2 * number, : 2 * number] += 3000.0  # a track, longer the later the frame
        pixels[50:60, 40:60] += 20.0 * TIMES[number]  # 200 hot pixels
    clean, found = (facts(build_amplifier(bench.inputs(frames))) for frames in (plain, spoilt))
    assert found["hot_pixels"] - clean["hot_pixels"] == 200
    # the mean of the others is another one, by 0.018 electron in each frame; 4 times what that does to the line
    assert found["rate"] == pytest.approx(clean["rate"], abs=4 * 0.018 / 83)
    assert found["intercept"] == pytest.approx(clean["intercept"], abs=4 * 0.018 * 0.41)


def test_a_warm_pixel_bends_no_line(bench: Bench) -> None:
    """At 1 electron/s it is within 5 sigma of a frame of 30 s and beyond in one of 60 s; 5 % of the pixels are warm."""
    rates = np.full((ROWS, COLUMNS), 0.02)
    rates[:5] = 1.0
    part = build_amplifier(inputs := bench.inputs(darks(rates, scatter=0.0)))
    found = facts(part)
    assert found["hot_pixels"] == 0
    assert abs(found["rate"] - rates.mean()) < 3 * found["rate_error"]
    assert abs(found["intercept"]) < 3 * found["intercept_error"]
    noise = NOISE / np.sqrt(ROWS * COLUMNS)
    assert np.abs([one["departure"] for one in bench.verified(inputs, part)]).max() < 4 * noise


def test_three_frames_far_apart_lose_no_charge_to_the_clipping_of_pixels(bench: Bench) -> None:
    """A long sample is far from what the short ones foretell, by noise alone; neither pixels nor levels may lose it."""
    times = np.array([5.0, 20.0, 60.0])
    inputs = bench.inputs(darks(times=times), times)
    bias = inputs.need("bias").reader(slice(None))
    rate, intercept = np.polyfit(times, [np.mean(frame.reader(slice(None)) - bias) for frame in inputs.frames], 1)
    part = build_amplifier(inputs)
    assert np.mean(part.planes["kept"] < 3) < 0.003
    # of 9 / sqrt(8000) = 0.1 electron, the noise of a level, a tenth
    assert facts(part)["intercept"] == pytest.approx(intercept, abs=0.01)
    assert facts(part)["rate"] == pytest.approx(rate, abs=0.01 / 40)


def test_hot_pixels_are_found_from_the_limit_on_if_they_stand_out_of_their_noise(bench: Bench) -> None:
    rates = np.full((ROWS, COLUMNS), 0.02)
    rates[10, :40], rates[20, :40] = 4.0, 0.6
    frames = darks(rates)
    part = build_amplifier(bench.inputs(frames))
    assert hot(part)[10, :40].all()
    assert hot(part).sum() == 40
    assert facts(part)["hot_pixels"] == 40
    # 0.6 electron/s is above a limit of 0.3, and above 5 sigma of some 0.08 in most of the 40
    lower = build_amplifier(bench.inputs(frames, hot="0.3 electron/s"))
    assert hot(lower)[20, :40].sum() > 30
    # half a limit further down noise alone would make hundreds: 5 sigma lets none of the other 7920 pass
    least = build_amplifier(bench.inputs(frames, hot="0.1 electron/s"))
    assert not hot(least)[30:].any()


def test_the_noise_of_a_pixel_is_that_of_its_frames_and_of_the_bias(bench: Bench) -> None:
    part = build_amplifier(bench.inputs(darks()))
    found, pixels = facts(part), part.planes["image"].std()
    alone = NOISE / np.sqrt(np.sum(TIMES**2))
    of_bias = NOISE / np.sqrt(BIASES) * np.sum(TIMES) / np.sum(TIMES**2)
    assert found["pixel_noise"] == pytest.approx(np.hypot(alone, of_bias), rel=0.02)
    assert pixels == pytest.approx(found["pixel_noise"], rel=0.04)
    # 8000 pixels know the 95th percentile to 0.024 sigma
    assert found["percentile_95"] == pytest.approx(0.02 + 1.645 * found["pixel_noise"], abs=4 * 0.024 * found["pixel_noise"])


def test_the_95th_percentile_is_above_the_noise_where_pixels_differ(bench: Bench) -> None:
    rates = np.full((ROWS, COLUMNS), 0.02)
    rates[:10] = 2.0
    found = facts(build_amplifier(bench.inputs(darks(rates), hot="1 electron/s")))
    assert found["percentile_95"] == pytest.approx(2.0, abs=0.1)  # the median of the tenth that is hot
    assert found["hot_pixels"] == 800
    assert abs(found["rate"] - 0.02) < 3 * found["rate_error"]  # of the others


def test_a_glow_in_a_corner_is_all_in_the_intercept(bench: Bench) -> None:
    """Pixels of up to 40 electrons in every readout: their rates, were there no intercept, would be 0.9 electron/s."""
    y, x = np.mgrid[:ROWS, :COLUMNS]
    glow = 40.0 * np.exp(-y / 12 - x / 12)
    found = facts(build_amplifier(bench.inputs([pixels + glow for pixels in darks(scatter=0.0)])))
    assert abs(found["intercept"] - glow.mean()) < 3 * found["intercept_error"] < 0.5 * glow.mean()
    assert abs(found["rate"] - 0.02) < 3 * found["rate_error"]


def test_each_frame_of_a_set_departs_from_the_line_by_its_own_offset(bench: Bench) -> None:
    frames = darks(scatter=0.0)
    frames[5] = frames[5] + 12.0
    inputs = bench.inputs(frames)
    part = build_amplifier(inputs)
    departures = np.array([one["departure"] for one in bench.verified(inputs, part)])
    assert np.argmax(np.abs(departures)) == 5
    assert departures[5] == pytest.approx(facts(part)["worst_departure"], rel=1e-6)
    assert departures.sum() == pytest.approx(0.0, abs=1e-4)  # a fitted line leaves no mean


def test_pixels_without_value_are_left_out(bench: Bench) -> None:
    frames = darks()
    for pixels in frames:
        pixels[:20] = np.nan
    frames[3][50:] = np.nan
    inputs = bench.inputs(frames)
    part = build_amplifier(inputs)
    found = facts(part)
    assert np.isfinite(list(found.values())).all()
    assert abs(found["rate"] - 0.02) < 3 * found["rate_error"]
    assert (part.planes["mask"][:20] & (1 << MASK_PLANES["NO_DATA"])).all()
    assert not hot(part)[:20].any()
    assert all(np.isfinite(list(one.values())).all() for one in bench.verified(inputs, part))


def test_a_frame_without_any_value_is_off_the_line_and_the_others_have_one(bench: Bench) -> None:
    frames = darks()
    frames[3][:] = np.nan
    inputs = bench.inputs(frames)
    part = build_amplifier(inputs)
    assert abs(facts(part)["rate"] - 0.02) < 3 * facts(part)["rate_error"]
    departures = [one["departure"] for one in bench.verified(inputs, part)]
    assert np.isnan(departures).tolist() == [number == 3 for number in range(16)]


def test_an_amplifier_without_any_value_has_no_numbers_and_stops_nothing(bench: Bench) -> None:
    inputs = bench.inputs([np.full((ROWS, COLUMNS), np.nan)] * 16)
    part = build_amplifier(inputs)
    assert np.isnan([facts(part)[one.name] for one in latcal_darkcurrent.FACTS]).all()
    assert not hot(part).any()
    assert np.isnan(bench.verified(inputs, part)[0]["rate"])


@pytest.mark.parametrize("kept", [slice(0, 4), slice(0, 16, 8)], ids=["one time", "two frames"])
def test_frames_that_came_and_are_no_ladder_are_an_error_that_says_what_to_take(bench: Bench, kept: slice) -> None:
    inputs = bench.inputs(darks()[kept], TIMES[kept])
    with pytest.raises(BuildError, match=r"\d frames of [\d, ]+ s are not a ladder of dark times \(take 3 or more"):
        build_amplifier(inputs)


def test_the_worst_amplifier_with_a_number_gives_the_dark_current() -> None:
    from latcal.plugin import Measurement, Measurements

    (kind,) = latcal_darkcurrent.latcal_calibrations()
    blank = Measurements((1, 2), (5.0, 60.0), ("S00", "S01"), (("A", "B"), ("A", "B")), kind.metrics, {})
    rates = {("S00", "A"): 0.01, ("S00", "B"): 0.3, ("S01", "A"): np.nan, ("S01", "B"): 0.02}
    seen = [Measurement("rate", value, exposure, *place) for place, value in rates.items() for exposure in (1, 2)]
    found = {one.detector: one.value for one in summarise(blank.extended(seen), {})}
    assert found == {"S00": 0.3, "S01": 0.02}
