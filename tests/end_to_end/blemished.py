"""A simulated camera with every kind of defect of decisions.md 3.8, a corner of the bench, and what of them a map has found.

The simulated camera has hot pixels, pixels that jump, and columns that are bright or dim from some row on. Here some more
are put into what is true of its sensors: cold pixels, columns that blink, dead ones, and ones that are full in every dark.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from attrs import evolve, frozen
from scipy import ndimage

from latcal.builtin import instruments
from latcal.builtin.cameras.simulated import describe
from latcal.builtin.cameras.simulation.blemishes import BadColumn
from latcal.builtin.cameras.simulation.camera import SimulatedCamera
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.cameras.simulation.truth import Truth, truth
from latcal.plugin import CameraType, Detector, Instrument, InstrumentType, World, hookimpl

EDGE = 9
"""Pixels at the edges of the detector that do not count (decisions.md 3.8)."""

FOUND = 0.9
"""Part of its pixels that a defect that is found has in the map (decisions.md 3.8)."""

KINDS = (
    "hot pixel", "cold pixel", "telegraph pixel", "bright column", "dim column", "blinking column", "dead column",
    "saturated column",
)  # fmt: skip


@frozen(eq=False)
class Defect:
    """One defect: its kind, and the y and x of its pixels."""

    kind: str
    y: Any
    x: Any


@frozen(eq=False)
class Sensor:
    """What is true of a detector, and the defects that this camera adds to it."""

    true: Truth
    added: tuple[Defect, ...]

    @property
    def defects(self) -> Iterator[Defect]:
        """All defects, without what is at the edge."""
        height, width = self.true.detector.shape
        for one in (*self._simulated(), *self.added):
            inside = (one.y >= EDGE) & (one.y < height - EDGE) & (one.x >= EDGE) & (one.x < width - EDGE)
            if inside.any():
                yield Defect(one.kind, one.y[inside], one.x[inside])

    def _simulated(self) -> Iterator[Defect]:
        for kind, places in (("hot pixel", self.true.hot_pixels), ("telegraph pixel", self.true.telegraph.pixels)):
            for place in places:
                yield Defect(kind, *place[:, None])
        added = {(int(one.x[0]), int(y)) for one in self.added for y in one.y}
        for column in self.true.bad_columns:
            if (column.x, column.y0) not in added:
                kind = "bright column" if column.rate else "dim column"
                yield Defect(kind, np.arange(column.y0, column.y1), np.full(column.y1 - column.y0, column.x))


@cache
def sensor(options: SimulatedOptions, detector: Detector) -> Sensor:
    """Give a sensor with more defects: 10 columns of each kind and 407 cold pixels for LATISS, 2 and 40 for few pixels."""
    height, width = detector.shape
    columns, cold = max(2, width // 400), max(40, height * width // 40_000)
    true = truth(options, detector)
    random = np.random.default_rng(options.seed)
    response, found, more = true.flat.copy(), [], []
    amplifiers = detector.amplifiers
    free = np.setdiff1d(np.arange(EDGE, detector.shape[1] - EDGE), [column.x for column in true.bad_columns])
    xs = iter(random.permutation(free[::5]))  # well apart
    for kind in ("blinking column", "dead column", "saturated column"):
        for _ in range(columns):
            x = int(next(xs))
            box = next(one.position for one in amplifiers if one.position.x0 <= x < one.position.x1)
            rows = np.arange(box.y0, box.y1)
            if kind == "blinking column":
                bad = rows[rows.size // 10 : -(rows.size // 10) : 2]
                more += [BadColumn(x, int(y), int(y) + 1, 10.0, 1.0) for y in bad]
                rows = np.arange(bad[0], bad[-1] + 1)
            elif kind == "dead column":
                response[rows, x] = 0.0
            else:
                more.append(BadColumn(x, int(rows[0]), int(rows[-1]) + 1, 20_000.0, 1.0))
            found.append(Defect(kind, rows, np.full(rows.size, x)))
    for y, x in zip(*np.divmod(random.choice(height * width, cold, replace=False), width), strict=True):
        response[y, x] *= random.uniform(0.0, 0.85)
        found.append(Defect("cold pixel", np.array([y]), np.array([x])))
    return Sensor(evolve(true, flat=response, bad_columns=(*true.bad_columns, *more)), tuple(found))


class BlemishedCamera(SimulatedCamera):
    """The simulated camera, whose sensors have more defects."""

    def __init__(self, options: SimulatedOptions, world: World) -> None:
        super().__init__(options, world)
        self._truth = lambda key: sensor(options, self._instrument.detector(key)).true


@hookimpl
def latcal_cameras() -> Iterator[CameraType]:
    """Declare it."""
    yield CameraType(
        name="blemished",
        summary="The simulated camera with more defects",
        options=SimulatedOptions,
        open=BlemishedCamera,
        describe=describe,
    )


def corner() -> Instrument:
    """Give the bench with 4 of its 16 amplifiers, two of either row: a quarter of the work."""
    bench = next(one for one in instruments.latcal_instruments() if one.name == "bench").load()
    (detector,) = bench.detectors
    kept = tuple(one for one in detector.amplifiers if one.position.x1 <= 160)
    return evolve(bench, name="corner", detectors=(evolve(detector, amplifiers=kept),))


@hookimpl
def latcal_instruments() -> Iterator[InstrumentType]:
    """Declare it."""
    yield InstrumentType(name="corner", summary="Four amplifiers of the bench", options=instruments.NoOptions, load=corner)


@frozen
class Tally:
    """How many defects of a kind are found, and missed."""

    found: int = 0
    missed: int = 0


def tally(sensor: Sensor, reason: Any) -> tuple[dict[str, Tally], int]:
    """Count found and missed defects by kind, and objects in the map that are none.

    No object is what is within 3 rows of a bad column or 1 pixel of another defect, what is filled in a column that is bad
    in half of its rows or full, and what is beside full pixels.
    """
    counts = dict.fromkeys(KINDS, Tally())
    known = np.zeros(reason.shape, dtype=bool)
    known[EDGE:-EDGE, EDGE:-EDGE] = True
    known = ~known
    for one in sensor.defects:
        hit = bool((reason[one.y, one.x] != 0).mean() >= FOUND)
        before = counts[one.kind]
        counts[one.kind] = evolve(before, found=before.found + hit, missed=before.missed + (not hit))
        around = 3 if one.kind == "saturated column" else 1
        for y in range(-3, 4) if one.y.size > 1 else range(-1, 2):
            for x in range(-around, around + 1) if around > 1 or one.y.size == 1 else (0,):
                inside = (one.x + x >= 0) & (one.x + x < reason.shape[1]) & (one.y + y >= 0) & (one.y + y < reason.shape[0])
                known[one.y[inside] + y, one.x[inside] + x] = True
    for amplifier in sensor.true.detector.amplifiers:
        part = known[amplifier.position.slices]
        part[:, part.mean(axis=0) >= 0.4] = True
    return counts, int(ndimage.label((reason != 0) & ~known, np.ones((3, 3)))[1])
