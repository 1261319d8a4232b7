"""A stranger's plugin, small and without hardware: for tests that need something declared, whatever it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from latcal.plugin import (
    Amplifier,
    Box,
    CalibrationType,
    CameraDescription,
    CameraType,
    Detector,
    ExecutorType,
    Instrument,
    InstrumentType,
    Metric,
    Part,
    ProcedureType,
    Product,
    ReporterType,
    Rule,
    Scope,
    StoreType,
    World,
    hookimpl,
    option,
)

if TYPE_CHECKING:
    from astropy.units import Quantity


@frozen
class Nothing:
    """No options."""


@frozen
class SkyOptions:
    """Options of every sort that a recipe can write."""

    clip: float = option(5.0, help="Rejection limit, in sigma.")
    passes: int = option(3, help="How often to reject.")
    robust: bool = option(True, help="Whether to use the median.")
    model: str = option("flat", help="What is fitted.")
    pause: Quantity = option("2 s", help="Time between two exposures.", unit="s")
    degrees: tuple[int, ...] = option((1, 2), help="Of the fit.")
    mask: Path | None = option(None, help="A file of bad pixels.")


@frozen
class WebcamOptions:
    """Options of the camera; one of them must be written."""

    port: int = option(help="Where it listens.")
    warm: bool = option(False, help="Whether it is warm.")
    delay: Quantity = option("0 s", help="Before each exposure.", unit="s")


@frozen
class CupboardOptions:
    """Options of the store."""

    shelf: Path = option(Path("./shelf"), help="Which shelf.")


@frozen
class WeeklyOptions:
    """Options of the procedure."""

    n_sky: int = option(5, help="Number of sky exposures.")
    collection: str = option("calib/weekly", help="Where they are certified.")


def _open(options: Any, world: World) -> Any:
    raise NotImplementedError(f"{options!r} is for reading recipes, not for opening in {world.run}")


def _describe(_: Any, __: Instrument) -> CameraDescription:
    return CameraDescription(overhead_s=1.0, frame_bytes=1000)


def _load() -> Instrument:
    pixel = Box(0, 1, 0, 1)
    amplifier = Amplifier("A", "A", pixel, pixel, pixel, gain=1.0, read_noise=5.0, saturation=60_000.0)
    return Instrument("eye", (Detector(0, "retina", (amplifier,)),))


def _build(_: Any) -> Part:
    return Part({}, {})


def _assemble(_: Any, __: tuple[Part, ...]) -> Product:
    raise NotImplementedError("the sky is for reading recipes, not for building")


def _expand(options: WeeklyOptions) -> Mapping[str, Any]:
    return {
        "latcal": 1,
        "title": "Weekly sky",
        "instrument": "eye",
        "camera": {"use": "webcam", "port": 1},
        "store": {"use": "cupboard"},
        "sequences": {"skies": {"image": "sky", "exposures": f"{options.n_sky} x 5 s"}},
        "stages": [{"make": "sky", "frames": ("skies",)}],
        "certify": {"into": options.collection, "begin": "2022-11-04", "end": "2022-11-11"},
    }


@hookimpl
def latcal_calibrations() -> Iterator[CalibrationType]:
    """Declare a type that makes a product, one that only measures, and one without rules."""
    metrics = {
        "noise": Metric("noise", "electron", Scope.AMPLIFIER, "Scatter of the pixels."),
        "mean": Metric("mean", "electron", Scope.AMPLIFIER, "Mean of the pixels."),
        "ratio": Metric("ratio", "", Scope.EXPOSURE, "Level over that of the set."),
    }
    rules = (
        Rule("noise", "noise <= 10 electron", summary="The scatter is small."),
        Rule("mean", "abs(mean) <= 0.2 * noise"),
    )
    yield CalibrationType(
        name="sky", summary="Sky level", options=SkyOptions, images=frozenset({"sky"}), metrics=metrics, rules=rules,
        build_amplifier=_build, assemble=_assemble, measure=_nothing,
    )  # fmt: skip
    yield CalibrationType(
        name="cloud", summary="Cloud cover", options=Nothing, images=frozenset({"sky", "cloud"}), metrics=metrics,
        rules=rules[:1], measure=_nothing,
    )  # fmt: skip
    yield CalibrationType(
        name="moon", summary="Moon light", options=Nothing, images=frozenset({"moon"}), metrics=metrics, rules=(),
        build_amplifier=_build, assemble=_assemble, measure=_nothing,
    )  # fmt: skip


def _nothing(_: Any) -> tuple[()]:
    return ()


@hookimpl
def latcal_cameras() -> Iterator[CameraType]:
    """Declare a camera that is never opened."""
    yield CameraType(name="webcam", summary="A webcam", options=WebcamOptions, open=_open, describe=_describe)


@hookimpl
def latcal_stores() -> Iterator[StoreType]:
    """Declare a store that is never opened."""
    yield StoreType(name="cupboard", summary="A cupboard", options=CupboardOptions, open=_open)


@hookimpl
def latcal_executors() -> Iterator[ExecutorType]:
    """Declare an executor that is never opened."""
    yield ExecutorType(name="abacus", summary="By hand", options=Nothing, open=_open)


@hookimpl
def latcal_reporters() -> Iterator[ReporterType]:
    """Declare a reporter that is never opened."""
    yield ReporterType(name="bell", summary="Rings", options=Nothing, open=_open)


@hookimpl
def latcal_instruments() -> Iterator[InstrumentType]:
    """Declare an instrument that is planned for, and never exposed."""
    yield InstrumentType(name="eye", summary="One pixel", options=Nothing, load=_load)


@hookimpl
def latcal_procedures() -> Iterator[ProcedureType]:
    """Declare a procedure for one stage."""
    yield ProcedureType(name="weekly", summary="Sky, once a week", options=WeeklyOptions, expand=_expand)
