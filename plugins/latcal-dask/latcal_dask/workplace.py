"""What a worker has for a run: this module is imported by workers."""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import pickle
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import latcal
from astropy.time import Time
from attrs import define, evolve, field, fields, frozen
from distributed import Reschedule, Worker, get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from latcal.plugin import AmplifierFrame, BuildError, Instrument, World
from latcal.plugin.carrying import outcome_of
from latcal.plugin.registry import Registry

EVERYWHERE = ("latcal", "latcal-dask", "numpy", "astropy")
"""Distributions that every worker must have in the version of who runs the recipe: so the same numbers come out."""
Prepared = tuple[Mapping[str, AmplifierFrame], str]
"""An exposure on one detector, by amplifier, and the checksum of its raw frame."""


@frozen
class Setting:
    """What all tasks of a run have in common; it goes to every worker once.

    Parameters
    ----------
    store : str
        Empty where workers have no business with it.
    versions : mapping of str to str
        By distribution, of who runs the recipe: `Plan.versions`.
    folder : Path
        The working directory there: paths of the store are relative to it.
    """

    run: str
    instrument: Instrument
    store: str
    store_options: Any
    versions: Mapping[str, str]
    folder: Path


@frozen
class Site:
    """The plugins and the store of a run, opened by a worker."""

    setting: Setting
    registry: Registry
    store: Any


@define(eq=False, slots=False)
class Workplace(WorkerPlugin):
    """What a worker has for a run: it is made when the run begins or the worker joins, and cleared away after it.

    Parameters
    ----------
    name : str
        Of the plugin of Dask that it is; one for each run.
    setting : Setting or None
        None where only a task is mapped, which has all it needs in its items.
    """

    name: str
    setting: Setting | None
    patience_s: float
    address: str = field(init=False, default="")
    folder: Path = field(init=False, default=Path())
    frames: dict[tuple[int, int, str], Prepared] = field(init=False, factory=dict)
    _site: Site | None = field(init=False, default=None)

    def setup(self, worker: Worker) -> None:
        """Make ready; what takes time waits until it is needed."""
        self.address, self.folder = worker.address, Path(worker.local_directory) / self.name
        self.stop, self._lock, self._ended = threading.Event(), threading.Lock(), threading.Condition()
        self._busy, self._opened, self._site = 0, ExitStack(), None

    async def teardown(self, worker: Worker) -> None:  # noqa: ARG002 - Dask's
        """Let what is under way end, at the next exposure, and clear away."""
        self.stop.set()
        await asyncio.to_thread(self._clear)

    def _clear(self) -> None:
        with self._ended:
            self._ended.wait_for(lambda: not self._busy, self.patience_s)
        self._opened.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def working(self) -> Iterator[None]:
        """Note that a task is under way."""
        with self._ended:
            self._busy += 1
        try:
            yield
        finally:
            with self._ended:
                self._busy -= 1
                self._ended.notify_all()

    @property
    def site(self) -> Site:
        """Plugins and store, opened when first asked for.

        Raises
        ------
        PluginError
            If plugins cannot be loaded here.
        StoreError
            If the store cannot be opened here.
        """
        with self._lock:
            if self._site is None:
                assert self.setting is not None
                self._site = _open(self.setting, self.stop, self.folder, self._opened)
            return self._site


def _open(setting: Setting, stop: threading.Event, folder: Path, stack: ExitStack) -> Site:
    registry = latcal.load_plugins(without=_left_out(setting.versions))
    for name in EVERYWHERE:  # a worker that joined later was not asked
        here, there = importlib.metadata.version(name), setting.versions.get(name)
        if here != there:
            raise BuildError(f"a Dask worker has {name} {here}, and the run {there} (install the same)")
    if not setting.store:
        return Site(setting, registry, None)
    named = registry.named("store", setting.store)
    options = _absolute(setting.store_options, named.declaration.place, setting.folder)
    world = World(setting.instrument, lambda: Time.now().tai, setting.run, stop, folder)
    return Site(setting, registry, stack.enter_context(registry.open(named, options, world)))


def _left_out(versions: Mapping[str, str]) -> set[str]:
    """Give the plugins that are installed here and were not there where the recipe was planned: they have no say."""
    out = set()
    for point in importlib.metadata.entry_points(group="latcal"):
        name = point.dist.name if point.dist is not None else ""
        words = versions.get(name)
        if words is None:
            out.add(name)
        elif point.name in words.partition(" without ")[2].split(", "):
            out.add(f"{name}:{point.name}")
    return out


def _absolute(options: Any, place: str, folder: Path) -> Any:
    """Give the options of a store with paths as they are where the recipe runs."""
    values = {one.name: getattr(options, one.name) for one in fields(type(options)) if one.init}
    paths: dict[str, Any] = {name: folder / value for name, value in values.items() if isinstance(value, Path)}
    at = values.get(place)
    if isinstance(at, str) and "://" not in at and (folder / at).exists():
        paths[place] = str(folder / at)
    return evolve(options, **paths)


async def look(name: str, kinds: tuple[str, ...], report: tuple[str, str] | None, dask_worker: Worker) -> dict[str, str]:
    """See whether a worker can do its part in a run, and give the version of each distribution that it takes.

    Parameters
    ----------
    name : str
        Of the workplace.
    kinds : tuple of str
        The calibration types that it is to know.
    report : (str, str) or None
        Name and text of a report of the run, which the store must give.

    Raises
    ------
    LatcalError
        If plugins or store cannot be opened there, a type is not declared, or the store is another one.
    """
    return await asyncio.to_thread(_looked, dask_worker.plugins[name], kinds, report)


def _looked(place: Any, kinds: tuple[str, ...], report: tuple[str, str] | None) -> dict[str, str]:
    site = place.site
    declared = [site.registry.named("calibration", kind) for kind in kinds]
    declared += [site.registry.named("store", site.setting.store)] if site.setting.store else []
    if report is not None and site.store.read_report(site.setting.run, report[0]) != report[1]:
        raise BuildError(f"the store has another report {report[0]} (let all workers see the same store)")
    known = site.registry.versions
    return {one.distribution: known[one.distribution] for one in declared}


def importable(module: str) -> bool:
    """Tell whether a worker has a module."""
    return importlib.util.find_spec(module) is not None


def readable(path: str) -> bool:
    """Tell whether a worker sees a file."""
    return Path(path).is_file()


def perform(packet: bytes, name: str) -> bytes:
    """Do what was packed by `latcal.plugin.carrying`, as a task of Dask."""
    place: Any = get_worker().plugins.get(name)
    if place is None:  # a worker that has just joined
        raise Reschedule
    if place.stop.is_set():
        return pickle.dumps(BuildError("interrupted before all was done"))
    with place.working():
        return outcome_of(packet)
