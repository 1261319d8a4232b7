from __future__ import annotations

import io
import random
from pathlib import Path

import pytest
from attrs import evolve
from golden import latiss_verdicts as verdicts
from golden import nights
from hypothesis import given
from hypothesis import strategies as st

from latcal.builtin.reporters import latiss_text
from latcal.builtin.reporters.latiss_page import Names, page
from latcal.builtin.reporters.latiss_stages import LatissTextReporter
from latcal.errors import StoreError

RUN = "20221104T120000-0a1b2c3d"
NAMES = Names("measured", "made")
MINE = f"u/latcal/{RUN}"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def told(events) -> list[str]:
    stream = io.StringIO()
    with LatissTextReporter(None, stream) as reporter:
        for event in events:
            reporter.latcal_event(event)
    return stream.getvalue().splitlines()


def one_stage(verb: str, verdict, *ending, built: bool = True):
    """Give the events of a run of one stage, whose steps are 0 build, 1 verify and 2 certify."""
    words = ["build", "verify", "certify"] if verb == "make" else ["build", "verify"]
    steps = tuple(nights.StepLine(i, word, f"{word} it", 0) for i, word in enumerate(words))
    stage = nights.StageLine(0, verb, verdict.kind, verdict.unverified)
    products = [nights.Built(0, (nights.ref(verdict.kind),))] if built else []
    judged = [nights.Judged(1, verdict), *ending]
    return [nights.started(steps, (stage,)), *nights.done(0, 1.0, *products), *judged, nights.RunEnded(at_s=9.0)]


def ended(step: int, status: str = "done", reason: str = ""):
    return nights.StepEnded(step, nights.Status(status), reason)


CERTIFIED = nights.Certified(2, (nights.ref("bias"),), "calib/daily", "2022-11-04 to 2022-11-05")


@given(st.randoms(use_true_random=False))
def test_the_order_of_the_findings_changes_nothing(order: random.Random) -> None:
    for verdict in (verdicts.three_biases(), verdicts.flats(), verdicts.dark_current()):
        findings, exposures = list(verdict.findings), list(verdict.exposures)
        order.shuffle(findings)
        order.shuffle(exposures)
        other = evolve(verdict, findings=tuple(findings), exposures=tuple(exposures))
        assert list(page(other, NAMES)) == list(page(verdict, NAMES))


def test_an_advisory_rule_is_neither_listed_nor_counted() -> None:
    failures = [verdicts.on("noise", 1, "C00"), verdicts.on("read_noise", 1, *verdicts.AMPLIFIERS)]
    both = verdicts.judged("bias", (1, 2, 3), failures, verdicts.Acceptance(8, 1, 3), advisory={"read_noise"})
    alone = verdicts.judged("bias", (1, 2, 3), failures[:1], verdicts.Acceptance(8, 1, 3))
    assert list(page(both, NAMES)) == list(page(alone, NAMES))
    assert "\tNOISE: 1" in page(both, NAMES)


def test_a_set_in_which_only_advisory_rules_failed_passed_without_a_remark() -> None:
    verdict = verdicts.judged("bias", (1, 2), [verdicts.on("glow", 1, "C00")], verdicts.Acceptance(), advisory={"glow"})
    (line,) = page(verdict, NAMES)
    assert line.startswith("BIAS calibration passed verification; ")


def test_the_numbers_of_the_limits_are_those_of_the_verdict() -> None:
    lines = list(page(verdicts.flats(), NAMES))
    begin = lines.index("Threshold values:")
    numbers = [line.rpartition(": ")[2] for line in lines[begin + 1 : begin + 7]]
    assert [numbers[i] for i in (0, 2, 3, 4, 5)] == ["8", "2", "16", "2", "2"]


def test_failures_of_a_product_stand_after_the_exposures_and_name_what_refused_it() -> None:
    lines = list(page(verdicts.dark_current(), NAMES))
    product = "\tProduct (one failure is enough to refuse it)"
    at = [i for i, line in enumerate(lines) if line == product]
    assert [lines[i + 1] for i in at] == ["\tDARK_CURRENT: 1", "\t \t RXX_S00 DARK_CURRENT"]
    assert at[1] > max(i for i, line in enumerate(lines) if line.startswith("\tExposure ID: "))


