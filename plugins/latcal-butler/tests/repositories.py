"""Repositories for tests: copies of one that is made once, on SQLite or on PostgreSQL."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest import mock

import psycopg2
from attrs import evolve
from latcal.testing import samples
from servers import Server

from latcal_butler.options import ButlerOptions
from latcal_butler.shelves import Shelves
from latcal_butler.store import ButlerStore

TEMPLATES, POSTGRES = "LATCAL_BUTLER_TEMPLATES", "LATCAL_BUTLER_POSTGRES"
"""Variables of the environment that tell other processes of a test where templates and the server are."""

TEMPLATE = "latcal_template"
"""Name of the database that others are copied from."""


def opened(folder: Path, **options: object) -> ButlerStore:
    """Open a repository on SQLite, which is made as anybody's is."""
    return ButlerStore(ButlerOptions(repo=str(folder / "repo"), create=True, **options), samples.world(folder))


def make_template(folder: Path) -> None:
    """Make a repository that has the instrument and the dataset types of samples, for others to be copied from."""
    _begin(opened(folder))


def _begin(store: ButlerStore) -> None:
    """Enter what nearly every test would enter first: the instrument, and the dataset types of a bias and its certificate."""
    shelves, product = Shelves(store.repository), samples.product()
    with store.repository.writing() as butler:
        _, data_id = shelves.enter(butler, product)
        place = shelves.find(butler, product.kind, product.setup, exposure=False)
        shelves.certificate_type(butler, place, data_id)
    store.repository.close()


def copied(folder: Path) -> ButlerStore:
    """Open a repository on SQLite that will be a copy; making one takes half a second."""
    store = opened(folder)
    store.repository.make = partial(copy_template, Path(os.environ[TEMPLATES]) / "repo")
    return store


def copy_template(template: Path, repo: str, config: Path | None) -> None:
    """Copy a repository to its place, as a whole."""
    assert config is None
    place = Path(repo)
    place.parent.mkdir(parents=True, exist_ok=True)
    draft = place.with_name(f"draft_{os.getpid()}_{id(place)}")
    shutil.copytree(template, draft)
    try:
        draft.replace(place)
    except OSError as error:
        shutil.rmtree(draft)
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


# -- PostgreSQL -------------------------------------------------------------------------------------------------


def on_postgres(folder: Path, **options: object) -> ButlerStore:
    """Open a repository whose registry is a database of its own on the tests' server."""
    server = the_server()
    name = "d" + hashlib.sha256(str(folder).encode()).hexdigest()[:30]
    config = server.folder / f"{name}.yaml"
    if not config.exists():
        create_database(server, name)
        server.configuration(name, config)
    store = ButlerStore(ButlerOptions(repo=str(folder / "repo"), create=True, config=config, **options), samples.world(folder))
    store.repository.make = partial(copy_registered, server)
    return store


def make_postgres_template(server: Server) -> None:
    """Make a repository whose database others are copied from, with all its tables and the instrument."""
    server.run(f"CREATE DATABASE {TEMPLATE}")
    server.run("CREATE EXTENSION btree_gist", TEMPLATE)
    config = server.configuration(TEMPLATE, server.folder / f"{TEMPLATE}.yaml")
    options = ButlerOptions(repo=str(server.folder / "template"), create=True, config=config)
    _begin(ButlerStore(options, samples.world(server.folder)))


def copy_registered(server: Server, repo: str, config: Path | None) -> None:
    """Copy the template's files, whose database has been copied already."""
    assert config is not None
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(shutil.copytree(server.folder / "template", Path(folder) / "repo"))
        settings = whole / "butler.yaml"
        settings.write_text(settings.read_text(encoding="utf-8").replace(f"/{TEMPLATE}?", f"/{config.stem}?"), encoding="utf-8")
        copy_template(whole, repo, None)


def the_server() -> Server:
    """Give the server that the tests started."""
    return Server(*(Path(part) for part in os.environ[POSTGRES].split(os.pathsep)))


def create_database(server: Server, name: str) -> None:
    """Make a database that a Butler can use, if it is not there; of two processes that make it at once one is told of its name."""
    with contextlib.suppress(psycopg2.errors.DuplicateDatabase, psycopg2.errors.UniqueViolation):
        server.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")


@contextmanager
def full_disk() -> Iterator[None]:
    """Let every file that is written end as on a full disk, in the middle."""
    def fails(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with mock.patch("os.rename", fails), mock.patch("os.replace", fails), mock.patch("shutil.move", fails):
        yield


def by(user: str, store: ButlerStore) -> ButlerStore:
    """Open the same repository as another user."""
    return ButlerStore(evolve(store.options, user=user), store.world)

