"""Write a recipe as YAML text that reads back the same."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from latcal.engine.phrases import OPEN
from latcal.formats.structure import unstructure
from latcal.model.quantities import number_text
from latcal.model.recipe import Certificate, Recipe, Sequence, Stage, TimeLimits, Use
from latcal.model.rules import Rule
from latcal.model.validity import stamp
from latcal.plugin.registry import Registry

if TYPE_CHECKING:
    from astropy.time import Time

_BARE = re.compile(r"[A-Za-z](?:[A-Za-z0-9_./-]| (?! ))*(?<! )|[0-9]+ x [0-9.]+ [a-z]+")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_WIDTH = 110


def write(recipe: Recipe, registry: Registry) -> str:
    """Write a recipe; comments and spelling of the original are not kept.

    Parameters
    ----------
    recipe : Recipe
    registry : Registry
        Gives the default rules of each calibration type, which are listed in comments.

    Returns
    -------
    str
        YAML, from which `latcal.read` makes the same recipe.
    """
    return to_yaml(_recipe(recipe)) + "".join(f"{line}\n" for line in _default_rules(recipe, registry))


def to_yaml(plain: Mapping[str, Any]) -> str:
    """Write plain values as YAML; text that could be taken for something else is in quotes.

    Raises
    ------
    TypeError
        If a value is not plain.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.representer import SafeRepresenter

    class Quoting(SafeRepresenter):  # ruamel keeps representers by class: its own must stay as they are
        """Quotes whatever is not plainly a word."""

    def text(representer: Any, value: str) -> Any:
        bare = _BARE.fullmatch(value) and value.lower() not in _WORDS and len(value) < _WIDTH
        style = None if bare else "'" if value.isprintable() else '"'
        return representer.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    def mapping(representer: Any, value: dict[str, Any]) -> Any:
        flat = not any(isinstance(part, dict) for part in value.values()) and len(repr(value)) < _WIDTH
        return representer.represent_mapping("tag:yaml.org,2002:map", value, flow_style=flat)

    def items(representer: Any, value: list[Any]) -> Any:
        flat = not any(isinstance(part, dict) for part in value) and len(repr(value)) < _WIDTH
        return representer.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=flat)

    for kind, represent in ((str, text), (dict, mapping), (list, items)):
        Quoting.add_representer(kind, represent)
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.Representer = Quoting
    yaml.sort_base_mapping_type_on_output = False
    yaml.width = 10_000
    stream = io.StringIO()
    try:
        yaml.dump(unstructure(plain), stream)
    except YAMLError as error:
        raise TypeError(f"what a recipe holds is not plain: {error}") from error
    return stream.getvalue()


def _recipe(recipe: Recipe) -> dict[str, Any]:
    found = {
        "latcal": recipe.version,
        "title": recipe.title,
        "instrument": recipe.instrument,
        "camera": _use(recipe.camera),
        "store": _use(recipe.store),
        "executor": _use(recipe.executor) if recipe.executor else None,
        "report": [_use(use) for use in recipe.report],
        "limits": _limits(recipe.limits),
        "labels": dict(recipe.labels),
        "sequences": {name: _sequence(sequence) for name, sequence in recipe.sequences.items()},
        "stages": [_stage(stage) for stage in recipe.stages],
        "rules": {kind: _rules(rules) for kind, rules in recipe.rules.items()},
        "accept": unstructure(recipe.accept, omit_defaults=True),
        "certify": _certificate(recipe.certify) if recipe.certify else None,
    }
    return {key: value for key, value in found.items() if value not in (None, "", [], {})}


def _use(use: Use) -> dict[str, Any]:
    return {"use": use.use, **unstructure(use.options, omit_defaults=True)}


def _limits(limits: TimeLimits) -> dict[str, str]:
    usual = TimeLimits()
    found = {
        "answer": (limits.answer_s, usual.answer_s),
        "abort": (limits.abort_s, usual.abort_s),
        "ingest": (limits.ingest_s, usual.ingest_s),
    }
    return {key: f"{number_text(seconds)} s" for key, (seconds, default) in found.items() if seconds != default}


def _sequence(sequence: Sequence) -> dict[str, Any]:
    phrases = [str(group) for group in sequence.exposures.groups]
    found = unstructure(sequence, omit_defaults=True, hooks={type(sequence.exposures): lambda _: phrases})
    del found["name"]
    if sequence.discarded is not None:
        del found["discarded"]
        found["discard"] = [str(group) for group in sequence.discarded.groups]
    if found.pop("pause_s", 0.0):
        found["pause"] = f"{number_text(sequence.pause_s)} s"
    if found.pop("longest_s", None) is not None:
        found["longest"] = f"{number_text(sequence.longest_s or 0.0)} s"
    return {**found, "exposures": phrases[0] if len(phrases) == 1 else phrases}


def _stage(stage: Stage) -> dict[str, Any]:
    found = {
        stage.verb: stage.kind,
        "frames": list(stage.frames),
        "options": unstructure(stage.options, omit_defaults=True) or None,
        "collections": list(stage.collections) or None,
        "accept": unstructure(stage.accept, omit_defaults=True) if stage.accept else None,
        "certify": _certificate(stage.certify) if stage.certify else None,
        "rules": _rules(stage.rules) or None,
        "verify": unstructure(stage.verify, omit_defaults=True) or None,
        "detectors": list(stage.detectors) or None,
        "at_least": stage.at_least,
        "wait": stage.wait or None,
        "keep": list(stage.keep) or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _rules(rules: tuple[Rule, ...]) -> dict[str, Any]:
    return {rule.name: {"rule": rule.text, "advisory": True} if rule.advisory else rule.text for rule in rules}


def _certificate(certificate: Certificate) -> dict[str, str]:
    def word(time: Time | None) -> str:
        return OPEN if time is None else stamp(time).removesuffix(".000000").removesuffix("T00:00:00")

    found = {"into": certificate.into, "begin": word(certificate.valid.begin), "end": word(certificate.valid.end)}
    return found if certificate.occupied == "refuse" else {**found, "occupied": certificate.occupied}


def _default_rules(recipe: Recipe, registry: Registry) -> Iterator[str]:
    """List the default rules of every calibration type that is used, as comments."""
    for kind in dict.fromkeys(stage.kind for stage in recipe.stages):
        rules = registry.get("calibration", kind).rules
        if rules:
            yield f"# default rules of {kind}, replaced or dropped by name:"
        for rule in rules:
            yield f"#   {rule.name}: {' '.join(rule.text.split())}"
