"""Verdicts to the report of the LATISS page: compared with the files beside, and with the page where it can be read."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from golden import latiss_verdicts as verdicts

from latcal.builtin.reporters.latiss_page import Names, page
from latcal.model.verdicts import Verdict

HERE = Path(__file__).parent


OURS = "20220929T120000-0a1b2c3d"
INTO = "certified into calib/daily, 2022-09-29 to 2022-09-30"
PAGES = {
    "three_biases": (
        verdicts.three_biases(),
        Names("u/ocps/5579591802f0470e88b7cdf6add8e1bf", "u/ocps/329cb5f2f9ab4e1ebacf1577435d2eed", "not certified"),
    ),
    "twenty_biases": (
        verdicts.twenty_biases(),
        Names("u/ocps/85f23b5af0ba44cf967f183c59b1073e", "u/ocps/def62fc0cc6645d089edee4eb797e3f1", INTO),
    ),
}
"""The two reports of the page, with the collections that it names."""

REPORTS = PAGES | {
    "flats_of_three_detectors": (verdicts.flats(), Names(OURS, "", "a check certifies nothing")),
    "product": (verdicts.dark_current(), Names(OURS, OURS, "not certified", "stages.1")),
    "passed": (verdicts.passed(), Names(OURS, OURS, INTO)),
    "checked": (verdicts.passed(), Names(OURS, "", "a check certifies nothing")),
    "waived": (verdicts.waived(), Names(OURS, OURS, INTO.replace("certified", "certified UNVERIFIED"))),
}


@pytest.mark.parametrize("name", REPORTS)
def test_a_verdict_is_reported_as_it_is_written_here(name: str) -> None:
    text = "".join(f"{line}\n" for line in page(*REPORTS[name]))
    assert text == (HERE / "latiss_text" / f"{name}.txt").read_text(encoding="utf-8")


def the_page() -> list[str]:
    """Give the lines of the procedure's page, which is not ours to copy here."""
    root = Path(__file__).parents[2]
    data = Path(os.environ.get("LATCAL_REAL_DATA") or root.parent / "shared" / "data")
    path = data.parent / "reference" / "latiss-procedure.txt"
    if not path.is_file():
        pytest.skip(f"no page to compare with: {path} is not there (LATCAL_REAL_DATA names the folder beside reference/)")
    return [" ".join(line.split()) for line in path.read_text(encoding="utf-8").splitlines()]


def reports_of_the_page() -> list[list[str]]:
    lines = the_page()
    begins = [i for i, line in enumerate(lines) if line.startswith("Script WARNING: Exposures with verification tests")]
    ends = [next(j for j, line in enumerate(lines) if j > i and line.startswith("Verification collection:")) for i in begins]
    return [lines[begin : end + 1] for begin, end in zip(begins, ends, strict=True)]


def report_of(verdict: Verdict, names: Names) -> list[str]:
    """Give the lines of our report without its headline, white space counting no more than on the page."""
    lines = [" ".join(line.split()) for line in page(verdict, names)]
    return [line for line in (lines[1:] if verdict.accepted else lines[:-1]) if line]


FACTS = re.compile(r"u/ocps/\w+|\w+_<IMGTYPE>|\b(?:RXX_S00|C\d\d|CR_NOISE|NOISE|MEAN)\b|\d+")


@pytest.mark.parametrize(("number", "name"), list(enumerate(PAGES)))
def test_the_report_is_the_page_line_by_line_and_number_by_number(number: int, name: str) -> None:
    theirs, ours = reports_of_the_page()[number], report_of(*PAGES[name])
    assert [FACTS.findall(line) for line in ours] == [FACTS.findall(line) for line in theirs]
    data = [(i, line) for i, line in enumerate(theirs) if line == line.upper()]  # no word of a sentence in it
    assert [(i, ours[i]) for i, _ in data] == data
    assert len(data) > 10


@pytest.mark.parametrize(("number", "name"), list(enumerate(PAGES)))
def test_no_sentence_of_the_report_is_the_page_s(number: int, name: str) -> None:
    sentences = {line for line in reports_of_the_page()[number] if len(re.findall(r"\b[a-z]+\b", line)) > 3}
    assert len(sentences) > 10
    assert sentences.isdisjoint(report_of(*PAGES[name]))
