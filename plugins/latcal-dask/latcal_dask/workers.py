"""The workers of a run, as who runs the recipe sees them: connected, asked, given tasks, let go."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self

from attrs import define, field, frozen
from distributed import Client, Future, KilledWorker, LocalCluster
from latcal.plugin import AmplifierInputs, BuildError, Task, World
from latcal.plugin.carrying import packed, results_of
from latcal.plugin.ordered import go_on, processors

from latcal_dask.options import DaskOptions
from latcal_dask.workplace import Setting, Workplace, perform

POLL_S = 0.2
"""How often it is looked whether the run is to end, and whether there still are workers [s]; our choice."""
MOST_AHEAD = 255
"""Most tasks handed over at once; our choice: more than detectors of any camera, and little memory, since they are names."""
FETCHED = 16
"""Most results fetched at once; our choice: to fetch one takes as long as to hand it over, and of pixels 16 are memory enough."""


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
            dashboard_address=":0",  # any port: that of a dashboard may be taken, which would be a warning
            local_directory=str(folder),
            preload=["latcal_dask.interrupts"],
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

    def map(
        self, task: Task, items: Iterable[Any], *, together: int = 1, near: Callable[[Any], str] = lambda _: ""
    ) -> Iterator[Any]:
        """Give the results in the order of the items; the first that raises, raises here.

        Parameters
        ----------
        together : int
            Most items that are one task of Dask, where there are so many that every thread has several tasks.
        near : callable
            Address of the worker that should do an item, if it is there and has nothing better to do; or an empty text.

        Raises
        ------
        BuildError
            If workers ended while they did an item and Dask gives it up, if none is left, or if the run is to end.
        PluginError
            If the task, an item or a result cannot be carried between processes.
        """
        ahead, waiting = min(max(4 * self.threads, 8), MOST_AHEAD // together), deque[_Pending]()
        try:
            for some in _some(iter(items), 4 * self.threads, together):
                go_on(self.world.stop)
                waiting.append(self._submit(task, some, near(some[0])))
                if len(waiting) > ahead:
                    yield from self._first(waiting)
            while waiting:
                yield from self._first(waiting)
        finally:
            if self.client.status == "running":  # otherwise there is nothing left to cancel
                self.client.cancel([one.future for one in waiting], reason="not needed any more")

    def _submit(self, task: Task, items: tuple[Any, ...], at: str) -> _Pending:
        future = self.client.submit(
            perform,
            packed(task, items),
            self.name,
            pure=False,
            workers=[at] if at else None,
            allow_other_workers=bool(at),
        )
        return _Pending(future, f"{task.distribution}: {_called(items)}")

    def _first(self, waiting: deque[_Pending]) -> Iterator[Any]:
        """Wait for the first that waits; give its results, and with them those of the next ones that are done."""
        self._await(waiting[0])
        done = list(itertools.takewhile(lambda one: one.future.status == "finished", itertools.islice(waiting, FETCHED)))
        outcomes = self.asked(partial(self.client.gather, [one.future for one in done]))
        for outcome in outcomes:
            waiting.popleft()
            yield from results_of(outcome)

    def _await(self, one: _Pending) -> None:
        """Wait for a task, as long as the run goes on and somebody is there to do it."""
        alone = 0.0
        while one.future.status != "finished":
            go_on(self.world.stop)
            try:
                error = one.future.exception(timeout=POLL_S)
            except TimeoutError:
                alone = 0.0 if self.asked(self.client.nthreads) else alone or time.monotonic()
                if alone and time.monotonic() - alone > self.options.connect_s:
                    limit = f"'connect: {self.options.connect_s:g} s'"
                    what = f"the Dask scheduler {self.address} has had no worker for {limit}"
                    raise BuildError(f"{one.what}: {what} (start workers)") from None
                continue
            if isinstance(error, KilledWorker):
                raise BuildError(_killed(one.what, error)) from error
            if error is not None or one.future.cancelled():
                raise BuildError(f"{one.what}: Dask gave it up: {_line(error) if error else 'cancelled'}") from error


@frozen(eq=False)
class _Pending:
    """A task that was handed over, and what messages call it."""

    future: Future[bytes]
    what: str


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


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def setting_of(world: World, *, store: bool) -> Setting | None:
    """Give what the tasks of a run have in common; None where there is no run.

    Parameters
    ----------
    store : bool
        Whether workers read and write the store.
    """
    if world.plan is None or world.instrument is None:
        return None
    use, versions = world.plan.recipe.store, dict(world.plan.versions)
    name, options = (use.use, use.options) if store else ("", None)
    return Setting(world.run, world.instrument, name, options, versions, Path.cwd())
