"""The executors ``dask``, which does whole steps detector by detector, and ``dask_amplifiers``, which maps over amplifiers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

from attrs import Factory, define, field
from latcal.plugin import Measurement, Order, Product, ProductRef, Step, Task, World
from latcal.plugin.ordered import processors

from latcal_dask.checking import REPORT, blind, enter, new_name, roll, unfit
from latcal_dask.detectors import do
from latcal_dask.errands import Done, Errand, errands
from latcal_dask.options import DaskOptions
from latcal_dask.tasks import Tasks
from latcal_dask.workers import Workers, setting_of

TOGETHER = 8
"""Most amplifiers that are one task; our choice, as of latcal's own processes: to hand a small one over costs as much as to do it."""


def _for_tasks(executor: AmplifierExecutor) -> Workers:
    world = executor.world
    return Workers(executor.options, world, new_name(world), setting_of(world, store=False))


def _for_errands(executor: DetectorExecutor) -> Workers:
    world = executor.world
    return Workers(executor.options, world, new_name(world), setting_of(world, store=True))


@define(eq=False)
class AmplifierExecutor:
    """Maps over amplifiers: each is a task, whose prepared frames the workers read in the scratch folder of the run."""

    options: DaskOptions
    world: World
    workers: Workers = field(init=False, default=Factory(_for_tasks, takes_self=True))

    def __enter__(self) -> Self:
        """Connect.

        Raises
        ------
        NotReady
            If scheduler or workers do not answer, are not like this program, or do not see the scratch folder.
        """
        enter(self.workers, self.world.plan, self._faults)
        return self

    def _faults(self) -> Iterator[tuple[str, str]]:
        if self.world.plan is not None:
            yield from unfit(self.world.plan, self.workers)
        self.world.scratch.mkdir(parents=True, exist_ok=True)
        shown = self.world.scratch / f"{self.workers.name}.txt"
        shown.write_text("seen by workers\n", encoding="utf-8")
        yield from blind(self.workers, shown)
        shown.unlink()

    def __exit__(self, *exc: object) -> None:
        self.workers.__exit__(*exc)

    def map(self, task: Task, items: Iterable[Any]) -> Iterator[Any]:
        """Give the results in the order of the items, as `Tasks.over` does."""
        return Tasks(self.workers, task, TOGETHER).over(items)

    def describe(self, step: Step) -> str:  # noqa: ARG002 - the protocol's
        """Say where it is done."""
        return f"amplifier by amplifier on {_where(self.options)}"


@define(eq=False)
class DetectorExecutor:
    """Does whole steps: a detector is a task, whose worker reads raw frames in the store and writes what it built there."""

    options: DaskOptions
    world: World
    workers: Workers = field(init=False, default=Factory(_for_errands, takes_self=True))
    _near: dict[int, str] = field(init=False, factory=dict)
    _tables: dict[str, Product] = field(init=False, factory=dict)

    def __enter__(self) -> Self:
        """Connect, and see that every worker sees the store of the run.

        Raises
        ------
        NotReady
            If scheduler or workers do not answer, are not like this program, or see another store.
        """
        enter(self.workers, self.world.plan, self._faults)
        return self

    def _faults(self) -> Iterator[tuple[str, str]]:
        plan, store = self.world.plan, self.world.store
        assert plan is not None
        assert store is not None
        text = roll(self.workers)
        store.write_report(self.world.run, {REPORT: text})
        yield from unfit(plan, self.workers, (REPORT, text))

    def __exit__(self, *exc: object) -> None:
        self.workers.__exit__(*exc)

    def build(self, order: Order) -> Iterator[ProductRef]:
        """Build what a step is to build."""
        for done in self._done(order):
            yield from [ref for ref, _ in done.products]

    def verify(self, order: Order) -> Iterator[Measurement]:
        """Measure what a step is to measure."""
        for done in self._done(order):
            yield from done.measured

    def tables(self, ref: ProductRef) -> Product:
        """Give a product that was built or verified, without its planes."""
        assert self.world.store is not None
        return self._tables[ref.id] if ref.id in self._tables else self.world.store.get(ref)

    def _done(self, order: Order) -> Iterator[Done]:
        """Have an order done, detector by detector; each by the worker that has its prepared frames, if it can."""
        assert self.world.plan is not None
        items = list(errands(order, self.world.plan, self.workers.name))
        results = Tasks(self.workers, Task(do, "latcal-dask"), near=self._at).over(items)
        for errand, done in zip(items, results, strict=True):
            self._near[errand.detector] = done.worker
            self._tables.update({ref.id: product for ref, product in done.products})
            yield done

    def _at(self, errand: Errand) -> str:
        return self._near.get(errand.detector, "")

    def describe(self, step: Step) -> str:  # noqa: ARG002 - the protocol's
        """Say where it is done."""
        return f"detector by detector on {_where(self.options)}"


def _where(options: DaskOptions) -> str:
    if options.scheduler is not None:
        return f"the Dask workers of {options.scheduler}"
    count = options.workers or processors()
    return f"{count} Dask worker{'s' if count > 1 else ''} of this computer"
