"""The RUN collections of a run: the first has nearly all that it made, further ones what has no place there.

A RUN collection has one dataset of each type and data id. Where a run makes two, or one takes another's place, the second
goes to the next RUN collection; the chain ``u/latcal/<run>`` has them all.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from latcal_butler.lookups import associations, places
from latcal_butler.naming import chain_name, run_behind, run_stem

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef, DatasetType


@frozen
class Series:
    """RUN collections that are numbered, and the chain that has them.

    Parameters
    ----------
    stem : str
        How their names begin: ``/1`` follows, and so on.
    chain : str
    own : bool
        Whether only these are meant; or else all that the chain has, whoever made them.
    """

    stem: str
    chain: str
    own: bool = False

    def has(self, name: str) -> bool:
        """Tell whether a RUN collection is one of them."""
        return not self.own or name.startswith(f"{self.stem}/")


@frozen(eq=False)
class Runs:
    """The RUN collections of one user's runs."""

    user: str | None
    _entered: set[str] = field(factory=set, init=False)

    def of(self, run: str) -> Series:
        """Give the RUN collections of a run."""
        return Series(run_stem(self.user, run), chain_name(run))

    @staticmethod
    def beside(name: str) -> Series:
        """Give the RUN collections of what goes with the products of a RUN collection."""
        return Series(f"{name}/attached", chain_name(run_behind(name)), own=True)

    def place(self, butler: Butler, series: Series, kind: DatasetType, data_id: Mapping[str, Any]) -> str:
        """Give the first RUN collection in which there is place for a dataset; enter it, if it is not there."""
        taken = {one.run for one in self.all(butler, series, kind, data_id)}
        name = next(name for number in itertools.count(1) if (name := f"{series.stem}/{number}") not in taken)
        self._enter(butler, series.chain, name)
        return name

    def _enter(self, butler: Butler, chain: str, name: str) -> None:
        from lsst.daf.butler import CollectionType

        if name not in self._entered:
            butler.collections.register(name)
            butler.collections.register(chain, CollectionType.CHAINED)
            butler.collections.extend_chain(chain, name)
            self._entered.add(name)

    @staticmethod
    def all(butler: Butler, series: Series, kind: DatasetType | None, data_id: Mapping[str, Any]) -> list[DatasetRef]:
        """Give the datasets of a type and data id that are there, in the order of the RUN collections."""
        names = [one.name for one in places(butler, [series.chain]) if series.has(one.name)]
        found = {one.ref.run: one.ref for one in associations(butler, kind, names, data_id)}
        return [found[name] for name in names if name in found]

    def put(
        self, butler: Butler, series: Series, kind: DatasetType, data_id: Mapping[str, Any], value: Any, key: str | None = None
    ) -> DatasetRef:
        """Put a dataset where there is place for it.

        Parameters
        ----------
        key : str or None
            Its id, 32 hexadecimal digits; None for any.
        """
        from lsst.daf.butler.registry import ConflictingDefinitionError

        first = f"{series.stem}/1"
        self._enter(butler, series.chain, first)
        try:
            return self.put_in(butler, first, kind, data_id, value, key)
        except ConflictingDefinitionError:  # there is one, which is rare, and dear to ask for every time
            return self.put_in(butler, self.place(butler, series, kind, data_id), kind, data_id, value, key)

    @staticmethod
    def put_in(
        butler: Butler, name: str, kind: DatasetType, data_id: Mapping[str, Any], value: Any, key: str | None = None
    ) -> DatasetRef:
        """Put a dataset in a RUN collection that has place for it."""
        from lsst.daf.butler import DatasetRef

        whole = butler.registry.expandDataId(dict(data_id), dimensions=kind.dimensions)
        identity = uuid.uuid4() if key is None else uuid.UUID(hex=key)
        return butler.put(value, DatasetRef(kind, whole, run=name, id=identity))

    def newest(
        self, butler: Butler, series: Series, kind: DatasetType | None, data_id: Mapping[str, Any]
    ) -> DatasetRef | None:
        """Give the dataset that was put last."""
        found = self.all(butler, series, kind, data_id)
        if kind is None or len(found) < 2:
            return found[0] if found else None
        rows = butler.query_datasets(
            kind, collections=[one.run for one in found], find_first=False, data_id=dict(data_id),
            order_by=f"-{kind.name}.ingest_date", limit=1,
        )  # fmt: skip
        return rows[0]

    def replace(self, butler: Butler, series: Series, kind: DatasetType, data_id: Mapping[str, Any], value: Any) -> None:
        """Put a dataset in place of those that are there: the new one first, so that there is always one."""
        earlier = self.all(butler, series, kind, data_id)
        self.put(butler, series, kind, data_id, value)
        if earlier:
            butler.pruneDatasets(earlier, disassociate=True, unstore=True, purge=True)
