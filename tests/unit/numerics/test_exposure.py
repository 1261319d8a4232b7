from __future__ import annotations

import math

import pytest
from attrs import evolve

from latcal.errors import BuildError
from latcal.numerics.allowed import MOST_PROBES
from latcal.numerics.exposure import Probe, Range, first_probe, next_probe, solve, usable

LIMITS = {"ceiling": 130_000.0, "shortest": 0.1, "longest": 60.0}
SATURATED = math.inf


def within(target=40_000.0, **changes):
    return evolve(Range(target, target, **LIMITS), **changes)


def aim(*probes, target=40_000.0, **changes):
    return next_probe(probes, within(target, **changes))


def test_two_probes_give_rate_and_shutter_delay():
    rate, delay = 3600.0, 0.35
    probes = [Probe(time, rate * (time + delay)) for time in (1.0, 8.0)]
    assert solve(probes, 40_000.0, **LIMITS) == pytest.approx(40_000.0 / rate - delay, rel=1e-12)


# -- the first probe


def test_the_first_probe_of_unknown_light_is_a_second():
    assert first_probe(None, within()) == 1.0
    assert first_probe(None, within(shortest=3.0)) == 3.0


def test_the_first_probe_of_known_light_is_at_a_quarter_of_a_level():
    assert first_probe(3600.0, within(40_000.0)) == 2.8  # 10,000 electron, in two digits


def test_the_first_probe_of_a_ladder_is_at_its_lowest_level():
    assert first_probe(1000.0, within(lowest=500.0, highest=100_000.0)) == 0.5


def test_the_first_probe_is_never_aimed_above_half_of_the_ceiling():
    assert first_probe(1000.0, within(120_000.0)) == 16.0  # a quarter of 65,000


def test_the_first_probe_is_bright_enough_to_be_seen():
    assert first_probe(1000.0, within(60.0)) == 0.1


# -- the second


def test_the_second_probe_aims_at_a_target_below_half_of_the_ceiling():
    assert aim(Probe(1.0, 3600.0)) == pytest.approx(40_000.0 / 3600.0)


def test_the_second_probe_stays_below_half_of_the_ceiling_if_the_shutter_opens_late():
    # light for 0.95 s gave 3,600 electron: as much for every second would be 5 % too little
    assert aim(Probe(1.0, 3600.0), target=120_000.0) == pytest.approx(0.05 + 65_000.0 * 0.95 / 3600.0)


def test_the_second_probe_of_a_ladder_is_far_from_the_first():
    ladder = {"lowest": 500.0, "highest": 117_000.0}
    assert aim(Probe(1.0, 600.0), **ladder) == 60.0  # as near to 65,000 as it may be
    assert aim(Probe(1.0, 50_000.0), **ladder) == 0.1  # as near to 500


def test_a_first_probe_on_target_is_doubled():
    assert aim(Probe(5.0, 30_000.0), target=30_000.0) == 10.0


def test_a_first_probe_on_target_that_cannot_be_doubled_is_halved():
    assert aim(Probe(5.0, 60_000.0), target=60_000.0) == 2.5
    assert aim(Probe(5.0, 1_000.0), target=1_000.0, longest=8.0) == 2.5


def test_no_time_apart_enough_is_an_error_with_the_bracket():
    with pytest.raises(BuildError, match=r"between 4 and 6 s .*\(probes: 5 s: 30000 electron\)"):
        aim(Probe(5.0, 30_000.0), shortest=4.0, longest=6.0)


def test_two_probes_that_show_something_are_enough():
    assert aim(Probe(1.0, 3600.0), Probe(8.0, 28_800.0)) is None


# -- too little and too much


def test_a_probe_without_light_is_followed_by_a_longer_one():
    assert aim(Probe(1.0, 0.2)) == 16.0
    assert aim(Probe(5.0, 0.2)) == 60.0


@pytest.mark.parametrize("level", [SATURATED, 128_000.0, -15_000.0])
def test_a_probe_near_the_ceiling_is_followed_by_a_shorter_one(level):
    assert aim(Probe(8.0, level)) == 0.5
    assert aim(Probe(1.0, level)) == 0.1


