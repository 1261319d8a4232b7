"""The map of a whole detector: finished, as boxes, and counted amplifier by amplifier."""

from __future__ import annotations

import math

import numpy as np

from latcal.builtin.calibrations.blemishes.edges import edges
from latcal.numerics import boxes, defect_maps, reasons
from latcal.numerics.arrays import Mask
from latcal.numerics.reasons import Reason, Reasons
from latcal.plugin import MASK_PLANES, Column, Detector, DetectorInputs, Part, Product, amplifier_tables

BOX = ("x0", "y0", "width", "height")
NOT_FOUND = np.uint16(Reason.EDGE | Reason.MANUAL | Reason.DILATED)
"""What is bad because somebody said so: no defect that was found, and none that counts."""


def assemble(inputs: DetectorInputs, parts: tuple[Part, ...]) -> Product:
    """Put the amplifiers together; what is grown and the edges are of the detector.

    Raises
    ------
    BuildError
        If a box of the option ``manual`` is not on the detector.
    """
    detector, options = inputs.detector, inputs.options
    finishing = defect_maps.Finishing(
        saturated_radius=options.saturated_radius,
        radius=options.grow,
        edge=edges(detector, options),
        manual=_manual(options.manual, detector.shape),
    )
    whole = defect_maps.finish(_pasted(detector, parts, "reason"), finishing)
    before = _pasted(detector, parts, "before") if options.compare else None
    rows = tuple(
        Part({}, {**part.facts, **_facts(whole[box.slices], None if before is None else before[box.slices])})
        for part, box in zip(parts, (amplifier.position for amplifier in detector.amplifiers), strict=True)
    )
    return Product(
        kind=inputs.kind,
        detector=detector.id,
        detector_name=detector.name,
        setup=inputs.setup,
        unit="",
        planes={"mask": np.where(whole != 0, np.uint8(1 << MASK_PLANES["BAD"]), np.uint8(0)), "reason": whole},
        tables={**amplifier_tables(inputs, rows), "defects": table(whole)},
        provenance=inputs.provenance,
        preparation=inputs.preparation,
    )


def table(whole: Reasons) -> dict[str, Column]:
    """Give the boxes of a map by rising x0 and y0, counted from 0, with all reasons that their pixels have.

    Equal maps have equal tables: boxes follow from the pixels that are bad, not from how they were found.
    """
    found = boxes.of(whole)
    columns = {name: Column(tuple(int(one) for one in getattr(found, name)), "pix") for name in BOX}
    return {**columns, "reason": Column(tuple(_words(reason) for reason in found.reason.tolist()))}


def _words(reason: int) -> str:
    return "+".join(str(one.name) for one in Reason if reason & one)


def _pasted(detector: Detector, parts: tuple[Part, ...], name: str) -> Reasons:
    whole = np.zeros(detector.shape, dtype=np.uint16)
    for amplifier, part in zip(detector.amplifiers, parts, strict=True):
        whole[amplifier.position.slices] = part.planes[name]
    return whole


def _manual(given: tuple[tuple[int, ...], ...], shape: tuple[int, int]) -> Mask:
    x0, y0, width, height = np.array(given, dtype=np.int64).reshape(-1, 4).T
    marked: Mask = boxes.draw(boxes.Boxes(x0, y0, width, height, np.ones(len(given), dtype=np.uint16)), shape) != 0
    return marked


def _facts(now: Reasons, before: Reasons | None) -> dict[str, tuple[float, str]]:
    """Count what is bad in one amplifier: all that is masked, and what was found.

    What was found is new if it was good before, whatever made it bad then: other edges are no growth.
    """
    found = now & ~NOT_FOUND
    counts = reasons.count(now)
    bad = int(np.count_nonzero(found))
    facts = {
        "masked": float(counts.pop("pixels")),
        "bad_pixels": float(bad),
        "bad_fraction": bad / now.size,
        "bad_columns": float(counts.pop("columns")),
        **{name: float(number) for name, number in counts.items()},
    }
    if before is None:
        new = dict.fromkeys(("new_pixels", "new_columns", "healed_pixels"), math.nan)
    else:
        growth = reasons.compare(before, found)
        new = {
            "new_pixels": float(growth.pixels),
            "new_columns": float(growth.columns),
            "healed_pixels": float(reasons.compare(before & ~NOT_FOUND, now).healed),
        }
    return {name: (value, "") for name, value in {**facts, **new}.items()}
