"""How tasks find what they need: like a store of latcal, by when exposures were begun."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from astropy.time import Time
from lsst.daf.butler import (
    Butler,
    DataCoordinate,
    DatasetRef,
    DatasetType,
    MissingCollectionError,
    MissingDatasetTypeError,
    Registry,
    Timespan,
)
from lsst.pipe.base import PipelineTaskConnections
from lsst.pipe.base.connectionTypes import PrerequisiteInput

from latcal_butler.lookups import associations, places
from latcal_butler.naming import GEOMETRY, PRODUCT, RECORD, geometry_collection

DETECTOR = ("instrument", "detector")
FILTER = ("instrument", "detector", "physical_filter")
EXPOSURE = ("instrument", "exposure", "detector")


def find_geometry(
    kind: DatasetType, registry: Registry, data_id: DataCoordinate, collections: Sequence[str]
) -> Iterable[DatasetRef]:
    """Find an instrument's geometry: in the input collections, or else where the instrument was registered.

    Raises
    ------
    FileNotFoundError
        If the instrument was registered by others, who have no geometry of latcal's.
    """
    name = str(data_id["instrument"])
    for place in (collections, [geometry_collection(name)]):
        with contextlib.suppress(MissingDatasetTypeError, MissingCollectionError):
            found = registry.findDataset(kind.name, instrument=name, collections=place)
            if found is not None:
                return [found]
    raise FileNotFoundError(
        f"the repository does not have latcal's geometry of {name} (enter it: latcal-butler init REPO --instrument NAME "
        f"--name {name})"
    )


def find_candidates(
    kind: DatasetType, registry: Registry, data_id: DataCoordinate, collections: Sequence[str]
) -> Iterable[DatasetRef]:
    """Find every dataset of a quantum's detector; which one is valid is settled when its exposures are known."""
    here = {name: data_id[name] for name in kind.dimensions.required if name in data_id.dimensions}
    try:
        found = list(registry.queryDatasets(kind.name, collections=list(collections), dataId=here, findFirst=False))
    except (MissingDatasetTypeError, MissingCollectionError):
        return []
    return list({ref.id: ref for ref in found}.values())


def geometry() -> PrerequisiteInput:
    """Connect to the geometry of the instrument."""
    return PrerequisiteInput(
        name=GEOMETRY,
        storageClass=RECORD,
        dimensions=("instrument",),
        lookupFunction=find_geometry,
        doc="The instrument: its detectors and amplifiers.",
    )


def calibration(name: str, dimensions: tuple[str, ...] = DETECTOR, *, minimum: int = 1) -> PrerequisiteInput:
    """Connect to the calibration that is valid when the exposures were begun."""
    return PrerequisiteInput(
        name=name,
        storageClass=PRODUCT,
        dimensions=dimensions,
        isCalibration=True,
        multiple=True,
        minimum=minimum,
        lookupFunction=find_candidates,
        doc=f"The {name} that is valid when the exposures were begun.",
    )


class ChoosingConnections(PipelineTaskConnections, dimensions=DETECTOR):
    """Connections whose calibrations are chosen by all the exposures of a quantum together.

    The builder of graphs looks calibrations up by time only for quanta of one exposure.
    """

    exposures: str = "frames"
    """The connection whose datasets say which exposures a quantum has."""

    def __init__(self, *, config: Any = None) -> None:  # noqa: ARG002 - Rubin's
        self.butler: Butler | None = None

    def adjust_all_quanta(self, adjuster: Any) -> None:
        """Note where to ask, while a graph is built."""
        self.butler = adjuster.butler

    def adjustQuantum(
        self, inputs: Mapping[str, Any], outputs: Mapping[str, Any], label: str, data_id: DataCoordinate
    ) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Keep of every calibration the one that is valid.

        Raises
        ------
        FileNotFoundError
            If a calibration that is needed is not valid for all of the exposures.
        """
        adjusted = dict(inputs)
        changed: dict[str, Any] = {}
        if self.butler is not None:
            frames = inputs[self.exposures][1]
            begins = sorted(_begin(ref) for ref in frames)
            filters = {ref.dataId["physical_filter"] for ref in frames}
            for name, (connection, refs) in inputs.items():
                if isinstance(connection, PrerequisiteInput) and connection.isCalibration and begins:
                    what = f"{label}: {connection.name}" if connection.minimum else ""
                    mine = [ref for ref in refs if ref.dataId.get("physical_filter") in {None, *filters}]
                    chosen = tuple(valid_for_all(self.butler, mine, begins, what))
                    changed[name] = adjusted[name] = (connection, chosen)
        super().adjustQuantum(adjusted, dict(outputs), label, data_id)
        return changed, {}


def valid_for_all(butler: Butler, refs: Sequence[DatasetRef], begins: Sequence[Time], what: str) -> Iterator[DatasetRef]:
    """Give, for every data id, what is valid when each of the exposures was begun.

    Parameters
    ----------
    refs : sequence of DatasetRef
        Those that may be.
    what : str
        Its name in messages; empty for what may be missing, and is left out where not the same is valid for all.

    Raises
    ------
    FileNotFoundError
        If what is needed is not the same for all.
    """
    order = [place.name for place in places(butler, butler.collections.defaults)]
    by_place: dict[DataCoordinate, dict[Any, DatasetRef]] = {}
    for ref in refs:
        by_place.setdefault(ref.dataId, {})[ref.id] = ref
    for data_id, candidates in by_place.items():
        kind = next(iter(candidates.values())).datasetType
        found = sorted(associations(butler, kind, order, data_id.required), key=lambda one: order.index(one.collection))
        valid = [next((one.ref.id for one in found if _holds(one.timespan, begin)), None) for begin in begins]
        if len(set(valid)) == 1:
            yield from (candidates[one] for one in valid[:1] if one is not None)
        elif what:
            other = next(time for time, one in zip(begins, valid, strict=True) if one != valid[0])
            raise FileNotFoundError(
                f"{what} of {data_id}: not the same is valid at {begins[0].tai.isot} and {other.tai.isot} (take fewer "
                "exposures together)"
            )


def _holds(span: Timespan | None, at: Time) -> bool:
    """Tell whether a dataset holds at an instant; in a collection without validity it always does."""
    return span is None or span.contains(at)


def _begin(ref: DatasetRef) -> Time:
    span = ref.dataId.timespan
    if span is None or span.begin is None:
        raise FileNotFoundError(f"{ref}: the repository does not say when its exposure was begun")
    return span.begin
