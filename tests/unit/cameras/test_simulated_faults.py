"""Faults on command: what may be written of them, and when they strike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latcal.builtin.cameras.simulation.faults import Fault, idle, settled, struck
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.errors import RecipeError
from latcal.formats.located import compose
from latcal.formats.structure import structure


def written(fault: str) -> Fault:
    """Read one fault as a recipe has it."""
    return structure(compose(f"faults: [{fault}]", "f.yaml"), SimulatedOptions).faults[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{what: lamp drift, exposures: 2 to 5}", "'lamp drift' has no drift"),
        ("{what: light leak}", "'light leak' has no rate"),
        ("{what: late}", "'late' has no delay"),
        ("{what: lamp off, rate: 1 electron/s}", "'lamp off' has a rate, which says nothing of it"),
        ("{what: lamp off, exposures: two}", "'two' is not a count of exposures"),
        ("{what: reset}", "'reset' does not say in which exposures"),
        ("{what: lamp of}", "'lamp of'"),
        ("{what: light leak, rate: 1}", "1"),
        ("{exposures: 3}", "what"),
    ],
)
def test_what_says_nothing_is_refused(text: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        written(text)


def test_it_strikes_in_its_sequence_and_its_exposures_only() -> None:
    fault = written("{what: lamp off, sequence: flats, exposures: 3 to 5}")
    assert [n for n in range(1, 9) if fault.strikes("flats", n)] == [3, 4, 5]
    assert not any(fault.strikes("darks", n) for n in range(1, 9))


def test_one_without_sequence_or_exposures_strikes_everywhere() -> None:
    fault = written("{what: shutter stuck}")
    assert all(fault.strikes(name, n) for name in ("flats", "darks") for n in (1, 100))


def test_it_strikes_its_detectors_only() -> None:
    found = struck((written("{what: lamp off, detectors: [1]}"),), "flats", 1)
    assert found.on(1).lamp == 0.0
    assert found.on(0).lamp == 1.0


@given(st.integers(1, 50), st.integers(1, 50))
def test_a_drift_goes_from_nothing_to_all_of_it(first: int, more: int) -> None:
    fault = written(f"{{what: lamp drift, drift: 10 %, exposures: {first} to {first + more}}}")
    found = [struck((fault,), "flats", n).lamp for n in range(first, first + more + 1)]
    assert found[0] == 1.0
    assert found[-1] == pytest.approx(1.1)
    assert found == sorted(found)


@given(st.integers(1, 60))
def test_after_a_reset_it_settles_as_after_a_pause(position: int) -> None:
    fault = written("{what: reset, sequence: biases, exposures: 20}")
    assert settled((fault,), "biases", position, 0) == (position - 1 if position < 20 else position - 20)
    assert settled((fault,), "darks", position, 0) == position - 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{what: lamp off, sequence: flat}", "'flat' is not a sequence of the recipe"),
        ("{what: lamp off, sequence: flats, exposures: 4 to 9}", "flats has 8 exposures, not 9"),
        ("{what: lamp off, exposures: 99}", "no sequence has 99 exposures"),
        ("{what: lamp off, detectors: [7]}", "7 is not a detector"),
    ],
)
def test_a_fault_that_could_never_strike_is_said(text: str, found: str) -> None:
    assert [what for what, _ in idle(written(text), {"flats": 8, "darks": 3}, [0, 1])] == [found]


def test_a_fault_that_can_strike_is_not() -> None:
    text = "{what: lamp off, sequence: flats, exposures: 1 to 8, detectors: [0, 1]}"
    assert list(idle(written(text), {"flats": 8, "darks": 3}, [0, 1])) == []


@pytest.mark.parametrize("exposures", ["0", "7 to 3", "0 to 4"])
def test_exposures_are_counted_upwards_from_1(exposures: str) -> None:
    with pytest.raises(RecipeError, match="is not a count of exposures"):
        written(f"{{what: lamp off, exposures: {exposures}}}")


def test_it_is_written_out_as_one_reads_it() -> None:
    fault = written("{what: light leak, rate: 1 electron/s, sequence: darks, exposures: 3, detectors: [0]}")
    assert str(fault) == "light leak 1.0 electron / s, darks 3, detectors 0"
