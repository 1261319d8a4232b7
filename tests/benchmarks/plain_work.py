"""Work that processes do without sharing or waiting for anything: what a machine gives of a second processor."""

from __future__ import annotations

import multiprocessing
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np

ROUNDS = 30
"""So many that one call takes about what a small detector takes in Build and Verify."""


def work(frames: int) -> tuple[float, float]:
    """Combine frames of 16 amplifiers of 80 x 100 pixels over and over; give a number and the processor seconds."""
    before = _used()
    pixels = np.random.default_rng(1).normal(20_000.0, 4.0, (frames, 16, 100, 80)).astype(np.float32)
    level = 0.0
    for _ in range(ROUNDS):
        middle = np.median(pixels, axis=0)
        level += float(np.sqrt(np.square(pixels - middle).mean(axis=0, dtype=np.float64)).mean())
    return level, _used() - before


def timed(processes: int, count: int, frames: int) -> dict[str, float]:
    """Time so many calls, spread over processes that are there already."""
    load = os.getloadavg()[0]
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(work, [frames] * 2 * processes))  # what they import
        began = time.perf_counter()
        used = [seconds for _, seconds in pool.map(work, [frames] * count)]
        wall = time.perf_counter() - began
    return {"workers": -processes, "detectors": count, "load": load, "build": wall, "verify": 0.0, "cpu_tasks": sum(used), "cpu_here": 0.0}


def _used() -> float:
    mine = resource.getrusage(resource.RUSAGE_SELF)
    return mine.ru_utime + mine.ru_stime
