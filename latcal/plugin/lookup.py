"""The rules by which every store of ours finds and certifies products, and their messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from astropy.time import Time
from attrs import evolve

from latcal.errors import ProductNotFound, StoreError, ValidityOverlap
from latcal.formats import records
from latcal.model.frames import Exposure, Setup
from latcal.model.numbering import EXPOSURES_PER_DAY, exposure_id
from latcal.model.products import Product, ProductRef
from latcal.model.validity import ValidityRange, stamp
from latcal.plugin.protocols import Certification

_RUNS = "u/latcal/"
"""How the names of the collections of runs begin: as those of a Butler's users do."""
_PLAIN = re.compile(r"[A-Za-z0-9_+~.:-]{1,120}")


def run_collection(run: str) -> str:
    """Give the name of the collection of what a run built, certified or not."""
    return f"{_RUNS}{run}"


def run_of(collection: str) -> str:
    """Give the run whose collection that is; an empty text if it is none of a run."""
    return collection.removeprefix(_RUNS) if collection.startswith(_RUNS) else ""


def is_of_runs(collection: str) -> bool:
    """Tell whether a name is kept for the collections of runs: nobody certifies into it."""
    return f"{collection}/".startswith(_RUNS)


def run_named(name: str) -> str:
    """Give the run that is named by itself, or by its collection."""
    return run_of(name) or name


def built(refs: Iterable[ProductRef], collection: str) -> list[Certification]:
    """Give what a run built as a store lists it in the run's collection: valid at any time, and not certified."""
    found = (Certification(evolve(ref, collection=collection), collection, ValidityRange(None, None)) for ref in refs)
    return sorted(found, key=lambda one: (*order(one), one.ref.exposure or 0, one.ref.id))


def is_certified(one: Certification) -> bool:
    """Tell whether an entry of a store's list is certified, and not only built by a run."""
    return not is_of_runs(one.collection)


def exposures_of(product: Product) -> tuple[int, ...]:
    """Give the exposures to which a product belongs: its own, and those that are in a pair with it; none of a set."""
    if product.exposure is None:
        return ()
    return tuple(dict.fromkeys((product.exposure, *product.provenance.exposures)))


def the_one_built(refs: Iterable[ProductRef], kind: str, detector: int, fits: Callable[[Setup], bool]) -> ProductRef | None:
    """Give the one product of a kind, a detector and a setup among those of a run; not those of single exposures.

    Raises
    ------
    StoreError
        If it has several: which one is meant is not guessed.
    """
    found = [
        ref for ref in refs if (ref.kind, ref.detector, ref.exposure) == (kind, detector, None) and fits(ref.setup)
    ]
    if len(found) > 1:
        raise StoreError(f"the run {found[0].run} built {' and '.join(map(str, found))} (name another collection)")
    return found[0] if found else None


def setup_text(setup: Setup) -> str:
    """Write a setup so that equal ones have equal texts; what indices and orders are made of."""
    return records.to_text(setup, canonical=True)


def order(one: Certification) -> tuple[str, str, int, str, str]:
    """Give the key by which a store lists: collection, kind, detector, setup, begin."""
    begin = "" if one.valid.begin is None else stamp(one.valid.begin)
    return one.collection, one.ref.kind, one.ref.detector, setup_text(one.ref.setup), begin


def suits(setup: Setup, exposure: Exposure) -> bool:
    """Tell whether a product of a setup is for an exposure.

    Binning and mode are those of the exposure; filter and grating too, where the product has them: a bias has none.
    """
    taken = exposure.setup
    return (
        setup.binning == taken.binning
        and setup.mode == taken.mode
        and setup.filter in (None, taken.filter)
        and setup.grating in (None, taken.grating)
    )


def the_one_for(exposure: Exposure, valid: Sequence[ProductRef]) -> ProductRef | None:
    """Give the one of a collection's products, all valid at an exposure's begin, that suits it.

    Raises
    ------
    StoreError
        If several do: which one is meant is not guessed.
    """
    fitting = [one for one in valid if suits(one.setup, exposure)]
    if len(fitting) > 1:
        ref, names = fitting[0], " and ".join(repr(str(one.setup)) for one in fitting)
        raise StoreError(
            f"{ref.collection}: a {ref.kind} for detector {ref.detector} of the setups {names} suits exposure "
            f"{exposure.id} (keep them in two collections)"
        )
    return fitting[0] if fitting else None


def not_found(kind: str, detector: int, what: str, at: Time, collections: Iterable[str]) -> ProductNotFound:
    """Make the error of a lookup that found nothing.

    Parameters
    ----------
    what : str
        The setup, or the exposure, that it was for; may be empty.
    """
    tried = ", ".join(collections)
    place = f"in {tried}" if tried else "as no collection was named"
    words = f" {what}" if what else ""
    return ProductNotFound(
        f"no {kind} for detector {detector}{words} is valid at {stamp(at).removesuffix('.000000')} {place} "
        f"(certify one, or name another collection)"
    )


def not_of_exposure(kind: str, detector: int, exposure: int) -> ProductNotFound:
    """Make the error of an exposure that no product of a kind belongs to."""
    return ProductNotFound(
        f"no {kind} for detector {detector} belongs to exposure {exposure} (what is certified for an exposure is found "
        f"in collections)"
    )


def not_attached(ref: ProductRef, name: str) -> StoreError:
    """Make the error of a file that does not go with a product."""
    return StoreError(f"{ref} has no {name!r} attached")


def plain(text: str, what: str) -> str:
    """Give a text that may be the name of a file.

    Raises
    ------
    StoreError
        If it may not.
    """
    if _PLAIN.fullmatch(text) and not text.startswith("."):
        return text
    raise StoreError(f"{text!r} is not a name for {what} (write letters, digits, '_', '.', '-')")


def overlap(ref: ProductRef, collection: str, valid: ValidityRange) -> ValidityOverlap:
    """Make the error of a range that is taken.

    Parameters
    ----------
    valid : ValidityRange
        When something is valid already.
    """
    setup = f" {ref.setup}" if str(ref.setup) else ""
    return ValidityOverlap(
        f"{collection}: a {ref.kind} for detector {ref.detector}{setup} is already valid {valid} "
        f"(certify into another collection)"
    )


def numbered(day: int, used: int, n: int) -> range:
    """Give the next `n` exposure ids of a day, of which so many are used.

    Raises
    ------
    StoreError
        If the day has no more.
    """
    if used + n >= EXPOSURES_PER_DAY:
        raise StoreError(f"{n} more exposures after {used} of {day} are not numbers that a day has (take fewer)")
    first = exposure_id(day, used + 1)
    return range(first, first + n)


def missing_frames(exposures: Sequence[int], detector: int) -> StoreError:
    """Make the error of raw frames that are not in a store."""
    names = ", ".join(str(exposure) for exposure in exposures)
    return StoreError(f"detector {detector}: no raw frame of exposure {names} is in the store (take or ingest them)")
