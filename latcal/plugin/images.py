"""Put the amplifiers of an image product together: what most calibration types assemble."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from latcal.model.products import Column, Product
from latcal.plugin.inputs import DetectorInputs, Part

_FILL = {"image": np.nan, "variance": np.nan}


def assemble_image(
    inputs: DetectorInputs, parts: tuple[Part, ...], *, unit: str, pins: Mapping[str, str] | None = None
) -> Product:
    """Assemble the planes of every amplifier into one product.

    Parameters
    ----------
    parts : tuple of Part
        In the order of the detector's amplifiers; all with the same planes and facts.
    unit : str
        Of the image; the variance has its square.
    pins : mapping of str to str
        Ids of the products that this one must be used with.

    Returns
    -------
    Product
        With an ``amplifiers`` table that holds each part's facts.
    """
    planes = {}
    for name, plane in parts[0].planes.items():
        whole = np.full(inputs.detector.shape, _FILL.get(name, 0), dtype=plane.dtype)
        for amplifier, part in zip(inputs.detector.amplifiers, parts, strict=True):
            whole[amplifier.position.slices] = part.planes[name]
        planes[name] = whole
    table = {"amplifier": Column(tuple(amplifier.name for amplifier in inputs.detector.amplifiers))}
    for name, (_, fact_unit) in parts[0].facts.items():
        table[name] = Column(tuple(float(part.facts[name][0]) for part in parts), fact_unit)
    return Product(
        kind=inputs.kind,
        detector=inputs.detector.id,
        detector_name=inputs.detector.name,
        setup=inputs.setup,
        unit=unit,
        planes=planes,
        tables={"amplifiers": table},
        provenance=inputs.provenance,
        pins=dict(pins or {}),
        preparation=inputs.preparation,
    )
