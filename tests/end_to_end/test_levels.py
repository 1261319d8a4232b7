"""Flats by level, from the recipe to what is made of them: on the simulated camera, with light that it tells of or not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from textwrap import dedent
from typing import Any

import pytest
from attrs import evolve
from corner import on_the_corner

from latcal.builtin.cameras.simulated import describe
from latcal.builtin.cameras.simulation.camera import SimulatedCamera
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.errors import RecipeError
from latcal.model.events import Ingested, Solved, Status, StepEnded
from latcal.plugin import CameraType, hookimpl
from latcal.plugin.registry import Registry, load_plugins

TEXT = on_the_corner(dedent("""\
    latcal: 1
    title: By level
    instrument: bench
    camera: {use: silent, seed: 3, settling: 0 electron}
    store: {use: memory}
    executor: {use: serial}
    sequences:
      biases: {image: bias, exposures: 11 x 0 s}
      flats: {image: flat, exposures: 2 x 20000 electron, filter: r}
    stages:
      - {make: bias, frames: [biases], verify: {waived_by: a test, reason: few frames}}
      - {measure: gain, frames: [flats]}
    certify: {into: calib/levels, begin: 2026-11-04, end: 2026-11-05}
    """))
LADDER = "sequences.flats.exposures=2 x 7 levels from 500 electron to 90 % of full well"


class Silent:
    """The simulated camera, which does not say how bright its lamp is."""

    @hookimpl
    def latcal_cameras(self) -> Iterator[CameraType]:
        yield CameraType(
            name="silent",
            summary="Says nothing of its lamp",
            options=SimulatedOptions,
            open=SimulatedCamera,
            describe=lambda options, instrument: evolve(describe(options, instrument), light=None),
        )
        yield CameraType(
            name="lamp",
            summary="Takes flats alone",
            options=SimulatedOptions,
            open=SimulatedCamera,
            describe=lambda options, instrument: evolve(describe(options, instrument), images=frozenset({"flat"})),
        )


@pytest.fixture(scope="module")
def plugins() -> Registry:
    return load_plugins(extra=[Silent()])


def reasons(run: Any) -> list[str]:
    return [step.reason for step in run.report.steps if step.status is Status.FAILED]


@pytest.mark.parametrize(
    ("lamp", "probes"),
    [
        pytest.param("3600", 2, id="as it is"),
        pytest.param("400000", 3, id="so bright that the first probe is saturated"),
        pytest.param("40", 3, id="so faint that the first probe shows nothing"),
    ],
)
def test_a_level_is_found_though_nothing_is_known_of_the_light(night: Callable, lamp: str, probes: int) -> None:
    run = night(TEXT, extra=[Silent()], set=[f"camera.lamp={lamp} electron/s", "sequences.flats.longest=600 s"])
    assert run.report.exit_code == 0, reasons(run)
    (solved,) = run.of(Solved)
    assert len(solved.probes) == probes
    assert sum(end.reason == "the probes before it told enough" for end in run.of(StepEnded)) == 4 - probes
    levels = [event.levels["S00"] for event in run.of(Ingested) if event.levels][-2:]
    assert levels == pytest.approx([20_000, 20_000], rel=0.02)  # the lamp's noise, 0.1 %, and that of the zero


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("camera.lamp=0 electron/s", r"flats: no level is found: no light within 60 s: is the lamp on .*probes: 1 s: .*; 60 s: "),
        ("camera.lamp=1e9 electron/s", r"flats: no time for 20000 electron: 0 of 4 probes are between 50 and [\d.]+ electron, and two must be \(probes: 1 s: .*; 0.0625 s: .*; 0.00390625 s: "),
        ("camera.lamp=200 electron/s", r"flats: no time for 20000 electron: 20000 electron would need [\d.]+ s, which is not between 0 and 60 s"),
    ],
)  # fmt: skip
def test_what_cannot_be_found_is_said_once_with_what_was_tried(night: Callable, change: str, words: str) -> None:
    run = night(TEXT, extra=[Silent()], set=[change])
    assert run.report.exit_code == 4
    found = reasons(run)
    assert len(set(found)) == 2, found  # of the search, and of the stage
    assert re.match(words, found[0]), found[0]
    assert "see to the lamp; 'longest' of the sequence says how long an exposure may be" in found[0]


def test_gains_and_curves_are_made_of_flats_by_level(night: Callable) -> None:
    stages = (
        "stages=[{make: bias, frames: [biases]}, {measure: gain, frames: [flats], at_least: 8}, "
        "{make: ptc, frames: [flats], options: {edge: 4, lags: 4, model: EXPAPPROXIMATION}}]"
    )
    run = night(TEXT, extra=[Silent()], set=[LADDER, stages, "accept.amplifiers=2"])
    assert [stage.line.kind for stage in run.report.stages] == ["bias", "gain", "ptc"]
    assert all(stage.verdict is not None for stage in run.report.stages), reasons(run)
    assert len(run.of(Solved)) == 7
    gain = run.report.stages[1].numbers["gain"]
    assert gain["median"] == pytest.approx(1.08, rel=0.06)  # true gains scatter by 2 % about the nominal one


RAW = "overscan: {serial: none, parallel: none}"
UNSUBTRACTED = (
    f"stages=[{{make: bias, frames: [biases], options: {{{RAW}}}, verify: {{waived_by: a test, reason: few frames}}}}, "
    f"{{measure: flat, frames: [flats], options: {{{RAW}, without_dark: it is not about that}}}}]"
)


def test_levels_of_a_sensor_without_overscan_are_above_its_bias(night: Callable) -> None:
    """The simulated pedestal of thousands of electrons is in its pixels, and none of it in what was asked for."""
    run = night(TEXT, extra=[Silent()], set=[UNSUBTRACTED])
    (solved,) = run.of(Solved)
    levels = [event.levels["S00"] for event in run.of(Ingested) if event.levels]
    zero = levels[11]  # after eleven biases
    assert zero == pytest.approx(levels[0], abs=5.0)
    assert zero > 1_000
    assert [level - zero for level in levels[-2:]] == pytest.approx([20_000, 20_000], rel=0.02)
    assert [level for _, level in solved.probes] == pytest.approx([level - zero for level in levels[12:14]], rel=0.01)


def test_a_pedestal_that_is_left_in_the_frames_fills_them_that_much_sooner(night: Callable) -> None:
    run = night(TEXT, extra=[Silent()], set=[UNSUBTRACTED, "sequences.flats.exposures=2 x 99 % of full well"])
    words = r"flats: no time for 99 % of full well: a level of (\d+) electron is not between 0 and the ceiling of (\d+) electron"
    found = re.match(words, reasons(run)[0])
    assert found, reasons(run)
    assert int(found[2]) < int(found[1])


def test_a_camera_without_biases_and_darks_has_no_levels_where_there_is_no_overscan(plugins: Registry) -> None:
    raw = "options={overscan: {serial: none, parallel: none}}"
    recipe = read(TEXT, "x.yaml", plugins, settings=["camera.use=lamp", f"stages.1.{raw}"])
    with pytest.raises(RecipeError, match=r"sequences\.flats\.exposures: levels are counted from an exposure without light .*'lamp' takes none"):
        plan(recipe, plugins)


def test_frames_that_exist_already_are_not_exposed_to_a_level(plugins: Registry, tmp_path: Any) -> None:
    camera = f"camera={{use: replay, folder: '{tmp_path}', mapping: latiss}}"
    with pytest.raises(RecipeError, match=r"sequences\.flats\.exposures: frames that exist already cannot be exposed to a level"):
        plan(read(TEXT, "x.yaml", plugins, settings=[camera]), plugins)


def test_a_plan_says_how_long_the_camera_is_wanted_at_most_and_likely(plugins: Registry) -> None:
    for camera, likely in (("silent", None), ("simulated", pytest.approx(171.0, rel=0.05))):
        recipe = read(TEXT, "x.yaml", plugins, settings=[LADDER, f"camera.use={camera}", "sequences.flats.longest=40 s"])
        found = plan(recipe, plugins).estimate
        assert found.at_most
        # 11 biases, 4 probes and 14 flats, each with 2 s of readout: of the flats the brightest last 40 s at most
        assert 58 + 80 < found.camera_s < 58 + 14 * 40
        # 27 readouts are 54 s; by a lamp of 3,600 electron/s the flats take twice 53 s, and the probes 11 s
        assert found.expected_s == likely


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("sequences.flats.exposures=2 x 5 levels from 90 % of full well to 500 electron", r"90 % of full well \(\d+ electron\) is not below 500 electron"),
        ("sequences.flats.exposures=2 x 5 levels from 500 electron to 100 % of full well", "100 % of full well is not below full well and saturation"),
        ("sequences.biases.longest=5 s", r"sequences\.biases\.longest: no exposure of it is to a level \(remove longest\)"),
        ("sequences.flats.longest=2 h", "7200 s is not a time that the camera can expose"),
        ("sequences.flats.longest=0 s", "'0 s' is not above 0 s"),
        ("sequences.biases.exposures=2 x 5 levels from 5 electron to 9 electron", "5 levels from 5 electron to 9 electron is not what bias frames"),
    ],
)  # fmt: skip
def test_a_slip_is_told_while_planning(plugins: Registry, setting: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        plan(read(TEXT, "x.yaml", plugins, settings=[setting]), plugins)
