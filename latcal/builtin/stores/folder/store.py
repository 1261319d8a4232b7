"""The folder store: where its files lie, and what is written when."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from astropy.time import Time
from attrs import Factory, evolve, field, frozen

from latcal.builtin.stores.folder import certificates, exposures, runs
from latcal.builtin.stores.folder.files import Draft, slug, told
from latcal.builtin.stores.folder.foreign import INDEX, foreign
from latcal.builtin.stores.folder.index import Index
from latcal.builtin.stores.folder.options import FolderOptions
from latcal.formats import records
from latcal.formats.keywords import OWN
from latcal.formats.products import digest, read_product, reference, write_product
from latcal.formats.raw import checksum, read_raw, write_raw
from latcal.plugin import (
    Certification,
    Detector,
    Exposure,
    Frame,
    Product,
    ProductRef,
    Setup,
    StoreError,
    ValidityRange,
    World,
    day_and_number,
    stamp,
)
from latcal.plugin.lookup import (
    built,
    exposures_of,
    missing_frames,
    not_attached,
    not_found,
    not_of_exposure,
    numbered,
    plain,
    setup_text,
    suits,
    the_one_for,
)

if TYPE_CHECKING:  # sqlite3 is imported when an index is opened
    import sqlite3

LARGE_FRAME = 1_000_000
"""Pixels from which raw frames are compressed; latcal's choice: astropy takes 5 ms for each compressed extension."""


def _root(store: FolderStore) -> Path:
    return Path(store.options.root).absolute()


def _index(store: FolderStore) -> Index:
    return Index(store.root / INDEX, float(store.options.lock_timeout.to_value("s")))


def _check_copy(copy: Path, frame: Frame, original: Path) -> None:
    """See that a file can be read back before it is entered: it may have been copied while it was written."""
    try:
        read_raw(copy, frame.detector)
    except StoreError as error:
        what = str(error).replace(str(copy), str(original))
        raise StoreError(f"exposure {frame.exposure.id}, detector {frame.detector.name}: {what}") from error


