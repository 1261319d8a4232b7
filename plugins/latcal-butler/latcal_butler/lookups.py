"""Questions to a registry: where datasets are associated, and which collections a list of them means."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetAssociation, DatasetType, Timespan


@frozen
class Place:
    """A collection that datasets can be in, and the name by which it was asked for: that of a chain it is in."""

    name: str
    asked: str
    calibration: bool


def places(butler: Butler, names: Iterable[str]) -> list[Place]:
    """Give the collections that names mean, in order; chains are followed, and what is not there is left out."""
    from lsst.daf.butler import CollectionType, MissingCollectionError

    found: dict[str, Place] = {}
    for name in names:
        try:
            members = butler.collections.query_info(name, flatten_chains=True)
        except MissingCollectionError:
            continue
        for one in members:
            found.setdefault(one.name, Place(one.name, name, one.type is CollectionType.CALIBRATION))
    return list(found.values())


def calibrations(butler: Butler, name: str | None = None) -> list[str]:
    """Give the names of the CALIBRATION collections: all of them, or those that a name means."""
    from lsst.daf.butler import CollectionType

    if name is not None:
        return [place.name for place in places(butler, [name]) if place.calibration]
    return list(butler.collections.query("*", collection_types=CollectionType.CALIBRATION))


def associations(
    butler: Butler,
    kind: DatasetType | None,
    collections: Sequence[str],
    data_id: Mapping[str, Any],
    span: Timespan | None = None,
) -> Iterator[DatasetAssociation]:
    """Give the datasets of a type that collections have, and when they hold there.

    Parameters
    ----------
    kind : DatasetType or None
        None for one that is not there.
    data_id : mapping
        With the instrument, always.
    span : Timespan or None
        Only what holds at some time in it.
    """
    from lsst.daf.butler import DatasetAssociation

    if kind is None or not collections:
        return
    fields: dict[str, set[Any]] = {kind.name: {"dataset_id", "run", "collection", "timespan"}}
    with butler.query() as query:
        joined = query.join_dataset_search(kind.name, list(collections))
        if span is not None:
            joined = joined.where(joined.expression_factory[kind.name].timespan.overlaps(span))
        rows = joined.where(dict(data_id)).general(kind.dimensions, dataset_fields=fields, find_first=False)
        yield from tuple(DatasetAssociation.from_query_result(rows, kind))
