"""Dask as an engine of latcal: the executors ``dask`` and ``dask_amplifiers``.

Nothing here imports dask: that takes a second, and ``latcal --help`` has no use for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from latcal.plugin import ExecutorType, Plan, Problem, hookimpl

from latcal_dask.options import DaskOptions

__all__ = ["DaskOptions", "latcal_check_plan", "latcal_executors", "latcal_find_recipe", "latcal_preflight"]

DETECTORS, AMPLIFIERS = "dask", "dask_amplifiers"


def _open_detectors(options: DaskOptions, world: Any) -> Any:
    from latcal_dask.executors import DetectorExecutor

    return DetectorExecutor(options, world)


def _open_amplifiers(options: DaskOptions, world: Any) -> Any:
    from latcal_dask.executors import AmplifierExecutor

    return AmplifierExecutor(options, world)


@hookimpl
def latcal_executors() -> Iterator[ExecutorType]:
    """Declare the executors."""
    yield ExecutorType(
        name=DETECTORS,
        summary="Detector by detector on Dask workers, which read and write the store themselves",
        options=DaskOptions,
        open=_open_detectors,
        pickles=True,
        whole_steps=True,
    )
    yield ExecutorType(
        name=AMPLIFIERS,
        summary="Amplifier by amplifier on Dask workers that see the scratch folder: for a camera of few detectors",
        options=DaskOptions,
        open=_open_amplifiers,
        pickles=True,
    )


@hookimpl
def latcal_check_plan(plan: Plan) -> Iterator[Problem]:
    """Refuse what would have no effect."""
    options = plan.executor.options
    if isinstance(options, DaskOptions) and options.scheduler is not None and options.workers is not None:
        what = f"the workers of the scheduler {options.scheduler} are not started by latcal"
        yield plan.recipe.problem("executor", "workers", what=what, hint="remove workers, or the scheduler")


@hookimpl
def latcal_preflight(plan: Plan) -> Iterator[Problem]:
    """Ask a scheduler and its workers whether they can do what is planned; nothing is started."""
    options = plan.executor.options
    if isinstance(options, DaskOptions) and options.scheduler is not None:
        from latcal_dask.checking import faults

        yield from faults(plan)


@hookimpl
def latcal_find_recipe(name: str) -> Path | None:
    """Find one of our recipes by its name: in the installed package, or beside it in a checkout."""
    wanted = name.removesuffix(".yaml")
    folders = (folder / "recipes" for folder in Path(__file__).parents[:2])
    return next((path for folder in folders for path in folder.glob("*.yaml") if path.stem == wanted), None)