@frozen(eq=False)
class FolderStore:
    """Files in a folder. The index tells what is there: a file that it does not name is not in the store.

    ``raw/<day>/<observation>_<detector>.fits``, ``products/<run>/<kind>_<detector>_<setup>_<id>.fits`` with what is
    attached to it beside it, ``..._<id>_<name>``, ``reports/<run>/``; each file is written beside its place and moved
    there, if the index names it in the transaction that enters it.
    """

    options: FolderOptions
    world: World
    root: Path = field(init=False, default=Factory(_root, takes_self=True))
    index: Index = field(init=False, default=Factory(_index, takes_self=True))

    def __enter__(self) -> Self:
        """Open the store; nothing is made, written or kept open.

        Raises
        ------
        StoreError
            If the folder is somebody else's, or none.
        """
        what, hint = foreign(self.options.root)
        if what:
            raise StoreError(f"{what} ({hint})")
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it; nothing is open."""

    def reserve(self, day: date, n: int) -> range:
        """Reserve exposure ids of a day: consecutive, never given twice, whatever process asks."""
        number = int(f"{day:%Y%m%d}")
        with self.index.writing() as connection:
            row = connection.execute("SELECT used FROM days WHERE day = ?", (number,)).fetchone()
            used = 0 if row is None else int(row["used"])
            ids = numbered(number, used, n)
            connection.execute("INSERT OR REPLACE INTO days VALUES (?, ?)", (number, used + n))
        return ids

    def ingest(self, frame: Frame) -> Frame:
        """Keep a raw frame: the file that it is, byte for byte, or a new one."""
        exposure, number = frame.exposure, frame.detector.id
        relative = f"raw/{day_and_number(exposure.id)[0]}/{slug(exposure.obs_id)}_{number}.fits"
        with Draft(self.root / relative) as draft:
            if frame.path is not None and frame.path.exists():
                draft.write(partial(shutil.copyfile, frame.path))
                _check_copy(draft.temporary, frame, frame.path)
            else:
                draft.write(partial(write_raw, frame, compress=self._compresses(frame)))
            total = checksum(draft.temporary)
            with self.index.writing() as connection:
                there = "SELECT 1 FROM frames WHERE path = ? OR (exposure = ? AND detector = ?)"
                if connection.execute(there, (relative, exposure.id, number)).fetchone():
                    raise StoreError(f"exposure {exposure.id} of detector {number} is in the store already ({relative})")
                row = (exposure.id, number, relative, total, records.to_text(exposure))
                connection.execute("INSERT INTO frames VALUES (?, ?, ?, ?, ?)", row)
                draft.move()
        return evolve(frame, path=draft.path, checksum=total)

    def _compresses(self, frame: Frame) -> bool:
        chosen = self.options.compress
        return frame.detector.raw_pixels >= LARGE_FRAME if chosen is None else chosen

    def frames(self, exposures: Iterable[int], detector: int) -> Iterator[Frame]:
        """Read back raw frames in the order asked for; pixels when they are wanted."""
        wanted = tuple(exposures)
        with self.index.reading() as connection:
            query = "SELECT * FROM frames WHERE exposure = ? AND detector = ?"
            found = [connection.execute(query, (one, detector)).fetchone() if connection else None for one in wanted]
        missing = [
            one for one, row in zip(wanted, found, strict=True) if row is None or not (self.root / row["path"]).exists()
        ]
        if missing:
            raise missing_frames(missing, detector)
        geometry = self._detector(detector)
        return (self._frame(row, geometry) for row in found if row is not None)

    def _detector(self, number: int) -> Detector:
        instrument = self.world.instrument
        if instrument is None:
            raise StoreError(f"detector {number} is not known to the store {self.root} (open it with an instrument)")
        try:
            return instrument.detector(number)
        except KeyError:
            raise StoreError(f"the instrument {instrument.name} has no detector {number}") from None

    def _frame(self, row: sqlite3.Row, detector: Detector) -> Frame:
        path = self.root / row["path"]
        header, raw = read_raw(path, detector)
        own = {word: value for word, value in header.items() if word not in OWN}
        return Frame(records.from_text(row["facts"], Exposure), detector, raw, own, path, row["checksum"])

    def exposure(self, exposure: int) -> Exposure:
        """Give the facts of an exposure."""
        row = self.index.row("SELECT facts FROM frames WHERE exposure = ? ORDER BY detector LIMIT 1", (exposure,))
        if row is None:
            raise StoreError(f"exposure {exposure} is not in the store {self.root}")
        return records.from_text(row["facts"], Exposure)

    def put(self, product: Product, run: str) -> ProductRef:
        """Keep a product of a run; the same one again changes nothing."""
        ref = reference(product, run)
        name = "_".join(part for part in (product.kind, str(ref.detector), str(ref.setup), ref.id) if part)
        relative = f"products/{plain(run, 'a run')}/{slug(name)}.fits"
        with Draft(self.root / relative) as draft:
            draft.write(partial(write_product, product, total=ref.digest))
            with self.index.writing() as connection:
                row = (ref.id, relative, records.to_text(ref))
                if connection.execute("INSERT OR IGNORE INTO products VALUES (?, ?, ?)", row).rowcount:
                    exposures.enter(connection, ref, exposures_of(product))
                    draft.move()
        return ref

    def get(self, ref: ProductRef) -> Product:
        """Read a product back, and check that it is what was written."""
        path = self._path(ref)
        product = read_product(path)
        if digest(product) != ref.digest:
            raise StoreError(f"{path} is damaged: its planes and tables are not those that were written (restore it)")
        return product

    def find(self, kind: str, detector: int, setup: Setup, at: Time, collections: Iterable[str]) -> ProductRef:
        """Find the product valid at an instant in the first collection that has one."""
        tried, when, mine = tuple(collections), stamp(at), setup_text(setup)
        with self.index.reading() as connection:
            for collection in tried:
                one = connection and certificates.valid_at(connection, kind, detector, mine, when, collection)
                if one:
                    return one
                built = connection and runs.built(connection, collection, kind, detector, lambda found: found == setup)
                if built:
                    return built
        raise not_found(kind, detector, str(setup), at, tried)

    def find_exposure(self, kind: str, detector: int, exposure: int, collections: Iterable[str]) -> ProductRef:
        """Find the product for an exposure: valid at its begin, with its setup."""
        tried, facts = tuple(collections), self.exposure(exposure)
        begin = stamp(facts.begin)
        with self.index.reading() as connection:
            for collection in tried:
                valid = connection and certificates.all_valid_at(connection, kind, detector, begin, collection)
                one = the_one_for(facts, valid or [])
                if one is not None:
                    return one
                built = connection and runs.built(
                    connection, collection, kind, detector, lambda mine: suits(mine, facts)
                )
                if built:
                    return built
        raise not_found(kind, detector, f"and exposure {exposure} ({facts.setup})", facts.begin, tried)

    def _path(self, ref: ProductRef) -> Path:
        row = self.index.row("SELECT path FROM products WHERE id = ?", (ref.id,))
        if row is None:
            raise StoreError(f"{ref} is not in the store {self.root}")
        return self.root / str(row["path"])

    def of_exposure(self, kind: str, detector: int, exposure: int) -> ProductRef:
        """Find the newest product of a kind that belongs to one exposure."""
        with self.index.reading() as connection:
            ref = connection and exposures.newest(connection, kind, detector, exposure)
        if not ref:
            raise not_of_exposure(kind, detector, exposure)
        return ref

    def attach(self, ref: ProductRef, name: str, data: bytes) -> None:
        """Keep a file that goes with a product, beside it."""
        with Draft(self._beside(ref, name)) as draft:
            draft.write(partial(Path.write_bytes, data=data))
            draft.move()

    def attached(self, ref: ProductRef, name: str) -> bytes:
        """Read such a file back."""
        path = self._beside(ref, name)
        if not path.exists():
            raise not_attached(ref, name)
        with told(path):
            return path.read_bytes()

    def _beside(self, ref: ProductRef, name: str) -> Path:
        path = self._path(ref)
        return path.with_name(f"{path.stem}_{plain(name, 'a file')}")

    def certify(
        self, refs: Iterable[ProductRef], collection: str, valid: ValidityRange, *, unverified: str = ""
    ) -> None:
        """Enter products in a collection: all of them or none."""
        with self.index.writing() as connection:
            certificates.enter(connection, refs, collection, valid, (stamp(self.world.now()), unverified))

    def is_free(self, kind: str, detector: int, setup: Setup, collection: str, valid: ValidityRange) -> bool:
        """Tell whether `certify` would find no overlap."""
        with self.index.reading() as connection:
            return connection is None or not certificates.taken(connection, kind, detector, setup, collection, valid)

    def list(self, kind: str | None = None, collection: str | None = None) -> Iterator[Certification]:
        """Give what is certified, in the order of `latcal.plugin.lookup.order`."""
        with self.index.reading() as connection:
            if connection is None:
                return iter(())
            mine = runs.every(connection, collection or "")
            certified = tuple(certificates.listed(connection, kind, collection))
        return iter((*certified, *built((ref for ref in mine if kind in (None, ref.kind)), collection or "")))

    def free_bytes(self) -> int | None:
        """Give the room left on the disk that the store is on, or will be [byte]."""
        there = next(folder for folder in (self.root, *self.root.parents) if folder.exists())
        if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
            raise StoreError(f"{there} is not a folder that can be written (set store.root to one of yours)")
        with told(there):
            return shutil.disk_usage(there).free

    def write_report(self, run: str, files: Mapping[str, str]) -> None:
        """Keep the texts of a run's report as files."""
        for name, text in files.items():
            with Draft(self._report(run, name)) as draft:
                draft.write(partial(Path.write_text, data=text, encoding="utf-8", newline="\n"))
                draft.move()

    def read_report(self, run: str, name: str) -> str:
        """Read one of them back."""
        path = self._report(run, name)
        if not path.exists():
            raise StoreError(f"{path} is not there (no report {name!r} of the run {run!r})")
        with told(path):
            return path.read_bytes().decode("utf-8")

    def _report(self, run: str, name: str) -> Path:
        return self.root / "reports" / plain(run, "a run") / plain(name, "a report")
