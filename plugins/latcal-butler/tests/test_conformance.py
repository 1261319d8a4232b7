"""What every store must do: the suite that ships with latcal, on SQLite and on a PostgreSQL server."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from latcal.testing import StoreSuite
from repositories import copied, full_disk, on_postgres

from latcal_butler.store import ButlerStore

EXAMPLES = 1
"""Random sets of certificates for each database, of 80 lookups of 30 ms each; both databases together try two."""


IMPORTS = ("lsst.daf.butler", "latcal_butler.dimensions", "latcal_butler.formatters", "latcal_butler.making", "latcal_butler.store")


class TestSQLite(StoreSuite):
    examples, imports = EXAMPLES, IMPORTS

    def open(self, tmp_path: Path) -> ButlerStore:
        return copied(tmp_path)

    def fill_up(self) -> AbstractContextManager[object]:
        return full_disk()


@pytest.mark.usefixtures("postgres")
class TestPostgreSQL(StoreSuite):
    examples, imports = EXAMPLES, IMPORTS

    def open(self, tmp_path: Path) -> ButlerStore:
        return on_postgres(tmp_path)

    def fill_up(self) -> AbstractContextManager[object]:
        return full_disk()
