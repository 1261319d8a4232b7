"""Reports of runs, files that go with products, and what a verification found as Rubin's own tools have it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from attrs import frozen
from latcal.plugin import ProductRef
from latcal.plugin.lookup import not_attached, plain

from latcal_butler.certificates import dataset_of
from latcal_butler.naming import DICT, FILE, RECORD, REPORT, attachment
from latcal_butler.repository import Repository
from latcal_butler.runs import Runs
from latcal_butler.verification import Statistics, statistics

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

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
                self._verified(butler, run, statistics(match["kind"], files[name], measured))

    def _verified(self, butler: Butler, run: str, found: Statistics) -> None:
        name, types = self.repository.instrument_name(butler), self.repository.dataset_type
        numbers = {full: number for number, full in self.repository.detectors(butler, name).items()}
        series = self.runs.of(run)
        of_run = types(butler, found.name("Stats"), ("instrument",), DICT)
        self.runs.replace(butler, series, of_run, {"instrument": name}, found.run)
        if found.exposures:
            of_exposure = types(butler, found.name("DetStats"), ("instrument", "detector", "exposure"), DICT)
            for (exposure, detector), record in found.exposures.items():
                data_id = {"instrument": name, "detector": numbers[detector], "exposure": exposure}
                self.runs.replace(butler, series, of_exposure, data_id, record)
        if found.products:
            of_product = types(butler, found.name("ProductStats"), ("instrument", "detector"), DICT)
            for detector, record in found.products.items():
                data_id = {"instrument": name, "detector": numbers[detector]}
                self.runs.replace(butler, series, of_product, data_id, record)

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
