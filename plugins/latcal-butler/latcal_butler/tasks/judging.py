"""Judging a calibration by itself: the curve, of whose frames nothing is measured."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from lsst.daf.butler import DatasetRef
from lsst.pipe.base import (
    InputQuantizedConnection,
    OutputQuantizedConnection,
    PipelineTask,
    PipelineTaskConfig,
    QuantumContext,
)
from lsst.pipe.base.connectionTypes import Input, Output

from latcal_butler.naming import DICT, RAW, RAW_FRAME
from latcal_butler.tasks.configuration import BuildFields, options_of
from latcal_butler.tasks.connections import DETECTOR, EXPOSURE, ChoosingConnections, calibration, geometry
from latcal_butler.tasks.quanta import detector_of, instrument_of, kernel_of
from latcal_butler.tasks.verifying import statistics_of
from latcal_butler.verification import Statistics


def raws() -> Input:
    """Connect to raw frames, which are not read: they say which detectors are meant, and when."""
    return Input(name=RAW, storageClass=RAW_FRAME, dimensions=EXPOSURE, multiple=True, deferLoad=True, doc="They say when.")


class DetectorConnections(ChoosingConnections, dimensions=DETECTOR):
    """A calibration of a detector, and what is found of it."""

    exposures = "raws"
    raws = raws()
    geometry = geometry()
    product = calibration("ptc")
    stats = Output(name="verifyPtcDetStats", storageClass=DICT, dimensions=DETECTOR, doc="Numbers and tests.")


class AllConnections(ChoosingConnections, dimensions=("instrument",)):
    """A calibration of every detector, and whether all passed."""

    exposures = "raws"
    raws = raws()
    geometry = geometry()
    product = calibration("ptc")
    merged = Output(name="verifyPtcStats", storageClass=DICT, dimensions=("instrument",), doc="Of all detectors.")


class DetectorConfig(BuildFields, PipelineTaskConfig, pipelineConnections=DetectorConnections):
    """Configuration of `DetectorTask`."""


class AllConfig(BuildFields, PipelineTaskConfig, pipelineConnections=AllConnections):
    """Configuration of `AllTask`."""


class DetectorTask(PipelineTask):
    """Judge the calibration of a detector by the default rules of its type."""

    ConfigClass: ClassVar[type] = DetectorConfig
    _DefaultName: ClassVar[str] = "verifyPtcDet"

    def runQuantum(
        self, butlerQC: QuantumContext, inputRefs: InputQuantizedConnection, outputRefs: OutputQuantizedConnection
    ) -> None:
        """Read, judge, write."""
        (record,) = _judged(self.config, butlerQC, inputRefs, inputRefs.product).products.values()
        butlerQC.put(record, outputRefs.stats)


class AllTask(PipelineTask):
    """Judge the calibrations of all detectors together."""

    ConfigClass: ClassVar[type] = AllConfig
    _DefaultName: ClassVar[str] = "verifyPtc"

    def runQuantum(
        self, butlerQC: QuantumContext, inputRefs: InputQuantizedConnection, outputRefs: OutputQuantizedConnection
    ) -> None:
        """Read, judge, write."""
        detectors = {ref.dataId["detector"] for ref in inputRefs.raws}
        mine = [ref for ref in inputRefs.product if ref.dataId["detector"] in detectors]
        butlerQC.put(_judged(self.config, butlerQC, inputRefs, mine).run, outputRefs.merged)


def _judged(
    config: Any, context: QuantumContext, refs: InputQuantizedConnection, products: Iterable[DatasetRef]
) -> Statistics:
    instrument = instrument_of(context.get(refs.geometry))
    in_order = sorted(products, key=lambda ref: int(ref.dataId["detector"]))
    detectors = [detector_of(instrument, int(ref.dataId["detector"])) for ref in in_order]
    found = {detector.name: context.get(ref) for detector, ref in zip(detectors, in_order, strict=True)}
    return statistics_of(kernel_of(config, instrument, options_of(config)), [], detectors, (), found)
