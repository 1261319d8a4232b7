"""Smooth the values of lines with a Gaussian that is reflected at the ends."""

from __future__ import annotations

import math

import numpy as np

from latcal.numerics.arrays import Wide


def filled(values: Wide) -> Wide:
    """Give lines without value that of their neighbours, interpolated."""
    known = np.isfinite(values)
    if known.all():
        return values
    place = np.arange(values.size)
    return np.interp(place, place[known], values[known])


def gaussian(sigma: float) -> Wide:
    """Give a kernel of sum 1 that ends at 4 sigma."""
    if sigma <= 0.0:
        return np.ones(1)
    reach = math.ceil(4.0 * sigma)
    kernel: Wide = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel /= kernel.sum()
    return kernel


def smoothed(values: Wide, kernel: Wide) -> Wide:
    """Convolve, reflecting at the ends."""
    return np.convolve(np.pad(values, kernel.size // 2, mode="symmetric"), kernel, mode="valid")


def mean_variance(kernel: Wide, size: int) -> float:
    """Give the mean variance of smoothed values of variance 1, reflected ends included."""
    inner = float(kernel @ kernel)
    few = min(size, 2 * kernel.size)
    reach = kernel.size // 2
    padded = np.pad(np.eye(few), ((0, 0), (reach, reach)), mode="symmetric")
    response = (np.lib.stride_tricks.sliding_window_view(padded, kernel.size, axis=1) * kernel).sum(axis=2)
    return inner + (float((response**2).sum()) - few * inner) / size
