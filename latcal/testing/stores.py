"""What every store must do: inherit `StoreSuite`, say how to open yours, and its tests are yours."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve

from latcal.formats.raw import write_raw
from latcal.plugin import (
    Product,
    ProductNotFound,
    ProductRef,
    Setup,
    Store,
    StoreError,
    ValidityOverlap,
    ValidityRange,
    instant,
)
from latcal.testing import samples

NIGHT = ValidityRange(instant("2022-11-04"), instant("2022-11-05"))
NEXT = ValidityRange(instant("2022-11-05"), instant("2022-11-06"))
ALWAYS = ValidityRange(None, None)
NOON = instant("2022-11-04T12:00:00")


class StoreSuite:
    """The behaviours of a store. A subclass named ``Test...`` defines `open`."""

    def open(self, tmp_path: Path) -> Store:
        """Open an empty store under a folder; or the same again, if the folder has one."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Store]:
        """Give an open, empty store."""
        with self.open(tmp_path) as store:
            yield store

    def certified(
        self, store: Store, collection: str = "calib", valid: ValidityRange = NIGHT, product: Product | None = None
    ) -> ProductRef:
        """Put a product in a store and certify it."""
        ref = store.put(product or samples.product(), "run-1")
        store.certify([ref], collection, valid)
        return ref

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

    def test_threads_never_reserve_the_same_id(self, store: Store) -> None:
        """Four at once."""
        found: list[range] = []
        threads = [threading.Thread(target=lambda: found.append(store.reserve(date(2022, 11, 4), 5))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(i for ids in found for i in ids) == list(range(2022110400001, 2022110400021))

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
        back = store.get(ref)
        assert (ref.kind, ref.detector, ref.setup, ref.run, ref.frames) == ("flat", 0, given.setup, "run-1", 3)
        for name in ("kind", "detector", "detector_name", "setup", "unit", "tables", "provenance", "pins", "preparation"):
            assert getattr(back, name) == getattr(given, name), name
        assert list(back.planes) == list(given.planes)
        for name, plane in given.planes.items():
            assert back.planes[name].dtype == plane.dtype
            np.testing.assert_array_equal(back.planes[name], plane)

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

    # -- lookup ------------------------------------------------------------------------------------------------

    def test_a_product_that_is_not_certified_is_not_found(self, store: Store) -> None:
        """Being in the store is not enough."""
        store.put(samples.product(), "run-1")
        with pytest.raises(ProductNotFound, match="no bias for detector 0 is valid at 2022-11-04T12:00:00 in a, b"):
            store.find("bias", 0, Setup(), NOON, ["a", "b"])

    def test_the_first_collection_that_has_a_product_gives_it(self, store: Store) -> None:
        """And the reference says where it was found."""
        daily, default = (
            self.certified(store, name, product=samples.product(seed=i)) for i, name in enumerate(("daily", "default"))
        )
        found = store.find("bias", 0, Setup(), NOON, ["weekly", "daily", "default"])
        assert (found.id, found.collection) == (daily.id, "daily")
        assert store.find("bias", 0, Setup(), NOON, ["default", "daily"]).id == default.id

    def test_a_later_collection_helps_when_an_earlier_one_has_ended(self, store: Store) -> None:
        """Validity counts, then order."""
        self.certified(store, "daily")
        always = self.certified(store, "default", ALWAYS, samples.product(seed=1))
        assert store.find("bias", 0, Setup(), instant("2023-01-01"), ["daily", "default"]).id == always.id

    def test_the_begin_of_a_range_is_in_it_and_its_end_is_not(self, store: Store) -> None:
        """Half-open, to the microsecond."""
        ref = self.certified(store)
        assert store.find("bias", 0, Setup(), instant("2022-11-04"), ["calib"]).id == ref.id
        assert store.find("bias", 0, Setup(), instant("2022-11-04T23:59:59.999999"), ["calib"]).id == ref.id
        for outside in ("2022-11-03T23:59:59.999999", "2022-11-05"):
            with pytest.raises(ProductNotFound, match="no bias for detector 0 is valid"):
                store.find("bias", 0, Setup(), instant(outside), ["calib"])

    def test_kind_detector_and_setup_tell_products_apart(self, store: Store) -> None:
        """All three must fit."""
        red, green = Setup(filter="r"), Setup(filter="g")
        ref = self.certified(store, product=samples.product("flat", 1, setup=red))
        assert store.find("flat", 1, red, NOON, ["calib"]).id == ref.id
        for kind, detector, setup in (("bias", 1, red), ("flat", 0, red), ("flat", 1, green), ("flat", 1, Setup())):
            with pytest.raises(ProductNotFound, match=f"no {kind} for detector {detector}"):
                store.find(kind, detector, setup, NOON, ["calib"])

    def test_an_exposure_finds_the_products_of_its_begin_and_setup(self, store: Store) -> None:
        """A bias has no filter, and suits all; a flat must have that of the exposure."""
        bias = self.certified(store)
        red = self.certified(store, product=samples.product("flat", setup=Setup(filter="r")))
        self.certified(store, product=samples.product("flat", setup=Setup(filter="g")))
        facts = samples.exposure(7, setup=Setup(filter="r", grating="empty"))
        store.ingest(samples.frame(7, of=facts))
        assert store.find_exposure("bias", 0, facts.id, ["calib"]).id == bias.id
        assert store.find_exposure("flat", 0, facts.id, ["calib"]).id == red.id

    def test_an_exposure_finds_nothing_of_another_binning_or_day(self, store: Store) -> None:
        """And the error says what was looked for."""
        self.certified(store)
        binned = samples.exposure(1, setup=Setup(binning="2x2"))
        later = samples.exposure(2, at="2022-11-05T00:00:00")
        for facts in (binned, later):
            store.ingest(samples.frame(of=facts))
            with pytest.raises(ProductNotFound, match=rf"no bias for detector 0 and exposure {facts.id}"):
                store.find_exposure("bias", 0, facts.id, ["calib"])

    def test_two_products_that_suit_an_exposure_are_not_chosen_between(self, store: Store) -> None:
        """Both setups are named."""
        for setup in (Setup(filter="r"), Setup(filter="r", grating="x")):
            self.certified(store, product=samples.product("flat", setup=setup))
        facts = samples.exposure(1, setup=Setup(filter="r", grating="x"))
        store.ingest(samples.frame(of=facts))
        with pytest.raises(StoreError, match=r"setups ('r' and 'r~x'|'r~x' and 'r') suits exposure"):
            store.find_exposure("flat", 0, facts.id, ["calib"])

    def test_an_exposure_that_is_not_there_finds_nothing(self, store: Store) -> None:
        """Its begin is not known."""
        with pytest.raises(StoreError, match="exposure 5 is not in the store"):
            store.find_exposure("bias", 0, 5, ["calib"])

    # -- certification -----------------------------------------------------------------------------------------

    def test_overlapping_ranges_are_refused_and_touching_ones_are_not(self, store: Store) -> None:
        """The end of one may be the begin of the next."""
        self.certified(store)
        self.certified(store, valid=NEXT)
        ref = store.put(samples.product(), "run-2")
        for begin, end in (("2022-11-04", "2022-11-05"), ("2022-11-03", "2022-11-04T00:00:01"), ("2022-11-03", "2022-11-09")):
            with pytest.raises(
                ValidityOverlap, match=r"calib: a bias for detector 0 is already valid 2022-11-0\d to 2022-11-0\d "
            ):
                store.certify([ref], "calib", ValidityRange(instant(begin), instant(end)))
        store.certify([ref], "calib", ValidityRange(None, instant("2022-11-04")))

    def test_another_detector_setup_kind_or_collection_overlaps_nothing(self, store: Store) -> None:
        """Each has its own ranges."""
        self.certified(store)
        self.certified(store, product=samples.product(detector=1))
        self.certified(store, product=samples.product(setup=Setup(mode="fast")))
        self.certified(store, product=samples.product("dark"))
        self.certified(store, "other")
        assert len(list(store.list())) == 5

    def test_products_are_certified_all_or_none(self, store: Store) -> None:
        """The free one of two is not entered if the other overlaps."""
        self.certified(store, product=samples.product(detector=1))
        free, blocked = (store.put(samples.product(detector=detector), "run-2") for detector in (0, 1))
        with pytest.raises(ValidityOverlap, match="a bias for detector 1 is already valid"):
            store.certify([free, blocked], "calib", NIGHT)
        assert [one.ref.detector for one in store.list()] == [1]
        assert store.is_free("bias", 0, Setup(), "calib", NIGHT)

    def test_two_products_for_one_place_overlap_each_other(self, store: Store) -> None:
        """In one call as well."""
        refs = [store.put(samples.product(seed=seed), "run-1") for seed in (0, 1)]
        with pytest.raises(ValidityOverlap, match="a bias for detector 0 is already valid"):
            store.certify(refs, "calib", NIGHT)
        assert not list(store.list())

    def test_what_is_not_in_the_store_is_not_certified(self, store: Store, tmp_path: Path) -> None:
        """Nor anything with it."""
        here = store.put(samples.product(), "run-1")
        with self.open(tmp_path / "other") as other:
            elsewhere = other.put(samples.product(detector=1), "run-1")
        with pytest.raises(StoreError, match=r"bias of detector 1 .* is not in the store"):
            store.certify([here, elsewhere], "calib", NIGHT)
        assert not list(store.list())

    def test_is_free_foretells_certify(self, store: Store) -> None:
        """Before and after."""
        assert store.is_free("bias", 0, Setup(), "calib", NIGHT)
        self.certified(store)
        assert not store.is_free("bias", 0, Setup(), "calib", NIGHT)
        assert not store.is_free("bias", 0, Setup(), "calib", ALWAYS)
        assert store.is_free("bias", 0, Setup(), "calib", NEXT)

    def test_what_is_certified_is_listed_in_order_with_range_and_waiver(self, store: Store) -> None:
        """By collection, kind, detector, setup and begin."""
        self.certified(store, "b")
        self.certified(store, "a", NEXT, samples.product("flat"))
        self.certified(store, "a", NIGHT, samples.product("flat"))
        dark = store.put(samples.product("dark"), "run-1")
        store.certify([dark], "a", ALWAYS, unverified="ann: a trial")
        every = list(store.list())
        assert [(one.collection, one.ref.kind, one.valid) for one in every] == [
            ("a", "dark", ALWAYS), ("a", "flat", NIGHT), ("a", "flat", NEXT), ("b", "bias", NIGHT)
        ]
        assert [one.unverified for one in every] == ["ann: a trial", "", "", ""]
        assert every[0].certified == "2022-11-04T21:00:00.000000"
        assert [one.ref.kind for one in store.list(kind="flat")] == ["flat", "flat"]
        assert [one.ref.kind for one in store.list(collection="b")] == ["bias"]

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
