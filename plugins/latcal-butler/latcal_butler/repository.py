"""A repository that is opened when it is first asked, and made when it is first written to."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define, field
from latcal.formats import records
from latcal.plugin import Detector, Instrument, StoreError, World

from latcal_butler.faults import told
from latcal_butler.naming import GEOMETRY, RECORD, geometry_collection, instrument_name, raw_collection
from latcal_butler.options import ButlerOptions

if TYPE_CHECKING:  # the Butler is imported when a repository is opened
    from lsst.daf.butler import Butler, DatasetRef, DatasetType
    from lsst.resources import ResourcePath


def _rolled_back(opener: Callable[..., Butler], place: ResourcePath, *, writeable: bool) -> Butler:
    """Open a repository, also where a writer was killed in the middle of a commit: SQLite then wants to be opened to write.

    References
    ----------
    https://sqlite.org/rescode.html#readonly_rollback
    """
    from sqlalchemy.exc import OperationalError

    try:
        return opener(place, writeable=writeable)
    except OperationalError as error:
        if writeable or getattr(error.orig, "sqlite_errorname", "") != "SQLITE_READONLY_ROLLBACK":
            raise
    opener(place, writeable=True).close()  # which undoes what was begun
    return opener(place, writeable=writeable)


def _make(repo: str, config: Path | None) -> None:
    from latcal_butler.making import make

    make(repo, config)


@define(eq=False)
class Repository:
    """The Butler of a store: one, used by one thread at a time.

    Parameters
    ----------
    options : ButlerOptions
    world : World
    make : callable
        ``make(repo, config)`` makes it.
    """

    options: ButlerOptions
    world: World
    make: Callable[[str, Path | None], None] = _make
    _lock: Any = field(factory=threading.RLock, init=False)
    _butler: Any = field(default=None, init=False)
    _writes: bool = field(default=False, init=False)
    _types: dict[str, Any] = field(factory=dict, init=False)
    _detectors: dict[int, str] = field(factory=dict, init=False)
    _instrument: Instrument | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.options.repo

    @contextmanager
    def reading(self) -> Iterator[Butler | None]:
        """Give a Butler to ask, to this thread alone; None if there is no repository yet, and one may be made.

        Raises
        ------
        StoreError
            If there is none, it cannot be opened, or what is asked fails.
        """
        with self._lock, told(self.name):
            if self._butler is None:
                self._butler = self._opened(writeable=False)
                self._check()
            yield self._butler

    @contextmanager
    def writing(self) -> Iterator[Butler]:
        """Give a Butler to write with, to this thread alone; the repository is made, and the instrument entered.

        Raises
        ------
        StoreError
            If that may not be, or fails; or what is written fails.
        """
        with self._lock, told(self.name):
            if not self._writes:
                self._close()
                self._butler = self._writer()
                self._writes = True
                self._check()
                self._settle(self._butler)
            yield self._butler

    def close(self) -> None:
        """Close it; who asks again opens it again."""
        with self._lock, told(self.name):
            self._close()

    def _close(self) -> None:
        if self._butler is not None:
            self._butler.close()
        self._butler, self._writes, self._instrument = None, False, None
        self._types.clear()
        self._detectors.clear()

    def _opened(self, *, writeable: bool) -> Any:
        from lsst.daf.butler import Butler

        from latcal_butler.making import configuration_place

        place = configuration_place(self.options.repo)
        if self.options.create and not place.exists():  # which the Butler finds out after it has read all its defaults
            return None
        try:
            return _rolled_back(Butler.from_config, place, writeable=writeable)
        except FileNotFoundError as error:
            if self.options.create:
                return None
            raise StoreError(
                f"{self.name}: no Butler repository is there (make one with 'latcal-butler init {self.name}', or write "
                "create: true)"
            ) from error

    def _writer(self) -> Any:
        butler = self._opened(writeable=True)
        if butler is None:
            self.make(self.options.repo, self.options.config)
            butler = self._opened(writeable=True)
        return butler

    def _check(self) -> None:
        """See that the repository can have datasets of ours."""
        from latcal_butler.making import knows

        if self._butler is not None and not knows(self._butler._config):  # noqa: SLF001 - it has no other way to ask
            self._close()
            raise StoreError(
                f"{self.name}: its configuration does not know latcal's datasets (run 'latcal-butler init {self.name}', "
                "which adds them)"
            )

    def root(self, butler: Butler | None) -> Path | None:
        """Give the folder that files are in, or will be; None if they are elsewhere."""
        from lsst.resources import ResourcePath

        uri = ResourcePath(self.options.repo, forceAbsolute=True)
        if butler is not None:
            uri = next(iter(root for root in butler.get_datastore_roots().values() if root is not None), uri)
        return Path(uri.ospath) if uri.isLocal else None

    # -- the instrument ------------------------------------------------------------------------------------------

    @property
    def rollover_h(self) -> float:
        """When a day of the instrument begins [h]; where a store is opened without one, 12 as with Rubin's cameras."""
        return 12.0 if self.world.instrument is None else self.world.instrument.rollover_h

    def instrument_name(self, butler: Butler) -> str:
        """Give what the repository calls the instrument.

        Raises
        ------
        StoreError
            If it has several, and nothing says which.
        """
        if self.options.instrument:
            return self.options.instrument
        if self.world.instrument is not None:
            return instrument_name(self.world.instrument)
        names = sorted(record.name for record in butler.query_dimension_records("instrument", explain=False))
        if len(names) == 1:
            return str(names[0])
        has = ", ".join(names) or "none"
        raise StoreError(f"{self.name}: which instrument is meant is not said, and it has {has} (set the option instrument)")

    def has_instrument(self, butler: Butler, name: str) -> bool:
        """Tell whether the repository has an instrument."""
        return bool(butler.query_dimension_records("instrument", instrument=name, explain=False))

    def instrument(self, butler: Butler) -> Instrument:
        """Give the instrument, with its geometry: the recipe's, or else that with which it was registered.

        Raises
        ------
        StoreError
            If nobody knows it.
        """
        if self.world.instrument is not None:
            return self.world.instrument
        if self._instrument is None:
            self._instrument = self._recorded(butler, self.instrument_name(butler))
        return self._instrument

    def _recorded(self, butler: Butler, name: str) -> Instrument:
        dataset = self.geometry(butler, name)
        if dataset is None:
            from latcal_butler.instruments import known

            return known(name)
        return records.from_plain(butler.get(dataset), Instrument)

    def geometry(self, butler: Butler, name: str) -> DatasetRef | None:
        """Give the dataset with the geometry of an instrument; None if others entered it, who have none of latcal's."""
        from lsst.daf.butler import MissingCollectionError

        kind = self.known_type(butler, GEOMETRY)
        if kind is None:
            return None
        try:
            return butler.find_dataset(kind, instrument=name, collections=[geometry_collection(name)])
        except MissingCollectionError:
            return None

    def detector(self, butler: Butler, number: int) -> Detector:
        """Give a detector of the instrument.

        Raises
        ------
        StoreError
            If there is none.
        """
        instrument = self.instrument(butler)
        try:
            return instrument.detector(number)
        except KeyError:
            raise StoreError(f"the instrument {instrument.name} has no detector {number}") from None

    def _settle(self, butler: Butler) -> None:
        """See that the instrument is in the repository, and is the same; enter it if that may be."""
        name, instrument = self.instrument_name(butler), self.world.instrument
        if not self.has_instrument(butler, name):
            if not self.options.create or instrument is None:
                raise StoreError(
                    f"{self.name}: it has no instrument {name!r} (run 'latcal-butler init {self.name} --instrument NAME', or "
                    "write create: true)"
                )
            self.register(butler, name, instrument)
        for detector in () if instrument is None else instrument.detectors:
            there = self.detectors(butler, name)
            if there.get(detector.id) != detector.name:
                found = f"is {there[detector.id]!r}" if detector.id in there else "is not there"
                raise StoreError(
                    f"{self.name}: detector {detector.id} of {name} {found}, and the recipe's is {detector.name!r} (is it the "
                    "instrument of this repository? name another with the option instrument)"
                )
        if instrument is not None and self.geometry(butler, name) is None:  # others entered it, or were stopped in between
            self._register_geometry(butler, name, instrument)

    def detectors(self, butler: Butler, name: str) -> dict[int, str]:
        """Give the detectors of an instrument that the repository has: their names by their ids."""
        if not self._detectors:
            rows = butler.query_dimension_records("detector", instrument=name, explain=False)
            self._detectors.update({int(row.id): str(row.full_name) for row in rows})
        return self._detectors

    def check_detector(self, butler: Butler, name: str, number: int) -> None:
        """See that the repository has a detector.

        Raises
        ------
        StoreError
            If it has not.
        """
        if number not in self.detectors(butler, name):
            raise StoreError(
                f"{self.name}: the instrument {name} has no detector {number} there (register it: latcal-butler init "
                f"{self.name} --instrument NAME)"
            )

    def register(self, butler: Butler, name: str, instrument: Instrument) -> None:
        """Enter an instrument: dimension records, geometry, and the collection of its raw frames."""
        from latcal_butler.dimensions import register_instrument

        register_instrument(butler.registry, name, instrument)
        self._register_geometry(butler, name, instrument)

    def _register_geometry(self, butler: Butler, name: str, instrument: Instrument) -> None:
        from lsst.daf.butler.registry import ConflictingDefinitionError

        kind = self.dataset_type(butler, GEOMETRY, ("instrument",), RECORD)
        collection = geometry_collection(name)
        for one in (collection, raw_collection(name)):
            butler.collections.register(one)
        with contextlib.suppress(ConflictingDefinitionError):  # it is there, as another process was faster
            butler.put(records.to_plain(instrument), kind, instrument=name, run=collection)

    # -- dataset types -------------------------------------------------------------------------------------------

    def known_type(self, butler: Butler, name: str) -> DatasetType | None:
        """Give a dataset type; None if it is not there."""
        from lsst.daf.butler import MissingDatasetTypeError

        if name not in self._types:
            try:
                self._types[name] = butler.get_dataset_type(name)
            except MissingDatasetTypeError:
                return None
        found: DatasetType = self._types[name]
        return found

    def dataset_type(
        self, butler: Butler, name: str, dimensions: tuple[str, ...], storage_class: str, *, calibration: bool = False
    ) -> DatasetType:
        """Give a dataset type; enter it, if it is not there.

        Raises
        ------
        StoreError
            If it is there, and is another: that of the Rubin stack, say.
        """
        from lsst.daf.butler import DatasetType
        from lsst.daf.butler.registry import ConflictingDefinitionError

        found = self.known_type(butler, name)
        if found is None:
            wanted = DatasetType(name, dimensions, storage_class, universe=butler.dimensions, isCalibration=calibration)
            try:
                butler.registry.registerDatasetType(wanted)
            except ConflictingDefinitionError:  # another process entered it since
                found = self.known_type(butler, name)
            else:
                found = self._types[name] = wanted
        if found is None or found.storageClass_name != storage_class or found.isCalibration() != calibration:
            raise StoreError(
                f"{self.name}: its dataset type {found or name} is not latcal's, which has the storage class {storage_class} "
                "(use a repository of its own)"
            )
        return found

