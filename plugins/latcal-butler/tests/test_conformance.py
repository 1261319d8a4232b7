"""What every store must do: the suite that ships with latcal, on SQLite."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from latcal.testing import StoreSuite, samples

from latcal_butler.options import ButlerOptions
from latcal_butler.store import ButlerStore


def opened(folder: Path, **options: object) -> ButlerStore:
    return ButlerStore(ButlerOptions(repo=str(folder / "repo"), create=True, **options), samples.world(folder))


class TestSQLite(StoreSuite):
    def open(self, tmp_path: Path) -> ButlerStore:
        return opened(tmp_path)
