from __future__ import annotations

import threading

import pytest

from latcal.numerics.walks import walk


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_every_item_is_done_once(threads):
    done, lock = [], threading.Lock()

    def work(items):
        mine = 0
        for item in items:
            with lock:
                done.append(item)
            mine += item
        return mine

    assert walk(range(100), work, threads) == 4950
    assert sorted(done) == list(range(100))


def test_two_threads_work_at_a_time():
    both = threading.Barrier(2, timeout=120.0)

    def work(items):
        for _ in items:
            both.wait()  # broken, and so raised, if the other thread never comes here
        return 0

    assert walk(range(2), work, 2) == 0


def test_a_fault_ends_the_walk():
    done = []

    def work(items):
        for item in items:
            if item == 3:
                raise ValueError("item 3 is bad")
            done.append(item)
        return 0

    with pytest.raises(ValueError, match="item 3 is bad"):
        walk(range(1_000_000), work, 2)
    assert len(done) < 1_000_000
