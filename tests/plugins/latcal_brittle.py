"""A stranger's plugin of every kind, which works until the variable BRITTLE names one of its functions and how it breaks.

``BRITTLE=calibration.measure=ValueError`` makes `measure` raise one. The variable is inherited by worker processes, so
what breaks there breaks as it does here. Kinds are `calibration`, `camera`, `store`, `executor`, `reporter`,
`instrument`, `procedure`, and `hook` for those of the second sort; the ways are the cases of `_break`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from functools import wraps
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Self

import numpy as np
from attrs import evolve, frozen

from latcal.builtin.cameras.simulated import describe as describe_simulated
from latcal.builtin.cameras.simulation.camera import SimulatedCamera
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.executors.serial import SerialExecutor
from latcal.builtin.stores.memory import MemoryOptions, MemoryStore
from latcal.plugin import (
    BuildError,
    CalibrationType,
    CameraType,
    ExecutorType,
    Expectation,
    InstrumentType,
    Measurement,
    Metric,
    Part,
    ProcedureType,
    ReporterType,
    Rule,
    Scope,
    StoreType,
    assemble_image,
    hookimpl,
    option,
)
from latcal.testing.samples import instrument as sample_instrument

RECIPE = """\
latcal: 1
title: Brittle
instrument: crumb
camera: {use: brittle, settling: 0 electron}
store: {use: brittle}
executor: {use: brittle}
report: [{use: brittle}]
sequences: {biases: {image: bias, exposures: 1 x 0 s}}
stages: [{make: crack, frames: [biases], keep: [residuals]}]
certify: {into: calib/crack, begin: 2026-11-04, end: 2026-11-05}
"""


class Locked(Exception):
    """It cannot be pickled."""

    def __init__(self) -> None:
        super().__init__("the door is locked")
        self.door = threading.Lock()


class Jammed(BuildError):
    """One of ours, whose own `__init__` keeps it from being made again out of its text."""

    def __init__(self, tray: int, what: str) -> None:
        super().__init__(f"tray {tray}: {what}")


class Mute(Exception):
    """It cannot even say what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class Escape(BaseException):
    """No `Exception` at all."""


def _break(how: str, good: Callable[[], Any]) -> Any:
    match how:
        case "ValueError":
            raise ValueError("the wires\nare crossed")
        case "SystemExit":
            raise SystemExit("enough")
        case "KeyboardInterrupt":
            raise KeyboardInterrupt
        case "Escape":
            raise Escape("out of here")
        case "BuildError":
            raise BuildError("no fit")
        case "Jammed":
            raise Jammed(3, "no paper")
        case "Locked":
            raise Locked
        case "Mute":
            raise Mute
        case "nothing":
            return None
        case "text":
            return "later"
        case "number":
            return 42
        case "list":
            return [42]
        case "half":
            return _half(good())
        case "array":
            return np.zeros((3, 3))
    raise AssertionError(f"{how!r} is no way to break")


def _half(good: Any) -> Iterator[Any]:
    yield from islice(good or (), 1)
    raise ValueError("the wires\nare crossed")


def _way(kind: str, name: str) -> str:
    place, _, how = os.environ.get("BRITTLE", "").partition("=")
    return how if place == f"{kind}.{name}" else ""


def brittle(kind: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function break when it is told to."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            how = _way(kind, function.__name__)
            return _break(how, lambda: function(*args, **kwargs)) if how else function(*args, **kwargs)

        return call

    return decorate


class Brittle:
    """What is opened, each of its methods being brittle; those that are entered and not left are remembered."""

    entered: ClassVar[list[str]] = []

    def __init__(self, kind: str, opened: Any) -> None:
        self._kind, self._opened = kind, opened

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._opened, name)
        return brittle(self._kind)(found) if callable(found) else found

    def __enter__(self) -> Any:
        brittle(self._kind)(self._opened.__enter__)()
        self.entered.append(self._kind)
        return self

    def __exit__(self, *exc: object) -> None:
        self.entered.remove(self._kind)
        brittle(self._kind)(self._opened.__exit__)(*exc)


@frozen
class CrackOptions:
    """Options of the crack."""

    width: int = option(1, help="Of the crack.")


@brittle("calibration")
def check(sequences: Any, options: Any) -> list[str]:
    return []


@brittle("calibration")
def needs(options: Any) -> frozenset[str]:
    return frozenset()


@brittle("calibration")
def unpinned(options: Any) -> dict[str, str]:
    return {}


@brittle("calibration")
def preparation(options: Any) -> None:
    return None


@brittle("calibration")
def crosstalk(options: Any) -> bool:
    return True


@brittle("calibration")
def build_amplifier(inputs: Any) -> Part:
    return Part({"image": np.zeros(inputs.shape, np.float32)}, {"level": (0.0, "electron")})


