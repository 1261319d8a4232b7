from __future__ import annotations

import errno
import hashlib
import os
import sqlite3
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve

from latcal.builtin.stores.folder.options import FolderOptions
from latcal.builtin.stores.folder.store import FolderStore
from latcal.errors import StoreError
from latcal.formats.raw import checksum, write_raw
from latcal.model.frames import Setup
from latcal.model.validity import ValidityRange, instant, stamp
from latcal.plugin.lookup import setup_text
from latcal.testing import samples

NIGHT = ValidityRange(instant("2022-11-04"), instant("2022-11-05"))
NOON = instant("2022-11-04T12:00:00")


def open_store(folder: Path, **options) -> FolderStore:
    return FolderStore(FolderOptions(root=folder / "store", **options), samples.world(folder))


@pytest.fixture
def store(tmp_path):
    with open_store(tmp_path) as store:
        yield store


def state(folder: Path) -> list[tuple[str, int, str]]:
    """Every file and folder with its time of change and what is in it."""
    return sorted(
        (
            str(path.relative_to(folder)),
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "",
        )
        for path in [folder, *folder.rglob("*")]
    )


def test_a_butler_repository_is_not_opened_and_nothing_is_written_there(tmp_path):
    root = tmp_path / "store"
    root.mkdir()
    for name in ("butler.yaml", "gen3.sqlite3"):
        (root / name).touch()
    message = r"store looks like a Butler repository, since it holds butler\.yaml, .*latcal-butler"
    before = state(root)
    with pytest.raises(StoreError, match=message), open_store(tmp_path) as store:
        store.reserve(date(2022, 11, 4), 1)
    assert state(root) == before


def test_a_place_with_a_scheme_is_not_taken_for_a_folder(tmp_path):
    with (
        pytest.raises(StoreError, match=r"^'s3://bucket/calib' is not a folder of this computer"),
        FolderStore(FolderOptions(root=Path("s3://bucket/calib")), samples.world(tmp_path)),
    ):
        pass


@pytest.mark.parametrize("names", [[], ["raw", "reports", ".DS_Store"], ["truth"], ["notes.txt"]])
def test_what_is_empty_or_holds_other_things_can_be_used(tmp_path, names):
    root = tmp_path / "store"
    root.mkdir()
    for name in names:
        (root / name).touch() if "." in name else (root / name).mkdir()
    with open_store(tmp_path) as store:
        assert len(store.reserve(date(2022, 11, 4), 2)) == 2


def filled(folder: Path):
    store = open_store(folder)
    ref = store.put(samples.product(), "run-1")
    store.certify([ref], "calib", NIGHT)
    store.attach(ref, "plot.png", b"PNG")
    frame = store.ingest(samples.frame(1))
    of_exposure(store, "bias_residual", run="run-2")
    store.write_report("run-1", {"night.jsonl": "{}\n"})
    return store, ref, frame


def ask_everything(store, ref, frame):
    """All that a preflight may ask."""
    store.is_free("bias", 0, Setup(), "calib", NIGHT)
    list(store.list())
    store.free_bytes()
    store.find("bias", 0, Setup(), NOON, ["calib"])
    store.find_exposure("bias", 0, frame.exposure.id, ["calib"])
    store.of_exposure("bias_residual", 0, frame.exposure.id)
    store.attached(ref, "plot.png")
    store.get(ref)
    [one.pixels(one.detector.amplifiers[0]) for one in store.frames([frame.exposure.id], 0)]
    store.read_report("run-1", "night.jsonl")


def test_asking_a_store_changes_no_byte_and_no_time(tmp_path):
    _, ref, frame = filled(tmp_path)
    before = state(tmp_path)
    with open_store(tmp_path) as store:
        ask_everything(store, ref, frame)
    assert state(tmp_path) == before


