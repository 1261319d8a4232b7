"""Small values to test with: an instrument, frames and products made without camera or calibration."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from astropy.time import Time
from attrs import frozen
from numpy.typing import NDArray

from latcal.plugin import (
    Amplifier,
    Box,
    Column,
    Detector,
    Exposure,
    Frame,
    Instrument,
    Product,
    Provenance,
    Setup,
    World,
    instant,
)

DAY = 20221104


def instrument() -> Instrument:
    """Make an instrument of two detectors, each of two amplifiers of 8 x 4 pixels with overscans."""
    return Instrument("sample", tuple(Detector(number, f"S{number:02}", _amplifiers()) for number in (0, 1)))


def _amplifiers() -> tuple[Amplifier, ...]:
    return tuple(
        Amplifier(
            name, f"Segment{name}", Box(0, 10, 0, 8), Box(0, 8, 1, 5), Box(0, 8, 4 * column, 4 * column + 4),
            gain=1.1, read_noise=9.0, saturation=100_000.0, serial_overscan=Box(0, 8, 5, 8),
            parallel_overscan=Box(8, 10, 1, 5), flip_x=column == 1,
        )
        for column, name in enumerate(("A", "B"))
    )


@frozen
class Ramp:
    """Pixels that differ from exposure to exposure and from amplifier to amplifier: int32 [adu]."""

    start: int

    def __call__(self, amplifier: Amplifier) -> NDArray[Any]:
        """Give the raw pixels of an amplifier."""
        first = self.start + 1000 * ord(amplifier.name)
        return np.arange(first, first + amplifier.raw.size, dtype=np.int32).reshape(amplifier.raw.shape)


def exposure(number: int = 1, *, at: str = "2022-11-04T20:00:00", setup: Setup | None = None) -> Exposure:
    """Make the facts of an exposure of 2022-11-04."""
    return Exposure(
        id=DAY * 100_000 + number,
        obs_id=f"LC_O_{DAY}_{number:06}",
        image="bias",
        time_s=0.0,
        dark_time_s=0.01,
        begin=instant(at),
        setup=setup or Setup(),
        sequence="biases",
        labels={"reason": "daily"},
    )


def frame(number: int = 1, detector: int = 0, *, of: Exposure | None = None, path: Path | None = None) -> Frame:
    """Make a raw frame."""
    facts = of or exposure(number)
    return Frame(facts, instrument().detector(detector), Ramp(number + 100 * detector), {"TEMP": -100.5}, path)


def product(
    kind: str = "bias", detector: int = 0, *, setup: Setup | None = None, seed: int = 0, frames: tuple[int, ...] = (1, 2, 3)
) -> Product:
    """Make a product with every plane and a table."""
    rng = np.random.default_rng(seed)
    planes: dict[str, NDArray[Any]] = {
        "image": rng.normal(size=(8, 8)).astype(np.float32),
        "variance": rng.random((8, 8)).astype(np.float32),
        "mask": rng.integers(0, 16, (8, 8)).astype(np.uint8),
        "kept": rng.integers(0, 20, (8, 8)).astype(np.uint16),
    }
    planes["image"][0, 0] = np.nan
    table = {"amplifier": Column(("A", "B")), "read_noise": Column((9.1, 8.9), "electron")}
    return Product(
        kind=kind,
        detector=detector,
        detector_name=f"S{detector:02}",
        setup=setup or Setup(),
        unit="electron",
        planes=planes,
        tables={"amplifiers": table},
        provenance=provenance(frames),
        preparation="mean per row",
    )


def provenance(frames: tuple[int, ...] = (1, 2, 3)) -> Provenance:
    """Say where a product comes from."""
    return Provenance(
        run="sample-run",
        recipe="daily.yaml",
        recipe_digest="0" * 64,
        recipe_text="latcal: 1\n",
        settings=(),
        exposures={DAY * 100_000 + number: f"{number:064}" for number in frames},
        inputs=(),
        options={"clip": 5.0},
        versions={"latcal": "1.0"},
        created=Time("2022-11-04T21:00:00.123456", scale="tai"),
    )


def world(scratch: Path, *, now: Callable[[], Time] = lambda: instant("2022-11-04T21:00:00")) -> World:
    """Make a world of the sample instrument whose clock stands still."""
    return World(instrument(), now, "sample-run", threading.Event(), scratch)
