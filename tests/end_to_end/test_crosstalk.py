"""Crosstalk of the simulated camera, subtracted by the coefficients of the instrument file; and what a product says of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from attrs import evolve

from latcal.builtin.cameras.simulation.camera import SimulatedCamera
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.engine.electrons import to_electrons
from latcal.engine.opening import open_store
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.errors import NotReady, RecipeError
from latcal.model.frames import Setup
from latcal.model.geometry import Instrument, Preparation
from latcal.model.validity import instant
from latcal.plugin import World
from latcal.plugin.registry import Registry
from latcal.testing.cameras import request

NIGHT = """\
latcal: 1
title: Crosstalk
instrument: bench
camera: {use: simulated, seed: 7}
store: {use: folder, root: x}
sequences:
  biases: {image: bias, exposures: 12 x 0 s}
  darks: {image: dark, exposures: 12 x 15 s}
stages:
  - {make: bias, frames: [biases]}
  - {make: dark, frames: [darks]}
certify: {into: calib/one, begin: 2026-11-01, end: open}
"""

BIAS = """\
latcal: 1
title: A bias, and another that is judged by it
instrument: bench
camera: {use: simulated, seed: 7}
store: {use: folder, root: x}
sequences: {biases: {image: bias, exposures: 2 x 0 s}}
stages: [{make: bias, frames: [biases], verify: {waived_by: me, reason: a test}}]
certify: {into: calib/one, begin: 2026-11-01, end: open}
"""
CHECK = BIAS.replace("make: bias, frames: [biases], verify: {waived_by: me, reason: a test}", "check: bias, frames: [biases], collections: [calib/one]")

PLAIN = "serial overscan 'mean per row', parallel 'line', skip 3, clip 5, smooth 1"


def coefficients() -> list[list[float]]:
    """Give coefficients as LATISS has: most of them small, none above 1.5e-3, not symmetric."""
    spread = 1.8e-5 * np.exp(1.8 * np.random.default_rng(3).standard_normal((16, 16)))
    found = np.minimum(spread, 1.5e-3)
    np.fill_diagonal(found, 0.0)
    return [[round(value, 9) for value in row] for row in found.tolist()]


@pytest.fixture(scope="module")
def crossing(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the path of the bench with coefficients, and with a second detector that has none."""
    from importlib.resources import files

    text = (files("latcal.builtin.instruments") / "bench.yaml").read_text(encoding="utf-8").rstrip() + "\n"
    first = text[text.index("  - id: 0\n") :]
    second = first.replace("id: 0", "id: 1").replace("name: S00", "name: S01").replace("BENCH-001", "BENCH-002")
    path = tmp_path_factory.mktemp("instrument") / "crossing.yaml"
    path.write_text(f"{text}    crosstalk: {coefficients()}\n{second}", encoding="utf-8")
    return str(path)


def planned(registry: Registry, *settings: str) -> Any:
    return plan(read(NIGHT, "night.yaml", registry, settings=settings), registry)


def frame(instrument: Instrument, tmp_path: Path, **options: Any) -> Any:
    # the camera adds what settles after crosstalk
    options = {"settling": "0 electron", **options}
    world = World(instrument, now=lambda: instant("2026-11-04T16:00:00"), run="run", stop=threading.Event(), scratch=tmp_path)
    with SimulatedCamera(SimulatedOptions(seed=7, **options), world) as camera:
        return next(camera.take(request(0, "flat", 5.0)))


def test_the_crosstalk_of_the_camera_is_gone_to_the_last_digit_of_the_converter(registry: Registry, tmp_path: Path) -> None:
    bench = registry.get("instrument", "bench").load()
    (detector,) = bench.detectors
    crossing = evolve(bench, detectors=(evolve(detector, crosstalk=tuple(map(tuple, coefficients()))),))
    seen, never = frame(crossing, tmp_path), frame(bench, tmp_path, crosstalk=0.0)
    got, kept, true = (
        to_electrons(one, Preparation(crosstalk=subtracted))
        for one, subtracted in ((seen, True), (seen, False), (never, True))
    )
    for amplifier in detector.amplifiers:
        name = amplifier.name
        expected = true[name].pixels
        # one adu of two roundings, and 0.15 % of the read noises of the others, which the camera adds after crosstalk
        assert np.nanmax(np.abs(got[name].pixels - expected)) < 1.05 * amplifier.gain
        assert (got[name].frame_noise, got[name].read_noise) == (true[name].frame_noise, true[name].read_noise)
    # most of 18,000 electrons times the sum of a row, which is 0.03 to 0.6 %
    assert np.mean([np.nanmean(kept[name].pixels - true[name].pixels) for name in kept]) > 10.0


def test_a_plan_subtracts_crosstalk_where_there_are_coefficients(registry: Registry, crossing: str) -> None:
    assert [str(stage.preparation) for stage in planned(registry).stages] == [PLAIN] * 2
    stages = planned(registry, f"instrument={crossing}").stages
    assert [str(stage.preparation) for stage in stages] == [f"{PLAIN}, crosstalk subtracted"] * 2


def test_an_option_leaves_them_unused_and_keeps_the_overscan_models_of_the_instrument(
    registry: Registry, crossing: str, tmp_path: Path
) -> None:
    other = tmp_path / "constant.yaml"
    other.write_text("overscan: {serial: constant}\n" + Path(crossing).read_text(encoding="utf-8"), encoding="utf-8")
    off = [f"stages.{stage}.options={{crosstalk: false}}" for stage in (0, 1)]
    stages = planned(registry, f"instrument={other}", *off).stages
    assert [str(stage.preparation) for stage in stages] == [PLAIN.replace("mean per row", "constant")] * 2


def test_stages_that_use_one_another_agree_on_crosstalk(registry: Registry, crossing: str) -> None:
    one = "stages.1.options={crosstalk: false}"
    with pytest.raises(RecipeError, match="dark and the bias it uses do not have the same crosstalk"):
        planned(registry, f"instrument={crossing}", one)
    assert planned(registry, one)  # where there is none it makes no difference
    with pytest.raises(RecipeError, match="dark and the bias it uses do not have the same overscan models"):
        planned(registry, f"instrument={crossing}", "stages.1.options={overscan: {serial: constant}}")


def test_a_product_says_so_for_each_detector_and_is_used_with_no_other(
    night: Callable, registry: Registry, crossing: str, tmp_path: Path
) -> None:
    at = [f"store.root={tmp_path / 'store'}", f"instrument={crossing}"]
    assert night(BIAS, set=at).report.exit_code == 0
    with open_store("folder", registry, root=str(tmp_path / "store")) as store:
        texts = [
            store.find("bias", detector, Setup(), instant("2026-11-10"), ("calib/one",)).preparation for detector in (0, 1)
        ]
    assert texts == [f"{PLAIN}, crosstalk subtracted", PLAIN]
    assert night(CHECK, set=at).report.stages[0].verdict is not None
    with pytest.raises(NotReady, match=r"detector 0 was made with .*, crosstalk subtracted, and frames .* smooth 1 ") as told:
        night(CHECK, set=[*at, "stages.0.options={crosstalk: false}"])
    assert not any("detector 1" in problem.what for problem in told.value.problems)
