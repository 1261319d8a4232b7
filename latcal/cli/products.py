"""``latcal products``: what is certified."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from latcal.cli.arguments import columns, load, opened_store, store_option, without_option

if TYPE_CHECKING:
    from latcal.plugin.protocols import Certification


@click.command("products")
@store_option
@click.option("--kind", help="Only products of this calibration type.")
@click.option("--collection", help="Only this collection.")
@without_option
def command(store: str, kind: str | None, collection: str | None, without: tuple[str, ...]) -> None:
    """Print what is certified in a store."""
    registry = load(without)
    with opened_store(store, registry) as opened:
        rows = [row(one) for one in opened.list(kind, collection)]
    if not rows:
        click.echo(f"nothing is certified in {store}" + ("" if kind is collection is None else " of that kind and name"))
        return
    for line in columns([("collection", "kind", "detector", "setup", "valid", "frames", "run", "id", ""), *rows]):
        click.echo(line)


def row(one: Certification) -> tuple[str, ...]:
    """Give the cells of one certified product."""
    ref = one.ref
    unverified = f"UNVERIFIED: {one.unverified}" if one.unverified else ""
    place = (one.collection, ref.kind, str(ref.detector), str(ref.setup) or "-")
    return (*place, str(one.valid), str(ref.frames), ref.run, ref.id[:12], unverified)
