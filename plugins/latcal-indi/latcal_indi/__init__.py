"""Any camera that speaks INDI as a camera of latcal: a plugin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from latcal.plugin import Camera, CameraDescription, CameraType, Instrument, Plan, Problem, Take, World, hookimpl

from latcal_indi.options import ENDING_S, IndiOptions

if TYPE_CHECKING:
    from latcal.plugin import Store

HEADERS = 40 * 2880
"""Of a raw frame, at most [byte]: some hundred cards of the driver and of latcal."""


def open_camera(options: IndiOptions, world: World) -> Camera:
    """Give the camera, not yet connected; only then is indipyclient imported."""
    from latcal_indi.camera import IndiCamera

    return IndiCamera(options, world)


def discovered(options: IndiOptions) -> Instrument:
    """Ask the devices what they are."""
    from latcal_indi.discovering import instrument

    return instrument(options)


def describe(options: IndiOptions, instrument: Instrument) -> CameraDescription:
    """Say what the camera does without opening it; slots of the wheel and shortest times are known when it is open."""
    waits = options.waits
    moves_s = sum(waits.s(name) for name in ("connect", "discover", "filter", "lamp", "cover"))
    again_s = waits.s("frame") + waits.s("abort") + 2 * waits.s("answer")
    return CameraDescription(
        overhead_s=instrument.readout_s,
        frame_bytes=max(8 * detector.raw_pixels for detector in instrument.detectors) + HEADERS,
        images=frozenset(options.types),
        filters=tuple(dict.fromkeys((*instrument.filters, *options.filters))) if options.filters else None,
        wait_s=(1 + options.retries) * (options.gate_wait_s + moves_s) + options.retries * again_s,
        attempts=1 + options.retries,
        slots=bool(options.wheel),
    )


@hookimpl
def latcal_cameras() -> Iterator[CameraType]:
    """Declare the INDI camera."""
    yield CameraType(
        name="indi",
        summary="any camera of an INDI server, with wheel, lamp, cover and gates",
        options=IndiOptions,
        open=open_camera,
        describe=describe,
        instrument=discovered,
    )


@hookimpl
def latcal_check_plan(plan: Plan) -> Iterator[Problem]:
    """See that an INDI camera is given the time in which it may put its hardware back."""
    recipe = plan.recipe
    if recipe.camera.use == "indi":
        restore_s = recipe.camera.options.waits.s("restore")
        if recipe.limits.abort_s < restore_s + ENDING_S:
            what = f"{recipe.limits.abort_s:g} s is less than camera.waits.restore of {restore_s:g} s and {ENDING_S:g} s to end the connection"
            yield recipe.problem("limits", "abort", what=what, hint=f"write 'abort: {restore_s + 10:g} s', or a shorter restore")


@hookimpl
def latcal_preflight(plan: Plan, store: Store, camera: Camera) -> Iterator[Problem]:
    """Let an INDI camera know after which exposures its lamp may go out; no other camera is touched."""
    del store
    if plan.recipe.camera.use == "indi":
        takes = [step for step in plan.steps if isinstance(step, Take)]
        types = plan.recipe.camera.options.types
        following = [types.get(take.image) for take in takes[1:]]
        camera.foresee(  # type: ignore[attr-defined]  # it is ours
            take.index for take, after in zip(takes, [*following, None], strict=True) if after != "flat"
        )
    yield from ()


@hookimpl
def latcal_find_recipe(name: str) -> Path | None:
    """Find our recipe by its name: in the installed package, or beside it in a checkout."""
    places = (folder / "recipes" / "indi_bench.yaml" for folder in Path(__file__).parents[:2])
    return next((path for path in places if path.stem == name.removesuffix(".yaml") and path.is_file()), None)
