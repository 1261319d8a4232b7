"""Types of sensors in an instrument file: the grid of their amplifiers, and figures for each."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from attrs import field, frozen

from latcal.errors import Problem
from latcal.formats.tree import Path, Tree, dotted
from latcal.model.geometry import Box
from latcal.model.options import option
from latcal.model.quantities import NUMBER, parse_quantity

_FIGURES = re.compile(r"\s*((?:[0-9.]\S*\s+)+?)\s*([^0-9.\s+-].*)", re.DOTALL)
_PLAIN = re.compile(NUMBER)
_FLIPS = {"": (False, False), "x": (True, False), "y": (False, True), "xy": (True, True)}


@frozen
class Figures:
    """Numbers with one unit: one for all amplifiers, or one for each; ``8.4 8.5 electron``."""

    values: tuple[float, ...]
    unit: str

    @classmethod
    def read(cls, text: Any) -> Figures:
        """Read numbers and, after the last, their unit.

        Raises
        ------
        ValueError
            With what is wrong and what to write.
        """
        match = _FIGURES.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(f"{text!r} is not numbers with a unit", "write '8.4 electron', or '8.4 8.5 electron'")
        return cls(tuple(map(_number, match[1].split())), match[2].strip())

    def converted(self, unit: str) -> tuple[float, ...]:
        """Give the numbers in a unit.

        Raises
        ------
        ValueError
            If theirs does not convert to it.
        """
        scale = float(parse_quantity(f"1 {self.unit}", unit).to_value(unit))
        return tuple(value * scale for value in self.values)


def _number(word: str) -> float:
    """Read a number: a plain one fast, as there are thousands; any other so that it is refused in the usual words."""
    value = float(word) if _PLAIN.fullmatch(word) else math.inf
    return value if math.isfinite(value) else float(parse_quantity(word, "").value)


def convertible(unit: str) -> Callable[[Any, Any, Figures | None], None]:
    """Make the validator of figures that are wanted in a unit, if there are any."""

    def validate(_: Any, __: Any, figures: Figures | None) -> None:
        if figures is not None:
            figures.converted(unit)

    return validate


@frozen
class AmplifierRow:
    """Amplifiers side by side, in the order of the raw file.

    Parameters
    ----------
    names : tuple of str
    row : int
        Of the grid of amplifiers, from the bottom, from zero.
    columns : tuple of int
        Of each; from the left, 0, 1, 2 and so on if left out.
    flip : str
        ``x``, ``y``, ``xy`` or empty: how the raw data are mirrored to get there.
    extensions : tuple of str or int
        HDUs of the raw file, one for each amplifier, or one for all.
    raw, data, serial_overscan, parallel_overscan : Box or None
        Instead of those of the sensor.
    """

    names: tuple[str, ...]
    extensions: tuple[str | int, ...]
    row: int = 0
    columns: tuple[int, ...] = ()
    flip: str = ""
    raw: Box | None = None
    data: Box | None = None
    serial_overscan: Box | None = None
    parallel_overscan: Box | None = None


def _not_negative(_: Any, field: Any, value: Any) -> None:
    if value.value < 0:
        raise ValueError(f"{value} is below 0, and no error", f"write '{field.name}: 1e-7 / electron', or leave it out")


def _above_zero(_: Any, field: Any, value: Any) -> None:
    if value is not None and not value.value > 0:
        raise ValueError(f"{value} is not above 0", f"write '{field.name}: 90000 electron', or leave it out")


def _least(sensor: Sensor, _: Any, value: Any) -> None:
    if value is not None and sensor.greatest_brighter_fatter is None:
        raise ValueError("a window has two ends", "write 'greatest_brighter_fatter: 7e-7 / electron' too")


def _greatest(sensor: Sensor, _: Any, value: Any) -> None:
    least = sensor.least_brighter_fatter
    if value is not None and least is None:
        raise ValueError("a window has two ends", "write 'least_brighter_fatter: -4.6e-6 / electron' too")
    if value is not None and not least < value:
        raise ValueError(f"{value} is not above the least, {least}", "write the more negative one as the least")


@frozen
class Sensor:
    """A type of sensor: what all detectors of it have in common.

    Parameters
    ----------
    raw : Box
        An amplifier's pixels in its image, overscans included.
    data, serial_overscan, parallel_overscan : Box
        Inside of it, counted from its corner.
    gain, read_noise, saturation : Figures or None
        Of each detector of the type that has none of its own.
    """

    raw: Box
    data: Box
    amplifiers: tuple[AmplifierRow, ...]
    serial_overscan: Box | None = None
    parallel_overscan: Box | None = None
    vendor: str = ""
    pixel: Any = option("10 um", help="Size of a pixel.", unit="um")
    brighter_fatter: Any = option("0 / electron", help="Nominal coefficient a00, negative.", unit="1 / electron")
    brighter_fatter_error: Any = option(
        "0 / electron", help="Its standard error.", unit="1 / electron", validator=_not_negative
    )
    least_brighter_fatter: Any = option(
        None, help="A measured a00 is acceptable above this.", unit="1 / electron", validator=_least
    )
    greatest_brighter_fatter: Any = option(None, help="And below this.", unit="1 / electron", validator=_greatest)
    least_turnoff: Any = option(
        None, help="A turnoff is acceptable above this.", unit="electron", validator=_above_zero
    )
    gain: Figures | None = field(default=None, validator=convertible("electron / adu"))
    read_noise: Figures | None = field(default=None, validator=convertible("electron"))
    saturation: Figures | None = field(default=None, validator=convertible("adu"))

    @property
    def window(self) -> tuple[float, float] | None:
        """Between which a measured a00 is acceptable [1 / electron]."""
        if self.least_brighter_fatter is None:
            return None
        least, greatest = (
            float(one.to_value("1 / electron")) for one in (self.least_brighter_fatter, self.greatest_brighter_fatter)
        )
        return least, greatest


def located(tree: Tree, path: Path, what: str, hint: str) -> Problem:
    """Make a problem with the place of a value."""
    return Problem(what, hint, tree.value_at(path), dotted(path))


@frozen
class Place:
    """All of an amplifier that its sensor type settles."""

    name: str
    extension: str | int
    raw: Box
    data: Box
    serial_overscan: Box | None
    parallel_overscan: Box | None
    position: Box
    flip_x: bool
    flip_y: bool


def layout(tree: Tree, name: str, sensor: Sensor, problems: list[Problem]) -> list[Place]:
    """Lay out the amplifiers of a sensor type.

    Parameters
    ----------
    tree : Tree
        Of the whole file.
    name : str
        Of the sensor in it.
    problems : list of Problem
        What is wrong is added here.

    Returns
    -------
    list of Place
        Empty if something is.
    """
    found: list[Place] = []
    before = len(problems)
    for number, group in enumerate(sensor.amplifiers):
        path = ("sensors", name, "amplifiers", number)
        count = len(group.names)
        columns = group.columns or tuple(range(count))
        extensions = group.extensions * count if len(group.extensions) == 1 else group.extensions
        for word, items in (("columns", columns), ("extensions", extensions)):
            if len(items) != count:
                hint = f"write {count}, one for each amplifier"
                problems.append(located(tree, (*path, word), f"{len(items)} {word} for {count} names", hint))
        if group.flip not in _FLIPS:
            problems.append(located(tree, (*path, "flip"), f"{group.flip!r} is not a flip", "write x, y or xy"))
        if min(columns, default=0) < 0 or group.row < 0:
            problems.append(located(tree, path, "a row or column below 0 is not in the grid", "count from 0"))
        if len(problems) == before:
            places = zip(group.names, extensions, columns, strict=True)
            found += [_place(sensor, group, word, extension, column) for word, extension, column in places]
    return found if len(problems) == before else []


def _place(sensor: Sensor, group: AmplifierRow, name: str, extension: str | int, column: int) -> Place:
    data = group.data or sensor.data
    ny, nx = data.shape
    flip_x, flip_y = _FLIPS[group.flip]
    return Place(
        name=name,
        extension=extension,
        raw=group.raw or sensor.raw,
        data=data,
        serial_overscan=group.serial_overscan or sensor.serial_overscan,
        parallel_overscan=group.parallel_overscan or sensor.parallel_overscan,
        position=Box(group.row * ny, (group.row + 1) * ny, column * nx, (column + 1) * nx),
        flip_x=flip_x,
        flip_y=flip_y,
    )
