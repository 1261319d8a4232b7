"""Events to console report: compared with the files beside, letter by letter."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from golden import nights

from latcal.builtin.reporters.live_console import ConsoleReporter
from latcal.builtin.reporters.transcript import lines
from latcal.model.events import Event
from latcal.model.report import fold

HERE = Path(__file__).parent


def console(events: list[Event]) -> str:
    stream = io.StringIO()
    with ConsoleReporter(stream) as reporter:
        for event in events:
            reporter.latcal_event(event)
    return stream.getvalue()


@pytest.mark.parametrize("name", nights.NIGHTS)
def test_the_console_writes_a_run_as_it_is_written_here(name: str) -> None:
    assert console(nights.NIGHTS[name]()) == (HERE / "console" / f"{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", nights.NIGHTS)
def test_a_report_printed_again_is_what_the_console_wrote(name: str) -> None:
    events = nights.NIGHTS[name]()
    assert "".join(f"{line}\n" for line in lines(fold(events))) == console(events)


def test_a_slow_processing_lane_changes_nothing_but_the_time() -> None:
    slow, fast = console(nights.good_night(slow=True)), console(nights.good_night())
    assert slow.replace("31 s", "30 s") == fast
