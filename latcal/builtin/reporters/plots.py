"""The `plots` reporter: a plot of every product that a run makes, attached to the product in the store."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, Self

from attrs import frozen

from latcal.plugin import (
    Detector,
    NotReady,
    Plan,
    Problem,
    ProductRef,
    RecipeError,
    ReporterType,
    Store,
    World,
    hookimpl,
    option,
)

if TYPE_CHECKING:  # planning tells nothing
    from latcal.plugin import Event

_NAME = "plots"
_MISSING = "matplotlib, which draws the plots, is not installed"
_HOW = "pip install 'latcal[plots]'"


def _dots(_: Any, field: Any, value: int) -> None:
    if not 20 <= value <= 600:
        raise ValueError(f"{value} dots per inch is not a size of ours (write {field.name}: 120, or some from 20 to 600)")


@frozen
class PlotsOptions:
    """Options of the `plots` reporter."""

    format: Literal["png", "pdf"] = option("png", help="What the file is: plot.png, or plot.pdf")
    dpi: int = option(120, help="Dots per inch, of a pdf those of its images; from 20 to 600", validator=_dots)


@frozen(eq=False)
class PlotsReporter:
    """Draws each product when it is built, and attaches the page to it.

    Parameters
    ----------
    store : Store
        Of the run.
    detectors : tuple of Detector
        Of the instrument.
    """

    options: PlotsOptions
    store: Store
    detectors: tuple[Detector, ...]

    @hookimpl
    def latcal_event(self, event: Event) -> None:
        """Draw what was built.

        Raises
        ------
        StoreError
            If a product cannot be read back, or its plot cannot be written.
        """
        from latcal.plugin import Built

        if isinstance(event, Built):
            for ref in event.refs:
                self._draw(ref)

    def _draw(self, ref: ProductRef) -> None:
        from latcal.builtin.reporters.drawings import drawn, written

        detector = next((one for one in self.detectors if one.id == ref.detector), None)
        page = drawn(self.store.get(ref), detector)
        self.store.attach(ref, f"plot.{self.options.format}", written(page, self.options.format, self.options.dpi))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def _is_installed() -> bool:
    return importlib.util.find_spec("matplotlib") is not None


def open_plots(options: PlotsOptions, world: World) -> PlotsReporter:
    """Open the reporter.

    Raises
    ------
    RecipeError
        If the world has no store: an old run is told again.
    NotReady
        If matplotlib is not installed.
    """
    if world.store is None:
        what = f"the reporter {_NAME} draws products while they are made, and an old run that is told again makes none"
        raise RecipeError([Problem(what, f"write report: [{{use: {_NAME}}}] in the recipe and run it")])
    if not _is_installed():
        raise NotReady([Problem(_MISSING, _HOW)])
    return PlotsReporter(options, world.store, world.instrument.detectors if world.instrument else ())


@hookimpl
def latcal_check_plan(plan: Plan) -> Iterator[Problem]:
    """Refuse a recipe that wants plots where nothing can draw them, before anything is opened."""
    for place, use in enumerate(plan.recipe.report):
        if use.use == _NAME and not _is_installed():
            yield plan.recipe.problem("report", place, "use", what=_MISSING, hint=_HOW)


@hookimpl
def latcal_reporters() -> Iterable[ReporterType]:
    """Declare the reporter."""
    yield ReporterType(
        name=_NAME,
        summary="A plot of each product, beside it in the store (needs matplotlib: latcal[plots])",
        options=PlotsOptions,
        open=open_plots,
    )
