"""Reports of runs, files that go with products, and what a verification found as Rubin's own tools have it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen
from latcal.plugin import ProductRef
from latcal.plugin.lookup import not_attached, plain

from latcal_butler.certificates import dataset_of
from latcal_butler.naming import DICT, FILE, RECORD, REPORT, attachment, of_filters
from latcal_butler.repository import Repository
from latcal_butler.runs import Runs, Series
from latcal_butler.verification import Statistics, statistics, together

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetType

_VERDICT = re.compile(r"(?P<stem>\d+_[a-z]+_(?P<kind>\w+))_verdict\.json")


@frozen(eq=False)
class Reports:
    """Reports and attachments of a repository."""

    repository: Repository
    runs: Runs

    def write(self, butler: Butler, run: str, files: Mapping[str, str]) -> None:
        """Keep the texts of a run's report: one dataset, by file name; and the statistics of its verifications."""
        kind = self.repository.dataset_type(butler, REPORT, ("instrument",), RECORD)
        data_id = {"instrument": self.repository.instrument_name(butler)}
        names = [plain(name, "a report") for name in files]
        series = self.runs.of(plain(run, "a run"))
        there = self.runs.newest(butler, series, kind, data_id)
        texts = {} if there is None else butler.get(there)
        self.runs.replace(butler, series, kind, data_id, {**texts, **files})
        for name in names:
            match = _VERDICT.fullmatch(name)
            measured = match and files.get(f"{match['stem']}_measurements.ecsv")
            if match and measured:
                self._verified(butler, series, statistics(match["kind"], files[name], measured))

    def _verified(self, butler: Butler, series: Series, found: Statistics) -> None:
        """Keep what a verification found, beside what another stage of the same kind did.

        Of all exposures both say it together; what has the same data id lies in the next RUN collection, as products do.
        """
        name, types = self.repository.instrument_name(butler), self.repository.dataset_type
        numbers = {full: number for number, full in self.repository.detectors(butler, name).items()}
        of_run, data_id = types(butler, found.name("Stats"), ("instrument",), DICT), {"instrument": name}
        earlier = self.runs.newest(butler, series, of_run, data_id)
        every = together([found.run] if earlier is None else [butler.get(earlier), found.run])
        self.runs.replace(butler, series, of_run, data_id, every)
        if found.exposures:
            of_exposure = types(butler, found.name("DetStats"), ("instrument", "detector", "exposure"), DICT)
            for (exposure, detector), record in found.exposures.items():
                self._add(butler, series, of_exposure, {**data_id, "detector": numbers[detector], "exposure": exposure}, record)
        if found.products:
            place = {**data_id, **self._filter(butler, name, found)}
            of_product = types(butler, found.name("ProductStats"), (*place, "detector"), DICT)
            for detector, record in found.products.items():
                whole = {**place, "detector": numbers[detector]}
                self._add(butler, series, of_product, {key: whole[key] for key in of_product.dimensions.names if key in whole}, record)

    def _add(self, butler: Butler, series: Series, kind: DatasetType, data_id: Mapping[str, Any], record: dict[str, Any]) -> None:
        """Put a record, unless it is there."""
        if all(butler.get(one) != record for one in self.runs.all(butler, series, kind, data_id)):
            self.runs.put(butler, series, kind, data_id, record)

    @staticmethod
    def _filter(butler: Butler, name: str, found: Statistics) -> dict[str, str]:
        """Give the filter of the exposures, where products of the kind have one each."""
        exposure = next((number for number, _ in found.exposures), None)
        if exposure is None or not of_filters(found.kind):
            return {}
        (record,) = butler.query_dimension_records("exposure", instrument=name, exposure=exposure)
        return {"physical_filter": record.physical_filter}

    def read(self, butler: Butler, run: str, name: str) -> str | None:
        """Give one of them; None if it is not there."""
        kind = self.repository.known_type(butler, REPORT)
        data_id = {"instrument": self.repository.instrument_name(butler)}
        there = self.runs.newest(butler, self.runs.of(run), kind, data_id)
        found = None if there is None else butler.get(there).get(name)
        return found if isinstance(found, str) else None

    # -- what goes with a product --------------------------------------------------------------------------------

    def attach(self, butler: Butler, ref: ProductRef, name: str, data: bytes) -> None:
        """Keep a file that goes with a product, as a dataset with its data id."""
        dataset = dataset_of(butler, ref)
        data_id = dict(dataset.dataId.required)
        kind = self.repository.dataset_type(butler, attachment(dataset.datasetType.name, name), tuple(data_id), FILE)
        self.runs.replace(butler, self.runs.beside(dataset.run), kind, data_id, data)

    def attached(self, butler: Butler, ref: ProductRef, name: str) -> bytes:
        """Give it back.

        Raises
        ------
        StoreError
            If the product has none of that name.
        """
        dataset = dataset_of(butler, ref)
        kind = self.repository.known_type(butler, attachment(dataset.datasetType.name, name))
        there = self.runs.newest(butler, self.runs.beside(dataset.run), kind, dict(dataset.dataId.required))
        if there is None:
            raise not_attached(ref, name)
        found: bytes = butler.get(there)
        return found
