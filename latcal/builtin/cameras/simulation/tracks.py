"""Cosmic rays: straight tracks of electrons through the silicon."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

CHARGE = 80.0
"""Electrons that a minimum ionising particle frees per micrometre of silicon (docs/simulator.md)."""

THICKNESS_UM = 100.0
"""Of the silicon: LSST sensors."""

DIFFUSION_UM = 5.0
"""Rms by which an electron strays sideways on its way (docs/simulator.md)."""

SHALLOWEST = 0.05
"""Smallest cosine of the zenith angle: no track is longer than 2 mm; our choice."""


def rays(
    random: np.random.Generator, shape: tuple[int, int], pixel_um: float, expected: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw the cosmic rays of one exposure.

    Zenith angles follow cos^2 per solid angle, through a sensor that faces the zenith, so that the cosine is the
    fourth root of an even random number.

    Parameters
    ----------
    shape : tuple of int
        Rows and columns of the sensor.
    pixel_um : float [um]
    expected : float
        How many rays enter it, on average.

    Returns
    -------
    places : (n,)
        Pixels hit, counted along the rows; each once.
    electrons : (n,) [electron]

    References
    ----------
    Particle Data Group, *Review of Particle Physics*, cosmic rays: muons at the ground, cos^2.
    """
    count = int(random.poisson(expected))
    hit = [_track(random, shape, pixel_um) for _ in range(count)]
    places, which = np.unique(np.concatenate([np.empty(0, np.int64), *hit]), return_inverse=True)
    return places, np.bincount(which, minlength=places.size).astype(np.int64)


def _track(random: np.random.Generator, shape: tuple[int, int], pixel_um: float) -> NDArray[np.int64]:
    """Give the pixel of every electron of one track."""
    cosine = max(float(random.random()) ** 0.25, SHALLOWEST)
    turn = 2 * math.pi * float(random.random())
    reach = THICKNESS_UM * math.sqrt(1 - cosine**2) / cosine
    electrons = int(random.poisson(CHARGE * THICKNESS_UM / cosine))
    depth = random.random(electrons)
    places = []
    for size, part in zip(shape, (math.sin(turn), math.cos(turn)), strict=True):
        entry = float(random.random()) * size * pixel_um
        stray = random.normal(0.0, DIFFUSION_UM, electrons)
        places.append(np.floor((entry + reach * part * depth + stray) / pixel_um).astype(np.int64))
    y, x = places
    inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    flat: NDArray[np.int64] = y[inside] * shape[1] + x[inside]
    return flat
