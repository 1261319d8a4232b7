"""Time looking products up in a folder store with 100,000 certificates, beside one row read from the same SQLite file.

``python tests/benchmarks/lookups.py [--certificates N] [--json FILE]``: bias, dark and flat of the 205 detectors of LSSTCam, each
night certified for a day; the certificates are entered as a night enters them, all of its products at once. Then `LOOKUPS` lookups
of a random kind, detector and instant, through three collections of which only the last has it; each opens the index, as every
lookup of a store does. The peer reads one certificate by its whole key over a connection that stays open.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from attrs import evolve

import latcal
from latcal.builtin.stores.folder import certificates
from latcal.formats import records
from latcal.formats.products import reference
from latcal.plugin import ValidityRange, instant, stamp
from latcal.plugin.lookup import setup_text
from latcal.testing import samples

KINDS, DETECTORS, LOOKUPS = ("bias", "dark", "flat"), 205, 5_000
COLLECTION, BEFORE = "calib/daily", ("u/one/calib", "u/two/calib")
FIRST = date(2020, 1, 1)


def fill(store, wanted: int) -> int:
    """Certify nights until there are as many certificates as wanted; give the number of nights."""
    template = reference(samples.product(), "20200101T000000-0a1b2c3d")
    nights = -(-wanted // (len(KINDS) * DETECTORS))
    for night in range(nights):
        begin, end = (instant((FIRST + timedelta(days=night + more)).isoformat()) for more in (0, 1))
        each = [(kind, detector) for kind in KINDS for detector in range(DETECTORS)]
        refs = [evolve(template, kind=kind, detector=detector, id=f"{night:08x}{n:04x}") for n, (kind, detector) in enumerate(each)]
        with store.index.writing() as connection:
            rows = [(ref.id, f"products/{ref.id}.fits", records.to_text(ref)) for ref in refs]
            connection.executemany("INSERT INTO products VALUES (?, ?, ?)", rows)
            certificates.enter(connection, refs, COLLECTION, ValidityRange(begin, end), (stamp(begin), ""))
    return nights


def looked_up(store, nights: int) -> list[float]:
    """Give the time of every lookup [s]."""
    random = np.random.default_rng(1)
    setup, times = samples.product().setup, []
    for _ in range(LOOKUPS):
        kind, detector = str(random.choice(KINDS)), int(random.integers(DETECTORS))
        at = instant(f"{FIRST + timedelta(days=int(random.integers(nights)))}T12:00:00")
        began = time.perf_counter()
        ref = store.find(kind, detector, setup, at, (*BEFORE, COLLECTION))
        times.append(time.perf_counter() - began)
        assert (ref.kind, ref.detector) == (kind, detector)
    return times


def read_by_key(path: Path, nights: int) -> list[float]:
    """Give the time of every reading of one row by its key [s]."""
    random = np.random.default_rng(1)
    setup, times = setup_text(samples.product().setup), []
    connection = sqlite3.connect(path)
    query = "SELECT * FROM certificates WHERE collection = ? AND kind = ? AND detector = ? AND setup = ? AND begins = ?"
    for _ in range(LOOKUPS):
        kind, detector = str(random.choice(KINDS)), int(random.integers(DETECTORS))
        begins = stamp(instant((FIRST + timedelta(days=int(random.integers(nights)))).isoformat()))
        began = time.perf_counter()
        row = connection.execute(query, (COLLECTION, kind, detector, setup, begins)).fetchone()
        times.append(time.perf_counter() - began)
        assert row is not None
    connection.close()
    return times


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--certificates", type=int, default=100_000)
    parser.add_argument("--json", type=Path, help="file to write all times to")
    asked = parser.parse_args()
    registry = latcal.load_plugins()
    with tempfile.TemporaryDirectory() as folder, latcal.open_store("folder", registry, root=folder) as store:
        nights = fill(store, asked.certificates)
        times = {"store.find": looked_up(store, nights), "one row by its key": read_by_key(store.index.path, nights)}
        size = store.index.path.stat().st_size
    count = nights * len(KINDS) * DETECTORS
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, {count} certificates, index of {size / 1e6:.0f} MB\n")
    print("| lookup | median [ms] | p99 [ms] | greatest [ms] |\n| --- | --- | --- | --- |")
    for name, each in times.items():
        median, p99, greatest = (1e3 * float(np.quantile(each, q)) for q in (0.5, 0.99, 1.0))
        print(f"| {name} | {median:.3f} | {p99:.3f} | {greatest:.3f} |")
    if asked.json:
        asked.json.write_text(json.dumps(times), encoding="utf-8")


if __name__ == "__main__":
    main()
