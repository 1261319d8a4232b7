"""Plugins that are broken, each in ways that its suite must see; `test_kits.py` calls the tests that must see them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import date
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from attrs import evolve, frozen

from latcal.builtin.cameras.simulation.camera import SimulatedCamera
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.stores.folder.options import FolderOptions
from latcal.builtin.stores.folder.store import FolderStore
from latcal.builtin.stores.memory import MemoryOptions, MemoryStore
from latcal.formats import records
from latcal.formats.products import reference
from latcal.formats.raw import write_raw
from latcal.numerics import combine
from latcal.plugin import (
    AmplifierInputs,
    CalibrationType,
    Camera,
    Certification,
    Executor,
    Expectation,
    ExposureRequest,
    Frame,
    InstrumentType,
    Judged,
    Measurement,
    Metric,
    Part,
    ProcedureType,
    Product,
    ProductRef,
    Reporter,
    Rule,
    Scope,
    Setup,
    Store,
    Task,
    ValidityRange,
    World,
    assemble_image,
    combining,
    hookimpl,
    option,
)
from latcal.testing import (
    CalibrationSuite,
    CameraSuite,
    ExecutorSuite,
    InstrumentSuite,
    ProcedureSuite,
    ReporterSuite,
    StoreSuite,
    samples,
)
from latcal.testing.cameras import request, small_instrument

# -- calibration types ---------------------------------------------------------------------------------------------

RECIPE = """\
latcal: 1
title: Broken
instrument: small_sensor
camera: {use: simulated, seed: 7, settling: 0 electron}
store: {use: memory}
sequences: {biases: {image: bias, exposures: 2 x 0 s}}
stages: [{make: glow, frames: [biases]}]
rules: {glow: {level: abs(level) <= 100 electron}}
certify: {into: calib/glow, begin: 2026-11-04, end: 2026-11-05}
"""


@frozen
class GlowOptions:
    rows: int = option(20, help="Rows next to the output.")


def built(pixels: Any) -> Part:
    return Part({"image": pixels}, {"level": (float(np.nanmedian(pixels)), "electron")})


def build(inputs: AmplifierInputs) -> Part:
    stack = [frame.reader for frame in inputs.frames]
    return combining.part(inputs, stack, combine.mean(stack, inputs.frame_noise, inputs.shape), unit="electron")


def build_in_place(inputs: AmplifierInputs) -> Part:
    pixels = inputs.frames[0].reader(combining.WHOLE)
    pixels -= np.float32(1.0)
    return built(pixels)


def build_of_the_first(inputs: AmplifierInputs) -> Part:
    if len(inputs.frames) < 2:
        raise IndexError("frames[1]")
    return built(np.nan_to_num(inputs.frames[0].reader(combining.WHOLE)))


def build_by_dice(inputs: AmplifierInputs) -> Part:
    return built(inputs.frames[0].reader(combining.WHOLE) + np.float32(secrets.randbelow(1000)))


def assemble(inputs: Any, parts: tuple[Part, ...]) -> Product:
    return assemble_image(inputs, parts, unit="electron")


def measure(inputs: AmplifierInputs) -> Iterator[Measurement]:
    yield Measurement("level", float(np.nanmean(inputs.frames[0].reader(combining.WHOLE))))


def measure_with_nan(inputs: AmplifierInputs) -> Iterator[Measurement]:
    yield Measurement("level", float(np.mean(inputs.frames[0].reader(combining.WHOLE))))


def budget(_: Any) -> Iterator[Expectation]:
    yield Expectation("nois", 0.01, 0.05)


class Moody:
    """Has something against sequences once it has been asked."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, _: Any, __: Any) -> Iterable[str]:
        self.asked += 1
        return ["not today"] if self.asked > 1 else []


@frozen
class Glow:
    changed: Mapping[str, Any]

    @hookimpl
    def latcal_calibrations(self) -> Iterator[CalibrationType]:
        good = CalibrationType(
            name="glow",
            summary="Glow",
            options=GlowOptions,
            images=frozenset({"bias"}),
            metrics={name: Metric(name, "electron", Scope.AMPLIFIER, "A level.") for name in ("level", "ghost")},
            rules=(Rule("level", "abs(level) <= 5 electron"),),
            build_amplifier=build,
            assemble=assemble,
            measure=measure,
        )
        yield evolve(good, **self.changed)


