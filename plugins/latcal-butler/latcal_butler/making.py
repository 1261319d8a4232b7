"""Making a repository: whole or not at all, whoever else makes it at the same time."""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latcal.plugin import StoreError
from lsst.daf.butler import Butler, Config
from lsst.resources import ResourcePath

from latcal_butler import CONFIGURATION
from latcal_butler.configuration import SETTINGS, settings


def make(repo: str, seed: Path | None) -> None:
    """Make a repository, if there is none.

    A folder is made beside its place and moved there: it is whole or not there. Who makes the same one at the same time
    waits.

    Parameters
    ----------
    repo : str
        A folder, or a URI.
    seed : Path or None
        Butler configuration to begin with; registry in SQLite without one.

    Raises
    ------
    StoreError
        If something else lies there.
    """
    config = Config() if seed is None else Config(ResourcePath(seed, forceAbsolute=True))
    config.update(settings())
    place = ResourcePath(repo, forceDirectory=True, forceAbsolute=True)
    if not place.isLocal:
        Butler.makeRepo(place, config=config)
        return
    path = Path(place.ospath)
    with _alone(path.parent):
        if (path / CONFIGURATION).exists():
            return
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise StoreError(f"{path} is there, and is not a Butler repository (name another folder)")
        draft = path.with_name(f"latcal_repository_{uuid.uuid4().hex}")  # a dot in it would be taken for the end of a file's name
        try:
            Butler.makeRepo(draft, config=config)
            os.replace(draft, path)  # noqa: PTH105 - onto an empty folder too, and at once
        finally:
            shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Wait until no other process makes a repository in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def teach(repo: str) -> bool:
    """Add what latcal needs to the configuration of a repository that was made without it.

    Returns
    -------
    bool
        Whether anything was missing.
    """
    place = configuration_place(repo)
    config = Config(place)
    if knows(config):
        return False
    whole = settings()
    whole.update(config)
    if not place.isLocal:
        whole.dumpToUri(place)  # an object store replaces it at once
        return True
    path = Path(place.ospath)
    draft = path.with_name(f"latcal_{uuid.uuid4().hex}.yaml")
    with _alone(path.parent):
        try:
            whole.dumpToUri(draft)
            shutil.copymode(path, draft)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    return True


def configuration_place(repo: str) -> ResourcePath:
    """Give where the configuration of a repository is; a site's name for one counts (``DAF_BUTLER_REPOSITORY_INDEX``).

    A Butler that is given a folder looks whether it is one, and then for the file in it: what another process makes
    between the two would be an error.
    """
    repo = str(Butler.get_repo_uri(repo, return_label=True))
    place = ResourcePath(repo, forceAbsolute=True)
    if place.getExtension() in {".yaml", ".json"}:
        return place
    return ResourcePath(repo, forceDirectory=True, forceAbsolute=True).join(CONFIGURATION)


def knows(config: Config) -> bool:
    """Tell whether a configuration has every storage class of ours, and the formatter of each."""
    formatters = SETTINGS["datastore"]["formatters"]
    return all(
        ("storageClasses", name) in config and ("datastore", "formatters", name) in config for name in formatters
    )
