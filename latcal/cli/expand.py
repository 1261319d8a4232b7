"""``latcal expand``: print the recipe that a file stands for."""

from __future__ import annotations

import click

from latcal.cli.arguments import RecipeName, load, read_recipe, settings_option, without_option


@click.command("expand")
@click.argument("name", metavar="FILE", type=RecipeName())
@settings_option
@without_option
def command(name: str, settings: tuple[str, ...], without: tuple[str, ...]) -> None:
    """Print the recipe that a file stands for.

    A procedure becomes the recipe that it expands into; --set is applied.
    """
    from latcal.engine.writing import write

    registry = load(without)
    click.echo(write(read_recipe(name, registry, settings), registry), nl=False)
