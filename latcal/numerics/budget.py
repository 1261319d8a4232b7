"""How much noise a corrected frame is expected to show beside its own.

A frame from which a product is subtracted shows its own noise and that of the product. Where the frame went into
the product (internal) the two are correlated and the sum is less than the frame's own noise; where it did not
(independent) it is more. No rule can be met that these numbers forbid, whatever the camera does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from latcal.errors import BuildError


def bias_excess(frames: int, *, independent: bool) -> float:
    """Expect the noise excess of a bias frame minus a mean of biases.

    With residual ``x_j - mean(x)`` the variance is ``1 - 1/N`` where x_j is one of the N, ``1 + 1/N`` where not.

    Parameters
    ----------
    frames : int
        How many frames the product is the mean of.
    independent : bool
        Whether the frame under test is none of them.

    Returns
    -------
    scalar
        noise / frame_noise - 1.

    Raises
    ------
    BuildError
        If there are no frames.
    """
    _require_frames(frames)
    return math.sqrt(1.0 + (1.0 if independent else -1.0) / frames) - 1.0


def flat_excess(frames: int, *, independent: bool) -> float:
    """Expect the noise excess of a flat divided by a mean of flats.

    All flats have one level; to first order in noise / level it is the arithmetic of the bias.

    Parameters
    ----------
    frames : int
        How many frames the product is the mean of.
    independent : bool
        Whether the frame under test is none of them.

    Returns
    -------
    scalar
        noise / shot_noise - 1.

    Raises
    ------
    BuildError
        If there are no frames.
    """
    return bias_excess(frames, independent=independent)


def dark_excess(time_s: float, times_s: Sequence[float], *, independent: bool, bias_frames: int) -> float:
    """Expect the noise excess of a dark frame minus bias and dark.

    A dark frame minus the bias product is ``D_i = R t_i + e_i - b``: e_i of variance 1, and b of variance
    ``1 / bias_frames``, the same b in all of them. The product is ``R' = sum(t D) / sum(t^2)``, weights t^2 for
    equal noise, so that its error is ``sum(t e) / sum(t^2) - c b`` with ``c = sum(t) / sum(t^2)``. The residual of
    a frame of time t is ``e - b - t (R' - R) = e - t sum(t e) / sum(t^2) - (1 - t c) b``: the dark carries minus the
    noise of its bias and gives it back. The e of an internal frame is in the sum with weight t, and
    ``1 - 2 t^2 / sum(t^2) + t^2 / sum(t^2)`` remains; that of an independent one is not. Hence the variance::

        internal      1 - t^2 / sum(t^2) + (1 - t c)^2 / bias_frames
        independent   1 + t^2 / sum(t^2) + (1 - t c)^2 / bias_frames

    Parameters
    ----------
    time_s : scalar [s]
        Dark time of the frame under test; one of `times_s` if it is internal.
    times_s : (n,) [s]
        Dark times of the frames that the product was made from.
    independent : bool
        Whether the frame under test is none of them. It is corrected with the same bias product either way.
    bias_frames : int
        How many frames the bias product is the mean of.

    Returns
    -------
    scalar
        noise / frame_noise - 1.

    Raises
    ------
    BuildError
        If there are no frames, or a time is not positive.
    """
    _require_frames(min(len(times_s), bias_frames))
    if not all(time > 0.0 for time in (time_s, *times_s)):
        raise BuildError(f"dark times {[time_s, *times_s]!r} s are not all positive")
    squares = math.fsum(time * time for time in times_s)
    bias_share = 1.0 - time_s * math.fsum(times_s) / squares
    dark_share = time_s * time_s / squares
    variance = 1.0 + (dark_share if independent else -dark_share) + bias_share * bias_share / bias_frames
    return math.sqrt(max(variance, 0.0)) - 1.0


def frames_needed(excess: Callable[[int], float], limit: float, start: int, most: int = 1000) -> int | None:
    """Find the smallest number of frames whose noise excess is allowed.

    Parameters
    ----------
    excess : callable
        Gives the expected excess for a number of frames.
    limit : scalar
        The largest allowed excess, of either sign.
    start : int
        The first number tried.
    most : int
        The last number tried; the default is latcal's choice: nobody takes more.

    Returns
    -------
    int or None
        None if even `most` frames are too few.
    """
    return next((frames for frames in range(start, most + 1) if abs(excess(frames)) <= limit), None)


def _require_frames(frames: int) -> None:
    if frames < 1:
        raise BuildError(f"{frames} frames are not enough for a product (take at least 1)")
