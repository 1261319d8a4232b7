"""The `threads` executor: several items at once, in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

from attrs import define, field

from latcal.plugin import ExecutorType, Step, Task, World, hookimpl
from latcal.plugin.ordered import WorkerOptions, map_ordered, processors

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor


@define(eq=False)
class ThreadsExecutor:
    """Calls the task in threads, started when the first item comes.

    Parameters
    ----------
    stop : threading.Event
        Looked at between items.
    """

    workers: int
    stop: threading.Event = field(factory=threading.Event)
    _pool: ThreadPoolExecutor | None = field(default=None, init=False)

    def map(self, task: Task, items: Iterable[Any]) -> Iterator[Any]:
        """Give the results in the order of the items; the first that raises, raises here.

        Raises
        ------
        BuildError
            If the run is to end.
        """
        from concurrent.futures import ThreadPoolExecutor

        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.workers, "latcal")
        pool = self._pool
        return map_ordered(lambda item: pool.submit(task, item), items, ahead=2 * self.workers, stop=self.stop)

    def describe(self, step: Step) -> str:  # noqa: ARG002 - the protocol's
        """Say how many threads there will be."""
        return f"{self.workers} thread{'s' if self.workers != 1 else ''}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def open_threads(options: WorkerOptions, world: World) -> ThreadsExecutor:
    """Open the executor; no thread starts yet."""
    return ThreadsExecutor(options.workers or processors(), world.stop)


@hookimpl
def latcal_executors() -> Iterable[ExecutorType]:
    """Declare the executor."""
    yield ExecutorType(
        name="threads",
        summary="Several items at once, in threads of this process",
        options=WorkerOptions,
        open=open_threads,
    )
