"""Repositories that other clients write to as well: what is theirs stays, and what they left is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import latcal
import pytest
from attrs import evolve
from latcal.formats.columns import measurements_ecsv
from latcal.formats.journal import verdict_json
from latcal.plugin import Column, Measurement, ProductNotFound, Setup, StoreError, ValidityRange, instant
from latcal.testing import samples
from latcal.testing.certificates import NIGHT
from lsst.daf.butler import Butler, DatasetType, Timespan
from repositories import copied

from latcal_butler.dimensions import register_exposure
from latcal_butler.store import ButlerStore
from latcal_butler.tasks.connections import valid_for_all


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ButlerStore]:
    with copied(tmp_path) as opened_store:
        yield opened_store


def test_a_day_says_when_it_begins_and_that_of_others_is_left_as_it_is(store: ButlerStore) -> None:
    with store.repository.writing() as butler:
        butler.registry.insertDimensionData("day_obs", {"instrument": "sample", "id": 20221105})
    for day in (instant("2022-11-04"), instant("2022-11-05")):
        assert len(store.reserve(day.to_datetime().date(), 3)) == 3
    with store.repository.reading() as butler:
        ours, theirs = butler.query_dimension_records("day_obs", instrument="sample", order_by="day_obs")
    assert (ours.timespan.begin.isot, ours.timespan.end.isot) == ("2022-11-04T12:00:00.000000", "2022-11-05T12:00:00.000000")
    assert theirs.timespan is None


def test_an_exposure_that_others_entered_as_another_is_refused_and_left_as_it_is(store: ButlerStore) -> None:
    frame = samples.frame(1)
    with store.repository.writing() as butler:
        register_exposure(butler.registry, "sample", evolve(frame.exposure, obs_id="AT_O_20221104_000001"), 12.0)
    with pytest.raises(StoreError, match=r"has the exposure 2022110400001 of sample already, as another: .*obs_id.*nothing was changed"):
        store.ingest(frame)
    with store.repository.reading() as butler:
        (record,) = butler.query_dimension_records("exposure", instrument="sample")
    assert record.obs_id == "AT_O_20221104_000001"
    with pytest.raises(StoreError, match="no raw frame"):
        store.frames([frame.exposure.id], 0)


def test_a_certificate_whose_product_is_gone_is_told_with_how_to_take_it_out(store: ButlerStore) -> None:
    ref = store.put(samples.product(), "run-1")
    store.certify([ref], "calib", NIGHT)
    with store.repository.writing() as butler:
        gone = butler.query_datasets("bias", collections="calib", find_first=False)
        butler.pruneDatasets(gone, disassociate=True, unstore=True, purge=True)
    assert not list(store.list())
    assert not store.is_free("bias", 0, Setup(), "calib", NIGHT)
    again = store.put(samples.product(), "run-2")
    with pytest.raises(StoreError, match=r"a certificate of a bias for detector 0 is in the way, whose product is gone \(take it out: ") as told:
        store.certify([again], "calib", NIGHT)
    with store.repository.writing() as butler:
        eval(
            str(told.value).partition("take it out: ")[2].removesuffix(")"), {"butler": butler, "Timespan": Timespan}
        )
    store.certify([again], "calib", NIGHT)
    assert [one.ref for one in store.list()] == [again]


def test_what_is_no_product_of_latcal_belongs_to_no_exposure(store: ButlerStore) -> None:
    frame = store.ingest(samples.frame(1))
    with store.repository.writing() as butler:
        theirs = DatasetType("cpPtcExtract", ("instrument", "detector", "exposure"), "StructuredDataDict", universe=butler.dimensions)
        butler.registry.registerDatasetType(theirs)
        butler.collections.register("u/them/ptc")
        butler.put({"gain": 1.0}, theirs, instrument="sample", detector=0, exposure=frame.exposure.id, run="u/them/ptc")
    with pytest.raises(ProductNotFound, match="no cpPtcExtract for detector 0"):
        store.of_exposure("cpPtcExtract", 0, frame.exposure.id)


def test_tasks_want_the_same_calibration_for_every_exposure_and_not_for_the_first_and_last_alone(store: ButlerStore) -> None:
    hours = [instant(f"2022-11-04T{hour:02}:00:00") for hour in (8, 9, 10, 11)]
    refs = [store.put(samples.product(seed=seed), f"run-{seed}") for seed in (0, 1)]
    for ref, begin, end in zip((refs[0], refs[1], refs[0]), hours, hours[1:], strict=False):
        store.certify([ref], "calib", ValidityRange(begin, end))
    begins = [instant(f"2022-11-04T{hour:02}:30:00") for hour in (8, 9, 10)]
    with Butler.from_config(store.options.repo, collections=["calib"]) as butler:
        found = butler.query_datasets("bias", collections="calib", find_first=False)
        assert [one.id.hex for one in valid_for_all(butler, found, begins[1:2], "cpDark: bias")] == [refs[1].id]
        assert list(valid_for_all(butler, found, begins, "")) == []
        with pytest.raises(FileNotFoundError, match=r"cpDark: bias of .* valid at 2022-11-04T08:30:00.000 and 2022-11-04T09:30:00.000"):
            list(valid_for_all(butler, found, begins, "cpDark: bias"))


def test_of_two_stages_of_one_kind_neither_takes_the_statistics_of_the_other(store: ButlerStore) -> None:
    registry, first = latcal.load_plugins(), samples.instrument().detectors[0]
    for number, name in ((1, "r"), (2, "g")):
        facts = evolve(samples.exposure(number, setup=Setup(filter=name)), image="flat", time_s=2.0)
        store.ingest(samples.frame(number, of=facts))
        for kind in ("flat", "dark"):
            kernel = latcal.kernel(kind, samples.instrument(), registry)
            noise = [Measurement("noise", 8.0 + number, facts.id, first.name, one.name) for one in first.amplifiers]
            rates = {"amplifier": Column(("A", "B")), "dark_current": Column((0.1 * number, 0.0), "electron / s")}
            whole = kernel.summarise([facts], [first], noise, {first.name: evolve(samples.product(), tables={"amplifiers": rates})})
            stem = f"{number}_make_{kind}"
            files = {f"{stem}_verdict.json": verdict_json(kernel.judge(whole)), f"{stem}_measurements.ecsv": measurements_ecsv(whole)}
            for _ in range(2):  # again, which adds nothing
                store.write_report("run-1", files)
    with Butler.from_config(store.options.repo, collections=["u/latcal/run-1"]) as butler:
        told = butler.get("verifyFlatStats", instrument="sample")
        assert set(told) == {2022110400001, 2022110400002, "SUCCESS"}
        for number in (1, 2):
            one = butler.get("verifyFlatDetStats", instrument="sample", detector=0, exposure=2022110400000 + number)
            assert one["AMP"]["A"]["NOISE"] == 8.0 + number
        products = butler.query_datasets("verifyDarkProductStats", find_first=False)
        assert sorted(butler.get(one)["DET"]["DARK_CURRENT"] for one in products) == [0.1, 0.2]
