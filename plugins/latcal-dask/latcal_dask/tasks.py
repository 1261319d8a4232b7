"""Map a task over items by Dask workers: hand over, wait, fetch, in order."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError, wait
from typing import Any

from attrs import define, field, frozen
from distributed import Future, KilledWorker
from latcal.plugin import AmplifierInputs, BuildError, Task
from latcal.plugin.carrying import packed, results_of
from latcal.plugin.ordered import go_on

from latcal_dask.workers import Workers, line
from latcal_dask.workplace import perform

POLL_S = 0.2
"""How often it is looked whether the run is to end [s]; our choice."""
ASK_S = 2.0
"""How often it is asked whether there still are workers [s]; our choice."""
MOST_AHEAD = 255
"""Most items handed over at once; our choice: more than detectors of any camera, and little memory, since they are names."""
FETCHED = 16
"""Most items whose results are fetched at once; our choice: to fetch takes as long as to hand over, and of pixels 16 are memory enough."""


@frozen(eq=False)
class Pending:
    """A task that was handed over, and what messages call it."""

    future: Future[bytes]
    what: str


@define(eq=False)
class Tasks:
    """The tasks of Dask that come of mapping one task of latcal.

    Parameters
    ----------
    together : int
        Most items that are one task of Dask, where there are so many that every thread has several tasks.
    near : callable
        Address of the worker that should do an item, if it is there and has nothing better to do; or an empty text.
    """

    workers: Workers
    task: Task
    together: int = 1
    near: Callable[[Any], str] = lambda _: ""
    _waiting: deque[Pending] = field(init=False, factory=deque)
    _alone: float = field(init=False, default=0.0)
    _asked: float = field(init=False, default=0.0)

    def over(self, items: Iterable[Any]) -> Iterator[Any]:
        """Give the results in the order of the items; the first that raises, raises here.

        Raises
        ------
        BuildError
            If workers ended while they did an item and Dask gives it up, if none is left, or if the run is to end.
        PluginError
            If the task, an item or a result cannot be carried between processes.
        """
        client = self.workers.client
        try:
            for some in _some(iter(items), 4 * max(self.workers.threads, 1), self.together):
                go_on(self.workers.world.stop)
                self._waiting.append(self._submit(some))
                if len(self._waiting) > self.ahead:
                    yield from self._first()
            while self._waiting:
                yield from self._first()
        finally:
            if client.status == "running":  # otherwise there is nothing left to cancel
                client.cancel([one.future for one in self._waiting], reason="not needed any more")

    @property
    def ahead(self) -> int:
        """How many tasks are handed over before the first is waited for: it grows with workers that join."""
        return min(max(4 * self.workers.threads, 8), MOST_AHEAD // self.together)

    def _submit(self, items: tuple[Any, ...]) -> Pending:
        self.workers.check_connected()
        at = self.near(items[0])
        future = self.workers.client.submit(
            perform,
            packed(self.task, items),
            self.workers.name,
            pure=False,
            workers=[at] if at else None,
            allow_other_workers=bool(at),
        )
        return Pending(future, f"{self.task.distribution}: {_called(items)}")

    def _first(self) -> Iterator[Any]:
        """Wait for the first that waits; give its results, and with them those of the next ones that are done."""
        first = self._waiting[0]
        while first.future.status == "pending":
            try:
                first.future.exception(timeout=POLL_S)
            except TimeoutError:
                self.see_to(first)
        done = list(itertools.takewhile(lambda one: one.future.status == "finished", itertools.islice(self._waiting, max(FETCHED // self.together, 1))))
        for outcome in self._fetched(done or [first]):
            self._waiting.popleft()
            yield from results_of(outcome)

    def _fetched(self, done: list[Pending]) -> list[bytes]:
        """Fetch results; one whose worker has ended meanwhile is made again.

        To give up in the middle would stop others that fetch, so it is waited for beside the loop of Dask.
        """

        async def gather() -> Any:
            return await self.workers.client.gather([one.future for one in done])

        loop: Any = self.workers.client.loop
        fetching = asyncio.run_coroutine_threadsafe(gather(), loop.asyncio_loop)
        while not wait([fetching], POLL_S).done:
            self.see_to(done[0])
        try:
            return list(fetching.result())
        except KilledWorker as error:
            raise BuildError(_killed(next(one.what for one in done if one.future.key == error.task), error)) from error
        except (OSError, CancelledError) as error:
            raise BuildError(f"{done[0].what}: the Dask scheduler {self.workers.address} was lost: {line(error)}") from error

    def see_to(self, one: Pending) -> None:
        """Do nothing, if the run goes on and somebody is there to do what is waited for."""
        go_on(self.workers.world.stop)
        now, limit = time.monotonic(), self.workers.options.connect_s
        if now - self._asked < ASK_S:
            return
        self._asked = now
        there = self.workers.asked(self.workers.client.nthreads)
        self.workers.threads = sum(there.values())
        self._alone = 0.0 if there else self._alone or now
        if self._alone and now - self._alone > limit:
            what = f"the Dask scheduler {self.workers.address} has had no worker for 'connect: {limit:g} s'"
            raise BuildError(f"{one.what}: {what} (start workers)")


def _some(items: Iterator[Any], tasks: int, most: int) -> Iterator[tuple[Any, ...]]:
    """Cut items so that there are at least so many tasks; no more are taken from their source than that needs."""
    first = tuple(itertools.islice(items, tasks * most))
    size, rest = max(len(first) // tasks, 1), itertools.chain(first, items)
    while some := tuple(itertools.islice(rest, size)):
        yield some


def _called(items: tuple[Any, ...]) -> str:
    """Give what messages call the items of a task."""
    names = [f"{one.detector.name} {one.amplifier.name}" if isinstance(one, AmplifierInputs) else str(one) for one in items]
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _killed(what: str, error: KilledWorker) -> str:
    times, last = error.allowed_failures + 1, error.last_worker.address
    return (
        f"{what}: {times} worker{'s' if times > 1 else ''} ended while doing it, the last of them {last} (give workers more memory, "
        "or read their logs; Dask's distributed.scheduler.allowed-failures says how many may)"
    )
