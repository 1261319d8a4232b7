"""Preparing raw frames: overscans and crosstalk subtracted, trimmed, in electrons."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from latcal.formats import records
from latcal.formats.raw import exposure_of
from latcal.plugin import MASK_PLANES, BuildError, Exposure, Product
from lsst.pipe.base import (
    InputQuantizedConnection,
    OutputQuantizedConnection,
    PipelineTask,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
)
from lsst.pipe.base.connectionTypes import Input, Output, PrerequisiteInput

from latcal_butler.commands import OF_ISR
from latcal_butler.naming import FACTS, IMAGE, PRODUCT, RAW, RAW_FRAME, RECORD
from latcal_butler.tasks.configuration import IsrFields, options_of
from latcal_butler.tasks.connections import DETECTOR, EXPOSURE, geometry
from latcal_butler.tasks.prepared import Origin, product_of
from latcal_butler.tasks.quanta import detector_of, instrument_of, kernel_of, provenance_of, scratch


class IsrConnections(PipelineTaskConnections, dimensions=EXPOSURE):
    """A raw frame, and a defect map if its pixels are left out."""

    raw = Input(name=RAW, storageClass=RAW_FRAME, dimensions=EXPOSURE, doc="The raw frame.")
    facts = PrerequisiteInput(
        name=FACTS, storageClass=RECORD, dimensions=("instrument", "exposure"), minimum=0,
        doc="What the exposure was; where other tools ingested the frame, its header says so.",
    )  # fmt: skip
    geometry = geometry()
    defects = PrerequisiteInput(
        name="defects", storageClass=PRODUCT, dimensions=DETECTOR, isCalibration=True, doc="Pixels that are left out."
    )
    frame = Output(name="cpBiasProc", storageClass=IMAGE, dimensions=EXPOSURE, doc="The prepared frame.")

    def __init__(self, *, config: Any = None) -> None:
        if not options_of(config).get("defects", False):
            del self.defects


class IsrConfig(IsrFields, PipelineTaskConfig, pipelineConnections=IsrConnections):
    """Configuration of `IsrTask`."""


class IsrTask(PipelineTask):
    """Prepare a raw frame as a run of latcal does."""

    ConfigClass = IsrConfig
    _DefaultName = "isr"

    def runQuantum(
        self, butlerQC: QuantumContext, inputRefs: InputQuantizedConnection, outputRefs: OutputQuantizedConnection
    ) -> None:
        """Read, prepare, write."""
        raw = butlerQC.get(inputRefs.raw)
        known = getattr(inputRefs, "facts", None)
        exposure = exposure_of(raw.header) if known is None else records.from_plain(dict(butlerQC.get(known)), Exposure)
        instrument = instrument_of(butlerQC.get(inputRefs.geometry))
        detector = detector_of(instrument, inputRefs.raw.dataId["detector"])
        frame = raw.frame(exposure, detector)
        defects = butlerQC.get(inputRefs.defects) if hasattr(inputRefs, "defects") else None
        options = {name: value for name, value in options_of(self.config).items() if name in OF_ISR}
        kernel = kernel_of(self.config, instrument, options)
        used = {name: value for name, value in kernel.plain_options.items() if name in OF_ISR}
        origin = Origin(exposure, frame.checksum, json.dumps(used, sort_keys=True), _id(inputRefs, defects))
        with scratch() as folder:
            product = product_of(
                kernel.prepare(frame, folder),
                detector,
                outputRefs.frame.datasetType.name,
                origin,
                provenance_of(self, self.config, outputRefs.frame.run),
                kernel.preparation,
                None if defects is None else _bad(defects, detector.shape),
            )
        butlerQC.put(product, outputRefs.frame)


def _id(refs: InputQuantizedConnection, defects: Product | None) -> str:
    return "" if defects is None else str(refs.defects.id.hex)


def _bad(defects: Product, shape: tuple[int, int]) -> np.ndarray:
    mask = defects.planes["mask"]
    if mask.shape != shape:
        raise BuildError(f"the defect map of {mask.shape} pixels is not of this detector, {shape}")
    return np.asarray((mask & np.uint8(1 << MASK_PLANES["BAD"])) != 0)
