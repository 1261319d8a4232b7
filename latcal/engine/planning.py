"""Plan a recipe: settle every step before anything opens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from attrs import evolve, field, mutable

from latcal.engine import budget, checking, level_times
from latcal.engine.estimate import estimate
from latcal.engine.foresight import with_foresight
from latcal.errors import PluginError, Problem, RecipeError, Where
from latcal.model import rules as rule_language
from latcal.model.exposures import Group
from latcal.model.frames import Setup
from latcal.model.geometry import Instrument, Preparation
from latcal.model.recipe import Recipe, Sequence, Stage, Use
from latcal.model.rules import CheckedRule, Rule
from latcal.model.steps import (
    Build,
    Certify,
    FromCollections,
    FromStep,
    Plan,
    PlannedStage,
    Source,
    Step,
    Take,
    Verify,
)
from latcal.numerics.allowed import MOST_PROBES
from latcal.plugin.declarations import CalibrationType, Named
from latcal.plugin.protocols import CameraDescription
from latcal.plugin.registry import Registry

PROBES = 2
"""Probe exposures before a sequence that asks for levels: the level has two unknowns (docs/physics.md). More of them, up
to `MOST_PROBES`, are taken only where these show too little or too much.
"""

OF_CAMERA = "camera"
"""What a recipe names as its instrument where its camera says what it is."""

LARGE_SENSOR = 1_000_000
"""Pixels from which small arrays no longer hide what a process costs; our measurement (docs/architecture.md)."""


@mutable
class _Draft:
    """A plan while it is written."""

    recipe: Recipe
    registry: Registry
    instrument: Instrument
    camera: CameraDescription | None
    steps: list[Step] = field(factory=list)
    stages: list[PlannedStage] = field(factory=list)
    takes: dict[str, tuple[int, ...]] = field(factory=dict)
    made: dict[tuple[str, str], int] = field(factory=dict)
    exposures: int = 0


def load_instrument(recipe: Recipe, registry: Registry) -> Instrument:
    """Load the instrument that a recipe names, or the file that it points to, or ask its camera.

    Raises
    ------
    RecipeError
        If there is none of that name, or the file cannot be read, or the camera cannot say what it is.
    CameraError
        If the camera does not answer.
    """
    where = recipe.marks.at(("instrument",))
    if recipe.instrument == OF_CAMERA:
        return _of_camera(recipe, registry, where)
    return find_instrument(recipe.instrument, registry, recipe.folder, where)


def _of_camera(recipe: Recipe, registry: Registry, where: Where | None) -> Instrument:
    """Ask the camera of a recipe what it is."""
    named = registry.named("camera", recipe.camera.use)
    if named.declaration.instrument is None:
        what = f"a camera {recipe.camera.use!r} does not say what instrument it is"
        raise RecipeError([Problem(what, "name an instrument, or its file", where, "instrument")])
    instrument: Instrument = registry.ask(named, "instrument", recipe.camera.options)
    return instrument


def find_instrument(name: str, registry: Registry, folder: str, where: Where | None) -> Instrument:
    """Load the instrument of a name, or of a path that starts at a folder.

    Raises
    ------
    RecipeError
        If there is none of that name, or the file cannot be read.
    """
    from latcal.formats.instruments import read_instrument

    if "/" in name or name.endswith((".yaml", ".yml")):
        path = Path(folder) / name
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            what = f"{name!r} is not a file that can be read: {error}"
            raise RecipeError([Problem(what, "name an instrument file", where, "instrument")]) from error
        return read_instrument(text, str(path))
    if name not in registry.names("instrument"):
        hint = registry.suggestion("instrument", name)
        raise RecipeError([Problem(registry.absence("instrument", name), hint, where, "instrument")])
    named = registry.named("instrument", name)
    instrument: Instrument = registry.ask(named, "load")
    if instrument.name != name:
        what = f"load of the instrument {name!r} gave one called {instrument.name!r}"
        raise PluginError(f"{named.source}: {what} (give both one name)")
    return instrument


def rules_in_force(recipe: Recipe, stage: Stage, kind: CalibrationType) -> tuple[Rule, ...]:
    """Give the rules of a stage: the type's defaults, replaced or added to by name, some dropped or advisory."""
    if stage.verify.waiver:
        return ()
    chosen = {rule.name: rule for rule in (*kind.rules, *recipe.rules.get(stage.kind, ()), *stage.rules)}
    return tuple(
        evolve(rule, advisory=rule.advisory or name in stage.verify.advisory)
        for name, rule in chosen.items()
        if name not in stage.verify.drop
    )


