"""The index of a folder store: SQLite, its transactions, and nothing written when it is only read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from latcal.plugin import StoreError

if TYPE_CHECKING:  # sqlite3 is imported when an index is opened
    import sqlite3

_SCHEMA = """
CREATE TABLE days (day INTEGER PRIMARY KEY, used INTEGER NOT NULL);
CREATE TABLE frames (
    exposure INTEGER NOT NULL, detector INTEGER NOT NULL, path TEXT NOT NULL UNIQUE, checksum TEXT NOT NULL,
    facts TEXT NOT NULL, PRIMARY KEY (exposure, detector)
) WITHOUT ROWID;
CREATE TABLE products (id TEXT PRIMARY KEY, path TEXT NOT NULL UNIQUE, ref TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE certificates (
    collection TEXT NOT NULL, kind TEXT NOT NULL, detector INTEGER NOT NULL, setup TEXT NOT NULL,
    begins TEXT NOT NULL, ends TEXT NOT NULL, product TEXT NOT NULL REFERENCES products (id),
    certified TEXT NOT NULL, unverified TEXT NOT NULL,
    PRIMARY KEY (collection, kind, detector, setup, begins)
) WITHOUT ROWID;
"""
_FACTS = ", ".join(f"json_extract(ref, '$.{name}') AS {name}" for name in ("run", "exposure", "kind", "detector"))
_BY_RUN = f"SELECT id AS product, {_FACTS} FROM products WHERE exposure IS NOT NULL"  # noqa: S608 - constants
_EXPOSURES = f"""
CREATE TABLE exposures (
    number INTEGER PRIMARY KEY, exposure INTEGER NOT NULL, kind TEXT NOT NULL, detector INTEGER NOT NULL,
    product TEXT NOT NULL REFERENCES products (id)
);
CREATE INDEX by_exposure ON exposures (exposure, kind, detector);
INSERT INTO exposures (exposure, kind, detector, product) SELECT exposure, kind, detector, product FROM ({_BY_RUN}) ORDER BY run;
"""  # noqa: S608 - constants
_UPGRADES = (_SCHEMA, _EXPOSURES)
"""What makes an index of each version out of the one before; the first out of nothing."""

VERSION = len(_UPGRADES)
_AS_IF = f"CREATE TEMP VIEW exposures AS SELECT run AS number, * FROM ({_BY_RUN})"  # noqa: S608 - constants
"""What lets an index of version 1 be read as one of version 2. The names of runs begin with their time."""

_UNFINISHED = frozenset({"SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY", "SQLITE_READONLY_CANTINIT"})


@frozen
class Index:
    """The file of an index; connections live as long as one reading or writing, so any thread may ask.

    Rollback journal, not WAL: reading a WAL database writes beside it.

    Parameters
    ----------
    path : Path
    lock_timeout_s : float [s]
        How long to wait for another process.
    """

    path: Path
    lock_timeout_s: float

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """Give a connection that cannot write; None if there is no index yet.

        Raises
        ------
        StoreError
            If the index is locked too long, damaged, or of a newer latcal.
        """
        with self._told():
            connection = self._connect("ro") if self.path.exists() else None
            if connection is None:
                yield None
                return
            try:
                version = self._version(connection)
                if version == 1:
                    connection.execute(_AS_IF)
                yield connection if version else None
            finally:
                connection.close()

    def row(self, query: str, values: tuple[int | str, ...]) -> sqlite3.Row | None:
        """Read one row; None if there is none, or no index yet.

        Raises
        ------
        StoreError
            As `reading` does.
        """
        with self.reading() as connection:
            found: sqlite3.Row | None = connection.execute(query, values).fetchone() if connection else None
            return found

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection in a transaction that no other process shares; done at the end, undone by an error.

        Raises
        ------
        StoreError
            If the index is locked too long, damaged, or of a newer latcal; or the disk is full.
        """
        with self._told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._connect("rwc")
            try:
                connection.execute("BEGIN IMMEDIATE")
                for upgrade in _UPGRADES[self._version(connection) :]:
                    for statement in upgrade.split(";\n"):
                        connection.execute(statement)
                    connection.execute(f"PRAGMA user_version = {VERSION}")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            finally:
                connection.close()

    def _connect(self, mode: str) -> sqlite3.Connection:
        import sqlite3

        connection = self._open(mode)
        if mode == "ro":
            try:
                connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
            except sqlite3.Error as error:
                connection.close()
                if getattr(error, "sqlite_errorname", "") not in _UNFINISHED:
                    raise
                connection = self._open("rw")  # a writer was killed: what it left half done is undone first
        return connection

    def _open(self, mode: str) -> sqlite3.Connection:
        import sqlite3

        where = f"{self.path.as_uri()}?mode={mode}"
        connection = sqlite3.connect(where, uri=True, timeout=self.lock_timeout_s, isolation_level=None)
        connection.row_factory = sqlite3.Row
        return connection

    def _version(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > VERSION:
            raise StoreError(f"{self.path} is of version {version}, and this latcal reads {VERSION} (install a newer one)")
        return version

    @contextmanager
    def _told(self) -> Iterator[None]:
        import sqlite3

        try:
            yield
        except StoreError:
            raise
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname.startswith("SQLITE_BUSY"):
                raise StoreError(
                    f"{self.path} has been locked by another process for {self.lock_timeout_s:g} s "
                    f"(wait for it to end, or raise the store's lock_timeout)"
                ) from error
            raise StoreError(f"{self.path}: {error} (make room or mend its permissions, then run again)") from error
        except sqlite3.Error as error:
            raise StoreError(f"{self.path}: {error} (it is not a whole index: restore it from a copy)") from error
        except OSError as error:
            raise StoreError(f"{error.filename or self.path}: {error.strerror or error}") from error
