"""Runs of one camera, as a recipe would have it, in the ways in which a run can end."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Self

from attrs import define, field, frozen

from latcal.engine.running import events
from latcal.model.events import StepStarted
from latcal.model.steps import Take
from latcal.plugin import (
    CalibrationType,
    Camera,
    CameraDescription,
    CameraType,
    Event,
    ExposureRequest,
    Instrument,
    InstrumentType,
    Setup,
    hookimpl,
)
from latcal.plugin.registry import Registry, load_plugins
from latcal.testing.nights import Night, planned, run_night

RECIPE = """\
latcal: 1
title: A rehearsal
instrument: suite_sensors
camera: {use: suite_camera}
store: {use: memory}
executor: {use: serial}
"""


@frozen
class _Nothing:
    """No options."""


def _measure(_: Any) -> tuple[()]:
    return ()


@define(eq=False)
class _Watched:
    """A camera that counts how often it is closed."""

    camera: Camera
    closed: Callable[[], None]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.camera, name)

    def __enter__(self) -> Self:
        self.camera.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self.camera.__exit__(*exc)
        self.closed()


@define(eq=False)
class Rehearsal:
    """A recipe with the exposures that a suite asks for, and nothing made of them.

    Parameters
    ----------
    open : callable
        Gives the camera, not yet entered.
    describe : callable
        What `describe` of its type says of an instrument.
    requests : tuple of ExposureRequest
        Each a sequence of one exposure.
    flats : str
        A phrase of exposures by level: a sequence of flats instead.
    setup : Setup or None
        Of these flats.
    closed : int
        How often the camera was closed.
    """

    open: Callable[[], Camera]
    instrument: Instrument
    describe: Callable[[Instrument], CameraDescription]
    requests: tuple[ExposureRequest, ...]
    flats: str = ""
    setup: Setup | None = None
    abort_s: float = 5.0
    closed: int = field(default=0, init=False)

    @hookimpl
    def latcal_cameras(self) -> Iterator[CameraType]:
        """Declare the camera."""
        yield CameraType(
            name="suite_camera",
            summary="The camera of a suite",
            options=_Nothing,
            open=lambda _, __: _Watched(self.open(), self._close),
            describe=lambda _, instrument: self.describe(instrument),
        )

    @hookimpl
    def latcal_instruments(self) -> Iterator[InstrumentType]:
        """Declare what it has."""
        yield InstrumentType(
            name="suite_sensors", summary="Its sensors", options=_Nothing, load=lambda: self.instrument
        )

    @hookimpl
    def latcal_calibrations(self) -> Iterator[CalibrationType]:
        """Declare what takes any exposure."""
        images = frozenset({"bias", "dark", "flat", *(request.image for request in self.requests)})
        yield CalibrationType(
            name="seen",
            summary="Exposures",
            options=_Nothing,
            images=images,
            setup=frozenset(),
            metrics={},
            rules=(),
            measure=_measure,
        )

    def _close(self) -> None:
        self.closed += 1

    @cached_property
    def registry(self) -> Registry:
        """What is installed, and this."""
        return load_plugins(extra=[self])

    @property
    def text(self) -> str:
        """The recipe."""
        found = {f"{one.image}s_{number}": _phrase(one.image, f"1 x {one.time_s!r} s", one.setup) for number, one in enumerate(self.requests)}
        if self.flats:
            found = {"flats": _phrase("flat", self.flats, self.setup or Setup())}
        sequences = "".join(f"  {name}: {phrase}\n" for name, phrase in found.items())
        stage = f"  - {{measure: seen, frames: [{', '.join(found)}], verify: {{waived_by: a suite, reason: a rehearsal}}}}\n"
        limits = f"limits: {{answer: 60 s, abort: {self.abort_s!r} s}}\n"
        return f"{RECIPE}{limits}sequences:\n{sequences}stages:\n{stage}"

    @property
    def wanted(self) -> Mapping[int, float]:
        """By step of a flat to a level: that level [electron]."""
        plan = planned(self.text, self.registry)
        return {
            step.id: plan.instrument.electrons(step.level)
            for step in plan.steps
            if isinstance(step, Take) and step.level is not None and not step.probe
        }

    @property
    def zeros(self) -> frozenset[int]:
        """Steps without light from which levels are counted: of a sensor without overscan."""
        return frozenset(step.id for step in planned(self.text, self.registry).steps if isinstance(step, Take) and step.zero)

    def night(self, until: Callable[[Event], bool] = lambda _: False) -> Night:
        """Run it, to its end or until an event after which it is told to stop."""
        return run_night(self.text, self.registry, until=until)

    def left(self, under_way_s: float) -> tuple[bool, float]:
        """Run it, and leave it at once when its first exposure has been under way for so long.

        The program goes on here, and so the run ends by itself after that, the camera being closed.

        Returns
        -------
        safe : bool
            Whether the hardware was made safe.
        took_s : float [s]
            How long that took.
        """
        stream = events(planned(self.text, self.registry), self.registry)
        begun, over = threading.Event(), threading.Event()

        def listen() -> None:
            with contextlib.closing(stream):
                for event in stream:
                    if isinstance(event, StepStarted):
                        begun.set()
            over.set()

        threading.Thread(target=listen, daemon=True).start()
        assert begun.wait(60.0), "no exposure begins"
        over.wait(under_way_s)
        began = time.monotonic()
        safe, took_s = stream.leave(), time.monotonic() - began
        over.wait(2 * self.abort_s)
        return safe, took_s


def _phrase(image: str, exposures: str, setup: Setup) -> str:
    words = [f"image: {image}", f"exposures: {exposures}"]
    words += [f"{key}: {value!r}" for key in ("filter", "grating") if (value := getattr(setup, key)) is not None]
    return f"{{{', '.join(words)}}}"
