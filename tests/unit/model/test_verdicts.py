"""Counting what the rules found: by scope, strictly, and with nothing accepted by silence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import ArrayLike

from latcal.model.measurements import Measurements
from latcal.model.metrics import Measurement, Metric, Scope
from latcal.model.rules import CheckedRule, Rule, check
from latcal.model.verdicts import Acceptance, Verdict, judge
from latcal.plugin.wording import verdict_text

METRICS = {
    "noise": Metric("noise", "electron", Scope.AMPLIFIER, ""),
    "level": Metric("level", "electron", Scope.DETECTOR, ""),
    "ratio": Metric("ratio", "", Scope.EXPOSURE, ""),
    "rate": Metric("rate", "electron / s", Scope.PRODUCT, ""),
    "gain": Metric("gain", "electron / adu", Scope.PRODUCT_AMPLIFIER, ""),
}
GOOD, BAD = 1.0, 9.0


def rule(text: str, *, advisory: bool = False) -> CheckedRule:
    return check(Rule(text.split(" ", 1)[0], text, advisory), METRICS)


NOISE, LEVEL = rule("noise <= 5 electron"), rule("level <= 5 electron")
RATIO, RATE = rule("ratio <= 5"), rule("rate <= 5 electron / s")


def measured(
    values: Mapping[str, ArrayLike], *, exposures: int = 3, detectors: int = 1, amplifiers: tuple[int, ...] = ()
) -> Measurements:
    counts = amplifiers or (4,) * detectors
    return Measurements(
        exposures=tuple(range(101, 101 + exposures)),
        times_s=(1.0,) * exposures,
        detectors=tuple(f"S{number:02d}" for number in range(len(counts))),
        amplifiers=tuple(tuple(f"C{n:02d}" for n in range(count)) for count in counts),
        metrics=METRICS,
        values={name: np.asarray(array, dtype=np.float64) for name, array in values.items()},
    )


def amplifiers_failing(*failing: int, of: int = 4) -> Measurements:
    """Give one detector, of whose amplifiers so many fail in each exposure."""
    noise = [[[BAD] * bad + [GOOD] * (of - bad)] for bad in failing]
    return measured({"noise": noise}, exposures=len(failing), amplifiers=(of,))


def judged(rules: tuple[CheckedRule, ...], found: Measurements, **accept: int | str) -> Verdict:
    return judge("bias", rules, Acceptance(**accept), found)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("n", "needed"), [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (20, 11)]
)
def test_a_majority_is_more_than_half(n: int, needed: int) -> None:
    limits = Acceptance().limits(n, 16, n)
    assert (limits.detectors, limits.exposures) == (needed, needed)


@pytest.mark.parametrize(("failing", "accepted"), [(1, True), (2, False), (3, False)])
def test_two_failing_exposures_of_three_refuse(failing: int, accepted: bool) -> None:
    verdict = judged((NOISE,), amplifiers_failing(*[4] * failing, *[0] * (3 - failing)))
    assert verdict.accepted is accepted
    assert len(verdict.failed_exposures) == failing


@pytest.mark.parametrize(("failing", "accepted"), [(2, True), (3, False)])
def test_three_failing_exposures_of_four_or_of_five_refuse(failing: int, accepted: bool) -> None:
    for n in (4, 5):
        assert judged((NOISE,), amplifiers_failing(*[4] * failing, *[0] * (n - failing))).accepted is accepted


@pytest.mark.parametrize(("failing", "fails"), [(1, False), (2, True), (4, True)])
def test_an_exposure_fails_at_half_of_the_amplifiers_if_nothing_is_said(failing: int, fails: bool) -> None:
    assert bool(judged((NOISE,), amplifiers_failing(failing)).failed_exposures) is fails


def test_one_amplifier_is_enough_where_there_is_but_one() -> None:
    assert not judged((NOISE,), amplifiers_failing(1, of=1)).accepted


@pytest.mark.parametrize(("limit", "accepted"), [(3, False), (4, True)])
def test_a_written_count_of_amplifiers_is_the_count_at_which_it_fails(limit: int, accepted: bool) -> None:
    assert judged((NOISE,), amplifiers_failing(3), amplifiers=limit).accepted is accepted


def test_failures_of_different_rules_are_not_added_up() -> None:
    other = check(Rule("floor", "noise >= 0 electron"), METRICS)
    noise = [[[BAD, -BAD, GOOD, GOOD]]]  # one amplifier fails either rule; two would refuse
    assert judged((NOISE, other), measured({"noise": noise}, exposures=1)).accepted


def test_amplifiers_of_all_detectors_count_together() -> None:
    # 3 detectors: majority is 2, so 2 x 2 amplifiers of any detector
    noise = np.full((1, 3, 4), GOOD)
    noise[0, 0, :3] = BAD
    assert judged((NOISE,), measured({"noise": noise}, exposures=1, detectors=3)).accepted
    noise[0, 2, 0] = BAD
    assert not judged((NOISE,), measured({"noise": noise}, exposures=1, detectors=3)).accepted


@pytest.mark.parametrize(("failing", "accepted"), [(1, True), (2, False)])
def test_a_detector_rule_counts_detectors(failing: int, accepted: bool) -> None:
    level = [[BAD] * failing + [GOOD] * (3 - failing)]
    assert judged((LEVEL,), measured({"level": level}, exposures=1, detectors=3)).accepted is accepted


def test_any_exposure_rule_fails_its_exposure() -> None:
    verdict = judged((RATIO,), measured({"ratio": [BAD, GOOD, GOOD]}))
    assert verdict.failed_exposures == (101,)
    assert verdict.accepted
    assert not judged((RATIO,), measured({"ratio": [BAD, BAD, GOOD]})).accepted


def test_a_product_rule_refuses_at_once_and_fails_no_exposure() -> None:
    verdict = judged((RATE,), measured({"rate": [GOOD, BAD]}, detectors=2))
    assert not verdict.accepted
    assert verdict.failed_exposures == ()
    assert verdict.tallies[0].decisive
    assert verdict.findings[0].detector == "S01"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_fails_whatever_the_rule(value: float) -> None:
    for text in ("noise <= 5 electron", "noise >= -5 electron"):
        assert not judged((rule(text),), measured({"noise": np.full((1, 1, 4), value)}, exposures=1)).accepted


def test_what_was_never_measured_fails() -> None:
    verdict = judged((NOISE,), measured({}))
    assert not verdict.accepted
    assert verdict.tallies[0].failed == {101: 4, 102: 4, 103: 4}


def test_an_advisory_rule_is_reported_and_never_counted() -> None:
    advisory = rule("rate <= 5 electron / s", advisory=True)
    verdict = judged((NOISE, advisory), measured({"noise": np.full((3, 1, 4), GOOD), "rate": [BAD]}))
    assert verdict.accepted
    assert not verdict.tallies[1].decisive
    assert [finding.rule for finding in verdict.findings] == ["rate"]


def test_a_detector_with_fewer_amplifiers_has_none_that_fail_for_being_absent() -> None:
    noise = np.full((1, 2, 4), GOOD)
    noise[0, 1, 2:] = np.nan
    verdict = judged((NOISE,), measured({"noise": noise}, exposures=1, amplifiers=(4, 2)))
    assert verdict.accepted
    assert verdict.findings == ()
    assert verdict.tallies[0].places == 6


def test_of_detectors_with_different_amplifiers_the_smallest_says_what_half_is() -> None:
    verdict = judged((NOISE,), measured({"noise": np.full((1, 2, 4), GOOD)}, exposures=1, amplifiers=(4, 2)))
    assert (verdict.amplifiers, verdict.limits.amplifiers) == (2, 1)


def test_the_worst_failure_is_the_one_that_strains_the_rule_most() -> None:
    verdict = judged((NOISE,), measured({"noise": [[[6.0, 9.0, 7.0, 1.0]]]}, exposures=1))
    worst = verdict.tallies[0].worst
    assert worst is not None
    assert (worst.place, worst.exposure) == ("S00 C01", 101)
    assert worst.text == "9 e-, at most 5 e-"


def test_a_rule_that_holds_everywhere_tells_what_came_closest() -> None:
    tally = judged((NOISE,), measured({"noise": [[[1.0, 4.0, 2.0, 1.0]]]}, exposures=1)).tallies[0]
    assert tally.worst is None
    assert tally.closest == "4 e-, at most 5 e-"


def test_without_a_rule_nothing_is_judged() -> None:
    with pytest.raises(ValueError, match="no rule judges bias"):
        judged((), amplifiers_failing(0))


GAIN = rule("gain <= 5 electron / adu")


def whole(*gains: float, detectors: int = 1) -> Measurements:
    """Give the gain of every amplifier of a product."""
    rows = np.array(gains).reshape(detectors, -1)
    return measured({"gain": rows}, detectors=detectors, amplifiers=(rows.shape[1],) * detectors)


def test_a_product_is_refused_by_as_many_of_its_amplifiers_as_would_fail_an_exposure() -> None:
    two = Acceptance(amplifiers=2)
    assert judge("ptc", [GAIN], two, whole(BAD, GOOD, GOOD, GOOD)).accepted
    refused = judge("ptc", [GAIN], two, whole(BAD, GOOD, BAD, GOOD))
    assert not refused.accepted
    assert refused.failed_exposures == ()  # no exposure of it is to blame
    assert [(f.exposure, f.detector, f.amplifier) for f in refused.findings] == [(None, "S00", "C00"), (None, "S00", "C02")]
    assert refused.tallies[0].places == 4


def test_amplifiers_of_a_product_are_counted_over_its_detectors() -> None:
    majority = Acceptance(amplifiers=2)  # of 2 of 3 detectors: 4
    assert judge("ptc", [GAIN], majority, whole(*[BAD, BAD, GOOD, BAD] + [GOOD] * 8, detectors=3)).accepted
    assert not judge("ptc", [GAIN], majority, whole(*[BAD, BAD, BAD, BAD] + [GOOD] * 8, detectors=3)).accepted


def untested(*amplifiers: str, gain: float = BAD) -> Measurements:
    blank = measured({}, amplifiers=(4,))
    return blank.extended(
        Measurement("gain", gain, None, "S00", name, untested="the ladder ends below it" if name in amplifiers else "")
        for name in blank.amplifiers[0]
    )


def test_what_is_not_to_be_tested_fails_no_rule_and_is_counted_by_its_reason() -> None:
    verdict = judge("ptc", [GAIN], Acceptance(amplifiers=2), untested("C00", "C01", "C02"))
    assert verdict.accepted
    assert verdict.tallies[0].failed == {0: 1}
    assert verdict.tallies[0].untested == {"the ladder ends below it": 3}


def test_a_set_to_which_no_rule_could_be_applied_is_refused() -> None:
    verdict = judge("ptc", [GAIN], Acceptance(), untested("C00", "C01", "C02", "C03", gain=GOOD))
    assert not verdict.accepted
    assert verdict_text(verdict) == (
        "ptc refused: no rule that counts could be applied; "
        "GAIN not tested on 4 of 4 amplifiers: the ladder ends below it"
    )
