"""Put the amplifiers of an image product together: what most calibration types assemble."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
        With the tables of `amplifier_tables`.
    """
    planes = {}
    for name, plane in parts[0].planes.items():
        whole = np.full(inputs.detector.shape, _FILL.get(name, 0), dtype=plane.dtype)
        for amplifier, part in zip(inputs.detector.amplifiers, parts, strict=True):
            whole[amplifier.position.slices] = part.planes[name]
        planes[name] = whole
    return Product(
        kind=inputs.kind,
        detector=inputs.detector.id,
        detector_name=inputs.detector.name,
        setup=inputs.setup,
        unit=unit,
        planes=planes,
        tables=amplifier_tables(inputs, parts),
        provenance=inputs.provenance,
        pins=dict(pins or {}),
        preparation=inputs.preparation,
    )


def assemble_tables(
    inputs: DetectorInputs, parts: tuple[Part, ...], more: Mapping[str, Mapping[str, Column]] | None = None
) -> Product:
    """Assemble a product that has tables and no planes.

    Parameters
    ----------
    parts : tuple of Part
        In the order of the detector's amplifiers; all with the same facts.
    more : mapping of str to table
        Tables beside those of `amplifier_tables`.
    """
    return Product(
        kind=inputs.kind,
        detector=inputs.detector.id,
        detector_name=inputs.detector.name,
        setup=inputs.setup,
        unit="",
        planes={},
        tables={**amplifier_tables(inputs, parts), **(more or {})},
        provenance=inputs.provenance,
        preparation=inputs.preparation,
    )


def amplifier_tables(inputs: DetectorInputs, parts: tuple[Part, ...]) -> dict[str, dict[str, Column]]:
    """Give the table ``amplifiers`` of all facts, and those of `Part.rows`, of the amplifiers that have a row there."""
    table = {"amplifier": Column(tuple(amplifier.name for amplifier in inputs.detector.amplifiers))}
    for name, (_, unit) in parts[0].facts.items():
        table[name] = Column(tuple(float(part.facts[name][0]) for part in parts), unit)
    tables = {"amplifiers": table}
    for name in dict.fromkeys(name for part in parts for name in part.rows):
        rows = [part.rows[name] for part in parts if name in part.rows]
        tables[name] = {key: Column(tuple(row[key][0] for row in rows), unit) for key, (_, unit) in rows[0].items()}
    return tables


FAILURES = "failures"
"""The table of a product that says which amplifiers have no numbers, and why: a run tells it to its reporters."""


def failure(amplifier: str, reason: object) -> dict[str, dict[str, tuple[Any, str]]]:
    """Give the `Part.rows` of an amplifier that has no numbers: its row in the table `FAILURES`."""
    return {FAILURES: {"amplifier": (amplifier, ""), "reason": (str(reason), "")}}


def failures(product: Product) -> dict[str, tuple[str, ...]]:
    """Give the amplifiers of a product that have no numbers, by the reason."""
    table = product.tables.get(FAILURES, {})
    found: dict[str, tuple[str, ...]] = {}
    for amplifier, reason in zip(*(table[key].values for key in ("amplifier", "reason")), strict=True) if table else ():
        found[reason] = (*found.get(reason, ()), amplifier)
    return found
