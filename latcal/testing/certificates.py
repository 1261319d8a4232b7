"""What every store must do with certificates: part of `StoreSuite`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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

DAYS = 6
"""Days of November 2022 on which the ranges of the property test begin and end."""

_Span = tuple[int | None, int | None]
_Entry = tuple[str, str | None, _Span]


def _is_range(span: _Span) -> bool:
    begin, end = span
    return begin is None or end is None or begin < end


_days = st.none() | st.integers(1, DAYS)
_spans = st.tuples(_days, _days).filter(_is_range)
_entries = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([None, "r", "g"]), _spans), max_size=6)


class CertificateBehaviour:
    """Tests of lookup and certification; `StoreSuite` gives ``open`` and ``store``."""

    examples: ClassVar[int] = 8
    """How many random sets of certificates are tried; say why beside it where a slow store tries fewer: each asks 80 times."""

    def open(self, tmp_path: Path) -> Store:
        """Open an empty store under a folder; or the same again, if the folder has one."""
        raise NotImplementedError

    def certified(
        self, store: Store, collection: str = "calib", valid: ValidityRange = NIGHT, product: Product | None = None
    ) -> ProductRef:
        """Put a product in a store and certify it."""
        ref = store.put(product or samples.product(), "run-1")
        store.certify([ref], collection, valid)
        return ref

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

    def test_a_range_without_begin_or_end_holds_for_ever_on_that_side(self, store: Store) -> None:
        """And leaves the other side free."""
        earlier = self.certified(store, valid=ValidityRange(None, NIGHT.begin))
        later = self.certified(store, valid=ValidityRange(NIGHT.end, None), product=samples.product(seed=1))
        for ref, instants in ((earlier, ("1990-01-01", "2022-11-03T23:59:59")), (later, ("2022-11-05", "2090-01-01"))):
            for when in instants:
                assert store.find("bias", 0, Setup(), instant(when), ["calib"]).id == ref.id
        with pytest.raises(ProductNotFound, match="no bias for detector 0 is valid at 2022-11-04T12:00:00"):
            store.find("bias", 0, Setup(), NOON, ["calib"])
        assert store.is_free("bias", 0, Setup(), "calib", NIGHT)
        assert not store.is_free("bias", 0, Setup(), "calib", ALWAYS)

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

    # -- both together -------------------------------------------------------------------------------------------

    def test_what_is_certified_is_found_just_where_it_is_valid(self) -> None:
        """Whatever is certified, in whatever order: what overlaps is refused and foretold, all else is found."""

        @settings(max_examples=self.examples, deadline=None)
        @given(_entries)
        def holds(written: list[_Entry]) -> None:
            with tempfile.TemporaryDirectory() as name, self.open(Path(name)) as store:
                _check_lookups(store, _entered(store, written))

        holds()


def _day_in(day: int, span: _Span) -> bool:
    return (span[0] is None or span[0] <= day) and (span[1] is None or day < span[1])


def _range(span: _Span) -> ValidityRange:
    begin, end = (None if day is None else instant(f"2022-11-{day:02}") for day in span)
    return ValidityRange(begin, end)


def _entered(store: Store, written: list[_Entry]) -> dict[_Entry, str]:
    """Certify one after another what can be, and see that it is what the laws say; give the products' ids."""
    took: dict[_Entry, str] = {}
    for seed, entry in enumerate(written):
        collection, name, span = entry
        others = [other[2] for other in took if other[:2] == entry[:2]]
        free = not any(_day_in(day, span) and _day_in(day, other) for other in others for day in range(DAYS + 2))
        setup, valid = Setup(filter=name), _range(span)
        assert store.is_free("flat", 0, setup, collection, valid) is free
        ref = store.put(samples.product("flat", setup=setup, seed=seed), "run-1")
        if free:
            store.certify([ref], collection, valid)
            took[entry] = ref.id
        else:
            with pytest.raises(ValidityOverlap, match="is already valid"):
                store.certify([ref], collection, valid)
    return took


def _check_lookups(store: Store, took: dict[_Entry, str]) -> None:
    listed = {(one.collection, one.ref.setup.filter, one.valid): one.ref.id for one in store.list()}
    assert listed == {(collection, name, _range(span)): ref for (collection, name, span), ref in took.items()}
    for order in (["a", "b"], ["b", "a"], ["b"], []):
        for name in (None, "r", "g"):
            for day in range(1, DAYS + 1):
                valid = {entry[0]: ref for entry, ref in took.items() if entry[1] == name and _day_in(day, entry[2])}
                wanted = next((valid[collection] for collection in order if collection in valid), None)
                assert _found(store, name, day, order) == wanted


def _found(store: Store, name: str | None, day: int, order: list[str]) -> str | None:
    try:
        return store.find("flat", 0, Setup(filter=name), instant(f"2022-11-{day:02}"), order).id
    except ProductNotFound:
        return None
