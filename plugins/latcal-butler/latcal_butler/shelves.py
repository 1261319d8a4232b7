"""Where products are: the dataset type and the data id of each kind, setup, detector and exposure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen
from latcal.plugin import Product, Setup

from latcal_butler.naming import RECORD, Shelf, certificate_type, is_ours, of_exposures, shelf, storage_class, type_name
from latcal_butler.repository import Repository

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetType


@frozen(eq=False)
class Shelves:
    """The dataset types of products of a repository."""

    repository: Repository

    def find(self, butler: Butler, kind: str, setup: Setup, *, exposure: bool = False) -> Shelf:
        """Give where products of a kind and setup are, or would be."""
        names = (type_name(kind), certificate_type(type_name(kind)))
        known = next((one for one in (self.type_of(butler, name) for name in names) if one is not None), None)
        by_filter = None if known is None else "physical_filter" in known.dimensions
        return shelf(kind, setup, exposure=exposure, by_filter=False if of_exposures(kind) else by_filter)

    def type_of(self, butler: Butler, name: str) -> DatasetType | None:
        """Give a dataset type; None if it is not there."""
        return self.repository.known_type(butler, name)

    def data_id(self, butler: Butler, place: Shelf, detector: int, exposure: int | None = None) -> dict[str, Any]:
        """Give the data id of a product there."""
        found: dict[str, Any] = {"instrument": self.repository.instrument_name(butler), "detector": detector}
        if place.exposure:
            found["exposure"] = exposure
        elif place.physical_filter is not None:
            found["physical_filter"] = place.physical_filter
        return found

    def enter(self, butler: Butler, product: Product) -> tuple[DatasetType, Mapping[str, Any]]:
        """Give the dataset type and data id of a product, and see that the repository has both.

        Raises
        ------
        StoreError
            If the dataset type is not of latcal, or the instrument has no such detector.
        """
        from latcal_butler.dimensions import register_filter, register_unseen_exposure

        place = self.find(butler, product.kind, product.setup, exposure=product.exposure is not None)
        data_id = self.data_id(butler, place, product.detector, product.exposure)
        name = data_id["instrument"]
        self.repository.check_detector(butler, name, product.detector)
        if "physical_filter" in data_id:
            register_filter(butler.registry, name, data_id["physical_filter"])
        if product.exposure is not None and not butler.query_dimension_records(
            "exposure", instrument=name, exposure=product.exposure, explain=False
        ):
            register_unseen_exposure(butler.registry, name, product.exposure, self.repository.rollover_h)
        dimensions = (*data_id,)
        return self._entered(butler, place, dimensions, product), data_id

    def _entered(self, butler: Butler, place: Shelf, dimensions: tuple[str, ...], product: Product) -> DatasetType:
        known = self.type_of(butler, place.name)
        wanted = known.storageClass_name if known is not None and is_ours(known) else storage_class(product)
        return self.repository.dataset_type(butler, place.name, dimensions, wanted, calibration=not place.exposure)

    def certificate_type(self, butler: Butler, place: Shelf, data_id: Mapping[str, Any]) -> DatasetType:
        """Give the dataset type of certificates; enter it, if it is not there."""
        return self.repository.dataset_type(butler, place.certificate, tuple(data_id), RECORD, calibration=True)
