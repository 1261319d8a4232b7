"""Bias, dark and flat recover a truth that is known, from raw pixels to verdicts, without camera or store."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.time import Time
from attrs import evolve, field, frozen

from latcal.builtin.calibrations import bias, dark, flat
from latcal.engine.preparing import prepare, spill
from latcal.model.frames import AmplifierFrame, Exposure, Frame, Setup
from latcal.model.geometry import Amplifier, Box, Detector, Preparation
from latcal.model.measurements import Measurements
from latcal.model.metrics import Scope
from latcal.model.products import AmplifierProduct, Product, ProductRef, Provenance
from latcal.model.rules import check
from latcal.plugin import AmplifierInputs, CalibrationType, DetectorInputs, Outlook, Task

# as many samples of overscan as are needed to know the noise of an amplifier and of its overscan to 0.5 % each, so that
# a limit 2.5 % away is 3.7 sigma away
NY, NX, SERIAL, PARALLEL = 150, 160, 140, 16
TYPES: dict[str, CalibrationType] = {
    one.name: one for module in (bias, dark, flat) for one in module.latcal_calibrations()
}
BEGIN = Time("2022-11-04T12:00:00", scale="tai")
GAINS = (1.08, 1.05, 1.10, 1.09)
NOISES = (8.0, 8.5, 9.1, 10.3)


def make_detector() -> Detector:
    """Four amplifiers in two rows and columns, flipped towards their corners."""
    return Detector(
        0,
        "S00",
        tuple(
            Amplifier(
                name=f"C{y}{x}",
                extension=2 * y + x,
                raw=Box(0, NY + PARALLEL, 0, 3 + NX + SERIAL),
                data=Box(0, NY, 3, 3 + NX),
                serial_overscan=Box(0, NY + PARALLEL, 3 + NX, 3 + NX + SERIAL),
                parallel_overscan=Box(NY, NY + PARALLEL, 3, 3 + NX),
                position=Box(y * NY, (y + 1) * NY, x * NX, (x + 1) * NX),
                flip_x=bool(x),
                flip_y=bool(y),
                gain=GAINS[2 * y + x],
                read_noise=NOISES[2 * y + x],
                saturation=120_000.0,
            )
            for y in (0, 1)
            for x in (0, 1)
        ),
    )


@frozen
class RawImages:
    """Raw pixels in memory, as a camera gives them."""

    images: Mapping[str, Any]

    def __call__(self, amplifier: Amplifier) -> Any:
        return self.images[amplifier.name]


@frozen(eq=False)
class Sensor:
    """A sensor whose truth is not its nominal figures: all planes in the trimmed frame."""

    rng: np.random.Generator
    detector: Detector = field(factory=make_detector)
    gain_error: float = 1.0
    noise_factor: float = 1.0

    @property
    def structure(self) -> Any:
        """Bias beside the pedestal [electron]: steps at some columns, which no overscan model removes."""
        ny, nx = self.detector.shape
        return np.broadcast_to(6.0 * ((np.arange(nx) % NX) // 17 % 2 - 0.5), (ny, nx))

    @property
    def dark_rate(self) -> Any:
        """Dark current [electron / s], with hot pixels."""
        rate = np.full(self.detector.shape, 0.02)
        rate[::37, ::31] = 20.0
        return rate

    @property
    def response(self) -> Any:
        """Relative response to the lamp, with a mean of 1 over each amplifier's mean."""
        ny, nx = self.detector.shape
        y, x = np.mgrid[-1 : 1 : ny * 1j, -1 : 1 : nx * 1j]
        fixed = 0.004 * np.random.default_rng(5).standard_normal((ny, nx))
        response = (1.0 - 0.025 * (x**2 + y**2)) * (1.0 + fixed)
        return response / response.mean()

    def expose(self, number: int, image: str, time_s: float, light: float = 0.0) -> Frame:
        """Take a frame; `light` is the mean number of electrons from the lamp."""
        exposure = Exposure(number, f"T_{number}", image, time_s, time_s, BEGIN, Setup())
        electrons = self.rng.poisson(self.dark_rate * time_s + self.response * light) + self.structure
        images = {}
        for amplifier in self.detector.amplifiers:
            gain = amplifier.gain * self.gain_error
            noise = self.noise_factor * amplifier.read_noise / gain
            raw = 10_000.0 + number % 7 + noise * self.rng.standard_normal(amplifier.raw.shape)
            mine = electrons[amplifier.position.slices]
            turned = mine[:: -1 if amplifier.flip_y else 1, :: -1 if amplifier.flip_x else 1]
            raw[amplifier.data.slices] += turned / gain
            images[amplifier.name] = np.rint(raw).astype(np.int32)
        return Frame(exposure, self.detector, RawImages(images))

    def some(
        self, count: int, image: str, times: Iterable[float] = (0.0,), light: float = 0.0, first: int = 1
    ) -> list[Frame]:
        """Take `count` frames of each time, `light` being per second."""
        times = [time for time in times for _ in range(count)]
        return [self.expose(first + i, image, time, light * time) for i, time in enumerate(times)]


