"""Ask camera and store, before the first exposure, all that only they can answer. Nothing is moved or written."""

from __future__ import annotations

from collections.abc import Iterator

from astropy.time import Time

from latcal.errors import NotReady, Problem, ProductNotFound
from latcal.model.events import Resolved, ResolvedNeed
from latcal.model.frames import ExposureRequest
from latcal.model.products import ProductRef
from latcal.model.recipe import Path
from latcal.model.steps import Build, Certify, FromCollections, FromStep, Plan, Source, Take, Verify
from latcal.plugin.declarations import Camera, Store
from latcal.plugin.registry import Registry

Found = dict[tuple[int, str, int], ProductRef]
MARGIN = 1.1
"""Room asked for over the raw frames themselves; our choice, for products and reports."""


def requests(plan: Plan, numbers: tuple[int, ...] = ()) -> tuple[ExposureRequest, ...]:
    """Give every exposure of a plan as the camera will be asked; time 0 where it is solved for later."""
    return tuple(
        request(plan, take, numbers[take.index] if numbers else take.index, take.time_s or 0.0)
        for take in plan.steps
        if isinstance(take, Take)
    )


def request(plan: Plan, take: Take, number: int, time_s: float) -> ExposureRequest:
    """Give one exposure as the camera is asked for it."""
    return ExposureRequest(
        number=number,
        index=take.index,
        image=take.image,
        time_s=time_s,
        setup=take.setup,
        sequence=take.sequence,
        detectors=take.detectors,
        discarded=take.discarded or take.probe,
        labels=dict(plan.recipe.labels),
    )


def sources(step: Build | Verify) -> dict[str, Source]:
    """Give where each product that a step uses comes from, the one that it verifies among them."""
    product = step.product if isinstance(step, Verify) else None
    return {**step.needs, **({step.kind: product} if product else {})}


def _at(plan: Plan, stage: int, *keys: str, what: str, hint: str = "") -> Problem:
    path: Path = ("stages", stage, *keys)
    return Problem(what, hint, plan.recipe.marks.at(path), ".".join(str(part) for part in path))


def _look_up(plan: Plan, registry: Registry, store: Store, now: Time, found: Found) -> Iterator[Problem]:
    """Find the one product for every need that a collection fills."""
    for step in plan.steps:
        if not isinstance(step, Build | Verify):
            continue
        planned = plan.stages[step.stage]
        whole = plan.takes(step.takes)[0].setup
        for kind, source in sources(step).items():
            if not isinstance(source, FromCollections):
                continue
            setup = whole.only(registry.get("calibration", kind).setup)
            for detector in planned.detectors:
                try:
                    ref = store.find(kind, detector, setup, now, source.collections)
                except ProductNotFound as error:
                    yield _at(plan, step.stage, what=str(error), hint="certify one there, or name other collections")
                    continue
                earlier = found.setdefault((step.stage, kind, detector), ref)
                if earlier != ref:
                    what = f"building uses {earlier}, verifying {ref}: not the same {kind}"
                    yield _at(plan, step.stage, "verify", what=what, hint="name the same collections")


def _pins(plan: Plan, registry: Registry, found: Found) -> Iterator[Problem]:
    """Refuse a product that was made with another bias (say) than the one it is used with."""
    for step in plan.steps:
        if not isinstance(step, Build | Verify):
            continue
        planned = plan.stages[step.stage]
        named = registry.named("calibration", step.kind)
        waived = registry.call(named, named.declaration.unpinned, planned.stage.options)
        used = sources(step)
        for detector in planned.detectors:
            for kind in used:
                ref = found.get((step.stage, kind, detector))
                for pinned, wanted in ref.pins.items() if ref and ref.kind not in waived else ():
                    if pinned not in used:
                        continue
                    source = used[pinned]
                    other = found.get((step.stage, pinned, detector))
                    if isinstance(source, FromStep) or (other and other.id != wanted):
                        what = f"{ref} was made with the {pinned} {wanted[:12]}, and would be used with " + (
                            f"{other.id[:12]}" if other else "the one made in this run"
                        )
                        hint = f"make a {kind} too, name collections that hold its {pinned}, or say other_{pinned}: WHY"
                        yield _at(plan, step.stage, what=what, hint=hint)


def _preparations(plan: Plan, found: Found) -> Iterator[Problem]:
    for (stage, kind, detector), ref in found.items():
        mine = str(plan.stages[stage].preparation)
        if ref.preparation and ref.preparation != mine:
            what = f"the {kind} of detector {detector} was made with {ref.preparation}, and frames are prepared with {mine}"
            yield _at(plan, stage, what=what, hint="set the same overscan models in the options of the stage")


def _free(plan: Plan, store: Store) -> Iterator[Problem]:
    for step in plan.steps:
        if isinstance(step, Certify):
            planned, certificate = plan.stages[step.stage], step.certificate
            for detector in planned.detectors:
                if not store.is_free(step.kind, detector, planned.setup, certificate.into, certificate.valid):
                    what = (
                        f"{certificate.into}: a {step.kind} for detector {detector} is already valid in part of "
                        f"{certificate.valid}"
                    )
                    hint = f"certify into another collection: --set certify.into={certificate.into}.2, or another range"
                    yield _at(plan, step.stage, what=what, hint=hint)
    room, size = store.free_bytes(), plan.estimate.raw_bytes * MARGIN
    if room is not None and room < size:
        yield Problem(
            f"the store has room for {room / 1e9:.1f} GB, and the exposures need {size / 1e9:.1f} GB", "make room"
        )


def resolve(plan: Plan, registry: Registry, store: Store, camera: Camera, now: Time) -> Resolved:
    """Ask everything at once.

    Raises
    ------
    NotReady
        With every problem found.
    """
    found: Found = {}
    problems = list(_look_up(plan, registry, store, now, found))
    problems += _pins(plan, registry, found)
    problems += _preparations(plan, found)
    problems += _free(plan, store)
    named = registry.named("camera", plan.recipe.camera.use)
    where = plan.recipe.marks.at(("camera",))
    told = registry.call(named, camera.problems, requests(plan))
    problems += [Problem(text, "", where, "camera") for text in told or ()]
    for _, answer in registry.hook("latcal_preflight", plan=plan, store=store, camera=camera):
        problems += list(answer or ())
    if problems:
        raise NotReady(dict.fromkeys(problems))
    return Resolved(
        tuple(
            ResolvedNeed(stage, kind, detector, ref, ref.collection)
            for (stage, kind, detector), ref in sorted(found.items(), key=lambda entry: entry[0])
        )
    )
