"""What a person wrote, typed and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

from attrs import field, frozen

from latcal.errors import Problem, Where
from latcal.model.exposures import Exposures
from latcal.model.rules import Rule
from latcal.model.validity import ValidityRange
from latcal.model.verdicts import Acceptance

VERBS = ("make", "check", "measure")
ANSWER_S = 120.0
"""How long the frames of an exposure are waited for [s]; our choice, that of `INGEST_S`."""
ABORT_S = 30.0
"""How long a camera that was told to abort, or to close, is waited for [s]; our choice."""
INGEST_S = 120.0
"""How long frames may take to be in the store after the last exposure of their sequence [s]: the `oods_timeout` of the
LATISS procedure's page."""
Path = tuple[str | int, ...]
Occupied: TypeAlias = Literal["refuse", "keep"]


@frozen
class Marks:
    """Where each key of a recipe stands in its text.

    Parameters
    ----------
    names : mapping of path to str
        What messages call the keys at and below a path, where a person wrote other keys than the recipe has; an empty
        text for those that are as written; under the empty path, what goes before all others.
    """

    places: Mapping[Path, Where] = field(factory=dict)
    names: Mapping[Path, str] = field(factory=dict)

    def at(self, path: Path) -> Where | None:
        """Give the place of a key, or of the nearest one above it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return None

    def name(self, path: Path) -> str:
        """Give what messages call a key: as a person wrote it."""
        dotted = ".".join(str(part) for part in path)
        end = next((end for end in range(len(path), -1, -1) if path[:end] in self.names), None)
        called = "" if end is None else self.names[path[:end]]
        return called if called and end else ": ".join(filter(None, (called, dotted)))


@frozen
class Use:
    """A declaration that is used, and its options."""

    use: str
    options: Any


@frozen
class Sequence:
    """Exposures of one image type, taken together, some discarded at the start.

    Parameters
    ----------
    discarded : Exposures or None
        Those that are discarded, if they are not of the first time.
    pause_s : float [s]
        Waited before every exposure but the first.
    longest_s : float or None [s]
        Longest time that a level is solved to; None for what planning chooses.
    """

    name: str
    image: str
    exposures: Exposures
    discard: int = 0
    filter: str | None = None
    grating: str | None = None
    discarded: Exposures | None = None
    pause_s: float = 0.0
    longest_s: float | None = None


@frozen
class TimeLimits:
    """How long a camera and a store are waited for.

    Parameters
    ----------
    answer_s : float [s]
        After an exposure's time and the camera's overhead, until all its frames are there; and until it has answered
        any other question.
    abort_s : float [s]
        After it was told to abort, or to close.
    ingest_s : float [s]
        After the last exposure of a sequence, until all its frames are in the store.
    """

    answer_s: float = ANSWER_S
    abort_s: float = ABORT_S
    ingest_s: float = INGEST_S


@frozen
class Certificate:
    """Where products go, and from when until when they hold.

    Parameters
    ----------
    occupied : str
        What to do where the collection has such products for all of that time: ``refuse`` to run, or ``keep`` them.
    """

    into: str
    valid: ValidityRange
    occupied: Occupied = "refuse"


@frozen
class Verification:
    """How a stage departs from its rules.

    Parameters
    ----------
    drop, advisory : tuple of str
        Rules left out, or reported only, by name.
    waived_by, reason : str
        Who takes the product without verification, and why.
    collections : tuple of str
        References beside the product itself, if they differ from the stage's own.
    """

    collections: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    advisory: tuple[str, ...] = ()
    waived_by: str = ""
    reason: str = ""

    @property
    def waiver(self) -> str:
        """Who and why, in one line; empty if nothing is waived."""
        return f"{self.waived_by}: {self.reason}" if self.waived_by else ""


@frozen
class Stage:
    """One verb, one calibration type, its frames and options."""

    verb: str
    kind: str
    frames: tuple[str, ...]
    options: Any
    collections: tuple[str, ...] = ()
    accept: Acceptance | None = None
    certify: Certificate | None = None
    rules: tuple[Rule, ...] = ()
    verify: Verification = field(factory=Verification)
    detectors: tuple[int, ...] = ()
    at_least: int | None = None
    wait: bool = False
    keep: tuple[str, ...] = ()


@frozen
class Recipe:
    """A recipe, read.

    Parameters
    ----------
    instrument : str
        A name, or the path of an instrument file.
    folder : str
        Where the recipe lies; relative paths of instrument files start there.
    rules : mapping of str to tuple of Rule
        By calibration type.
    remarks : tuple of str
        What a procedure says of the recipe that it gave.
    text, settings : str, tuple of str
        What was written, and what was set from outside.
    digest : str
        SHA-256 of the two.
    """

    name: str
    title: str
    instrument: str
    camera: Use
    store: Use
    sequences: Mapping[str, Sequence]
    stages: tuple[Stage, ...]
    executor: Use | None = None
    report: tuple[Use, ...] = ()
    limits: TimeLimits = field(factory=TimeLimits)
    labels: Mapping[str, str] = field(factory=dict)
    rules: Mapping[str, tuple[Rule, ...]] = field(factory=dict)
    accept: Acceptance = field(factory=Acceptance)
    certify: Certificate | None = None
    version: int = 1
    remarks: tuple[str, ...] = field(default=(), eq=False)
    marks: Marks = field(factory=Marks, eq=False, repr=False)
    text: str = field(default="", eq=False, repr=False)
    settings: tuple[str, ...] = field(default=(), eq=False)
    digest: str = field(default="", eq=False)
    folder: str = field(default="", eq=False)

    def problem(self, *path: str | int, what: str, hint: str = "") -> Problem:
        """Make a problem with one of its keys, at its place."""
        return Problem(what, hint, self.marks.at(path), self.marks.name(path))
