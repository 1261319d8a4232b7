"""The `processes` executor: several items at once, each in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Self

from attrs import define, field

from latcal.plugin import BuildError, ExecutorType, Step, Task, World, hookimpl
from latcal.plugin.ordered import WorkerOptions, map_ordered, processors

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

_CHUNK = 8
"""Most items handed over at once; our choice: measuring one small amplifier costs about what handing it over does."""


@define(eq=False)
class ProcessesExecutor:
    """Calls the task in spawned processes, started when the first item comes.

    Parameters
    ----------
    stop : threading.Event
        Looked at between chunks of items.
    """

    workers: int
    stop: threading.Event = field(factory=threading.Event)
    _pool: ProcessPoolExecutor | None = field(default=None, init=False)

    def map(self, task: Task, items: Iterable[Any]) -> Iterator[Any]:
        """Give the results in the order of the items; the first that raises, raises here.

        Raises
        ------
        BuildError
            If a worker ended without an answer, or the run is to end.
        """
        from concurrent.futures import BrokenExecutor
        from functools import partial

        pool, work = self._started(), partial(_run, task)
        chunks = _chunks(tuple(items), self.workers)
        results = map_ordered(lambda chunk: pool.submit(work, chunk), chunks, ahead=2 * self.workers, stop=self.stop)
        try:
            for chunk in results:
                yield from chunk
        except BrokenExecutor as error:
            self._close()  # the next step starts with new workers
            what = "a worker process ended without an answer (give it more memory, or write fewer workers)"
            raise BuildError(f"{task.distribution}: {what}") from error

    def describe(self, step: Step) -> str:  # noqa: ARG002 - the protocol's
        """Say how many processes there will be."""
        return f"{self.workers} process{'es' if self.workers != 1 else ''}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._close()

    def _started(self) -> ProcessPoolExecutor:
        from concurrent.futures import ProcessPoolExecutor
        from multiprocessing import get_context

        if self._pool is None:
            self._pool = ProcessPoolExecutor(self.workers, get_context("spawn"), _begin)
        return self._pool

    def _close(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)


def _chunks(items: tuple[Any, ...], workers: int) -> Iterator[tuple[Any, ...]]:
    """Cut items so that every worker has several chunks to take."""
    size = min(max(len(items) // (4 * workers), 1), _CHUNK)
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _run(task: Task, chunk: tuple[Any, ...]) -> list[Any]:
    return [task(item) for item in chunk]


def _begin() -> None:
    """Prepare a worker: interrupts are for the parent, and without a parent there is nothing to do."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    import os
    from multiprocessing import parent_process

    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def open_processes(options: WorkerOptions, world: World) -> ProcessesExecutor:
    """Open the executor; no process starts yet."""
    return ProcessesExecutor(options.workers or processors(), world.stop)


@hookimpl
def latcal_executors() -> Iterable[ExecutorType]:
    """Declare the executor."""
    yield ExecutorType(
        name="processes",
        summary="Several items at once, each in a process; the default for sensors from one megapixel up",
        options=WorkerOptions,
        open=open_processes,
    )
