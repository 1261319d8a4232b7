"""Tell the tracks of cosmic rays from bad pixels and columns, which are as sharp."""

from __future__ import annotations

from typing import Final

import numpy as np

from latcal.numerics.arrays import Mask
from latcal.numerics.growth import grown

NARROWEST: Final = 2
"""A track has at least so many columns: charge spreads by half a pixel on its way (docs/simulator.md), so that even a ray
that comes straight down is seen beside its pixel; a hot pixel is not. latcal's choice."""

STEEPEST: Final = 25
"""And at most so many rows for each; what is steeper is a bad column. latcal's choice."""


def grown_tracks(found: Mask, *, grow: int = 1) -> Mask:
    """Keep the tracks of what `cosmic_rays.find` has found, and grow them.

    Parameters
    ----------
    found : (ny, nx) mask
        Not grown.
    grow : int [pixel]
        As in `cosmic_rays.find`.

    Returns
    -------
    (ny, nx) mask
        Groups of pixels, joined in eight directions, of `NARROWEST` columns and more, and not above `STEEPEST`.
    """
    from scipy import ndimage

    groups, count = ndimage.label(found, np.ones((3, 3)))
    kept = np.zeros(count + 1, dtype=np.bool_)
    for number, (rows, columns) in enumerate(ndimage.find_objects(groups), 1):
        width, height = columns.stop - columns.start, rows.stop - rows.start
        kept[number] = width >= NARROWEST and height <= STEEPEST * width
    return grown(kept[groups], grow)
