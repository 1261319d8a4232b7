"""Seconds that the Butler store adds to the folder store, per exposure and per product: run by hand.

    python tests/overheads.py [bench|latiss] [SQLite|URL of a PostgreSQL database] [10]

CPU seconds of this process, and wall seconds, of so many frames and products; the first of each is left out.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import latcal
import numpy as np
from attrs import evolve
from latcal.builtin.stores.folder.options import FolderOptions
from latcal.builtin.stores.folder.store import FolderStore
from latcal.plugin import Amplifier, Frame, Product, Store, ValidityRange, World, instant
from latcal.testing import samples

from latcal_butler.options import ButlerOptions
from latcal_butler.store import ButlerStore


class Noise:
    """Pixels that compress as those of a camera do."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self, amplifier: Amplifier) -> np.ndarray:
        return np.random.default_rng(self.seed).normal(10_000, 9, amplifier.raw.shape).astype(np.int32)


def product(detector: object, seed: int) -> Product:
    shape = detector.shape
    rng = np.random.default_rng(seed)
    planes = {
        "image": rng.normal(size=shape).astype(np.float32), "variance": rng.random(shape).astype(np.float32),
        "mask": np.zeros(shape, np.uint8), "kept": np.full(shape, 20, np.uint16),
    }  # fmt: skip
    return evolve(samples.product(), planes=planes, detector_name=detector.name)


def timed(calls: list[Callable[[], object]]) -> tuple[float, float]:
    cpu, wall = [], []
    for call in calls:
        began, clock = time.process_time(), time.perf_counter()
        call()
        cpu.append(time.process_time() - began)
        wall.append(time.perf_counter() - clock)
    return statistics.median(cpu[1:]), statistics.median(wall[1:])


def measure(store: Store, detector: object, n: int) -> dict[str, tuple[float, float]]:
    frames = [Frame(samples.exposure(number + 1), detector, Noise(number)) for number in range(n)]
    products = [product(detector, seed) for seed in range(n)]
    days = [ValidityRange(instant(f"2022-11-{day:02}"), instant(f"2022-11-{day + 1:02}")) for day in range(1, n + 1)]
    with store:
        found = {"ingest": timed([lambda one=one: store.ingest(one) for one in frames])}
        refs = []
        found["put"] = timed([lambda run=run, one=one: refs.append(store.put(one, f"run-{run}")) for run, one in enumerate(products)])
        found["certify"] = timed([lambda one=one, day=day: store.certify([one], "calib", day) for one, day in zip(refs, days, strict=True)])
        found["find"] = timed([lambda day=day: store.find("bias", detector.id, refs[0].setup, day.begin, ["calib"]) for day in days])
        found["get"] = timed([lambda one=one: store.get(one) for one in refs])
    return found


def main(name: str = "bench", database: str = "SQLite", n: str = "10") -> None:
    instrument = latcal.load_plugins().get("instrument", name).load()
    with tempfile.TemporaryDirectory() as folder:
        world = World(instrument, samples.world(Path()).now, "run", threading.Event(), Path(folder))
        config = None
        if database != "SQLite":
            config = Path(folder) / "seed.yaml"
            config.write_text(f"registry:\n  db: {database}\n", encoding="utf-8")
        butler = ButlerStore(ButlerOptions(repo=f"{folder}/repo", create=True, config=config), world)
        plain = FolderStore(FolderOptions(root=Path(folder) / "store"), world)
        results = [measure(store, instrument.detectors[0], int(n)) for store in (plain, butler)]
    print(f"{name}, {database.partition(':')[0]}: seconds of CPU (wall)")
    print(f"{'':10}{'folder':>16}{'butler':>16}{'added':>16}")
    for what in results[0]:
        (cpu, wall), (cpu2, wall2) = (one[what] for one in results)
        print(f"{what:10}{cpu:8.3f} ({wall:.3f}){cpu2:8.3f} ({wall2:.3f}){cpu2 - cpu:8.3f} ({wall2 - wall:.3f})")


if __name__ == "__main__":
    main(*sys.argv[1:])
