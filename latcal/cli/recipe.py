"""``latcal recipe``: run recipes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from latcal.cli.arguments import load, plans, recipes_argument, settings_option, without_option
from latcal.errors import LatcalError

if TYPE_CHECKING:
    from latcal.model.steps import Plan
    from latcal.plugin.registry import Registry


@click.command("recipe")
@recipes_argument
@settings_option
@without_option
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], settings: tuple[str, ...], without: tuple[str, ...]) -> None:
    """Run recipes: take, build, judge, certify.

    Each FILE is a path, or the name of a recipe that is installed, such as quickstart. All are read and planned before the
    first one runs; the first that does not end with exit code 0 ends the command.
    """
    registry = load(without)
    planned = plans(names, registry, settings)
    for number, (name, plan) in enumerate(zip(names, planned, strict=True), 1):
        try:
            code = _run(plan, registry)
        except LatcalError:
            _not_started(name, names[number:])
            raise
        if code:
            _not_started(name, names[number:])
            ctx.exit(code)


def _run(plan: Plan, registry: Registry) -> int:
    from contextlib import closing

    from latcal.cli.stopping import stopping
    from latcal.engine.running import events
    from latcal.model.report import fold

    with stopping() as signals, closing(events(plan, registry, stop=signals.stop)) as stream:
        signals.leave = stream.leave
        return fold(stream).exit_code


def _not_started(name: str, rest: tuple[str, ...]) -> None:
    if rest:
        click.echo(f"not started, since {name} did not end well: {', '.join(rest)}", err=True)