def test_a_store_whose_files_cannot_be_written_can_be_read(tmp_path):
    _, ref, frame = filled(tmp_path)
    paths = [tmp_path / "store", *(tmp_path / "store").rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    try:
        ask_everything(open_store(tmp_path), ref, frame)
    finally:
        for path in paths:
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_files_lie_where_the_documentation_says(tmp_path):
    store, ref, frame = filled(tmp_path)
    files = sorted(str(path.relative_to(tmp_path / "store")) for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert files == [
        "index.sqlite",
        f"products/run-1/bias_0_{ref.id}.fits",
        f"products/run-1/bias_0_{ref.id}_plot.png",
        f"products/run-2/bias_residual_0_{store.of_exposure('bias_residual', 0, frame.exposure.id).id}.fits",
        "raw/20221104/LC_O_20221104_000001_0.fits",
        "reports/run-1/night.jsonl",
    ]
    assert frame.path == tmp_path / "store" / files[4]
    assert frame.checksum == checksum(frame.path)


def test_a_setup_of_odd_names_makes_a_plain_file_name(store):
    store.put(samples.product("flat", setup=Setup(filter="../r/x y")), "run-1")
    (path,) = (store.root / "products" / "run-1").iterdir()
    assert path.name.startswith("flat_0_..-r-x-y_")


def test_a_frame_that_is_a_file_is_copied_byte_for_byte(store, tmp_path):
    original = tmp_path / "seen.fits"
    write_raw(samples.frame(1), original, compress=False)
    kept = store.ingest(evolve(samples.frame(1), path=original))
    assert kept.path != original
    assert kept.path.read_bytes() == original.read_bytes()


def test_frames_are_compressed_unless_told_otherwise(tmp_path):
    from astropy.io import fits

    for compress in (True, False):
        path = open_store(tmp_path / str(compress), compress=compress).ingest(samples.frame(1)).path
        with fits.open(path) as hdus:
            assert isinstance(hdus["SegmentA"], fits.CompImageHDU) is compress


def test_a_relative_root_is_that_of_the_working_directory_when_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = FolderStore(FolderOptions(root=Path("here")), samples.world(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.reserve(date(2022, 11, 4), 1)
    assert (tmp_path / "here" / "index.sqlite").exists()


def test_room_is_that_of_the_nearest_folder_that_exists(tmp_path):
    assert open_store(tmp_path / "not" / "there").free_bytes() > 0


def test_putting_the_same_product_again_changes_nothing(store):
    first = store.put(samples.product(), "run-1")
    before = state(store.root / "products")
    assert store.put(samples.product(), "run-1") == first
    assert [(name, content) for name, _, content in state(store.root / "products")] == [
        (name, content) for name, _, content in before
    ]


def test_a_run_or_report_that_is_no_file_name_is_refused(store):
    with pytest.raises(StoreError, match=r"'../run' is not a name for a run"):
        store.put(samples.product(), "../run")
    with pytest.raises(StoreError, match="'a/b' is not a name for a report"):
        store.write_report("run-1", {"a/b": ""})


# -- damage ----------------------------------------------------------------------------------------------------


def flip(path: Path, at: int):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def test_a_product_with_one_bit_changed_is_damaged(store):
    from astropy.io import fits

    ref = store.put(samples.product(), "run-1")
    (path,) = (store.root / "products" / "run-1").iterdir()
    with fits.open(path) as hdus:
        at = hdus["IMAGE"].fileinfo()["datLoc"]
    flip(path, at + 40)
    with pytest.raises(StoreError, match=r"bias_0_.*fits is damaged: its planes and tables are not those"):
        store.get(ref)


def test_a_product_whose_file_is_gone_or_cut_short_is_named(store):
    ref = store.put(samples.product(), "run-1")
    (path,) = (store.root / "products" / "run-1").iterdir()
    path.write_bytes(path.read_bytes()[:6000])
    with pytest.raises(StoreError, match="is cut short"):
        store.get(ref)
    path.unlink()
    with pytest.raises(StoreError, match=r"bias_0_.* cannot be read .No such file"):
        store.get(ref)


def test_a_raw_file_that_was_removed_counts_as_missing(store):
    kept = store.ingest(samples.frame(1))
    kept.path.unlink()
    with pytest.raises(StoreError, match="no raw frame of exposure 2022110400001"):
        store.frames([kept.exposure.id], 0)


def test_a_raw_file_that_is_cut_short_is_named(store):
    kept = store.ingest(samples.frame(1))
    kept.path.write_bytes(kept.path.read_bytes()[:-2880])
    with pytest.raises(StoreError, match=r"LC_O_20221104_000001_0.fits is cut short"):
        list(store.frames([kept.exposure.id], 0))


def test_frames_without_an_instrument_are_refused_with_what_to_do(tmp_path):
    _, _, frame = filled(tmp_path)
    blind = FolderStore(FolderOptions(root=tmp_path / "store"), evolve(samples.world(tmp_path), instrument=None))
    assert blind.exposure(frame.exposure.id) == frame.exposure
    with pytest.raises(StoreError, match="open it with an instrument"):
        blind.frames([frame.exposure.id], 0)


def test_an_index_that_is_not_one_is_named(store):
    store.root.mkdir()
    (store.root / "index.sqlite").write_text("this is text" * 100)
    with pytest.raises(StoreError, match=r"index.sqlite: file is not a database"):
        list(store.list())


def test_an_index_of_a_newer_version_is_refused(store):
    store.reserve(date(2022, 11, 4), 1)
    with sqlite3.connect(store.root / "index.sqlite") as connection:
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(StoreError, match=r"is of version 9, and this latcal reads 2 \(install a newer one\)"):
        list(store.list())


def of_exposure(store, kind, *, run):
    return store.put(evolve(samples.product(kind), exposure=2022110400001), run)


def test_an_index_of_the_first_version_is_read_as_it_is_and_brought_up_to_date_when_it_is_written(tmp_path):
    store = open_store(tmp_path)
    later, earlier = (of_exposure(store, "bias_residual", run=f"202211{day}T000000-0a1b2c3d") for day in ("05", "04"))
    store.put(samples.product(), "run-1")
    with sqlite3.connect(store.root / "index.sqlite") as connection:
        connection.executescript("DROP TABLE exposures; PRAGMA user_version = 1")
    connection.close()
    before = state(tmp_path)
    assert store.of_exposure("bias_residual", 0, 2022110400001) == later
    assert state(tmp_path) == before
    newest = of_exposure(store, "bias_residual", run="20221106T000000-0a1b2c3d")
    assert store.of_exposure("bias_residual", 0, 2022110400001) == newest
    with store.index.reading() as connection:
        rows = connection.execute("SELECT product FROM exposures ORDER BY number").fetchall()
        # of what was put before, the first exposure is known; of what is put now, all
        assert [row["product"] for row in rows] == [earlier.id, later.id, *[newest.id] * 3]
        assert connection.execute("PRAGMA user_version").fetchone()[0] == 2


def test_an_empty_index_is_an_empty_store(store):
    store.root.mkdir()
    (store.root / "index.sqlite").touch()
    assert list(store.list()) == []
    assert store.reserve(date(2022, 11, 4), 1) == range(2022110400001, 2022110400002)


# -- the disk is full ------------------------------------------------------------------------------------------


def full(*_args, **_kwargs):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_full_disk_is_a_store_error_and_leaves_nothing(store, monkeypatch, call):
    ref = store.put(samples.product("dark"), "run-1")
    store.attach(ref, "plot.png", b"earlier")
    before = {path for path in store.root.rglob("*") if path.is_file()}
    monkeypatch.setattr(os, call, full)
    for write in (
        lambda: store.put(samples.product(), "run-1"),
        lambda: store.ingest(samples.frame(1)),
        lambda: store.write_report("run-1", {"night.jsonl": "{}"}),
        lambda: store.attach(ref, "plot.png", b"later"),
    ):
        with pytest.raises(StoreError, match=r"No space left on device \(make room"):
            write()
    monkeypatch.undo()
    assert {path for path in store.root.rglob("*") if path.is_file()} == before
    assert store.attached(ref, "plot.png") == b"earlier"
    with pytest.raises(StoreError, match="no raw frame"):
        store.frames([2022110400001], 0)
    assert store.ingest(samples.frame(1)).path.exists()


def test_a_full_disk_under_the_index_is_a_store_error(store, monkeypatch):
    ref = store.put(samples.product(), "run-1")

    ordinary = type(store.index)._open

    def tiny(index, mode):
        connection = ordinary(index, mode)
        try:
            connection.execute("PRAGMA max_page_count = 1")
        except BaseException:
            connection.close()
            raise
        return connection

    monkeypatch.setattr(type(store.index), "_open", tiny)
    valid = [ValidityRange(instant(f"{year}-01-01"), instant(f"{year + 1}-01-01")) for year in range(1900, 2100)]
    with pytest.raises(StoreError, match=r"index.sqlite: database or disk is full \(make room"):
        for one in valid:
            store.certify([ref], "c" * 200, one)


def test_a_folder_that_may_not_be_made_is_named(tmp_path):
    (tmp_path / "store").write_text("a file in the way")
    store = open_store(tmp_path)
    with pytest.raises(StoreError, match=r"store: (File exists|Not a directory)"):
        store.reserve(date(2022, 11, 4), 1)


# -- several processes -----------------------------------------------------------------------------------------


def test_a_lock_that_stays_is_named_after_the_timeout(tmp_path):
    store = open_store(tmp_path, lock_timeout="10 ms")
    store.reserve(date(2022, 11, 4), 1)
    other = sqlite3.connect(store.root / "index.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreError, match=r"has been locked by another process for 0.01 s \(wait .* lock_timeout\)"):
            store.reserve(date(2022, 11, 4), 1)
        assert list(store.list()) == []  # who only reads need not wait
    finally:
        other.close()


KILLED = """
import os, sys
from pathlib import Path
from latcal.builtin.stores.folder import files, index
from latcal.testing import samples
sys.path.insert(0, sys.argv[1])
import {module} as these
store = these.open_store(Path(sys.argv[2]))
real = os.replace
def before(*args):
    os._exit(9)
def after(*args):
    real(*args)
    os._exit(9)
os.replace = {when}
store.ingest(samples.frame(1)) if sys.argv[3] == "raw" else store.put(samples.product(), "run-1")
"""


@pytest.mark.parametrize("what", ["raw", "product"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_writer_that_is_killed_leaves_nothing_visible(tmp_path, what, when):
    store = open_store(tmp_path)
    store.reserve(date(2022, 11, 4), 1)
    code = KILLED.format(module=Path(__file__).stem, when=when)
    done = subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path), what], check=False)
    assert done.returncode == 9
    with pytest.raises(StoreError, match="no raw frame"):
        store.frames([2022110400001], 0)
    assert list(store.list()) == []
    # and what it left is in nobody's way
    kept = store.ingest(samples.frame(1))
    np.testing.assert_array_equal(
        next(store.frames([kept.exposure.id], 0)).raw(kept.detector.amplifiers[0]), kept.raw(kept.detector.amplifiers[0])
    )
    assert store.get(store.put(samples.product(), "run-1")).kind == "bias"


HALF_DONE = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN IMMEDIATE")
connection.executemany(
    "INSERT INTO certificates VALUES ('c', 'bias', 0, ?, ?, '~', 'x', '', '')", ((f"{i:0500}", str(i)) for i in range(500))
)
os._exit(9)
"""


def test_a_transaction_that_was_killed_is_undone_by_who_comes_next(tmp_path):
    store, ref, _ = filled(tmp_path)
    path = store.root / "index.sqlite"
    done = subprocess.run([sys.executable, "-c", HALF_DONE, str(path)], check=False)
    assert done.returncode == 9
    assert path.with_name("index.sqlite-journal").exists()
    assert [one.ref.id for one in store.list()] == [ref.id]


# -- speed -----------------------------------------------------------------------------------------------------


def test_lookups_walk_the_index_and_never_all_certificates(tmp_path):
    store, _, _ = filled(tmp_path)
    asked = []
    with store.index.reading() as connection:
        connection.set_trace_callback(asked.append)
        from latcal.builtin.stores.folder import certificates, exposures

        certificates.valid_at(connection, "bias", 0, setup_text(Setup()), stamp(NOON), "calib")
        certificates.all_valid_at(connection, "bias", 0, stamp(NOON), "calib")
        certificates.taken(connection, "bias", 0, Setup(), "calib", NIGHT)
        exposures.newest(connection, "bias_residual", 0, 2022110400001)
        connection.set_trace_callback(None)
        plans = [row["detail"] for query in asked for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert plans
    assert all(plan.startswith("SEARCH") for plan in plans), plans
