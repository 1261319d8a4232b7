"""Sum products of pixels with their neighbours at every lag, by Fourier transform, strip by strip."""

from __future__ import annotations

from typing import Final, Self

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.numerics.arrays import Mask, Pixels, Wide

STRIP_ROWS: Final = 64
"""Rows that are transformed at once, lag included: what they need stays in the cache; latcal's measurement."""

_Spectrum = NDArray[np.complex128]


@frozen(eq=False)
class LaggedSums:
    """Covariances of pixels at lags (i, j), serial and parallel.

    Parameters
    ----------
    covariances : (lags, lags) [unit^2]
        ``sum(d d') / N - sum(d) sum(d') / N^2`` over the pairs of pixels that are both kept; at (i, j) and (i, -j)
        together, weighted by their pairs. NaN where there is no pair.
    counts : (lags, lags)
        N, of both together where neither lag is 0.
    """

    covariances: Wide
    counts: Wide

    @classmethod
    def of(cls, pixels: Pixels, kept: Mask, lags: int) -> Self:
        """Sum over an amplifier.

        Parameters
        ----------
        pixels : (ny, nx) [unit]
            0 where not kept.
        kept : (ny, nx)
        lags : int
            Lags 0 to `lags` - 1.

        Returns
        -------
        LaggedSums

        Notes
        -----
        With ``z = d + i w``, w being 1 where kept, ``sum(conj(z) z')`` is ``sum(d d') + N + i (sum(d w') - sum(w d'))`` and
        ``sum(z z')`` is ``sum(d d') - N + i (sum(d w') + sum(w d'))``: two products of one transform hold all four sums.
        Strips overlap by the lags and add up before the transform back, so that memory is that of a strip.
        """
        scale = _scale(pixels)
        plain, conjugate = _products(pixels, kept, lags, scale)
        products, counts = 0.5 * (conjugate.real + plain.real), np.rint(0.5 * (conjugate.real - plain.real))
        first, second = 0.5 * (plain.imag + conjugate.imag), 0.5 * (plain.imag - conjugate.imag)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = products - first * second / counts
        total, pairs = _folded(np.where(counts > 0, means, 0.0), lags), _folded(counts, lags)
        with np.errstate(invalid="ignore", divide="ignore"):
            return cls(scale**2 * total / pairs, pairs)


def _scale(pixels: Pixels) -> float:
    """Give the size of the pixels, so that d and w are alike in the transforms."""
    square = float(np.einsum("ij,ij->", pixels, pixels, dtype=np.float64)) / pixels.size
    return float(np.sqrt(square)) or 1.0


def _products(pixels: Pixels, kept: Mask, lags: int, scale: float) -> tuple[_Spectrum, _Spectrum]:
    """Give ``sum(z z')`` and ``sum(conj(z) z')`` at parallel lags 0 to `lags` - 1 and serial lags of both signs."""
    from scipy import fft

    height, width = pixels.shape
    rows = fft.next_fast_len(max(STRIP_ROWS, 4 * lags))
    step = rows - lags + 1
    shape = (rows, fft.next_fast_len(width + lags - 1))
    plain: _Spectrum = np.zeros(shape, dtype=np.complex128)
    conjugate: _Spectrum = np.zeros(shape, dtype=np.complex128)
    for top in range(0, height, step):
        strip: _Spectrum = np.zeros(shape, dtype=np.complex128)
        there = min(rows, height - top)
        strip.real[:there, :width] = pixels[top : top + there]
        strip.real /= scale
        strip.imag[:there, :width] = kept[top : top + there]
        later = fft.fft(strip, axis=1, overwrite_x=True)
        own = later.copy()
        own[step:] = 0.0
        later = fft.fft(later, axis=0, overwrite_x=True)
        own = fft.fft(own, axis=0, overwrite_x=True)
        conjugate += own.conj() * later
        plain += _reversed(own) * later
    return _low(fft.ifft2(plain, overwrite_x=True), lags), _low(fft.ifft2(conjugate, overwrite_x=True), lags)


def _reversed(spectrum: _Spectrum) -> _Spectrum:
    """Give a spectrum at minus every frequency."""
    return np.roll(spectrum[::-1, ::-1], 1, axis=(0, 1))


def _low(sums: _Spectrum, lags: int) -> _Spectrum:
    """Give parallel lags 0 to `lags` - 1, and serial lags from -`lags` + 1 to `lags` - 1."""
    serial = np.arange(-lags + 1, lags)
    return sums[:lags, serial]


def _folded(sums: Wide, lags: int) -> Wide:
    """Put both signs of the serial lag together, and the serial lag first."""
    right, left = sums[:, lags - 1 :], sums[:, lags - 1 :: -1]
    both = right + left
    both[:, 0] = right[:, 0]
    both[0] = right[0]  # of two pixels in a row, each is the neighbour of the other: counted once
    return np.ascontiguousarray(both.T)
