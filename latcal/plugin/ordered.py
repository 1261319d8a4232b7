"""Map over items with a pool, in order, without running far ahead: what executors share."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any

from attrs import frozen, validators

from latcal.errors import BuildError
from latcal.model.options import option


@frozen
class WorkerOptions:
    """Options of an executor with workers.

    Parameters
    ----------
    workers : int or None
        None: as many as there are processors.
    """

    workers: int | None = option(
        None,
        help="Number of workers; left out, as many as there are processors",
        validator=validators.optional(validators.ge(1)),
    )


def processors() -> int:
    """Give the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def go_on(stop: threading.Event) -> None:
    """Do nothing, unless the run is to end.

    Raises
    ------
    BuildError
        If `stop` is set: what is begun is not finished with half of its items.
    """
    if stop.is_set():
        raise BuildError("interrupted before all was done")


def map_ordered(
    submit: Callable[[Any], Future[Any]], items: Iterable[Any], *, ahead: int, stop: threading.Event
) -> Iterator[Any]:
    """Give the results of items in their order, at most `ahead` of them waiting.

    Parameters
    ----------
    submit : callable
        Hands one item to a pool.
    ahead : int
        How many items are handed over before the first result is taken: so memory is bounded by it, whatever the
        number of items.
    stop : threading.Event
        Looked at between items.

    Raises
    ------
    BuildError
        If `stop` was set.
    """
    waiting: deque[Future[Any]] = deque()
    try:
        for item in items:
            go_on(stop)
            waiting.append(submit(item))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            go_on(stop)
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()
