from __future__ import annotations

from latcal.builtin.stores.folder import FolderOptions, FolderStore
from latcal.builtin.stores.memory import MemoryOptions, MemoryStore
from latcal.testing.samples import world
from latcal.testing.stores import StoreSuite


class TestFolderStore(StoreSuite):
    def open(self, tmp_path):
        return FolderStore(FolderOptions(root=tmp_path / "store"), world(tmp_path))


class TestMemoryStore(StoreSuite):
    def open(self, tmp_path):
        return MemoryStore(MemoryOptions(), world(tmp_path))
