"""LATISS at its own size, run by hand: what was simulated is found, at the lowest and the highest read noise.

``python -m pytest -n 0 -s tests/full_size`` prints what it found; about ten minutes on two cores, 3 GB in TMPDIR. The
figures stand in docs/physics.md. Expectations and tolerances are those of the bench (tests/end_to_end/test_truth.py), of
which a LATISS amplifier has 64 times the pixels: chance is 8 times smaller here.
"""

from __future__ import annotations

import math
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from end_to_end import test_truth as bench

import latcal
from latcal.builtin.cameras.simulation.truth import truth
from latcal.numerics import budget
from latcal.plugin.registry import Registry

HERE = Path(__file__).parent
TIMES = [5.01] * 4 + [15.01] * 2 + [30.01] * 16

MADE = """\
latcal: 1
title: LATISS at full size
instrument: {instrument}
camera: {{use: simulated, seed: 11, read_noise_factor: 1.0, read_noise_scatter: 0 %, brighter_fatter: -1.5e-6 / electron,
  crosstalk: 0.0, non_linearity: 0 %}}
store: {{use: folder, root: {root}}}
sequences:
  biases: {{image: bias, exposures: {count} x 0 s, discard: 1}}
  darks: {{image: dark, exposures: {darks}, discard: 1}}
  flats: {{image: flat, exposures: {count} x 5 s, discard: 1, filter: SDSSr_65mm, grating: empty}}
stages:
  - {{make: bias, frames: [biases]}}
  - {{make: dark, frames: [darks]}}
  - {{make: flat, frames: [flats]}}
# judged and reported, so that all three go on
rules:
  bias: {{noise: {{rule: abs(noise - frame_noise) <= 0.05 * frame_noise, advisory: true}}}}
  dark: {{noise: {{rule: abs(noise - frame_noise) <= 0.05 * frame_noise, advisory: true}}}}
  flat: {{noise: {{rule: abs(noise - shot_noise) <= 0.05 * shot_noise, advisory: true}}}}
certify: {{into: calib/full, begin: 2020-01-01, end: open}}
"""
# two are discarded: a fiftieth of the settling charge, in the second exposure, raises the noise of 4 amplifiers to 4.8 %
CHECKED = """\
latcal: 1
title: LATISS at full size, checked
instrument: {instrument}
camera: {{use: simulated, seed: 11, first: 100, read_noise_factor: 1.0, read_noise_scatter: 0 %, cosmic_rays: {rays},
  brighter_fatter: -1.5e-6 / electron, crosstalk: 0.0, non_linearity: 0 %}}
store: {{use: folder, root: {root}}}
sequences:
  biases: {{image: bias, exposures: {count} x 0 s, discard: 2}}
  darks: {{image: dark, exposures: [2 x 5 s, 2 x 15 s, 3 x 30 s], discard: 1}}
  flats: {{image: flat, exposures: 3 x 5 s, discard: 1, filter: SDSSr_65mm, grating: empty}}
stages:
  - {{check: bias, frames: [biases], collections: [calib/full]}}
  - {{check: dark, frames: [darks], collections: [calib/full]}}
  - {{check: flat, frames: [flats], collections: [calib/full]}}
"""


def run(text: str, registry: Registry, root: Path) -> Any:
    planned = latcal.plan(latcal.read(text, "full.yaml", registry), registry)
    report = latcal.run(planned, registry)
    with latcal.open_store("folder", registry, root=str(root)) as store:
        products = {stage.line.kind: store.get(stage.built[0]) for stage in report.stages if stage.built}
    tables = {
        path.stem.split("_")[2]: Table.read(path, format="ascii.ecsv")
        for path in (root / "reports" / report.run).glob("*_measurements.ecsv")
    }
    true = truth(planned.recipe.camera.options, planned.instrument.detectors[0])
    return bench.Night(report, products, tables, true, planned.instrument)


def say(*words: object) -> None:
    print(*(f"{word:.4f}" if isinstance(word, float) else word for word in words))


@pytest.fixture(scope="module", params=[8.0, 10.3])
def read_noise(request: pytest.FixtureRequest) -> float:
    return request.param


