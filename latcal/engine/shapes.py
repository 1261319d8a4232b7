"""What a recipe looks like: its keys, and what may stand at each, before any name in it is looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NewType

from attrs import frozen

from latcal.engine.phrases import (
    OPEN,
    read_collection,
    read_count,
    read_discard,
    read_exposures,
    read_instant,
    read_limit,
    read_name,
)
from latcal.model.exposures import Exposures
from latcal.model.options import option
from latcal.model.quantities import format_quantity
from latcal.model.recipe import ABORT_S, ANSWER_S, INGEST_S
from latcal.model.verdicts import MAJORITY

if TYPE_CHECKING:  # astropy is imported when the first quantity is read
    from astropy.units import Quantity

Count = NewType("Count", int)
Discard = NewType("Discard", object)
Limit = NewType("Limit", object)
Instant = NewType("Instant", object)
Collection = NewType("Collection", str)
Named = NewType("Named", str)

HOOKS: Mapping[Any, Callable[[Any], Any]] = MappingProxyType(
    {
        Exposures: read_exposures,
        Count: read_count,
        Discard: read_discard,
        Limit: read_limit,
        Instant: read_instant,
        Collection: read_collection,
        Named: read_name,
    }
)
"""How the texts of a recipe are read, by type."""

_DATES = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]+)?$"
_PHRASE = {"type": "string", "pattern": r"^\s*([0-9]+\s*[x×]\s*)?[0-9.eE+-]+\s*\S.*$", "examples": ["16 x 30 s"]}
SCHEMAS: Mapping[Any, Mapping[str, Any]] = MappingProxyType(
    {
        Exposures: {"anyOf": [_PHRASE, {"type": "array", "items": _PHRASE, "minItems": 1}]},
        Count: {"type": "integer", "minimum": 1},
        Discard: {
            "anyOf": [{"type": "integer", "minimum": 0}, _PHRASE, {"type": "array", "items": _PHRASE, "minItems": 1}]
        },
        Limit: {"anyOf": [{"type": "integer", "minimum": 1}, {"const": MAJORITY}]},
        Instant: {"anyOf": [{"type": "string", "pattern": _DATES}, {"const": OPEN}]},
        Collection: {"type": "string", "pattern": r"^[A-Za-z0-9][A-Za-z0-9_./-]*$"},
        Named: {"type": "string", "pattern": r"^[A-Za-z_][A-Za-z0-9_-]*$"},
    }
)
"""The JSON Schema of the same types."""


def _from(least: int) -> Callable[[Any, Any, Any], None]:
    """Refuse whole numbers below the least."""

    def check(_: Any, __: Any, value: Any) -> None:
        numbers = value if isinstance(value, tuple) else (value,)
        for number in numbers:
            if isinstance(number, int) and number < least:
                raise ValueError(f"{number} is not at least {least}", f"write {least} or more")

    return check


def _a_while(_: Any, attribute: Any, value: Quantity) -> None:
    """Refuse a time in which nothing can be waited for."""
    if not value.value > 0:
        raise ValueError(f"'{format_quantity(value)}' is not above 0 s", f"write '{attribute.default}'")


def _no_less(_: Any, __: Any, value: Quantity | None) -> None:
    """Refuse a time below nothing."""
    if value is not None and not value.value >= 0:
        raise ValueError(f"'{format_quantity(value)}' is not 0 s or more", "write '2 s', or leave it out")


def _above_zero(_: Any, __: Any, value: Quantity | None) -> None:
    """Refuse a longest time of nothing."""
    if value is not None and not value.value > 0:
        raise ValueError(f"'{format_quantity(value)}' is not above 0 s", "write '60 s', or leave it out")


@frozen
class LimitsShape:
    """How long a camera and a store are waited for, as written."""

    answer: Quantity = option(
        f"{ANSWER_S:g} s",
        unit="s",
        validator=_a_while,
        help="After exposure time and readout, until all frames of an exposure are there.",
    )
    abort: Quantity = option(
        f"{ABORT_S:g} s",
        unit="s",
        validator=_a_while,
        help="After it was told to abort or to close; then the camera is given up.",
    )
    ingest: Quantity = option(
        f"{INGEST_S:g} s",
        unit="s",
        validator=_a_while,
        help="After the last exposure of a sequence, until all its frames are in the store.",
    )


@frozen
class SequenceShape:
    """A sequence, as written."""

    image: str = option(help="Image type: bias, dark, flat, or one that a plugin consumes.")
    exposures: Exposures = option(help="How many and how long or how bright: 16 x 30 s, 2 x 30000 adu, or a list.")
    discard: Discard = option(
        0,
        help="Extra exposures, taken first and not used: so many of the first time, or a phrase: 1 x 5 s.",
        validator=_from(0),
    )
    filter: str | None = option(None, help="Filter; left out, the filter is not changed.")
    grating: str | None = option(None, help="Grating; left out, the grating is not changed.")
    pause: Quantity | None = option(
        None, unit="s", validator=_no_less, help="Waited before every exposure but the first; left out, nothing."
    )
    longest: Quantity | None = option(
        None, unit="s", validator=_above_zero, help="Longest time that a level is solved to; left out, 60 s."
    )


@frozen
class RuleShape:
    """A rule that is not only its text."""

    rule: str = option(help="One comparison or one window of metrics: noise <= 10 electron.")
    advisory: bool = option(False, help="Reported, never counted.")


@frozen
class AcceptShape:
    """How many findings may fail, as written."""

    amplifiers: Count | None = option(None, help="Amplifiers of a detector at which it fails; left out: half of them.")
    detectors: Limit = option(MAJORITY, help="Detectors at which an exposure fails; majority is strict.")
    exposures: Limit = option(MAJORITY, help="Exposures at which the calibration is refused; majority is strict.")


@frozen
class CertifyShape:
    """Where products go and when they hold, as written."""

    into: Collection = option(help="Collection.")
    begin: Instant = option(help="Date, or date and time, in TAI, from which they hold; or open.")
    end: Instant = option(help="The same, until which they hold, itself excluded; or open.")
    occupied: Literal["refuse", "keep"] = option(
        "refuse", help="Where the collection has them for all of that time: refuse to run, or keep them and make none."
    )


@frozen
class VerifyShape:
    """How a stage departs from its rules, as written."""

    collections: tuple[Collection, ...] = option((), help="Where the references of the verification are looked up.")
    drop: tuple[str, ...] = option((), help="Rules left out, by name.")
    advisory: tuple[str, ...] = option((), help="Rules reported and not counted, by name.")
    waived_by: str = option("", help="Who takes the product unverified.")
    reason: str = option("", help="Why.")


@frozen
class StageShape:
    """A stage, as written."""

    make: str | None = option(None, help="Calibration type to build, verify and certify.")
    check: str | None = option(None, help="Calibration type whose certified product tonight's frames are judged by.")
    measure: str | None = option(None, help="Calibration type to build and judge; nothing is certified.")
    frames: tuple[str, ...] = option((), help="Sequences that it uses.")
    options: Mapping[str, Any] | None = option(None, help="Options of the calibration type.")
    collections: tuple[Collection, ...] = option((), help="Where its inputs are looked up, in order.")
    accept: AcceptShape | None = option(None, help="Stands in place of the recipe's.")
    certify: CertifyShape | None = option(None, help="Stands in place of the recipe's.")
    rules: Mapping[Named, str | RuleShape] = option(
        MappingProxyType({}), help="Each replaces the rule of the same name, or adds one, for this stage."
    )
    verify: VerifyShape | None = option(None, help="How this stage departs from its rules.")
    detectors: tuple[int, ...] = option((), help="Ids of detectors; left out: all.", validator=_from(0))
    at_least: int | None = option(None, help="Smallest number of frames to go on with.", validator=_from(1))
    wait: bool = option(False, help="Nothing planned after it starts before it has a status.")
    keep: tuple[Literal["residuals"], ...] = option((), help="Verified images to keep.")


@frozen
class RecipeShape:
    """A recipe, as written."""

    latcal: Literal[1] = option(1, help="Version of the recipe language.")
    title: str = option("", help="One line for reports.")
    instrument: str = option("", help="An instrument, or the path of an instrument file relative to this recipe.")
    camera: Mapping[str, Any] = option(MappingProxyType({}), help="What takes the exposures.")
    store: Mapping[str, Any] = option(MappingProxyType({}), help="Where frames, products and reports are kept.")
    executor: Mapping[str, Any] | None = option(None, help="What builds and verifies; left out: by sensor size.")
    report: tuple[Mapping[str, Any], ...] = option((), help="Who hears of the run.")
    limits: LimitsShape | None = option(None, help="How long camera and store are waited for.")
    labels: Mapping[str, str] = option(MappingProxyType({}), help="Words kept with every exposure.")
    sequences: Mapping[Named, SequenceShape] = option(MappingProxyType({}), help="Exposures to take, by name.")
    stages: tuple[StageShape, ...] = option((), help="What to make, check and measure, in order.")
    rules: Mapping[str, Mapping[Named, str | RuleShape]] = option(
        MappingProxyType({}), help="By calibration type: each replaces the default of the same name, or adds one."
    )
    accept: AcceptShape | None = option(None, help="How many findings may fail.")
    certify: CertifyShape | None = option(None, help="Where products are certified, and when they hold.")


@frozen
class ProcedureShape:
    """A recipe that a procedure stands for, as written."""

    latcal: Literal[1] = option(1, help="Version of the recipe language.")
    procedure: str = option("", help="Name of the procedure.")
    config: Mapping[str, Any] = option(MappingProxyType({}), help="Its options.")
    instrument: str | None = option(None, help="Stands in place of the one that the procedure names.")
    camera: Mapping[str, Any] | None = option(None, help="Takes the exposures, in place of the procedure's.")
    store: Mapping[str, Any] | None = option(None, help="Keeps all, in place of the procedure's.")
    executor: Mapping[str, Any] | None = option(None, help="Builds and verifies, in place of the procedure's.")
    report: tuple[Mapping[str, Any], ...] | None = option(None, help="Who hears of the run, in place of the procedure's.")


WANTED: Mapping[str, str] = MappingProxyType(
    {
        "latcal": "latcal: 1",
        "instrument": "instrument: bench",
        "camera": "camera: {use: simulated}",
        "store": "store: {use: folder, root: ./store}",
        "sequences": "sequences: {biases: {image: bias, exposures: 20 x 0 s}}",
        "stages": "stages: [{make: bias, frames: [biases]}]",
    }
)
"""Keys that a recipe must have, with what to write."""
