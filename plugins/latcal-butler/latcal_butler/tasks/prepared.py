"""Prepared frames as datasets: from the task that makes them to those that use them, without a bit lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from latcal.formats import records
from latcal.numerics.residuals import photon_variance
from latcal.plugin import (
    MASK_PLANES,
    AmplifierFrame,
    BuildError,
    Column,
    Detector,
    Exposure,
    Plane,
    Preparation,
    Product,
    Provenance,
    combining,
)

UNIT = "electron"
NUMBERS: Mapping[str, str] = {
    "read_noise": UNIT,
    "read_noise_error": UNIT,
    "frame_noise": UNIT,
    "level": UNIT,
    "detector_level": UNIT,
    "pedestal": "adu",
    "saturated": "",
    "without_number": "",
}
"""What the readout of an amplifier tells, with its unit: fields of `AmplifierFrame`."""

_COUNTS = frozenset({"saturated", "without_number"})


@frozen
class Origin:
    """What is known of a prepared frame beside its pixels.

    Parameters
    ----------
    checksum : str
        Of the raw frame.
    options : mapping
        How it was prepared, as a recipe writes it: ``overscan``, ``crosstalk``, ``defects``.
    defects : str
        Id of the defect map whose pixels the mask names; empty for none.
    """

    exposure: Exposure
    checksum: str
    options: str
    defects: str = ""


def product_of(
    prepared: Mapping[str, AmplifierFrame],
    detector: Detector,
    kind: str,
    origin: Origin,
    provenance: Provenance,
    preparation: Preparation,
    bad: np.ndarray | None = None,
) -> Product:
    """Make one dataset of a prepared frame.

    Parameters
    ----------
    prepared : mapping of str to AmplifierFrame
        By amplifier.
    kind : str
        Name of the dataset type.
    bad : (ny, nx) bool, optional
        Pixels of a defect map. They keep their value; the mask names them.

    Returns
    -------
    Product
        ``image`` float32 [electron], NaN where saturated or without value; ``mask``; ``variance`` float32 [electron^2], that
        of the readout and, where the pedestal is subtracted from light, of counting electrons; tables ``amplifiers`` and ``origin``.
    """
    image, variance = (np.full(detector.shape, np.nan, dtype=np.float32) for _ in range(2))
    mask = np.full(detector.shape, 1 << MASK_PLANES["NO_DATA"], dtype=np.uint8)
    for amplifier in detector.amplifiers:
        frame, place = prepared[amplifier.name], amplifier.position.slices
        pixels = frame.pixels.read()
        image[place], variance[place] = pixels, frame.frame_noise**2
        if origin.exposure.image != "bias" and preparation.on(detector).removes_pedestal(amplifier):
            variance[place] += photon_variance(np.maximum(pixels, 0.0))
        mask[place] = combining.frame_mask(frame, pixels)
    if bad is not None:
        mask[bad] |= np.uint8(1 << MASK_PLANES["BAD"])
    rows = [prepared[amplifier.name] for amplifier in detector.amplifiers]
    table = {"amplifier": Column(tuple(amplifier.name for amplifier in detector.amplifiers))}
    for name, unit in NUMBERS.items():
        table[name] = Column(tuple(float(getattr(row, name)) for row in rows), unit)
    return Product(
        kind=kind,
        detector=detector.id,
        detector_name=detector.name,
        setup=origin.exposure.setup,
        unit=UNIT,
        planes={"image": image, "mask": mask, "variance": variance},
        tables={"amplifiers": table, "origin": {"json": Column((records.to_text(origin),))}},
        provenance=provenance,
        preparation=str(preparation.on(detector)),
        exposure=origin.exposure.id,
    )


def origin_of(product: Product) -> Origin:
    """Give what is known of a prepared frame beside its pixels.

    Raises
    ------
    BuildError
        If it is not one.
    """
    try:
        text = str(product.tables["origin"]["json"].values[0])
    except (KeyError, IndexError):
        what = f"{product.kind} of detector {product.detector} is not a frame that latcal's task 'isr' prepared"
        raise BuildError(f"{what} (run a pipeline that begins with it)") from None
    return records.from_text(text, Origin)


def frames_of(product: Product, detector: Detector, folder: Path) -> dict[str, AmplifierFrame]:
    """Give a prepared frame to work on, by amplifier; its pixels lie in one scratch file.

    Raises
    ------
    BuildError
        If it is of another detector.
    """
    image = product.planes["image"]
    if image.shape != detector.shape:
        raise BuildError(f"{product.kind} of {image.shape} pixels is not of detector {detector.name}, {detector.shape}")
    exposure, path = origin_of(product).exposure, folder / f"frame-{product.exposure}-{product.detector}.f32"
    found, offset = {}, 0
    with path.open("wb") as file:
        for amplifier in detector.amplifiers:
            pixels = np.ascontiguousarray(image[amplifier.position.slices], dtype=np.float32)
            plane = Plane(str(path), offset, pixels.shape)
            offset += file.write(pixels.data)
            facts = product.facts(amplifier.name)
            numbers: dict[str, Any] = {name: int(facts[name]) if name in _COUNTS else facts[name] for name in NUMBERS}
            found[amplifier.name] = AmplifierFrame(exposure=exposure, pixels=plane, **numbers)
    return found
