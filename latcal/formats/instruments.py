"""Instrument files: a sensor type once, then the detectors that have it, with its figures or their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import field, frozen

from latcal.errors import Problem, RecipeError
from latcal.formats.constants import constant_problems
from latcal.formats.located import compose
from latcal.formats.sensors import Figures, Place, Sensor, convertible, layout, located
from latcal.formats.structure import structure
from latcal.formats.tree import Path, Tree, dotted
from latcal.model.crosstalk import Coefficients, coefficient_faults
from latcal.model.geometry import Amplifier, Box, Detector, Instrument, Preparation
from latcal.model.options import option
from latcal.numerics.allowed import PARALLEL_MODELS, SERIAL_MODELS


@frozen
class SensorUse:
    """One detector: its sensor type, and what figures of it are its own.

    Figures are for all amplifiers, or for each in the order of the sensor; those left out are the sensor's.

    Parameters
    ----------
    crosstalk : Coefficients
        A row for each amplifier that sees, a column for each that is seen, in the order of the sensor.
    """

    id: int
    name: str
    sensor: str
    gain: Figures | None = field(default=None, validator=convertible("electron / adu"))
    read_noise: Figures | None = field(default=None, validator=convertible("electron"))
    saturation: Figures | None = field(default=None, validator=convertible("adu"))
    serial: str = ""
    crosstalk: Coefficients = ()

    @property
    def likeness(self) -> tuple[str, Figures | None, Figures | None, Figures | None]:
        """What detectors of equal amplifiers have in common."""
        return self.sensor, self.gain, self.read_noise, self.saturation


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
    header: Mapping[str, Any] = field(factory=dict)


_FIGURES = (("gain", "electron / adu"), ("read_noise", "electron"), ("saturation", "adu"))


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
    problems = [*_overscan_problems(tree, written.overscan), *constant_problems(tree, written.header)]
    detectors = _detectors(tree, written, problems)
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
        header={keyword.upper(): value for keyword, value in written.header.items()},
    )


def _box(value: Any) -> Box:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a section", "write '[1:509,1:2000]', in quotes")  # noqa: TRY004 - hooks raise it
    return Box.from_section(value)


def _overscan_problems(tree: Tree, overscan: Preparation) -> list[Problem]:
    problems = [
        located(tree, ("overscan", word), f"{model!r} is not a model of the {word} overscan", f"known: {', '.join(known)}")
        for word, model, known in (
            ("serial", overscan.serial, SERIAL_MODELS),
            ("parallel", overscan.parallel, PARALLEL_MODELS),
        )
        if model not in known
    ]
    path: Path = ("overscan", "crosstalk")
    if path in tree.marks:  # it is a key of a preparation, and no property of an instrument
        hint = "detectors have coefficients; a stage leaves them unused with 'options: {crosstalk: false}'"
        problems.append(Problem("'crosstalk' is not a key here", hint, tree.key_at(path), dotted(path)))
    return problems


def _detectors(tree: Tree, written: InstrumentFile, problems: list[Problem]) -> list[Detector]:
    """Make the detectors; those that are alike share their amplifiers, and tell a fault of them once."""
    found: list[Detector] = []
    layouts = {name: layout(tree, name, sensor, problems) for name, sensor in written.sensors.items()}
    nominal = {name: _nominal(sensor) for name, sensor in written.sensors.items()}
    made: dict[Any, tuple[Amplifier, ...]] = {}
    for index, one in enumerate(written.detectors):
        if one.sensor not in layouts:
            what = f"{one.sensor!r} is not a sensor of this file"
            problems.append(located(tree, ("detectors", index, "sensor"), what, f"there is {', '.join(layouts)}"))
            continue
        sensor, places = written.sensors[one.sensor], layouts[one.sensor]
        try:
            if one.likeness not in made:
                figures = _figures(tree, index, one, sensor, len(places), problems) if places else []
                made[one.likeness] = _amplifiers(places, figures)
            amplifiers = made[one.likeness]
            wrong = _crosstalk_problems(tree, index, one, amplifiers) if amplifiers else []
            problems += wrong
            if amplifiers and not wrong:
                found.append(_detector(one, nominal[one.sensor], amplifiers))
        except ValueError as error:
            problems.append(located(tree, ("detectors", index), str(error), f"mend it, or the sensor {one.sensor!r}"))
            made[one.likeness] = ()
    return found


def _nominal(sensor: Sensor) -> dict[str, Any]:
    """Give what detectors of a sensor have in common, by the names of a detector's fields."""
    turnoff = sensor.least_turnoff
    return {
        "vendor": sensor.vendor,
        "pixel_um": float(sensor.pixel.to_value("um")),
        "brighter_fatter": float(sensor.brighter_fatter.to_value("1 / electron")),
        "brighter_fatter_error": float(sensor.brighter_fatter_error.to_value("1 / electron")),
        "brighter_fatter_window": sensor.window,
        "least_turnoff": None if turnoff is None else float(turnoff.to_value("electron")),
    }


def _detector(one: SensorUse, nominal: Mapping[str, Any], amplifiers: tuple[Amplifier, ...]) -> Detector:
    return Detector(
        id=one.id, name=one.name, amplifiers=amplifiers, serial=one.serial, crosstalk=one.crosstalk, **nominal
    )


def _crosstalk_problems(tree: Tree, index: int, one: SensorUse, amplifiers: tuple[Amplifier, ...]) -> list[Problem]:
    faults = coefficient_faults(one.crosstalk, {amplifier.name: amplifier.raw.shape for amplifier in amplifiers})
    return [located(tree, ("detectors", index, "crosstalk", *place), what, hint) for place, what, hint in faults]


def _amplifiers(places: list[Place], figures: list[tuple[float, ...]]) -> tuple[Amplifier, ...]:
    """Make the amplifiers of a detector; none, if a figure is missing.

    Raises
    ------
    ValueError
        If one has regions or figures that no amplifier has.
    """
    if len(figures) < len(_FIGURES):
        return ()
    return tuple(
        Amplifier(
            place.name, place.extension, place.raw, place.data, place.position, gain, noise, saturation,
            place.serial_overscan, place.parallel_overscan, place.flip_x, place.flip_y,
        )
        for place, gain, noise, saturation in zip(places, *figures, strict=True)
    )


def _figures(
    tree: Tree, index: int, one: SensorUse, sensor: Sensor, count: int, problems: list[Problem]
) -> list[tuple[float, ...]]:
    """Give the figures of each amplifier: the detector's own or its sensor's; what is wrong is added to the problems."""
    found = []
    for word, unit in _FIGURES:
        path: Path = ("detectors", index, word)
        figures = getattr(one, word)
        if figures is None:
            path, figures = ("sensors", one.sensor, word), getattr(sensor, word)
        if figures is None:
            hint = f"write '{word}: 5 {unit}' here, or in the sensor {one.sensor!r} for all detectors that have it"
            problems.append(located(tree, ("detectors", index), f"{word!r} is missing", hint))
            continue
        values = figures.converted(unit)
        if len(values) in (1, count):
            found.append(values * count if len(values) == 1 else values)
            continue
        what = f"{len(values)} numbers for {count} amplifiers"
        problem = located(tree, path, what, f"write {count} numbers, or one for all")
        if problem not in problems:  # of a sensor, it is the same for every detector
            problems.append(problem)
    return found
