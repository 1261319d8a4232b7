"""``latcal products``: what is certified."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from latcal.cli.arguments import columns, load, opened_store, store_option, without_option

if TYPE_CHECKING:
    from latcal.plugin.protocols import Certification


@click.command("products")
@store_option
@click.option("--kind", help="Only products of this calibration type.")
@click.option("--collection", help="Only this collection; or what a run built: u/latcal/RUN.")
@without_option
def command(store: str, kind: str | None, collection: str | None, without: tuple[str, ...]) -> None:
    """Print what is certified in a store.

    With the collection of a run, u/latcal/RUN: what that run built, and where it is certified, if it is.
    """
    from latcal.plugin.lookup import is_certified, run_of

    registry = load(without)
    with opened_store(store, registry) as opened:
        found = tuple(opened.list(kind, collection))
        certified = () if all(map(is_certified, found)) else tuple(opened.list(kind))
    rows = [row(one) if is_certified(one) else built_row(one, certified) for one in found]
    if not rows:
        run = run_of(collection or "")
        what = f"the run {run} built nothing" if run else "nothing is certified"
        of = "" if kind is collection is None or (run and kind is None) else " of that kind" if run else " of that kind and name"
        click.echo(f"{what} in {store}{of}")
        return
    for line in columns([("collection", "kind", "detector", "setup", "valid", "frames", "run", "id", ""), *rows]):
        click.echo(line)


def row(one: Certification) -> tuple[str, ...]:
    """Give the cells of one certified product."""
    ref = one.ref
    unverified = f"UNVERIFIED: {one.unverified}" if one.unverified else ""
    place = (one.collection, ref.kind, str(ref.detector), str(ref.setup) or "-")
    return (*place, str(one.valid), str(ref.frames), ref.run, ref.id[:12], unverified)


def built_row(one: Certification, certified: Iterable[Certification]) -> tuple[str, ...]:
    """Give the cells of one product as a run built it."""
    into = dict.fromkeys(other.collection for other in certified if other.ref.id == one.ref.id)
    cells = list(row(one))
    cells[4] = f"built, certified into {', '.join(into)}" if into else "built, not certified"
    return tuple(cells)
