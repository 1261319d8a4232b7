"""What every executor must do: inherit `ExecutorSuite`, say how to open yours, and its tests are yours."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from attrs import evolve

from latcal.errors import BuildError, LatcalError, NotReady, PluginError, ProductNotFound, ValidityOverlap
from latcal.model.steps import Build, Verify
from latcal.plugin import Executor, Task, World
from latcal.testing import samples, tasks
from latcal.testing.once import class_of, opened_once

MANY = 3000
"""Items of a large instrument: 189 detectors of 16 amplifiers."""


class ExecutorSuite:
    """The behaviours of an executor.

    A subclass named ``Test...`` says with `open` how to open one in a world; each call opens another. What the suite
    lets it do are functions of `latcal.testing.tasks`, which workers find by name.

    Most tests share one executor, opened for the class: workers that take a second to start are started once.

    Examples
    --------
    >>> class TestCluster(ExecutorSuite):
    ...     def open(self, world):
    ...         return ClusterExecutor(ClusterOptions(workers=2), world)
    """

    ahead: ClassVar[int] = 256
    """Most items that it may take from their source before it gives the first result."""

    def open(self, world: World) -> Executor:
        """Give an executor of its own for each call, not yet entered."""
        raise NotImplementedError

    @pytest.fixture
    def executor(self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Executor:
        """Give an open executor, which other tests use too."""
        scratch = tmp_path_factory.getbasetemp()
        return opened_once(class_of(request), "executor", lambda: self.open(samples.world(scratch)))

    # -- results -------------------------------------------------------------------------------------------------

    def test_results_come_in_the_order_of_the_items(self, executor: Executor) -> None:
        """Whichever is done first."""
        assert list(executor.map(_task(tasks.square), range(20))) == [number * number for number in range(20)]

    def test_no_item_is_no_result_and_it_can_be_used_again(self, executor: Executor) -> None:
        """A step follows another."""
        assert list(executor.map(_task(tasks.square), [])) == []
        assert list(executor.map(_task(tasks.square), [3])) == [9]
        assert list(executor.map(_task(tasks.same), ["a"])) == ["a"]

    def test_many_items_have_as_many_results(self, executor: Executor) -> None:
        """None is lost, none comes twice."""
        assert list(executor.map(_task(tasks.same), range(MANY))) == list(range(MANY))

    def test_items_and_results_that_are_nothing_are_items_and_results(self, executor: Executor) -> None:
        """None, zero and the empty tuple are values."""
        nothing = [None, 0, (), "", False]
        assert list(executor.map(_task(tasks.same), nothing)) == nothing

    def test_arrays_come_back_to_the_last_bit(self, executor: Executor) -> None:
        """NaN and type included."""
        for size, found in zip((5, 70_000), executor.map(_task(tasks.ramp), (5, 70_000)), strict=True):
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, tasks.ramp(size))

    def test_what_a_task_yields_is_drained_where_it_is_called(self, executor: Executor) -> None:
        """A generator cannot be sent."""
        assert list(executor.map(_task(tasks.up_to), [3, 0])) == [(0, 1, 2), ()]

    def test_it_works_in_another_thread_than_the_one_that_opened_it(self, executor: Executor) -> None:
        """A run opens it in one, and uses it in the processing lane."""
        found: list[Any] = []
        lane = threading.Thread(target=lambda: found.extend(executor.map(_task(tasks.same), [1, 2])), daemon=True)
        lane.start()
        lane.join(300)
        assert found == [1, 2]

    def test_items_are_taken_from_their_source_as_they_are_needed(self, executor: Executor) -> None:
        """Memory does not grow with their number: at most `ahead` of them are taken before the first result."""
        taken: list[int] = []

        def source() -> Iterator[int]:
            for number in range(MANY):
                taken.append(number)
                yield number

        results = executor.map(_task(tasks.same), source())
        first, count = next(results), len(taken)
        assert count <= self.ahead, f"{count} of {MANY} items were taken before the first result was given"
        assert [first, *results] == list(range(MANY))

    def test_results_may_be_left_in_the_middle(self, executor: Executor) -> None:
        """What is left over disturbs nobody."""
        results = executor.map(_task(tasks.same), range(100))
        assert next(results) == 0
        del results
        assert list(executor.map(_task(tasks.same), "ab")) == ["a", "b"]

    # -- errors --------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("how", "kind", "words"),
        [
            ("build", BuildError, r"^too few frames \(take more\)$"),
            ("not found", ProductNotFound, r"^no bias \(make one\)$"),
            ("overlap", ValidityOverlap, r"^a bias is valid then$"),
        ],
    )
    def test_a_deliberate_error_keeps_its_type_and_words(
        self, executor: Executor, how: str, kind: type[LatcalError], words: str
    ) -> None:
        """It decides the exit code."""
        with pytest.raises(LatcalError, match=words) as caught:
            list(executor.map(_task(tasks.fail), ["fine", how, "fine"]))
        assert type(caught.value) is kind

    def test_a_deliberate_error_keeps_its_problems(self, executor: Executor) -> None:
        """Each with its hint."""
        with pytest.raises(NotReady, match="the dome is lit") as caught:
            list(executor.map(_task(tasks.fail), ["not ready"]))
        assert [problem.hint for problem in caught.value.problems] == ["switch it off", ""]

    @pytest.mark.parametrize(("how", "words"), [("mistake", "ValueError: not a number"), ("exit", "SystemExit: 7|exit")])
    def test_any_other_error_names_the_distribution_of_its_task(self, executor: Executor, how: str, words: str) -> None:
        """Not that of the executor, and it ends neither the worker nor the program."""
        with pytest.raises(PluginError, match=rf"^theirs: fail .*({words})"):
            list(executor.map(_task(tasks.fail), ["fine", how]))
        assert list(executor.map(_task(tasks.fail), ["fine"])) == ["fine"]

    def test_of_two_errors_the_first_in_order_is_raised(self, executor: Executor) -> None:
        """Whichever came first in time."""
        with pytest.raises(BuildError, match="too few frames"):
            list(executor.map(_task(tasks.fail), ["fine", "build", "not found", "mistake"]))

    def test_an_error_of_the_source_of_the_items_is_raised_as_it_is(self, executor: Executor) -> None:
        """It is of who asked."""

        def source() -> Iterator[str]:
            yield "fine"
            raise BuildError("no more items")

        with pytest.raises(BuildError, match=r"^no more items$"):
            list(executor.map(_task(tasks.same), source()))
        assert list(executor.map(_task(tasks.same), ["fine"])) == ["fine"]

    # -- opening, stopping, closing ------------------------------------------------------------------------------

    @pytest.mark.parametrize("step", [Build(3, 0, "bias", (0, 1), {}), Verify(4, 0, "bias", (0, 1), {}, None)])
    def test_it_says_in_one_line_how_a_step_will_run_before_it_is_entered(self, tmp_path: Path, step: Any) -> None:
        """`latcal plan` asks; no thread is started for that."""
        before = threading.active_count()
        said = self.open(samples.world(tmp_path)).describe(step)
        assert isinstance(said, str)
        assert "\n" not in said
        assert threading.active_count() <= before

    def test_a_run_that_is_to_end_begins_no_item(self, tmp_path: Path) -> None:
        """It ends with a `BuildError` that says interrupted."""
        world = _world(tmp_path)
        world.stop.set()
        with self.open(world) as executor, pytest.raises(BuildError, match="interrupted"):
            list(executor.map(_task(tasks.mark), _marks(tmp_path, 4)))
        assert _marked(tmp_path) == 0

    def test_a_run_that_is_told_to_end_begins_no_more_items(self, tmp_path: Path) -> None:
        """What is begun is not finished with half of its items."""
        world = _world(tmp_path)
        with self.open(world) as executor:
            results = executor.map(_task(tasks.mark), _marks(tmp_path, 2 * self.ahead))
            next(results)
            world.stop.set()
            with pytest.raises(BuildError, match="interrupted"):
                list(results)
        assert _marked(tmp_path) <= self.ahead

    def test_closing_cancels_what_waits_and_leaves_no_thread(self, tmp_path: Path) -> None:
        """What was begun may end; nothing begins any more."""
        before = threading.active_count()
        with self.open(_world(tmp_path)) as executor:
            results = executor.map(_task(tasks.mark), _marks(tmp_path, 2 * self.ahead))
            next(results)
        done = _marked(tmp_path)
        time.sleep(0.1)
        assert done == _marked(tmp_path) <= self.ahead
        assert threading.active_count() <= before

    def test_closing_swallows_no_error(self, tmp_path: Path) -> None:
        """Of who uses it."""
        with pytest.raises(ZeroDivisionError, match="theirs"), self.open(_world(tmp_path)):
            raise ZeroDivisionError("theirs")


def _task(function: Callable[[Any], Any]) -> Task:
    return Task(function, "theirs")


def _world(folder: Path) -> World:
    return evolve(samples.world(folder), stop=threading.Event())


def _marks(folder: Path, count: int) -> Iterator[str]:
    (folder / "marks").mkdir()
    for number in range(count):
        yield str(folder / "marks" / str(number))


def _marked(folder: Path) -> int:
    return len(list((folder / "marks").glob("*")))
