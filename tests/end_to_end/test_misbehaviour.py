"""Plugins that misbehave: the step fails, their distribution is named, and the night ends in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
import pytest
from attrs import frozen

from latcal.builtin.cameras.simulated import SimulatedCamera, SimulatedOptions, describe
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.engine.running import events
from latcal.errors import PluginError
from latcal.model.events import Exposed, Noted, RunEnded
from latcal.model.report import fold
from latcal.plugin import (
    AmplifierInputs,
    CalibrationType,
    CameraType,
    DetectorInputs,
    ExecutorType,
    Measurement,
    Metric,
    Part,
    Product,
    Rule,
    Scope,
    assemble_image,
    hookimpl,
    option,
)
from latcal.plugin.registry import load_plugins

TEXT = """\
latcal: 1
title: Misbehaviour
instrument: bench
camera: {use: simulated}
store: {use: memory}
executor: {use: serial}
sequences: {biases: {image: bias, exposures: 2 x 0 s}}
stages: [{make: glow, frames: [biases]}]
certify: {into: calib/glow, begin: 2026-11-04, end: 2026-11-05}
"""


@frozen
class GlowOptions:
    fault: str = option("", help="What goes wrong.")


def build(inputs: AmplifierInputs) -> Part:
    return Part({"image": np.zeros(inputs.shape, np.float32)}, {"level": (0.0, "electron")})


def assemble(inputs: DetectorInputs, parts: tuple[Part, ...]) -> Any:
    match inputs.options.fault:
        case "no product":
            return None
        case "no unit":
            return assemble_image(inputs, parts, unit="elektron")
    return assemble_image(inputs, parts, unit="electron")


def measure(inputs: AmplifierInputs) -> Iterator[Measurement]:
    if inputs.options.fault == "raises":
        raise KeyError("glow")
    yield Measurement("glouw" if inputs.options.fault == "undeclared" else "glow", 1.0)


def summarise(measured: Any, products: dict[str, Product]) -> Iterator[Measurement]:
    if products["S00"].provenance.options["fault"] == "nowhere":
        yield Measurement("glow", 1.0, exposure=measured.exposures[0], detector="S00", amplifier="C99")


def check(_: Any, options: GlowOptions) -> list[Any]:
    return [42] if options.fault == "strange check" else []


class Glow:
    @hookimpl
    def latcal_calibrations(self) -> Iterator[CalibrationType]:
        yield CalibrationType(
            name="glow",
            summary="Glow",
            options=GlowOptions,
            images=frozenset({"bias"}),
            metrics={"glow": Metric("glow", "electron", Scope.AMPLIFIER, "Glow.")},
            rules=(Rule("glow", "glow <= 2 electron"),),
            check=check,
            build_amplifier=build,
            assemble=assemble,
            measure=measure,
            summarise=summarise,
        )


def test_a_calibration_type_that_behaves_is_certified(night: Callable) -> None:
    assert night(TEXT, extra=[Glow()]).report.exit_code == 0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("raises", "measure raised KeyError"),
        ("undeclared", "'glouw' is not a metric that was declared"),
        ("nowhere", "'C99' is not an amplifier that was verified"),
        ("no product", "which is not a Product"),
        ("no unit", "'elektron' did not parse as unit"),
    ],
)
def test_a_calibration_type_that_misbehaves_fails_its_step_by_name(night: Callable, fault: str, words: str) -> None:
    heard = night(TEXT, extra=[Glow()], set=[f"stages.0.options={{fault: {fault}}}"])
    stage = heard.report.stages[0]
    assert heard.report.exit_code == 3
    assert stage.reason.startswith("extra:Glow")
    assert words in stage.reason
    assert not stage.certified
    assert isinstance(heard.events[-1], RunEnded)


def test_a_check_that_answers_nonsense_is_a_plugin_error(night: Callable) -> None:
    with pytest.raises(PluginError, match=r"extra:Glow.*raised TypeError"):
        night(TEXT, extra=[Glow()], set=["stages.0.options={fault: strange check}"])


@frozen
class Nothing:
    """No options."""


class Short:
    """An executor that gives fewer results than there are items, or loses its line."""

    def __init__(self, lost: bool) -> None:
        self.lost = lost

    def map(self, task: Callable[[Any], Any], items: Any) -> Iterator[Any]:
        for number, item in enumerate(items):
            if number == 3:
                if self.lost:
                    raise ConnectionError("the line is dead")
                return
            yield task(item)

    def describe(self, _: Any) -> str:
        return ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


@pytest.mark.parametrize(
    ("lost", "words"),
    [(False, "the executor gave 3 results of 16"), (True, "map raised ConnectionError: the line is dead")],
)
def test_an_executor_that_breaks_off_fails_the_step(night: Callable, lost: bool, words: str) -> None:
    class Plugin:
        @hookimpl
        def latcal_executors(self) -> Iterator[ExecutorType]:
            yield ExecutorType(name="short", summary="Short", options=Nothing, open=lambda *_: Short(lost))

    report = night(TEXT, extra=[Glow(), Plugin()], set=["executor.use=short"]).report
    assert report.exit_code == 3
    assert words in report.stages[0].reason


class Stubborn(SimulatedCamera):
    def abort(self) -> None:
        super().abort()
        raise RuntimeError("the abort button is stuck")


class StubbornPlugin:
    @hookimpl
    def latcal_cameras(self) -> Iterator[CameraType]:
        yield CameraType(name="stubborn", summary="Stuck", options=SimulatedOptions, open=Stubborn, describe=describe)


def test_a_camera_that_cannot_be_aborted_is_noted_and_the_run_ends() -> None:
    plugins = load_plugins(extra=[Glow(), StubbornPlugin()])
    recipe = read(TEXT.replace("use: simulated", "use: stubborn").replace("2 x 0 s", "40 x 0 s"), "n.yaml", plugins)
    stop, heard = threading.Event(), []
    for event in events(plan(recipe, plugins), plugins, stop=stop):
        heard.append(event)
        if isinstance(event, Exposed):
            stop.set()
    assert any(isinstance(e, Noted) and "the abort button is stuck" in e.what for e in heard)
    assert fold(heard).exit_code == 130


def test_a_hook_that_takes_nothing_still_hears(night: Callable) -> None:
    count: list[int] = []

    class Counter:
        @hookimpl
        def latcal_event(self) -> None:
            count.append(1)

    heard = night(TEXT, extra=[Glow(), Counter()])
    assert len(count) == len(heard.events)
    assert not heard.of(Noted)


@pytest.mark.parametrize(
    ("method", "answer", "words"),
    [
        ("problems", None, "problems of the camera gave None"),
        ("problems", "no flats", "problems of the camera gave 'no flats'"),
        ("remarks", None, "remarks of the camera gave None"),
        ("setup", None, "setup of the camera gave None, which is not a Setup"),
    ],
)
def test_a_camera_that_answers_nonsense_is_a_plugin_error(
    night: Callable, method: str, answer: Any, words: str
) -> None:
    kind = type("Vague", (SimulatedCamera,), {method: lambda *_: answer})

    class Plugin:
        @hookimpl
        def latcal_cameras(self) -> Iterator[CameraType]:
            yield CameraType(name="vague", summary="Vague", options=SimulatedOptions, open=kind, describe=describe)

    with pytest.raises(PluginError, match=words):
        night(TEXT, extra=[Glow(), Plugin()], set=["camera.use=vague"])
