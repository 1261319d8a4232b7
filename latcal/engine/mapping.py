"""Map a function of a calibration type over amplifiers by an executor, and see that each result is the one to come."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from attrs import evolve, frozen

from latcal.engine.standing import INTERRUPTED
from latcal.errors import BuildError, PluginError
from latcal.model.measurements import Measurements
from latcal.model.metrics import Measurement
from latcal.plugin.calling import Guarded, ask, each
from latcal.plugin.contracts import FUNCTIONS, Promised
from latcal.plugin.declarations import Named
from latcal.plugin.inputs import AmplifierInputs
from latcal.plugin.promises import anything, one
from latcal.plugin.protocols import Task


@frozen
class _Placed:
    """Measure one exposure on one amplifier, and say where each number belongs."""

    measure: Promised

    @property
    def __name__(self) -> str:
        return self.measure.__name__

    def __call__(self, inputs: AmplifierInputs) -> tuple[Measurement, ...]:
        at = (inputs.frames[0].exposure.id, inputs.detector.name, inputs.amplifier.name)
        return tuple(evolve(m, exposure=at[0], detector=at[1], amplifier=at[2]) for m in self.measure(inputs))


@frozen
class _Known:
    """Do the work of one item, and say whose result it is."""

    work: Callable[[AmplifierInputs], Any]

    @property
    def __name__(self) -> str:
        return str(getattr(self.work, "__name__", "work"))

    def __call__(self, inputs: AmplifierInputs) -> tuple[str, Any]:
        return _place(inputs), self.work(inputs)


def function_of(named: Named, name: str) -> Callable[[AmplifierInputs], Any]:
    """Give a function of a calibration type by its name, for inputs of one amplifier; its promise is seen to."""
    work = Promised.of(named, name)
    return _Placed(work) if name == "measure" else work


def task_of(named: Named, name: str) -> Task:
    """Give what an executor is told to do: a function of a calibration type, by its name."""
    return Task(_Known(function_of(named, name)), named.source)


def placed(named: Named, function: str, measured: Measurements, found: Iterable[Measurement]) -> Measurements:
    """Add what a function of a calibration type measured, each number in its place.

    Raises
    ------
    PluginError
        If a number has none.
    """
    try:
        return measured.extended(found)
    except ValueError as error:
        what = f"{named.called(function)} gave a measurement that has no place: {error}"
        raise PluginError(f"{named.source}: {what}") from error


def mapped(
    executor: Guarded, named: Named, name: str, items: Iterator[AmplifierInputs], stop: threading.Event
) -> Iterator[Any]:
    """Map a function of a calibration type, by its name, over items; give the results in their order.

    Raises
    ------
    BuildError
        If `stop` is set.
    PluginError
        If the executor mixes results up, or one of them is not what the function must give.
    """
    source, what, asked = executor.distribution, "map of the executor", deque[str]()
    for result in each(source, executor.opened.map, task_of(named, name), _noted(items, asked), what=what):
        if stop.is_set():
            raise BuildError(INTERRUPTED)
        came, value = ask(source, what, one(tuple, "a result of its task"), anything, result)
        wanted = asked.popleft() if asked else "nothing"
        if came != wanted:
            raise PluginError(f"{source}: {what} gave the result of {came}, where that of {wanted} was to come")
        yield ask(source, what, FUNCTIONS["calibration"][name].gives, anything, value)
    left = asked.popleft() if asked else next((_place(inputs) for inputs in items), "")
    if left and not stop.is_set():
        raise PluginError(f"{source}: {what} ended before it gave the result of {left}")


def _noted(items: Iterator[AmplifierInputs], asked: deque[str]) -> Iterator[AmplifierInputs]:
    """Give items, and note whose they are."""
    for inputs in items:
        asked.append(_place(inputs))
        yield inputs


def _place(inputs: AmplifierInputs) -> str:
    exposure = f" of exposure {inputs.frames[0].exposure.id}" if len(inputs.frames) == 1 else ""
    return f"{inputs.detector.name} {inputs.amplifier.name}{exposure}"
