from __future__ import annotations

import pytest

from latcal.errors import BuildError
from latcal.numerics.exposure import Probe, second_probe, solve

LIMITS = {"ceiling": 130_000.0, "shortest": 0.1, "longest": 60.0}


def aim(first, target=40_000.0, **changes):
    limits = {**LIMITS, **changes}
    return second_probe(first, limits["ceiling"], target, limits["shortest"], limits["longest"])


def test_two_probes_give_rate_and_shutter_delay():
    rate, delay = 3600.0, 0.35
    probes = [Probe(time, rate * (time + delay)) for time in (1.0, 8.0)]
    assert solve(probes, 40_000.0, **LIMITS) == pytest.approx(40_000.0 / rate - delay, rel=1e-12)


def test_the_second_probe_aims_at_a_target_below_half_of_the_ceiling():
    assert aim(Probe(1.0, 3600.0)) == pytest.approx(40_000.0 / 3600.0)


def test_the_second_probe_aims_at_half_of_the_ceiling_at_most():
    assert aim(Probe(1.0, 3600.0), target=120_000.0) == pytest.approx(65_000.0 / 3600.0)


def test_a_first_probe_on_target_is_doubled():
    assert aim(Probe(5.0, 30_000.0), target=30_000.0) == 10.0


def test_a_first_probe_on_target_that_cannot_be_doubled_is_halved():
    assert aim(Probe(5.0, 60_000.0), target=60_000.0) == 2.5
    assert aim(Probe(5.0, 1_000.0), target=1_000.0, longest=8.0) == 2.5


def test_a_bright_first_probe_is_followed_by_a_darker_one():
    assert aim(Probe(10.0, 130_000.0), target=120_000.0) == pytest.approx(5.0)


def test_no_time_apart_enough_is_an_error_with_the_bracket():
    with pytest.raises(BuildError, match="between 4 and 6 s"):
        aim(Probe(5.0, 30_000.0), shortest=4.0, longest=6.0)


def test_a_first_probe_without_light_is_an_error():
    with pytest.raises(BuildError, match="shows no light"):
        aim(Probe(5.0, -0.3))


def test_a_lamp_that_is_off_is_an_error_that_names_the_probes():
    with pytest.raises(BuildError, match=r"does not rise .*1 s: 0.5 electron; 8 s: 0.5 electron"):
        solve([Probe(1.0, 0.5), Probe(8.0, 0.5)], 40_000.0, **LIMITS)


def test_a_level_that_falls_is_an_error():
    with pytest.raises(BuildError, match="does not rise"):
        solve([Probe(1.0, 500.0), Probe(8.0, 400.0)], 40_000.0, **LIMITS)


@pytest.mark.parametrize("probes", [[], [Probe(1.0, 3600.0)], [Probe(1.0, 3600.0), Probe(9.0, 130_000.0)]])
def test_fewer_than_two_probes_below_the_ceiling_are_an_error(probes):
    with pytest.raises(BuildError, match="two probes of different time"):
        solve(probes, 40_000.0, **LIMITS)


@pytest.mark.parametrize("target", [131_000.0, 0.0, -5.0, float("nan")])
def test_a_target_outside_of_the_detector_is_an_error(target):
    with pytest.raises(BuildError, match="is not between 0 and the ceiling"):
        solve([Probe(1.0, 3600.0), Probe(8.0, 28_800.0)], target, **LIMITS)


def test_a_time_that_the_camera_cannot_do_is_an_error():
    with pytest.raises(BuildError, match=r"would need 100 s, which is not between 0.1 and 60 s"):
        solve([Probe(1.0, 400.0), Probe(8.0, 3200.0)], 40_000.0, **LIMITS)
