"""Which flats are a pair."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest
from astropy.time import Time
from astropy.units import Quantity
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from latcal.model import exposures as phrases
from latcal.plugin import Exposure, Sequence, pairing

BEGIN = Time("2026-11-04T12:00:00", scale="tai")


def options(pairs: tuple[tuple[int, ...], ...] = (), tolerance: str = "5 ms") -> Any:
    return SimpleNamespace(pairs=pairs, tolerance=Quantity(tolerance))


def flats(*times: float | None) -> tuple[Exposure | None, ...]:
    """Give exposures numbered from 1; None for a time of None."""
    return tuple(
        None if time is None else Exposure(number, str(number), "flat", time, time, BEGIN)
        for number, time in enumerate(times, 1)
    )


def sequence(phrase: Any) -> Sequence:
    return Sequence("flats", "flat", phrases.parse(phrase))


def test_twenty_flats_alike_are_ten_pairs_of_neighbours() -> None:
    found = pairing.pairs(flats(*[5.0] * 20), options())
    assert found == tuple((number, number + 1) for number in range(1, 20, 2))


def test_the_times_of_the_procedures_page_are_three_pairs_and_the_singles_are_named() -> None:
    # users of the page wrote these: algorithms.md 4.1
    exposures = flats(0.1, 0.1, 0.35, 0.35, 0.6, 0.6, 1.0, 1.5)
    assert pairing.pairs(exposures, options()) == ((1, 2), (3, 4), (5, 6))
    assert pairing.unpaired(exposures, options()) == {
        7: "1 s: no partner of equal time",
        8: "1.5 s: no partner of equal time",
    }


def test_a_third_of_one_time_is_named() -> None:
    assert pairing.unpaired(flats(5.0, 5.0, 5.0), options()) == {3: "5 s: no partner of equal time"}


def test_times_may_differ_by_the_tolerance_and_no_more() -> None:
    assert pairing.pairs(flats(5.0, 5.004), options()) == ((1, 2),)
    assert pairing.pairs(flats(5.0, 5.006), options()) == ()
    assert pairing.pairs(flats(5.0, 5.006), options(tolerance="10 ms")) == ((1, 2),)


def test_pairs_of_one_time_need_not_follow_one_another() -> None:
    assert pairing.pairs(flats(1.0, 2.0, 1.0, 2.0), options()) == ((1, 3), (2, 4))


def test_declared_pairs_are_by_place_whatever_came() -> None:
    declared = options(pairs=((2, 1), (3, 5)))
    assert pairing.pairs(flats(1.0, 1.1, 2.0, 3.0, 2.0), declared) == ((1, 2), (3, 5))
    lost = flats(None, 1.1, 2.0, 3.0, 2.0)
    assert pairing.pairs(lost, declared) == ((3, 5),)
    assert pairing.unpaired(lost, declared) == {2: "1.1 s: its partner did not come", 4: "3 s: in none of the declared pairs"}


def test_the_times_of_pairs_are_known_before_anything_is_taken() -> None:
    ladder = (sequence(["2 x 5 s", "1 x 7 s", "2 x 9 s"]),)
    assert pairing.paired_times(ladder, options()) == (5.0, 9.0)
    assert pairing.paired_times(ladder, options(pairs=((1, 2), (4, 5)))) == (5.0, 9.0)


def test_two_exposures_of_one_level_are_a_pair_whose_time_is_solved() -> None:
    (pair,) = pairing.paired((sequence("2 x 30000 adu"),), options())
    assert (pair.time_s, str(pair.level)) == (None, "30000 adu")
    assert list(pairing.check_pairs((sequence("2 x 30000 adu"),), options())) == []


def test_frames_that_are_no_pairs_are_refused_with_an_example() -> None:
    problems = list(pairing.check_pairs((sequence(["1 s", "2 s"]),), options()))
    assert problems == [("no two exposures are a pair: no two have the same time", "write each time twice, as '2 x 1 s'")]


def test_a_declared_pair_of_an_exposure_that_is_not_there_is_refused() -> None:
    problems = list(pairing.check_pairs((sequence("2 x 5 s"),), options(pairs=((1, 4),))))
    assert problems == [("the pair [1, 4] names exposure 4 of 2", "write numbers up to 2")]


def test_a_declared_pair_of_unlike_exposures_is_refused() -> None:
    problems = list(pairing.check_pairs((sequence(["5 s", "3 s"]),), options(pairs=((1, 2),))))
    assert problems == [("the pair [1, 2] is of 5 s and 3 s", "pair exposures of one time or level")]


@define
class Declared:
    pairs: tuple[tuple[int, ...], ...] = field(validator=pairing.declared)
    tolerance: Any = field(factory=lambda: Quantity("5 ms"), validator=pairing.positive)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (((1, 2, 3),), r"\[1, 2, 3\] is not a pair"),
        (((1, 2), (2, 3)), "does not name exposures from 1, each once"),
        (((0, 1),), "does not name exposures from 1, each once"),
    ],
)
def test_what_is_no_list_of_pairs_is_refused(pairs: tuple[tuple[int, ...], ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Declared(pairs)


def test_a_tolerance_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="is not above 0"):
        Declared((), Quantity("0 s"))


@given(st.lists(st.sampled_from([1.0, 2.0, 4.0]), max_size=12), st.randoms(use_true_random=False))
def test_every_exposure_is_in_one_pair_or_named(times: list[float], order: random.Random) -> None:
    order.shuffle(times)
    exposures = flats(*times)
    pairs = pairing.pairs(exposures, options())
    used = [one for pair in pairs for one in pair]
    assert sorted([*used, *pairing.unpaired(exposures, options())]) == list(range(1, len(times) + 1))
    assert len(pairs) == sum(times.count(time) // 2 for time in set(times))  # whatever their order
    assert all(times[first - 1] == times[second - 1] for first, second in pairs)
