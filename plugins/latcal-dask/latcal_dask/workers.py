"""The workers of a run, as who runs the recipe sees them: connected, asked, let go."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import dask
from attrs import define, field
from distributed import Client, LocalCluster
from latcal.plugin import BuildError, World
from latcal.plugin.ordered import processors

from latcal_dask.options import DaskOptions
from latcal_dask.workplace import Setting, Workplace

OWN = MappingProxyType(
    {"distributed.worker.profile.enabled": False, "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": None}
)
"""Settings of Dask for workers of this computer: no profiler, which takes 5 % of a processor for a dashboard that is not there; and
memory is not given back to the system after every array, which is to be cleared when it is asked for again (docs/scale.md)."""


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
        with dask.config.set(OWN):
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
            what = f"the Dask scheduler {address} does not answer within 'connect: {limit:g} s': {line(error)}"
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

        self.check_connected()
        try:
            return self.client.sync(ask, callback_timeout=limit_s or self.options.connect_s)
        except (OSError, TimeoutError) as error:
            raise BuildError(f"the Dask scheduler {self.address} was lost: {line(error)}") from error

    def check_connected(self) -> None:
        """See that the scheduler has not been given up.

        Raises
        ------
        BuildError
            If it has.
        """
        if self.client.status in ("closing", "closed"):
            raise BuildError(f"the Dask scheduler {self.address} was lost (see why it ended, and run again)")

    def everywhere(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """Call a function on every worker, beside its tasks; give by address what it gives, or its error."""
        found: dict[str, Any] = self.asked(partial(self.client.run, function, *arguments, on_error="return"))
        return found


def line(error: BaseException) -> str:
    """Say in one line what an error of Dask says."""
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
