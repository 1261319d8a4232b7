"""What the console says of a run: lines, a pure fold of its events, in the order of the plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from attrs import frozen

from latcal.builtin.reporters.failures import failures
from latcal.builtin.reporters.figures import figures
from latcal.plugin import SPARE, ProductRef, RunReport, RunStarted, StageReport, Status, StepReport
from latcal.plugin.wording import counted, duration, foreseen_texts, kept_text, verdict_text, worded

GOOD, BAD, ODD, LOUD = "green", "red", "yellow", "bold"
_EXITS = {
    0: "all done",
    1: "refused by the rules",
    2: "the recipe cannot be carried out",
    3: "a plugin failed",
    4: "something failed",
    130: "interrupted",
}
_STATUS = {Status.REFUSED: BAD, Status.FAILED: BAD, Status.SKIPPED: ODD}
_FEW = 3
"""Most references named one by one; our choice."""


@frozen
class Line:
    """One line, and how a terminal that can may paint it."""

    text: str
    tone: str = ""

    def __str__(self) -> str:
        return self.text


@frozen
class Section:
    """Some lines that can be written once certain steps have ended.

    Parameters
    ----------
    after : frozenset of int
        Those steps.
    write : callable
        Report to lines.
    """

    after: frozenset[int]
    write: Callable[[RunReport], Iterable[Line]]


def lines(report: RunReport) -> Iterator[Line]:
    """Write a whole report.

    Returns
    -------
    iterator of Line
        As the console wrote them during the run.
    """
    yield from opening(report.started)
    yield from references(report)
    for section in sections(report.started):
        yield from section.write(report)
    yield from closing(report)


def opening(started: RunStarted) -> Iterator[Line]:
    """Say what begins."""
    yield Line(started.title or started.recipe, LOUD)
    settings = "".join(f", with {setting}" for setting in started.settings)
    yield Line(f"  recipe      {started.recipe}, digest {started.digest[:12]}{settings}")
    yield Line(f"  instrument  {started.instrument}, camera {started.camera}")
    yield Line(f"  store       {started.store}" + (f" at {started.place}" if started.place else ""))
    yield Line(f"  run         {started.run}, began {started.began[:19]} TAI")
    doing = [step for step in started.steps if not step.kept]
    exposures = sum(step.verb == "take" for step in doing)
    time = f"; {_camera_time(started)}" if exposures else ""
    yield Line(f"  plan        {counted(exposures, 'exposure')}, {counted(len(doing), 'step')}{time}")
    kept = {step.stage for step in started.steps if step.kept}
    for stage in (stage for stage in started.stages if stage.index not in kept):
        if stage.unverified:
            yield Line(f"  UNVERIFIED  {stage.kind} will not be judged: {stage.unverified}", ODD)
        if stage.dropped:
            yield Line(f"  DROPPED     {stage.kind} is not judged by {', '.join(stage.dropped).upper()}", ODD)


def _camera_time(started: RunStarted) -> str:
    """Say how long the camera is wanted, and why that is less than it might be where a refusal is foreseen."""
    whole = ("at most " if started.at_most else "") + duration(started.camera_s)
    if started.foreseen is None:
        return f"{whole} of camera time"
    kinds = [stage.kind for stage in started.stages]
    time, why = foreseen_texts(started.foreseen, kinds, started.camera_s, whole)
    return f"{time} of camera time: {why}"


def references(report: RunReport) -> Iterator[Line]:
    """Say which products the run uses."""
    grouped: dict[tuple[str, str], dict[int, ProductRef]] = {}
    for need in report.resolved:
        grouped.setdefault((need.kind, need.collection), {})[need.detector] = need.ref
    for (kind, collection), refs in grouped.items():
        if len(refs) > _FEW:
            yield Line(f"uses {kind} of {len(refs)} detectors from {collection}")
        else:
            yield from (Line(f"uses {ref} from {collection}") for ref in refs.values())


def sections(started: RunStarted) -> Iterator[Section]:
    """Give the sequences and stages of a plan, each where its last step stands."""
    ends: list[tuple[int, Section]] = []
    for name, steps in _sequences(started).items():
        ends.append((max(steps), Section(frozenset(steps), partial(_sequence, name=name, steps=steps))))
    for stage in started.stages:
        steps = tuple(step.id for step in started.steps if step.stage == stage.index)
        last = max(steps, default=len(started.steps))
        ends.append((last, Section(frozenset(steps), partial(_stage, index=stage.index))))
    for _, section in sorted(ends, key=lambda end: end[0]):
        yield section


def closing(report: RunReport) -> Iterator[Line]:
    """Say what remains to be said at the end: notes, failures one by one, and how it ended."""
    for note in report.notes:
        yield Line(f"note: {note}", ODD)
    yield from (Line(text) for text in failures(report))
    code = report.exit_code
    word = _EXITS.get(code, "failed") if report.ended else "it did not come to its end"
    idle = code == 0 and all(step.line.kept for step in report.steps)
    rest = "nothing to take" if idle else f"after {duration(report.seconds)}"
    yield Line(f"{word}: exit {code}, {rest}", GOOD if code == 0 else BAD)


def sequence_of(label: str) -> str:
    """Give the sequence that a Take's label names first."""
    return label.removeprefix("Take ").split(maxsplit=1)[0]


