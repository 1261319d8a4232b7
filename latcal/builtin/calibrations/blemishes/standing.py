"""What stands out of one frame, as it is and with the defects masked."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from attrs import evolve

from latcal import numerics
from latcal.plugin import AmplifierInputs, Measurement, Metric, combining, judging

if TYPE_CHECKING:
    from latcal.numerics.arrays import Mask, Pixels

WITHOUT_LIGHT = "a flat without light"
NOTHING_LEFT = "every pixel is masked"
NAMES = ("outliers", "scatter", "least", "greatest")
UNMASKED = "unmasked_"
SUMMARIES = {
    "outliers": "Pixels that noise does not explain",
    "scatter": "Standard deviation over the clipped one",
    "least": "Lowest pixel, in clipped sigma",
    "greatest": "Highest pixel, in clipped sigma",
}


def metrics() -> Iterator[Metric]:
    """Declare what is measured of a frame."""
    for name in NAMES:
        yield judging.amplifier_metric(name, "", f"{SUMMARIES[name]}, defects masked.")
        yield judging.amplifier_metric(UNMASKED + name, "", f"{SUMMARIES[name]}, defects and all.")
    yield judging.amplifier_metric("spared", "", "How far the cuts let a pixel stand out, in clipped sigma, noise included.")


def measure(inputs: AmplifierInputs) -> Iterator[Measurement]:
    """Measure what stands out of one frame.

    A dark is a frame minus the bias, a flat is one divided by its smooth part; of both the tracks of cosmic rays are left
    out, and single pixels and columns are not, though they be as sharp: they are what is looked for.
    """
    (frame,) = inputs.frames
    bad = inputs.need("defects").mask.read() != 0
    if frame.exposure.image == "flat" and not combining.light_of(inputs, frame) > combining.FAINTEST:
        yield from _untested(inputs, WITHOUT_LIGHT)
    elif bad.all():
        yield from _untested(inputs, NOTHING_LEFT)
    else:
        yield from judging.at_amplifier(inputs, _values(inputs, bad))


def _untested(inputs: AmplifierInputs, why: str) -> Iterator[Measurement]:
    names = (*NAMES, *(UNMASKED + name for name in NAMES), "spared")
    for one in judging.at_amplifier(inputs, dict.fromkeys(names, math.nan)):
        yield evolve(one, untested=why)


def _values(inputs: AmplifierInputs, bad: Mask) -> dict[str, float]:
    pixels, cut, charge = _view(inputs)
    sigma = numerics.statistics.clipped(pixels).sigma
    masked, spared = np.where(bad, np.float32(np.nan), pixels), math.nan
    if sigma > 0.0:
        rays = numerics.tracks.grown_tracks(numerics.cosmic_rays.find(masked, sigma, grow=0))  # a defect is none
        masked, pixels = numerics.cosmic_rays.clean(masked, rays), numerics.cosmic_rays.clean(pixels, rays)
        clip = inputs.options.sigma
        spared = max(cut / sigma, clip) + clip * math.sqrt(1.0 + charge / sigma**2)
    unmasked = {UNMASKED + name: value for name, value in _standing(pixels, sigma).items()}
    return {**_standing(masked, sigma), **unmasked, "spared": spared}


def _view(inputs: AmplifierInputs) -> tuple[Pixels, float, float]:
    """Give a frame to look at [electron] or [1], where the cuts are in it, and the charge that a pixel there has."""
    from latcal.builtin.calibrations.blemishes.series import without_map

    (frame,), cuts = inputs.frames, inputs.options.cuts
    pixels = numerics.correct.subtract(frame.reader, without_map(inputs))(combining.WHOLE)
    if frame.exposure.image == "flat":
        return numerics.illumination.response(pixels), 1.0 - cuts.cold, 0.0
    charge = cuts.hot * frame.exposure.dark_time_s
    return pixels, charge, charge


def _standing(pixels: Pixels, sigma: float) -> dict[str, float]:
    """Say what stands out of an image, in units of a noise.

    An outlier is a pixel so far out that noise would have less than one: where the density of a Gaussian is below one
    over the number of pixels (5.08 sigma for LATISS).
    """
    values = pixels[np.isfinite(pixels)].astype(np.float64)
    if values.size < 2 or not sigma > 0.0:
        return dict.fromkeys(NAMES, math.nan)
    pulls = (values - numerics.statistics.clipped(pixels).mean) / sigma
    limit = math.sqrt(2.0 * math.log(max(values.size, 8) / math.sqrt(2.0 * math.pi)))
    found = (float(np.count_nonzero(np.abs(pulls) > limit)), float(pulls.std()), float(pulls.min()), float(pulls.max()))
    return dict(zip(NAMES, found, strict=True))
