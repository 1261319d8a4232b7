"""Other processes that use a store at once: what they do, and how a suite starts them and hears them."""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from astropy.time import Time, TimeDelta
from attrs import frozen

from latcal.plugin import Store, ValidityOverlap, ValidityRange, instant
from latcal.testing import samples

DAY = date(2022, 11, 4)
ROUNDS = 6
"""How often two rivals want the same; our choice."""


def day_begin(number: int) -> Time:
    """Give the begin of a day, counted from one."""
    return instant("2050-01-01") + TimeDelta(number, format="jd")


def valid(day: int) -> ValidityRange:
    """Give the range of one day, counted from one."""
    return ValidityRange(day_begin(day), day_begin(day + 1))


def wins(store: Store, seed: int) -> list[int]:
    """Try to certify a product of one's own for every day; give the days on which nobody was faster."""
    ref, won = store.put(samples.product(seed=seed), f"run-{seed}"), []
    for day in range(1, ROUNDS + 1):
        try:
            store.certify([ref], "calib", valid(day))
        except ValidityOverlap:
            continue
        won.append(day)
    return won


@frozen
class Opener:
    """Where a suite is: another process finds it there, whatever way the tests were imported.

    Parameters
    ----------
    imports : tuple of str
        Modules that take long to import, which is done once for all these processes.
    """

    file: str
    module: str
    name: str
    imports: tuple[str, ...] = ()

    def open(self, folder: Path) -> Store:
        """Open its store."""
        store: Store = getattr(self._module(), self.name)().open(folder)
        return store

    def _module(self) -> Any:
        spec = importlib.util.spec_from_file_location(self.module, self.file)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[self.module] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def contend(suite: Opener, folder: Path, told: Connection, seed: int) -> None:
    """Reserve ids and certify, with another process that does the same."""
    with suite.open(folder) as store:
        told.send("ready")
        told.recv()
        ids = [number for _ in range(ROUNDS) for number in store.reserve(DAY, 2)]
        told.send((ids, wins(store, seed)))


def write_for_ever(suite: Opener, folder: Path, told: Connection, _: int) -> None:
    """Write frames, products, certificates and reports until somebody ends this process."""
    with suite.open(folder) as store:
        for number in count(1):
            store.ingest(samples.frame(number))
            ref = store.put(samples.product(seed=number), f"run-{number}")
            store.certify([ref], "calib", valid(number))
            store.attach(ref, "plot.png", b"whole" * 2000)
            store.write_report(f"run-{number}", {"night.jsonl": "whole\n" * 2000})
            told.send(number)


def _there(environment: dict[str, str], target: Callable[..., None], *args: object) -> None:
    """Call a function with the environment of the process that wants it, which the server may have started without."""
    os.environ.update(environment)
    target(*args)


@contextmanager
def rival(
    target: Callable[..., None], suite: Opener, folder: Path, seed: int
) -> Iterator[tuple[Connection, BaseProcess]]:
    """Start a process that talks with this one, and end it.

    It is forked from a server that has imported what all of them need, and nothing else: no thread, lock or open file of the
    tests comes with it.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, *suite.imports])
    ours, theirs = context.Pipe()
    started = context.Process(target=_there, args=(dict(os.environ), target, suite, folder, theirs, seed), daemon=True)
    started.start()
    theirs.close()
    try:
        yield ours, started
    finally:
        started.kill()  # it has said all that it has to say
        started.join()
        ours.close()


def heard(told: Connection) -> Any:
    """Give what another process says.

    Raises
    ------
    EOFError
        If it ended; its traceback is on standard error.
    """
    assert told.poll(60), "the other process says nothing"
    return told.recv()
