from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from astropy.time import Time
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from latcal.formats import records
from latcal.formats.columns import ecsv_table, table_ecsv
from latcal.formats.journal import from_json, to_json
from latcal.formats.products import digest, read_product, write_product
from latcal.formats.raw import exposure_of, headers, write_raw
from latcal.model.events import Exposed, Noted, Solved
from latcal.model.frames import Setup
from latcal.model.products import Column
from latcal.testing import samples

words = st.text(st.characters(exclude_categories=("Cs",)), max_size=80)
labels = words | st.sampled_from(["program", "reason", "note"])
names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
numbers = st.floats(allow_nan=False)
times = st.builds(
    lambda day, part: Time(day, part, format="jd", scale="tai"),
    st.integers(2400000, 2500000).map(float),
    st.floats(-0.5, 0.5, exclude_max=True),
)
setups = st.builds(Setup, st.none() | words, st.none() | words, words, words)
planes = st.dictionaries(
    names,
    st.sampled_from(["float32", "float64", "uint8", "uint16", "int32", "bool"]).flatmap(
        lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=2, max_dims=2, max_side=4))
    ),
    max_size=3,
)
integers = st.integers(-(2**63), 2**63 - 1)
vectors = st.integers(1, 3).flatmap(
    lambda size: st.sampled_from([numbers, st.booleans(), integers]).flatmap(
        lambda kind: st.lists(st.tuples(*[kind] * size), min_size=2, max_size=2)
    )
)
columns = st.one_of(*(st.lists(kind, min_size=2, max_size=2) for kind in (numbers, words, st.booleans(), integers)), vectors)
tables = st.dictionaries(
    names, st.dictionaries(names, st.builds(lambda values, unit: Column(tuple(values), unit), columns, st.sampled_from(["", "s"])), min_size=1),
    max_size=2,
)
few = settings(max_examples=25, deadline=None)  # files are written; how long that takes is the disk's affair


@given(times)
def test_an_instant_read_from_its_text_is_the_same_to_the_last_bit(time):
    back = records.read_time(records.time_text(time))
    assert (back.jd1, back.jd2) == (time.jd1, time.jd2)


@given(setups, st.floats(), words)
def test_events_read_from_their_lines_are_the_same(setup, number, word):
    for event in (Exposed(1, 2, number, setup), Noted(word), Solved(word, word, number, ((number, number),))):
        assert repr(from_json(to_json(event))) == repr(event)


@few
@given(planes, tables, setups, words, st.dictionaries(words, words, max_size=2))
def test_a_product_read_from_its_file_is_the_same(planes, tables, setup, unit, pins):
    product = evolve(samples.product(setup=setup), planes=planes, tables=tables, unit=unit, pins=pins)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "product.fits"
        write_product(product, path)
        back = read_product(path)
    assert list(back.planes) == list(planes)
    for name, plane in planes.items():
        assert back.planes[name].dtype == plane.dtype
        np.testing.assert_array_equal(back.planes[name], plane)
    assert back.tables == tables
    assert (back.setup, back.unit, back.pins, back.provenance) == (setup, unit, pins, product.provenance)
    assert digest(back) == digest(product)


@few
@given(st.dictionaries(names, st.builds(lambda values, unit: Column(tuple(values), unit), columns, st.sampled_from(["", "adu2", "1 / electron"])), min_size=1))
def test_a_table_read_from_its_text_is_the_same(table):
    back = ecsv_table(table_ecsv(table))
    assert back == table
    assert repr(back) == repr(table)  # -0.0 is not 0.0, and 1 is neither 1.0 nor true


@few
@given(setups, st.integers(0, 10**8), st.dictionaries(labels, words, max_size=3), words, words, st.booleans())
def test_the_facts_of_an_exposure_read_from_its_file_are_the_same(setup, milliseconds, labels, sequence, image, discarded):
    time_s = milliseconds / 1000  # a card has room for 16 digits, so more exotic times are rounded in the last one
    exposure = evolve(samples.exposure(1, setup=setup), image=image, sequence=sequence, discarded=discarded)
    facts = evolve(exposure, time_s=time_s, labels=labels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "raw.fits"
        write_raw(samples.frame(of=facts), path, compress=False)
        assert exposure_of(headers(path)[0]) == facts