@pytest.fixture(scope="module")
def instrument(read_noise: float, tmp_path_factory: pytest.TempPathFactory) -> Path:
    text = files("latcal.builtin.instruments").joinpath("latiss.yaml").read_text(encoding="utf-8")
    changed, count = re.subn(r"read_noise: >-\n(?:.*\n)*?.*electron\n", f"read_noise: {read_noise} electron\n", text)
    assert count == 1
    path = tmp_path_factory.mktemp("instrument") / "latiss.yaml"
    path.write_text(changed, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def root(read_noise: float, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp(f"twenty-{read_noise}") / "store"


@pytest.fixture(scope="module")
def twenty(instrument: Path, root: Path, registry: Registry) -> Any:
    darks = "[4 x 5 s, 2 x 15 s, 16 x 30 s]"
    return run(MADE.format(instrument=instrument, root=root, count=20, darks=darks), registry, root)


@pytest.fixture(scope="module")
def others(twenty: Any, instrument: Path, root: Path, registry: Registry) -> Any:
    """Give other exposures of the same sensor, judged by the calibrations of twenty."""
    assert twenty.products
    return run(CHECKED.format(instrument=instrument, root=root, count=20, rays="2 / (cm2 min)"), registry, root)


def excess(night: Any, kind: str, exposures: slice = slice(None)) -> Any:
    """Give noise over what is expected, less 1, of each amplifier of some exposures, the true gains taken out of photons."""
    table = night.tables[kind]
    table = table[table["scope"] == "amplifier"]
    chosen = sorted({int(one) for one in table["exposure"]})[exposures]
    table = table[[int(one) in chosen for one in table["exposure"]]]
    ratio = np.array(table["noise"]) / np.array(table["shot_noise" if kind == "flat" else "frame_noise"])
    if kind == "flat":
        ratio = ratio / np.sqrt([night.gains[name] for name in table["amplifier"]])
    return ratio - 1


def compare(what: str, found: Any, wanted: float, within: float = 0.002) -> None:
    say(what, "seen", float(np.median(found)), "predicted", wanted, "range", float(found.min()), float(found.max()))
    assert np.median(found) == pytest.approx(wanted, abs=within)


def test_read_noise_is_found_to_half_a_per_cent(twenty: Any, read_noise: float) -> None:
    found = twenty.fact("bias", "read_noise") / twenty.truth_of(twenty.true.read_noise) - 1
    say("read noise", read_noise, "worst amplifier", float(np.abs(found).max()), "mean", float(found.mean()))
    assert np.abs(found).max() < 0.005


def test_noise_of_twenty_judged_by_themselves_is_the_budget(twenty: Any) -> None:
    compare("internal N=20 bias", excess(twenty, "bias"), budget.bias_excess(20, independent=False))
    compare("internal N=20 flat", excess(twenty, "flat"), budget.flat_excess(20, independent=False))
    for time, mine in ((5.01, slice(0, 4)), (15.01, slice(4, 6)), (30.01, slice(6, 22))):
        wanted = budget.dark_excess(time, TIMES, independent=False, bias_frames=20)
        compare(f"internal N=22 dark {time:g} s", excess(twenty, "dark", mine), wanted, 0.003)


def test_noise_of_twenty_others_is_the_budget_and_none_is_refused(others: Any) -> None:
    found = excess(others, "bias")
    compare("external N=20 bias", found, budget.bias_excess(20, independent=True))
    assert found.size == 320
    assert 0.02 < found.min() < found.max() < 0.04
    compare("external N=20 flat", excess(others, "flat"), budget.flat_excess(20, independent=True))
    for time, mine in ((5.01, slice(0, 2)), (15.01, slice(2, 4)), (30.01, slice(4, 7))):
        wanted = budget.dark_excess(time, TIMES, independent=True, bias_frames=20)
        compare(f"external N=22 dark {time:g} s", excess(others, "dark", mine), wanted, 0.003)
    for stage in others.report.stages:
        noise = next(tally for tally in stage.verdict.tallies if tally.rule == "noise")
        assert stage.verdict.accepted
        assert not noise.failed


@pytest.mark.parametrize("count", [3, 5])
def test_few_frames_know_their_error_and_are_refused_in_every_amplifier(
    instrument: Path, tmp_path: Path, registry: Registry, count: int
) -> None:
    root, times = tmp_path / "store", [30.01] * count
    night = run(MADE.format(instrument=instrument, root=root, count=count, darks=f"{count} x 30 s"), registry, root)
    widths = night.widths(night.bias_error - 0.01 * night.dark, night.products["bias"].planes["variance"])
    say(f"N={count} bias pull width", widths["all"], "amplifiers", min(widths.values()), max(widths.values()))
    assert widths == pytest.approx(dict.fromkeys(widths, 1.0), abs=bench.WIDTH)
    compare(f"internal N={count} bias", excess(night, "bias"), budget.bias_excess(count, independent=False), 0.004)
    compare(f"internal N={count} flat", excess(night, "flat"), budget.flat_excess(count, independent=False), 0.004)
    wanted = budget.dark_excess(30.01, times, independent=False, bias_frames=count)
    compare(f"internal N={count} dark 30 s", excess(night, "dark"), wanted, 0.004)
    noise = next(tally for tally in night.report.stages[0].verdict.tallies if tally.rule == "noise")
    assert noise.failed == dict.fromkeys(night.report.stages[0].verdict.exposures, 16)
    if count == 3:
        checked = run(CHECKED.format(instrument=instrument, root=root, count=3, rays="2 / (cm2 min)"), registry, root)
        compare("external N=3 bias", excess(checked, "bias"), budget.bias_excess(3, independent=True), 0.004)
        compare("external N=3 flat", excess(checked, "flat"), budget.flat_excess(3, independent=True), 0.004)
        wanted = budget.dark_excess(30.01, times, independent=True, bias_frames=3)
        compare("external N=3 dark 30 s", excess(checked, "dark", slice(4, 7)), wanted, 0.004)


def test_variance_planes_are_true(twenty: Any) -> None:
    for kind, error in (("bias", twenty.bias_error - 0.01 * twenty.dark), ("dark", twenty.dark_error)):
        widths = twenty.widths(error, twenty.products[kind].planes["variance"])
        say(f"N=20 {kind} pull width", widths["all"], "amplifiers", min(widths.values()), max(widths.values()))
        assert widths == pytest.approx(dict.fromkeys(widths, 1.0), abs=bench.WIDTH)


def test_dark_rates_are_true_within_their_error(twenty: Any) -> None:
    """As on the bench: what is common to an amplifier is known by its pedestal, which 42 rows of 58 columns tell."""
    noise, times = twenty.truth_of(twenty.true.read_noise), np.array(TIMES)
    pedestal = noise * np.sqrt(1 / (58 * 2000) + 1 / (58 * 42) + 1 / (509 * 42))
    weight = twenty.fact("dark", "bias_weight")
    error = np.hypot(pedestal / np.sqrt(np.sum(times**2)), pedestal / np.sqrt(20) * weight)
    rates = twenty.fact("dark", "dark_current")
    true = twenty.truth_of(dict.fromkeys(twenty.gains, twenty.true.dark_current))
    pulls = (rates - true) / error
    say("dark current seen", float(rates.mean()), "true", float(true.mean()), "pulls rms", float(np.sqrt(np.mean(pulls**2))))
    assert np.abs(pulls).max() < 4.5
    assert np.sqrt(np.mean(pulls**2)) == pytest.approx(1, abs=4 / np.sqrt(32))


def test_a_flat_is_the_true_response(twenty: Any) -> None:
    from latcal.numerics import statistics

    product = twenty.products["flat"]
    response = twenty.true.flat * twenty.gain_ratio
    levels = np.array([statistics.level(response[one.position.slices].astype(np.float32)) for one in twenty.amplifiers])
    expected = response / levels.mean()
    widths = twenty.widths(product.planes["image"] - expected, product.planes["variance"])
    ratios = {one.name: math.sqrt(twenty.gains[one.name]) for one in twenty.amplifiers}
    say("flat pull width", widths["all"])
    assert {name: widths[name] for name in ratios} == pytest.approx(ratios, abs=bench.WIDTH)


@pytest.mark.parametrize("rays", ["2 / (cm2 min)", "5 / (cm2 min)"])
def test_cosmic_rays_of_half_a_minute_fail_fewer_than_half_of_the_amplifiers(
    twenty: Any, instrument: Path, root: Path, registry: Registry, rays: str
) -> None:
    assert twenty.products
    found = run(CHECKED.format(instrument=instrument, root=root, count=2, rays=rays), registry, root)
    tally = next(tally for tally in found.report.stages[1].verdict.tallies if tally.rule == "cr_noise")
    say(f"CR_NOISE at {rays}: amplifiers that fail, by exposure", dict(tally.failed))
    table = found.tables["dark"][found.tables["dark"]["scope"] == "amplifier"]
    assert np.isfinite(table["cr_noise"]).all()
    assert max(tally.failed.values(), default=0) < 8
