"""Ask a camera what it offers, and how things stand now. Nothing is moved, and no store is opened."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import ExitStack

from attrs import frozen

from latcal.engine.preflight import take_request
from latcal.engine.running import Clock, asked_camera, describe_camera, open_world, system_clock
from latcal.model.geometry import Detector
from latcal.model.steps import Plan, Take
from latcal.plugin.gates import Gate
from latcal.plugin.protocols import CameraDescription
from latcal.plugin.registry import Registry


@frozen
class Inspection:
    """What a camera says of itself.

    Parameters
    ----------
    described : CameraDescription or None
    offers : mapping of str to str
        What there is beside detectors.
    gates : tuple of Gate
        As they stand now.
    problems : tuple of str
        What of the plan's exposures it cannot take.
    remarks : tuple of str
        What stops nothing.
    """

    described: CameraDescription | None
    detectors: tuple[Detector, ...]
    offers: Mapping[str, str]
    gates: tuple[Gate, ...]
    problems: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def ready(self) -> bool:
        """Whether every gate holds now that the camera does not see to itself, and nothing is against the plan."""
        return not self.problems and all(gate.holds or gate.brought for gate in self.gates)


def inspect_camera(plan: Plan, registry: Registry, *, now: Clock = system_clock) -> Inspection:
    """Open the camera of a plan, ask, and close it.

    Raises
    ------
    CameraError
        If it does not open or answer in time.
    PluginError
        If what it says is not what it should be.
    """
    takes = tuple(take_request(plan, step) for step in plan.steps if isinstance(step, Take))
    with ExitStack() as stack:
        world = open_world(stack, plan, now, "doctor", threading.Event())
        camera = stack.enter_context(asked_camera(plan, registry, world))
        return Inspection(
            described=describe_camera(plan, registry),
            detectors=plan.instrument.detectors,
            offers=camera.offers(),
            gates=camera.gates(),
            problems=tuple(camera.problems(takes)),
            remarks=tuple(camera.remarks()),
        )
