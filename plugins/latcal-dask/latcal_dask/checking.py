"""Whether scheduler and workers can do what is planned: asked before the first exposure."""

from __future__ import annotations

import importlib.metadata
import json
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

from astropy.time import Time
from latcal.plugin import BuildError, LatcalError, NotReady, Plan, Problem, World

from latcal_dask import DETECTORS
from latcal_dask.workers import Workers, setting_of
from latcal_dask.workplace import EVERYWHERE, importable, look, readable

REPORT = "workers.json"
"""The report of a run that says which workers there were, and by which they show that they see the same store."""
Fault = tuple[str, str]
"""What is wrong, and what to do."""


def faults(plan: Plan) -> Iterator[Problem]:
    """Ask a scheduler and its workers whether they can do what is planned, and let them go."""
    with tempfile.TemporaryDirectory(prefix="latcal-") as folder:
        world = World(plan.instrument, lambda: Time.now().tai, "preflight", threading.Event(), Path(folder), plan=plan)
        workers = Workers(plan.executor.options, world, new_name(world), setting_of(world, store=plan.executor.use == DETECTORS))
        try:
            enter(workers, plan, lambda: unfit(plan, workers))
        except NotReady as refused:
            yield from refused.problems
        else:
            workers.__exit__(None, None, None)


def enter(workers: Workers, plan: Plan | None, questions: Callable[[], Iterable[Fault]]) -> None:
    """Enter workers, and refuse to begin with what is wrong with them.

    Parameters
    ----------
    questions : callable
        Gives what is wrong, where all of them have what they need.

    Raises
    ------
    NotReady
        With every fault, at its place in the recipe.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(workers)
            found = list(uneven(workers)) or list(lacking(workers))
            if not found:
                workers.furnish()
                found += questions()
        except BuildError as error:
            found = [(str(error), "")]
        if found:
            raise NotReady([_problem(plan, fault) for fault in found])
        stack.pop_all()


def _problem(plan: Plan | None, fault: Fault) -> Problem:
    what, hint = fault
    return Problem(what, hint, path="executor") if plan is None else plan.recipe.problem("executor", what=what, hint=hint)


def uneven(workers: Workers) -> Iterator[Fault]:
    """Say which workers have not what all of them need, in the version that is installed here."""
    for distribution in EVERYWHERE if workers.options.scheduler is not None else ():
        here = importlib.metadata.version(distribution)
        for address, there in workers.everywhere(importlib.metadata.version, distribution).items():
            if isinstance(there, importlib.metadata.PackageNotFoundError):
                yield f"the Dask worker {address} has no {distribution}", f"install {distribution} {here} there"
            elif there != here:
                yield f"the Dask worker {address} has {distribution} {there}, and this is {here}", "install the same"


def lacking(workers: Workers) -> Iterator[Fault]:
    """Say which workers do not know the kind of store, whose options they are to be sent."""
    setting = workers.setting
    if setting is not None and setting.store:
        package = type(setting.store_options).__module__.partition(".")[0]
        for address, there in workers.everywhere(importable, package).items():
            if there is not True:
                yield f"the Dask worker {address} has no {package}, of the store {setting.store!r}", "install there what is installed here"


def unfit(plan: Plan, workers: Workers, report: tuple[str, str] | None = None) -> Iterator[Fault]:
    """Say which workers cannot do what is planned.

    Parameters
    ----------
    report : (str, str) or None
        Name and text of a report of the run that each must find in the store.
    """
    kinds = tuple(sorted({planned.stage.kind for planned in plan.stages}))
    for address, found in workers.everywhere(look, workers.name, kinds, report).items():
        if isinstance(found, LatcalError):
            yield f"the Dask worker {address}: {found}", ""
        elif isinstance(found, Exception):
            yield f"the Dask worker {address}: {type(found).__name__}: {found}", "install there what is installed here"
        else:
            for name, there in found.items():
                if there != plan.versions.get(name):
                    here = plan.versions.get(name, "without it")
                    yield f"the Dask worker {address} has {name} {there}, and this is {here}", "install the same"


def blind(workers: Workers, path: Path) -> Iterator[Fault]:
    """Say which workers do not see a file of this computer."""
    for address, sees in workers.everywhere(readable, str(path)).items():
        if sees is not True:
            what = f"the Dask worker {address} does not see {path.parent}, where prepared frames lie"
            yield what, "set TMPDIR to a folder that all computers share, or write 'use: dask'"


def roll(workers: Workers) -> str:
    """Give which workers there are, as JSON."""
    threads = workers.asked(workers.client.nthreads)
    return json.dumps({"scheduler": workers.address, "threads": dict(sorted(threads.items()))}, indent=2) + "\n"


def new_name(world: World) -> str:
    """Give a name for the workplace of a run; those of two runs on one cluster differ."""
    return f"latcal-{world.run}-{uuid.uuid4().hex[:8]}"
