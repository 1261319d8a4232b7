"""Nights for suites: recipes read, planned and run with the plugin of a test among those that are installed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

from attrs import evolve, frozen

from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.engine.running import events
from latcal.model.events import Event
from latcal.model.report import RunReport, fold
from latcal.model.steps import Plan
from latcal.model.validity import instant
from latcal.plugin import Instrument, InstrumentType, hookimpl
from latcal.plugin.registry import Registry, load_plugins
from latcal.testing.sensors import small_instrument

BEGIN = "2026-11-04T16:00:00"
"""When every night of a suite begins (TAI)."""


@frozen
class Night:
    """What was heard of a run, and the fold of it."""

    events: tuple[Event, ...]
    report: RunReport

    def of(self, kind: type[Any]) -> list[Any]:
        """Give the events of a class, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def reasons(self) -> str:
        """Why its steps did not do what they were to do; empty if they did."""
        return "; ".join(dict.fromkeys(step.reason for step in self.report.steps if step.reason))


@frozen
class Loaded:
    """A plugin, among those that are installed; it may be one of them."""

    plugin: object
    registry: Registry

    def names(self, kind: str) -> tuple[str, ...]:
        """Give the names that the plugin declares of a kind, in order."""
        every, manager = self.registry.declarations[kind], self.registry.manager
        return tuple(sorted(name for name, one in every.items() if manager.get_plugin(one.plugin) == self.plugin))


@frozen
class _Nothing:
    """No options."""


class SmallSensor:
    """A plugin for suites: it declares the instrument ``small_sensor``, on which a run is quick."""

    @hookimpl
    def latcal_instruments(self) -> Iterator[InstrumentType]:
        """Declare it: four amplifiers of 40 x 30 pixels."""
        yield InstrumentType(name="small_sensor", summary="Four small amplifiers", options=_Nothing, load=_small_sensor)


def _small_sensor() -> Instrument:
    return evolve(small_instrument(), name="small_sensor")


def load(plugin: object) -> Loaded:
    """Load what is installed, a plugin if it is not, and the small sensor.

    Raises
    ------
    PluginError
        As `latcal.load_plugins` does.
    """
    installed = load_plugins().manager.is_registered(plugin)
    return Loaded(plugin, load_plugins(extra=[SmallSensor(), *([] if installed else [plugin])]))


def planned(text: str, registry: Registry, *settings: str) -> Plan:
    """Read and plan a recipe; raises as `latcal.read` and `latcal.plan` do."""
    return plan(read(text, "suite.yaml", registry, settings=settings), registry)


def run_night(
    text: str, registry: Registry, *settings: str, until: Callable[[Event], bool] = lambda _: False
) -> Night:
    """Run a recipe to its end, or until an event after which it is told to stop.

    Raises
    ------
    LatcalError
        If it cannot be read or planned, or is not ready.
    """
    stop, began = threading.Event(), instant(BEGIN)
    heard = []
    for event in events(planned(text, registry, *settings), registry, now=lambda: began, stop=stop):
        heard.append(event)
        if until(event):
            stop.set()
    return Night(tuple(heard), fold(heard))

