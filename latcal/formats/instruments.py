"""Instrument files: a sensor type once, then the detectors that have it, each with its own figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from latcal.errors import Problem, RecipeError
from latcal.formats.located import compose
from latcal.formats.sensors import Figures, Place, Sensor, convertible, layout, located
from latcal.formats.structure import structure
from latcal.formats.tree import Tree
from latcal.model.geometry import Amplifier, Box, Detector, Instrument, Preparation
from latcal.model.options import option
from latcal.numerics.overscan import PARALLEL_MODELS, SERIAL_MODELS


@frozen
class SensorUse:
    """One detector: its sensor type and its own figures, for all amplifiers or for each in the order of the sensor."""

    id: int
    name: str
    sensor: str
    gain: Figures = field(validator=convertible("electron / adu"))
    read_noise: Figures = field(validator=convertible("electron"))
    saturation: Figures = field(validator=convertible("adu"))
    serial: str = ""


@frozen
class InstrumentFile:
    """An instrument file, as written; the defaults are those of `latcal.model.geometry.Instrument`."""

    name: str
    sensors: Mapping[str, Sensor]
    detectors: tuple[SensorUse, ...]
    filters: tuple[str, ...] = ()
    gratings: tuple[str, ...] = ()
    readout: Any = option("2 s", help="From the end of an exposure until the next may begin.", unit="s")
    full_well: Any = option("130000 electron", help="Of a typical pixel.", unit="electron")
    rollover: Any = option("12 h", help="Time of day (UTC) at which an observing day begins.", unit="h")
    id_prefix: str = "LC_O"
    binning: str = "1x1"
    mode: str = ""
    overscan: Preparation = field(factory=Preparation)


def read_instrument(text: str, file: str) -> Instrument:
    """Read an instrument file.

    Parameters
    ----------
    text : str
        YAML; the keys are those of `InstrumentFile`, boxes are FITS sections.
    file : str
        What messages call it.

    Raises
    ------
    RecipeError
        With every fault, each with its place.
    """
    tree = compose(text, file)
    written = structure(tree, InstrumentFile, hooks={Box: _box, Figures: Figures.read})
    problems = _overscan_problems(tree, written.overscan)
    detectors: list[Detector] = []
    layouts = {name: layout(tree, name, sensor, problems) for name, sensor in written.sensors.items()}
    for index, one in enumerate(written.detectors):
        if one.sensor not in layouts:
            what = f"{one.sensor!r} is not a sensor of this file"
            problems.append(located(tree, ("detectors", index, "sensor"), what, f"there is {', '.join(layouts)}"))
        elif layouts[one.sensor]:
            detectors += _detector(tree, index, one, written.sensors[one.sensor], layouts[one.sensor], problems)
    if not problems:
        try:
            return _instrument(written, detectors)
        except ValueError as error:
            problems.append(located(tree, ("detectors",), str(error), "give each detector its own id"))
    raise RecipeError(problems)


def _instrument(written: InstrumentFile, detectors: list[Detector]) -> Instrument:
    return Instrument(
        name=written.name,
        detectors=tuple(detectors),
        filters=written.filters,
        gratings=written.gratings,
        readout_s=float(written.readout.to_value("s")),
        full_well=float(written.full_well.to_value("electron")),
        rollover_h=float(written.rollover.to_value("h")),
        id_prefix=written.id_prefix,
        binning=written.binning,
        mode=written.mode,
        preparation=written.overscan,
    )


def _box(value: Any) -> Box:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a section", "write '[1:509,1:2000]', in quotes")  # noqa: TRY004 - hooks raise it
    return Box.from_section(value)


def _overscan_problems(tree: Tree, overscan: Preparation) -> list[Problem]:
    return [
        located(tree, ("overscan", word), f"{model!r} is not a model of the {word} overscan", f"known: {', '.join(known)}")
        for word, model, known in (
            ("serial", overscan.serial, SERIAL_MODELS),
            ("parallel", overscan.parallel, PARALLEL_MODELS),
        )
        if model not in known
    ]


def _detector(
    tree: Tree, index: int, one: SensorUse, sensor: Sensor, places: list[Place], problems: list[Problem]
) -> list[Detector]:
    """Make a detector; give none, and say why, if that cannot be."""
    figures = []
    count = len(places)
    for word, unit in (("gain", "electron / adu"), ("read_noise", "electron"), ("saturation", "adu")):
        values = getattr(one, word).converted(unit)
        if len(values) not in (1, count):
            what = f"{len(values)} numbers for {count} amplifiers"
            problems.append(located(tree, ("detectors", index, word), what, f"write {count} numbers, or one for all"))
            return []
        figures.append(values * count if len(values) == 1 else values)
    try:
        amplifiers = tuple(
            Amplifier(
                place.name, place.extension, place.raw, place.data, place.position, gain, noise, saturation,
                place.serial_overscan, place.parallel_overscan, place.flip_x, place.flip_y,
            )
            for place, gain, noise, saturation in zip(places, *figures, strict=True)
        )
        pixel = float(sensor.pixel.to_value("um"))
        return [Detector(one.id, one.name, amplifiers, one.serial, sensor.vendor, pixel)]
    except ValueError as error:
        hint = f"mend it, or the sensor {one.sensor!r}"
        problems.append(located(tree, ("detectors", index), str(error), hint))
        return []
