"""What goes wrong in a repository: clear errors, nothing certified, and a rerun that works."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from attrs import evolve
from latcal.plugin import Setup, StoreError, ValidityRange, instant
from latcal.testing import samples
from latcal.testing.certificates import NIGHT, NOON
from repositories import copied, on_postgres, opened, the_server

from latcal_butler.naming import GEOMETRY
from latcal_butler.options import ButlerOptions
from latcal_butler.store import ButlerStore
from latcal_butler.tasks.connections import find_geometry


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ButlerStore]:
    with copied(tmp_path) as opened_store:
        yield opened_store


def test_a_repository_that_is_not_there_is_named_with_what_makes_one(tmp_path: Path) -> None:
    missing = ButlerStore(ButlerOptions(repo=str(tmp_path / "no")), samples.world(tmp_path))
    with pytest.raises(StoreError, match=r"no: no Butler repository is there \(make one with 'latcal-butler init .*create: true"), missing:
        pass
    assert list(tmp_path.iterdir()) == []


def test_something_else_in_its_place_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "thesis.tex").touch()
    with opened(tmp_path) as store, pytest.raises(StoreError, match="repo is there, and is not a Butler repository"):
        store.put(samples.product(), "run-1")
    assert [path.name for path in tmp_path.rglob("*")] == ["repo", "thesis.tex"]


def test_an_instrument_that_the_repository_has_not_is_an_error_unless_it_may_be_entered(store: ButlerStore) -> None:
    store.put(samples.product(), "run-1")
    other = ButlerStore(evolve(store.options, create=False, instrument="HSC"), store.world)
    with other, pytest.raises(StoreError, match=r"it has no instrument 'HSC' .*latcal-butler init"):
        other.put(samples.product(), "run-2")
    assert not list(store.list())


def test_another_instrument_of_the_same_name_is_refused(store: ButlerStore) -> None:
    store.put(samples.product(), "run-1")
    first, second = samples.instrument().detectors
    theirs = evolve(samples.instrument(), detectors=(evolve(first, name="R22_S11"), second))
    other = ButlerStore(store.options, evolve(store.world, instrument=theirs))
    with other, pytest.raises(StoreError, match="detector 0 of sample is 'S00', and the recipe's is 'R22_S11'"):
        other.put(samples.product(), "run-2")


def test_an_instrument_that_nobody_knows_is_an_error_where_its_geometry_is_wanted(store: ButlerStore) -> None:
    frame = store.ingest(samples.frame(1))
    nobody = ButlerStore(store.options, evolve(store.world, instrument=None))
    with nobody:
        assert len(list(nobody.frames([frame.exposure.id], 0))) == 1  # the repository has the geometry
    with store.repository.writing() as butler:
        butler.pruneDatasets(butler.query_datasets(GEOMETRY, collections="*", find_first=False), disassociate=True, unstore=True, purge=True)
        with pytest.raises(FileNotFoundError, match=r"does not have latcal's geometry of sample \(enter it: latcal-butler init"):
            find_geometry(butler.get_dataset_type(GEOMETRY), butler.registry, {"instrument": "sample"}, ["sample/raw/all"])
    with nobody, pytest.raises(StoreError, match="no plugin of latcal has an instrument 'sample'"):
        nobody.frames([frame.exposure.id], 0)
    store.repository.close()
    store.put(samples.product(), "run-1")  # whoever opens it with the instrument and writes brings the geometry
    with nobody:
        assert len(list(nobody.frames([frame.exposure.id], 0))) == 1


def test_a_detector_without_a_dimension_record_is_named_and_nothing_is_kept(store: ButlerStore) -> None:
    first = samples.instrument().detectors[0]
    more = evolve(samples.instrument(), detectors=(first,))
    world = evolve(store.world, instrument=more)
    product = samples.product(detector=7)
    store.put(samples.product("dark"), "run-0")
    with ButlerStore(store.options, world) as other, pytest.raises(StoreError, match="the instrument sample has no detector 7 there"):
        other.put(product, "run-1")
    ref = store.put(samples.product(), "run-1")  # and then it goes on
    store.certify([ref], "calib", NIGHT)
    assert [one.ref for one in store.list()] == [ref]


def test_a_product_of_an_exposure_without_a_record_brings_one_and_its_frame_the_facts(store: ButlerStore) -> None:
    frame = samples.frame(1)
    store.put(evolve(samples.product("gain"), exposure=frame.exposure.id), "run-1")
    with pytest.raises(StoreError, match="is not in the store"):
        store.exposure(frame.exposure.id)
    store.ingest(frame)
    with store.repository.reading() as butler:
        (record,) = butler.query_dimension_records("exposure", instrument="sample", exposure=frame.exposure.id)
    assert (record.obs_id, record.observation_type, record.observation_reason) == (frame.exposure.obs_id, "bias", "daily")
    assert (record.day_obs, record.seq_num, record.group) == (20221104, 1, str(frame.exposure.id))
    assert abs((record.timespan.begin - frame.exposure.begin).sec) < 1e-9
    assert record.timespan.begin.scale == "tai"


def test_a_certificate_outside_of_what_a_registry_knows_is_refused(store: ButlerStore) -> None:
    ref = store.put(samples.product(), "run-1")
    with pytest.raises(StoreError, match="1950-01-01 to 1960-01-01 is outside of what a Butler's registry can say, 1970-01-01"):
        store.certify([ref], "calib", ValidityRange(instant("1950-01-01"), instant("1960-01-01")))
    store.certify([ref], "calib", ValidityRange(instant("1950-01-01"), instant("2050-01-01")))
    (one,) = store.list()
    assert str(one.valid) == "1950-01-01 to 2050-01-01"  # as it was given
    assert store.find("bias", 0, Setup(), NOON, ["calib"]) == ref


def test_nothing_is_certified_into_a_run_or_a_chain(store: ButlerStore) -> None:
    ref = store.put(samples.product(), "run-1")
    with pytest.raises(StoreError, match="u/latcal/run-1 is a CHAINED collection, which nothing is certified into"):
        store.certify([ref], "u/latcal/run-1", NIGHT)


def test_inputs_may_be_chains_of_calibrations_and_runs(store: ButlerStore) -> None:
    from lsst.daf.butler import CollectionType

    ref = store.put(samples.product(), "run-1")
    store.certify([ref], "calib/night", NIGHT)
    with store.repository.writing() as butler:
        butler.collections.register("LATISS/calib", CollectionType.CHAINED)
        butler.collections.redefine_chain("LATISS/calib", ["calib/night"])
    found = store.find("bias", 0, Setup(), NOON, ["nowhere", "LATISS/calib"])
    assert (found, found.collection) == (ref, "LATISS/calib")


# -- the disk --------------------------------------------------------------------------------------------------


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Let no file grow beyond so many bytes: the kernel ends a write in its middle, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_write_that_ends_in_its_middle_leaves_nothing_and_a_rerun_works(store: ButlerStore) -> None:
    store.put(samples.product("dark"), "run-1")
    files = set(Path(store.options.repo).rglob("*.fits"))
    with room_for(9000), pytest.raises(StoreError, match="make room"):
        store.put(samples.product(), "run-1")
    assert set(Path(store.options.repo).rglob("*.fits")) == files
    ref = store.put(samples.product(), "run-1")
    store.certify([ref], "calib", NIGHT)
    assert store.find("bias", 0, Setup(), NOON, ["calib"]) == ref


def test_a_certificate_that_cannot_be_written_certifies_nothing(store: ButlerStore) -> None:
    refs = [store.put(samples.product(detector=number), "run-1") for number in (0, 1)]
    calls = []

    def fails(source: str, target: str) -> None:
        calls.append(target)
        if len(calls) > 1:  # the certificate of the second product
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        replace(source, target)

    replace = os.rename
    with mock.patch("os.rename", fails), mock.patch("os.replace", fails), pytest.raises(StoreError, match="No space left"):
        store.certify(refs, "calib", NIGHT)
    assert len(calls) > 1
    assert not list(store.list())
    store.certify(refs, "calib", NIGHT)
    assert len(list(store.list())) == 2


def test_a_damaged_file_is_told(store: ButlerStore) -> None:
    ref = store.put(samples.product(), "run-1")
    (path,) = Path(store.options.repo).rglob("bias*.fits")
    data = bytearray(path.read_bytes())
    data[2880 * 4 + 11] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(StoreError, match=r"bias.*\.fits .*(damaged|not that)"):
        store.get(ref)
    path.unlink()
    with pytest.raises(StoreError, match=r"\(it is gone: restore it from a copy, or make it again\)"):
        list(store.list(collection="u/latcal/run-1"))


def test_a_registry_that_is_damaged_is_told(store: ButlerStore) -> None:
    store.put(samples.product(), "run-1")
    store.repository.close()
    Path(store.options.repo, "gen3.sqlite3").write_bytes(b"SQLite format 3\0" + b"x" * 5000)
    with pytest.raises(StoreError, match="repo: its registry"):
        list(store.list())


KILLED = """
import os, signal, sqlite3, sys
registry = sqlite3.connect(sys.argv[1], isolation_level=None)
registry.execute("pragma cache_size = 5")
registry.execute("begin immediate")
registry.execute("create table much (text)")
registry.executemany("insert into much values (?)", [("x" * 500,)] * 2000)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_writer_that_is_killed_in_the_middle_of_a_commit_keeps_nobody_from_reading(store: ButlerStore) -> None:
    store.certify([store.put(samples.product(), "run-1")], "calib", NIGHT)
    store.repository.close()
    registry = Path(store.options.repo, "gen3.sqlite3")
    done = subprocess.run([sys.executable, "-c", KILLED, str(registry)], check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL
    assert registry.with_name("gen3.sqlite3-journal").exists()  # what it began is to be undone, by who can write
    assert len(list(store.list())) == 1


# -- other processes -------------------------------------------------------------------------------------------


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def put_and_die(folder: Path) -> None:
    """Put a product, and be gone in the middle of certifying it."""
    from lsst.daf.butler.registry.sql_registry import SqlRegistry

    store = copied(folder)
    ref = store.put(samples.product(), "run-1")
    with mock.patch.object(SqlRegistry, "certify", die):
        store.certify([ref], "calib", NIGHT)


def test_a_run_that_is_killed_between_put_and_certify_leaves_nothing_certified_and_a_rerun_works(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=put_and_die, args=(tmp_path,))
    process.start()
    process.join(300)
    assert process.exitcode == -signal.SIGKILL
    with copied(tmp_path) as store:
        assert not list(store.list())
        ref = store.put(samples.product(), "run-1")
        store.certify([ref], "calib", NIGHT)
        assert store.find("bias", 0, Setup(), NOON, ["calib"]) == ref


@pytest.mark.usefixtures("postgres")
def test_a_database_server_that_stops_is_told_and_a_rerun_works(tmp_path: Path) -> None:
    server = the_server()
    with on_postgres(tmp_path) as store:
        ref = store.put(samples.product(), "run-1")
        server.stop()
        try:
            with pytest.raises(StoreError, match=r"its registry says: .*see that the database server runs"):
                store.certify([ref], "calib", NIGHT)
            with pytest.raises(StoreError, match=r"(its registry says|cannot be used|connect)"), on_postgres(tmp_path) as other:
                list(other.list())
        finally:
            server.start()
    with on_postgres(tmp_path) as store:
        assert not list(store.list())
        store.certify([ref], "calib", NIGHT)
        assert [one.ref for one in store.list()] == [ref]