class Glows(CalibrationSuite):
    changed: ClassVar[Mapping[str, Any]] = {}

    def plugin(self) -> object:
        return Glow(self.changed)

    def recipe(self) -> str:
        return RECIPE


class CalibrationThatWritesIntoItsInputKit(Glows):
    changed: ClassVar = {"build_amplifier": build_in_place}


class CalibrationByDiceKit(Glows):
    changed: ClassVar = {"build_amplifier": build_by_dice}


class CalibrationOfLambdasKit(Glows):
    changed: ClassVar = {"measure": lambda inputs: tuple(measure(inputs))}


class CarelessCalibrationKit(Glows):
    changed: ClassVar = {
        "build_amplifier": build_of_the_first,
        "measure": measure_with_nan,
        "budget": budget,
        "pins": frozenset({"dark"}),
        "rules": (Rule("level", "abs(level) <= 5 electron"), Rule("ghost", "ghost <= 1 electron", advisory=True)),
    }


class MoodyCalibrationKit(Glows):
    changed: ClassVar = {"check": Moody()}


# -- cameras -------------------------------------------------------------------------------------------------------


class CarelessCamera(SimulatedCamera):
    """Hears no abort, throws dice, foretells another filter, and has its pixels only while it is open."""

    def __init__(self, folder: Path) -> None:
        instrument = small_instrument()
        super().__init__(SimulatedOptions(), evolve(samples.world(folder), instrument=instrument))
        self._open = True

    def __exit__(self, *exc: object) -> None:
        self._open = False

    def problems(self, requests: tuple[ExposureRequest, ...]) -> Iterable[str]:
        return ()

    def setup(self, request: ExposureRequest) -> Setup:
        return evolve(request.setup, filter="g")

    def take(self, request: ExposureRequest) -> Iterator[Frame]:
        time.sleep(request.time_s)
        for frame in super().take(request):
            yield evolve(frame, raw=lambda amplifier, frame=frame: self._pixels(frame, amplifier))

    def _pixels(self, frame: Frame, amplifier: Any) -> Any:
        assert self._open, "the shutter is closed"
        return frame.raw(amplifier) + secrets.randbelow(1000)


class CarelessCameraKit(CameraSuite):
    abort_s = 0.2

    def open(self, folder: Path) -> Camera:
        return CarelessCamera(folder)

    def requests(self) -> list[ExposureRequest]:
        return [request(0), request(1, "dark", 0.01)]

    def long_request(self) -> ExposureRequest:
        return request(2, "dark", 2.0)


class OpenCamera(CarelessCamera):
    def __exit__(self, *exc: object) -> None:
        """Stay open, so that only the dice are seen."""


class CameraByDiceKit(CameraSuite):
    def open(self, folder: Path) -> Camera:
        return OpenCamera(folder)

    def requests(self) -> list[ExposureRequest]:
        return [request(0), request(1)]


class LitCamera(SimulatedCamera):
    """Leaves the lamp on, says nothing of a gate that is closed, or of a second attempt, and swallows its faults."""

    def __init__(self, folder: Path) -> None:
        super().__init__(SimulatedOptions(), evolve(samples.world(folder), instrument=small_instrument()))
        self._lamp = folder / "lamp"

    def take(self, request: ExposureRequest) -> Iterator[Frame]:
        self._lamp.write_text("on")
        return super().take(request)

    def offers(self) -> Any:
        return {"lamp": 1}


