"""The reporters that come with latcal, by the suite that a stranger's must pass."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from unittest import mock

import pytest

from latcal.builtin.reporters import jsonl, latiss_text
from latcal.builtin.reporters.console import ConsoleReporter
from latcal.testing import ReporterSuite


def nothing_can_be_opened():
    return mock.patch.object(Path, "open", side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))


class TestConsole(ReporterSuite):
    @pytest.fixture(autouse=True)
    def streams(self):
        self.streams: dict[Path, io.StringIO] = {}

    def open(self, folder):
        return ConsoleReporter(self.streams.setdefault(folder, io.StringIO()))

    def written(self, folder):
        return self.streams[folder].getvalue()


class TestJsonl(ReporterSuite):
    def open(self, folder):
        (declaration,) = jsonl.latcal_reporters()
        return declaration.open(declaration.options(path=folder / "night.jsonl"), None)

    def fill_up(self):
        return nothing_can_be_opened()


class TestLatissText(ReporterSuite):
    def open(self, folder):
        (declaration,) = latiss_text.latcal_reporters()
        return declaration.open(declaration.options(path=folder / "night.txt"), None)

    def fill_up(self):
        return nothing_can_be_opened()
