"""The store ``memory``: everything in this process, gone with it; for tests and trials."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any, Self

import numpy as np
from astropy.time import Time
from attrs import evolve, field, frozen

from latcal.plugin import (
    Certification,
    Exposure,
    Frame,
    Product,
    ProductRef,
    Setup,
    StoreError,
    StoreType,
    ValidityRange,
    World,
    hookimpl,
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
    order,
    overlap,
    plain,
    run_of,
    setup_text,
    suits,
    the_one_built,
    the_one_for,
)


@frozen
class MemoryOptions:
    """It has none."""


@frozen(eq=False)
class MemoryStore:
    """Keeps what it is given; safe for several threads."""

    options: MemoryOptions
    world: World
    _lock: Any = field(factory=threading.RLock, init=False)
    _days: dict[int, int] = field(factory=dict, init=False)
    _frames: dict[tuple[int, int], Frame] = field(factory=dict, init=False)
    _products: dict[str, tuple[ProductRef, Product]] = field(factory=dict, init=False)
    _certified: dict[tuple[str, str, int], list[Certification]] = field(factory=dict, init=False)
    _reports: dict[tuple[str, str], str] = field(factory=dict, init=False)
    _attached: dict[tuple[str, str], bytes] = field(factory=dict, init=False)

    def __enter__(self) -> Self:
        """Give the store itself; what it holds stays."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Do nothing."""

    def reserve(self, day: date, n: int) -> range:
        """Reserve exposure ids of a day: consecutive, never given twice."""
        number = int(f"{day:%Y%m%d}")
        with self._lock:
            ids = numbered(number, self._days.get(number, 0), n)
            self._days[number] = self._days.get(number, 0) + n
        return ids

    def ingest(self, frame: Frame) -> Frame:
        """Keep a raw frame, and give it back with its checksum."""
        key = (frame.exposure.id, frame.detector.id)
        kept = evolve(frame, checksum=_checksum(frame))
        with self._lock:
            if key in self._frames:
                raise StoreError(f"exposure {key[0]} of detector {key[1]} is in the store already")
            self._frames[key] = kept
        return kept

    def frames(self, exposures: Iterable[int], detector: int) -> Iterator[Frame]:
        """Give raw frames in the order asked for."""
        wanted = tuple(exposures)
        with self._lock:
            missing = [exposure for exposure in wanted if (exposure, detector) not in self._frames]
            if missing:
                raise missing_frames(missing, detector)
            return iter([self._frames[exposure, detector] for exposure in wanted])

    def exposure(self, exposure: int) -> Exposure:
        """Give the facts of an exposure."""
        with self._lock:
            for (number, _), frame in self._frames.items():
                if number == exposure:
                    return frame.exposure
        raise StoreError(f"exposure {exposure} is not in the store")

    def put(self, product: Product, run: str) -> ProductRef:
        """Keep a copy of a product."""
        from latcal.formats.products import reference

        ref = reference(product, run)
        planes = {}
        for name, plane in product.planes.items():
            planes[name] = np.array(plane)
            planes[name].flags.writeable = False
        with self._lock:
            self._products[ref.id] = (ref, evolve(product, planes=planes))
        return ref

    def get(self, ref: ProductRef) -> Product:
        """Give a product; its arrays are read-only."""
        with self._lock:
            if ref.id not in self._products:
                raise StoreError(f"{ref} is not in the store")
            return self._products[ref.id][1]

    def find(self, kind: str, detector: int, setup: Setup, at: Time, collections: Iterable[str]) -> ProductRef:
        """Find the product valid at an instant in the first collection that has one."""
        tried = tuple(collections)
        for collection in tried:
            for one in self._valid(collection, kind, detector, at):
                if one.ref.setup == setup:
                    return one.ref
            built = self._built(collection, kind, detector, lambda mine: mine == setup)
            if built is not None:
                return built
        raise not_found(kind, detector, str(setup), at, tried)

    def find_exposure(self, kind: str, detector: int, exposure: int, collections: Iterable[str]) -> ProductRef:
        """Find the product for an exposure: valid at its begin, with its setup."""
        tried, facts = tuple(collections), self.exposure(exposure)
        for collection in tried:
            one = the_one_for(facts, [one.ref for one in self._valid(collection, kind, detector, facts.begin)])
            if one is not None:
                return one
            built = self._built(collection, kind, detector, lambda mine: suits(mine, facts))
            if built is not None:
                return built
        raise not_found(kind, detector, f"and exposure {exposure} ({facts.setup})", facts.begin, tried)

    def _valid(self, collection: str, kind: str, detector: int, at: Time) -> list[Certification]:
        with self._lock:
            return [one for one in self._certified.get((collection, kind, detector), ()) if one.valid.contains(at)]

    def _built(
        self, collection: str, kind: str, detector: int, fits: Callable[[Setup], bool]
    ) -> ProductRef | None:
        """Give what a run built, if the collection is that of a run."""
        run = run_of(collection)
        with self._lock:
            mine = [ref for ref, _ in self._products.values() if run and ref.run == run]
        found = the_one_built(mine, kind, detector, fits)
        return None if found is None else evolve(found, collection=collection)

    def of_exposure(self, kind: str, detector: int, exposure: int) -> ProductRef:
        """Find the newest product of a kind that belongs to one exposure."""
        with self._lock:
            for ref, product in reversed(self._products.values()):
                if (ref.kind, ref.detector) == (kind, detector) and exposure in exposures_of(product):
                    return ref
        raise not_of_exposure(kind, detector, exposure)

    def attach(self, ref: ProductRef, name: str, data: bytes) -> None:
        """Keep a file that goes with a product."""
        with self._lock:
            self.get(ref)  # it must be there
            self._attached[ref.id, plain(name, "a file")] = bytes(data)

    def attached(self, ref: ProductRef, name: str) -> bytes:
        """Read such a file back."""
        with self._lock:
            self.get(ref)
            if (ref.id, name) not in self._attached:
                raise not_attached(ref, name)
            return self._attached[ref.id, name]

    def certify(
        self, refs: Iterable[ProductRef], collection: str, valid: ValidityRange, *, unverified: str = ""
    ) -> None:
        """Enter products in a collection: all of them or none."""
        certified = stamp(self.world.now())
        with self._lock:
            new: list[Certification] = []
            for ref in refs:
                if ref.id not in self._products:
                    raise StoreError(f"{ref} is not in the store")
                kept = evolve(self._products[ref.id][0], collection=collection)
                taken = self._taken(kept.kind, kept.detector, kept.setup, collection, valid)
                again = [valid for one in new if _key(one) == _key(Certification(kept, collection, valid))]
                if taken or again:
                    raise overlap(kept, collection, (taken or again)[0])
                new.append(Certification(kept, collection, valid, certified, unverified))
            for one in new:
                self._certified.setdefault((collection, one.ref.kind, one.ref.detector), []).append(one)

    def is_free(self, kind: str, detector: int, setup: Setup, collection: str, valid: ValidityRange) -> bool:
        """Tell whether `certify` would find no overlap."""
        with self._lock:
            return not self._taken(kind, detector, setup, collection, valid)

    def _taken(
        self, kind: str, detector: int, setup: Setup, collection: str, valid: ValidityRange
    ) -> list[ValidityRange]:
        entries = self._certified.get((collection, kind, detector), ())
        return [one.valid for one in entries if one.ref.setup == setup and one.valid.overlaps(valid)]

    def list(self, kind: str | None = None, collection: str | None = None) -> Iterator[Certification]:
        """Give what is certified, in the order of `latcal.plugin.lookup.order`."""
        run = run_of(collection or "")
        with self._lock:
            every = [one for entries in self._certified.values() for one in entries]
            mine = [ref for ref, _ in self._products.values() if run and ref.run == run]
        wanted = [
            one for one in every if kind in (None, one.ref.kind) and collection in (None, one.collection)
        ]
        return iter(sorted(wanted, key=order) + built((ref for ref in mine if kind in (None, ref.kind)), collection or ""))

    def free_bytes(self) -> int | None:
        """Give None: the memory of a computer is not asked."""
        return None

    def write_report(self, run: str, files: Mapping[str, str]) -> None:
        """Keep the texts of a run's report."""
        with self._lock:
            self._reports.update({(run, name): text for name, text in files.items()})

    def read_report(self, run: str, name: str) -> str:
        """Read one of them back."""
        with self._lock:
            if (run, name) not in self._reports:
                raise StoreError(f"no report {name!r} of the run {run!r} is in the store")
            return self._reports[run, name]


def _key(one: Certification) -> tuple[str, int, str]:
    return one.ref.kind, one.ref.detector, setup_text(one.ref.setup)


def _checksum(frame: Frame) -> str:
    """Give the SHA-256 of the file, which must be one that can be read, or of the pixels of a frame that is none."""
    if frame.path is not None:
        from latcal.formats.raw import checksum, read_raw

        try:
            read_raw(frame.path, frame.detector)
        except StoreError as error:
            raise StoreError(f"exposure {frame.exposure.id}, detector {frame.detector.name}: {error}") from error
        return checksum(frame.path)
    total = hashlib.sha256()
    for amplifier in frame.detector.amplifiers:
        total.update(np.ascontiguousarray(frame.raw(amplifier)).tobytes())
    return total.hexdigest()


@hookimpl
def latcal_stores() -> Iterator[StoreType]:
    """Declare the store ``memory``."""
    yield StoreType(
        name="memory", summary="In memory, gone after the run", options=MemoryOptions, open=MemoryStore, shared=False
    )
