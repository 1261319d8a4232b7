"""What is kept of what a server tells."""

import threading
import time
from datetime import UTC, datetime

import pytest

from latcal_indi.arriving import early, stale
from latcal_indi.exposing import Begun, Exposing
from latcal_indi.hardware import Hardware
from latcal_indi.mirror import Mirror, Property
from latcal_indi.options import IndiOptions
from latcal_indi.troubles import Aborted, Trouble

NEVER = threading.Event()


def told(name, state="Ok", heard=0, **values):
    return Property("CCD", name, state, values, {}, heard)


def spoken():
    mirror = Mirror()
    mirror.begin()
    return mirror


def test_a_member_that_is_not_told_keeps_its_value():
    mirror = spoken()
    mirror.put(told("X", A=1.0, B=2.0))
    mirror.put(told("X", B=3.0))
    assert mirror.get("CCD", "X").values == {"A": 1.0, "B": 3.0}


def test_a_file_that_came_before_is_none_of_an_exposure_and_one_is_given_once():
    mirror = spoken()
    mirror.put_blob("CCD", b"old", ".fits", 3)
    mirror.put(told("CCD_EXPOSURE", "Busy"))
    begun = mirror.heard
    assert mirror.take_blob("CCD", begun) is None
    mirror.put_blob("CCD", b"new", ".fits", 3)
    assert mirror.take_blob("CCD", begun).data == b"new"
    assert mirror.take_blob("CCD", begun) is None


def test_an_exposure_that_ends_before_anybody_looks_still_gives_its_file():
    """On a machine that is busy, begin, file and end may all have come by then."""
    hardware = Hardware(IndiOptions(devices=("CCD",)))
    mirror = hardware.mirror
    mirror.begin()
    mirror.put(told("CONNECTION", CONNECT="On"))
    mirror.put(told("CCD_EXPOSURE", "Ok", CCD_EXPOSURE_VALUE=0.0))
    before = mirror.heard
    mirror.put(told("CCD_EXPOSURE", "Busy", CCD_EXPOSURE_VALUE=0.01))
    mirror.put_blob("CCD", b"frame", ".fits", 5)
    mirror.put(told("CCD_EXPOSURE", "Ok", CCD_EXPOSURE_VALUE=0.0))
    exposing = Exposing(hardware)
    first = exposing._begun("CCD", before)
    begun = Begun(first.heard, time.monotonic(), first.stamp, 0.0)
    assert exposing.finish({"CCD": begun}, 0.0)["CCD"].data == b"frame"


def test_waits_end_by_the_limit_by_an_abort_and_by_a_lost_connection():
    mirror, aborted = spoken(), threading.Event()
    assert mirror.wait(lambda: None, 0.05, NEVER) is None
    aborted.set()
    with pytest.raises(Aborted, match="told to abort"):
        mirror.wait(lambda: None, 5.0, aborted)
    mirror.lose("it is gone")
    with pytest.raises(Trouble, match="it is gone"):
        mirror.wait(lambda: None, 5.0, NEVER)


def test_how_long_a_value_has_been_good_begins_when_it_last_was_not():
    mirror = spoken()
    mirror.put(told("T", C=-10.0))
    mirror.put(told("T", C=5.0))
    assert mirror.since("CCD", "T", lambda values: values["C"] < 0) == 0.0
    mirror.put(told("T", C=-10.0))
    assert 0.0 <= mirror.since("CCD", "T", lambda values: values["C"] < 0) < 5.0


@pytest.mark.parametrize(
    ("came_s", "time_s", "late"), [(30.0, 30.0, False), (29.7, 30.0, False), (29.6, 30.0, True), (0.0, 0.0, False), (0.08, 0.1, True)]
)
def test_a_frame_that_comes_before_its_exposure_can_be_over_is_of_another(came_s, time_s, late):
    assert bool(early(came_s, time_s)) == late


@pytest.mark.parametrize(
    ("card", "late"),
    [
        ("DATE-OBS= '2026-11-27T18:55:21.603'", False),  # the driver tells whole seconds of its clock: :21
        ("DATE-OBS= '2026-11-27T18:55:20.700'", False),  # it took half a second to say that it had begun
        ("DATE-OBS= '2026-11-27T18:55:20.300'", True),
        ("DATE-OBS= '2026-11-27T18:55:20'", False),  # rounded to a second
        ("DATE-OBS= '2026-11-27T18:55:19'", True),
        ("DATE-OBS= '2026-11-27T13:55:21.603'", False),  # the same in a zone five hours behind
        ("DATE-OBS= '2026-11-27T13:55:19'", True),
        ("DATE-OBS= '2026-11-27T18:55:60.000'", False),  # no time
        ("OBJECT  = 'nothing of times'", False),
    ],
)
def test_a_frame_that_says_it_began_before_its_exposure_is_of_another(card, late):
    stamp = datetime(2026, 11, 27, 18, 55, 21, tzinfo=UTC)
    assert bool(stale(f"SIMPLE  = T {card} END".encode(), stamp, 0.5)) == late
    assert not stale(card.encode(), None, 0.5)
