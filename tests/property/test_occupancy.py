"""What a collection has already: kept, free or in the way, and never changed by asking."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from latcal.builtin.stores.memory import MemoryOptions, MemoryStore
from latcal.engine.occupancy import occupancy
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.model.events import Kept
from latcal.model.frames import Setup
from latcal.model.steps import Certify, Plan
from latcal.model.validity import ValidityRange, instant
from latcal.plugin.registry import load_plugins
from latcal.testing import samples

TEXT = """\
latcal: 1
instrument: bench
camera: {use: simulated}
store: {use: memory}
sequences: {biases: {image: bias, exposures: 3 x 0 s}}
stages: [{make: bias, frames: [biases]}]
certify: {into: calib, begin: 2022-11-04, end: 2022-11-05, occupied: keep}
"""
DAYS = 6
days = st.integers(1, DAYS)
spans = st.tuples(st.none() | days, st.none() | days).filter(lambda p: None in p or p[0] < p[1])
entries = st.lists(st.tuples(st.sampled_from([0, 1]), spans, st.sampled_from(["", "", "Ana: a trial"])), max_size=6)


@pytest.fixture(scope="module")
def pair() -> Plan:
    """Give a plan for two detectors."""
    registry = load_plugins()
    planned = plan(read(TEXT, "bias.yaml", registry), registry)
    return evolve(planned, stages=(evolve(planned.stages[0], detectors=(0, 1)),))


def _range(span) -> ValidityRange:
    begin, end = (None if day is None else instant(f"2022-11-{day:02}") for day in span)
    return ValidityRange(begin, end)


def holding(written) -> MemoryStore:
    """Give a store in which all is certified that can be."""
    store = MemoryStore(MemoryOptions(), samples.world(Path()))
    for seed, (detector, span, unverified) in enumerate(written):
        if store.is_free("bias", detector, Setup(), "calib", _range(span)):
            ref = store.put(samples.product(detector=detector, seed=seed), f"run-{seed}")
            store.certify([ref], "calib", _range(span), unverified=unverified)
    return store


@given(written=entries, span=spans)
def test_keeping_never_changes_what_is_certified_and_keeps_only_what_holds_all_the_time(written, span, pair: Plan) -> None:
    store, valid = holding(written), _range(span)
    before = list(store.list())
    (step,) = [step for step in pair.steps if isinstance(step, Certify)]
    step = evolve(step, certificate=evolve(step.certificate, valid=valid))
    answer = occupancy(pair, step, Setup(), store)
    assert list(store.list()) == before
    whole = [one for one in before if one.valid.covers(valid) and not one.unverified]
    there = [one for one in before if one.valid.overlaps(valid)]
    if isinstance(answer, Kept):
        assert list(answer.refs) == [one.ref for one in whole]
    assert isinstance(answer, Kept) == (len(whole) == 2)
    assert (answer == ()) == (there == [])
    if answer == ():
        store.certify([store.put(samples.product(detector=d), "run") for d in (0, 1)], "calib", valid)
    elif not isinstance(answer, Kept):
        assert all(problem.what.startswith("calib: ") and "certify.into=calib.2" in problem.hint for problem in answer)


@given(written=entries, span=spans)
def test_what_is_not_to_be_kept_is_refused_just_where_it_is_not_free(written, span, pair: Plan) -> None:
    store, valid = holding(written), _range(span)
    (step,) = [step for step in pair.steps if isinstance(step, Certify)]
    refusing = evolve(step, certificate=evolve(step.certificate, valid=valid, occupied="refuse"))
    keeping = evolve(step, certificate=evolve(step.certificate, valid=valid))
    problems = occupancy(pair, refusing, Setup(), store)
    taken = {one.ref.detector for one in store.list() if one.valid.overlaps(valid)}
    assert len(problems) == len(taken)
    # the hint names `keep` just where it would do
    would = isinstance(occupancy(pair, keeping, Setup(), store), Kept)
    assert all(("certify.occupied=keep" in problem.hint) == would for problem in problems)
