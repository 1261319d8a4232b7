from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from latcal.builtin.stores.folder import FolderOptions, FolderStore
from latcal.builtin.stores.memory import MemoryOptions, MemoryStore
from latcal.errors import ProductNotFound, ValidityOverlap
from latcal.model.frames import Setup
from latcal.model.validity import ValidityRange, instant
from latcal.testing import samples

DAYS = 9
days = st.integers(1, DAYS)
spans = st.tuples(st.none() | days, st.none() | days).filter(lambda p: None in p or p[0] < p[1])
entries = st.lists(st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([None, "r", "g"]), spans), max_size=8)
some = settings(max_examples=15, deadline=None)  # each makes a store on the disk


def at(day: int | None):
    return None if day is None else instant(f"2022-11-{day:02}")


def day_in(day: int, span) -> bool:
    return (span[0] is None or span[0] <= day) and (span[1] is None or day < span[1])


def entered(store, written):
    """Certify one after another what can be; give what was, and what the laws say should have been."""
    took, should = [], []
    for seed, (collection, name, span) in enumerate(written):
        setup = Setup(filter=name)
        mine = [entry for entry in should if entry[:2] == (collection, name)]
        if not any(day_in(day, span) and day_in(day, entry[2]) for entry in mine for day in range(DAYS + 2)):
            should.append((collection, name, span, seed))
        ref = store.put(samples.product("flat", setup=setup, seed=seed), "run-1")
        valid = ValidityRange(at(span[0]), at(span[1]))
        free = store.is_free("flat", 0, setup, collection, valid)
        try:
            store.certify([ref], collection, valid)
        except ValidityOverlap:
            assert not free
        else:
            assert free
            took.append((collection, name, span, seed, ref.id))
    assert [entry[:4] for entry in took] == should
    return took


def found(store, name, day, order):
    try:
        return store.find("flat", 0, Setup(filter=name), at(day), order).id
    except ProductNotFound:
        return None


def check(store, written):
    took = entered(store, written)
    for order in (["a", "b"], ["b", "a"], ["b"], []):
        for name in (None, "r", "g"):
            for day in range(1, DAYS + 1):
                valid = {c: i for c, n, span, _, i in took if n == name and day_in(day, span)}
                expected = next((valid[collection] for collection in order if collection in valid), None)
                assert found(store, name, day, order) == expected
    return [(one.collection, str(one.ref.setup), one.ref.id, one.valid) for one in store.list()]


@some
@given(entries)
def test_what_is_certified_is_found_just_where_it_is_valid_and_stores_agree(written):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = samples.world(folder)
        stores = [FolderStore(FolderOptions(root=folder / "store"), world), MemoryStore(MemoryOptions(), world)]
        first, second = (check(store, written) for store in stores)
    assert first == second
