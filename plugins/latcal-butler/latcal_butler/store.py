"""The store ``butler``: what each of a store's members does in a repository."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Self

from astropy.time import Time
from attrs import Factory, field, frozen
from latcal.formats.products import digest, read_product, reference
from latcal.plugin import (
    Certification,
    Exposure,
    Frame,
    Product,
    ProductRef,
    Setup,
    StoreError,
    ValidityRange,
    World,
    stamp,
)
from latcal.plugin.lookup import built, missing_frames, not_found, not_of_exposure, order, plain

from latcal_butler.certificates import Certificates, dataset_of, span_of
from latcal_butler.exposures import Exposures
from latcal_butler.facts import local_file
from latcal_butler.finding import Finding, Wanted
from latcal_butler.lookups import calibrations
from latcal_butler.options import ButlerOptions
from latcal_butler.reports import Reports
from latcal_butler.repository import Repository
from latcal_butler.runs import Runs
from latcal_butler.shelves import Shelves


def _repository(store: ButlerStore) -> Repository:
    return Repository(store.options, store.world)


def _papers(store: ButlerStore) -> Certificates:
    return Certificates(store._shelves, store._runs)  # noqa: SLF001 - its own


def _reports(store: ButlerStore) -> Reports:
    return Reports(store.repository, store._runs)  # noqa: SLF001 - its own


def _finding(store: ButlerStore) -> Finding:
    return Finding(store._shelves, store._certificates)  # noqa: SLF001 - its own


@frozen(eq=False)
class ButlerStore:
    """A Butler repository as a store of latcal; one thread at a time uses it."""

    options: ButlerOptions
    world: World
    repository: Repository = field(init=False, default=Factory(_repository, takes_self=True))
    _shelves: Shelves = field(init=False, default=Factory(lambda store: Shelves(store.repository), takes_self=True))
    _runs: Runs = field(init=False, default=Factory(lambda store: Runs(store.options.user), takes_self=True))
    _certificates: Certificates = field(init=False, default=Factory(_papers, takes_self=True))
    _exposures: Exposures = field(init=False, default=Factory(lambda store: Exposures(store.repository), takes_self=True))
    _reports: Reports = field(init=False, default=Factory(_reports, takes_self=True))
    _finding: Finding = field(init=False, default=Factory(_finding, takes_self=True))

    def __enter__(self) -> Self:
        """Open the store, so that a repository that cannot be is told at once; nothing is written."""
        with self.repository.reading():
            return self

    def __exit__(self, *exc: object) -> None:
        """Close it."""
        self.repository.close()

    # -- exposures -----------------------------------------------------------------------------------------------

    def reserve(self, day: date, n: int) -> range:
        """Reserve exposure ids of a day: consecutive, never given twice, whatever process asks."""
        with self.repository.writing() as butler:
            return self._exposures.reserve(butler, day, n)

    def ingest(self, frame: Frame) -> Frame:
        """Keep a raw frame in ``<INSTRUMENT>/raw/all``, with its dimension records."""
        with self.repository.writing() as butler:
            return self._exposures.ingest(butler, frame)

    def frames(self, exposures: Iterable[int], detector: int) -> Iterator[Frame]:
        """Read back raw frames in the order asked for; pixels when they are wanted."""
        wanted = tuple(exposures)
        with self.repository.reading() as butler:
            if butler is None:
                raise missing_frames(wanted, detector)
            return self._exposures.frames(butler, wanted, detector)

    def exposure(self, exposure: int) -> Exposure:
        """Give the facts of an exposure."""
        with self.repository.reading() as butler:
            if butler is None:
                raise StoreError(f"exposure {exposure} is not in the store")
            return self._exposures.exposure(butler, exposure)

    # -- products ------------------------------------------------------------------------------------------------

    def put(self, product: Product, run: str) -> ProductRef:
        """Keep a product of a run; its id is that of the dataset."""
        ref = reference(product, run)
        with self.repository.writing() as butler:
            try:
                dataset_of(butler, ref)
            except StoreError:
                kind, data_id = self._shelves.enter(butler, product)
                self._runs.put(butler, self._runs.of(run), kind, data_id, product, ref.id)
        return ref

    def get(self, ref: ProductRef) -> Product:
        """Read a product back and check its digest."""
        with self.repository.reading() as butler:
            if butler is None:
                raise StoreError(f"{ref} is not in the store")
            with local_file(butler, dataset_of(butler, ref)) as path:
                product = read_product(path)
                if digest(product) != ref.digest:
                    raise StoreError(f"{path} is damaged: its digest is not that of {ref} (restore it from a copy)")
        return product

    def find(self, kind: str, detector: int, setup: Setup, at: Time, collections: Iterable[str]) -> ProductRef:
        """Find the product valid at an instant in the first collection that has one."""
        tried = tuple(collections)
        with self.repository.reading() as butler:
            found = butler and self._finding.find(butler, Wanted(kind, detector, (setup,), at), tried)
        if not found:
            raise not_found(kind, detector, str(setup), at, tried)
        return found

    def find_exposure(self, kind: str, detector: int, exposure: int, collections: Iterable[str]) -> ProductRef:
        """Find the product for an exposure: valid at its begin, with its setup."""
        tried, facts = tuple(collections), self.exposure(exposure)
        with self.repository.reading() as butler:
            found = butler and self._finding.find(butler, Wanted.of(kind, detector, facts), tried)
        if not found:
            raise not_found(kind, detector, f"and exposure {exposure} ({facts.setup})", facts.begin, tried)
        return found

    def of_exposure(self, kind: str, detector: int, exposure: int) -> ProductRef:
        """Find the newest product of a kind that belongs to one exposure."""
        with self.repository.reading() as butler:
            found = butler and self._finding.of_exposure(butler, kind, detector, exposure)
        if not found:
            raise not_of_exposure(kind, detector, exposure)
        return found

    # -- what goes with a product --------------------------------------------------------------------------------

    def attach(self, ref: ProductRef, name: str, data: bytes) -> None:
        """Keep a file that goes with a product, as a dataset with its data id."""
        with self.repository.writing() as butler:
            self._reports.attach(butler, ref, plain(name, "a file"), data)

    def attached(self, ref: ProductRef, name: str) -> bytes:
        """Read such a file back."""
        with self.repository.reading() as butler:
            if butler is None:
                raise StoreError(f"{ref} is not in the store")
            return self._reports.attached(butler, ref, plain(name, "a file"))

    # -- certificates --------------------------------------------------------------------------------------------

    def certify(
        self, refs: Iterable[ProductRef], collection: str, valid: ValidityRange, *, unverified: str = ""
    ) -> None:
        """Enter products in a CALIBRATION collection: all of them or none."""
        with self.repository.writing() as butler:
            words = (stamp(self.world.now()), unverified)
            self._certificates.enter(butler, tuple(refs), collection, valid, words)

    def is_free(self, kind: str, detector: int, setup: Setup, collection: str, valid: ValidityRange) -> bool:
        """Tell whether `certify` would find no overlap."""
        span = span_of(valid)
        with self.repository.reading() as butler:
            if butler is None:
                return True
            place = self._shelves.find(butler, kind, setup)
            return self._certificates.is_free(butler, place, detector, calibrations(butler, collection), span)

    def list(self, kind: str | None = None, collection: str | None = None) -> Iterator[Certification]:
        """Give what is certified, in the order of `latcal.plugin.lookup.order`."""
        with self.repository.reading() as butler:
            if butler is None:
                return iter(())
            found = self._certificates.all(butler, kind, collection)
            mine = self._finding.built(butler, kind, collection or "")
        return iter((*sorted(found, key=order), *built(mine, collection or "")))

    # -- room and reports ----------------------------------------------------------------------------------------

    def free_bytes(self) -> int | None:
        """Give the room left on the disk that the files are on, or will be [byte]; None if they are elsewhere."""
        with self.repository.reading() as butler:
            root = self.repository.root(butler)
            there = root and next(folder for folder in (root, *root.parents) if folder.exists())
            return shutil.disk_usage(there).free if there else None

    def write_report(self, run: str, files: Mapping[str, str]) -> None:
        """Keep the texts of a run's report, and the statistics of its verifications."""
        with self.repository.writing() as butler:
            self._reports.write(butler, run, files)

    def read_report(self, run: str, name: str) -> str:
        """Read one of the texts back."""
        with self.repository.reading() as butler:
            found = None if butler is None else self._reports.read(butler, run, name)
        if found is None:
            raise StoreError(f"no report {name!r} of the run {run!r} is in {self.repository.name}")
        return found