class LitCameraKit(CameraSuite):
    flats = "1 x 20000 electron"
    fault_s = 0.2

    def open(self, folder: Path) -> Camera:
        return LitCamera(folder)

    def requests(self) -> list[ExposureRequest]:
        return [request(0), request(1, "flat", 1.0)]

    def hardware(self, folder: Path) -> str:
        return (folder / "lamp").read_text() if (folder / "lamp").exists() else "off"

    def barred(self, folder: Path) -> Iterable[tuple[Camera, ExposureRequest, str]]:
        yield LitCamera(folder), request(0), "too warm"

    def failing(self, folder: Path) -> Iterable[tuple[Camera, ExposureRequest, str]]:
        yield LitCamera(folder), request(0), "lost"

    def retrying(self, folder: Path) -> tuple[Camera, ExposureRequest]:
        return LitCamera(folder), request(0)


# -- stores --------------------------------------------------------------------------------------------------------


@frozen(eq=False)
class CarelessStore(MemoryStore):
    """Overlaps silently, reserves without a lock, keeps arrays that are not its own, and says that it is shared.

    Of an exposure it gives what comes first, and what it does not have is nothing.
    """

    def certify(self, refs: Iterable[ProductRef], collection: str, valid: ValidityRange, *, unverified: str = "") -> None:
        for ref in refs:
            entries = self._certified.setdefault((collection, ref.kind, ref.detector), [])
            entries.append(Certification(evolve(ref, collection=collection), collection, valid, "", unverified))

    def reserve(self, day: date, n: int) -> range:
        number = int(f"{day:%Y%m%d}")
        used = self._days.get(number, 0)
        time.sleep(0.01)
        self._days[number] = used + n
        return range(number * 100_000 + used + 1, number * 100_000 + used + n + 1)

    def put(self, product: Product, run: str) -> ProductRef:
        ref = reference(product, run)
        self._products[ref.id] = (ref, product)
        return ref

    def of_exposure(self, kind: str, detector: int, exposure: int) -> ProductRef:
        return next(ref for ref, _ in self._products.values() if (ref.kind, ref.exposure) == (kind, exposure))

    def attach(self, ref: ProductRef, name: str, data: bytes) -> None:
        self._attached.setdefault((ref.id, name), data)

    def attached(self, ref: ProductRef, name: str) -> bytes:
        return self._attached.get((ref.id, name), b"")


class CarelessStoreKit(StoreSuite):
    def open(self, tmp_path: Path) -> Store:
        return CarelessStore(MemoryOptions(), samples.world(tmp_path))


@frozen(eq=False)
class HastyStore(FolderStore):
    """Says of every frame that it is there before it comes, and the third never does."""

    def write_report(self, run: str, files: Mapping[str, str]) -> None:
        super().write_report(run, files)
        self._announce(samples.frame(int(run.removeprefix("run-")) + 1))

    def ingest(self, frame: Frame) -> Frame:
        if frame.exposure.id == samples.frame(1).exposure.id:
            self._announce(frame)
        if frame.exposure.id == samples.frame(3).exposure.id:
            time.sleep(60)
        write_raw(frame, self.root / f"{frame.exposure.id}.fits", compress=False)
        return frame

    def _announce(self, frame: Frame) -> None:
        path = self.root / f"{frame.exposure.id}.fits"
        with self.index.writing() as connection:
            row = (frame.exposure.id, frame.detector.id, path.name, "", records.to_text(frame.exposure))
            connection.execute("INSERT INTO frames VALUES (?, ?, ?, ?, ?)", row)
        path.write_bytes(b"SIMPLE  =")


class HastyStoreKit(StoreSuite):
    def open(self, tmp_path: Path) -> Store:
        return HastyStore(FolderOptions(root=tmp_path / "store"), samples.world(tmp_path))


# -- executors -----------------------------------------------------------------------------------------------------


class CarelessExecutor:
    """Gives what is done first, takes all items at once, hears no stop, makes errors its own, and says too much."""

    def map(self, task: Task, items: Iterable[Any]) -> Iterator[Any]:
        with ThreadPoolExecutor(4) as pool:
            for future in as_completed([pool.submit(task, item) for item in items]):
                try:
                    yield future.result()
                except Exception as error:
                    raise RuntimeError("a task failed") from error

    def describe(self, step: Any) -> str:
        return "four\nthreads"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class CarelessExecutorKit(ExecutorSuite):
    def open(self, world: World) -> Executor:
        return CarelessExecutor()


