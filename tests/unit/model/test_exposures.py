"""Exposure phrases: how many and how long or how bright, in one."""

from __future__ import annotations

from typing import Any

import pytest

from latcal.model.exposures import Exposures, Group, Ladder, Level, parse


@pytest.mark.parametrize(
    ("phrase", "group"),
    [
        ("16 x 30 s", Group(16, 30.0)),
        ("16x30s", Group(16, 30.0)),
        ("16 × 30 s", Group(16, 30.0)),
        ("5 s", Group(1, 5.0)),
        ("0 s", Group(1, 0.0)),
        ("2 x 500 ms", Group(2, 0.5)),
        ("3 x 2 min", Group(3, 120.0)),
        ("1 h", Group(1, 3600.0)),
        ("2 x 1e-3 s", Group(2, 0.001)),
        ("2 x .5 s", Group(2, 0.5)),
        ("2 x 30000 adu", Group(2, level=Level(30000.0, "adu"))),
        ("2 x 3e4 electron", Group(2, level=Level(30000.0, "electron"))),
        ("20 x 50 % of full well", Group(20, level=Level(50.0, "% of full well"))),
    ],
)
def test_a_phrase_says_how_many_and_how_long_or_how_bright(phrase: str, group: Group) -> None:
    assert parse(phrase) == Exposures((group,))


LADDER = "2 x 3 levels from 500 electron to 80 % of full well"


def test_a_ladder_is_so_many_of_each_of_its_levels_from_the_lowest() -> None:
    (ladder,) = parse(LADDER).groups
    assert ladder == Ladder(2, 3, Level(500.0, "electron"), Level(80.0, "% of full well"))
    found = [group.level.electrons(1.5, 40_000.0) for group in ladder if group.level]
    assert found == pytest.approx([500, 500, 4000, 4000, 32_000, 32_000], rel=1e-12)  # eight times each, two roundings
    assert [str(level) for level in parse(LADDER).levels][1] == "level 2 of 3 from 500 electron to 80 % of full well"


@pytest.mark.parametrize("phrase", [LADDER, "3 levels from 1 adu to 2 adu", "2×3  levels from 1 adu  to 2 adu"])
def test_a_ladder_prints_as_it_reads(phrase: str) -> None:
    assert parse(str(parse(phrase))) == parse(phrase)
    assert str(parse(LADDER)) == LADDER


def test_a_list_of_phrases_keeps_their_order() -> None:
    exposures = parse(["4 x 5 s", "2 x 15 s", "1 s"])
    assert exposures.times_s == (5.0, 5.0, 5.0, 5.0, 15.0, 15.0, 1.0)
    assert len(exposures) == 7


def test_phrases_in_one_text_are_parted_by_commas() -> None:
    assert parse("4 x 5 s, 2 x 15 s") == parse(["4 x 5 s", "2 x 15 s"])


def test_each_exposure_comes_as_a_group_of_one() -> None:
    assert list(parse("2 x 5 s")) == [Group(1, 5.0), Group(1, 5.0)]


def test_exposures_to_a_level_have_no_time_yet() -> None:
    assert parse(["2 x 30000 adu", "5 s"]).times_s == (5.0,)


def test_exposures_print_as_they_are_written() -> None:
    assert str(parse("4x5s, 2 x 50 % of full well")) == "4 x 5 s, 2 x 50 % of full well"


@pytest.mark.parametrize(
    ("level", "electrons"),
    [(Level(100.0, "adu"), 150.0), (Level(100.0, "electron"), 100.0), (Level(50.0, "% of full well"), 65_000.0)],
)
def test_a_level_is_given_in_electrons(level: Level, electrons: float) -> None:
    assert level.electrons(gain=1.5, full_well=130_000.0) == pytest.approx(electrons, rel=1e-12)  # one rounding


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        (20, "20 is not an exposure", "write '20 x 5 s' or '20 s'"),
        (5.5, "5.5 is not an exposure", "write '5 x 5 s' or '5.5 s'"),
        (-3, "-3 is not an exposure", "write '5 x 5 s'"),
        (True, "True is not an exposure", "write '5 x 5 s'"),
        (None, "None is not an exposure", "write"),
        ("", "'' is not an exposure", "write '16 x 30 s'"),
        ("20 x 5", "'20 x 5' has no unit", "write '20 x 5 s'"),
        ("5", "'5' has no unit", "write '5 s'"),
        ("5 s x 20", "is not a unit of time or level", "write s, adu, electron"),
        ("2 x 5 fortnight", "'fortnight' in '2 x 5 fortnight' is not a unit", "write s, adu"),
        ("0 x 5 s", "takes 0 exposures, which is not between 1 and 100000", "write '1 x 5 s'"),
        ("100001 x 5 s", "takes 100001 exposures", "write '1 x 5 s'"),
        ("-2 x 5 s", "is not a unit of time or level", "write"),
        ("2.5 x 5 s", "'2.5 x 5 s'", "write"),
        ("2 x -5 s", "is not a time between 0 s and a day", "write '16 x 30 s'"),
        ("25 h", "is not a time between 0 s and a day", "write"),
        ("2 x 0 adu", "is not a level that a sensor can have", "write '2 x 30000 adu'"),
        ("2 x 101 % of full well", "is not a level that a sensor can have", "write"),
        ("2 x 1 levels from 1 adu to 2 adu", "which are not 2 levels or more", "write '2 x 20 levels from 500 electron to"),
        ("0 x 3 levels from 1 adu to 2 adu", "takes 0 exposures to 3 levels", "write '2 x 20 levels"),
        ("2 x 99999 levels from 1 adu to 2 adu", "and 100000 exposures at most", "write '2 x 20 levels"),
        ("2 x 3 levels from 2 adu to 1 adu", "2 adu in '2 x 3 levels from 2 adu to 1 adu' is not below 1 adu", "write '2 x 20"),
        ("2 x 3 levels from 1 s to 2 s", "'1 s' is not a level", "write '2 x 20 levels"),
        ("2 x 3 levels from 1 adu to 5 x 2 adu", "'5 x 2 adu' is not a level", "write '2 x 20 levels"),
        ("2 x 3 levels from 1 adu", "'levels from 1 adu' in", "write s, adu, electron"),
        ([], "an empty list is not an exposure", "write '16 x 30 s'"),
        (["5 s", 5], "5 is not an exposure", "write"),
        ({"n": 5}, "is not an exposure", "write"),
    ],
)
def test_what_is_not_a_phrase_is_refused_with_what_to_write(value: Any, message: str, hint: str) -> None:
    with pytest.raises(ValueError, match=r"is not|has no unit|takes") as caught:
        parse(value)
    assert message in caught.value.args[0]
    assert hint in caught.value.args[1]