Prepared = list[dict[str, AmplifierFrame]]
Needs = dict[str, dict[str, AmplifierProduct]]


@frozen(eq=False)
class Bench:
    """Do what the engine does, one call after another."""

    folder: Path
    detector: Detector = field(factory=make_detector)
    made: dict[object, tuple[Product, Any]] = field(factory=dict)

    def once(self, what: object, sensor: Sensor, make: Callable[[], Product]) -> Product:
        """Make a product that many tests begin with once; the sensor's noise goes on from where making it left off."""
        random = sensor.rng.bit_generator
        begun = (what, sensor.gain_error, sensor.noise_factor, repr(random.state))
        if begun not in self.made:
            self.made[begun] = (make(), random.state)
        product, random.state = self.made[begun]
        return product

    def prepared(self, frames: Iterable[Frame], preparation: Preparation | None = None) -> Prepared:
        return [prepare(frame, preparation or Preparation(), self.folder) for frame in frames]

    def inputs(self, kind: str, frames: Prepared, needs: Needs, options: Any = None) -> list[AmplifierInputs]:
        return [
            AmplifierInputs(
                self.detector,
                amplifier,
                tuple(frame[amplifier.name] for frame in frames),
                {name: product[amplifier.name] for name, product in needs.items()},
                options or TYPES[kind].options(),
            )
            for amplifier in self.detector.amplifiers
        ]

    def build(self, kind: str, frames: Prepared, needs: Needs | None = None, options: Any = None) -> Product:
        declared, needs = TYPES[kind], needs or {}
        inputs = self.inputs(kind, frames, needs, options)
        parts = tuple(declared.build_amplifier(one) for one in inputs)
        exposures = tuple(next(iter(frame.values())).exposure for frame in frames)
        refs = {name: next(iter(product.values())).ref for name, product in needs.items()}
        record = Provenance("run", "recipe", "", "", (), {}, tuple(refs.values()), {}, {}, BEGIN)
        there = DetectorInputs(kind, self.detector, Setup(), exposures, refs, inputs[0].options, record)
        return declared.assemble(there, parts)

    def use(self, product: Product) -> dict[str, AmplifierProduct]:
        name = f"{product.kind}-{id(product)}"
        ref = ProductRef(name, product.kind, 0, product.setup, "", "run", pins=product.pins)
        return spill(product, ref, self.detector, self.folder)

    def judge(
        self, kind: str, frames: Prepared, needs: Needs, product: Product | None = None, options: Any = None
    ) -> tuple[Measurements, dict[str, Any]]:
        """Measure each frame and apply the default rules: the measurements, and where each rule fails."""
        declared = TYPES[kind]
        exposures = [next(iter(frame.values())).exposure for frame in frames]
        found = Measurements(
            tuple(one.id for one in exposures),
            tuple(one.time_s for one in exposures),
            (self.detector.name,),
            (tuple(amplifier.name for amplifier in self.detector.amplifiers),),
            declared.metrics,
            {},
        )
        for frame in frames:
            for one in self.inputs(kind, [frame], needs, options):
                found = found.extended(declared.measure(one))
        found = found.extended(declared.summarise(found, {self.detector.name: product} if product else {}))
        failed = {}
        for rule in declared.rules:
            checked = check(rule, declared.metrics)
            failed[rule.name] = ~checked.passes({name: found.values[name] for name in checked.names})
        return found, failed


@pytest.fixture(scope="module")
def made() -> dict[object, tuple[Product, Any]]:
    return {}