def stage_path(index: int, *keys: str | int) -> tuple[str | int, ...]:
    """Give the path of a stage's key in the recipe."""
    return ("stages", index, *keys)


def _checked(draft: _Draft, index: int, stage: Stage, kind: CalibrationType) -> tuple[CheckedRule, ...]:
    checked, problems = [], []
    for rule in rules_in_force(draft.recipe, stage, kind):
        try:
            checked.append(rule_language.check(rule, kind.metrics))
        except RecipeError as error:
            where = draft.recipe.marks.at(stage_path(index, "rules", rule.name))
            problems += [evolve(problem, where=where, path=f"rules.{rule.name}") for problem in error.problems]
    if problems:
        raise RecipeError(problems)
    return tuple(checked)


def _take_sequence(draft: _Draft, sequence: Sequence, detectors: tuple[int, ...]) -> Iterator[Take]:
    """Plan the exposures of a sequence: probes, then those to discard, then the others."""
    setup = _setup(draft, sequence)
    wanted = list(sequence.exposures)
    discarded = list(sequence.discarded or [wanted[0]] * sequence.discard)
    by_level = any(group.level for group in (*discarded, *wanted))
    zeros = int(by_level and level_times.needs_zero(draft.recipe, draft.registry, draft.instrument, sequence))
    probes = zeros + MOST_PROBES if by_level else 0
    groups = [*[Group(1)] * probes, *discarded, *wanted]
    total = len(groups)
    for position, group in enumerate(groups, 1):
        take = Take(
            id=len(draft.steps),
            sequence=sequence.name,
            index=draft.exposures,
            position=position,
            of=total,
            image=level_times.zero_image(draft.camera) if position <= zeros else sequence.image,
            time_s=group.time_s,
            level=group.level,
            setup=setup,
            detectors=detectors,
            discarded=probes < position <= probes + sequence.discard,
            probe=position <= probes,
            spare=zeros + PROBES < position <= probes,
            zero=position <= zeros,
            pause_s=0.0 if position == 1 else sequence.pause_s,
        )
        first = position == zeros + 1
        yield level_times.planned_take(take, sequence, draft.instrument, draft.camera, first=first) if by_level else take


def _setup(draft: _Draft, sequence: Sequence) -> Setup:
    instrument = draft.instrument
    return Setup(sequence.filter, sequence.grating, instrument.binning, instrument.mode)


def _take(draft: _Draft, name: str) -> tuple[int, ...]:
    """Plan a sequence the first time that it is wanted; give the steps whose exposures are used."""
    if name not in draft.takes:
        recipe = draft.recipe
        users = [stage for stage in recipe.stages if name in stage.frames]
        every = tuple(detector.id for detector in draft.instrument.detectors)
        wanted = {d for stage in users for d in (stage.detectors or every)}
        detectors = tuple(d for d in every if d in wanted)
        used = []
        for take in _take_sequence(draft, recipe.sequences[name], detectors):
            draft.steps.append(take)
            draft.exposures += 1
            if not (take.discarded or take.probe):
                used.append(take.id)
        draft.takes[name] = tuple(used)
    return draft.takes[name]


def _sources(
    draft: _Draft, stage: Stage, kinds: Iterable[str], setup: Setup, references: tuple[str, ...] = ()
) -> dict[str, Source]:
    """Say where each needed kind comes from: `references`, an earlier step of this plan, or a collection."""
    sources: dict[str, Source] = {}
    for kind in sorted(kinds):
        keys = draft.registry.get("calibration", kind).setup
        made = draft.made.get((kind, str(setup.only(keys))))
        if references:
            sources[kind] = FromCollections(references)
        elif made is not None:
            sources[kind] = FromStep(made)
        elif stage.collections:
            sources[kind] = FromCollections(stage.collections)
    return sources


def _needs(registry: Registry, named: Named, stage: Stage) -> frozenset[str]:
    """Give the kinds of product that a type needs; see that they, and those that it pins, are declared."""
    needs: frozenset[str] = registry.ask(named, "needs", stage.options)
    for kinds, word in ((needs, "needs"), (named.declaration.pins, "pins")):
        for kind in sorted(kinds - registry.declarations["calibration"].keys()):
            what = f"{named.called(word)} name {kind!r}, and {registry.absence('calibration', kind)}"
            raise PluginError(f"{named.source}: {what} ({registry.suggestion('calibration', kind)})")
    return needs


