"""Verdicts do not depend on order, and more failures never make one better."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from latcal.model.measurements import Measurements
from latcal.model.metrics import Metric, Scope
from latcal.model.rules import Rule, check
from latcal.model.verdicts import Acceptance, Verdict, judge
from latcal.testing import strategies

METRICS = {
    "noise": Metric("noise", "electron", Scope.AMPLIFIER, ""),
    "level": Metric("level", "electron", Scope.DETECTOR, ""),
    "ratio": Metric("ratio", "", Scope.EXPOSURE, ""),
    "rate": Metric("rate", "electron / s", Scope.PRODUCT, ""),
}
RULES = tuple(
    check(Rule(text.split(" ", 1)[0], text), METRICS)
    for text in ("noise <= 5 electron", "level <= 5 electron", "ratio <= 5", "rate <= 5 electron / s")
)
VALUES = (1.0, 9.0, float("nan"))


@st.composite
def measurements(draw: st.DrawFn) -> Measurements:
    exposures, detectors, amplifiers = draw(st.tuples(st.integers(1, 6), st.integers(1, 4), st.integers(1, 5)))
    shapes = {
        "noise": (exposures, detectors, amplifiers),
        "level": (exposures, detectors),
        "ratio": (exposures,),
        "rate": (detectors,),
    }

    def array(shape: tuple[int, ...]) -> NDArray[np.float64]:
        size = int(np.prod(shape))
        return np.array(draw(st.lists(st.sampled_from(VALUES), min_size=size, max_size=size))).reshape(shape)

    names = tuple(f"C{n:02d}" for n in range(amplifiers))
    return Measurements(
        tuple(range(1, exposures + 1)),
        (1.0,) * exposures,
        tuple(f"S{n:02d}" for n in range(detectors)),
        (names,) * detectors,
        METRICS,
        {name: array(shape) for name, shape in shapes.items() if draw(st.booleans())},
    )


def judged(found: Measurements, acceptance: Acceptance) -> Verdict:
    return judge("bias", [rule for rule in RULES if rule.rule.name in found.values], acceptance, found)


def some_rule(found: Measurements) -> bool:
    return bool(found.values)


@settings(deadline=None)
@given(measurements().filter(some_rule), strategies.acceptances(), st.randoms(use_true_random=False))
def test_the_order_of_exposures_detectors_amplifiers_and_rules_does_not_matter(
    found: Measurements, acceptance: Acceptance, random: object
) -> None:
    generator = np.random.default_rng(random.randrange(2**32))  # type: ignore[attr-defined]
    e, d, a = (generator.permutation(found.shape(Scope.AMPLIFIER)[axis]) for axis in range(3))
    turned = {
        "noise": lambda array: array[np.ix_(e, d, a)],
        "level": lambda array: array[np.ix_(e, d)],
        "ratio": lambda array: array[e],
        "rate": lambda array: array[d],
    }
    other = Measurements(
        tuple(found.exposures[i] for i in e),
        found.times_s,
        tuple(found.detectors[i] for i in d),
        tuple(tuple(found.amplifiers[i][j] for j in a) for i in d),
        METRICS,
        {name: turned[name](array) for name, array in reversed(found.values.items())},
    )
    one, two = judged(found, acceptance), judged(other, acceptance)
    assert one.accepted == two.accepted
    assert set(one.failed_exposures) == set(two.failed_exposures)
    key = {tally.rule: tally for tally in two.tallies}
    assert all(tally.failed == key[tally.rule].failed for tally in one.tallies)
    places = [{(f.rule, f.exposure, f.place) for f in verdict.findings} for verdict in (one, two)]
    assert places[0] == places[1]


@settings(deadline=None)
@given(measurements().filter(some_rule), strategies.acceptances(), st.data())
def test_one_more_failure_never_turns_a_refusal_into_an_acceptance(
    found: Measurements, acceptance: Acceptance, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(sorted(found.values)))
    worse = found.values[name].copy()
    worse.flat[data.draw(st.integers(0, worse.size - 1))] = 9.0
    values = {**found.values, name: worse}
    other = Measurements(found.exposures, found.times_s, found.detectors, found.amplifiers, METRICS, values)
    before, after = judged(found, acceptance), judged(other, acceptance)
    assert before.accepted or not after.accepted
    assert set(before.failed_exposures) <= set(after.failed_exposures)


@settings(deadline=None)
@given(measurements().filter(some_rule), strategies.acceptances(), st.sampled_from(["amplifiers", "detectors", "exposures"]))
def test_a_larger_count_never_refuses_what_a_smaller_one_accepts(
    found: Measurements, acceptance: Acceptance, key: str
) -> None:
    limits = acceptance.limits(len(found.detectors), len(found.amplifiers[0]), len(found.exposures))
    counts = {"amplifiers": limits.amplifiers, "detectors": limits.detectors, "exposures": limits.exposures}
    strict = Acceptance(**counts)  # type: ignore[arg-type]
    loose = Acceptance(**{**counts, key: counts[key] + 1})  # type: ignore[arg-type]
    assert judged(found, strict).accepted == judged(found, acceptance).accepted
    assert judged(found, loose).accepted or not judged(found, strict).accepted


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 4), st.integers(1, 9), st.data())
def test_it_fails_exactly_at_the_count(exposures: int, detectors: int, amplifiers: int, data: st.DataObject) -> None:
    acceptance = data.draw(strategies.acceptances())
    limits = acceptance.limits(detectors, amplifiers, exposures)
    bad_exposures = data.draw(st.integers(0, exposures))
    bad_places = data.draw(st.integers(0, detectors * amplifiers))
    noise = np.full((exposures, detectors * amplifiers), 1.0)
    noise[:bad_exposures, :bad_places] = 9.0
    names = tuple(f"C{n:02d}" for n in range(amplifiers))
    found = Measurements(
        tuple(range(1, exposures + 1)), (1.0,) * exposures, tuple(f"S{n:02d}" for n in range(detectors)),
        (names,) * detectors, METRICS, {"noise": noise.reshape(exposures, detectors, amplifiers)},
    )  # fmt: skip
    failing = bad_exposures if bad_places >= limits.amplifiers * limits.detectors else 0
    verdict = judged(found, acceptance)
    assert len(verdict.failed_exposures) == failing
    assert verdict.accepted == (failing < limits.exposures)


@pytest.mark.parametrize("n", range(1, 50))
def test_a_majority_and_its_complement_are_never_both_one(n: int) -> None:
    majority = Acceptance().limits(n, 1, n).exposures
    assert majority > n - majority
    assert 2 * (majority - 1) <= n
