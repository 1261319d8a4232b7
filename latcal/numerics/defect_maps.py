"""Make the map of the bad pixels of an amplifier, and that of a whole detector."""

from __future__ import annotations

import math

import numpy as np
from attrs import field, frozen

from latcal.errors import BuildError
from latcal.numerics import bad_columns
from latcal.numerics.allowed import LEAST_CLIP
from latcal.numerics.arrays import Mask, Pixels
from latcal.numerics.defects import bright, dim, pooled_sigma, silent, unlit, vampires
from latcal.numerics.footprints import along_rows
from latcal.numerics.growth import grown
from latcal.numerics.illumination import response
from latcal.numerics.reasons import Reason, Reasons, add


@frozen(eq=False)
class Evidence:
    """What is known of the pixels of one amplifier; what is not known is None.

    Parameters
    ----------
    dark : (ny, nx) [electron / s]
    flat : (ny, nx) [any unit]
    bias : (ny, nx) [electron]
    unstable : (ny, nx) mask
        From `instability.find`.
    saturated : (ny, nx) mask
        Saturated so often that it is no cosmic ray.
    dark_sigma : scalar or (ny, nx) [electron / s]
        Noise of the dark by its model.
    """

    dark: Pixels | None = None
    flat: Pixels | None = None
    bias: Pixels | None = None
    unstable: Mask | None = None
    saturated: Mask | None = None
    dark_sigma: float | Pixels = 0.0


@frozen
class Cuts:
    """What makes a pixel or a column bad; the defaults are those of LATISS, or latcal's choice where it says so.

    Parameters
    ----------
    hot : scalar [electron / s]
    cold : scalar
        Response.
    bias : scalar [electron]
    clip : scalar, standard deviations
        What noise must not reach, latcal's choice.
    blinking : int [pixel]
        Bad pixels of a blinking column.
    gap : int [pixel]
        Good pixels that are spared in one.
    column : scalar
        Part of its rows that makes a whole column bad: LATISS has 1000 of 2000.
    saturated : int [pixel]
        Saturated pixels that make a whole column bad.
    faint_columns : bool
        Whether columns are looked for that noise hides pixel by pixel; latcal's choice.
    vampires : scalar
        Response of a pixel that has drawn charge from those around it; 0 to look for none, as for LATISS.
    vampire_radius : scalar [pixel]
        Of the disc that is bad with it, as in the Rubin pipelines.
    """

    hot: float = 3.0
    cold: float = 0.9
    bias: float = 1000.0
    clip: float = LEAST_CLIP
    blinking: int = 50
    gap: int = 30
    column: float = 0.5
    saturated: int = 20
    faint_columns: bool = True
    vampires: float = 0.0
    vampire_radius: float = 8.0


@frozen
class Finishing:
    """What is added to the map of a whole detector.

    Parameters
    ----------
    saturated_radius : int [pixel]
        How far saturated pixels spoil their rows; that of LATISS is 2.
    radius : int [pixel]
        How far every bad pixel is grown, as a square.
    edge : (ny, nx) mask or None
        From `footprints.edges`.
    manual : (ny, nx) mask or None
    """

    saturated_radius: int = 2
    radius: int = 0
    edge: Mask | None = field(default=None, eq=False)
    manual: Mask | None = field(default=None, eq=False)


def find(evidence: Evidence, cuts: Cuts, apart: Mask | None = None) -> Reasons:
    """Find the bad pixels and columns of one amplifier.

    Parameters
    ----------
    evidence : Evidence
    cuts : Cuts
    apart : (ny, nx) mask or None
        Where nothing is to be found, and nothing counts for a column: near the edges of the detector.

    Returns
    -------
    (ny, nx)
        Why each pixel is bad: 0 for a good one.

    Raises
    ------
    BuildError
        If there is no evidence at all.
    """
    found = [*_of_dark(evidence, cuts), *_of_flat(evidence, cuts), *_of_bias(evidence, cuts)]
    saturated = evidence.saturated
    if saturated is not None:  # a pixel without value because it is full is not dead
        found = [(mask & ~saturated if reason is Reason.DEAD else mask, reason) for mask, reason in found]
    if evidence.unstable is not None:
        found.append((evidence.unstable, Reason.UNSTABLE))
    if saturated is not None:
        found.append((saturated, Reason.SATURATED))
    if not found:
        raise BuildError("there is neither dark, flat nor bias to find defects in")
    shape = found[0][0].shape
    inside = np.ones(shape, dtype=np.bool_) if apart is None else ~apart
    reasons: Reasons = np.zeros(shape, dtype=np.uint16)
    for mask, reason in found:
        reasons = add(reasons, mask & inside, reason)
    reasons = add(reasons, bad_columns.blinking(reasons != 0, cuts.blinking, cuts.gap), Reason.BLINKING)
    whole = bad_columns.filled(reasons != 0, math.ceil(cuts.column * np.count_nonzero(inside.any(axis=1))))
    if saturated is not None:
        whole |= bad_columns.filled(saturated & inside, cuts.saturated)
    return add(reasons, whole, Reason.COLUMN)


def finish(reasons: Reasons, finishing: Finishing) -> Reasons:
    """Grow the map of a whole detector, and add its edges and what a person named.

    Parameters
    ----------
    reasons : (ny, nx)
        Of the detector: what is grown crosses from one amplifier to the next, and ends at its edge.
    finishing : Finishing

    Returns
    -------
    (ny, nx)
    """
    full = (reasons & np.uint16(Reason.SATURATED)) != 0
    done = add(reasons, along_rows(full, finishing.saturated_radius) & (reasons == 0), Reason.SATURATED)
    done = add(done, grown(done != 0, finishing.radius) & (done == 0), Reason.DILATED)
    for mask, reason in ((finishing.edge, Reason.EDGE), (finishing.manual, Reason.MANUAL)):
        if mask is not None:
            done = add(done, mask, reason)
    return done


def _of_dark(evidence: Evidence, cuts: Cuts) -> list[tuple[Mask, Reason]]:
    dark = evidence.dark
    if dark is None:
        return []
    found = [
        (silent(dark), Reason.DEAD),
        (bright(dark, cuts.hot, evidence.dark_sigma, clip=cuts.clip), Reason.HOT),
    ]
    if cuts.faint_columns:
        found.append((bad_columns.faint(dark, cuts.hot, clip=cuts.clip), Reason.COLUMN))
    return found


def _of_flat(evidence: Evidence, cuts: Cuts) -> list[tuple[Mask, Reason]]:
    flat = evidence.flat
    if flat is None:
        return []
    without = unlit(flat)
    if without.all():
        return [(without, Reason.DEAD)]
    answer = response(flat)
    found = [(without, Reason.DEAD), (dim(answer, cuts.cold, pooled_sigma(answer), clip=cuts.clip), Reason.COLD)]
    if cuts.vampires:
        found.append((vampires(answer, cuts.vampires, cuts.vampire_radius), Reason.BRIGHT))
    if cuts.faint_columns:
        found.append((bad_columns.faint(np.float32(1.0) - answer, 1.0 - cuts.cold, clip=cuts.clip), Reason.COLUMN))
    return found


def _of_bias(evidence: Evidence, cuts: Cuts) -> list[tuple[Mask, Reason]]:
    bias = evidence.bias
    if bias is None:
        return []
    return [(silent(bias), Reason.DEAD), (bright(bias, cuts.bias), Reason.BRIGHT)]
