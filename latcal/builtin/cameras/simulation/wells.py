"""Full wells: what a pixel cannot hold spills along its column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def spill(charge: NDArray[np.float32], full_well: float) -> None:
    """Spill what is over the full well along the columns, half of it to either side, in place.

    Parameters
    ----------
    charge : (ny, nx) [electron]
        Of everything that shares its columns, from the first row read to the barrier in the middle of the sensor.
        What finds no room is lost at the ends.
    full_well : float [electron]
    """
    limit = np.float32(full_well)
    columns = np.flatnonzero((charge > limit).any(axis=0))
    if not columns.size:
        return
    part = charge[:, columns]
    excess = np.maximum(part - limit, np.float32(0)) * np.float32(0.5)
    np.minimum(part, limit, out=part)
    for rows in (range(len(part)), range(len(part) - 1, -1, -1)):
        carried = np.zeros(columns.size, dtype=np.float32)
        for row in rows:
            carried += excess[row]
            taken = np.minimum(carried, limit - part[row])
            part[row] += taken
            carried -= taken
    charge[:, columns] = part
