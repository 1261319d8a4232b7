"""The simulated camera: any instrument, with a sensor whose truth is known and is not what is nominal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from latcal.builtin.cameras.simulation.faults import idle
from latcal.builtin.cameras.simulation.options import IMAGES, LONGEST_S, SimulatedOptions
from latcal.plugin import CameraDescription, CameraType, Instrument, Plan, Problem, Take, World, hookimpl

if TYPE_CHECKING:  # planning does without what exposes
    from latcal.builtin.cameras.simulation.camera import SimulatedCamera


def open_simulated(options: SimulatedOptions, world: World) -> SimulatedCamera:
    """Make a sensor whose truth follows from the seed.

    Raises
    ------
    CameraError
        If there is no instrument.
    """
    from latcal.builtin.cameras.simulation.camera import SimulatedCamera

    return SimulatedCamera(options, world)


def describe(options: SimulatedOptions, instrument: Instrument) -> CameraDescription:
    """Say what a simulated camera does without opening it.

    A raw frame has 4 bytes a pixel, and headers of at most two FITS blocks each.
    """
    frame_bytes = max(
        4 * detector.raw_pixels + (len(detector.amplifiers) + 1) * 3 * 2880 for detector in instrument.detectors
    )
    return CameraDescription(
        overhead_s=instrument.readout_s,
        frame_bytes=frame_bytes,
        images=frozenset(IMAGES),
        filters=instrument.filters,
        longest_s=LONGEST_S,
        light=float(options.lamp.to_value("electron/s")) or None,
        wait_s=float(options.cools_within.to_value("s")) if options.cools_in.value > 0 else 0.0,
    )


@hookimpl
def latcal_cameras() -> Iterator[CameraType]:
    """Declare the simulated camera."""
    yield CameraType(
        name="simulated",
        summary="a sensor with known truth, for any instrument",
        options=SimulatedOptions,
        open=open_simulated,
        describe=describe,
    )


@hookimpl
def latcal_check_plan(plan: Plan) -> Iterator[Problem]:
    """Refuse faults on command that could never strike."""
    recipe = plan.recipe
    if recipe.camera.use != "simulated":
        return
    lengths = Counter(step.sequence for step in plan.steps if isinstance(step, Take))
    detectors = {detector.id: detector.name for detector in plan.instrument.detectors}
    for number, fault in enumerate(recipe.camera.options.faults):
        for what, hint in idle(fault, lengths, detectors):
            yield recipe.problem("camera", "faults", number, what=what, hint=hint)
