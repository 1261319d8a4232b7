"""What the console shows while a run goes on: it is imported when a run is told."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self, TextIO

from attrs import define, field

from latcal.builtin.reporters.progress import Progress
from latcal.builtin.reporters.transcript import Line, Section, closing, opening, references, sections
from latcal.plugin import Event, Resolved, RunEnded, RunStarted, StepEnded, fold, hookimpl

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table


@define(eq=False)
class ConsoleReporter:
    """Writes each part of the transcript as soon as it and all before it are settled.

    Parameters
    ----------
    stream : text stream
        With control characters only if it is a terminal.
    """

    stream: TextIO
    _events: list[Event] = field(factory=list, init=False)
    _ended: set[int] = field(factory=set, init=False)
    _waiting: list[Section] = field(factory=list, init=False)
    _progress: Progress = field(factory=Progress, init=False)
    _live: Live | None = field(default=None, init=False)
    _open: ExitStack = field(factory=ExitStack, init=False)

    @hookimpl
    def latcal_event(self, event: Event) -> None:
        """Write what this event settles."""
        self._events.append(event)
        self._progress.hear(event)
        match event:
            case RunStarted():
                self._write(opening(event))
                self._waiting = list(sections(event))
            case Resolved():
                self._write(references(fold(self._events)))
            case StepEnded(step=step):
                self._ended.add(step)
                self._settle()
            case RunEnded():
                self._finish()
            case _:
                pass
        if self._live is not None:
            self._live.update(self._display())

    def _settle(self) -> None:
        while self._waiting and self._waiting[0].after <= self._ended:
            self._write(self._waiting.pop(0).write(fold(self._events)))

    def _finish(self) -> None:
        self._open.close()
        self._live = None
        report = fold(self._events)
        for section in self._waiting:
            self._write(section.write(report))
        self._waiting = []
        self._write(closing(report))

    def _write(self, texts: Iterable[Line]) -> None:
        for line in texts:
            if self.stream.isatty():
                from rich.text import Text

                self._console.print(Text(line.text, style=line.tone), soft_wrap=True)
            else:
                self.stream.write(f"{line.text}\n")
        self.stream.flush()

    def _display(self) -> Table:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        progress, table = self._progress, Table.grid(padding=(0, 2))
        for _ in range(4):
            table.add_column(no_wrap=True, overflow="ellipsis")
        bar = ProgressBar(total=max(progress.exposures, 1), completed=progress.exposed, width=16)
        left = f"{progress.exposed}/{progress.exposures} exposures, {progress.time_left} left"
        table.add_row("camera", bar, progress.camera, left)
        table.add_row("processing", "", progress.processing)
        return table

    @property
    def _console(self) -> Any:
        from rich.console import Console

        return self._live.console if self._live is not None else Console(file=self.stream)

    def __enter__(self) -> Self:
        if self.stream.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self.stream)
            live = Live(self._display(), console=console, transient=True, redirect_stdout=False, redirect_stderr=False)
            self._live = self._open.enter_context(live)
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()
        self._live = None
