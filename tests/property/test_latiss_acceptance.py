"""The counting of the LATISS page: against its rule written down again, and what must hold of it whatever fails."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from golden import latiss_verdicts as page
from hypothesis import given
from hypothesis import strategies as st

from latcal.builtin.procedures.latiss.acceptance import exposures_at_which_it_fails
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.model.verdicts import Acceptance
from latcal.plugin.registry import Registry

TESTS = ("noise", "mean", "cr_noise")
RAFT = ("R22_S00", "R22_S01", "R22_S02", "R22_S10", "R22_S11")
Places = frozenset[tuple[int, str, str, str]]
"""Exposure, detector, amplifier and test of every failure."""


@st.composite
def nights(draw: st.DrawFn) -> tuple[int, tuple[str, ...], int, Places]:
    """Give a number of exposures, detectors, the threshold, and what failed."""
    exposures = draw(st.integers(1, 7))
    detectors = RAFT[: draw(st.sampled_from([1, 2, 3, 5]))]
    threshold = draw(st.integers(1, 16))
    chosen = random.Random(draw(st.integers(0, 10**6)))
    share = {exposure: chosen.choice([0.0, 0.3, 0.5, 0.7, 1.0]) for exposure in range(1, exposures + 1)}
    places = frozenset(
        (exposure, detector, amplifier, test)
        for exposure in share
        for detector in detectors
        for amplifier in page.AMPLIFIERS
        for test in TESTS
        if chosen.random() < share[exposure] / (1 if test == "noise" else 3)
    )
    return exposures, detectors, threshold, places


def refused(exposures: int, detectors: tuple[str, ...], threshold: int, places: Places) -> bool:
    """Judge as the engine does, with the counts that the procedure writes."""
    failures = [page.on(test, exposure, amplifier, detector=detector) for exposure, detector, amplifier, test in places]
    accept = Acceptance(threshold, "majority", exposures_at_which_it_fails(exposures))
    return not page.judged("bias", range(1, exposures + 1), failures, accept, detectors=detectors).accepted


def refused_by_the_page(exposures: int, detectors: tuple[str, ...], threshold: int, places: Places) -> bool:
    """Count as verification.md 5.2 says that the script does."""
    of_exposures = (exposures + 1) // 2 + 1  # what it counts has an entry beside the exposures
    of_tests = threshold * (len(detectors) // 2 + 1)
    counts = Counter((exposure, test) for exposure, _, _, test in places)
    failed = {exposure for (exposure, _), count in counts.items() if count >= of_tests}
    return len(failed) >= of_exposures


@given(nights())
def test_a_set_is_refused_where_the_page_s_script_refuses_it(night: tuple[int, tuple[str, ...], int, Places]) -> None:
    exposures = night[0]
    if exposures == 1:  # the script cannot refuse a single exposure; latcal does, where it failed
        assert not refused_by_the_page(*night)
        return
    assert refused(*night) is refused_by_the_page(*night)


@given(nights(), st.data())
def test_one_more_failure_never_turns_a_refusal_into_an_acceptance(
    night: tuple[int, tuple[str, ...], int, Places], data: st.DataObject
) -> None:
    exposures, detectors, threshold, places = night
    one = (
        data.draw(st.integers(1, exposures)),
        data.draw(st.sampled_from(detectors)),
        data.draw(st.sampled_from(page.AMPLIFIERS)),
        data.draw(st.sampled_from(TESTS)),
    )
    assert refused(exposures, detectors, threshold, places | {one}) >= refused(*night)


@given(nights(), st.randoms(use_true_random=False))
def test_the_order_of_exposures_detectors_and_failures_changes_nothing(
    night: tuple[int, tuple[str, ...], int, Places], order: random.Random
) -> None:
    exposures, detectors, threshold, places = night
    numbers = list(range(1, exposures + 1))
    order.shuffle(numbers)
    others = list(detectors)
    order.shuffle(others)
    moved = frozenset((numbers[e - 1], others[detectors.index(d)], a, t) for e, d, a, t in places)
    assert refused(exposures, detectors, threshold, moved) is refused(*night)


@pytest.mark.parametrize("threshold", [1, 8, 16])
@pytest.mark.parametrize("detectors", [RAFT[:1], RAFT[:2], RAFT])
@pytest.mark.parametrize("exposures", [2, 3, 5, 20])
def test_one_amplifier_detector_or_exposure_less_than_the_limit_is_accepted(
    exposures: int, detectors: tuple[str, ...], threshold: int
) -> None:
    of_exposures, of_detectors = exposures_at_which_it_fails(exposures), len(detectors) // 2 + 1

    def failing(amplifiers: int, on: int, of: int) -> Places:
        return frozenset(
            (exposure, detector, amplifier, "noise")
            for exposure in range(1, of + 1)
            for detector in detectors[:on]
            for amplifier in page.AMPLIFIERS[:amplifiers]
        )

    at = (threshold, of_detectors, of_exposures)
    assert refused(exposures, detectors, threshold, failing(*at))
    for less in range(3):
        counts = [count - (place == less) for place, count in enumerate(at)]
        assert not refused(exposures, detectors, threshold, failing(*counts))


@pytest.mark.parametrize(
    ("exposures", "count"),
    [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (10, 6), (15, 9), (20, 11), (22, 12)],
)
def test_the_counts_are_those_of_the_page(exposures: int, count: int) -> None:
    """verification.md 5.2; of a single exposure the script's 2 could never be reached."""
    assert exposures_at_which_it_fails(exposures) == count


@given(st.integers(1, 1000))
def test_the_count_can_be_reached_and_is_at_least_a_majority(exposures: int) -> None:
    assert exposures // 2 + 1 <= exposures_at_which_it_fails(exposures) <= exposures
    assert exposures_at_which_it_fails(exposures) - (exposures // 2 + 1) == (exposures % 2 if exposures > 1 else 0)


@pytest.mark.parametrize(("number", "count"), [(3, 3), (20, 11)])
def test_the_counts_are_written_into_the_recipe(number: int, count: int, registry: Registry) -> None:
    text = f"latcal: 1\nprocedure: latiss\nconfig: {{script_mode: BIAS, n_bias: {number}}}\n"
    (stage,) = plan(read(text, "night.yaml", registry), registry).stages
    assert stage.acceptance == Acceptance(8, "majority", count)
    strict = read(text.replace("}", ", majority: strict}"), "night.yaml", registry)
    assert strict.stages[0].accept == Acceptance(8, "majority", "majority")
