"""``latcal schema``: what a recipe may write, as JSON Schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from latcal.cli.arguments import load, without_option
from latcal.errors import Problem, RecipeError

if TYPE_CHECKING:
    from latcal.plugin.declarations import CalibrationType, Named
    from latcal.plugin.registry import Registry


@click.command("schema")
@click.argument("name", required=False)
@without_option
def command(name: str | None, without: tuple[str, ...]) -> None:
    """Print what a recipe may write, as JSON Schema.

    Of a whole recipe for the plugins installed, or of the options of what is called NAME.

    For a calibration type the metrics follow, each with its unit and scope, and the default rules with their limits.
    Give the schema of a recipe to an editor and it will complete keys and underline slips.
    """
    from latcal.engine.reading import recipe_schema

    registry = load(without)
    schema = recipe_schema(registry) if name is None else _named(registry, name)
    click.echo(json.dumps(schema, indent=2, ensure_ascii=False))


def _named(registry: Registry, name: str) -> dict[str, Any]:
    found = {kind: names[name] for kind, names in registry.declarations.items() if name in names}
    if not found:
        known = sorted({known for names in registry.declarations.values() for known in names})
        raise RecipeError([Problem(f"{name!r} is not the name of anything", f"there is {', '.join(known)}")])
    schemas = {kind: _schema(kind, named) for kind, named in found.items()}
    telling = {kind: schema for kind, schema in schemas.items() if schema["properties"]}  # an instrument has no options
    schemas = telling or schemas
    return schemas if len(schemas) > 1 else next(iter(schemas.values()))


def _schema(kind: str, named: Named) -> dict[str, Any]:
    from latcal.formats.schema import json_schema

    one = named.declaration
    schema = {**json_schema(one.options), "title": f"{kind} {one.name}", "description": one.summary}
    return {**schema, **_judgement(one)} if kind == "calibration" else schema


def _judgement(kind: CalibrationType) -> dict[str, Any]:
    """Say what a calibration type measures and how it judges."""
    return {
        "images": sorted(kind.images),
        "metrics": {
            metric.name: {"unit": metric.unit, "scope": metric.scope.value, "summary": metric.summary}
            for metric in kind.metrics.values()
        },
        "rules": {
            rule.name: {"rule": rule.text, "advisory": rule.advisory, "summary": rule.summary} for rule in kind.rules
        },
    }
