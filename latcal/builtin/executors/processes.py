"""The `processes` executor: several items at once, each in a process of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Self

from attrs import define, field

from latcal.plugin import BuildError, ExecutorType, Step, Task, World, hookimpl
from latcal.plugin.carrying import packed, results_of
from latcal.plugin.ordered import WorkerOptions, map_ordered, processors

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from latcal.builtin.executors.workers import Worker

_CHUNK = 8
"""Most items handed over at once; our choice: measuring one small amplifier costs about what handing it over does."""


@define(eq=False)
class ProcessesExecutor:
    """Calls the task in processes, each started when there is work for it, or is soon to be.

    Parameters
    ----------
    stop : threading.Event
        Looked at between chunks of items.
    """

    workers: int
    stop: threading.Event = field(factory=threading.Event)
    _pool: ThreadPoolExecutor | None = field(default=None, init=False)
    _idle: SimpleQueue[Worker | None] = field(factory=SimpleQueue, init=False)

    def map(self, task: Task, items: Iterable[Any]) -> Iterator[Any]:
        """Give the results in the order of the items; the first that raises, raises here.

        Raises
        ------
        BuildError
            If a worker ended without an answer, or the run is to end.
        PluginError
            If the task, an item or a result cannot be carried between processes.
        """
        pool = self._started()
        chunks = _chunks(iter(items), self.workers)
        for chunk in map_ordered(
            lambda chunk: pool.submit(self._do, task, chunk), chunks, ahead=2 * self.workers, stop=self.stop
        ):
            yield from chunk

    def prepare(self, task: Task) -> None:
        """Start the processes, unless they are, and let each import what a task needs; nobody waits for it.

        What fails there will fail again, and be raised, when there is an item.
        """
        if self._pool is None:
            pool = self._started()
            for _ in range(self.workers):
                pool.submit(self._do, task, ())

    def describe(self, step: Step) -> str:  # noqa: ARG002 - the protocol's
        """Say how many processes there will be."""
        return f"{self.workers} process{'es' if self.workers != 1 else ''}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        while not self._idle.empty():
            if worker := self._idle.get():
                worker.end()

    def _started(self) -> ThreadPoolExecutor:
        """Give the threads that wait for the workers, one for each."""
        from concurrent.futures import ThreadPoolExecutor

        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.workers, "latcal")
            for _ in range(self.workers):
                self._idle.put(None)
        return self._pool

    def _do(self, task: Task, chunk: tuple[Any, ...]) -> list[Any]:
        """Let an idle worker do a chunk; one that ended is replaced when the next chunk comes."""
        from latcal.builtin.executors.workers import Worker

        packet, worker, sound = packed(task, chunk), self._idle.get(), None
        try:
            worker = worker or Worker()
            answer = worker.ask(packet)
            sound = worker
        except BuildError as error:
            raise BuildError(f"{task.distribution}: {error}") from error
        finally:
            if sound is None and worker is not None:  # its pipe may be half read
                worker.end()
            self._idle.put(sound)
        return results_of(answer)


def _chunks(items: Iterator[Any], workers: int) -> Iterator[tuple[Any, ...]]:
    """Cut items so that every worker has several chunks to take; no more are taken from their source than that needs."""
    first = tuple(islice(items, 4 * workers * _CHUNK))
    size, rest = max(len(first) // (4 * workers), 1), chain(first, items)
    while chunk := tuple(islice(rest, size)):
        yield chunk


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
        pickles=True,
    )
