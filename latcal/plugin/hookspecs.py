"""The hooks of latcal: what exists, and what happens.

Hooks of the first sort return frozen declarations and are called once, at load. Hooks of the second sort are moments
in a run. Every name starts with ``latcal_``. The examples in these docstrings are run by the tests.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from latcal.plugin.declarations import (
    CalibrationType,
    CameraType,
    ExecutorType,
    InstrumentType,
    ProcedureType,
    ReporterType,
    StoreType,
)

if TYPE_CHECKING:
    from latcal.errors import Problem
    from latcal.model.events import Event
    from latcal.model.steps import Plan, Take
    from latcal.plugin.protocols import Camera, Store

hookspec = pluggy.HookspecMarker("latcal")
hookimpl = pluggy.HookimplMarker("latcal")


@hookspec
def latcal_calibrations() -> Iterable[CalibrationType]:
    """Declare calibration types.

    Called once, at load, in the order of the plugins' names; the answers are joined by name. Two types of one name are
    a `PluginError`. It may raise nothing: what it raises becomes a `PluginError` from its distribution.

    Examples
    --------
    >>> @hookimpl
    ... def latcal_calibrations():
    ...     yield CalibrationType(
    ...         name="sky", summary="Sky level", options=Nothing, images=frozenset({"sky"}), metrics={}, rules=(),
    ...         measure=lambda inputs: ())
    """


@hookspec
def latcal_cameras() -> Iterable[CameraType]:
    """Declare kinds of camera.

    Called once, at load, in the order of the plugins' names; the answers are joined by name. Two of one name are a
    `PluginError`.

    Examples
    --------
    >>> @hookimpl
    ... def latcal_cameras():
    ...     yield CameraType(
    ...         name="webcam", summary="A webcam", options=Nothing, open=lambda options, world: None,
    ...         describe=lambda options, instrument: None)
    """


@hookspec
def latcal_stores() -> Iterable[StoreType]:
    """Declare kinds of store.

    Called once, at load, in the order of the plugins' names; the answers are joined by name. Two of one name are a
    `PluginError`.

    Examples
    --------
    >>> @hookimpl
    ... def latcal_stores():
    ...     yield StoreType(
    ...         name="cupboard", summary="A cupboard", options=Nothing, open=lambda options, world: None)
    """


@hookspec
def latcal_executors() -> Iterable[ExecutorType]:
    """Declare kinds of executor.

    Called once, at load, in the order of the plugins' names; the answers are joined by name. Two of one name are a
    `PluginError`.

    Examples
    --------
    >>> @hookimpl
    ... def latcal_executors():
    ...     yield ExecutorType(
    ...         name="abacus", summary="By hand", options=Nothing, open=lambda options, world: None)
    """


@hookspec
def latcal_instruments() -> Iterable[InstrumentType]:
    """Declare instruments; each is loaded when a recipe names it.

    Called once, at load, in the order of the plugins' names; the answers are joined by name. Two of one name are a
    `PluginError`.

    Examples
    --------
    >>> @hookimpl
    ... def latcal_instruments():
    ...     yield InstrumentType(
    ...         name="eye", summary="One pixel", options=Nothing, load=lambda: None)
    """


@hookspec
def latcal_procedures() -> Iterable[ProcedureType]:
    """Declare procedures: sets of options that stand for a recipe.

    Called once, at load, in the order of the plugins' names; the answers are joined by name. Two of one name are a
    `PluginError`.

    Examples
    --------
    >>> @hookimpl
    ... def latcal_procedures():
    ...     yield ProcedureType(
    ...         name="weekly", summary="Ours", options=Nothing, expand=lambda options: {"latcal": 1})
    """


@hookspec
def latcal_reporters() -> Iterable[ReporterType]:
    """Declare kinds of reporter; one that a recipe chooses hears that run only.

    Called once, at load, in the order of the plugins' names; the answers are joined by name. Two of one name are a
    `PluginError`.

    Examples
    --------
    >>> @hookimpl
    ... def latcal_reporters():
    ...     yield ReporterType(
    ...         name="bell", summary="Rings", options=Nothing, open=lambda options, world: None)
    """


@hookspec(firstresult=True)
def latcal_find_recipe(name: str) -> Path | None:
    """Find a recipe that is named, not given as a path.

    Called when a recipe is named, of every plugin, in the order of their names. Give the path of a file, or None. One
    path at most: two plugins with a recipe of one name are a `PluginError` that names both, since which of them runs
    must not depend on what else is installed.

    Examples
    --------
    >>> @hookimpl
    ... def latcal_find_recipe(name):
    ...     path = Path("/etc/latcal") / name
    ...     return path if path.is_file() else None
    """


@hookspec
def latcal_check_plan(plan: Plan) -> Iterable[Problem]:
    """Look at a plan before anything opens; any problem stops the run.

    Called once per plan, by every plugin, in the order of their names; the problems of all are raised as one
    `RecipeError`.

    Examples
    --------
    >>> @hookimpl
    ... def latcal_check_plan(plan):
    ...     if plan.estimate.camera_s > 3600 * 8:
    ...         yield Problem("longer than a day's work", hint="take fewer exposures")
    """


@hookspec
def latcal_preflight(plan: Plan, store: Store, camera: Camera) -> Iterable[Problem]:
    """Look at the opened store and camera before the first exposure; any problem stops the run.

    Called once per run, by every plugin, in the order of their names. Nothing may be moved or written. The problems
    of all, and latcal's own, are raised as one `NotReady`.

    Examples
    --------
    >>> @hookimpl
    ... def latcal_preflight(plan, store, camera):
    ...     if not camera.detectors:
    ...         yield Problem("no detector answers", hint="switch the camera on")
    """


@hookspec
def latcal_before_take(step: Take, camera: Camera) -> None:
    """Check a gate before the first exposure of each sequence.

    Called in the camera lane, by every plugin, in the order of their names. Raise `NotReady` to refuse: then this
    exposure fails, and so does what needs it.

    Examples
    --------
    >>> @hookimpl
    ... def latcal_before_take(step, camera):
    ...     if step.image == "dark" and dome_is_lit():
    ...         raise NotReady([Problem("the dome is lit", hint="switch the light off")])
    """


@hookspec
def latcal_event(event: Event) -> None:
    """Hear every event of a run, in order.

    Called by the thread that drains the events; the answer is ignored. What it raises is noted once, and the others
    still hear the event.

    Examples
    --------
    >>> @hookimpl
    ... def latcal_event(event):
    ...     print(type(event).__name__)
    """


DECLARING: tuple[tuple[str, str, Any], ...] = (
    ("calibration", "latcal_calibrations", CalibrationType),
    ("camera", "latcal_cameras", CameraType),
    ("store", "latcal_stores", StoreType),
    ("executor", "latcal_executors", ExecutorType),
    ("instrument", "latcal_instruments", InstrumentType),
    ("procedure", "latcal_procedures", ProcedureType),
    ("reporter", "latcal_reporters", ReporterType),
)
"""Kind of declaration, the hook that gives it, and its class."""
