"""The executors that come with latcal, by the suite that a stranger's must pass; then what each has of its own."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from latcal.builtin.executors import processes, serial, threads
from latcal.errors import BuildError
from latcal.plugin import Executor, Task, World
from latcal.plugin.ordered import WorkerOptions, map_ordered, processors
from latcal.testing import ExecutorSuite, samples, tasks

KINDS = {
    "serial": (serial, serial.SerialOptions()),
    "threads": (threads, WorkerOptions(workers=2)),
    "processes": (processes, WorkerOptions(workers=2)),
}


def opened(kind: str, world: World, **options: object) -> Executor:
    plugin, ours = KINDS[kind]
    (declaration,) = plugin.latcal_executors()
    assert declaration.name == kind
    return declaration.open(declaration.options(**options) if options else ours, world)


class TestSerial(ExecutorSuite):
    def open(self, world: World) -> Executor:
        return opened("serial", world)


class TestThreads(ExecutorSuite):
    def open(self, world: World) -> Executor:
        return opened("threads", world)


class TestProcesses(ExecutorSuite):
    def open(self, world: World) -> Executor:
        return opened("processes", world)


def test_a_worker_process_that_dies_is_a_build_error_and_the_next_step_has_new_ones(tmp_path: Path) -> None:
    with opened("processes", samples.world(tmp_path), workers=1) as executor:
        with pytest.raises(BuildError, match="mine: a worker process ended without an answer"):
            list(executor.map(Task(os._exit, "mine"), [9]))
        assert list(executor.map(Task(tasks.square, "mine"), [4])) == [16]


def test_processes_that_were_to_be_ready_are_there_before_there_is_an_item(tmp_path: Path) -> None:
    """Nobody waits for them, and they end with the executor if nothing comes."""
    with opened("processes", samples.world(tmp_path), workers=1) as executor:
        executor.prepare(Task(tasks.process, "mine"))
        executor._pool.submit(int).result()  # in the one thread, after what gets the process ready
        ready = executor._idle.get()
        assert ready is not None
        executor._idle.put(ready)
        (worker,) = executor.map(Task(tasks.process, "mine"), [1])
        assert worker == ready._process.pid


def test_workers_are_other_processes_and_end_with_the_executor(tmp_path: Path) -> None:
    with opened("processes", samples.world(tmp_path), workers=1) as executor:
        first, second = executor.map(Task(tasks.process, "mine"), [1, 2])
        assert first == second != os.getpid()
    with pytest.raises(ProcessLookupError, match="No such process"):
        os.kill(first, 0)


@pytest.mark.parametrize(("kind", "text"), [("serial", ""), ("threads", "2 threads"), ("processes", "2 processes")])
def test_an_executor_says_how_a_step_will_run(kind: str, text: str, tmp_path: Path) -> None:
    assert opened(kind, samples.world(tmp_path)).describe(None) == text


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_workers_are_as_many_as_processors_unless_said_and_never_none(kind: str, tmp_path: Path) -> None:
    assert opened(kind, samples.world(tmp_path), workers=None).workers == processors()
    with pytest.raises(ValueError, match="'workers' must be >= 1"):
        opened(kind, samples.world(tmp_path), workers=0)


def test_a_pool_is_handed_only_a_few_items_ahead_and_the_rest_is_cancelled() -> None:
    handed: list[int] = []
    futures: list[Future[int]] = []

    def submit(item: int) -> Future[int]:
        handed.append(item)
        future: Future[int] = Future()
        futures.append(future)
        if item < 1:
            future.set_result(item)
        return future

    results = map_ordered(submit, range(1000), ahead=3, stop=threading.Event())
    assert next(results) == 0
    assert handed == [0, 1, 2, 3]
    results.close()  # type: ignore[attr-defined]
    assert all(future.cancelled() for future in futures[1:])