@pytest.fixture
def bench(tmp_path: Path, made: dict[object, tuple[Product, Any]]) -> Bench:
    return Bench(tmp_path / "scratch", made=made)


@pytest.fixture
def sensor() -> Sensor:
    return Sensor(np.random.default_rng(20221104))


def excess(found: Measurements, expected: str = "frame_noise") -> Any:
    return found.values["noise"] / found.values[expected] - 1


# The noise of an amplifier in one frame is known to 0.65 %; the mean over 4 amplifiers and 20 frames to 0.1 %.


def test_three_biases_are_refused_for_their_noise_on_all_amplifiers(bench: Bench, sensor: Sensor) -> None:
    frames = bench.prepared(sensor.some(3, "bias"))
    found, failed = bench.judge("bias", frames, {"bias": bench.use(bench.build("bias", frames))})
    assert failed["noise"].all()
    assert excess(found).mean() == pytest.approx(np.sqrt(1 - 1 / 3) - 1, abs=0.005)


def test_twenty_biases_pass_with_the_noise_of_the_budget(bench: Bench, sensor: Sensor) -> None:
    frames = bench.prepared(sensor.some(20, "bias"))
    product = bench.build("bias", frames)
    found, failed = bench.judge("bias", frames, {"bias": bench.use(product)})
    assert {rule: int(where.sum()) for rule, where in failed.items()} == dict.fromkeys(failed, 0)
    assert excess(found).mean() == pytest.approx(np.sqrt(1 - 1 / 20) - 1, abs=0.003)
    # and independent frames
    others = bench.prepared(sensor.some(6, "bias", first=101))
    found, failed = bench.judge("bias", others, {"bias": bench.use(product)})
    assert not failed["noise"].any()
    assert excess(found).mean() == pytest.approx(np.sqrt(1 + 1 / 20) - 1, abs=0.004)


def test_three_biases_of_another_night_have_the_noise_of_the_budget(bench: Bench, sensor: Sensor) -> None:
    product = bench.build("bias", bench.prepared(sensor.some(3, "bias")))
    others = bench.prepared(sensor.some(5, "bias", first=101))
    found, failed = bench.judge("bias", others, {"bias": bench.use(product)})
    assert failed["noise"].all()
    assert excess(found).mean() == pytest.approx(np.sqrt(1 + 1 / 3) - 1, abs=0.006)


def test_read_noise_and_bias_structure_are_recovered(bench: Bench, sensor: Sensor) -> None:
    product = a_bias(bench, sensor, first=1)
    for amplifier in bench.detector.amplifiers:
        # 20 frames of 166 rows x 134 columns: 0.11 %
        assert product.facts(amplifier.name)["read_noise"] == pytest.approx(amplifier.read_noise, rel=0.01)
    difference = product.planes["image"] - sensor.structure
    # the overscan operator leaves the structure and takes a constant, here none
    assert abs(difference.mean()) < 0.1
    assert difference.std() == pytest.approx(np.sqrt(product.planes["variance"].mean()), rel=0.03)


@pytest.mark.parametrize("count", [3, 5, 20])
@pytest.mark.parametrize("estimator", ["model", "clipped", "median"])
def test_the_variance_of_a_bias_is_that_of_its_error(bench: Bench, sensor: Sensor, count: int, estimator: str) -> None:
    options = bias.BiasOptions(estimator=estimator)
    product = bench.build("bias", bench.prepared(sensor.some(count, "bias")), options=options)
    pulls = (product.planes["image"] - sensor.structure) / np.sqrt(product.planes["variance"])
    assert pulls.std() == pytest.approx(1, abs=0.03)  # 96000 pixels: 0.2 %, and what the model says of them 0.5 %


def a_bias(bench: Bench, sensor: Sensor, count: int = 20, first: int = 5001) -> Product:
    def make() -> Product:
        return bench.build("bias", bench.prepared(sensor.some(count, "bias", first=first)))

    return bench.once(("bias", count, first), sensor, make)


def with_bias(bench: Bench, sensor: Sensor, count: int = 20) -> Needs:
    return {"bias": bench.use(a_bias(bench, sensor, count))}


MIXED = [5.0] * 4 + [15.0] * 2 + [30.0] * 16


def mixed_darks(sensor: Sensor, first: int = 1) -> list[Frame]:
    return [sensor.expose(first + i, "dark", time) for i, time in enumerate(MIXED)]


