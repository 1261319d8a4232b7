"""The `serial` executor: one item after another, in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Any, Self

from attrs import field, frozen

from latcal.plugin import ExecutorType, Step, Task, World, hookimpl
from latcal.plugin.ordered import go_on


@frozen
class SerialOptions:
    """It has none."""


@frozen
class SerialExecutor:
    """Calls the task for each item where it stands.

    Parameters
    ----------
    stop : threading.Event
        Looked at before each item.
    """

    stop: threading.Event = field(factory=threading.Event)

    def map(self, task: Task, items: Iterable[Any]) -> Iterator[Any]:
        """Give the results in the order of the items.

        Raises
        ------
        BuildError
            If the run is to end.
        """
        for item in items:
            go_on(self.stop)
            yield task(item)

    def describe(self, step: Step) -> str:  # noqa: ARG002 - the protocol's
        """Say nothing: there is nothing to say."""
        return ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def open_serial(options: SerialOptions, world: World) -> SerialExecutor:  # noqa: ARG001 - the declaration's
    """Open the executor."""
    return SerialExecutor(world.stop)


@hookimpl
def latcal_executors() -> Iterable[ExecutorType]:
    """Declare the executor."""
    yield ExecutorType(
        name="serial",
        summary="One item after another, in this process; the default for sensors below one megapixel",
        options=SerialOptions,
        open=open_serial,
    )
