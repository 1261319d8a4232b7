"""What the page's script would say of each stage: it is imported when a run is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self, TextIO

from attrs import define, field

from latcal.builtin.reporters.latiss_gains import gain_lines
from latcal.builtin.reporters.latiss_page import Names, page
from latcal.plugin import Event, RunReport, RunStarted, StageReport, StepEnded, StoreError, fold, hookimpl
from latcal.plugin.lookup import run_collection


@define(eq=False)
class LatissTextReporter:
    """Writes of each stage what the page's script would say, when it and all before it have ended.

    Parameters
    ----------
    path : Path or None
        Opened at the first event.
    stream : text stream
        Written to where there is no path. A terminal may be the console's, whose live lines would wipe ours out: it is
        written to when the reporter is closed.
    """

    path: Path | None
    stream: TextIO
    _events: list[Event] = field(factory=list, init=False)
    _waiting: list[int] = field(factory=list, init=False)
    _open: dict[int, int | None] = field(factory=dict, init=False)
    _held: list[str] = field(factory=list, init=False)
    _file: TextIO | None = field(default=None, init=False)

    @hookimpl
    def latcal_event(self, event: Event) -> None:
        """Write what this event settles.

        Raises
        ------
        StoreError
            If it cannot be written.
        """
        self._events.append(event)
        match event:
            case RunStarted():
                self._waiting = [stage.index for stage in event.stages]
                self._open = {step.id: step.stage for step in event.steps}
                self._write("")  # opens the file: that it cannot be is said at the begin of a night, not at its end
            case StepEnded(step=step):
                self._open.pop(step, None)
                self._settle()
            case _:
                pass

    def _settle(self, *, over: bool = False) -> None:
        while self._waiting and (over or self._waiting[0] not in self._open.values()):
            self._write("".join(f"{line}\n" for line in stage_lines(fold(self._events), self._waiting.pop(0))))

    def _write(self, text: str) -> None:
        """Write at once, or hold what goes to a terminal."""
        if self.path is None and self.stream.isatty():
            self._held.append(text)
            return
        try:
            if self.path is not None and self._file is None:
                self._file = self.path.open("w", encoding="utf-8")
            stream = self._file or self.stream
            stream.write(text)
            stream.flush()
        except OSError as error:
            self._waiting.clear()
            where = self.path or "standard output"
            raise StoreError(f"{where}: cannot be written: {error.strerror or error}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self._settle(over=True)
            self.stream.write("".join(self._held))
        finally:
            self._held.clear()
            if self._file is not None:
                self._file.close()


def stage_lines(report: RunReport, index: int) -> Iterator[str]:
    """Write what a run says of one stage.

    Returns
    -------
    iterator of str
        The page's report of its verdict; of a stage without one, why there is none, in one line.
    """
    stage = next(stage for stage in report.stages if stage.line.index == index)
    same = [other for other in report.stages if other.line.kind == stage.line.kind]
    mark = f"stages.{index}" if len(same) > 1 else ""
    if stage.verdict is not None:
        run = run_collection(report.run)
        names = Names(run, run if stage.built else "", certified(stage), otherwise(stage), mark)
        yield from page(stage.verdict, names)
        yield from gain_lines(stage)
    else:
        how = "did not come to its end" if stage.status is None else f"{stage.status.value}: {stage.reason}"
        yield f"{mark} {stage.line.kind.upper()} {how}".lstrip()


def certified(stage: StageReport) -> str:
    """Say where a stage is certified, and when it holds; nothing if it is not.

    A verdict promises no certificate: a check certifies nothing however well it passed, and a store may refuse.
    """
    return " and ".join(f"{one.collection}, {one.valid}" for one in stage.certified)


def otherwise(stage: StageReport) -> str:
    """Say why a judged stage is not certified."""
    if stage.line.verb != "make":
        return f"a {stage.line.verb} certifies nothing"
    return f"not certified: {stage.reason}" if stage.reason else "not certified"