def test_between_too_little_and_too_much_the_time_is_sought():
    assert aim(Probe(1.0, 3.0), Probe(16.0, SATURATED)) == 4.0


def test_a_second_probe_goes_to_no_time_that_was_too_bright():
    # by the first alone 8 s would be aimed at; a shutter that opens late hides how bright the light is
    assert aim(Probe(1.0, 5_000.0), Probe(16.0, SATURATED), target=40_000.0) == 8.0
    assert aim(Probe(1.0, 5_000.0), Probe(4.0, SATURATED), target=40_000.0) == 2.0


def test_a_second_probe_goes_to_no_time_that_was_too_faint():
    assert aim(Probe(1.0, 10.0), Probe(16.0, 40_000.0), target=500.0) == 4.0


@pytest.mark.parametrize(
    ("probes", "words"),
    [
        ([Probe(60.0, 3.0)], r"no light within 60 s: is the lamp on and the shutter open \(probes: 60 s: 3 electron\)"),
        ([Probe(0.1, SATURATED)], r"too much light within 0\.1 s: dim the lamp \(probes: 0\.1 s: saturated\)"),
        ([Probe(4.0, 3.0), Probe(2.0, SATURATED)], "does not rise with time"),
        ([Probe(4.0, 3.0), Probe(6.0, SATURATED)], "between 4 and 6 s the light goes from none to too much"),
        ([Probe(1.0, 3.0)] * MOST_PROBES, r"4 probes are the most \(probes: 1 s: 3 electron; "),
    ],
)
def test_where_no_time_tells_more_it_is_said_why_and_what_was_tried(probes, words):
    with pytest.raises(BuildError, match=words):
        aim(*probes)


def test_probes_that_have_no_level_are_left_out():
    assert aim(Probe(2.0, math.nan)) == 1.0
    assert aim(Probe(1.0, 3600.0), Probe(2.0, math.nan)) == pytest.approx(40_000.0 / 3600.0)


def test_probes_too_faint_or_near_the_ceiling_are_not_used():
    probes = [Probe(1.0, level) for level in (-3.0, 49.0, 50.0, 97_500.0, 98_000.0, SATURATED, math.nan)]
    assert [probe.level for probe in usable(probes, 130_000.0)] == [50.0, 97_500.0]


# -- what cannot be solved


def test_a_light_that_does_not_come_from_the_lamp_is_an_error_that_names_the_probes():
    with pytest.raises(BuildError, match=r"does not rise .*1 s: 500 electron; 8 s: 500 electron"):
        solve([Probe(1.0, 500.0), Probe(8.0, 500.0)], 40_000.0, **LIMITS)


def test_a_level_that_falls_is_an_error():
    with pytest.raises(BuildError, match="does not rise"):
        solve([Probe(1.0, 500.0), Probe(8.0, 400.0)], 40_000.0, **LIMITS)


@pytest.mark.parametrize("probes", [[], [Probe(1.0, 3600.0)], [Probe(1.0, 3600.0), Probe(9.0, 130_000.0)]])
def test_fewer_than_two_probes_of_use_are_an_error(probes):
    with pytest.raises(BuildError, match=r"[01] of [012] probes are between 50 and 97500 electron, and two must be"):
        solve(probes, 40_000.0, **LIMITS)


@pytest.mark.parametrize("target", [131_000.0, 0.0, -5.0, float("nan")])
def test_a_target_outside_of_the_detector_is_an_error(target):
    with pytest.raises(BuildError, match="is not between 0 and the ceiling"):
        solve([Probe(1.0, 3600.0), Probe(8.0, 28_800.0)], target, **LIMITS)


def test_a_time_that_the_camera_cannot_do_is_an_error():
    with pytest.raises(BuildError, match=r"would need 100 s, which is not between 0.1 and 60 s"):
        solve([Probe(1.0, 400.0), Probe(8.0, 3200.0)], 40_000.0, **LIMITS)
