"""Do something strip by strip, on one thread or several."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from attrs import field, frozen

T = TypeVar("T")


def walk(items: Iterable[T], work: Callable[[Iterator[T]], int], threads: int) -> int:
    """Share items among threads: each takes the next one when it is ready for it.

    numpy lets other threads run while it computes: two of them take half of the time on two processors.

    Parameters
    ----------
    items : iterable
    work : callable
        Called once on each thread, with an iterator of the items that fall to it: what it allocates first, it can use
        for all of them. Gives a number.
    threads : int
        1 for none but the caller's own.

    Returns
    -------
    int
        The sum of the numbers.

    Raises
    ------
    Exception
        What `work` raised, once all threads have ended; the others then get no more items.
    """
    if threads == 1:
        return work(iter(items))
    from concurrent.futures import ThreadPoolExecutor

    shared = _Shared(iter(items))

    def share() -> int:
        try:
            return work(shared)
        finally:
            shared.ended.set()

    with ThreadPoolExecutor(threads) as pool:
        return sum(done.result() for done in [pool.submit(share) for _ in range(threads)])


@frozen(eq=False)
class _Shared(Iterator[T]):
    """An iterator that several threads may draw from; it ends for all when one of them has ended."""

    items: Iterator[T]
    lock: threading.Lock = field(factory=threading.Lock)
    ended: threading.Event = field(factory=threading.Event)

    def __next__(self) -> T:
        with self.lock:
            if self.ended.is_set():
                raise StopIteration
            return next(self.items)
