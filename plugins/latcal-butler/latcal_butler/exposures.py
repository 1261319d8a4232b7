"""Raw frames and exposures: reserved, ingested and read back."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen
from latcal.formats import records
from latcal.formats.keywords import OWN
from latcal.formats.raw import checksum, exposure_of, read_raw
from latcal.plugin import Detector, Exposure, Frame, StoreError, exposure_id
from latcal.plugin.lookup import missing_frames, numbered

from latcal_butler.facts import LocalFile
from latcal_butler.naming import FACTS, RAW, RAW_FRAME, RECORD, raw_collection
from latcal_butler.repository import Repository

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef, DatasetType

_ATTEMPTS = 200
"""How often exposure numbers are asked for, where others reserve at the same time; our choice."""

_NUMBER = re.compile(r"\d{13}")


@frozen(eq=False)
class Exposures:
    """Exposures of a repository."""

    repository: Repository

    def reserve(self, butler: Butler, day: date, n: int) -> range:
        """Reserve exposure ids of a day: the groups of the first and the last are entered, which nobody else can.

        Raises
        ------
        StoreError
            If the day has no more.
        """
        from sqlalchemy.exc import IntegrityError

        from latcal_butler.dimensions import reserve_groups

        number, name = int(f"{day:%Y%m%d}"), self.repository.instrument_name(butler)
        for _ in range(_ATTEMPTS):
            ids = numbered(number, self._used(butler, name, number), n)
            if not ids:
                return ids
            try:
                reserve_groups(butler.registry, name, ids, self.repository.rollover_h)
            except IntegrityError:  # another process was faster
                continue
            return ids
        raise StoreError(f"{self.repository.name}: others reserved exposures of {number} all the time (try again)")

    @staticmethod
    def _used(butler: Butler, name: str, day: int) -> int:
        """Give the highest number that is reserved or taken on a day."""
        first, last = exposure_id(day, 0), exposure_id(day + 1, 0)
        groups = butler.query_dimension_records(
            "group", where=f"group >= '{first}' AND group < '{last}'", instrument=name, order_by="-group", limit=1,
            explain=False,
        )  # fmt: skip
        taken = butler.query_dimension_records(
            "exposure", where=f"exposure >= {first} AND exposure < {last}", instrument=name, order_by="-exposure", limit=1,
            explain=False,
        )  # fmt: skip
        named = [int(one.name) - first for one in groups if _NUMBER.fullmatch(one.name)]
        return max([0, *named, *(int(one.id) - first for one in taken)])

    def ingest(self, butler: Butler, frame: Frame) -> Frame:
        """Keep a raw frame: the file that it is, byte for byte, or a new one.

        Raises
        ------
        StoreError
            If it is there already, is a file that cannot be read, or others entered its exposure as another.
        """
        from latcal_butler.dimensions import register_exposure

        name, exposure = self.repository.instrument_name(butler), frame.exposure
        self.repository.check_detector(butler, name, frame.detector.id)
        raw, facts = self._types(butler)
        run = raw_collection(name)
        butler.collections.register(run)
        ids = {"instrument": name, "exposure": exposure.id}
        if butler.query_datasets(raw, collections=run, data_id={**ids, "detector": frame.detector.id}, explain=False):
            raise StoreError(f"exposure {exposure.id} of detector {frame.detector.id} is in the store already ({run})")
        with butler.transaction():
            if not butler.query_datasets(facts, collections=run, data_id=ids, explain=False):
                register_exposure(butler.registry, name, exposure, self.repository.rollover_h)
                butler.put(records.to_plain(exposure), facts, ids, run=run)
            dataset = self._enter(butler, frame, raw, {**ids, "detector": frame.detector.id}, run)
            return self._kept(butler, frame, dataset)

    def _types(self, butler: Butler) -> tuple[DatasetType, DatasetType]:
        types = self.repository.dataset_type
        return (
            types(butler, RAW, ("instrument", "detector", "exposure"), RAW_FRAME),
            types(butler, FACTS, ("instrument", "exposure"), RECORD),
        )

    @staticmethod
    def _enter(butler: Butler, frame: Frame, kind: DatasetType, ids: dict[str, Any], run: str) -> DatasetRef:
        from lsst.daf.butler import DatasetIdFactory, DatasetIdGenEnum, DatasetRef, FileDataset

        from latcal_butler.formatters import RawFormatter

        whole = butler.registry.expandDataId(ids, dimensions=kind.dimensions)
        key = DatasetIdFactory().makeDatasetId(run, kind, whole, DatasetIdGenEnum.DATAID_TYPE_RUN)
        dataset = DatasetRef(kind, whole, run=run, id=key)  # as Rubin's own ingestion names raws
        if frame.path is None or not frame.path.exists():
            return butler.put(frame, dataset)
        butler.ingest(FileDataset(str(frame.path), dataset, formatter=RawFormatter), transfer="copy")
        return dataset

    @staticmethod
    def _kept(butler: Butler, frame: Frame, dataset: DatasetRef) -> Frame:
        """Give a frame as it is kept, if it can be read back: it may have been copied while it was written."""
        uri = butler.getURI(dataset)
        with LocalFile(uri) as path:
            try:
                _, raw = read_raw(path, frame.detector)
            except StoreError as error:
                what = str(error).replace(str(path), str(frame.path or path))
                raise StoreError(f"exposure {frame.exposure.id}, detector {frame.detector.name}: {what}") from error
            total = checksum(path)
        kept = raw if uri.isLocal and frame.path is not None else frame.raw
        return evolve(frame, path=path if uri.isLocal else None, checksum=total, raw=kept)

    def frames(self, butler: Butler, exposures: Sequence[int], detector: int) -> Iterator[Frame]:
        """Read back raw frames, in the order asked for.

        Raises
        ------
        StoreError
            If some are missing: they are named.
        """
        name = self.repository.instrument_name(butler)
        found = {one: self._raw(butler, name, one, detector) for one in exposures}
        missing = [one for one, dataset in found.items() if dataset is None]
        if missing:
            raise missing_frames(missing, detector)
        geometry = self.repository.detector(butler, detector)
        frames = [self._frame(butler, dataset, geometry) for dataset in found.values() if dataset is not None]
        by_id = {frame.exposure.id: frame for frame in frames}
        return iter([by_id[one] for one in exposures])

    def _raw(self, butler: Butler, name: str, exposure: int, detector: int) -> DatasetRef | None:
        kind = self.repository.known_type(butler, RAW)
        if kind is None or raw_collection(name) not in butler.collections.query(raw_collection(name)):
            return None
        ids = {"instrument": name, "exposure": exposure, "detector": detector}
        found = butler.query_datasets(kind, collections=raw_collection(name), data_id=ids, explain=False)
        return found[0] if found and butler.stored(found[0]) else None

    def _frame(self, butler: Butler, dataset: DatasetRef, detector: Detector) -> Frame:
        uri = butler.getURI(dataset)
        facts = self.exposure(butler, int(dataset.dataId["exposure"]))
        if uri.isLocal:
            path = Path(uri.ospath)
            header, raw = read_raw(path, detector)
            own = {word: value for word, value in header.items() if word not in OWN}
            return Frame(facts, detector, raw, own, path, checksum(path))
        with LocalFile(uri) as path:
            total = checksum(path)
        given: Frame = butler.get(dataset).frame(facts, detector)
        return evolve(given, header={word: value for word, value in given.header.items() if word not in OWN}, checksum=total)

    def exposure(self, butler: Butler, exposure: int) -> Exposure:
        """Give the facts of an exposure.

        Raises
        ------
        StoreError
            If it is not there.
        """
        name = self.repository.instrument_name(butler)
        run, ids = raw_collection(name), {"instrument": name, "exposure": exposure}
        for kind in (self.repository.known_type(butler, FACTS), self.repository.known_type(butler, RAW)):
            found = [] if kind is None else butler.query_datasets(kind, collections=run, data_id=ids, explain=False)
            if found and kind is not None and kind.name == FACTS:
                return records.from_plain(butler.get(found[0]), Exposure)
            if found:  # ingested by other tools: its header says what happened
                return exposure_of(butler.get(found[0]).header)
        raise StoreError(f"exposure {exposure} is not in the store")