# -- reporters -----------------------------------------------------------------------------------------------------


class CarelessReporter:
    """Opens its file before anything happens, writes what time it is, and shares its lines with all others."""

    lines: ClassVar[list[str]] = []

    def __init__(self, folder: Path) -> None:
        self.path = folder / "night.txt"
        self.path.touch()

    def latcal_event(self, event: Any) -> None:
        self.lines.append(f"{time.monotonic_ns()} {type(event).__name__}\n")
        self.path.write_text("".join(self.lines))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class CarelessReporterKit(ReporterSuite):
    def open(self, folder: Path) -> Reporter:
        return CarelessReporter(folder)


class SharingReporter(CarelessReporter):
    lines: ClassVar[list[str]] = []

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.lines.clear()

    def latcal_event(self, event: Any) -> None:
        self.lines.append(f"{type(event).__name__}\n")
        self.path.write_text("".join(self.lines))


class SharingReporterKit(ReporterSuite):
    def open(self, folder: Path) -> Reporter:
        return SharingReporter(folder)


class RaisingReporter(CarelessReporter):
    def latcal_event(self, event: Any) -> None:
        if isinstance(event, Judged) and not event.verdict.accepted:
            raise KeyError("findings")
        if type(event).__name__ == "Later":
            raise TypeError("no such event")


class RaisingReporterKit(ReporterSuite):
    def open(self, folder: Path) -> Reporter:
        return RaisingReporter(folder)


# -- procedures ----------------------------------------------------------------------------------------------------


@frozen
class DayOptions:
    n_bias: int = option(11, help="Number of biases.")


def day() -> dict[str, Any]:
    return {
        "latcal": 1,
        "instrument": "bench",
        "camera": {"use": "simulated"},
        "store": {"use": "memory"},
        "sequences": {"biases": {"image": "bias", "exposures": "11 x 0 s"}},
        "stages": [{"make": "bias", "frames": ["biases"]}],
        "certify": {"into": "calib/day", "begin": "2022-11-04", "end": "open"},
    }


SHARED = {**day(), "store": {"use": "folder", "root": Path("store")}, "labels": {"taken": date(2022, 11, 4)}}


def expand(options: DayOptions) -> Mapping[str, Any]:
    Path("seen.txt").touch()
    return SHARED


class Day:
    @hookimpl
    def latcal_procedures(self) -> Iterator[ProcedureType]:
        yield ProcedureType(name="careless_day", summary="A day", options=DayOptions, expand=expand)


class CarelessProcedureKit(ProcedureSuite):
    def plugin(self) -> object:
        return Day()

    def configs(self) -> list[Mapping[str, Any]]:
        return [{}]


class Lenient:
    @hookimpl
    def latcal_procedures(self) -> Iterator[ProcedureType]:
        yield ProcedureType(name="lenient_day", summary="A day", options=DayOptions, expand=self.expand)

    @staticmethod
    def expand(options: DayOptions) -> Mapping[str, Any]:
        return day()


class LenientProcedureKit(ProcedureSuite):
    def plugin(self) -> object:
        return Lenient()

    def configs(self) -> list[Mapping[str, Any]]:
        return [{}]

    def refused(self) -> list[tuple[Mapping[str, Any], str]]:
        return [({"n_bias": 0}, "n_bias")]


# -- instruments ---------------------------------------------------------------------------------------------------


@frozen
class Nothing:
    """No options."""


class Hasty:
    @hookimpl
    def latcal_instruments(self) -> Iterator[InstrumentType]:
        instrument = small_instrument()
        detector = instrument.detectors[0]
        spoilt = [evolve(one, serial_overscan=one.data, read_noise=0.0) for one in detector.amplifiers]
        loaded = evolve(instrument, detectors=(evolve(detector, amplifiers=tuple(spoilt)),))
        yield InstrumentType(name="hasty", summary="Loaded when it is declared", options=Nothing, load=lambda: loaded)


class CarelessInstrumentKit(InstrumentSuite):
    def plugin(self) -> object:
        return Hasty()
