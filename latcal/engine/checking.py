"""What planning refuses: faults of meaning that need the instrument, the camera or the whole plan."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from attrs import evolve

from latcal.engine import level_times
from latcal.errors import Problem
from latcal.model.exposures import Ladder, Rung
from latcal.model.frames import Setup
from latcal.model.geometry import Instrument
from latcal.model.recipe import Recipe, Sequence, Stage
from latcal.model.steps import Build, Certify, FromCollections, FromStep, Plan, PlannedStage, Verify, sources
from latcal.numerics.allowed import PARALLEL_MODELS, SERIAL_MODELS
from latcal.plugin.carrying import packed
from latcal.plugin.contracts import Promised
from latcal.plugin.declarations import CalibrationType
from latcal.plugin.inputs import Light
from latcal.plugin.lookup import is_of_runs
from latcal.plugin.protocols import CameraDescription, Task
from latcal.plugin.registry import Registry


def _at(recipe: Recipe, *path: str | int, what: str, hint: str) -> Problem:
    return recipe.problem(*path, what=what, hint=hint)


def _among(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, known, 1, 0.4)
    return f"did you mean {near[0]!r}?" if near else f"there is {', '.join(known) or 'none'}"


def before(
    recipe: Recipe, registry: Registry, instrument: Instrument, camera: CameraDescription | None
) -> Iterator[Problem]:
    """Check sequences and stages against instrument and camera."""
    for sequence in recipe.sequences.values():
        yield from _sequence(recipe, registry, sequence, instrument, camera)
        if not any(sequence.name in stage.frames for stage in recipe.stages):
            what = "no stage lists it, so it would never be taken"
            yield _at(
                recipe, "sequences", sequence.name, what=what, hint="name it in the frames of a stage, or remove it"
            )
    yield from _destinations(recipe)
    used = {stage.kind for stage in recipe.stages}
    for kind in sorted(set(recipe.rules) - used):
        what = f"no stage makes, checks or measures {kind}"
        yield _at(recipe, "rules", kind, what=what, hint=f"remove them, or write a stage for {kind}")
    for index, stage in enumerate(recipe.stages):
        yield from _stage(recipe, registry, instrument, camera, index, stage)


def _destinations(recipe: Recipe) -> Iterator[Problem]:
    """Refuse to certify into what is kept for the collections of runs."""
    stages = ((("stages", index, "certify"), stage.certify) for index, stage in enumerate(recipe.stages))
    for path, certificate in ((("certify",), recipe.certify), *stages):
        if certificate is not None and is_of_runs(certificate.into):
            what = f"{certificate.into!r} is kept for what runs built, certified or not"
            yield _at(recipe, *path, "into", what=what, hint="name another collection, such as 'calib/daily'")


def _sequence(
    recipe: Recipe, registry: Registry, sequence: Sequence, instrument: Instrument, camera: CameraDescription | None
) -> Iterator[Problem]:
    filters, whose = instrument.filters, instrument.name
    if camera and camera.filters is not None and set(camera.filters) != set(filters):
        filters, whose = camera.filters, f"the camera {recipe.camera.use!r}"
    for key, known, of in (("filter", filters, whose), ("grating", instrument.gratings, instrument.name)):
        value = getattr(sequence, key)
        by_slot = key == "filter" and camera is not None and camera.slots and str(value).isdecimal()
        if value is not None and value not in known and not by_slot:
            what = f"{value!r} is not a {key} of {of}"
            yield _at(recipe, "sequences", sequence.name, key, what=what, hint=_among(value, known))
    path = ("sequences", sequence.name, "exposures")
    if camera and camera.images is not None and sequence.image not in camera.images:
        what = f"the camera {recipe.camera.use!r} takes no {sequence.image!r}"
        yield _at(
            recipe,
            "sequences",
            sequence.name,
            "image",
            what=what,
            hint=_among(sequence.image, tuple(sorted(camera.images))),
        )
    if camera:
        for time in sorted(set(sequence.exposures.times_s)):
            if not camera.shortest_s <= time <= camera.longest_s:
                what = f"{time:g} s is not a time that the camera can expose"
                yield _at(recipe, *path, what=what, hint=f"write {camera.shortest_s:g} s to {camera.longest_s:g} s")
    yield from _levels(recipe, sequence, instrument, camera)
    if sequence.exposures.levels and not level_times.zero_image(camera) and level_times.needs_zero(recipe, registry, instrument, sequence):
        what = f"levels are counted from an exposure without light where there is no overscan, and {recipe.camera.use!r} takes none"
        yield _at(recipe, *path, what=what, hint="write times, or the overscans in the instrument file")


def _levels(
    recipe: Recipe, sequence: Sequence, instrument: Instrument, camera: CameraDescription | None
) -> Iterator[Problem]:
    """Refuse levels that no exposure can have, and ladders that lead down."""
    path, ends = ("sequences", sequence.name), instrument.ends
    gain = max(amplifier.gain for detector in instrument.detectors for amplifier in detector.amplifiers)
    for group in sequence.exposures.groups:
        if isinstance(group, Ladder) and not instrument.electrons(group.low) < instrument.electrons(group.high):
            low, high = (f"{end} ({instrument.electrons(end):.0f} electron)" for end in (group.low, group.high))
            yield _at(recipe, *path, "exposures", what=f"{low} is not below {high}", hint="write the lower level first")
    levels = {level.high if isinstance(level, Rung) else level for level in sequence.exposures.levels}
    for level in sorted(levels, key=str):
        if level.electrons(gain, ends) >= ends:
            what = f"{level} is not below full well and saturation, {ends:.0f} electron"
            hint = "write a lower level, such as '50 % of full well'"
            yield _at(recipe, *path, "exposures", what=what, hint=hint)
    if sequence.longest_s is None:
        return
    if not sequence.exposures.levels:
        yield _at(recipe, *path, "longest", what="no exposure of it is to a level", hint="remove longest")
    elif camera and not camera.shortest_s < sequence.longest_s <= camera.longest_s:
        what = f"{sequence.longest_s:g} s is not a time that the camera can expose"
        hint = f"write {camera.shortest_s:g} s to {camera.longest_s:g} s"
        yield _at(recipe, *path, "longest", what=what, hint=hint)


def _stage(
    recipe: Recipe,
    registry: Registry,
    instrument: Instrument,
    camera: CameraDescription | None,
    index: int,
    stage: Stage,
) -> Iterator[Problem]:
    named = registry.named("calibration", stage.kind)
    kind = named.declaration
    sequences = tuple(recipe.sequences[name] for name in stage.frames)
    if len(set(stage.detectors)) < len(stage.detectors):
        what = f"{list(stage.detectors)} names a detector twice"
        yield _at(recipe, "stages", index, "detectors", what=what, hint="write each once")
    yield from _keys(recipe, named.declaration, index, stage)
    for detector in stage.detectors:
        if detector not in [one.id for one in instrument.detectors]:
            ids = ", ".join(str(one.id) for one in instrument.detectors)
            what = f"{detector} is not a detector of {instrument.name}"
            yield _at(recipe, "stages", index, "detectors", what=what, hint=f"there is {ids}")
    setups = {Setup(filter=s.filter, grating=s.grating).only(kind.setup) for s in sequences}
    if len(setups) > 1:
        words = " and ".join(sorted(str(setup) or "none" for setup in setups))
        what = f"frames of different setups ({words}) are not one {stage.kind}"
        yield _at(recipe, "stages", index, "frames", what=what, hint="write one stage for each setup")
    light = Light(camera.light if camera else None, instrument.ends)
    faults = registry.ask(named, "check", sequences, stage.options)
    for what, hint in (*faults, *registry.ask(named, "check_light", sequences, stage.options, light)):
        yield _at(recipe, "stages", index, stage.verb, what=what, hint=hint)
    count = sum(len(sequence.exposures) for sequence in sequences)
    if stage.at_least is not None and stage.at_least > count:
        what = f"{stage.at_least} is more than the {count} exposures of its frames"
        yield _at(recipe, "stages", index, "at_least", what=what, hint=f"write at most {count}")
    preparation = registry.ask(named, "preparation", stage.options) or instrument.preparation
    for key, models in (("serial", SERIAL_MODELS), ("parallel", PARALLEL_MODELS)):
        if getattr(preparation, key) not in models:
            what = f"{getattr(preparation, key)!r} is not a model of the {key} overscan"
            yield _at(recipe, "stages", index, "options", "overscan", what=what, hint=f"there is {', '.join(models)}")


def _keys(recipe: Recipe, kind: CalibrationType, index: int, stage: Stage) -> Iterator[Problem]:
    """Refuse keys that would do nothing: nothing is ignored."""
    if stage.verify.waiver:
        for key, written in (("rules", stage.rules), ("accept", stage.accept), ("keep", stage.keep)):
            if written:
                what = "nothing is judged where the verification is waived"
                yield _at(recipe, "stages", index, key, what=what, hint=f"remove {key}, or the waiver")
        if stage.verify.drop or stage.verify.advisory or stage.verify.collections:
            what = "no rule is in force where the verification is waived"
            hint = "remove drop, advisory and collections of verify, or the waiver"
            yield _at(recipe, "stages", index, "verify", what=what, hint=hint)
    if stage.keep and kind.residual is None:
        what = f"{stage.kind} has no residuals to keep"
        yield _at(recipe, "stages", index, "keep", what=what, hint="remove keep")


def after(plan: Plan, registry: Registry) -> Iterator[Problem]:
    """Check what only the whole plan shows: needs without source, counts that never refuse, clashes."""
    for step in plan.steps:
        if isinstance(step, Build | Verify):
            yield from _needs(plan, registry, step)
    for planned in plan.stages:
        yield from _unused(plan, planned)
    for planned in plan.stages:
        yield from _counts(plan, planned)
    yield from _clashes(plan)
    yield from _apart(plan, registry)


def _apart(plan: Plan, registry: Registry) -> Iterator[Problem]:
    """Refuse a store that nobody else has where whole steps are done in other processes."""
    executor, use = registry.get("executor", plan.executor.use), plan.recipe.store.use
    if executor.whole_steps and executor.pickles and not registry.get("store", use).shared:
        what = f"the executor {executor.name!r} works in other processes, and they have no part in the store {use!r}"
        yield _at(plan.recipe, "store", "use", what=what, hint="write 'store: {use: folder, root: ./store}', or another executor")


def carried(plan: Plan, registry: Registry) -> None:
    """See that what workers in other processes will be told to do can be told them.

    Raises
    ------
    PluginError
        If it cannot be pickled.
    """
    if not registry.get("executor", plan.executor.use).pickles:
        return
    for step in plan.steps:
        if isinstance(step, Build | Verify):
            stage = plan.stages[step.stage].stage
            named = registry.named("calibration", step.kind)
            for name in _mapped(step, stage, named.declaration):
                packed(Task(Promised.of(named, name), named.source), [stage.options])


def _mapped(step: Build | Verify, stage: Stage, kind: CalibrationType) -> tuple[str, ...]:
    """Give the functions of a calibration type that workers are told to call in a step."""
    if isinstance(step, Build):
        return ("build_amplifier",)
    residuals = ("residual",) if "residuals" in stage.keep else ()
    measures = tuple(name for name in ("observe", "measure") if getattr(kind, name) is not None)
    return () if stage.verify.waiver else (*measures, *residuals)


def _needs(plan: Plan, registry: Registry, step: Build | Verify) -> Iterator[Problem]:
    stage = plan.stages[step.stage].stage
    named = registry.named("calibration", step.kind)
    missing = registry.ask(named, "needs", stage.options) - set(step.needs)
    if isinstance(step, Build) or stage.verb == "check" or named.declaration.build_amplifier is None:
        for kind in sorted(missing):
            what = f"{step.kind} needs a {kind}, and nothing before it makes one"
            hint = f"add {{make: {kind}, ...}} before it, or name collections that hold one"
            yield _at(plan.recipe, "stages", step.stage, stage.verb, what=what, hint=hint)
    mine = plan.stages[step.stage].preparation
    for kind, source in step.needs.items():
        if isinstance(source, FromStep):
            made = plan.steps[source.step]
            lacking = set(plan.stages[step.stage].detectors) - set(
                plan.stages[made.stage].detectors if made.stage is not None else ()
            )
            if lacking:
                ids = ", ".join(str(detector) for detector in sorted(lacking))
                what = f"the {kind} that it uses is not made for detector {ids}"
                yield _at(
                    plan.recipe, "stages", step.stage, "detectors", what=what, hint=f"make the {kind} for all of them"
                )
            other = plan.stages[made.stage].preparation if isinstance(made, Build) else mine
            if other != mine:
                word = "crosstalk" if evolve(other, crosstalk=mine.crosstalk) == mine else "overscan models"
                what = f"{step.kind} and the {kind} it uses do not have the same {word}"
                yield _at(plan.recipe, "stages", step.stage, "options", what=what, hint="write the same in both stages")


def _unused(plan: Plan, planned: PlannedStage) -> Iterator[Problem]:
    """Refuse collections in which nothing is looked up."""
    mine = [s for s in plan.steps if isinstance(s, Build | Verify) and s.stage == planned.index]
    looked_up = {source for step in mine for source in sources(step).values() if isinstance(source, FromCollections)}
    stage = planned.stage
    for collections, keys in (
        (stage.collections, ("collections",)),
        (stage.verify.collections, ("verify", "collections")),
    ):
        if collections and FromCollections(collections) not in looked_up:
            what = "nothing would be looked up there: all that this stage uses is made before it"
            yield _at(plan.recipe, "stages", planned.index, *keys, what=what, hint="remove them")


def _counts(plan: Plan, planned: PlannedStage) -> Iterator[Problem]:
    """Refuse a count that could never be reached: it would accept anything."""
    stage, accept = planned.stage, planned.acceptance
    if stage.verify.waiver:
        return
    detectors = [plan.instrument.detector(d) for d in planned.detectors]
    here = ("stages", planned.index, "accept") if stage.accept else ("accept",)
    amplifiers = min(len(detector.amplifiers) for detector in detectors)
    least = f"exposures of {stage.kind} that it goes on with" if stage.at_least else f"exposures of {stage.kind}"
    for key, limit, there, what in (
        ("amplifiers", accept.amplifiers, amplifiers, "amplifiers of a detector"),
        ("detectors", accept.detectors, len(detectors), "detectors"),
        ("exposures", accept.exposures, planned.at_least, least),
    ):
        if isinstance(limit, int) and limit > there:
            text = f"{limit} is more than the {there} {what}: nothing could ever be refused"
            yield _at(plan.recipe, *here, key, what=text, hint=f"write at most {there}")
    if stage.verb != "measure" and not any(not checked.rule.advisory for checked in planned.rules):
        text = f"no rule judges {stage.kind}: nothing is certified unverified by silence"
        hint = "write a rule, or verify: {waived_by: NAME, reason: WHY}"
        yield _at(plan.recipe, "stages", planned.index, stage.verb, what=text, hint=hint)


def _clashes(plan: Plan) -> Iterator[Problem]:
    """Refuse two certificates of one plan for the same kind, detector, setup, collection and time."""
    certifies = [step for step in plan.steps if isinstance(step, Certify)]
    for number, step in enumerate(certifies):
        for other in certifies[:number]:
            mine, theirs = plan.stages[step.stage], plan.stages[other.stage]
            if (
                step.kind == other.kind
                and mine.setup == theirs.setup
                and set(mine.detectors) & set(theirs.detectors)
                and step.certificate.into == other.certificate.into
                and step.certificate.valid.overlaps(other.certificate.valid)
            ):
                what = f"another {step.kind} goes into {step.certificate.into} for the same time (stages.{other.stage})"
                yield _at(
                    plan.recipe, "stages", step.stage, "make", what=what, hint="write certify: with another collection"
                )
