"""Plugins whose functions work and give what does not fit: nothing is certified that would be found as something else.

What breaks, and where, is a matrix of its own: ``tests/plugins/test_broken_plugins.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

import numpy as np
import pytest
from attrs import evolve, frozen

from latcal.builtin.stores.memory import MemoryOptions, MemoryStore
from latcal.errors import PluginError
from latcal.formats.products import reference
from latcal.model.events import Noted, RunEnded
from latcal.plugin import (
    AmplifierInputs,
    CalibrationType,
    DetectorInputs,
    ExecutorType,
    InstrumentType,
    Measurement,
    Metric,
    Part,
    Product,
    ProductRef,
    Rule,
    Scope,
    StoreType,
    assemble_image,
    hookimpl,
    option,
)
from latcal.testing import samples
from latcal.testing.cameras import small_instrument

TEXT = """\
latcal: 1
title: Misbehaviour
instrument: small
camera: {use: simulated}
store: {use: memory}
executor: {use: serial}
sequences: {biases: {image: bias, exposures: 1 x 0 s}}
stages: [{make: glow, frames: [biases]}]
certify: {into: calib/glow, begin: 2026-11-04, end: 2026-11-05}
"""


@frozen
class Nothing:
    """No options."""


class Muddled(MemoryStore):
    """Gives what it has, whatever was asked for."""

    def find(self, *_: Any) -> ProductRef:
        return reference(samples.product("dark", 3), "yesterday")


@frozen
class GlowOptions:
    fault: str = option("", help="What goes wrong.")


def build(inputs: AmplifierInputs) -> Part:
    return Part({"image": np.zeros(inputs.shape, np.float32)}, {"level": (0.0, "electron")})


def assemble(inputs: DetectorInputs, parts: tuple[Part, ...]) -> Any:
    made = assemble_image(inputs, parts, unit="electron")
    match inputs.options.fault:
        case "unit":
            return evolve(made, unit="elektron")
        case "kind":
            return evolve(made, kind="bias")
        case "detector":
            return evolve(made, detector=7)
        case "setup":
            return evolve(made, setup=evolve(made.setup, filter="r"))
        case "provenance":
            return evolve(made, provenance=evolve(made.provenance, versions={}))
        case "pins":
            return evolve(made, pins={"bias": "that of yesterday"})
    return made


def measure(inputs: AmplifierInputs) -> Iterator[Measurement]:
    yield Measurement("glouw" if inputs.options.fault == "undeclared" else "glow", 1.0)


def summarise(measured: Any, products: dict[str, Product]) -> Iterator[Measurement]:
    if products["S00"].provenance.options["fault"] == "nowhere":
        yield Measurement("glow", 1.0, exposure=measured.exposures[0], detector="S00", amplifier="C99")


def needs(options: GlowOptions) -> frozenset[str]:
    return frozenset({"bais"}) if options.fault == "needs" else frozenset()


class Glow:
    @hookimpl
    def latcal_instruments(self) -> Iterator[InstrumentType]:
        yield InstrumentType(name="small", summary="Small", options=Nothing, load=small_instrument)

    @hookimpl
    def latcal_calibrations(self) -> Iterator[CalibrationType]:
        yield CalibrationType(
            name="glow",
            summary="Glow",
            options=GlowOptions,
            images=frozenset({"bias"}),
            metrics={"glow": Metric("glow", "electron", Scope.AMPLIFIER, "Glow.")},
            rules=(Rule("glow", "glow <= 2 electron"),),
            needs=needs,
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
        ("undeclared", "measure of the calibration 'glow' gave a measurement that has no place: 'glouw' is not a metric that was declared (glow)"),
        ("nowhere", "summarise of the calibration 'glow' gave a measurement that has no place: glow: 'C99' is not an amplifier that was verified"),
        ("unit", "assemble of the calibration 'glow' gave a product in 'elektron', which is not a unit"),
        ("kind", "assemble of the calibration 'glow' gave a product of the kind 'bias', not 'glow'"),
        ("detector", "assemble of the calibration 'glow' gave a product of the detector 7, not 0"),
        ("provenance", "assemble of the calibration 'glow' gave a product of another provenance than it was given"),
        ("pins", "assemble of the calibration 'glow' gave a product that pins {'bias': 'that of yesterday'}, not {}"),
    ],
)
def test_what_would_be_found_as_something_else_is_never_certified(night: Callable, fault: str, words: str) -> None:
    heard = night(TEXT, extra=[Glow()], set=[f"stages.0.options={{fault: {fault}}}"])
    stage = heard.report.stages[0]
    assert heard.report.exit_code == 3
    assert stage.reason == f"extra:Glow: {words}"
    assert not stage.certified
    assert isinstance(heard.events[-1], RunEnded)


def test_a_product_of_another_setup_is_never_certified(night: Callable) -> None:
    reason = night(TEXT, extra=[Glow()], set=["stages.0.options={fault: setup}"]).report.stages[0].reason
    assert reason.startswith("extra:Glow: assemble of the calibration 'glow' gave a product of the setup Setup(filter='r'")


def test_a_store_that_finds_something_else_is_refused_before_the_first_exposure(night: Callable) -> None:
    class Plugin:
        @hookimpl
        def latcal_stores(self) -> Iterator[StoreType]:
            yield StoreType(name="muddled", summary="Muddled", options=MemoryOptions, open=Muddled)

    changes = ["store.use=muddled", "stages=[{check: glow, frames: [biases], collections: [calib/glow]}]"]
    with pytest.raises(PluginError) as caught:
        night(TEXT, extra=[Glow(), Plugin()], set=changes)
    words = f"gave {Muddled.find(None)}, asked for a glow for detector 0"
    assert str(caught.value) == f"extra:Plugin: find of the store {words}"


def test_a_need_that_nobody_makes_is_an_error_of_the_plugin_and_names_the_nearest(night: Callable) -> None:
    words = "needs of the calibration 'glow' name 'bais', and no plugin declares the calibration 'bais' (did you mean 'bias'?)"
    with pytest.raises(PluginError) as caught:
        night(TEXT, extra=[Glow()], set=["stages.0.options={fault: needs}"])
    assert str(caught.value) == f"extra:Glow: {words}"


def test_a_pin_that_nobody_makes_would_pin_nothing_and_is_refused(night: Callable) -> None:
    class Pinned(Glow):
        @hookimpl
        def latcal_calibrations(self) -> Iterator[CalibrationType]:
            for one in super().latcal_calibrations():
                yield evolve(one, pins=frozenset({"drak"}))

    words = "pins of the calibration 'glow' name 'drak', and no plugin declares the calibration 'drak' (did you mean 'dark'?)"
    with pytest.raises(PluginError) as caught:
        night(TEXT, extra=[Pinned()])
    assert str(caught.value) == f"extra:Pinned: {words}"


class Short:
    """An executor that gives fewer results than there are items, or loses its line."""

    def __init__(self, lost: bool, most: int) -> None:
        self.lost, self.most, self.done = lost, most, 0

    def map(self, task: Callable[[Any], Any], items: Any) -> Iterator[Any]:
        for item in items:
            if self.done == self.most:
                if self.lost:
                    raise ConnectionError("the line is dead")
                return
            self.done += 1
            yield task(item)

    def describe(self, _: Any) -> str:
        return ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


@pytest.mark.parametrize(
    ("lost", "most", "words"),
    [
        (False, 3, "map of the executor ended before it gave the result of S00 C01"),
        (False, 7, "map of the executor ended before it gave the result of S00 C01 of exposure 2026110400001"),
        (True, 3, "map of the executor raised ConnectionError: the line is dead"),
    ],
)
def test_an_executor_that_breaks_off_fails_the_step(night: Callable, lost: bool, most: int, words: str) -> None:
    class Plugin:
        @hookimpl
        def latcal_executors(self) -> Iterator[ExecutorType]:
            yield ExecutorType(name="short", summary="Short", options=Nothing, open=lambda *_: Short(lost, most))

    report = night(TEXT, extra=[Glow(), Plugin()], set=["executor.use=short"]).report
    assert report.exit_code == 3
    assert words in report.stages[0].reason


def test_a_hook_that_takes_nothing_still_hears(night: Callable) -> None:
    count: list[int] = []

    class Counter:
        @hookimpl
        def latcal_event(self) -> None:
            count.append(1)

    heard = night(TEXT, extra=[Glow(), Counter()])
    assert len(count) == len(heard.events)
    assert not heard.of(Noted)