def test_darks_of_mixed_times_recover_the_rate_and_its_error(bench: Bench, sensor: Sensor) -> None:
    made = a_bias(bench, sensor)
    product = bench.build("dark", bench.prepared(mixed_darks(sensor)), {"bias": bench.use(made)})
    assert product.unit == "electron / s"
    weight = np.zeros(bench.detector.shape)
    for amplifier in bench.detector.amplifiers:
        weight[amplifier.position.slices] = product.facts(amplifier.name)["bias_weight"]
        assert product.facts(amplifier.name)["dark_current"] == pytest.approx(0.02, abs=0.01)
    # the variance is that of the dark with the bias it pins: what it took from the error of the bias is given back
    given_back = weight * (made.planes["image"] - sensor.structure)
    pulls = (product.planes["image"] - sensor.dark_rate + given_back) / np.sqrt(product.planes["variance"])
    assert pulls.std() == pytest.approx(1, abs=0.03)
    # 90 hot pixels, each known to 0.95 %
    hot = sensor.dark_rate > 1
    assert product.planes["image"][hot].mean() == pytest.approx(20.0, rel=0.005)


def test_darks_of_mixed_times_pass_with_the_noise_of_the_budget(bench: Bench, sensor: Sensor) -> None:
    needs = with_bias(bench, sensor)
    frames = bench.prepared(mixed_darks(sensor))
    product = bench.build("dark", frames, needs)
    found, failed = bench.judge("dark", frames, {**needs, "dark": bench.use(product)}, product)
    assert {rule: int(where.sum()) for rule, where in failed.items()} == dict.fromkeys(failed, 0)
    outlook = bench_outlook(tuple(MIXED), internal=True, frames={"bias": 20})
    budget = {one.case: one.excess for one in TYPES["dark"].budget(outlook)}
    for time in (5.0, 15.0, 30.0):
        seen = excess(found)[np.array(MIXED) == time].mean()
        assert seen == pytest.approx(budget[f"{time:g} s"], abs=0.006)


def bench_outlook(times: tuple[float, ...], *, internal: bool, frames: dict[str, int]) -> Any:
    return Outlook(times, internal, frames, None)


def test_a_dark_pins_the_bias_it_was_made_with(bench: Bench, sensor: Sensor) -> None:
    needs = with_bias(bench, sensor, 3)
    product = bench.build("dark", bench.prepared(sensor.some(3, "dark", [5.0])), needs)
    assert product.pins == {"bias": next(iter(needs["bias"].values())).ref.id}


def test_a_dark_with_a_light_leak_is_refused_though_its_frames_agree(bench: Bench, sensor: Sensor) -> None:
    needs = with_bias(bench, sensor)
    frames = bench.prepared(sensor.some(20, "dark", [30.0], light=0.5))
    product = bench.build("dark", frames, needs)
    found, failed = bench.judge("dark", frames, {**needs, "dark": bench.use(product)}, product)
    assert not failed["noise"].any()
    assert failed["dark_current"].all()
    assert found.values["dark_current"][0] == pytest.approx(0.52, abs=0.05)


def with_bias_and_dark(bench: Bench, sensor: Sensor) -> Needs:
    needs = with_bias(bench, sensor)

    def make() -> Product:
        return bench.build("dark", bench.prepared(sensor.some(10, "dark", [10.0], first=6001)), needs)

    return {**needs, "dark": bench.use(bench.once("dark", sensor, make))}


def test_flats_recover_the_response_with_one_scale_for_a_detector(bench: Bench, sensor: Sensor) -> None:
    sensor = evolve(sensor, gain_error=0.98)
    needs = with_bias_and_dark(bench, sensor)
    frames = bench.prepared(sensor.some(20, "flat", [5.0], light=3600.0))
    product = bench.build("flat", frames, needs)
    image = product.planes["image"]
    levels = [product.facts(amplifier.name)["level"] for amplifier in bench.detector.amplifiers]
    assert np.mean(levels) == pytest.approx(1, abs=1e-6)
    pulls = (image / image.mean() - sensor.response) / np.sqrt(product.planes["variance"])
    # the gain is 2 % smaller than nominal: more nominal electrons, of more noise than their own
    assert pulls.std() == pytest.approx(np.sqrt(1 / 0.98), abs=0.03)
    found, failed = bench.judge("flat", frames, {**needs, "flat": bench.use(product)}, product)
    assert {rule: int(where.sum()) for rule, where in failed.items()} == dict.fromkeys(failed, 0)
    assert excess(found, "shot_noise").mean() == pytest.approx(np.sqrt((1 - 1 / 20) / 0.98) - 1, abs=0.006)
    assert found.values["level"].mean() == pytest.approx(18_000 / 0.98, rel=0.002)
    assert found.values["level_ratio"] == pytest.approx(1, abs=0.002)
    assert (found.values["scatter"] == 0).all()


