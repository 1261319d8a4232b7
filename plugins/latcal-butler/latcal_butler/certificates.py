"""What is certified: calibration associations of products, and of small datasets that say when and by whose leave."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from astropy.time import Time
from attrs import evolve, frozen
from latcal.formats import records
from latcal.plugin import Certification, ProductRef, StoreError, ValidityRange, instant, stamp
from latcal.plugin.lookup import overlap, setup_text

from latcal_butler.facts import reference_of
from latcal_butler.lookups import associations, calibrations
from latcal_butler.naming import Shelf, certificate_type, certified_type, is_certificate, is_ours, type_name
from latcal_butler.runs import Runs
from latcal_butler.shelves import Shelves

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef, DatasetType, Timespan

FIRST_YEAR, LAST_YEAR = 1970, 2100
"""What a Butler's registry knows of time: from the first day of the one until that of the other."""


@frozen
class Entry:
    """What a CALIBRATION collection has for a while: a product, its certificate, or both.

    One without a certificate was certified by other tools. A product that belongs to an exposure is entered by its
    certificate alone: a Butler has such datasets in no CALIBRATION collection that it can be asked for.
    """

    collection: str
    span: Timespan | None
    product: DatasetRef | None
    certificate: DatasetRef | None


@frozen(eq=False)
class Certificates:
    """Certifications of a repository."""

    shelves: Shelves
    runs: Runs

    def at(
        self, butler: Butler, place: Shelf, detector: int, collections: Sequence[str], span: Timespan | None
    ) -> list[Certification]:
        """Give what is certified of a kind, setup and detector, and holds at some time in a span."""
        data_id = self.shelves.data_id(butler, place, detector)
        return self._told(butler, self._entries(butler, place.name, place.certificate, data_id, collections, span))

    def is_free(
        self, butler: Butler, place: Shelf, detector: int, collections: Sequence[str], span: Timespan | None
    ) -> bool:
        """Tell whether something could be certified for a span; a certificate whose product is gone is in the way too."""
        data_id = self.shelves.data_id(butler, place, detector)
        return not any(True for _ in self._entries(butler, place.name, place.certificate, data_id, collections, span))

    def all(self, butler: Butler, kind: str | None, collection: str | None) -> list[Certification]:
        """Give all that is certified."""
        data_id = {"instrument": self.shelves.repository.instrument_name(butler)}
        names = {certified_type(name) for name in self._types(butler, kind)}
        collections = calibrations(butler, collection)
        found = [
            one
            for name in sorted(names)
            for one in self._told(butler, self._entries(butler, name, certificate_type(name), data_id, collections, None))
        ]
        return [one for one in found if kind in (None, one.ref.kind)]

    def _types(self, butler: Butler, kind: str | None) -> list[str]:
        """Give the names of dataset types of products and certificates that can be certified."""
        pattern = "*" if kind is None else f"{type_name(kind)}*"
        found = [one for one in butler.registry.queryDatasetTypes(pattern) if one.isCalibration()]
        return [one.name for one in found if is_certificate(one.name) or is_ours(one)]

    def _entries(
        self,
        butler: Butler,
        product_type: str,
        certificate_type: str,
        data_id: Mapping[str, Any],
        collections: Sequence[str],
        span: Timespan | None,
    ) -> Iterator[Entry]:
        kinds = [self.shelves.type_of(butler, name) for name in (product_type, certificate_type)]
        if kinds[0] is not None and not kinds[0].isCalibration():
            kinds[0] = None
        products, papers = (list(associations(butler, kind, collections, data_id, span)) for kind in kinds)
        left = {(one.collection, one.timespan, one.ref.dataId.required_values): one for one in papers}
        for one in products:
            paper = left.pop((one.collection, one.timespan, one.ref.dataId.required_values), None)
            yield Entry(one.collection, one.timespan, one.ref, None if paper is None else paper.ref)
        for one in left.values():
            yield Entry(one.collection, one.timespan, None, one.ref)

    def _told(self, butler: Butler, entries: Iterable[Entry]) -> list[Certification]:
        return [one for one in (self._certification(butler, entry) for entry in entries) if one is not None]

    def _certification(self, butler: Butler, entry: Entry) -> Certification | None:
        product = entry.product
        if entry.certificate is not None:
            found = records.from_plain(butler.get(entry.certificate), Certification)
            told = evolve(found, ref=evolve(found.ref, collection=entry.collection), collection=entry.collection)
            if told.ref.exposure is not None if product is None else told.ref.id == product.id.hex:
                return told
        if product is None:  # its product was taken out of the collection by other tools
            return None
        ref = evolve(reference_of(butler, product), collection=entry.collection)
        return Certification(ref, entry.collection, range_of(entry.span))

    # -- entering ------------------------------------------------------------------------------------------------

    def enter(
        self, butler: Butler, refs: Sequence[ProductRef], collection: str, valid: ValidityRange, words: tuple[str, str]
    ) -> None:
        """Certify products: all or none.

        Parameters
        ----------
        words : tuple of str
            When; who waived the verification and why.

        Raises
        ------
        ValidityOverlap, StoreError
            If something is valid then, a product is not in the store, or the collection is of another type.
        """
        from lsst.daf.butler.registry import ConflictingDefinitionError
        from sqlalchemy.exc import IntegrityError

        span = span_of(valid)
        datasets = [dataset_of(butler, ref) for ref in refs]
        self._settle(butler, collection)
        papers = [self._paper(butler, ref) for ref in refs]
        try:
            with butler.transaction():
                entered = [dataset for ref, dataset in zip(refs, datasets, strict=True) if ref.exposure is None]
                for ref, (name, kind, data_id) in zip(refs, papers, strict=True):
                    told = Certification(evolve(ref, collection=""), collection, valid, *words)
                    entered.append(self.runs.put_in(butler, name, kind, data_id, records.to_plain(told)))
                butler.registry.certify(collection, entered, span)
        except (ConflictingDefinitionError, IntegrityError):
            self._refuse(butler, refs, collection, valid, span)
            raise

    def _paper(self, butler: Butler, ref: ProductRef) -> tuple[str, DatasetType, Mapping[str, Any]]:
        """Give where the certificate of a product goes: its RUN collection, dataset type and data id."""
        place = self.shelves.find(butler, ref.kind, ref.setup)
        data_id = self.shelves.data_id(butler, place, ref.detector)
        kind = self.shelves.certificate_type(butler, place, data_id)
        return self.runs.place(butler, self.runs.of(ref.run), kind, data_id), kind, data_id

    def _refuse(
        self, butler: Butler, refs: Sequence[ProductRef], collection: str, valid: ValidityRange, span: Timespan
    ) -> None:
        """Say which of them overlaps what is there, or what comes with it."""
        new: set[tuple[str, int, str]] = set()
        for ref in refs:
            key = (ref.kind, ref.detector, setup_text(ref.setup))
            place = self.shelves.find(butler, ref.kind, ref.setup)
            there = [one.valid for one in self.at(butler, place, ref.detector, [collection], span)]
            if there or key in new:
                raise overlap(ref, collection, (there or [valid])[0])
            if not self.is_free(butler, place, ref.detector, [collection], span):
                data_id = self.shelves.data_id(butler, place, ref.detector)
                raise StoreError(
                    f"{collection}: a certificate of a {ref.kind} for detector {ref.detector} is in the way, whose product is gone "
                    f"(take it out: butler.registry.decertify({collection!r}, {place.certificate!r}, Timespan(None, None), "
                    f"dataIds=[{data_id}]))"
                )
            new.add(key)

    def _settle(self, butler: Butler, collection: str) -> None:
        from lsst.daf.butler import CollectionType

        butler.collections.register(collection, CollectionType.CALIBRATION)
        found = butler.collections.get_info(collection).type
        if found is not CollectionType.CALIBRATION:
            raise StoreError(f"{collection} is a {found.name} collection, which nothing is certified into (name another)")


