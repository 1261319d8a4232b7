"""What a store must do when several use it at once, or one of them is killed: part of `StoreSuite`."""

from __future__ import annotations

import inspect
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from latcal.plugin import Setup, Store, StoreError
from latcal.testing import samples
from latcal.testing.elsewhere import DAY, ROUNDS, Opener, contend, day_begin, heard, rival, valid, wins, write_for_ever

_FREE = 5000
"""A day that no rival reaches."""


class RivalBehaviour:
    """Tests of several handles, threads and processes; `StoreSuite` gives ``open`` and ``store``."""

    shared: ClassVar[bool] = True
    """Whether what is opened on one folder twice, by two processes too, is one store; say why beside it if it is not."""

    imports: ClassVar[tuple[str, ...]] = ()
    """Modules of the store that take long to import: the other processes of these tests share them."""

    def open(self, tmp_path: Path) -> Store:
        """Open an empty store under a folder; or the same again, if the folder has one."""
        raise NotImplementedError

    def _needs_sharing(self) -> None:
        if not self.shared:
            pytest.skip("shared = False")

    def _suite(self) -> Opener:
        cls = type(self)
        return Opener(inspect.getfile(cls), cls.__module__, cls.__name__, self.imports)

    def test_threads_never_reserve_the_same_id(self, store: Store) -> None:
        """Four at once."""
        found = _at_once(4, lambda _: store.reserve(DAY, 5))
        assert sorted(number for ids in found for number in ids) == list(range(2022110400001, 2022110400021))

    def test_of_threads_that_certify_the_same_range_exactly_one_wins(self, store: Store, tmp_path: Path) -> None:
        """Each with a handle of its own, where the store is shared; the others are told that it is taken."""
        handles = [self.open(tmp_path) if self.shared else store for _ in range(3)]
        found = _at_once(3, lambda number: wins(handles[number], number))
        assert sorted(day for won in found for day in won) == list(range(1, ROUNDS + 1))
        assert [one.valid for one in store.list()] == [valid(day) for day in range(1, ROUNDS + 1)]

    def test_what_one_handle_wrote_another_finds(self, store: Store, tmp_path: Path) -> None:
        """At once, and after the first is closed."""
        self._needs_sharing()
        frame = store.ingest(samples.frame(1))
        ref = store.put(samples.product(), "run-1")
        store.certify([ref], "calib", valid(1))
        store.write_report("run-1", {"night.jsonl": "one\n"})
        store.attach(ref, "plot.png", b"one")
        for _ in range(2):
            with self.open(tmp_path) as other:
                assert other.find("bias", 0, Setup(), day_begin(1), ["calib"]) == ref
                assert other.get(ref).provenance == samples.product().provenance
                assert [one.ref.id for one in other.list()] == [ref.id]
                assert other.exposure(frame.exposure.id) == frame.exposure
                assert len(list(other.frames([frame.exposure.id], 0))) == 1
                assert other.read_report("run-1", "night.jsonl") == "one\n"
                assert other.attached(ref, "plot.png") == b"one"
                assert other.reserve(DAY, 1)[0] not in store.reserve(DAY, 1)
            store.__exit__(None, None, None)

    def test_processes_share_neither_ids_nor_ranges(self, tmp_path: Path) -> None:
        """Of two that want the same at once, each gets ids of its own, and one gets the range."""
        self._needs_sharing()
        with rival(contend, self._suite(), tmp_path, 1) as one, rival(contend, self._suite(), tmp_path, 2) as two:
            for told, _ in (one, two):
                assert heard(told) == "ready"
            for told, _ in (one, two):
                told.send("go")
            (ids, won), (other_ids, other_won) = heard(one[0]), heard(two[0])
        assert sorted(ids + other_ids) == list(range(2022110400001, 2022110400001 + 4 * ROUNDS))
        assert sorted(won + other_won) == list(range(1, ROUNDS + 1))
        with self.open(tmp_path) as store:
            assert [one.valid for one in store.list()] == [valid(day) for day in range(1, ROUNDS + 1)]

    def test_a_writer_that_is_killed_leaves_nothing_half_written_and_is_in_nobodys_way(self, tmp_path: Path) -> None:
        """What can be seen is whole, and the next writer goes on."""
        self._needs_sharing()
        with rival(write_for_ever, self._suite(), tmp_path, 0) as (told, process):
            heard(told)
            began = time.monotonic()
            last = heard(told)
            one_round_s = time.monotonic() - began
            time.sleep(random.uniform(0.0, 0.9) * one_round_s)  # noqa: S311 - at some moment of the next round
            process.kill()
            process.join()
        with self.open(tmp_path) as store:
            _check_whole(store, last)
            assert len(store.reserve(DAY, 1)) == 1
            store.ingest(samples.frame(99))
            ref = store.put(samples.product(seed=99), "run-99")
            store.certify([ref], "calib", valid(_FREE))
            assert store.find("bias", 0, Setup(), day_begin(_FREE), ["calib"]).id == ref.id


def _check_whole(store: Store, last: int) -> None:
    """See that all that was said to be written is there, and all that is there is whole."""
    listed = list(store.list())
    assert len(listed) >= last
    for one in listed:
        seed = int(one.ref.run.removeprefix("run-"))
        np.testing.assert_array_equal(store.get(one.ref).planes["image"], samples.product(seed=seed).planes["image"])
        attached = _said(partial(store.attached, one.ref, "plot.png"))
        assert attached == b"whole" * 2000 or (attached is None and seed > last)
    for number in range(1, len(listed) + 3):
        given = samples.frame(number)
        _check_frame(store, given, there=number <= last)
        text = _said(partial(store.read_report, f"run-{number}", "night.jsonl"))
        assert text == "whole\n" * 2000 or (text is None and number > last)


def _check_frame(store: Store, given: Any, *, there: bool) -> None:
    try:
        store.exposure(given.exposure.id)
    except StoreError:
        if there:
            raise
        return
    (back,) = store.frames([given.exposure.id], 0)
    for amplifier in given.detector.amplifiers:
        np.testing.assert_array_equal(back.raw(amplifier), given.raw(amplifier))


def _said(read: Callable[[], Any]) -> Any:
    """Give what a store has; None if it says that it has nothing."""
    try:
        return read()
    except StoreError:
        return None


def _at_once(number: int, function: Callable[[int], Any]) -> list[Any]:
    """Call a function in so many threads at once; give what came of each."""
    gate, found = threading.Barrier(number), [None] * number

    def work(place: int) -> None:
        gate.wait(300)
        found[place] = function(place)

    threads = [threading.Thread(target=work, args=(place,), daemon=True) for place in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    assert None not in found, "a thread broke off, or hangs"
    return found
