from __future__ import annotations

import json
import math

import pytest
from astropy.time import Time

from latcal.errors import StoreError
from latcal.formats import records
from latcal.formats.journal import from_json, to_json, verdict_json
from latcal.formats.products import reference
from latcal.model.events import (
    EVENTS,
    Built,
    Certified,
    Exposed,
    Ingested,
    Judged,
    Kept,
    Noted,
    Resolved,
    ResolvedNeed,
    RunEnded,
    RunStarted,
    Solved,
    StageLine,
    Status,
    StepEnded,
    StepLine,
    StepStarted,
)
from latcal.model.frames import Setup
from latcal.model.metrics import Scope
from latcal.model.products import Provenance
from latcal.model.verdicts import Finding, Limits, Tally, Verdict
from latcal.testing import samples

REF = reference(samples.product(setup=Setup(filter="r", mode="fast")), "run-1")
FINDING = Finding("noise", Scope.AMPLIFIER, "7.38 e- for 9.1 e- +- 5 %", math.inf, 2022110400001, "S00", "C03")
VERDICT = Verdict(
    "bias", False, (2022110400001, 2022110400002), ("S00",), 16, Limits(8, 1, 2), (2022110400001,),
    (
        Tally("noise", "abs(noise - frame_noise) <= 5 %", Scope.AMPLIFIER, False, 16, {2022110400001: 16}, FINDING, "x", True),
        Tally("dark", "dark_current <= 0.2", Scope.PRODUCT, True, 1, {}, None, ""),
    ),
    (FINDING, Finding("dark", Scope.PRODUCT, "y", 1.5)), "ann: a trial", "8 more frames would do",
)
ALL = [
    RunStarted(
        "run-1", "2022-11-04T20:00:00", "Tägliche", "daily.yaml", "0" * 64, "latcal: 1\n# ü", ("a=1", "b=2"), "bench",
        "simulated", "folder", {"latcal": "1.0", "a": "2"}, (StageLine(0, "make", "bias", "x"),),
        (StepLine(0, "take", "Take biases 1/3", None, 2.5), StepLine(1, "build", "Build bias", 0)), 12.5, True,
        detectors={0: "S00", 3: "S01"}, place="./store",
    ),
    Resolved((ResolvedNeed(0, "bias", 0, REF, "calib"),)),
    Kept(1, (REF,), "calib", "2022-11-04 to 2022-11-05", "certify.into=calib.2", "ann: a trial"),
    StepStarted(3, 0.1 + 0.2),
    Exposed(0, 2022110400001, 1 / 3, Setup("r", None, "2x2", ""), 5.0),
    Ingested(0, 2022110400001, {"S00": "abc"}, {"S00": 1e-300, "S01": math.nan}),
    Solved("flats", "30000 adu", 4.5, ((1.0, 6000.5), (2.0, math.inf))),
    Built(1, (REF,)),
    Judged(2, VERDICT, {"bias": {"noise": -math.inf}}),
    Certified(3, (REF,), "calib", "2022-11-04 to 2022-11-05"),
    Noted("a remark", None),
    Noted("a remark", 3),
    StepEnded(3, Status.SKIPPED, "bias was refused", 0, 7.5),
    RunEnded(True, 12.0),
]


def test_there_is_an_example_of_every_event():
    assert {type(event) for event in ALL} == set(EVENTS)


@pytest.mark.parametrize("event", ALL, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_from_its_line(event):
    line = to_json(event)
    assert "\n" not in line
    assert line.isascii()
    json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    back = from_json(line)
    assert type(back) is type(event)
    assert repr(back) == repr(event)  # sees types, NaN and what equality leaves aside


def test_keys_that_a_newer_version_adds_are_left_aside():
    assert from_json('{"event": "Noted", "what": "x", "colour": "red"}') == Noted("x")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("", "'' is not a line of JSON"),
        ('{"event": "Noted"', "is not a line of JSON"),
        ('{"event": "Exploded"}', "is not an event .its key 'event' is one of RunStarted, Resolved"),
        ("[1, 2]", "is not an event"),
        ('{"event": "Noted"}', "is not a Noted .KeyError: 'what'"),
        ('{"event": "StepEnded", "step": 1, "status": "gone"}', "is not a StepEnded .ValueError: 'gone'"),
        ('{"event": "StepStarted", "step": "x", "at_s": 1}', "is not a StepStarted"),
        ('{"event": "Built", "step": 1, "refs": [5]}', "is not a Built"),
    ],
)
def test_a_line_that_is_no_event_is_refused_with_what_it_is(line, message):
    with pytest.raises(StoreError, match=message):
        from_json(line)


def test_a_verdict_is_written_for_other_programs():
    plain = json.loads(verdict_json(VERDICT))
    assert plain["accepted"] is False
    assert plain["tallies"][0]["failed"] == {"2022110400001": 16}
    assert plain["findings"][0]["strain"] == "inf"


def test_provenance_comes_back_exactly():
    given = samples.provenance()
    assert records.from_text(records.to_text(given), Provenance) == given


def test_an_instant_that_nine_decimals_do_not_tell_comes_back_exactly():
    time = Time(2459888.0, 0.1234567890123456, format="jd", scale="tai")
    text = records.time_text(time)
    assert text.startswith("JD ")
    assert (records.read_time(text).jd1, records.read_time(text).jd2) == (time.jd1, time.jd2)
    assert records.time_text(Time("2022-11-04T12:00:00", scale="utc")) == "2022-11-04T12:00:37.000000000"
