"""Everything that happens in a run, one event at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TypeAlias

from attrs import field, frozen

from latcal.model.frames import Setup
from latcal.model.products import ProductRef
from latcal.model.steps import BudgetLine, Foreseen, Status
from latcal.model.verdicts import Verdict


@frozen
class StepLine:
    """A step of the plan as it is printed.

    Parameters
    ----------
    stage : int or None
        None for a Take.
    kept : bool
        It will not be done, since what it is for is certified already and kept.
    """

    id: int
    verb: str
    label: str
    stage: int | None
    camera_s: float = 0.0
    kept: bool = False


@frozen
class StageLine:
    """A stage of the plan as it is printed: who waived its verification and why, and the rules left out."""

    index: int
    verb: str
    kind: str
    unverified: str = ""
    dropped: tuple[str, ...] = ()


@frozen
class RunStarted:
    """The run begins; preflight comes next.

    Parameters
    ----------
    detectors : mapping of int to str
        The names of the instrument's detectors, by id.
    place : str
        Where the store lies; empty if its kind has no place.
    foreseen : Foreseen or None
        What is taken if the noise budget comes true; None if that is everything.
    """

    run: str
    began: str
    title: str
    recipe: str
    digest: str
    text: str
    settings: tuple[str, ...]
    instrument: str
    camera: str
    store: str
    versions: Mapping[str, str]
    stages: tuple[StageLine, ...]
    steps: tuple[StepLine, ...]
    camera_s: float
    at_most: bool = False
    budget: tuple[BudgetLine, ...] = ()
    detectors: Mapping[int, str] = field(factory=dict)
    place: str = ""
    foreseen: Foreseen | None = None


@frozen
class ResolvedNeed:
    """A need of a step, and the one product that fills it."""

    stage: int
    kind: str
    detector: int
    ref: ProductRef
    collection: str
    step: int = -1


@frozen
class Resolved:
    """Preflight found nothing wrong; these products will be used, and no other."""

    needs: tuple[ResolvedNeed, ...]


@frozen
class Kept:
    """A collection has already what a stage would make: its steps are not done, and this is used in their place.

    Parameters
    ----------
    valid : str
        When they hold.
    setting : str
        What to set from outside to make others.
    unverified : str
        Who waived their verification and why; empty if they were judged.
    """

    stage: int
    refs: tuple[ProductRef, ...]
    collection: str
    valid: str
    setting: str
    unverified: str = ""

    @property
    def reason(self) -> str:
        """Why the steps of the stage are skipped, in one line."""
        runs = " and ".join(dict.fromkeys(ref.run for ref in self.refs))
        unverified = f" UNVERIFIED ({self.unverified})" if self.unverified else ""
        return f"already certified{unverified} into {self.collection}, {self.valid}, by run {runs}"


@frozen
class StepStarted:
    """A step begins, so many seconds into the run."""

    step: int
    at_s: float


@frozen
class Exposed:
    """The camera has finished an exposure and is free again."""

    step: int
    exposure: int
    time_s: float
    setup: Setup
    at_s: float = field(default=0.0, eq=False)


@frozen
class Ingested:
    """An exposure is in the store, checked and prepared; checksum by detector."""

    step: int
    exposure: int
    checksums: Mapping[str, str]
    levels: Mapping[str, float]


@frozen
class Solved:
    """A level asked for has become an exposure time."""

    sequence: str
    level: str
    time_s: float
    probes: tuple[tuple[float, float], ...]


@frozen
class Built:
    """Products are in the store, not yet verified."""

    step: int
    refs: tuple[ProductRef, ...]


def _same(value: float) -> tuple[bool, float]:
    return (True, 0.0) if math.isnan(value) else (False, value)


@frozen
class Figure:
    """A value with its standard error, NaN where there is none; what is NaN equals itself.

    Parameters
    ----------
    untested : str
        Why no rule is applied to it: then it is a bound at best.
    """

    value: float = field(eq=_same)
    error: float = field(default=math.nan, eq=_same)
    untested: str = ""


@frozen
class Shown:
    """A metric amplifier by amplifier, in its unit.

    Parameters
    ----------
    figures : mapping of str to Figure
        By detector and amplifier, ``S00 C00``; where they are of exposures, by exposure first, ``2022110400023 S00 C00``.
    each : bool
        Whether they are of each exposure or group, which has the id of its first.
    """

    metric: str
    unit: str
    figures: Mapping[str, Figure]
    each: bool = False


@frozen
class Judged:
    """A verdict was reached.

    Parameters
    ----------
    numbers : mapping of str to mapping
        By metric: its median, least and greatest value.
    units : mapping of str to str
        By metric.
    shown : tuple of Shown
        What the calibration type shows amplifier by amplifier.
    """

    step: int
    verdict: Verdict
    numbers: Mapping[str, Mapping[str, float]] = field(factory=dict)
    units: Mapping[str, str] = field(factory=dict)
    shown: tuple[Shown, ...] = ()


@frozen
class Certified:
    """Products were entered in a collection."""

    step: int
    refs: tuple[ProductRef, ...]
    collection: str
    valid: str


@frozen
class Noted:
    """Something that a person should know and that decides nothing."""

    what: str
    step: int | None = None


@frozen
class StepEnded:
    """A step ended.

    Parameters
    ----------
    reason : str
        Why it was refused, failed or skipped; one line.
    exit_code : int
        What it contributes to the run's exit code.
    """

    step: int
    status: Status
    reason: str = ""
    exit_code: int = 0
    at_s: float = field(default=0.0, eq=False)


@frozen
class RunEnded:
    """The run is over."""

    interrupted: bool = False
    at_s: float = field(default=0.0, eq=False)


Event: TypeAlias = (
    RunStarted
    | Resolved
    | Kept
    | StepStarted
    | Exposed
    | Ingested
    | Solved
    | Built
    | Judged
    | Certified
    | Noted
    | StepEnded
    | RunEnded
)
EVENTS = (
    RunStarted,
    Resolved,
    Kept,
    StepStarted,
    Exposed,
    Ingested,
    Solved,
    Built,
    Judged,
    Certified,
    Noted,
    StepEnded,
    RunEnded,
)
