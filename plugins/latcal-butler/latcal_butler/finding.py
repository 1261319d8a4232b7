"""Lookups through an ordered list of collections: certified products, and what runs built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from astropy.time import Time
from attrs import evolve, frozen
from latcal.plugin import Certification, Exposure, ProductRef, Setup
from latcal.plugin.lookup import run_of, suits, the_one_built, the_one_for

from latcal_butler.certificates import Certificates, moment
from latcal_butler.facts import in_pair_with, reference_of
from latcal_butler.lookups import Place, associations, places
from latcal_butler.naming import is_ours, is_prepared, shelf
from latcal_butler.shelves import Shelves

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef

BEFORE = 8
"""How many earlier products are looked through for that of a pair; our choice, pairs are taken one after the other."""


@frozen
class Wanted:
    """What is looked for.

    Parameters
    ----------
    setups : tuple of Setup
        Any of these.
    exposure : Exposure or None
        What it is for; then just one of the setups may have something.
    """

    kind: str
    detector: int
    setups: tuple[Setup, ...]
    at: Time
    exposure: Exposure | None = None

    @classmethod
    def of(cls, kind: str, detector: int, exposure: Exposure) -> Wanted:
        """Want the product for an exposure: of its begin, and of every setup that suits it."""
        taken = exposure.setup
        setups = [
            evolve(taken, filter=filter_, grating=grating)
            for filter_ in dict.fromkeys((None, taken.filter))
            for grating in dict.fromkeys((None, taken.grating))
        ]
        return cls(kind, detector, tuple(setups), exposure.begin, exposure)

    def fits(self, setup: Setup) -> bool:
        """Tell whether a product of a setup is wanted."""
        return setup in self.setups if self.exposure is None else suits(setup, self.exposure)


@frozen(eq=False)
class Finding:
    """Lookups in a repository."""

    shelves: Shelves
    certificates: Certificates

    def find(self, butler: Butler, wanted: Wanted, names: Sequence[str]) -> ProductRef | None:
        """Give what the first collection has that has anything; its reference says which of the names that is.

        Raises
        ------
        StoreError
            If several suit: none is chosen.
        """
        spots = places(butler, names)
        certified = self._certified(butler, wanted, [spot.name for spot in spots if spot.calibration])
        built = self._built(butler, wanted, [spot.name for spot in spots if not spot.calibration])
        for name, group in groupby(spots, key=lambda spot: spot.asked):
            for members in _together(name, group):
                valid = [one for spot in members for one in certified if one.collection == spot.name]
                runs = {spot.name for spot in members}
                made = [ref for run, ref in built if run in runs]
                found = _chosen(wanted, valid) or the_one_built(made, wanted.kind, wanted.detector, wanted.fits)
                if found is not None:
                    return evolve(found, collection=name)
        return None

    def _certified(self, butler: Butler, wanted: Wanted, collections: Sequence[str]) -> list[Certification]:
        span = moment(wanted.at)
        if span is None:
            return []
        shelves = {self.shelves.find(butler, wanted.kind, setup) for setup in wanted.setups}
        found = (self.certificates.at(butler, place, wanted.detector, collections, span) for place in shelves)
        return [one for some in found for one in some if wanted.fits(one.ref.setup)]

    def _built(self, butler: Butler, wanted: Wanted, runs: Sequence[str]) -> list[tuple[str, ProductRef]]:
        found = []
        for place in {self.shelves.find(butler, wanted.kind, setup) for setup in wanted.setups}:
            kind = self.shelves.type_of(butler, place.name)
            if kind is None or "exposure" in kind.dimensions or not is_ours(kind):
                continue
            data_id = self.shelves.data_id(butler, place, wanted.detector)
            found += [(one.collection, reference_of(butler, one.ref)) for one in associations(butler, kind, runs, data_id)]
        return found

    def of_exposure(self, butler: Butler, kind: str, detector: int, exposure: int) -> ProductRef | None:
        """Give the product of a kind that was put last for an exposure; None if there is none.

        The data id of what a pair makes has the first exposure; that of the second is looked for among the `BEFORE` before it.
        """
        place = shelf(kind, Setup(), exposure=True)
        type_ = self.shelves.type_of(butler, place.name)
        if type_ is None or not is_ours(type_):
            return None
        whole = self.shelves.data_id(butler, place, detector, exposure)
        data_id = {key: value for key, value in whole.items() if key != "exposure"}
        newest = f"-{place.name}.ingest_date"

        def query(where: str, number: int) -> Sequence[DatasetRef]:
            found: Sequence[DatasetRef] = butler.query_datasets(
                type_, collections="*", find_first=False, data_id=data_id, where=where, bind={"asked": exposure},
                order_by=("-exposure", newest), limit=number, explain=False,
            )  # fmt: skip
            return found

        mine = query("exposure = asked", 1)
        if mine:
            return reference_of(butler, mine[0])
        pair = next((one for one in query("exposure < asked", BEFORE) if in_pair_with(butler, one, exposure)), None)
        return None if pair is None else reference_of(butler, pair)

    def built(self, butler: Butler, kind: str | None, collection: str) -> list[ProductRef]:
        """Give all that a run built, if the collection is that of a run of latcal."""
        runs = [spot.name for spot in places(butler, [collection]) if not spot.calibration] if run_of(collection) else []
        data_id = {"instrument": self.shelves.repository.instrument_name(butler)}
        types = (one for one in butler.registry.queryDatasetTypes("*") if runs and is_ours(one) and not is_prepared(one))
        found = (reference_of(butler, one.ref) for type_ in types for one in associations(butler, type_, runs, data_id))
        return [ref for ref in found if kind in (None, ref.kind)]


def _together(name: str, spots: Iterator[Place]) -> Iterator[list[Place]]:
    """Give the members of what was asked for one by one, in order; those of a run of latcal all at once."""
    members = list(spots)
    if run_of(name):
        yield members
    else:
        yield from ([one] for one in members)


def _chosen(wanted: Wanted, valid: Sequence[Certification]) -> ProductRef | None:
    if wanted.exposure is not None:
        return the_one_for(wanted.exposure, [one.ref for one in valid])
    return valid[0].ref if valid else None
