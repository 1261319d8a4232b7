"""The three executors, by the same behaviours. What workers call is imported from libraries: it pickles by name."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from latcal.builtin.executors import processes, serial, threads
from latcal.errors import BuildError, PluginError, RecipeError
from latcal.model import exposures, grammar
from latcal.plugin import Executor, Task, World
from latcal.plugin.ordered import WorkerOptions, map_ordered, processors

KINDS = {
    "serial": (serial, serial.SerialOptions()),
    "threads": (threads, WorkerOptions(workers=2)),
    "processes": (processes, WorkerOptions(workers=2)),
}


def world(stop: threading.Event | None = None) -> World:
    return World(None, None, "run", stop or threading.Event(), Path())  # type: ignore[arg-type]


@pytest.fixture(params=KINDS)
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    plugin, options = KINDS[request.param]
    (declaration,) = plugin.latcal_executors()
    assert declaration.name == request.param
    assert isinstance(options, declaration.options)
    with declaration.open(options, world()) as opened:
        yield opened


def test_results_come_in_the_order_of_the_items(executor: Executor) -> None:
    items = [i * i for i in range(200)]
    assert list(executor.map(Task(math.isqrt, "mine"), items)) == list(range(200))


def test_no_item_is_no_result_and_it_can_be_used_again(executor: Executor) -> None:
    assert list(executor.map(Task(math.isqrt, "mine"), [])) == []
    assert list(executor.map(Task(math.isqrt, "mine"), [4])) == [2]


def test_a_deliberate_error_of_a_task_keeps_its_type_and_its_problems(executor: Executor) -> None:
    with pytest.raises(RecipeError, match="'os' does not follow") as caught:
        list(executor.map(Task(grammar.parse, "mine"), ["noise <= 5 electron", "import os"]))
    assert caught.value.problems


def test_any_other_error_of_a_task_names_its_distribution(executor: Executor) -> None:
    with pytest.raises(PluginError, match="mine: parse raised ValueError"):
        list(executor.map(Task(exposures.parse, "mine"), ["5 s", "5"]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_is_to_end_begins_no_item(kind: str) -> None:
    plugin, options = KINDS[kind]
    stop = threading.Event()
    stop.set()
    (declaration,) = plugin.latcal_executors()
    with declaration.open(options, world(stop)) as opened, pytest.raises(BuildError, match="interrupted"):
        list(opened.map(Task(math.isqrt, "mine"), [1, 4]))


def test_a_worker_process_that_dies_is_a_build_error_and_the_next_step_has_new_ones() -> None:
    (declaration,) = processes.latcal_executors()
    with declaration.open(WorkerOptions(workers=1), world()) as opened:
        with pytest.raises(BuildError, match="mine: a worker process ended without an answer"):
            list(opened.map(Task(os._exit, "mine"), [9]))
        assert list(opened.map(Task(math.isqrt, "mine"), [16])) == [4]


def test_workers_are_other_processes_and_end_with_the_executor() -> None:
    (declaration,) = processes.latcal_executors()
    with declaration.open(WorkerOptions(workers=1), world()) as opened:
        assert list(opened.map(Task(math.isqrt, "mine"), [9])) == [3]
        (pid,) = opened._pool._processes
        assert pid != os.getpid()
    with pytest.raises(ProcessLookupError, match="No such process"):
        os.kill(pid, 0)


def test_opening_starts_nothing(executor: Executor) -> None:
    assert getattr(executor, "_pool", None) is None


@pytest.mark.parametrize(("kind", "text"), [("serial", ""), ("threads", "2 threads"), ("processes", "2 processes")])
def test_an_executor_says_how_a_step_will_run(kind: str, text: str) -> None:
    plugin, options = KINDS[kind]
    (declaration,) = plugin.latcal_executors()
    assert declaration.open(options, world()).describe(None) == text


@pytest.mark.parametrize("plugin", [threads, processes])
def test_workers_are_as_many_as_processors_unless_said_and_never_none(plugin: object) -> None:
    (declaration,) = plugin.latcal_executors()  # type: ignore[attr-defined]
    assert declaration.open(declaration.options(), world()).workers == processors()
    with pytest.raises(ValueError, match="'workers' must be >= 1"):
        declaration.options(workers=0)


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
