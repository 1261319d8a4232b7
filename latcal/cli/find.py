"""``latcal find``: which product would be used or belongs to an exposure, where it comes from, why not another, its tables."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from latcal.cli.arguments import columns, instant_of, load, opened_store, store_option, without_option
from latcal.cli.kinds import meant, reduced, refuse_uncertified, refuse_unknown
from latcal.errors import Problem, ProductNotFound, RecipeError

if TYPE_CHECKING:
    from astropy.time import Time

    from latcal.model.frames import Setup
    from latcal.model.products import Product, ProductRef
    from latcal.plugin.protocols import Certification, Store


@click.command("find")
@click.argument("kind")
@click.option("--exposure", type=int, help="For this exposure: its begin and its setup; without --collections, what belongs to it.")
@click.option("--at", metavar="DATE", help="For an instant: 2022-11-04, or 2022-11-04T18:30:00 (TAI).")
@click.option("--detector", type=int, help="Its id; left out, all that have certified products, or 0.")
@click.option("--filter", "filter_", help="Of the frames that it is for; with --at.")
@click.option("--grating", help="Likewise.")
@click.option("--binning", default="1x1", show_default=True, help="Likewise.")
@click.option("--mode", default="", help="Of the readout; likewise.")
@click.option("--collections", metavar="A,B", default="", help="Where to look, in order; --at needs it.")
@click.option("--table", metavar="NAME", help="Print a table of the product as ECSV, and nothing else.")
@store_option
@without_option
def command(
    kind: str,
    exposure: int | None,
    at: str | None,
    detector: int | None,
    filter_: str | None,
    grating: str | None,
    binning: str,
    mode: str,
    collections: str,
    table: str | None,
    store: str,
    without: tuple[str, ...],
) -> None:
    """Print which product would be used, and why.

    The product of a KIND (bias, dark, flat) for an exposure or a date, and where it came from. The name of a calibration
    type means what it makes: gain is cpPtcExtract. Every other product of that kind and detector is listed with the
    first thing that excludes it. Setups are compared as `latcal products` shows them: a flat of r~empty is found with
    --filter r --grating empty.

    With --exposure and without --collections: the newest product that belongs to that exposure, certified or not. So the
    cpPtcExtract of a pair of flats is found by either of the two, and a residual that was kept (bias_residual) by its own.
    """
    from latcal.model.frames import Setup

    if (exposure is None) == (at is None):
        raise click.UsageError("give one of --exposure and --at")
    registry, order = load(without), tuple(name.strip() for name in collections.split(",") if name.strip())
    if exposure is None and not order:
        raise click.UsageError("give --collections too: where to look for what is valid then")
    with opened_store(store, registry) as opened:
        kind = meant(registry, kind)
        if exposure is not None and not order:
            try:
                refs = _belonging(opened, kind, detector, exposure)
            except ProductNotFound:
                refuse_unknown(registry, opened, kind)
                raise
            _one(table, len(refs))
            for ref in refs:
                _print(opened, ref, table)
            return
        refuse_unknown(registry, opened, kind)
        refuse_uncertified(registry, opened, kind, exposure=exposure is not None)
        if exposure is None:
            setup = reduced(registry, kind, Setup(filter_, grating, binning, mode))
            instant = instant_of(at or "")
        else:
            taken = opened.exposure(exposure)
            setup, instant = reduced(registry, kind, taken.setup), taken.begin
        detectors = {one.ref.detector for one in opened.list(kind)} if detector is None else {detector}
        _one(table, len(detectors))
        for number in sorted(detectors or {0}):
            _explain(opened, kind, number, setup, instant, order, exposure, table)


def _one(table: str | None, detectors: int) -> None:
    if table is not None and detectors > 1:
        raise click.UsageError(f"--table prints one table, and there are {detectors} detectors (give --detector)")


def _belonging(store: Store, kind: str, detector: int | None, exposure: int) -> list[ProductRef]:
    """Find what belongs to an exposure: on one detector, or on all of which anything is certified, and 0.

    Raises
    ------
    ProductNotFound
        If nothing does.
    """
    if detector is not None:
        return [store.of_exposure(kind, detector, exposure)]
    looked, found = sorted({0, *(one.ref.detector for one in store.list())}), []
    for number in looked:
        try:
            found.append(store.of_exposure(kind, number, exposure))
        except ProductNotFound:
            continue  # another may have it
    if not found:
        several = "detectors" if len(looked) > 1 else "detector"
        raise ProductNotFound(
            f"no {kind} for {several} {', '.join(map(str, looked))} belongs to exposure {exposure}; what is "
            f"certified is found with --collections, and other detectors were not looked at (give --detector)"
        )
    return found


def _explain(
    store: Store,
    kind: str,
    detector: int,
    setup: Setup,
    at: Time,
    order: tuple[str, ...],
    exposure: int | None,
    table: str | None,
) -> None:
    ref, missing = None, None
    try:
        if exposure is None:
            ref = store.find(kind, detector, setup, at, order)
        else:
            ref = store.find_exposure(kind, detector, exposure, order)
    except ProductNotFound as error:
        missing = error
    if ref is not None:
        _print(store, ref, table)
    others = [
        (one.collection, str(one.valid), one.ref.id[:12], reason)
        for one in store.list(kind)
        if (reason := excluded(one, ref, detector, setup, at, order))
    ]
    if others and table is None:
        click.echo("not used")
        for line in columns([("  " + first, *rest) for first, *rest in others]):
            click.echo(line)
    if missing is not None:
        raise missing


def _print(store: Store, ref: ProductRef, table: str | None) -> None:
    """Print where a product comes from; or one of its tables."""
    from latcal.formats.columns import table_ecsv

    product = store.get(ref)
    if table is None:
        for line in _origin(ref, product):
            click.echo(line)
        return
    if table not in product.tables:
        there = f"there is {', '.join(product.tables)}" if product.tables else "there is none"
        raise RecipeError([Problem(f"{ref} has no table {table!r}", there)])
    click.echo(table_ecsv(product.tables[table]), nl=False)


def _origin(ref: ProductRef, product: Product) -> Iterator[str]:
    """Say what a product is, what is in it and what it was made from."""
    origin = product.provenance
    numbers = sorted(origin.exposures)
    yield f"{ref}" + (f" from {ref.collection}" if ref.collection else "")
    if origin.unverified:
        yield f"  UNVERIFIED  {origin.unverified}"
    yield f"  made        {origin.created.tai.isot} TAI, run {origin.run}"
    yield f"  recipe      {origin.recipe}, digest {origin.recipe_digest[:12]}"
    yield f"  exposures   {len(numbers)}" + (f", {numbers[0]} to {numbers[-1]}" if numbers else "")
    for one in origin.inputs:
        yield f"  used        {one}"
    yield "  with        " + ", ".join(f"{name} {version}" for name, version in sorted(origin.versions.items()))
    yield f"  planes      {', '.join(product.planes) or 'none'}"
    yield f"  tables      {', '.join(product.tables) or 'none'}"
    yield f"  digest      {ref.digest}"


def excluded(
    one: Certification, used: ProductRef | None, detector: int, setup: Setup, at: Time, order: tuple[str, ...]
) -> str:
    """Say the first thing for which a certified product is not used; empty for the one that is."""
    if one.ref.detector != detector:
        return f"is of detector {one.ref.detector}"
    if one.ref.setup != setup:
        return f"is for {str(one.ref.setup) or 'no filter'}, not {str(setup) or 'no filter'}"
    if one.collection not in order:
        return "is in a collection that was not asked for"
    if not one.valid.contains(at):
        return f"is not valid at {at.tai.isot}"
    if used is not None and one.ref.id == used.id and one.collection == (used.collection or one.collection):
        return ""
    return f"stands behind {used.collection or 'what was found'}" if used else "was not found"