@brittle("calibration")
def assemble(inputs: Any, parts: Any) -> Any:
    return assemble_image(inputs, parts, unit="electron")


@brittle("calibration")
def measure(inputs: Any) -> Iterator[Measurement]:
    return iter([Measurement("depth", 1.0)])


@brittle("calibration")
def residual(inputs: Any) -> Part:
    return Part({"image": np.zeros(inputs.shape, np.float32)}, {"level": (0.0, "electron")})


@brittle("calibration")
def summarise(measured: Any, products: Any) -> list[Measurement]:
    return []


@brittle("calibration")
def budget(outlook: Any) -> list[Expectation]:
    return []


def build_proxy(inputs: Any) -> Part:
    """Give what works here, and cannot be pickled."""
    return Part({"image": np.zeros(inputs.shape, np.float32)}, MappingProxyType({"level": (0.0, "electron")}))


@hookimpl
@brittle("hook")
def latcal_calibrations() -> Iterator[CalibrationType]:
    crack = CalibrationType(
        name="crack",
        summary="Cracks",
        options=CrackOptions,
        images=frozenset({"bias"}),
        metrics={"depth": Metric("depth", "electron", Scope.AMPLIFIER, "Depth.")},
        rules=(Rule("depth", "depth <= 2 electron"),),
        check=check,
        needs=needs,
        unpinned=unpinned,
        preparation=preparation,
        crosstalk=crosstalk,
        build_amplifier=build_amplifier,
        assemble=assemble,
        measure=measure,
        residual=residual,
        summarise=summarise,
        budget=budget,
    )
    closure = evolve(crack, name="closure", build_amplifier=lambda inputs: build_proxy(inputs))  # noqa: PLW0108
    return iter([crack, closure, evolve(crack, name="proxy", build_amplifier=build_proxy)])


@brittle("camera")
def open(options: Any, world: Any) -> Any:  # noqa: A001
    return Brittle("camera", SimulatedCamera(options, world))


@brittle("camera")
def describe(options: Any, instrument: Any) -> Any:
    return describe_simulated(options, instrument)


@hookimpl
@brittle("hook")
def latcal_cameras() -> Iterator[CameraType]:
    return iter([CameraType(name="brittle", summary="A camera", options=SimulatedOptions, open=open, describe=describe)])


def _open(kind: str, make: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    @brittle(kind)
    def open(options: Any, world: Any) -> Any:  # noqa: A001
        return Brittle(kind, make(options, world))

    return open


class Listener:
    """A reporter."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    @hookimpl
    def latcal_event(self, event: Any) -> None:
        pass


@hookimpl
@brittle("hook")
def latcal_stores() -> Iterator[StoreType]:
    return iter([StoreType(name="brittle", summary="A store", options=MemoryOptions, open=_open("store", MemoryStore))])


@frozen
class NoOptions:
    """None."""


@hookimpl
@brittle("hook")
def latcal_executors() -> Iterator[ExecutorType]:
    make = lambda options, world: SerialExecutor(world.stop)
    return iter([ExecutorType(name="brittle", summary="An executor", options=NoOptions, open=_open("executor", make))])


@hookimpl
@brittle("hook")
def latcal_reporters() -> Iterator[ReporterType]:
    make = lambda options, world: Listener()
    return iter([ReporterType(name="brittle", summary="A reporter", options=NoOptions, open=_open("reporter", make))])


@brittle("instrument")
def load() -> Any:
    crumb = sample_instrument()
    return evolve(crumb, name="crumb", detectors=(evolve(crumb.detectors[0], crosstalk=((0.0, 1e-4), (1e-4, 0.0))),))


@hookimpl
@brittle("hook")
def latcal_instruments() -> Iterator[InstrumentType]:
    return iter([InstrumentType(name="crumb", summary="An instrument", options=NoOptions, load=load)])


@brittle("procedure")
def expand(options: Any) -> Any:
    from latcal.formats.located import compose

    return compose(RECIPE, "brittle").value


@hookimpl
@brittle("hook")
def latcal_procedures() -> Iterator[ProcedureType]:
    return iter([ProcedureType(name="brittle", summary="A procedure", options=NoOptions, expand=expand)])


@hookimpl
@brittle("hook")
def latcal_find_recipe(name: str) -> Path | None:
    return Path(__file__).with_name("brittle.yaml") if name == "brittle" else None


@hookimpl
@brittle("hook")
def latcal_check_plan(plan: Any) -> list[Any]:
    return []


@hookimpl
@brittle("hook")
def latcal_preflight(plan: Any, store: Any, camera: Any) -> list[Any]:
    return []


@hookimpl
@brittle("hook")
def latcal_before_take(step: Any, camera: Any) -> None:
    pass


@hookimpl
@brittle("hook")
def latcal_event(event: Any) -> None:
    pass
