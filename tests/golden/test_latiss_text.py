"""Verdicts to the report of the LATISS page: compared with the files beside, and with the page, word for word."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from golden import latiss_verdicts as verdicts

from latcal.builtin.reporters.latiss_page import Names, page
from latcal.model.verdicts import Verdict

HERE = Path(__file__).parent


OURS = "u/latcal/20220929T120000-0a1b2c3d"
INTO = "calib/daily, 2022-09-29 to 2022-09-30"
PAGES = {
    "three_biases": (
        verdicts.three_biases(),
        Names("u/ocps/5579591802f0470e88b7cdf6add8e1bf", "u/ocps/329cb5f2f9ab4e1ebacf1577435d2eed"),
    ),
    "twenty_biases": (
        verdicts.twenty_biases(),
        Names("u/ocps/85f23b5af0ba44cf967f183c59b1073e", "u/ocps/def62fc0cc6645d089edee4eb797e3f1", INTO),
    ),
}
"""The two reports of the page, with the collections that it names."""

REPORTS = PAGES | {
    "flats_of_three_detectors": (verdicts.flats(), Names(OURS, "", otherwise="a check certifies nothing")),
    "product": (verdicts.dark_current(), Names(OURS, OURS, mark="stages.1")),
    "passed": (verdicts.passed(), Names(OURS, OURS, INTO)),
    "checked": (verdicts.passed(), Names(OURS, "", otherwise="a check certifies nothing")),
    "waived": (verdicts.waived(), Names(OURS, OURS, INTO)),
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


@pytest.mark.parametrize(("number", "name"), list(enumerate(PAGES)))
def test_the_report_is_that_of_the_page_word_for_word_and_number_for_number(number: int, name: str) -> None:
    """But for the mark of its log, which is not the report's."""
    theirs = [line.removeprefix("Script WARNING: ") for line in reports_of_the_page()[number] if line]
    assert len(theirs) > 40
    assert report_of(*PAGES[name]) == theirs


def test_the_headlines_are_those_of_the_page() -> None:
    lines = the_page()
    refused, accepted = (list(page(*PAGES[name])) for name in PAGES)
    assert refused[-1] == "BIAS calibration failed verification and will not be certified."
    assert refused[-1] in lines
    assert accepted[0].startswith("BIAS calibration passed the overall verification criteria and will be certified, ")
    assert accepted[0] in lines
