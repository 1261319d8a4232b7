"""What is bad in one amplifier."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from attrs import evolve

from latcal.builtin.calibrations.blemishes.edges import edges
from latcal.builtin.calibrations.blemishes.series import Series, bias_to_judge, darks, flats
from latcal.numerics import defect_maps, reasons
from latcal.numerics.defect_maps import Evidence
from latcal.numerics.reasons import Reasons
from latcal.plugin import AmplifierInputs


def find(inputs: AmplifierInputs) -> tuple[Reasons, dict[str, float]]:
    """Find what is bad in one amplifier, in its bias, darks and flats.

    Returns
    -------
    (ny, nx)
        Why each pixel is bad: 0 for a good one.
    dict of str to float
        How many darks, and how many flats with light, were looked at.

    Raises
    ------
    BuildError
        If there are flats and none of them saw light.
    """
    options = inputs.options
    dark = darks(inputs)
    rate = dark.rate() if dark.frames else None
    flat = flats(inputs, None if rate is None else rate.image)
    known = Evidence(bias=bias_to_judge(inputs), saturated=np.zeros(inputs.shape, dtype=np.bool_))
    if rate is not None:
        known = evolve(known, unstable=dark.unstable(options.unstable))
    apart = edges(inputs.detector, options)[inputs.amplifier.position.slices]
    if options.images == "combined":
        known = evolve(known, saturated=dark.saturated() | flat.saturated())
        if rate is not None:
            known = evolve(known, dark=rate.image, dark_sigma=np.sqrt(rate.variance))
        if flat.frames:
            known = evolve(known, flat=flat.response())
    found = defect_maps.find(known, options.cuts, apart)
    if options.images == "each":
        for series in (_of_darks(dark), _of_flats(flat)):
            maps = [defect_maps.find(evidence, options.cuts, apart) for evidence in series]
            found = found | reasons.merge(maps, options.enough) if maps else found
    return found, {"darks": float(len(dark.frames)), "flats": float(len(flat.frames))}


def _of_darks(dark: Series) -> Iterator[Evidence]:
    """Give what each dark says by itself; a pixel without a value is saturated there."""
    for number, (noise, time) in enumerate(zip(dark.noise, dark.scales, strict=True)):
        image = dark.image(number)
        yield Evidence(dark=image, dark_sigma=noise / time, saturated=np.isnan(image))


def _of_flats(flat: Series) -> Iterator[Evidence]:
    for number in range(len(flat.frames)):
        image = flat.image(number)
        yield Evidence(flat=image, saturated=np.isnan(image))
