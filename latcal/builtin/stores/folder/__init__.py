"""The store ``folder``: plain FITS, ECSV and JSON in a folder, with an index in SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from latcal.builtin.stores.folder.foreign import foreign
from latcal.builtin.stores.folder.options import FolderOptions
from latcal.plugin import Plan, Problem, StoreType, World, hookimpl

if TYPE_CHECKING:  # planning does without what reads and writes
    from latcal.builtin.stores.folder.store import FolderStore


def open_folder(options: FolderOptions, world: World) -> FolderStore:
    """Give the store; nothing is looked at before it is entered."""
    from latcal.builtin.stores.folder.store import FolderStore

    return FolderStore(options, world)


@hookimpl
def latcal_stores() -> Iterator[StoreType]:
    """Declare the store ``folder``."""
    yield StoreType(
        name="folder",
        summary="FITS, ECSV and JSON files in a folder, indexed by SQLite",
        options=FolderOptions,
        open=open_folder,
    )


@hookimpl
def latcal_check_plan(plan: Plan) -> Iterator[Problem]:
    """Refuse a folder that is not ours to write into, by looking at it; opening the store refuses it too."""
    options = plan.recipe.store.options
    what, hint = foreign(options.root) if isinstance(options, FolderOptions) else ("", "")
    if what:
        yield plan.recipe.problem("store", "root", what=what, hint=hint)