def _sequences(started: RunStarted) -> dict[str, tuple[int, ...]]:
    steps: dict[str, tuple[int, ...]] = {}
    for step in started.steps:
        if step.verb == "take":
            name = sequence_of(step.label)
            steps[name] = (*steps.get(name, ()), step.id)
    return steps


def _sequence(report: RunReport, name: str, steps: tuple[int, ...]) -> Iterator[Line]:
    mine = [step for step in report.steps if step.line.id in steps and not _spared(step)]
    if all(step.line.kept for step in mine):  # then its stages say so
        return
    taken = [step for step in mine if step.status is Status.DONE]
    ids = [report.exposures[step.line.id] for step in taken if step.line.id in report.exposures]
    discarded = sum("(discarded)" in step.line.label for step in taken)
    words = f"{len(taken)} of {len(mine)} exposures" if len(taken) < len(mine) else counted(len(mine), "exposure")
    if not taken:
        words = "no exposure"
    text = f"{name}: {words} taken" + (f" ({discarded} discarded)" if discarded else "")
    if ids:
        text += f", {min(ids)}" + (f" to {max(ids)}" if len(ids) > 1 else "")
    yield Line(text + _first_fault(mine), BAD if any(s.status is Status.FAILED for s in mine) else "")
    told: tuple[tuple[float, float], ...] = ()
    for solved in (solved for solved in report.solved if solved.sequence == name):
        probes = ", ".join(f"{time_s:g} s gave {level:.4g} e-" for time_s, level in solved.probes)
        yield Line(f"  {solved.level} is {solved.time_s:.4g} s" + (f" (probes: {probes})" if solved.probes != told else ""))
        told = solved.probes


def _spared(step: StepReport) -> bool:
    """Tell whether a step is a probe that was not needed: nobody misses it."""
    return step.line.label.endswith(SPARE) and step.status is Status.SKIPPED


def _first_fault(steps: list[StepReport]) -> str:
    for status in (Status.FAILED, Status.SKIPPED):
        for step in steps:
            if step.status is status:
                return f"; {status.value}: {step.reason}"
    return ""


def _stage(report: RunReport, index: int) -> Iterator[Line]:
    stage = next(stage for stage in report.stages if stage.line.index == index)
    same = [other for other in report.stages if other.line.kind == stage.line.kind]
    mark = f"stages.{index} " if len(same) > 1 else ""
    if stage.kept is not None:
        yield Line(mark + kept_text(stage.line.kind, stage.kept), ODD if stage.kept.unverified else GOOD)
        return
    if stage.verdict is not None:
        tone = ODD if stage.verdict.unverified else GOOD if stage.verdict.accepted else BAD
        yield Line(mark + verdict_text(stage.verdict), tone)
    if stage.status is None:
        yield Line(f"{mark}{stage.line.kind} did not come to its end", BAD)
    elif stage.status is not Status.DONE and (stage.verdict is None or stage.status is not Status.REFUSED):
        yield Line(f"{mark}{stage.line.kind} {stage.status.value}: {stage.reason}", _STATUS[stage.status])
    if stage.verdict is not None and stage.verdict.each != "exposure":
        ids = ", ".join(map(str, stage.verdict.exposures))
        yield Line(f"  each {stage.verdict.each} by its first exposure: {ids}")
    if stage.shown:
        yield from (Line(text) for text in figures(tuple(one for one in stage.shown if not one.each)))
    if stage.line.verb == "measure":
        yield from _numbers(stage)
    yield from _certificates(stage)


def _numbers(stage: StageReport) -> Iterator[Line]:
    whole = [one.metric for one in stage.shown if not one.each]
    told = {*whole, *(f"{name}_error" for name in whole)}
    for name, values in ((name, values) for name, values in stage.numbers.items() if name not in told):
        unit = stage.units.get(name, "")
        least, greatest = worded(values["least"]), worded(values["greatest"], unit)
        spread = f" ({least} to {greatest})" if values["least"] != values["greatest"] else ""
        yield Line(f"  {name} {worded(values['median'], unit)}{spread}")


def _certificates(stage: StageReport) -> Iterator[Line]:
    unverified = " UNVERIFIED" if stage.line.unverified else ""
    for one in stage.certified:
        detectors = f" of {len(one.refs)} detectors" if len(one.refs) > 1 else ""
        text = f"certified {stage.line.kind}{detectors}{unverified} into {one.collection}, {one.valid}"
        yield Line(text, ODD if unverified else GOOD)
