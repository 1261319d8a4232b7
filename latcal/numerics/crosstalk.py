"""Subtract what the amplifiers of a detector see of one another.

Amplifiers are read out at the same time, and a little of the signal of each shows in the others: in the pixel that is
read at that moment, so at the same row and column *as read out*, whatever the flips of either, overscans included. With
the true signals t and the observed ones o, in adu without pedestal,

    o[i] = t[i] + sum over j of c[i, j] t[j],    that is    o = (1 + c) t.

Coefficients are small: at most 1.5e-3 and mostly about 2e-5 on LATISS, and not symmetric (obs_lsst_data, its curated
crosstalk). Subtracting c o would leave terms in c², 2e-6 of a signal. Multiplying with the inverse of 1 + c leaves none
and costs the same, since either is one product of the matrix with the pixels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from latcal.errors import BuildError
from latcal.numerics.arrays import Pixels

STRIP_ROWS: Final = 32
"""Rows of all amplifiers that are worked on at a time; our measurement: they fit into a cache."""


def subtract(images: Mapping[str, Pixels], coefficients: Sequence[Sequence[float]]) -> dict[str, Pixels]:
    """Subtract from every amplifier what it sees of the others.

    Parameters
    ----------
    images : mapping of str to (ny, nx) [adu]
        Whole amplifiers of one detector as read out, overscans included, serial overscan subtracted. Where a constant
        pedestal is left, another constant comes out, for the parallel overscan to take away. A saturated pixel has a
        number, and its signal shows in the others all the same: it is used as it is. What has no finite value stays
        as it is and counts as no signal: the others keep what they see of it, which nobody knows.
    coefficients : (n, n) [adu / adu]
        A row for each amplifier that sees, a column for each that is seen, in the order of the images; 0 on the
        diagonal.

    Returns
    -------
    dict of str to (ny, nx) [adu]
        The images themselves if all coefficients are 0.

    Raises
    ------
    BuildError
        If images are not of one shape, or coefficients not as many as theirs or too large to be told from signal: a
        row whose absolute values add up to 1 or more.
    """
    matrix = np.asarray(coefficients, dtype=np.float64)
    if not matrix.any():
        return dict(images)
    _require_fitting(images, matrix)
    weights = np.linalg.inv(np.eye(len(matrix)) + matrix)
    # apart from what a pixel has itself: added to it, so that it keeps all of its digits
    weights = (weights - np.eye(len(matrix))).astype(np.float32)
    observed = list(images.values())
    corrected = [np.empty(image.shape, dtype=np.float32) for image in observed]
    for top in range(0, len(observed[0]), STRIP_ROWS):
        rows = slice(top, top + STRIP_ROWS)
        signal = np.stack([image[rows] for image in observed])
        np.copyto(signal, np.float32(0.0), where=~np.isfinite(signal))
        # not `@`: on large arrays the threads of a BLAS gain nothing here, and fight with those of the executor
        change = np.einsum("ij,jyx->iyx", weights, signal)
        for mine, image, more in zip(corrected, observed, change, strict=True):
            np.add(image[rows], more, out=mine[rows])
    return dict(zip(images, corrected, strict=True))


def _require_fitting(images: Mapping[str, Pixels], matrix: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> None:
    shapes = {name: image.shape for name, image in images.items()}
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise BuildError(f"crosstalk is seen between images of one shape, and these are not: {told}")
    if matrix.shape != (len(images), len(images)):
        raise BuildError(f"{matrix.shape} coefficients of crosstalk are not those of {len(images)} amplifiers")
    if not np.abs(matrix).sum(axis=1).max() < 1.0:
        raise BuildError("coefficients of crosstalk that add up to 1 or more cannot be told from signal")
