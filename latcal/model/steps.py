"""What the engine will do: an ordered tuple of four kinds of step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, TypeAlias

from attrs import field, frozen

from latcal.model.exposures import Level, Rung
from latcal.model.frames import Setup
from latcal.model.geometry import Instrument, Preparation
from latcal.model.recipe import Certificate, Recipe, Stage
from latcal.model.rules import CheckedRule
from latcal.model.verdicts import Acceptance

SPARE = "  (probe, if it is needed)"
"""How the label of a probe ends that is taken only where others do not tell enough."""


class Status(Enum):
    """How a step or a stage ended."""

    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"
    SKIPPED = "skipped"


@frozen
class Take:
    """Ask the camera for one exposure.

    Parameters
    ----------
    id : int
        Place in the plan, from zero; every step has one.
    index : int
        Place among the exposures of the run.
    position, of : int
        Its place in its sequence, from one, and how many that has, probes included.
    time_s : float or None [s]
        None when it is solved from probes.
    level : Level or Rung or None
        What it is solved for.
    probe : bool
        Taken to find a time; not used otherwise.
    spare : bool
        A probe that is taken only if those before it do not tell enough.
    zero : bool
        A probe without light, of another image type than the sequence: levels are counted from it where no overscan is.
    longest_s : float [s]
        Longest time that it is solved to.
    expected_s : float or None [s]
        The time that it will be solved to, by the light that the camera knows of; None if it knows none.
    pause_s : float [s]
        Waited before it.
    """

    id: int
    sequence: str
    index: int
    position: int
    of: int
    image: str
    time_s: float | None
    level: Level | Rung | None
    setup: Setup
    detectors: tuple[int, ...]
    discarded: bool = False
    probe: bool = False
    pause_s: float = 0.0
    spare: bool = False
    zero: bool = False
    longest_s: float = 0.0
    expected_s: float | None = None
    stage: None = None

    def __str__(self) -> str:
        what = f"{self.time_s:g} s" if self.time_s is not None else "to half of full well" if self.probe else f"for {self.level}"
        tail = f"  (probe without light, a {self.image})" if self.zero else SPARE if self.spare else "  (probe)" if self.probe else "  (discarded)" if self.discarded else ""
        return f"Take {self.sequence} {self.position}/{self.of}  {what}{tail}"


@frozen
class FromStep:
    """A product that an earlier step of this plan makes."""

    step: int


@frozen
class FromCollections:
    """A product that must exist already, looked up in order."""

    collections: tuple[str, ...]


Source: TypeAlias = FromStep | FromCollections


@frozen
class Build:
    """Build the products of a stage, one per detector.

    Parameters
    ----------
    takes : tuple of int
        Steps whose exposures go in; discarded ones are not among them.
    needs : mapping of str to Source
        Where each needed kind comes from.
    """

    id: int
    stage: int
    kind: str
    takes: tuple[int, ...]
    needs: Mapping[str, Source]

    def __str__(self) -> str:
        return f"Build {self.kind}  from {len(self.takes)} exposures" + _needs(self.needs)


@frozen
class Verify:
    """Measure every exposure with the product applied, and judge.

    Parameters
    ----------
    product : Source or None
        What is verified; None for a measurement that makes no product.
    """

    id: int
    stage: int
    kind: str
    takes: tuple[int, ...]
    needs: Mapping[str, Source]
    product: Source | None

    def __str__(self) -> str:
        return f"Verify {self.kind}  on {len(self.takes)} exposures" + _needs(self.needs)


@frozen
class Certify:
    """Enter the products of a stage in a collection."""

    id: int
    stage: int
    kind: str
    build: int
    certificate: Certificate

    def __str__(self) -> str:
        tail = ", unless already certified" if self.certificate.occupied == "keep" else ""
        return f"Certify {self.kind}  into {self.certificate.into}, {self.certificate.valid}{tail}"


Step: TypeAlias = Take | Build | Verify | Certify


def _needs(needs: Mapping[str, Source]) -> str:
    words = [
        f"{kind} of step {source.step}"
        if isinstance(source, FromStep)
        else f"{kind} in {', '.join(source.collections)}"
        for kind, source in needs.items()
    ]
    return f"  with {', '.join(words)}" if words else ""


@frozen
class PlannedStage:
    """A stage with all that planning has settled.

    Parameters
    ----------
    rules : tuple of CheckedRule
        In force, defaults included; empty only when waived.
    setup : Setup
        Of its products.
    """

    index: int
    stage: Stage
    rules: tuple[CheckedRule, ...]
    acceptance: Acceptance
    detectors: tuple[int, ...]
    setup: Setup
    preparation: Preparation
    at_least: int


@frozen
class BudgetLine:
    """What noise a rule of a stage is expected to see.

    Parameters
    ----------
    excess : float or None
        Expected noise over the noise of one frame, minus one; None if only the store can tell.
    limit : float
        The rule's own limit on it.
    time_s : float or None [s]
        Of the exposures that it is of, where `case` is not empty; None if their type does not tell.
    """

    stage: int
    kind: str
    rule: str
    case: str
    excess: float | None
    limit: float
    more: int | None = None
    note: str = ""
    more_of: str = ""
    time_s: float | None = None

    @property
    def fails(self) -> bool:
        """Whether the rule will fail on these exposures."""
        return self.excess is not None and abs(self.excess) > self.limit

    def concerns(self, take: Take) -> bool:
        """Tell whether it is of an exposure, as far as that is known."""
        return not self.case or (self.time_s is not None and self.time_s == take.time_s)


@frozen
class Foreseen:
    """What a run does if the noise budget comes true: what WILL FAIL is refused, and what needs it is skipped.

    Parameters
    ----------
    refused : tuple of int
        Stages that will be refused, and whose refusal skips steps.
    skipped : tuple of int
        Steps that are then skipped; of their exposures those that have not begun when the refusal is known.
    camera_s : float [s]
        Camera time of the exposures that are taken for certain, or may have begun by then.
    least_s : float [s]
        Camera time if every refusal is known before the next exposure. It equals `camera_s` where the camera waits for
        the stages that are refused (``wait: true``).
    at_most, expected_s : bool, float or None [s]
        As those of `Estimate`, of what `camera_s` is of.
    """

    refused: tuple[int, ...]
    skipped: tuple[int, ...]
    camera_s: float
    least_s: float
    at_most: bool = False
    expected_s: float | None = None


@frozen
class Estimate:
    """What exposures cost.

    Parameters
    ----------
    camera_s : float [s]
        Camera time, if nothing is refused.
    at_most : bool
        Whether it is only an upper limit, some times being yet to be solved.
    raw_bytes : int [byte]
    expected_s : float or None [s]
        Camera time by the light that the camera knows of; None if it knows none.
    foreseen : Foreseen or None
        What is taken if the noise budget comes true; None if no refusal that it says would save an exposure.
    """

    camera_s: float
    at_most: bool
    raw_bytes: int
    expected_s: float | None = None
    foreseen: Foreseen | None = None


@frozen
class Plan:
    """The ordered steps, and what they were planned from."""

    recipe: Recipe
    instrument: Instrument
    stages: tuple[PlannedStage, ...]
    steps: tuple[Step, ...]
    estimate: Estimate
    budget: tuple[BudgetLine, ...]
    executor: Any
    remarks: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(factory=dict)

    def stage_takes(self, index: int) -> tuple[Take, ...]:
        """Give the Take steps whose exposures a stage verifies."""
        ids = next(step.takes for step in self.steps if isinstance(step, Verify) and step.stage == index)
        return takes_of(self.steps, ids)

    def users(self, take: Take) -> tuple[PlannedStage, ...]:
        """Give the stages that list the sequence of an exposure."""
        return tuple(planned for planned in self.stages if take.sequence in planned.stage.frames)

    def takes(self, ids: tuple[int, ...]) -> tuple[Take, ...]:
        """Give the Take steps of those ids."""
        return takes_of(self.steps, ids)


def sources(step: Build | Verify) -> dict[str, Source]:
    """Give where each product that a step uses comes from, the one that it verifies among them."""
    product = step.product if isinstance(step, Verify) else None
    return {**step.needs, **({step.kind: product} if product else {})}


def takes_of(steps: Sequence[Step], ids: tuple[int, ...]) -> tuple[Take, ...]:
    """Give the Take steps of those ids."""
    return tuple(step for step in (steps[i] for i in ids) if isinstance(step, Take))
