"""The reporters that come with latcal, by the suite that a stranger's must pass."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path
from unittest import mock

import pytest
from attrs import evolve

from latcal.builtin.reporters import jsonl, latiss_text, plots
from latcal.builtin.reporters.live_console import ConsoleReporter
from latcal.builtin.stores.memory import MemoryOptions, MemoryStore
from latcal.plugin import StoreError
from latcal.testing import ReporterSuite, samples


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


class Wall(MemoryStore):
    """Has any product that it is asked for, with nothing in it, so that pages are quick; shows what is attached as files."""

    def get(self, ref):
        return evolve(samples.product(ref.kind, ref.detector), planes={}, tables={}, unit="")

    def attach(self, ref, name, data):
        try:
            (self.world.scratch / f"{ref.id}_{name}").write_bytes(data)
        except OSError as error:
            raise StoreError(f"{name}: {error.strerror}") from error


class TestPlots(ReporterSuite):
    def open(self, folder):
        (declaration,) = plots.latcal_reporters()
        world = samples.world(folder)
        return declaration.open(declaration.options(dpi=20), evolve(world, store=Wall(MemoryOptions(), world)))

    def written(self, folder):
        return "".join(f"{path.name} {path.read_bytes().hex()}\n" for path in sorted(folder.rglob("*_plot.png")))

    def fill_up(self):
        return nothing_can_be_opened()
