"""Read a recipe: text to a typed, frozen value, every fault of a stage of reading at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import evolve, fields

from latcal.engine import stages
from latcal.engine.choosing import choose, choose_options
from latcal.engine.expanding import expand
from latcal.engine.problems import Problems, nearest
from latcal.engine.recipe_schema import recipe_schema
from latcal.engine.shapes import HOOKS, WANTED, LimitsShape, RecipeShape, SequenceShape
from latcal.errors import RecipeError
from latcal.formats.located import Tree, apply_settings, compose
from latcal.formats.structure import structure
from latcal.model.exposures import Exposures
from latcal.model.recipe import Marks, Recipe, Sequence, TimeLimits, Use
from latcal.plugin.registry import Registry

__all__ = ["digest", "read", "recipe_schema"]

VERSION = 1
"""The version of the recipe language that this latcal reads."""


def read(text: str, name: str, registry: Registry, *, settings: Iterable[str] = (), folder: str = "") -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    text : str
        YAML.
    name : str
        What messages and reports call it; usually the file.
    registry : Registry
        Where its names are looked up.
    settings : iterable of str
        What is set from outside: ``sequences.biases.exposures=30 x 0 s``.
    folder : str
        Where the recipe lies.

    Returns
    -------
    Recipe
        For a procedure, the recipe that it stands for.

    Raises
    ------
    RecipeError
        With every fault of the syntax; if there is none, of the shape; if there is none, of the meaning. Each where
        the slip is.
    PluginError
        If a procedure misbehaves.
    """
    settings = tuple(settings)
    tree = apply_settings(compose(text, name), settings)
    if isinstance(tree.value, Mapping) and "procedure" in tree.value:
        recipe = _expanded(tree, name, registry, folder)
    else:
        recipe = _recipe(tree, name, registry)
    return evolve(recipe, text=text, settings=settings, digest=digest(text, settings), folder=folder)


def digest(text: str, settings: tuple[str, ...]) -> str:
    """Give the SHA-256 of what was written and what was set."""
    return hashlib.sha256(json.dumps([text, *settings]).encode()).hexdigest()


def _recipe(tree: Tree, name: str, registry: Registry) -> Recipe:
    problems = Problems(tree)
    _check_version(problems)
    shape, uses, options = _shape(problems, registry)
    problems.stop()
    recipe = _meaning(problems, registry, shape, uses, options)
    problems.stop()
    return evolve(recipe, name=name)


def _check_version(problems: Problems) -> None:
    """Stop at another version of the language: then no other key need mean what it means here."""
    value = problems.tree.value
    version = value.get("latcal", VERSION) if isinstance(value, Mapping) else VERSION
    if type(version) is not int or version != VERSION:
        what = f"{version!r} is not a version of the recipe language that is read here"
        problems.at_value(("latcal",), what, f"write 'latcal: {VERSION}'")
        problems.stop()


def _shape(problems: Problems, registry: Registry) -> tuple[RecipeShape, dict[str, tuple[Use, ...]], list[Any]]:
    """Read everything that can be read without asking what goes with what."""
    tree = problems.tree
    shape = RecipeShape()
    with problems.within(()):
        shape = structure(tree, RecipeShape, hooks=HOOKS)
    written: Mapping[str, Any] = tree.value if isinstance(tree.value, Mapping) else {}
    if isinstance(tree.value, Mapping):
        _note_missing(problems)
    uses: dict[str, tuple[Use, ...]] = {}
    for key in ("camera", "store", "executor"):
        use = choose(problems, registry, key, (key,)) if key in written else None
        uses[key] = (use,) if use else ()
    reporters = written.get("report")
    count = len(reporters) if isinstance(reporters, list) else 0
    found = [choose(problems, registry, "reporter", ("report", number)) for number in range(count)]
    uses["report"] = tuple(use for use in found if use)
    listed = written.get("stages")
    options = [
        choose_options(problems, registry, number) for number in range(len(listed) if isinstance(listed, list) else 0)
    ]
    return shape, uses, options


def _note_missing(problems: Problems) -> None:
    """Note each key that a recipe must have, unless another is it, misspelt: that is said already."""
    value = problems.tree.value
    known = [attribute.name for attribute in fields(RecipeShape)]
    meant = [nearest(key, known) for key in value if key not in known]
    for key, example in WANTED.items():
        if key not in value and f"did you mean {key!r}?" not in meant:
            problems.at_key((), f"{key!r} is missing", f"write '{example}'")


