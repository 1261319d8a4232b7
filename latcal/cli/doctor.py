"""``latcal doctor``: say what a camera offers, and how its hardware stands now."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from latcal.cli.arguments import columns, load, plans, recipes_argument, settings_option, without_option

if TYPE_CHECKING:
    from latcal.engine.inspection import Inspection
    from latcal.model.steps import Plan
    from latcal.plugin.gates import Gate

_NOT_READY = 4


@click.command("doctor")
@recipes_argument
@settings_option
@without_option
@click.pass_context
def command(ctx: click.Context, names: tuple[str, ...], settings: tuple[str, ...], without: tuple[str, ...]) -> None:
    """Say what the cameras of recipes offer, and which gates hold now.

    The camera is opened and asked; nothing is moved, and no store is opened. The exit code is 4 if a gate does not hold
    now that the camera does not see to itself, or an exposure of the recipe cannot be taken.
    """
    from latcal.cli.stopping import interruptible
    from latcal.engine.inspection import inspect_camera

    registry = load(without)
    ready = True
    for number, plan in enumerate(plans(names, registry, settings)):
        if number:
            click.echo()
        with interruptible():
            found = inspect_camera(plan, registry)
        for line in _lines(plan, found):
            click.echo(line)
        ready = ready and found.ready
    ctx.exit(0 if ready else _NOT_READY)


def _lines(plan: Plan, found: Inspection) -> Iterator[str]:
    yield f"camera {plan.recipe.camera.use} of {plan.recipe.name}"
    yield from columns([(f"  {word}", text) for word, text in _facts(found)])
    if found.gates:
        yield "gates"
        yield from columns([(f"  {_word(gate)}", str(gate)) for gate in found.gates])
    yield from (f"problem: {text}" for text in found.problems)
    yield from (f"note: {text}" for text in found.remarks)
    yield "ready" if found.ready else f"not ready: {_faults(found)}"


def _word(gate: Gate) -> str:
    return "holds" if gate.holds else "later" if gate.brought else "CLOSED"


def _faults(found: Inspection) -> str:
    from latcal.plugin.wording import counted

    closed = sum(not (gate.holds or gate.brought) for gate in found.gates)
    return f"{closed} of {counted(len(found.gates), 'gate')} closed, {counted(len(found.problems), 'problem')}"


def _facts(found: Inspection) -> Iterator[tuple[str, str]]:
    from latcal.plugin.wording import counted

    for one in found.detectors:
        size = f"{one.shape[1]} x {one.shape[0]} pixels, {counted(len(one.amplifiers), 'amplifier')}"
        yield f"detector {one.id}", f"{one.name}, {size}"
    if (said := found.described) is not None:
        if said.images is not None:
            yield "images", ", ".join(sorted(said.images))
        if said.filters is not None:
            yield "filters", ", ".join(said.filters) or "none"
        yield "times", f"{said.shortest_s:g} to {said.longest_s:g} s, then {said.overhead_s:g} s of readout"
        if said.light is not None:
            yield "light", f"{said.light:g} electron/s in a flat"
    yield from found.offers.items()
