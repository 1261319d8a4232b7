"""What a collection has already where a stage would certify: nothing, products to keep, or what is in the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from attrs import evolve

from latcal.errors import PluginError, Problem
from latcal.model.events import Kept
from latcal.model.frames import Setup
from latcal.model.steps import Certify, Plan, PlannedStage
from latcal.plugin.protocols import Certification, Store

Held = Mapping[int, tuple[Certification, ...]]
"""By detector id: what is valid at some time of the range asked for."""


def occupancy(plan: Plan, step: Certify, setup: Setup, store: Store) -> Kept | tuple[Problem, ...]:
    """Say what is there already.

    Parameters
    ----------
    setup : Setup
        Of the products that would be certified.

    Returns
    -------
    Kept or tuple of Problem
        No problem if the range is free for every detector. `Kept` if the recipe says so, and every detector has one
        product that holds for all of the range, judged if the stage judges. A problem for all else.
    """
    planned, one = plan.stages[step.stage], step.certificate
    taken = [
        detector
        for detector in planned.detectors
        if not store.is_free(step.kind, detector, setup, one.into, one.valid)
    ]
    if not taken:
        return ()
    held = _held(step, planned, setup, store)
    if not any(held.values()):
        raise PluginError(f"the store says that {one.into} holds a {step.kind} in {one.valid}, and lists none there")
    faults, key = tuple(_faults(step, planned, held)), _key(plan, planned, "into")
    if one.occupied == "keep" and not faults:
        return _kept(step, held, key)
    hint = f"certify into another collection: --set {key}={one.into}.2, or another range"
    if one.occupied == "keep":
        return tuple(_problem(plan, step, what, hint) for what in faults)
    keep = "" if faults or plan.recipe.marks.names else _key(plan, planned, "occupied")  # a procedure has no key for it
    hint += f"; or keep what is there: --set {keep}=keep" if keep else ""
    whats = (f"a {step.kind} for detector {detector} is already valid in part of {one.valid}" for detector in taken)
    return tuple(_problem(plan, step, what, hint) for what in whats)


def _held(step: Certify, planned: PlannedStage, setup: Setup, store: Store) -> Held:
    one = step.certificate
    mine = [entry for entry in store.list(step.kind, one.into) if entry.ref.setup == setup]
    return {
        detector: tuple(e for e in mine if e.ref.detector == detector and e.valid.overlaps(one.valid))
        for detector in planned.detectors
    }


def _faults(step: Certify, planned: PlannedStage, held: Held) -> Iterator[str]:
    """Say what of it cannot be kept."""
    valid, kind = step.certificate.valid, step.kind
    none = [detector for detector, entries in held.items() if not entries]
    for detector, entries in held.items():
        whole = any(entry.valid.covers(valid) for entry in entries)
        if entries and not whole:
            ranges = " and ".join(str(entry.valid) for entry in entries)
            yield f"a {kind} for detector {detector} is already valid in part of {valid} only: {ranges}"
        elif entries and none:
            missing = ", ".join(map(str, none))
            yield f"a {kind} for detector {detector} is already valid in all of {valid}, and none for detector {missing}"
        for entry in entries if whole and not planned.stage.verify.waiver else ():
            if entry.unverified:
                yield f"the {kind} for detector {detector} was certified unverified ({entry.unverified})"


def _kept(step: Certify, held: Held, key: str) -> Kept:
    into, valid = step.certificate.into, step.certificate.valid
    entries = [next(entry for entry in found if entry.valid.covers(valid)) for found in held.values()]
    return Kept(
        stage=step.stage,
        refs=tuple(evolve(entry.ref, collection=into) for entry in entries),
        collection=into,
        valid=_words(str(entry.valid) for entry in entries),
        setting=f"{key}={into}.2",
        unverified=_words(entry.unverified for entry in entries),
    )


def _words(texts: Iterable[str]) -> str:
    """Give each text once."""
    return " and ".join(dict.fromkeys(text for text in texts if text))


def _key(plan: Plan, planned: PlannedStage, key: str) -> str:
    """Give a key of what says where the products of a stage go, as a person writes it."""
    return plan.recipe.marks.name((*_path(planned), key))


def _path(planned: PlannedStage) -> tuple[str | int, ...]:
    return ("stages", planned.index, "certify") if planned.stage.certify else ("certify",)


def _problem(plan: Plan, step: Certify, what: str, hint: str) -> Problem:
    path = (*_path(plan.stages[step.stage]), "into")
    return plan.recipe.problem(*path, what=f"{step.certificate.into}: {what}", hint=hint)
