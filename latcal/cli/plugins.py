"""``latcal plugins``: what is installed, and where it comes from."""

from __future__ import annotations

import click

from latcal.cli.arguments import columns, load, without_option


@click.command("plugins")
@without_option
def command(without: tuple[str, ...]) -> None:
    """Print what is installed, and from where.

    Every declaration, with the plugin, distribution and version that it comes from.
    """
    registry = load(without)
    rows, declaring = [], set()
    for kind, names in registry.declarations.items():
        for name in sorted(names):
            named = names[name]
            declaring.add(named.plugin)
            source = f"{named.distribution} {named.version}".strip()
            rows.append((kind, name, source, named.plugin, named.declaration.summary))
    for plugin, origin in sorted(registry.sources.items()):
        if plugin not in declaring:
            rows.append(("hooks", "", str(origin), plugin, "declares nothing; has other hooks"))
    for line in columns(rows):
        click.echo(line)