def test_a_certificate_is_told_only_where_there_is_one() -> None:
    passed = verdicts.passed()
    made, not_made = "generation collection: " + MINE, "generation collection: none (generate_calibrations: False)"
    verified = "verification collection: " + MINE
    assert told(one_stage("make", passed, ended(1), CERTIFIED, ended(2))) == [
        f"BIAS calibration passed verification and will be certified; {made}; {verified}"
    ]
    assert told(one_stage("check", passed, ended(1), built=False)) == [
        f"BIAS calibration passed verification; a check certifies nothing; {not_made}; {verified}"
    ]
    assert told(one_stage("measure", passed, ended(1))) == [
        f"BIAS calibration passed verification; a measure certifies nothing; {made}; {verified}"
    ]
    assert told(one_stage("make", passed, ended(1), ended(2, "failed", "calib/daily: is full"))) == [
        f"BIAS calibration passed verification; not certified: calib/daily: is full; {made}; {verified}"
    ]


def test_a_check_that_found_failures_says_in_its_headline_that_nothing_is_certified() -> None:
    head, *_, generation, verification = told(one_stage("check", verdicts.twenty_biases(), ended(1), built=False))
    assert head == (
        "BIAS calibration passed the overall verification criteria; a check certifies nothing, "
        "but the are tests that did not pass:"
    )
    assert generation == "Generation collection: none (generate_calibrations: False)"
    assert verification == f"Verification collection: {MINE}"


def test_a_waived_verification_is_one_line_that_says_who_and_why() -> None:
    (line,) = told(one_stage("make", verdicts.waived(), ended(1), CERTIFIED, ended(2)))
    assert line == (
        "BIAS calibration was not verified, waived by Ana: lamp test, not for science; certified UNVERIFIED into calib/daily, "
        f"2022-11-04 to 2022-11-05; generation collection: {MINE}"
    )


def test_a_refused_set_has_its_headline_last_and_what_was_skipped_a_line() -> None:
    lines = told(nights.three_biases())
    assert lines[0] == "Exposures with verification tests that failed:"
    assert lines[-3:] == [
        "BIAS calibration failed verification and will not be certified.",
        "8 more frames would do.",
        "DARK skipped: bias was refused",
    ]


def test_two_stages_of_one_kind_are_told_apart_and_one_that_failed_says_why() -> None:
    lines = told(nights.unverified())
    assert lines[0].startswith("stages.0 BIAS calibration was not verified, waived by Ana: lamp test")
    assert lines[1] == "stages.1 BIAS failed: frame 20221104_000001 is damaged"


def test_a_run_that_broke_off_says_so_of_every_stage_that_did_not_end() -> None:
    assert told(nights.three_biases()[:8]) == ["BIAS did not come to its end", "DARK did not come to its end"]


def test_the_speed_of_the_lanes_changes_nothing() -> None:
    assert told(nights.good_night(slow=True)) == told(nights.good_night())


def test_a_stage_is_written_as_soon_as_it_has_ended(tmp_path: Path) -> None:
    (declaration,) = latiss_text.latcal_reporters()
    path = tmp_path / "night.txt"
    path.write_text("of another night\n")
    with declaration.open(declaration.options(path=path), None) as reporter:
        for event in nights.three_biases():
            reporter.latcal_event(event)
            text = path.read_text()
            if event == nights.skipped(5, "bias was refused"):  # the last step of the bias
                break
            assert text == ""
        assert text.endswith("BIAS calibration failed verification and will not be certified.\n8 more frames would do.\n")


def test_standard_output_is_written_to_where_there_is_no_path(capsys: pytest.CaptureFixture[str]) -> None:
    (declaration,) = latiss_text.latcal_reporters()
    with declaration.open(declaration.options(), None) as reporter:
        for event in nights.three_biases():
            reporter.latcal_event(event)
        assert capsys.readouterr().out.splitlines() == told(nights.three_biases())


def test_a_terminal_is_written_to_when_the_live_lines_of_the_console_are_gone() -> None:
    stream = Terminal()
    with LatissTextReporter(None, stream) as reporter:
        for event in nights.three_biases():
            reporter.latcal_event(event)
        assert stream.getvalue() == ""
    assert stream.getvalue().splitlines() == told(nights.three_biases())


def test_a_file_that_cannot_be_written_is_said_at_the_first_event(tmp_path: Path) -> None:
    (declaration,) = latiss_text.latcal_reporters()
    reporter = declaration.open(declaration.options(path=tmp_path / "no" / "night.txt"), None)
    with reporter, pytest.raises(StoreError, match=r"night.txt: cannot be written: No such file"):
        reporter.latcal_event(nights.three_biases()[0])


def test_a_device_that_is_full_is_a_store_error(tmp_path: Path) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            if text:
                raise OSError(28, "No space left on device")
            return 0

    events = nights.three_biases()
    with LatissTextReporter(None, Full()) as reporter, pytest.raises(StoreError, match=r"standard output: .*No space"):
        for event in events:
            reporter.latcal_event(event)
