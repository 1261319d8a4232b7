from __future__ import annotations

import pytest
from astropy.time import Time, TimeDelta
from hypothesis import assume, given
from hypothesis import strategies as st

from latcal.model.validity import ValidityRange, instant, stamp

START = instant("2022-01-01")
steps = st.integers(0, 40)


def at(step: int) -> Time:
    """An instant on a grid of 6 hours and a bit, so that ranges often touch."""
    return START + TimeDelta(step * 21_600.000001, format="sec")


def _range(begin: int | None, end: int | None) -> ValidityRange:
    return ValidityRange(None if begin is None else at(begin), None if end is None else at(end))


ends = st.tuples(st.none() | steps, st.none() | steps).filter(
    lambda pair: pair[0] is None or pair[1] is None or pair[0] < pair[1]
)
ranges = ends.map(lambda pair: _range(*pair))


@given(steps, steps)
def test_a_range_holds_its_begin_and_not_its_end(begin, end):
    assume(begin < end)
    valid = _range(begin, end)
    assert valid.contains(at(begin))
    assert not valid.contains(at(end))


@given(steps, steps)
def test_a_range_that_holds_no_instant_cannot_be_made(begin, end):
    assume(begin >= end)
    with pytest.raises(ValueError, match="holds no instant"):
        _range(begin, end)


@given(ranges, steps)
def test_an_open_end_holds_every_instant_on_its_side(valid, step):
    inside = (valid.begin is None or valid.begin <= at(step)) and (valid.end is None or at(step) < valid.end)
    assert valid.contains(at(step)) == inside


@given(ranges, ranges)
def test_overlap_is_symmetric(one, other):
    assert one.overlaps(other) == other.overlaps(one)


@given(ranges, ranges)
def test_ranges_overlap_just_when_an_instant_lies_in_both(one, other):
    # the begin of either, or any instant if both have none, lies in both if anything does
    witnesses = [time for time in (one.begin, other.begin, at(0) - TimeDelta(1, format="jd")) if time is not None]
    assert one.overlaps(other) == any(one.contains(time) and other.contains(time) for time in witnesses)


@given(ranges, ranges)
def test_a_range_covers_another_just_when_nothing_of_it_is_outside(one, other):
    outside = [end for end in ((None, one.begin), (one.end, None)) if end != (None, None)]
    assert one.covers(other) == (not any(other.overlaps(ValidityRange(*end)) for end in outside))


@given(ranges)
def test_a_range_covers_itself(valid):
    assert valid.covers(valid)


@given(ranges)
def test_a_range_overlaps_itself(valid):
    assert valid.overlaps(valid)


@given(st.sets(steps, min_size=3, max_size=3))
def test_ranges_that_touch_do_not_overlap_and_leave_no_gap(three):
    first, middle, last = sorted(three)
    before, after = _range(first, middle), _range(middle, last)
    assert not before.overlaps(after)
    assert before.contains(at(middle)) + after.contains(at(middle)) == 1


@given(steps, steps)
def test_stamps_sort_as_their_instants_do(one, other):
    assert (stamp(at(one)) < stamp(at(other))) == (at(one) < at(other))


@given(st.integers(0, 86_400_000_000 - 1))
def test_a_stamp_is_read_back_as_the_same_stamp(microseconds):
    text = f"2022-11-04T{microseconds // 3_600_000_000:02}:{microseconds // 60_000_000 % 60:02}:{microseconds / 1e6 % 60:09.6f}"
    assert stamp(instant(text)) == text
