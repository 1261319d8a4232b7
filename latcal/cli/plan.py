"""``latcal plan``: print what recipes would do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from latcal.cli.arguments import columns, load, plans, recipes_argument, settings_option, without_option

if TYPE_CHECKING:
    from latcal.engine.preflight import Resolution
    from latcal.model.rules import CheckedRule
    from latcal.model.steps import BudgetLine, Estimate, Plan, Step
    from latcal.plugin.registry import Registry


BESIDE = 80
"""Longest text on how a step will run that stands beside it; a command line has a line of its own. Our choice."""


@click.command("plan")
@recipes_argument
@click.option("--preflight", is_flag=True, help="Ask camera and store too what only they can answer.")
@settings_option
@without_option
def command(names: tuple[str, ...], preflight: bool, settings: tuple[str, ...], without: tuple[str, ...]) -> None:
    """Print what recipes would do, doing nothing.

    The steps, the rules, the noise budget, and the camera time.

    With --preflight camera and store are opened, nothing is moved or written, and every product that the run would
    use is looked up.
    """
    registry = load(without)
    planned = plans(names, registry, settings)
    for number, plan in enumerate(planned):
        if number:
            click.echo()
        for line in plan_lines(plan, registry):
            click.echo(line)
    if preflight:
        for plan in planned:
            _preflight(plan, registry)


def plan_lines(plan: Plan, registry: Registry) -> Iterator[str]:
    """Write a plan: what it comes from, its steps, its noise budget, its cost."""
    from latcal.plugin.wording import counted, file_size

    recipe = plan.recipe
    yield recipe.title or recipe.name
    yield f"  recipe      {recipe.name}, digest {recipe.digest[:12]}" + "".join(f", with {s}" for s in recipe.settings)
    yield f"  instrument  {plan.instrument.name}, {counted(len(plan.instrument.detectors), 'detector')}"
    yield f"  camera      {recipe.camera.use}"
    place = registry.place(recipe.store.use, recipe.store.options)
    yield f"  store       {recipe.store.use}" + (f" at {place}" if place else "")
    yield f"  executor    {plan.executor.use}"
    yield "steps"
    yield from _steps(plan, registry)
    yield from _rules(plan)
    if plan.budget:
        yield "noise budget (expected noise over that of one frame)"
        yield from (f"  {line}" for line in _budget(plan.budget))
    time, room = f"camera time {_camera_time(plan, plan.estimate)}", file_size(plan.estimate.raw_bytes)
    yield from [f"{time}, raw frames {room}"] if plan.estimate.foreseen is None else [time, f"raw frames at most {room}"]
    yield from (f"note: {remark}" for remark in plan.remarks)


def _camera_time(plan: Plan, estimate: Estimate) -> str:
    """Say how long the camera is wanted, and why that is less than it might be where a refusal is foreseen."""
    from latcal.plugin.wording import foreseen_texts

    whole = _whole_time(estimate)
    if estimate.foreseen is None:
        return whole
    kinds = [planned.stage.kind for planned in plan.stages]
    time, why = foreseen_texts(estimate.foreseen, kinds, estimate.camera_s, whole)
    return f"{time}: {why}"


def _whole_time(estimate: Estimate) -> str:
    """Say how long the camera is wanted; with levels at most, and what is likely by the light that it knows of."""
    from latcal.plugin.wording import duration

    if not estimate.at_most:
        return duration(estimate.camera_s)
    likely = "" if estimate.expected_s is None else f", likely {duration(estimate.expected_s)}"
    return f"at most {duration(estimate.camera_s)}{likely}"


def _steps(plan: Plan, registry: Registry) -> Iterator[str]:
    from latcal.model.steps import Build, Certify, Take, Verify

    describe = _describer(plan, registry)
    for group in _groups(plan.steps):
        first, last = group[0], group[-1]
        number, text = str(first.id), str(first)
        if isinstance(first, Take) and isinstance(last, Take) and first is not last:
            number = f"{first.id}-{last.id}"
            text = text.replace(f"{first.position}/{first.of}", f"{first.position} to {last.position} of {first.of}", 1)
        how = describe(first) if isinstance(first, Build | Verify) else ""
        beside = len(how) <= BESIDE
        yield f"  {number:>7}  {text}" + (f"  ({how})" if how and beside else "")
        if not beside:
            yield f"  {'':>7}    {how}"
        if isinstance(first, Verify | Certify) and plan.stages[first.stage].stage.verify.waiver:
            yield f"  {'':>7}  UNVERIFIED: {plan.stages[first.stage].stage.verify.waiver}"


def _groups(steps: tuple[Step, ...]) -> Iterator[list[Step]]:
    """Put exposures alike that follow one another together; every other step stands alone."""
    from itertools import groupby

    from latcal.model.steps import Take

    def alike(step: Step) -> tuple[object, ...]:
        if isinstance(step, Take):
            return step.sequence, step.time_s, step.level, step.discarded, step.probe, step.spare, step.zero
        return (step.id,)

    for _, group in groupby(steps, alike):
        yield list(group)


def _describer(plan: Plan, registry: Registry) -> Callable[[Step], str]:
    """Ask the executor, opened but not entered, how it will run a step."""
    import threading
    from pathlib import Path

    from astropy.time import Time

    from latcal.plugin.protocols import World

    named = registry.named("executor", plan.executor.use)
    world = World(plan.instrument, lambda: Time.now().tai, "plan", threading.Event(), Path(), plan=plan)
    describe: Callable[[Step], str] = registry.open(named, plan.executor.options, world).describe
    return describe


def _rules(plan: Plan) -> Iterator[str]:
    rows = [
        (f"  {planned.stage.kind}", checked.rule.name.upper(), checked.limit_text + _softened(checked))
        for planned in plan.stages
        for checked in planned.rules
    ]
    if rows:
        yield "rules"
        yield from columns(rows)


def _softened(checked: CheckedRule) -> str:
    return "  (advisory)" if checked.rule.advisory else ""


def _budget(lines: Iterable[BudgetLine]) -> Iterator[str]:
    rows = []
    for line in lines:
        excess = "not known yet" if line.excess is None else f"{100 * line.excess:+.1f} %"
        limit = f"limit {100 * line.limit:.3g} %"
        rows.append((f"{line.kind} {line.rule.upper()}", line.case, excess, limit, _remark(line)))
    return columns(rows)


def _remark(line: BudgetLine) -> str:
    if not line.fails:
        return line.note
    from latcal.plugin.wording import more_frames

    of = line.more_of
    more = f"no number of {line.kind} frames would do" if line.more is None else f"{more_frames(line.more, of)} would do"
    return f"{'these frames ' if line.case else ''}WILL FAIL: {more}" + (f"; {line.note}" if line.note else "")


def _preflight(plan: Plan, registry: Registry) -> None:
    from latcal.cli.stopping import interruptible
    from latcal.engine.running import check_ready

    with interruptible():
        resolution = check_ready(plan, registry)
    needs = resolution.event.needs
    click.echo(f"{plan.recipe.name} is ready")
    for text in _kept(plan, resolution):
        click.echo(f"  {text}")
    for remark in resolution.remarks:
        click.echo(f"  note: {remark}")
    for line in dict.fromkeys(f"  stages.{need.stage} uses {need.ref} from {need.collection}" for need in needs):
        click.echo(line)
    for text in _budget(line for line in resolution.budget if line not in plan.budget):
        click.echo(f"  {text}")


def _kept(plan: Plan, resolution: Resolution) -> Iterator[str]:
    """Say which stages are kept, and what is left to take, if that is not what was planned."""
    from latcal.plugin.wording import counted, kept_text

    for kept in resolution.kept.values():
        yield kept_text(plan.stages[kept.stage].stage.kind, kept)
    cost, count = resolution.estimate, len(resolution.takes)
    if count and (resolution.kept or cost != plan.estimate):
        yield f"{counted(count, 'exposure')} to take, camera time {_camera_time(plan, cost)}"
    elif resolution.kept:
        yield "nothing to take"
