"""Rubin's data system in latcal: the store ``butler``.

Nothing here imports lsst: that takes seconds, and ``latcal --help`` has no use for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latcal.plugin import StoreType, hookimpl

from latcal_butler.options import ButlerOptions

__all__ = ["ButlerOptions", "latcal_find_recipe", "latcal_stores"]

CONFIGURATION = "butler.yaml"
"""What lies in every repository that is a folder."""


def _open(options: ButlerOptions, world: Any) -> Any:
    from latcal_butler.store import ButlerStore

    return ButlerStore(options, world)


_CONFIGURED = re.compile(rb"^(datastore|registry)\s*:", re.MULTILINE)
"""What the configuration of a repository has, and a recipe or an instrument has not."""


def _is_repository(path: Path) -> bool:
    if path.suffix != ".yaml":
        return (path / CONFIGURATION).is_file()
    return path.is_file() and _CONFIGURED.search(path.read_bytes()) is not None


@hookimpl
def latcal_stores() -> Iterator[StoreType]:
    """Declare the store ``butler``."""
    yield StoreType(
        name="butler",
        summary="A Butler repository of Rubin Observatory's data system",
        options=ButlerOptions,
        open=_open,
        recognises=_is_repository,
        place="repo",
    )


@hookimpl
def latcal_find_recipe(name: str) -> Path | None:
    """Find one of our recipes by its name: in the installed package, or beside it in a checkout."""
    wanted = name.removesuffix(".yaml")
    folders = (folder / "recipes" for folder in Path(__file__).parents[:2])
    return next((path for folder in folders for path in folder.glob("*.yaml") if path.stem == wanted), None)
