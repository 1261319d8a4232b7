"""The meaning of one stage: its verb, its sequences, its rules, its certificate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from latcal.engine.choosing import value_at
from latcal.engine.problems import Problems, nearest
from latcal.engine.shapes import AcceptShape, CertifyShape, RuleShape, SequenceShape, StageShape, VerifyShape
from latcal.formats.located import Path
from latcal.model import rules as language
from latcal.model.recipe import VERBS, Certificate, Stage, Verification
from latcal.model.rules import Rule
from latcal.model.validity import ValidityRange
from latcal.model.verdicts import Acceptance
from latcal.plugin.declarations import CalibrationType
from latcal.plugin.registry import Registry


@frozen
class Context:
    """What the stages of a recipe are read against.

    Parameters
    ----------
    images : frozenset of str
        Image types that any calibration consumes; that others are not is said of their sequence.
    rules : mapping of str to tuple of Rule
        The recipe's, by calibration type.
    certified : bool
        Whether the recipe says where products go.
    """

    problems: Problems
    registry: Registry
    sequences: Mapping[str, SequenceShape]
    images: frozenset[str]
    rules: Mapping[str, tuple[Rule, ...]]
    certified: bool


def read_stage(context: Context, index: int, shape: StageShape, options: Any) -> Stage | None:
    """Read one stage.

    Parameters
    ----------
    options : Any
        As read already.

    Returns
    -------
    Stage or None
        None if its verb or type is wrong; `context.problems` has said so.
    """
    path: Path = ("stages", index)
    verb = _verb(context, path, shape)
    kind = verb and _kind(context, path, verb, getattr(shape, verb))
    if not verb or not kind:
        return None
    _frames(context, path, shape, kind)
    certify = read_certificate(context.problems, (*path, "certify"), shape.certify)
    _places(context, path, shape, verb, kind.name)
    rules = read_rules(context.problems, (*path, "rules"), shape.rules, kind)
    _departures(context, path, shape, kind, rules)
    verify = shape.verify or VerifyShape()
    return Stage(
        verb=verb,
        kind=kind.name,
        frames=shape.frames,
        options=options,
        collections=shape.collections,
        accept=read_acceptance(shape.accept) if shape.accept else None,
        certify=certify,
        rules=rules,
        verify=Verification(verify.collections, verify.drop, verify.advisory, verify.waived_by, verify.reason),
        detectors=shape.detectors,
        at_least=shape.at_least,
        wait=shape.wait,
        keep=shape.keep,
    )


def read_rules(
    problems: Problems, path: Path, written: Mapping[Any, str | RuleShape], kind: CalibrationType
) -> tuple[Rule, ...]:
    """Read the rules of a calibration type, and check each against what the type measures."""
    rules = []
    for name, one in written.items():
        rule = Rule(name, one) if isinstance(one, str) else Rule(name, one.rule, one.advisory)
        with problems.within((*path, name) if isinstance(one, str) else (*path, name, "rule")):
            language.check(rule, kind.metrics)
        rules.append(rule)
    return tuple(rules)


def read_acceptance(shape: AcceptShape | None) -> Acceptance:
    """Read how many findings may fail."""
    return Acceptance(shape.amplifiers, shape.detectors, shape.exposures) if shape else Acceptance()  # type: ignore[arg-type]


def read_certificate(problems: Problems, path: Path, shape: CertifyShape | None) -> Certificate | None:
    """Read where products go and when they hold; None if that is not said, or wrong."""
    if shape is None:
        return None
    try:
        valid = ValidityRange(shape.begin, shape.end)
    except ValueError:
        written = value_at(problems.tree, path)
        what = f"{written['end']!r} is not after the begin, {written['begin']!r}"
        problems.at_value((*path, "end"), what, "write a later end, which is itself excluded")
        return None
    return Certificate(shape.into, valid, shape.occupied)


def _verb(context: Context, path: Path, shape: StageShape) -> str:
    verbs = [verb for verb in VERBS if getattr(shape, verb) is not None]
    written = [key for key in context.problems.tree.value["stages"][path[1]] if key in verbs]
    if not verbs:
        context.problems.at_value(path, "a stage has no verb", f"write one of {', '.join(VERBS)}")
    if len(verbs) > 1:
        words = " and ".join(repr(verb) for verb in written)
        context.problems.at_key((*path, written[1]), f"a stage has one verb, not {words}", "write two stages")
    return verbs[0] if len(verbs) == 1 else ""


def _kind(context: Context, path: Path, verb: str, name: str) -> CalibrationType | None:
    known = context.registry.declarations["calibration"]
    if name not in known:
        what = f"no plugin {verb}s {name!r}{context.registry.omission}"
        context.problems.at_value((*path, verb), what, nearest(name, known))
        return None
    kind: CalibrationType = known[name].declaration
    if verb != "measure" and (kind.build_amplifier is None or kind.assemble is None):
        what = f"{name!r} is only measured, and makes no product"
        context.problems.at_value((*path, verb), what, f"write measure: {name}")
        return None
    if verb != "measure" and kind.groups_apart:
        what = f"{name!r} is measured of some exposures at a time, and nothing is certified for all"
        context.problems.at_value((*path, verb), what, f"write measure: {name}")
        return None
    if verb == "check" and kind.measure is None:
        what = f"a {name} is judged when it is made, and frames are not checked against it"
        context.problems.at_value((*path, verb), what, f"write measure: {name}, or make: {name}")
        return None
    return kind


def _frames(context: Context, path: Path, shape: StageShape, kind: CalibrationType) -> None:
    if not shape.frames:
        example = next((name for name, one in context.sequences.items() if one.image in kind.images), "SEQUENCE")
        context.problems.at_key(path, "'frames' is missing", f"write frames: [{example}]")
    for number, name in enumerate(shape.frames):
        here = (*path, "frames", number)
        if name not in context.sequences:
            what = f"{name!r} is not a sequence of this recipe"
            context.problems.at_value(here, what, nearest(name, context.sequences))
        elif (image := context.sequences[name].image) in context.images and image not in kind.images:
            what = f"{name!r} takes {image}, which {kind.name} does not consume"
            context.problems.at_value(here, what, f"name a sequence of {' or '.join(sorted(kind.images))}")
        elif name in shape.frames[:number]:
            context.problems.at_value(here, f"{name!r} is named twice", "remove one")


def _places(context: Context, path: Path, shape: StageShape, verb: str, kind: str) -> None:
    """Check that a stage says where things go and come from, if it needs to, and does not if it must not."""
    if verb == "make" and not (shape.certify or context.certified):
        hint = "write certify: {into: COLLECTION, begin: 2022-11-04, end: 2022-11-05}"
        context.problems.at_key((*path, verb), f"no 'certify' says where the {kind} goes and when it holds", hint)
    if verb != "make" and shape.certify:
        context.problems.at_key((*path, "certify"), f"a {verb} certifies nothing", f"remove it, or write make: {kind}")
    if verb == "check" and not shape.collections:
        hint = "write collections: [COLLECTION]"
        context.problems.at_key((*path, verb), f"no 'collections' say where the {kind} to check against is", hint)


def _departures(
    context: Context, path: Path, shape: StageShape, kind: CalibrationType, rules: tuple[Rule, ...]
) -> None:
    """Check what a stage says of its rules: dropped, advisory or waived."""
    verify, problems = shape.verify or VerifyShape(), context.problems
    in_force = _names((*kind.rules, *context.rules.get(kind.name, ()), *rules))
    for key in ("drop", "advisory"):
        for number, name in enumerate(getattr(verify, key)):
            if name not in in_force:
                what = f"{name!r} is not a rule of {kind.name}"
                problems.at_value((*path, "verify", key, number), what, nearest(name, in_force))
    if verify.waived_by and not verify.reason:
        problems.at_key((*path, "verify", "waived_by"), "'reason' is missing", "write why: reason: TEXT")
    if verify.reason and not verify.waived_by:
        problems.at_key((*path, "verify", "reason"), "'waived_by' is missing", "write who: waived_by: NAME")
    if not verify.waived_by and not set(in_force) - set(verify.drop):
        hint = "keep one, or write verify: {waived_by: NAME, reason: WHY}"
        place = (*path, "verify", "drop") if verify.drop else path
        problems.at_key(place, f"no rule judges this {kind.name}", hint)


def _names(rules: Iterable[Rule]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(rule.name for rule in rules))
