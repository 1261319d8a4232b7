"""The store ``folder``: plain FITS, ECSV and JSON in a folder, with an index in SQLite."""

from __future__ import annotations

from collections.abc import Iterator

from latcal.builtin.stores.folder.store import FolderOptions, FolderStore
from latcal.plugin import StoreType, hookimpl

__all__ = ["FolderOptions", "FolderStore", "latcal_stores"]


@hookimpl
def latcal_stores() -> Iterator[StoreType]:
    """Declare the store ``folder``."""
    yield StoreType(
        name="folder",
        summary="FITS, ECSV and JSON files in a folder, indexed by SQLite",
        options=FolderOptions,
        open=FolderStore,
    )