def preparation_of(registry: Registry, named: Named, options: Any, instrument: Instrument) -> Preparation:
    """Say how a type wants its frames prepared: crosstalk only where the instrument has coefficients of it."""
    wanted: Preparation = registry.ask(named, "preparation", options) or instrument.preparation
    crosstalk = any(wanted.on(detector).crosstalk for detector in instrument.detectors)
    return evolve(wanted, crosstalk=crosstalk and registry.ask(named, "crosstalk", options))


def _plan_stage(draft: _Draft, index: int, stage: Stage) -> None:
    registry, recipe = draft.registry, draft.recipe
    named = registry.named("calibration", stage.kind)
    kind: CalibrationType = named.declaration
    takes = tuple(step for name in stage.frames for step in _take(draft, name))
    first = recipe.sequences[stage.frames[0]]
    whole = _setup(draft, first)
    setup = whole.only(kind.setup)
    planned = PlannedStage(
        index=index,
        stage=stage,
        rules=_checked(draft, index, stage, kind),
        acceptance=stage.accept or recipe.accept,
        detectors=stage.detectors or tuple(detector.id for detector in draft.instrument.detectors),
        setup=setup,
        preparation=preparation_of(registry, named, stage.options, draft.instrument),
        at_least=stage.at_least or len(takes),
    )
    draft.stages.append(planned)
    wanted = _needs(registry, named, stage)
    needs = _sources(draft, stage, wanted, whole)
    product: Source | None = None
    build = None
    if stage.verb != "check" and kind.build_amplifier is not None:
        build = Build(len(draft.steps), index, stage.kind, takes, needs)
        draft.steps.append(build)
        product = FromStep(build.id)
    elif stage.verb == "check":
        product = FromCollections(stage.collections)
    beside = _sources(draft, stage, wanted, whole, stage.verify.collections)
    draft.steps.append(Verify(len(draft.steps), index, stage.kind, takes, beside, product))
    certificate = stage.certify or recipe.certify
    if build and stage.verb == "make" and certificate:
        draft.steps.append(Certify(len(draft.steps), index, stage.kind, build.id, certificate))
        draft.made[stage.kind, str(setup)] = build.id


def _remarks(draft: _Draft) -> Iterator[str]:
    """Say what a person should know of a plan: waivers that are not of a verification."""
    for planned in draft.stages:
        named = draft.registry.named("calibration", planned.stage.kind)
        for kind, why in draft.registry.ask(named, "unpinned", planned.stage.options).items():
            yield f"stages.{planned.index}: a {kind} may be used with others than it was made with: {why}"


def plan(recipe: Recipe, registry: Registry) -> Plan:
    """Settle every step of a recipe, opening neither shutter nor store.

    Raises
    ------
    RecipeError
        With every fault of meaning: a filter that the instrument has not, a product that nothing makes, a count that
        could never refuse; each at its line.
    PluginError
        If a plugin misbehaves.
    """
    instrument = load_instrument(recipe, registry)
    camera = registry.named("camera", recipe.camera.use)
    described = registry.ask(camera, "describe", recipe.camera.options, instrument)
    problems = list(checking.before(recipe, registry, instrument, described))
    if problems:
        raise RecipeError(dict.fromkeys(problems))
    draft = _Draft(recipe, registry, instrument, described)
    for index, stage in enumerate(recipe.stages):
        _plan_stage(draft, index, stage)
    large = max(detector.raw_pixels for detector in instrument.detectors) >= LARGE_SENSOR
    executor = recipe.executor or _default_executor(registry, "processes" if large else "serial")
    planned = Plan(
        recipe=recipe,
        instrument=instrument,
        stages=tuple(draft.stages),
        steps=tuple(draft.steps),
        estimate=estimate((step for step in draft.steps if isinstance(step, Take)), instrument, described),
        budget=tuple(budget.lines(registry, draft.stages, draft.steps)),
        executor=executor,
        remarks=(*recipe.remarks, *_remarks(draft)),
        versions=registry.versions,
    )
    planned = evolve(planned, estimate=with_foresight(planned.estimate, planned, registry, described, planned.budget, {}))
    problems = list(checking.after(planned, registry))
    for _, found in registry.hook("latcal_check_plan", plan=planned):
        problems += found
    if problems:
        raise RecipeError(dict.fromkeys(problems))
    checking.carried(planned, registry)
    return planned


def _default_executor(registry: Registry, name: str) -> Use:
    return Use(name, registry.defaults("executor", name))
