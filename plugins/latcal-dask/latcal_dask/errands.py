"""The part of a step that is of one detector, as it is sent to a worker: names, never pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen
from latcal.formats.plain import unstructure
from latcal.plugin import Build, Measurement, Order, Plan, Product, ProductRef, Provenance, Verify


@frozen
class Errand:
    """What a worker is to do for one detector in one step.

    Parameters
    ----------
    place : str
        Name of the workplace of the run.
    build : bool
        Whether products are built; otherwise exposures are measured.
    options : mapping
        Of the calibration type, as a recipe writes them.
    groups : tuple of tuple of int
        Ids of exposures that go together; empty where nothing is grouped.
    needs : mapping of str to ProductRef
        By kind.
    verified : tuple of ProductRef
        What is verified: of the detector, or of each group.
    internal : bool
        Whether these exposures made what is verified.
    residuals : bool
        Whether the images that were measured are kept.
    last : bool
        Whether no later step reads these exposures: prepared frames can go.
    """

    place: str
    build: bool
    kind: str
    options: Mapping[str, Any]
    detector: int
    name: str
    exposures: tuple[int, ...]
    groups: tuple[tuple[int, ...], ...]
    needs: Mapping[str, ProductRef]
    verified: tuple[ProductRef, ...]
    provenance: Provenance
    internal: bool
    residuals: bool
    last: bool

    def __str__(self) -> str:
        return f"{self.kind} of detector {self.name}"


@frozen
class Done:
    """What came of an errand.

    Parameters
    ----------
    worker : str
        Address of who did it.
    products : tuple of (ProductRef, Product)
        What was built or verified, without planes.
    """

    worker: str
    products: tuple[tuple[ProductRef, Product], ...]
    measured: tuple[Measurement, ...] = ()


def errands(order: Order, plan: Plan, place: str) -> Iterator[Errand]:
    """Give an order detector by detector."""
    stage, building = order.stage.stage, isinstance(order.step, Build)
    for number in order.stage.detectors:
        yield Errand(
            place=place,
            build=building,
            kind=order.step.kind,
            options=unstructure(stage.options, omit_defaults=True),
            detector=number,
            name=plan.instrument.detector(number).name,
            exposures=tuple(one.id for one in order.exposures),
            groups=order.groups,
            needs=order.needs[number],
            verified=tuple(ref for ref in order.verified if ref.detector == number),
            provenance=order.provenance,
            internal=stage.verb != "check",
            residuals="residuals" in stage.keep and not building,
            last=not _is_read_again(order.step, plan),
        )


def _is_read_again(step: Build | Verify, plan: Plan) -> bool:
    """Tell whether a later step reads exposures of this one; a verification that is waived reads none."""
    return any(
        isinstance(other, Build) or not plan.stages[other.stage].stage.verify.waiver
        for other in plan.steps
        if isinstance(other, Build | Verify) and other.id > step.id and set(other.takes) & set(step.takes)
    )
