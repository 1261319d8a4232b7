"""Exposure phrases print and read back, for all that can be written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from latcal.model.exposures import Exposures, Ladder, parse
from latcal.testing import strategies

COUNTS = st.integers(1, 100_000)
SECONDS = st.floats(0, 86_399, allow_subnormal=False)


@given(strategies.exposures())
def test_what_is_printed_reads_back_the_same(exposures: Exposures) -> None:
    assert parse([str(group) for group in exposures.groups]) == exposures
    assert parse(str(exposures)) == exposures


@given(COUNTS, SECONDS, st.sampled_from(["{} x {} s", "{}x{}s", " {}  x  {}  s "]))
def test_blanks_do_not_matter(count: int, seconds: float, phrase: str) -> None:
    (group,) = parse(phrase.format(count, repr(seconds))).groups
    assert (group.count, group.time_s) == (count, seconds)


@given(strategies.exposures().filter(lambda exposures: len(exposures) < 2000))
def test_there_are_as_many_exposures_as_are_counted(exposures: Exposures) -> None:
    counts = [group.count * (group.steps if isinstance(group, Ladder) else 1) for group in exposures.groups]
    assert len(list(exposures)) == len(exposures) == sum(counts)


@given(st.text(max_size=30) | st.integers() | st.floats() | st.booleans() | st.none() | st.lists(st.integers()))
def test_whatever_is_written_is_read_or_refused_with_a_hint(value: object) -> None:
    try:
        assert isinstance(parse(value), Exposures)
    except ValueError as error:
        what, hint = error.args
        assert "\n" not in what.replace(repr(value), "")
        assert hint.startswith("write ")