def test_an_amplifier_of_another_gain_keeps_its_step_in_the_flat(bench: Bench, sensor: Sensor) -> None:
    needs = with_bias_and_dark(bench, sensor)
    frames = sensor.some(5, "flat", [5.0], light=3600.0)
    amplifiers = list(bench.detector.amplifiers)
    amplifiers[0] = evolve(amplifiers[0], gain=1.1 * amplifiers[0].gain)
    wrong = evolve(bench.detector, amplifiers=tuple(amplifiers))
    other = Bench(bench.folder / "other", wrong)
    product = other.build("flat", other.prepared(evolve(f, detector=wrong) for f in frames), needs)
    steps = [product.facts(amplifier.name)["level"] for amplifier in wrong.amplifiers]
    assert steps[0] / np.mean(steps[1:]) == pytest.approx(1.1, abs=0.005)
    assert product.facts("C00")["gain"] == pytest.approx(1.1 * 1.08)


def test_flats_of_mixed_times_are_weighted_by_what_they_know(bench: Bench, sensor: Sensor) -> None:
    needs = with_bias_and_dark(bench, sensor)
    frames = bench.prepared(sensor.some(4, "flat", [1.0, 2.0, 10.0], light=2000.0))
    product = bench.build("flat", frames, needs)
    image = product.planes["image"]
    pulls = (image / image.mean() - sensor.response) / np.sqrt(product.planes["variance"])
    assert pulls.std() == pytest.approx(1, abs=0.03)
    # 4 x 26000 electrons in all, read noise aside
    assert product.planes["variance"].mean() == pytest.approx(1 / 104_000, rel=0.05)
    found, failed = bench.judge("flat", frames, {**needs, "flat": bench.use(product)}, product)
    outlook = bench_outlook((1.0,) * 4 + (2.0,) * 4 + (10.0,) * 4, internal=True, frames={})
    budget = {one.case: one.excess for one in TYPES["flat"].budget(outlook)}
    for case, rows in (("1 s", slice(0, 4)), ("2 s", slice(4, 8)), ("10 s", slice(8, 12))):
        assert excess(found, "shot_noise")[rows].mean() == pytest.approx(budget[case], abs=0.007)
    assert not failed["noise"][:8].any()
    assert failed["noise"][8:].all()  # 4 frames of the longest time are too few


def test_a_flat_taken_with_the_lamp_off_is_refused_by_its_level(bench: Bench, sensor: Sensor) -> None:
    needs = with_bias_and_dark(bench, sensor)
    frames = sensor.some(12, "flat", [5.0], light=3600.0)
    frames[4] = sensor.expose(5, "flat", 5.0)
    prepared = bench.prepared(frames)
    product = bench.build("flat", prepared, needs)
    assert product.facts("C00")["frames"] == 11
    _, failed = bench.judge("flat", prepared, {**needs, "flat": bench.use(product)}, product)
    assert failed["level"].any(axis=(1, 2)).tolist() == [i == 4 for i in range(12)]
    assert failed["level"][4].all()
    assert failed["level_ratio"].tolist() == [i == 4 for i in range(12)]


def test_flats_all_taken_with_the_lamp_off_are_refused_by_their_level(bench: Bench, sensor: Sensor) -> None:
    needs = with_bias_and_dark(bench, sensor)
    prepared = bench.prepared(sensor.some(3, "flat", [5.0]))
    product = bench.build("flat", prepared, needs)
    assert (product.planes["mask"] == 1).all()
    found, failed = bench.judge("flat", prepared, {**needs, "flat": bench.use(product)}, product)
    assert failed["level"].all()
    assert np.abs(found.values["mean"]).max() < 1


