"""``latcal plugins``: what is installed, and where it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from latcal.cli.arguments import columns, load, without_option

if TYPE_CHECKING:
    from latcal.plugin.registry import Registry


@click.command("plugins")
@without_option
def command(without: tuple[str, ...]) -> None:
    """Print what is installed, and from where.

    Every declaration, and every hook that is called in a run, with the distribution, version and plugin that it comes
    from. What is left out comes last.
    """
    registry = load(without)
    for line in columns([*_declarations(registry), *_hooks(registry), *_left_out(registry)]):
        click.echo(line)


def _declarations(registry: Registry) -> Iterator[tuple[str, ...]]:
    for kind, names in registry.declarations.items():
        for name in sorted(names):
            named = names[name]
            yield kind, name, named.source, named.plugin, named.declaration.summary


def _hooks(registry: Registry) -> Iterator[tuple[str, ...]]:
    """List what runs in every run merely because it is installed."""
    from latcal.plugin import hookspecs
    from latcal.plugin.contracts import HOOKS

    for hook in HOOKS:
        summary = (getattr(hookspecs, hook).__doc__ or "").partition("\n")[0].rstrip(".")
        for source, _ in registry.implementers(hook):
            yield "hook", hook, str(source), source.plugin, summary


def _left_out(registry: Registry) -> Iterator[tuple[str, ...]]:
    for name in registry.left_out:
        yield "left out", "", "", name, "by --without"
