"""The workers of a run, as who runs the recipe sees them: connected, asked, given tasks, let go."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

from attrs import define, field, frozen
from distributed import Client, Future, KilledWorker, LocalCluster
from latcal.plugin import AmplifierInputs, BuildError, Task, World
from latcal.plugin.carrying import packed, results_of
from latcal.plugin.ordered import go_on, map_ordered, processors

from latcal_dask.options import DaskOptions
from latcal_dask.workplace import Setting, Workplace, perform

POLL_S = 0.2
"""How often it is looked whether the run is to end, and whether there still are workers [s]; our choice."""
MOST_AHEAD = 256
"""Most tasks handed over at once: more than detectors of any camera, and little memory, since they are names."""


@define(eq=False)
class Workers:
    """Dask workers, connected while it is entered.

    Parameters
    ----------
    name : str
        Of the workplace that each of them gets.
    """

    options: DaskOptions
    world: World
    name: str
    setting: Setting | None = None
    client: Client = field(init=False)
    threads: int = field(init=False, default=0)
    _stack: contextlib.ExitStack = field(init=False, factory=contextlib.ExitStack)

    def __enter__(self) -> Self:
        """Connect, or start workers on this computer.

        Raises
        ------
        BuildError
            If no scheduler or no worker answers in time.
        """
        with contextlib.ExitStack() as stack:
            address = self.options.scheduler or stack.enter_context(self._local())
            self.client = stack.enter_context(self._connected(address))
            self._await_workers()
            self.threads = sum(self.asked(self.client.nthreads).values())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def _local(self) -> LocalCluster:
        folder = self.world.scratch / "dask"
        folder.mkdir(parents=True, exist_ok=True)
        return LocalCluster(
            n_workers=self.options.workers or processors(),
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            local_directory=str(folder),
            silence_logs=50,  # what a killed worker means is said by the run
        )

    def _connected(self, address: Any) -> Client:
        limit = self.options.connect_s
        try:
            return Client(address, timeout=limit, set_as_default=False, direct_to_workers=True)
        except (OSError, ValueError) as error:
            what = f"the Dask scheduler {address} does not answer within 'connect: {limit:g} s': {_line(error)}"
            raise BuildError(f"{what} (start it, or mend its address)") from error

    def _await_workers(self) -> None:
        limit = self.options.connect_s
        try:
            self.client.wait_for_workers(1, timeout=limit)
        except TimeoutError as error:
            what = f"the Dask scheduler {self.address} has no worker, and none came within 'connect: {limit:g} s'"
            raise BuildError(f"{what} (start workers)") from error

    def furnish(self) -> None:
        """Give each worker, and those that join later, its workplace; the plugin must be installed there."""
        self.client.register_plugin(Workplace(self.name, self.setting, self.options.connect_s), self.name)
        if self.options.scheduler is not None:  # workers of our own are ended with all they have
            self._stack.callback(self._clear)

    def _clear(self) -> None:
        """Take the workplaces away; a scheduler that is gone has none."""
        with contextlib.suppress(BuildError):
            self.asked(partial(self.client.unregister_worker_plugin, self.name), 2 * self.options.connect_s)

    @property
    def address(self) -> str:
        """Of the scheduler."""
        return str(self.options.scheduler or "of this computer")

    def asked(self, function: Callable[[], Any], limit_s: float | None = None) -> Any:
        """Ask the scheduler something.

        Raises
        ------
        BuildError
            If it is gone, or does not answer in time.
        """

        async def ask() -> Any:
            return await function()

        try:
            return self.client.sync(ask, callback_timeout=limit_s or self.options.connect_s)
        except (OSError, TimeoutError) as error:
            raise BuildError(f"the Dask scheduler {self.address} was lost: {_line(error)}") from error

    def everywhere(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Call a function on every worker, beside its tasks; give by address what it gives, or its error."""
        found: dict[str, Any] = self.asked(partial(self.client.run, function, *arguments, on_error="return"))
        return found

    # -- tasks ---------------------------------------------------------------------------------------------------

    def map(self, task: Task, items: Iterable[Any], near: Callable[[Any], str] = lambda _: "") -> Iterator[Any]:
        """Give the results in the order of the items; the first that raises, raises here.

        Parameters
        ----------
        near : callable
            Address of the worker that should do an item, if it is there and has nothing better to do; or an empty text.

        Raises
        ------
        BuildError
            If workers ended while they did an item and Dask gives it up, if none is left, or if the run is to end.
        PluginError
            If the task, an item or a result cannot be carried between processes.
        """
        ahead = min(max(4 * self.threads, 8), MOST_AHEAD)
        submit = cast("Any", partial(self._submit, task, near))
        for outcome in map_ordered(submit, items, ahead=ahead, stop=self.world.stop):
            yield from results_of(outcome)

    def _submit(self, task: Task, near: Callable[[Any], str], item: Any) -> _Pending:
        at = near(item)
        future = self.client.submit(
            perform,
            packed(task, (item,)),
            self.name,
            pure=False,
            workers=[at] if at else None,
            allow_other_workers=bool(at),
        )
        return _Pending(self, future, f"{task.distribution}: {_called(item)}")

    def outcome(self, future: Future[bytes], what: str) -> bytes:
        """Wait for a task, as long as the run goes on and somebody is there to do it."""
        alone = 0.0
        while True:
            go_on(self.world.stop)
            try:
                return bytes(future.result(timeout=POLL_S))
            except TimeoutError:
                alone = 0.0 if self.asked(self.client.nthreads) else alone or time.monotonic()
            except KilledWorker as error:
                raise BuildError(_killed(what, error)) from error
            except CancelledError as error:
                raise BuildError(f"{what}: the Dask scheduler {self.address} gave it up: {_line(error)}") from error
            if alone and time.monotonic() - alone > self.options.connect_s:
                limit = f"'connect: {self.options.connect_s:g} s'"
                raise BuildError(f"{what}: the Dask scheduler {self.address} has had no worker for {limit} (start workers)")


@frozen(eq=False)
class _Pending:
    """A task that was handed over, as `map_ordered` wants it."""

    workers: Workers
    future: Future[bytes]
    what: str

    def result(self) -> bytes:
        return self.workers.outcome(self.future, self.what)

    def cancel(self) -> None:
        self.future.cancel(reason="not needed any more")


def _called(item: Any) -> str:
    """Give what messages call an item."""
    if isinstance(item, AmplifierInputs):
        return f"{item.detector.name} {item.amplifier.name}"
    return str(item)


def _killed(what: str, error: KilledWorker) -> str:
    times, last = error.allowed_failures + 1, error.last_worker.address
    return (
        f"{what}: {times} worker{'s' if times > 1 else ''} ended while doing it, the last of them {last} (give workers more memory, "
        "or read their logs; Dask's distributed.scheduler.allowed-failures says how many may)"
    )


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def setting_of(world: World) -> Setting:
    """Give what the tasks of a run have in common."""
    assert world.plan is not None
    assert world.instrument is not None
    store = world.plan.recipe.store
    return Setting(world.run, world.instrument, store.use, store.options, dict(world.plan.versions), Path.cwd())
