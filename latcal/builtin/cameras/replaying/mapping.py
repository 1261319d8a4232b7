"""The mapping file: which keywords of a source's headers say what."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from attrs import field, frozen

from latcal.formats.located import compose
from latcal.formats.structure import structure
from latcal.plugin import Problem, RecipeError

Plain = bool | int | float | str


@frozen
class Bounds:
    """A number above one and below another, neither included."""

    above: float | None = None
    below: float | None = None


Condition = bool | int | float | str | Bounds | tuple[Plain, ...]
"""What a keyword must be: a value, one of several, or a number within bounds."""


@frozen
class ImageRule:
    """A frame that meets every condition may be of this image type."""

    image: str
    when: Mapping[str, Condition]


def _unit_of_time(_: Any, __: Any, value: str) -> None:
    from astropy import units

    try:
        units.Unit(value).to("s")
    except (ValueError, TypeError):
        raise ValueError(f"{value!r} is not a unit of time", "write s, ms or min") from None


@frozen
class Duration:
    """A keyword that holds a time, and its unit."""

    keyword: str
    unit: str = field(default="s", validator=_unit_of_time)

    @property
    def seconds(self) -> float:
        """How many seconds the unit has."""
        from astropy import units

        return float(units.Unit(self.unit).to("s"))


@frozen
class Date:
    """A keyword that holds when an exposure began: ISO text, or a modified Julian date.

    Parameters
    ----------
    clock : str
        A second keyword, for the time of day where the first has the day only.
    """

    keyword: str
    scale: Literal["utc", "tai", "tt"] = "utc"
    clock: str = ""


@frozen
class Word:
    """A keyword that holds a name, and what the names are called in the instrument file.

    Parameters
    ----------
    translate : mapping of str to str
        A name that ends with ``*`` stands for all that begin like it; one that is written out goes before.
    """

    keyword: str
    translate: Mapping[str, str] = field(factory=dict)

    def __call__(self, name: str) -> str:
        """Give what the instrument file calls a name."""
        begins = (ours for theirs, ours in self.translate.items() if theirs.endswith("*") and name.startswith(theirs[:-1]))
        return self.translate[name] if name in self.translate else next(begins, name)


@frozen
class Binning:
    """Two keywords that hold how many columns and rows are read as one."""

    x: str
    y: str


@frozen
class HeaderMapping:
    """Which keywords of a source's headers say what.

    Parameters
    ----------
    source : str
        Where the frames come from; for people.
    dark_time : Duration or None
        The exposure time, if left out.
    detector : int or Word
        The id of the only detector, or a keyword that holds an id or a name.
    exposure : str
        A keyword that the frames of one exposure on several detectors share; their date, if left out.
    sections : str
        ``check``: where headers have DATASEC, TRIMSEC or BIASSEC they must say what the instrument file says.
        ``ignore``: the instrument file is right.
    """

    source: str
    images: tuple[ImageRule, ...]
    time: Duration
    date: Date
    dark_time: Duration | None = None
    filter: Word | None = None
    grating: Word | None = None
    mode: Word | None = None
    binning: Binning | None = None
    detector: int | Word = 0
    exposure: str = ""
    sections: Literal["check", "ignore"] = "check"


def read_mapping(name: str) -> HeaderMapping:
    """Read a mapping file.

    Parameters
    ----------
    name : str
        One that latcal brings, or the path of a file.

    Raises
    ------
    RecipeError
        If there is none, or with everything that is wrong in it.
    """
    shipped = files("latcal.builtin.cameras") / "mappings"
    known = sorted(one.name.removesuffix(".yaml") for one in shipped.iterdir() if one.name.endswith(".yaml"))
    try:
        text = (shipped / f"{name}.yaml" if name in known else Path(name)).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = f"write {' or '.join(known)}, or the path of a mapping file"
        why = getattr(error, "strerror", None) or "its text is not UTF-8"
        raise RecipeError([Problem(f"{name!r} is not a mapping that can be read: {why}", hint, path="mapping")]) from error
    return structure(compose(text, f"{name}.yaml" if name in known else name), HeaderMapping)
