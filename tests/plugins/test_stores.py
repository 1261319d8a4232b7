"""The stores that come with latcal, by the suite that a stranger's must pass."""

from __future__ import annotations

import errno
import os
from unittest import mock

from latcal.builtin.stores.folder.options import FolderOptions
from latcal.builtin.stores.folder.store import FolderStore
from latcal.builtin.stores.memory import MemoryOptions, MemoryStore
from latcal.testing import StoreSuite
from latcal.testing.samples import world


class TestFolderStore(StoreSuite):
    def open(self, tmp_path):
        return FolderStore(FolderOptions(root=tmp_path / "store"), world(tmp_path))

    def fill_up(self):
        return mock.patch.object(os, "replace", side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


class TestMemoryStore(StoreSuite):
    shared = False  # it is in the memory of whoever opened it

    def open(self, tmp_path):
        return MemoryStore(MemoryOptions(), world(tmp_path))