def _meaning(
    problems: Problems,
    registry: Registry,
    shape: RecipeShape,
    uses: Mapping[str, tuple[Use, ...]],
    options: list[Any],
) -> Recipe:
    """Check what goes with what."""
    _check_instrument(problems, registry, shape.instrument)
    rules = {}
    for kind, written in shape.rules.items():
        if kind in registry.declarations["calibration"]:
            rules[kind] = stages.read_rules(problems, ("rules", kind), written, registry.get("calibration", kind))
        else:
            hint = nearest(kind, registry.names("calibration"))
            problems.at_key(("rules", kind), registry.absence("calibration", kind), hint)
    calibrations = registry.declarations["calibration"].values()
    context = stages.Context(
        problems=problems,
        registry=registry,
        sequences={str(name): one for name, one in shape.sequences.items()},
        images=frozenset(image for named in calibrations for image in named.declaration.images),
        rules=rules,
        certified=shape.certify is not None,
    )
    if not shape.stages:
        problems.at_value(("stages",), "an empty list has no stage", f"write '{WANTED['stages']}'")
    read_stages = [
        stages.read_stage(context, number, stage, stage_options)
        for number, (stage, stage_options) in enumerate(zip(shape.stages, options, strict=True))
    ]
    sequences = _sequences(context)
    certify = stages.read_certificate(problems, ("certify",), shape.certify)
    problems.stop()
    return Recipe(
        name="",
        title=shape.title,
        instrument=shape.instrument,
        camera=uses["camera"][0],
        store=uses["store"][0],
        sequences=sequences,
        stages=tuple(stage for stage in read_stages if stage),
        executor=next(iter(uses["executor"]), None),
        report=uses["report"],
        limits=_limits(shape.limits),
        labels=dict(shape.labels),
        rules=rules,
        accept=stages.read_acceptance(shape.accept),
        certify=certify,
        version=VERSION,
        marks=Marks({**problems.tree.value_marks, **problems.tree.marks}),
    )


def _limits(shape: LimitsShape | None) -> TimeLimits:
    if shape is None:
        return TimeLimits()
    return TimeLimits(*(float(limit.to_value("s")) for limit in (shape.answer, shape.abort, shape.ingest)))


def _check_instrument(problems: Problems, registry: Registry, name: str) -> None:
    known = registry.names("instrument")
    if not (name in (*known, "camera") or "/" in name or name.endswith((".yaml", ".yml"))):
        problems.at_value(("instrument",), registry.absence("instrument", name), nearest(name, known))


def _sequences(context: stages.Context) -> dict[str, Sequence]:
    sequences = {}
    for name, one in context.sequences.items():
        if one.image not in context.images:
            what = f"no calibration consumes {one.image!r}{context.registry.omission}"
            context.problems.at_value(("sequences", name, "image"), what, nearest(one.image, context.images))
        sequences[name] = _sequence(name, one)
    return sequences


def _sequence(name: str, one: SequenceShape) -> Sequence:
    written: Any = one.discard
    discarded = written if isinstance(written, Exposures) else None
    return Sequence(
        name,
        one.image,
        one.exposures,
        written if discarded is None else len(discarded),
        one.filter,
        one.grating,
        discarded,
        0.0 if one.pause is None else float(one.pause.to_value("s")),
        None if one.longest is None else float(one.longest.to_value("s")),
    )


def _expanded(tree: Tree, name: str, registry: Registry, folder: str) -> Recipe:
    """Read a procedure, and the recipe that it stands for."""
    problems = Problems(tree)
    _check_version(problems)
    if "latcal" not in tree.value:
        problems.at_key((), "'latcal' is missing", f"write '{WANTED['latcal']}'")
        problems.stop()
    expanded = expand(tree, registry, folder)
    try:
        recipe = _recipe(expanded.tree, name, registry)
    except RecipeError as error:
        raise RecipeError(expanded.told(error.problems)) from None
    return evolve(recipe, marks=evolve(recipe.marks, names=expanded.names), remarks=expanded.remarks)
