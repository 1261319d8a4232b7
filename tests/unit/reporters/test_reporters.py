from __future__ import annotations

import io
from pathlib import Path

import pytest
from golden import nights

from latcal.builtin.reporters import console, jsonl, transcript
from latcal.builtin.reporters.live_console import ConsoleReporter
from latcal.builtin.reporters.progress import Progress
from latcal.errors import StoreError
from latcal.formats.journal import from_json
from latcal.model.metrics import Scope
from latcal.model.report import fold
from latcal.model.verdicts import Finding, Tally
from latcal.plugin.wording import counted, duration, file_size, finding_text, tally_text


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"), (-1.0, "0 s"), (0.2, "1 s"), (59.0, "59 s"), (59.5, "1 min"), (200.0, "3 min 20 s"),
        (3599.0, "59 min 59 s"), (3600.0, "1 h 00 min"), (7500.0, "2 h 05 min"),
    ],
)  # fmt: skip
def test_a_time_is_written_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_numbers_and_their_nouns() -> None:
    assert [counted(n, "rule") for n in (0, 1, 2)] == ["no rule", "1 rule", "2 rules"]
    assert [file_size(n) for n in (12, 1300, 2.5e9, 3e12)] == ["12 bytes", "1.3 kB", "2.5 GB", "3 TB"]


def test_a_tally_names_places_and_exposures_as_its_scope_has_them() -> None:
    finding = Finding("noise", Scope.AMPLIFIER, "7 e- for 9 e- +- 5 %", 3.0, 7, "S00", "C03")
    tally = Tally("noise", "", Scope.AMPLIFIER, False, 16, {7: 14, 8: 16}, finding, "")
    assert tally_text(tally, 3) == (
        "NOISE on 14 to 16 of 16 amplifiers in 2 of 3 exposures; worst S00 C03: 7 e- for 9 e- +- 5 %"
    )
    product = Tally("dark_current", "", Scope.PRODUCT, False, 1, {0: 1}, None, "")
    assert tally_text(product, 3) == "DARK_CURRENT on 1 of 1 product"
    level = Finding("level", Scope.EXPOSURE, "1.2, at most 1.05", 4.0, 7)
    assert finding_text(level) == "exposure 7: 1.2, at most 1.05"
    assert tally_text(Tally("level", "", Scope.EXPOSURE, False, 1, {7: 1}, level, ""), 3).startswith("LEVEL in 1 of 3")


def test_an_advisory_failure_is_told_and_marked() -> None:
    from attrs import evolve

    from latcal.plugin.wording import verdict_text

    verdict = nights.verdict("bias", 4, nights.failing("mean", (nights.DAY + 1,), ("C00",), "3 e- beyond +- 2 e-"))
    soft = evolve(verdict, tallies=tuple(evolve(t, advisory=t.rule == "mean") for t in verdict.tallies))
    assert verdict_text(soft) == (
        "bias accepted: 4 exposures, 3 rules, within what is allowed: "
        "MEAN on 1 of 16 amplifiers in 1 of 4 exposures; worst S00 C00: 3 e- beyond +- 2 e- (advisory)"
    )


def test_every_event_is_a_line_and_the_lines_make_the_report_again(tmp_path: Path) -> None:
    (declaration,) = jsonl.latcal_reporters()
    events = nights.good_night()
    with declaration.open(declaration.options(path=tmp_path / "night.jsonl"), None) as reporter:
        for number, event in enumerate(events, 1):
            reporter.latcal_event(event)
            assert len((tmp_path / "night.jsonl").read_text().splitlines()) == number  # flushed
    lines = (tmp_path / "night.jsonl").read_text().splitlines()
    assert fold(from_json(line) for line in lines) == fold(events)


def test_a_file_that_cannot_be_written_is_a_store_error(tmp_path: Path) -> None:
    (declaration,) = jsonl.latcal_reporters()
    with (
        declaration.open(declaration.options(path=tmp_path / "no" / "night.jsonl"), None) as reporter,
        pytest.raises(StoreError, match=r"night.jsonl: cannot be written: No such file"),
    ):
        reporter.latcal_event(nights.good_night()[0])


def test_the_console_writes_to_standard_output_and_without_control_characters_to_a_pipe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (declaration,) = console.latcal_reporters()
    with declaration.open(declaration.options(), None) as reporter:
        for event in nights.three_biases():
            reporter.latcal_event(event)
    text = capsys.readouterr().out
    assert "dark skipped: bias was refused" in text
    assert all(character.isprintable() or character == "\n" for character in text)


def test_a_terminal_has_the_same_lines_and_the_lanes_below_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    with ConsoleReporter(stream) as reporter:
        for event in nights.good_night():
            reporter.latcal_event(event)
    text = stream.getvalue()
    assert "certified bias into calib/daily, 2022-11-04 to 2022-11-05\n" in text
    assert "camera" in text
    assert "processing" in text


def test_progress_knows_both_lanes_and_the_time_left() -> None:
    progress = Progress()
    events = nights.three_biases()
    progress.hear(events[0])
    assert (progress.exposed, progress.exposures, progress.time_left) == (0, 5, "10 s")
    for event in events[1:4]:
        progress.hear(event)
    # one exposure of five has ended, 2 s into the run, as planned
    assert (progress.exposed, progress.camera, progress.processing) == (1, "idle", "waiting")
    assert progress.time_left == "8 s"
    for event in events[4:]:
        progress.hear(event)
        if type(event).__name__ == "StepStarted" and event.step == 4:
            assert progress.processing == "Verify bias"
    assert (progress.exposed, progress.camera, progress.processing) == (5, "done", "waiting")
    assert progress.time_left == "0 s"


def test_time_left_follows_the_pace_that_was_seen() -> None:
    progress = Progress()
    events = nights.three_biases()
    for event in events[:3]:
        progress.hear(event)
    progress.hear(nights.Exposed(0, 1, 0.0, nights.Setup(), 4.0))  # twice as slow as the plan has it
    assert progress.time_left == "16 s"


def test_a_run_that_never_ended_says_so() -> None:
    texts = [line.text for line in transcript.lines(fold(nights.three_biases()[:8]))]
    assert texts[-1] == "it did not come to its end: exit 130, after 0 s"
    assert "bias did not come to its end" in texts
