"""Grow masks in two dimensions."""

from __future__ import annotations

import numpy as np

from latcal.numerics.arrays import Mask


def grown(mask: Mask, width: int) -> Mask:
    """Add to a mask all pixels within some pixels of it, in both directions.

    Parameters
    ----------
    mask : (ny, nx)
        True where set; the cost is in proportion to how many are.
    width : int [pixel]
        Side steps: 1 adds the 8 neighbours.

    Returns
    -------
    (ny, nx) mask
        A new one.
    """
    result = mask.copy()
    places = np.flatnonzero(mask)
    if width < 1 or not places.size:
        return result
    rows, columns = np.divmod(places, mask.shape[1])
    last_row, last_column = mask.shape[0] - 1, mask.shape[1] - 1
    for up in range(-width, width + 1):
        near_rows = np.clip(rows + up, 0, last_row)
        for right in range(-width, width + 1):
            result[near_rows, np.clip(columns + right, 0, last_column)] = True
    return result