def dataset_of(butler: Butler, ref: ProductRef) -> DatasetRef:
    """Give the dataset that a product is.

    Raises
    ------
    StoreError
        If it is not in the repository.
    """
    try:
        found = butler.get_dataset(uuid.UUID(hex=ref.id))
    except ValueError:
        found = None
    if found is None:
        raise StoreError(f"{ref} is not in the store")
    return found


def span_of(valid: ValidityRange) -> Timespan:
    """Give a validity range as a registry has it: what is outside of the years that it knows is cut off.

    Raises
    ------
    StoreError
        If nothing is left.
    """
    from lsst.daf.butler import Timespan

    first, last = (instant(f"{year}-01-01") for year in (FIRST_YEAR, LAST_YEAR))
    if (valid.end is not None and valid.end <= first) or (valid.begin is not None and valid.begin >= last):
        raise StoreError(f"{valid} is outside of what a Butler's registry can say, {first.iso[:10]} to {last.iso[:10]}")
    begin = None if valid.begin is None else max(valid.begin, first)
    return Timespan(begin, None if valid.end is None else min(valid.end, last))


def moment(at: Time) -> Timespan | None:
    """Give an instant as a registry has it; None for one that it does not know."""
    from lsst.daf.butler import Timespan

    known = instant(f"{FIRST_YEAR}-01-01") <= at < instant(f"{LAST_YEAR}-01-01")
    return Timespan.fromInstant(at) if known else None


def range_of(span: Timespan | None) -> ValidityRange:
    """Give the validity range of what other tools certified, to the microsecond."""
    ends = (None, None) if span is None else (span.begin, span.end)
    begin, end = (None if time is None else instant(stamp(time)) for time in ends)
    return ValidityRange(begin, end)
