"""``latcal find``: which product would be used, where it comes from, and why not another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from latcal.cli.arguments import columns, instant_of, load, opened_store, store_option, without_option
from latcal.errors import Problem, ProductNotFound, RecipeError

if TYPE_CHECKING:
    from astropy.time import Time

    from latcal.model.frames import Setup
    from latcal.model.products import Product, ProductRef
    from latcal.plugin.protocols import Certification, Store
    from latcal.plugin.registry import Registry


@click.command("find")
@click.argument("kind")
@click.option("--exposure", type=int, help="For this exposure: its begin and its setup.")
@click.option("--at", metavar="DATE", help="For an instant: 2022-11-04, or 2022-11-04T18:30:00 (TAI).")
@click.option("--detector", type=int, help="Its id; left out, every detector that has a certified product of the KIND.")
@click.option("--filter", "filter_", help="Of the frames that it is for; with --at.")
@click.option("--grating", help="Likewise.")
@click.option("--binning", default="1x1", show_default=True, help="Likewise.")
@click.option("--mode", default="", help="Of the readout; likewise.")
@click.option("--collections", metavar="A,B", required=True, help="Where to look, in order.")
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
    store: str,
    without: tuple[str, ...],
) -> None:
    """Print which product would be used, and why.

    The product of a KIND (bias, dark, flat) for an exposure or a date, and where it came from. Every other product of
    that kind and detector is listed with the first thing that excludes it. Setups are compared as `latcal products`
    shows them: a flat of r~empty is found with --filter r --grating empty.
    """
    from latcal.model.frames import Setup

    if (exposure is None) == (at is None):
        raise click.UsageError("give one of --exposure and --at")
    registry, order = load(without), tuple(name.strip() for name in collections.split(","))
    with opened_store(store, registry) as opened:
        if exposure is None:
            setup = _reduced(registry, kind, Setup(filter_, grating, binning, mode))
            instant = instant_of(at or "")
        else:
            taken = opened.exposure(exposure)
            setup, instant = _reduced(registry, kind, taken.setup), taken.begin
        if kind not in registry.names("calibration") and not list(opened.list(kind)):
            raise RecipeError(
                [Problem(registry.absence("calibration", kind), registry.suggestion("calibration", kind))]
            )
        detectors = {one.ref.detector for one in opened.list(kind)} if detector is None else {detector}
        for number in sorted(detectors or {0}):
            _explain(opened, kind, number, setup, instant, order, exposure)


def _explain(
    store: Store, kind: str, detector: int, setup: Setup, at: Time, order: tuple[str, ...], exposure: int | None
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
        for line in _origin(ref, store.get(ref)):
            click.echo(line)
    others = [
        (one.collection, str(one.valid), one.ref.id[:12], reason)
        for one in store.list(kind)
        if (reason := excluded(one, ref, detector, setup, at, order))
    ]
    if others:
        click.echo("not used")
        for line in columns([("  " + first, *rest) for first, *rest in others]):
            click.echo(line)
    if missing is not None:
        raise missing


def _origin(ref: ProductRef, product: Product) -> Iterator[str]:
    """Say what a product is and what it was made from."""
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


def _reduced(registry: Registry, kind: str, setup: Setup) -> Setup:
    """Keep of a setup what tells products of a kind apart; all of it for a kind that is not installed."""
    named = registry.declarations["calibration"].get(kind)
    return setup.only(named.declaration.setup) if named is not None else setup
