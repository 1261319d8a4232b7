"""The search for the times of levels always ends, never aims too bright, and finds what can be found."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from latcal.errors import BuildError
from latcal.model.exposures import Ladder, Level, parse
from latcal.numerics.allowed import MOST_PROBES
from latcal.numerics.exposure import (
    LATE_S,
    SAFE_FRACTION,
    Probe,
    Range,
    first_probe,
    next_probe,
    solve,
    usable,
)

CEILING = 100_000.0
RATES = st.floats(1.5, 5.0).map(lambda power: 10.0**power)
"""Light [electron / s], from what needs minutes to what fills a pixel in a second."""
DELAYS = st.floats(-0.02, 0.5)
"""How much longer than asked light falls in [s]: a shutter that is read out while it is lit, or opens late."""
TARGETS = st.tuples(st.floats(200.0, 90_000.0), st.floats(200.0, 90_000.0)).map(sorted)
SEEDS = st.integers(0, 2**32 - 1)


class Lamp:
    """A light, its shutter, and a detector that ends at the ceiling.

    Parameters
    ----------
    scatter : float
        Rms of the light from exposure to exposure, as a part of it.
    floor : float [electron]
        Rms of the zero of a level: what the overscan leaves.
    """

    def __init__(self, rate: float, delay: float = 0.0, scatter: float = 0.0, floor: float = 0.0, seed: int = 0) -> None:
        self.rate, self.delay, self.scatter, self.floor = rate, delay, scatter, floor
        self.random = np.random.default_rng(seed)

    def level(self, time_s: float) -> float:
        """Give what a probe shows [electron]."""
        light = max(time_s + self.delay, 0.0) * self.rate * (1.0 + self.scatter * self.random.standard_normal())
        level = light + self.floor * self.random.standard_normal()
        return math.inf if level >= CEILING else level


def searched(lamp: Lamp, within: Range, light: float | None = None) -> list[Probe]:
    """Take probes until they are enough; raise as the search does."""
    times, probes = [first_probe(light, within)], []
    while times[-1] is not None:
        probes.append(Probe(times[-1], lamp.level(times[-1])))
        assert len(probes) <= MOST_PROBES
        assert within.shortest <= times[-1] <= within.longest
        times.append(next_probe(probes, within, light))
    return probes


def times(lamp: Lamp, within: Range, targets: list[float], light: float | None = None) -> list[float]:
    probes = searched(lamp, within, light)
    limits = {"ceiling": CEILING, "shortest": within.shortest, "longest": within.longest}
    return [solve(probes, target, **limits) for target in targets]


def outcome(lamp: Lamp, within: Range, targets: list[float], light: float | None) -> tuple[list[float], str]:
    """Give the times, or why there are none."""
    try:
        return times(lamp, within, targets, light), ""
    except BuildError as error:
        return [], str(error)


def between(targets: list[float], shortest: float = 0.0, longest: float = 3600.0) -> Range:
    return Range(min(targets), max(targets), CEILING, shortest, longest)


@given(RATES, DELAYS, TARGETS, st.booleans())
def test_a_steady_lamp_gives_the_very_times_of_rate_and_delay(
    rate: float, delay: float, targets: list[float], known: bool
) -> None:
    assume(all(target / rate > delay for target in targets))  # what falls in by itself is no longer asked for
    found = times(Lamp(rate, delay), between(targets), targets, rate if known else None)
    for target, time_s in zip(targets, found, strict=True):
        assert math.isclose(rate * (time_s + delay), target, rel_tol=1e-6)


@given(RATES, TARGETS, st.floats(0.0, 0.003), SEEDS)
def test_a_lamp_that_flickers_gives_levels_within_what_it_flickers_by(
    rate: float, targets: list[float], scatter: float, seed: int
) -> None:
    lamp = Lamp(rate, 0.0, scatter, 0.2, seed)
    probes = usable(searched(lamp, between(targets), rate), CEILING)
    # the error of a line through two points, at 5 sigma: each of them is off by its own part and by the zero of a level
    (low, high) = sorted(probes[:2], key=lambda probe: probe.time_s)
    lever = high.time_s - low.time_s
    for target in targets:
        time_s = target / rate
        errors = [scatter * probe.level + 0.2 for probe in (low, high)]
        parts = [(high.time_s - time_s) / lever, (time_s - low.time_s) / lever]
        allowed = 5.0 * math.hypot(*(part * error for part, error in zip(parts, errors, strict=True)))
        try:
            found = solve(probes, target, ceiling=CEILING, shortest=0.0, longest=1e9)
        except BuildError:
            assert allowed > 0.5 * target  # too far below the probes for such a lamp
        else:
            assert abs(rate * found - target) <= allowed + 1e-6 * target


@given(RATES, DELAYS, TARGETS, st.floats(0.0, 0.2), st.floats(0.1, 10.0), st.floats(1e-3, 1.0), st.floats(2.0, 600.0), SEEDS)
def test_whatever_light_there_is_the_search_ends_and_says_why_if_it_finds_nothing(
    rate: float, delay: float, targets: list[float], scatter: float, wrong: float, shortest: float, longest: float, seed: int
) -> None:
    within = between(targets, shortest, longest)
    found, said = outcome(Lamp(rate, delay, scatter, 5.0, seed), within, targets, rate * wrong)
    assert all(shortest <= time_s <= longest for time_s in found)
    assert bool(found) != bool(said)
    assert not said or ("probes: " in said and " s: " in said), "the bracket that was tried is named"


@given(TARGETS, st.floats(0.0, 9.0), SEEDS, st.none() | RATES)
def test_a_dark_lamp_is_said_to_be_dark(targets: list[float], noise: float, seed: int, light: float | None) -> None:
    found, said = outcome(Lamp(0.0, 0.0, 0.0, noise, seed), between(targets, longest=60.0), targets, light)
    assert not found
    assert "no light within" in said or "probes are the most" in said


@given(st.floats(1.0, 6.0).map(lambda power: 10.0**power), st.floats(-LATE_S, 0.5), TARGETS, st.none() | st.floats(0.2, 1.0))
def test_no_probe_after_one_that_showed_something_is_above_half_of_full_well(
    rate: float, delay: float, targets: list[float], part: float | None
) -> None:
    """Nor is the first one, if the lamp is no brighter than the camera says and the shutter closes in time."""
    light = None if part is None else rate / part
    try:
        probes = searched(Lamp(rate, delay), between(targets, 1e-4), light)
    except BuildError:
        assume(False)
    seen = next(number for number, probe in enumerate(probes) if probe in usable(probes, CEILING))
    # what falls in before the shutter closes is in every probe: below one that is above half there may be none
    assume(delay <= 0.0 or probes[seen].level <= SAFE_FRACTION * CEILING)
    # and of light that came in for less than half of a probe's time nobody can tell how bright it is
    assume(-delay <= probes[seen].time_s / 2)
    known = light is not None and delay <= 0.0
    for probe in probes[0 if known else seen + 1 :]:
        assert probe.level <= SAFE_FRACTION * CEILING * (1.0 + 1e-6)


@given(st.integers(1, 50), st.integers(2, 40), st.floats(1.0, 900.0), st.floats(0.01, 99.0))
def test_a_ladder_prints_and_reads_back_and_is_even_in_the_logarithm(count: int, steps: int, low: float, high: float) -> None:
    ladder = Ladder(count, steps, Level(low, "electron"), Level(high, "% of full well"))
    exposures = parse(str(ladder))
    assert exposures.groups == (ladder,)
    assert len(exposures) == count * steps == len(list(exposures))
    found = [level.electrons(1.5, CEILING) for level in exposures.levels]
    assert found[0] == low
    assert math.isclose(found[-1], high / 100 * CEILING, rel_tol=1e-12)
    ratios = np.diff(np.log(found))
    assert np.allclose(ratios, ratios[0], rtol=1e-6, atol=1e-9)
