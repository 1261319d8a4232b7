"""Blemishes of a simulated sensor beside its hot pixels: bad columns, and pixels that jump."""

from __future__ import annotations

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.cameras.simulation.streams import Stream, generator
from latcal.plugin import Detector

SHORTEST = 100
"""A bad column has at least so many rows, where the half that it is in has them (docs/simulator.md)."""

BRIGHTEST, FAINTEST = 20.0, 4.0
"""Rates of a bright column [electron / s]; the lower one is what must be found, the other assumed."""

BEST = 0.85
"""Response of a dim column is between 0.3 and this, which must be found; the lower one is assumed."""

WORST = 0.3
JUMP_LOWEST, JUMP_HIGHEST = 60.0, 300.0
"""Height of a jump [electron]; the lower one is what must be found, the other assumed."""

IDLEST, BUSIEST = 0.3, 0.7
"""Part of the exposures in which a pixel that jumps is up (docs/simulator.md)."""


@frozen
class BadColumn:
    """Rows ``y0 <= y < y1`` of one column: `rate` [electron / s] is added, and the response multiplied."""

    x: int
    y0: int
    y1: int
    rate: float
    response: float

    @property
    def rows(self) -> slice:
        """Its rows as an index."""
        return slice(self.y0, self.y1)


@frozen(eq=False)
class Telegraph:
    """Pixels that jump: y and x (n, 2), height (n,) [electron], part of the exposures in which they are up (n,)."""

    pixels: NDArray[np.int64]
    heights: NDArray[np.float64]
    duties: NDArray[np.float64]

    def up(self, random: np.random.Generator) -> NDArray[np.int64]:
        """Give the charge that they have in one exposure, (n,) [electron]."""
        raised = random.random(self.heights.size) < self.duties
        return np.rint(np.where(raised, self.heights, 0.0)).astype(np.int64)


def bad_columns(options: SimulatedOptions, detector: Detector) -> tuple[BadColumn, ...]:
    """Give the bad columns: each from some row away from the readout on; every other one is dim, the rest bright."""
    random = generator(options.seed, Stream.COLUMNS, detector.id)
    found = []
    for number in range(options.bad_columns):
        amplifier = detector.amplifiers[int(random.integers(len(detector.amplifiers)))]
        box = amplifier.position
        x = int(random.integers(box.x0, box.x1))
        rows = int(random.integers(min(SHORTEST, box.shape[0]), box.shape[0] + 1))
        y0 = box.y0 if amplifier.flip_y else box.y1 - rows
        rate, response = float(random.uniform(FAINTEST, BRIGHTEST)), float(random.uniform(WORST, BEST))
        found.append(BadColumn(x, y0, y0 + rows, *((rate, 1.0) if number % 2 == 0 else (0.0, response))))
    return tuple(found)


def telegraph_pixels(options: SimulatedOptions, detector: Detector) -> Telegraph:
    """Give the pixels that jump, each once."""
    random = generator(options.seed, Stream.TELEGRAPH, detector.id)
    ny, nx = detector.shape
    count = int(random.binomial(ny * nx, options.telegraph_pixels.to_value("")))
    places = np.sort(random.choice(ny * nx, count, replace=False))
    heights, duties = random.uniform(JUMP_LOWEST, JUMP_HIGHEST, count), random.uniform(IDLEST, BUSIEST, count)
    return Telegraph(np.stack(np.divmod(places, nx), axis=1).astype(np.int64), heights, duties)