def test_a_lamp_that_drifts_is_refused_by_its_level_ratio(bench: Bench, sensor: Sensor) -> None:
    needs = with_bias_and_dark(bench, sensor)
    frames = [sensor.expose(i, "flat", 5.0, 18_000 * (1.1 if i == 20 else 1.0)) for i in range(1, 21)]
    prepared = bench.prepared(frames)
    product = bench.build("flat", prepared, needs)
    found, failed = bench.judge("flat", prepared, {**needs, "flat": bench.use(product)}, product)
    assert not failed["noise"].any()
    assert failed["level_ratio"].tolist() == [False] * 19 + [True]
    # another night is compared with what the product remembers, not with itself
    other = bench.prepared(sensor.some(3, "flat", [5.0], light=3000.0, first=201))
    found, failed = bench.judge("flat", other, {**needs, "flat": bench.use(product)}, product)
    assert failed["level_ratio"].all()
    assert found.values["level_ratio"] == pytest.approx(3000 / 3600, abs=0.003)


def test_a_strongly_structured_flat_is_judged_on_its_pulls(bench: Bench, sensor: Sensor) -> None:
    ny, nx = bench.detector.shape
    response = np.broadcast_to(np.geomspace(0.02, 3.0, ny)[:, None], (ny, nx))

    needs = with_bias(bench, sensor)
    options = flat.FlatOptions(without_dark="no dark was taken")
    frames = []
    for number in (1, 2):
        frame = sensor.expose(number, "flat", 0.0)
        light = sensor.rng.poisson(15_000 * response)
        frames.append(evolve(frame, exposure=evolve(frame.exposure, time_s=10.0), raw=lit(frame, light)))
    prepared = bench.prepared(frames)
    product = bench.build("flat", prepared, needs, options)
    assert np.isnan(bench.use(product)["C00"].reader(slice(0, 1))).all()  # too dark to tell
    found, _ = bench.judge("flat", prepared, {**needs, "flat": bench.use(product)}, product, options)
    assert found.values["pull"] == pytest.approx(np.sqrt(1 / 2), abs=0.02)


def lit(frame: Frame, light: Any) -> RawImages:
    """Add light [electron] to a frame."""
    images = {}
    for amplifier in frame.detector.amplifiers:
        raw = frame.raw(amplifier).astype(np.float64)
        mine = light[amplifier.position.slices]
        turned = mine[:: -1 if amplifier.flip_y else 1, :: -1 if amplifier.flip_x else 1]
        raw[amplifier.data.slices] += turned / amplifier.gain
        images[amplifier.name] = np.rint(raw).astype(np.int32)
    return RawImages(images)


# traps of other verifications that must not come back


def test_a_mean_that_is_off_by_half_the_noise_fails(bench: Bench, sensor: Sensor) -> None:
    product = a_bias(bench, sensor, first=1)
    frame = sensor.expose(99, "bias", 0.0)
    prepared = bench.prepared([evolve(frame, raw=lit(frame, np.full(bench.detector.shape, 5.0)))])
    _, failed = bench.judge("bias", prepared, {"bias": bench.use(product)})
    assert failed["mean"].all()
    assert not failed["noise"].any()


def test_noise_that_is_too_low_fails_as_noise_that_is_too_high(bench: Bench, sensor: Sensor) -> None:
    product = a_bias(bench, sensor, first=1)
    prepared = bench.prepared([sensor.expose(99, "bias", 0.0)])
    for factor in (0.9, 1.1):
        frame = {name: evolve(one, frame_noise=one.frame_noise * factor) for name, one in prepared[0].items()}
        _, failed = bench.judge("bias", [frame], {"bias": bench.use(product)})
        assert failed["noise"].all()


def test_a_noisy_night_is_seen_against_the_nominal_read_noise(bench: Bench, sensor: Sensor) -> None:
    frames = bench.prepared(evolve(sensor, noise_factor=1.25).some(20, "bias"))
    _, failed = bench.judge("bias", frames, {"bias": bench.use(bench.build("bias", frames))})
    assert not failed["noise"].any()
    assert failed["read_noise"].all()


