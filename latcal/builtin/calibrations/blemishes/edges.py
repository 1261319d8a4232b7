"""The edges of a detector and its amplifiers, where nothing is looked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latcal.numerics import footprints
from latcal.numerics.arrays import Mask
from latcal.plugin import Detector

if TYPE_CHECKING:
    from latcal.builtin.calibrations.blemishes.options import DefectsOptions


def edges(detector: Detector, options: DefectsOptions) -> Mask:
    """Mark what is near an edge.

    Parameters
    ----------
    detector : Detector
    options : DefectsOptions
        With ``edge`` and ``amplifier_edge`` [pixel].

    Returns
    -------
    (ny, nx) mask
        Of the detector. An amplifier has no edge of it where another one follows: the Rubin pipelines cut a strip off
        there all the same.
    """
    width, inner = options.edge, options.amplifier_edge
    marked = footprints.edges(detector.shape, bottom=width, top=width, left=width, right=width)
    for amplifier in detector.amplifiers if inner else ():
        box = amplifier.position
        marked[box.slices] |= footprints.edges(box.shape, bottom=inner, top=inner, left=inner, right=inner)
    return marked
