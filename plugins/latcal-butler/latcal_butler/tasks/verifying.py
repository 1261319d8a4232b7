"""Verifying exposures against calibrations: one task measures, two merge what it found."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar

from latcal.formats import records
from latcal.formats.columns import measurements_ecsv
from latcal.formats.journal import verdict_json
from latcal.plugin import Detector, Exposure, Measurement, Measurements, Product, ProductRef
from lsst.daf.butler import DatasetRef
from lsst.pex.config import Field
from lsst.pipe.base import (
    InputQuantizedConnection,
    OutputQuantizedConnection,
    PipelineTask,
    PipelineTaskConfig,
    QuantumContext,
)
from lsst.pipe.base.connectionTypes import Input, Output

from latcal_butler.naming import DICT, IMAGE, PRODUCT, RECORD
from latcal_butler.orders import orders_of
from latcal_butler.tasks.building import NEEDED, all_options, needed, needs_of
from latcal_butler.tasks.configuration import BuildFields, options_of
from latcal_butler.tasks.connections import DETECTOR, EXPOSURE, FILTER, ChoosingConnections, calibration, geometry
from latcal_butler.tasks.quanta import (
    Loaded,
    Needed,
    detector_number,
    detector_of,
    installed,
    instrument_of,
    kernel_of,
    load_frames,
    product_ref,
    provenance_of,
    scratch,
)
from latcal_butler.verification import Statistics, statistics, together

if TYPE_CHECKING:
    from latcal import Kernel


class MeasureConnections(ChoosingConnections, dimensions=DETECTOR):
    """Prepared frames, what is verified, and what else the type needs."""

    frames = Input(
        name="cpBiasProc", storageClass=PRODUCT, dimensions=EXPOSURE, multiple=True, deferLoad=True, doc="Prepared frames."
    )
    geometry = geometry()
    bias = calibration("bias")
    dark = calibration("dark")
    flat = calibration("flat", FILTER)
    ptc = calibration("ptc")
    defects = calibration("defects", minimum=0)
    pairs = Input(
        name="cpPtcExtract", storageClass=PRODUCT, dimensions=EXPOSURE, multiple=True, doc="What was built of each pair."
    )
    stats = Output(
        name="verifyBiasDetStats", storageClass=DICT, dimensions=EXPOSURE, multiple=True,
        doc="Numbers and tests of every exposure.",
    )  # fmt: skip
    measured = Output(
        name="verifyBiasMeasurements", storageClass=RECORD, dimensions=DETECTOR, doc="The same, to be merged exactly."
    )
    residual = Output(
        name="verifyBiasProc", storageClass=IMAGE, dimensions=EXPOSURE, multiple=True, doc="The images that were measured."
    )

    def __init__(self, *, config: Any = None) -> None:
        super().__init__(config=config)
        declared = installed().get("calibration", config.calibration)
        wanted = {config.calibration, *needs_of(config)}
        for name in NEEDED:
            if name not in wanted and name != "defects":
                delattr(self, name)
        if not declared.groups_apart:
            del self.pairs
        if declared.residual is None or not config.doWriteProc:
            del self.residual


class FilterMeasureConnections(MeasureConnections, dimensions=FILTER):
    """Those of a calibration that has a filter."""

    measured = Output(
        name="verifyFlatMeasurements", storageClass=RECORD, dimensions=FILTER, doc="The same, to be merged exactly."
    )


class MeasureFields(BuildFields):
    """Fields of the tasks that measure."""

    doWriteProc: Any = Field(dtype=bool, default=True, doc="Keep the images that were measured.")


class MeasureConfig(MeasureFields, PipelineTaskConfig, pipelineConnections=MeasureConnections):
    """Configuration of `MeasureTask`."""


class MeasureTask(PipelineTask):
    """Measure every exposure of a detector, what is verified being applied.

    All exposures together, since each is judged by the noise pooled over all of them.
    """

    ConfigClass: ClassVar[type] = MeasureConfig
    _DefaultName: ClassVar[str] = "verifyDet"
    config: Any

    def runQuantum(
        self, butlerQC: QuantumContext, inputRefs: InputQuantizedConnection, outputRefs: OutputQuantizedConnection
    ) -> None:
        """Read, measure, write."""
        instrument = instrument_of(butlerQC.get(inputRefs.geometry))
        detector = detector_of(instrument, detector_number(butlerQC))
        with scratch() as folder:
            loaded = load_frames(butlerQC.get(inputRefs.frames), detector, folder)
            kernel = kernel_of(self.config, instrument, all_options(self.config, loaded))
            own = {self.config.calibration} & set(NEEDED)
            needs = needed(butlerQC, inputRefs, kernel.needs | own, loaded)
            pairs = _by_exposure(butlerQC, getattr(inputRefs, "pairs", ()))
            groups = orders_of(self.config).groups
            found = tuple(
                kernel.measure(
                    detector, loaded.frames, needs, folder,
                    internal=self._internal(loaded, needs), products=pairs or None, groups=groups,
                )
            )  # fmt: skip
            exposures = [one.exposure for one in loaded.origins]
            if kernel.named.declaration.groups_apart:
                exposures = [one for one in exposures if one.id in {m.exposure for m in found}]
            stats = statistics_of(kernel, exposures, [detector], found, _verified(needs, own, detector))
            for ref in outputRefs.stats:
                record = stats.exposures.get((ref.dataId["exposure"], detector.name))
                if record is not None:
                    butlerQC.put(record, ref)
            butlerQC.put(_plain(exposures, found), outputRefs.measured)
            if hasattr(outputRefs, "residual"):
                places = {ref.dataId["exposure"]: ref for ref in outputRefs.residual}
                provenance = loaded.provenance(provenance_of(self, self.config, outputRefs.measured.run))
                for product in kernel.residuals(detector, loaded.frames, needs, provenance, folder):
                    butlerQC.put(product, places[product.exposure])

    def _internal(self, loaded: Loaded, needs: Needed) -> bool:
        """Tell whether these exposures made what is verified."""
        if self.config.order:
            return orders_of(self.config).internal
        if self.config.calibration not in needs:
            return True
        made_of = needs[self.config.calibration][1].provenance.exposures
        return all(one.exposure.id in made_of for one in loaded.origins)


def _by_exposure(context: QuantumContext, refs: Iterable[Any]) -> dict[int, tuple[ProductRef, Product]]:
    found = {}
    for ref in refs:
        product = context.get(ref)
        found[int(ref.dataId["exposure"])] = product_ref(ref, product), product
    return found


def _verified(needs: Needed, own: set[str], detector: Detector) -> dict[str, Product]:
    return dict((detector.name, needs[name][1]) for name in own if name in needs)  # noqa: C402 - of one, or of none


def statistics_of(
    kernel: Kernel,
    exposures: list[Exposure],
    detectors: list[Detector],
    found: Iterable[Measurement],
    products: dict[str, Product],
) -> Statistics:
    """Judge what was measured by the default rules; parameters are those of `latcal.Kernel.summarise`."""
    whole: Measurements = kernel.summarise(exposures, detectors, found, products)
    return statistics(kernel.named.declaration.name, verdict_json(kernel.judge(whole)), measurements_ecsv(whole))


def _plain(exposures: Iterable[Exposure], found: Iterable[Measurement]) -> dict[str, Any]:
    return {
        "exposures": [records.to_plain(one) for one in exposures],
        "measurements": [records.to_plain(one) for one in found],
    }


class ExposureConnections(ChoosingConnections, dimensions=("instrument", "exposure")):
    """What was found of one exposure on every detector."""

    exposures = "stats"
    stats = Input(name="verifyBiasDetStats", storageClass=DICT, dimensions=EXPOSURE, multiple=True, doc="Of each detector.")
    merged = Output(
        name="verifyBiasExpStats", storageClass=DICT, dimensions=("instrument", "exposure"), doc="Of the exposure."
    )


class ExposureConfig(PipelineTaskConfig, pipelineConnections=ExposureConnections):
    """Configuration of `ExposureTask`."""


class ExposureTask(PipelineTask):
    """Merge what was found of one exposure over its detectors."""

    ConfigClass: ClassVar[type] = ExposureConfig
    _DefaultName: ClassVar[str] = "verifyExp"

    def runQuantum(
        self, butlerQC: QuantumContext, inputRefs: InputQuantizedConnection, outputRefs: OutputQuantizedConnection
    ) -> None:
        """Read, merge, write."""
        refs = sorted(inputRefs.stats, key=lambda ref: ref.dataId["detector"])
        found = {str(ref.dataId["detector"]): butlerQC.get(ref) for ref in refs}
        success = all(record["SUCCESS"] for record in found.values())
        butlerQC.put({"DET": found, "SUCCESS": success}, outputRefs.merged)


class RunConnections(ChoosingConnections, dimensions=("instrument",)):
    """What was measured of every exposure on every detector, and what was verified."""

    exposures = "stats"
    stats = Input(
        name="verifyBiasDetStats", storageClass=DICT, dimensions=EXPOSURE, multiple=True, deferLoad=True,
        doc="They say which exposures there are.",
    )  # fmt: skip
    measured = Input(
        name="verifyBiasMeasurements", storageClass=RECORD, dimensions=DETECTOR, multiple=True, doc="What was measured."
    )
    geometry = geometry()
    product = calibration("bias")
    merged = Output(name="verifyBiasStats", storageClass=DICT, dimensions=("instrument",), doc="Of all exposures.")

    def __init__(self, *, config: Any = None) -> None:
        super().__init__(config=config)
        if config.calibration not in NEEDED:
            del self.product


class FilterRunConnections(RunConnections, dimensions=("instrument",)):
    """Those of a calibration that has a filter."""

    measured = Input(
        name="verifyFlatMeasurements", storageClass=RECORD, dimensions=FILTER, multiple=True, doc="What was measured."
    )
    product = calibration("flat", FILTER)


class RunConfig(BuildFields, PipelineTaskConfig, pipelineConnections=RunConnections):
    """Configuration of `RunTask`."""


class FilterRunConfig(BuildFields, PipelineTaskConfig, pipelineConnections=FilterRunConnections):
    """Configuration of `FilterRunTask`."""


class FilterMeasureConfig(MeasureFields, PipelineTaskConfig, pipelineConnections=FilterMeasureConnections):
    """Configuration of `FilterMeasureTask`."""


class FilterMeasureTask(MeasureTask):
    """Measure flats of one filter."""

    ConfigClass = FilterMeasureConfig
    _DefaultName = "verifyFlatDet"


class RunTask(PipelineTask):
    """Judge all exposures together by the default rules of a calibration type."""

    ConfigClass: ClassVar[type] = RunConfig
    _DefaultName: ClassVar[str] = "verifyRun"

    def runQuantum(
        self, butlerQC: QuantumContext, inputRefs: InputQuantizedConnection, outputRefs: OutputQuantizedConnection
    ) -> None:
        """Read, judge, write."""
        instrument = instrument_of(butlerQC.get(inputRefs.geometry))
        kernel = kernel_of(self.config, instrument, options_of(self.config))
        refs = sorted(inputRefs.measured, key=_filter_and_detector)
        judged = [
            self._judged(butlerQC, kernel, list(members), [ref for ref in getattr(inputRefs, "product", ()) if _filter(ref) == name])
            for name, members in groupby(refs, key=_filter)
        ]
        butlerQC.put(together(judged), outputRefs.merged)

    @staticmethod
    def _judged(context: QuantumContext, kernel: Kernel, measured: list[DatasetRef], products: list[DatasetRef]) -> dict[Any, Any]:
        """Judge what was measured with one product: of a flat the exposures of one filter."""
        exposures: dict[int, Exposure] = {}
        found: list[Measurement] = []
        for ref in measured:
            record = context.get(ref)
            known = (records.from_plain(one, Exposure) for one in record["exposures"])
            exposures |= {one.id: one for one in known}
            found += [records.from_plain(one, Measurement) for one in record["measurements"]]
        detectors = [detector_of(kernel.instrument, int(ref.dataId["detector"])) for ref in measured]
        verified = {detector_of(kernel.instrument, int(ref.dataId["detector"])).name: context.get(ref) for ref in products}
        in_order = [exposures[number] for number in sorted(exposures)]
        return statistics_of(kernel, in_order, detectors, found, verified).run


def _filter(ref: DatasetRef) -> str:
    return str(ref.dataId.get("physical_filter", ""))


def _filter_and_detector(ref: DatasetRef) -> tuple[str, int]:
    return _filter(ref), int(ref.dataId["detector"])


class FilterRunTask(RunTask):
    """Judge the flats of each filter together."""

    ConfigClass = FilterRunConfig
    _DefaultName = "verifyFlat"