def test_an_amplifier_without_any_value_fails_every_rule(bench: Bench, sensor: Sensor) -> None:
    product = a_bias(bench, sensor, first=1)
    frame = sensor.expose(99, "bias", 0.0)
    full = np.zeros(bench.detector.shape)
    full[:NY, :NX] = 200_000
    prepared = bench.prepared([evolve(frame, raw=lit(frame, full))])
    assert prepared[0]["C00"].saturated == NY * NX
    _, failed = bench.judge("bias", prepared, {"bias": bench.use(product)})
    for rule in ("noise", "cr_noise", "mean"):
        assert failed[rule][0, 0].tolist() == [True, False, False, False]


def test_cosmic_rays_are_left_out_of_a_dark_and_marked(bench: Bench, sensor: Sensor) -> None:
    needs = with_bias(bench, sensor)
    frames = sensor.some(12, "dark", [30.0])
    hits = np.zeros(bench.detector.shape)
    hits[50, 20:30] = 3000.0
    frames[3] = evolve(frames[3], raw=lit(frames[3], hits))
    prepared = bench.prepared(frames)
    product = bench.build("dark", prepared, needs)
    assert np.abs(product.planes["image"][50, 20:30]).max() < 0.5
    assert (product.planes["mask"][50, 20:30] == 4).all()
    assert (product.planes["mask"][49, 20:30] == 4).all()  # grown by one
    assert product.facts("C00")["rejected"] >= 30
    _, failed = bench.judge("dark", prepared, {**needs, "dark": bench.use(product)}, product)
    assert not failed["cr_noise"].any()


def test_saturated_pixels_have_no_data_and_say_why(bench: Bench, sensor: Sensor) -> None:
    needs = with_bias_and_dark(bench, sensor)
    frames = sensor.some(3, "flat", [5.0], light=3600.0)
    burnt = np.zeros(bench.detector.shape)
    burnt[10, 10] = 500_000
    always = [evolve(frame, raw=lit(frame, burnt)) for frame in frames]
    product = bench.build("flat", bench.prepared(always), needs)
    assert product.planes["mask"][10, 10] == 0b11
    assert np.isnan(product.planes["image"][10, 10])
    once = [always[0], *frames[1:]]
    product = Bench(bench.folder / "once").build("flat", bench.prepared(once), needs)
    assert product.planes["mask"][10, 10] == 0b10
    assert product.planes["kept"][10, 10] == 2
    assert product.planes["image"][10, 10] == pytest.approx(1, abs=0.1)


def test_every_input_of_every_type_survives_pickle_and_a_spawned_process(bench: Bench, sensor: Sensor) -> None:
    biases = bench.prepared(sensor.some(3, "bias", first=5001))
    darks = bench.prepared(sensor.some(3, "dark", [10.0], first=6001))
    flats = bench.prepared(sensor.some(3, "flat", [5.0], light=3600.0))
    needs: Needs = {}
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        for kind, frames in (("bias", biases), ("dark", darks), ("flat", flats)):
            build, measure = TYPES[kind].build_amplifier, Task(TYPES[kind].measure, "latcal")
            (every, *_) = bench.inputs(kind, frames, needs)
            part = pool.submit(build, every).result()
            np.testing.assert_array_equal(part.planes["image"], build(every).planes["image"])
            needs = {**needs, kind: bench.use(bench.build(kind, frames, needs))}
            (one, *_) = bench.inputs(kind, frames[:1], needs)
            assert pool.submit(measure, one).result() == measure(one)
            for work in (every, one):
                assert pickle.loads(pickle.dumps(work)) == work
                assert len(pickle.dumps(work)) < 30_000  # references, never pixels


def test_every_metric_that_is_declared_is_measured(bench: Bench, sensor: Sensor) -> None:
    needs = with_bias_and_dark(bench, sensor)
    flats = bench.prepared(sensor.some(3, "flat", [5.0], light=3600.0))
    darks = bench.prepared(sensor.some(3, "dark", [5.0], first=301))
    made = {"flat": bench.build("flat", flats, needs), "dark": bench.build("dark", darks, needs)}
    for kind, frames in (("bias", darks), ("dark", darks), ("flat", flats)):
        product = made.get(kind)
        there = {**needs, **({kind: bench.use(product)} if product else {})}
        found, _ = bench.judge(kind, frames, there, product)
        assert set(found.values) == set(TYPES[kind].metrics)
        assert [name for name, values in found.values.items() if not np.isfinite(values).all()] == []
        assert {metric.scope for metric in TYPES[kind].metrics.values()} <= set(Scope)
