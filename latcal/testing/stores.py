"""What every store must do: inherit `StoreSuite`, say how to open yours, and its tests are yours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from attrs import evolve

from latcal.formats.products import reference
from latcal.formats.raw import write_raw
from latcal.plugin import Column, Product, ProductNotFound, Setup, Store, StoreError, ValidityRange
from latcal.plugin.lookup import run_collection
from latcal.testing import samples
from latcal.testing.certificates import NIGHT, NOON, CertificateBehaviour
from latcal.testing.rivals import RivalBehaviour
from latcal.testing.same import assert_same_product

PRODUCTS: dict[str, Callable[[Product], Product]] = {
    "no plane": lambda one: evolve(one, planes={}, unit=""),
    "no table": lambda one: evolve(one, tables={}),
    "neither": lambda one: evolve(one, planes={}, tables={}, unit=""),
    "a table without rows": lambda one: evolve(one, tables={"pairs": {"name": Column(()), "gain": Column((), "electron / adu")}}),
    "nothing but NaN": lambda one: evolve(one, planes={"image": np.full((8, 8), np.nan, np.float32)}),
    "numbers that are none": lambda one: evolve(
        one, tables={"fit": {"slope": Column((np.nan, np.inf, -np.inf, -0.0), "electron / s")}}
    ),
    "cells of several values": lambda one: evolve(
        one, tables={"ptc": {"means": Column(((1.5, np.nan), (-0.0, 2.0)), "adu"), "kept": Column(((True,), (False,)))}}
    ),
    "columns of every type": lambda one: evolve(
        one,
        tables={"all": {"b": Column((True, False)), "i": Column((-1, 2**40)), "f": Column((0.1, 1e300)), "t": Column(("", "é\n"))}},
    ),
    "planes of other shapes": lambda one: evolve(
        one, planes={"rate": np.arange(6.0).reshape(2, 3), "lags": np.arange(24, dtype=np.int32).reshape(2, 3, 4)}
    ),
    "of an exposure, pinned": lambda one: evolve(one, exposure=2022110400001, pins={"bias": "0" * 32}),
    "of odd words": lambda one: evolve(
        one, setup=Setup("r'+ ~/..", "é", "2x2", "a b"), provenance=evolve(one.provenance, recipe_text="# é\n\x00")
    ),
}
"""Products that a store must give back as they were, by what is odd about them."""


class StoreSuite(CertificateBehaviour, RivalBehaviour):
    """The behaviours of a store.

    A subclass named ``Test...`` says with `open` how to open it below a folder. The suite opens the same folder twice,
    from threads and from other processes, and expects one store; of a store that cannot be shared say
    ``shared = False``, and why.

    `fill_up` is optional: give a context in which nothing can be written, as if the disk were full, and the suite sees
    that what fails is a `StoreError` and leaves nothing behind.

    Examples
    --------
    >>> class TestCupboard(StoreSuite):
    ...     def open(self, tmp_path):
    ...         return Cupboard(CupboardOptions(shelf=tmp_path / "shelf"), samples.world(tmp_path))
    """

    def open(self, tmp_path: Path) -> Store:
        """Open an empty store under a folder; or the same again, if the folder has one."""
        raise NotImplementedError

    def fill_up(self) -> AbstractContextManager[object] | None:
        """Give a context in which the store finds no room to write; None if you cannot bring that about."""
        return None

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """Give an open, empty store."""
        with self.open(tmp_path) as store:
            yield store

    # -- opening, closing, room ----------------------------------------------------------------------------------

    def test_opening_and_asking_write_nothing(self, tmp_path: Path) -> None:
        """`latcal plan --preflight` leaves no byte changed."""
        with self.open(tmp_path) as store:
            assert not list(store.list())
            assert store.is_free("bias", 0, Setup(), "calib", NIGHT)
            with pytest.raises(ProductNotFound, match="no bias for detector 0"):
                store.find("bias", 0, Setup(), NOON, ["calib"])
            with pytest.raises(StoreError, match="no raw frame"):
                store.frames([1], 0)
            with pytest.raises(StoreError, match=r"night\.jsonl"):
                store.read_report("run-1", "night.jsonl")
            with pytest.raises(ProductNotFound, match="no gain for detector 0"):
                store.of_exposure("gain", 0, 2022110400001)
            with pytest.raises(StoreError, match="bias of detector 0"):
                store.attached(reference(samples.product(), "run-1"), "plot.png")
            store.free_bytes()
        assert list(tmp_path.rglob("*")) == []

    def test_room_is_a_number_of_bytes_or_without_limit(self, store: Store) -> None:
        """None says that there is none."""
        room = store.free_bytes()
        assert room is None or (isinstance(room, int) and room >= 0)

    def test_it_may_be_closed_twice_and_after_an_error_which_it_does_not_swallow(self, tmp_path: Path) -> None:
        """Whatever ended the run is seen."""
        with pytest.raises(ZeroDivisionError, match="theirs"), self.open(tmp_path) as store:
            _fail_after(self.certified(store))
        store.__exit__(None, None, None)
        if self.shared:
            with self.open(tmp_path) as again:
                assert len(list(again.list())) == 1

    def test_a_full_disk_is_a_store_error_and_leaves_nothing(self, store: Store) -> None:
        """And once there is room, it goes on."""
        full, ref = self.fill_up(), store.put(samples.product("dark"), "run-1")
        if full is None:
            pytest.skip("fill_up gives nothing")
        writing: list[Callable[[], object]] = [
            lambda: store.put(samples.product(), "run-1"),
            lambda: store.ingest(samples.frame(1)),
            lambda: store.write_report("run-1", {"night.jsonl": "{}"}),
            lambda: store.attach(ref, "plot.png", b"PNG"),
        ]
        with full:
            for write in writing:
                with pytest.raises(StoreError, match=r"\S"):
                    write()
        with pytest.raises(StoreError, match="no raw frame"):
            store.frames([samples.frame(1).exposure.id], 0)
        with pytest.raises(StoreError, match=r"night\.jsonl"):
            store.read_report("run-1", "night.jsonl")
        with pytest.raises(StoreError, match=r"plot\.png"):
            store.attached(ref, "plot.png")
        for write in writing:
            write()
        store.certify([ref], "calib", NIGHT)

    # -- exposures ---------------------------------------------------------------------------------------------

    def test_exposure_ids_of_a_day_are_consecutive_and_begin_at_one(self, store: Store) -> None:
        """The id is day x 100000 + number."""
        assert store.reserve(date(2022, 11, 4), 3) == range(2022110400001, 2022110400004)
        assert store.reserve(date(2022, 11, 4), 2) == range(2022110400004, 2022110400006)

    def test_each_day_counts_by_itself(self, store: Store) -> None:
        """And begins at one."""
        store.reserve(date(2022, 11, 4), 3)
        assert store.reserve(date(2022, 11, 5), 1) == range(2022110500001, 2022110500002)

    def test_a_day_that_is_full_gives_no_ids(self, store: Store) -> None:
        """Ids of the next day are not given for it."""
        store.reserve(date(2022, 11, 4), 99_990)
        with pytest.raises(StoreError, match="10 more exposures after 99990 of 20221104 are not"):
            store.reserve(date(2022, 11, 4), 10)

    def test_a_frame_comes_back_with_its_pixels_and_facts(self, store: Store) -> None:
        """Exactly."""
        given = samples.frame(1)
        kept = store.ingest(given)
        (back,) = store.frames([given.exposure.id], 0)
        assert back.exposure == given.exposure == store.exposure(given.exposure.id)
        assert back.detector == given.detector
        assert back.header["TEMP"] == -100.5
        assert back.checksum == kept.checksum != ""
        for amplifier in given.detector.amplifiers:
            np.testing.assert_array_equal(back.raw(amplifier), given.raw(amplifier))

    def test_frames_come_in_the_order_asked_for(self, store: Store) -> None:
        """Not in the order taken."""
        ids = [store.ingest(samples.frame(number)).exposure.id for number in (1, 2, 3)]
        assert [frame.exposure.id for frame in store.frames(ids[::-1], 0)] == ids[::-1]

    def test_every_missing_frame_is_named(self, store: Store) -> None:
        """At once, and before the first that is there."""
        there = store.ingest(samples.frame(1)).exposure.id
        with pytest.raises(StoreError, match=f"detector 0: no raw frame of exposure {there + 1}, {there + 2} is in"):
            store.frames([there, there + 1, there + 2], 0)

    def test_a_frame_of_another_detector_is_missing(self, store: Store) -> None:
        """An exposure has a frame for each detector."""
        there = store.ingest(samples.frame(1, 0)).exposure.id
        with pytest.raises(StoreError, match="detector 1: no raw frame"):
            store.frames([there], 1)

    def test_a_frame_is_never_replaced(self, store: Store) -> None:
        """What is there stays."""
        store.ingest(samples.frame(1))
        with pytest.raises(StoreError, match="exposure 2022110400001 of detector 0 is in the store already"):
            store.ingest(samples.frame(1))

    @pytest.mark.parametrize("part", [0.0, 0.6, -1.0])
    def test_a_file_that_cannot_be_read_is_not_kept(self, store: Store, tmp_path: Path, part: float) -> None:
        """One that is empty, cut short, or something else is refused, and the good one finds its place free."""
        good, path = samples.frame(1), tmp_path / "frame.fits"
        write_raw(good, path, compress=False)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(part * len(whole))] if part >= 0 else b"JFIF" * 5000)
        with pytest.raises(StoreError, match=r"exposure 2022110400001, detector S00: .*frame\.fits .*(empty|cut|not FITS)"):
            store.ingest(evolve(good, path=path))
        with pytest.raises(StoreError, match="exposure 2022110400001 is not in the store"):
            store.exposure(good.exposure.id)
        path.write_bytes(whole)
        assert store.ingest(evolve(good, path=path)).exposure == store.exposure(good.exposure.id)

    def test_an_exposure_that_is_not_there_is_an_error(self, store: Store) -> None:
        """Named."""
        with pytest.raises(StoreError, match="exposure 5 is not in the store"):
            store.exposure(5)

    # -- products ----------------------------------------------------------------------------------------------

    def test_a_product_comes_back_as_it_was(self, store: Store) -> None:
        """Planes, tables, provenance and all."""
        given = samples.product(setup=Setup(filter="r", grating="empty"), kind="flat")
        ref = store.put(given, "run-1")
        assert (ref.kind, ref.detector, ref.setup, ref.run, ref.frames) == ("flat", 0, given.setup, "run-1", 3)
        assert_same_product(store.get(ref), given)

    @pytest.mark.parametrize("odd", PRODUCTS)
    def test_an_odd_product_comes_back_as_it_was(self, store: Store, odd: str) -> None:
        """Of tables alone, without rows, of numbers that are none."""
        given = PRODUCTS[odd](samples.product())
        ref = store.put(given, "run-1")
        assert (ref.exposure, dict(ref.pins)) == (given.exposure, given.pins)
        assert_same_product(store.get(ref), given)
        store.certify([ref], "calib", NIGHT)
        assert store.find("bias", 0, given.setup, NOON, ["calib"]) == ref

    def test_changing_an_array_later_changes_no_product(self, store: Store) -> None:
        """A store keeps what it was given then."""
        given = samples.product()
        ref = store.put(given, "run-1")
        before = float(given.planes["image"][3, 3])
        given.planes["image"][3, 3] += 1
        assert store.get(ref).planes["image"][3, 3] == before

    def test_products_of_two_runs_have_two_names(self, store: Store) -> None:
        """Even if they are alike."""
        first, second = store.put(samples.product(), "run-1"), store.put(samples.product(), "run-2")
        assert first.id != second.id
        assert first.digest == second.digest

    def test_a_product_that_is_not_there_is_an_error(self, store: Store, tmp_path: Path) -> None:
        """Named."""
        with self.open(tmp_path / "other") as other:
            ref = other.put(samples.product(), "run-1")
        with pytest.raises(StoreError, match=f"bias of detector 0 {ref.id[:12]} is not in the store"):
            store.get(ref)

    def test_the_newest_product_that_belongs_to_an_exposure_is_found_certified_or_not(self, store: Store) -> None:
        """What was put last; those of other kinds, detectors and exposures, and of none, are others."""
        exposure, other = 2022110400001, 2022110400002
        first, newest = (store.put(_of_exposure("gain", 0, exposure, seed=seed), f"run-{3 - seed}") for seed in (1, 2))
        apart = [store.put(_of_exposure(*place), "run-9") for place in (("ptc", 0, exposure), ("gain", 1, exposure), ("gain", 0, other))]
        store.put(samples.product("gain"), "run-9")
        assert store.of_exposure("gain", 0, exposure) == newest
        store.certify([first], "calib", NIGHT)
        assert store.of_exposure("gain", 0, exposure) == newest
        assert store.put(_of_exposure("gain", 0, exposure, seed=1), "run-2") == first  # again: nothing is changed by it
        assert store.of_exposure("gain", 0, exposure) == newest
        assert [store.of_exposure(one.kind, one.detector, one.exposure or 0) for one in apart] == apart

    def test_the_product_of_a_pair_belongs_to_both_of_its_exposures_and_that_of_a_set_to_none(self, store: Store) -> None:
        """Those that its provenance names, if it has one of its own."""
        first, second, third = 2022110400001, 2022110400002, 2022110400003
        pair = store.put(_of_exposure("gain", 0, first, second), "run-1")
        whole = samples.product("gain")
        provenance = evolve(whole.provenance, exposures={third: "", first: ""})
        store.put(evolve(whole, provenance=provenance), "run-2")
        assert [store.of_exposure("gain", 0, exposure) for exposure in (first, second)] == [pair, pair]
        with pytest.raises(ProductNotFound, match=f"no gain for detector 0 .*{third}"):
            store.of_exposure("gain", 0, third)

    def test_a_kind_of_which_no_product_belongs_to_an_exposure_is_named(self, store: Store) -> None:
        """With the detector and the exposure."""
        store.put(_of_exposure("gain", 0, 2022110400001), "run-1")
        for kind, detector, exposure in (("gain", 0, 2022110400002), ("gain", 1, 2022110400001), ("bias", 0, 2022110400001)):
            with pytest.raises(ProductNotFound, match=f"no {kind} for detector {detector} .*{exposure}"):
                store.of_exposure(kind, detector, exposure)

    def test_what_a_run_built_is_found_in_the_collection_of_the_run_certified_or_not(self, store: Store) -> None:
        """`u/latcal/<run>`, at any time; what belongs to one exposure is found by that."""
        built, other = store.put(samples.product(), "run-1"), store.put(samples.product(seed=1), "run-2")
        store.put(_of_exposure("bias", 0, 2022110400001), "run-1")
        store.certify([other], "calib", NIGHT)
        found = store.find("bias", 0, built.setup, NOON, [run_collection("run-1"), "calib"])
        assert (found, found.collection) == (built, run_collection("run-1"))
        assert store.find("bias", 0, built.setup, NOON, [run_collection("run-3"), "calib"]) == other
        with pytest.raises(ProductNotFound, match="no bias for detector 1 "):
            store.find("bias", 1, built.setup, NOON, [run_collection("run-1")])

    def test_what_a_run_built_is_listed_in_the_collection_of_the_run_and_nowhere_else(self, store: Store) -> None:
        """Valid at any time, certified at none; what is certified stays listed in its own collection alone."""
        mine = [store.put(one, "run-1") for one in (samples.product("dark"), samples.product(), _of_exposure("gain", 0, 2022110400001))]
        store.put(samples.product(), "run-2")
        store.certify([mine[1]], "calib", NIGHT)
        collection = run_collection("run-1")
        listed = list(store.list(collection=collection))
        assert [one.ref.kind for one in listed] == ["bias", "dark", "gain"]
        assert {one.ref.id for one in listed} == {ref.id for ref in mine}
        assert {(one.collection, one.ref.collection, one.certified) for one in listed} == {(collection, collection, "")}
        assert all(one.valid == ValidityRange(None, None) for one in listed)
        assert [one.ref.kind for one in store.list("dark", collection)] == ["dark"]
        assert [one.collection for one in store.list()] == ["calib"]
        assert list(store.list(collection=run_collection("run-3"))) == []

    def test_two_products_of_one_kind_that_a_run_built_are_not_chosen_from(self, store: Store) -> None:
        """Which one is meant is not guessed."""
        setup = store.put(samples.product(), "run-1").setup
        store.put(samples.product(seed=1), "run-1")
        with pytest.raises(StoreError, match=r"the run run-1 built bias of detector 0 .* and bias of detector 0"):
            store.find("bias", 0, setup, NOON, [run_collection("run-1")])

    # -- what goes with a product --------------------------------------------------------------------------------

    def test_what_is_attached_to_a_product_comes_back_to_the_last_byte_and_may_be_replaced(self, store: Store) -> None:
        """By product and name; the later one counts, and the product is what it was."""
        given = samples.product()
        ref, other = store.put(given, "run-1"), store.put(samples.product(), "run-2")
        store.attach(ref, "plot.png", b"earlier and longer")
        store.attach(ref, "plot.png", bytes(range(256)))
        store.attach(ref, "table.ecsv", b"")
        store.attach(other, "plot.png", b"of the other")
        assert store.attached(ref, "plot.png") == bytes(range(256))
        assert store.attached(ref, "table.ecsv") == b""
        assert store.attached(other, "plot.png") == b"of the other"
        assert_same_product(store.get(ref), given)

    def test_what_is_not_attached_is_an_error(self, store: Store, tmp_path: Path) -> None:
        """Named, with the product; what is attached to one that is not there, too."""
        ref = store.put(samples.product(), "run-1")
        with pytest.raises(StoreError, match=rf"bias of detector 0 {ref.id[:12]}.*'plot\.png'"):
            store.attached(ref, "plot.png")
        with self.open(tmp_path / "other") as empty:
            with pytest.raises(StoreError, match=f"bias of detector 0 {ref.id[:12]} is not in the store"):
                empty.attach(ref, "plot.png", b"PNG")
            with pytest.raises(StoreError, match=f"bias of detector 0 {ref.id[:12]} is not in the store"):
                empty.attached(ref, "plot.png")

    @pytest.mark.parametrize("name", ["", "..", ".png", "a/b.png", "../plot.png", "a b.png"])
    def test_a_name_that_is_no_plain_file_name_is_refused(self, store: Store, name: str) -> None:
        """Wherever the store keeps it: what one store takes, all take."""
        ref = store.put(samples.product(), "run-1")
        with pytest.raises(StoreError, match=re.escape(repr(name))):
            store.attach(ref, name, b"PNG")
        with pytest.raises(StoreError, match=re.escape(repr(name))):
            store.attached(ref, name)

    # -- reports -----------------------------------------------------------------------------------------------

    def test_a_report_is_kept_by_run_and_name_and_may_be_written_again(self, store: Store) -> None:
        """The later text counts."""
        store.write_report("run-1", {"night.jsonl": "one\n", "bias.ecsv": "é\n"})
        store.write_report("run-1", {"night.jsonl": "two\n"})
        assert store.read_report("run-1", "night.jsonl") == "two\n"
        assert store.read_report("run-1", "bias.ecsv") == "é\n"

    def test_a_report_that_is_not_there_is_an_error(self, store: Store) -> None:
        """Named."""
        with pytest.raises(StoreError, match=r"no report 'night.jsonl' of the run 'run-1'"):
            store.read_report("run-1", "night.jsonl")


def _of_exposure(kind: str, detector: int, exposure: int, *others: int, seed: int = 0) -> Product:
    product = samples.product(kind, detector, seed=seed)
    provenance = evolve(product.provenance, exposures=dict.fromkeys((exposure, *others), "0" * 64))
    return evolve(product, exposure=exposure, provenance=provenance)


def _fail_after(_: object) -> NoReturn:
    raise ZeroDivisionError("theirs")
