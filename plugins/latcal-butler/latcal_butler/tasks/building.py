"""Building calibrations out of prepared frames: one task for each calibration type of latcal."""

from __future__ import annotations

from typing import Any, ClassVar

from latcal.formats.structure import structure
from latcal.formats.tree import Tree
from latcal.plugin import BuildError
from lsst.daf.butler import DatasetRef
from lsst.pipe.base import (
    InputQuantizedConnection,
    OutputQuantizedConnection,
    PipelineTask,
    PipelineTaskConfig,
    QuantumContext,
)
from lsst.pipe.base.connectionTypes import Input, Output

from latcal_butler.commands import OF_ISR
from latcal_butler.naming import IMAGE, PRODUCT, TABLES
from latcal_butler.orders import orders_of
from latcal_butler.tasks.configuration import (
    BiasFields,
    BuildFields,
    CombineFields,
    DefectsFields,
    ExtractFields,
    SolveFields,
    options_of,
)
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
    options_of_frames,
    product_ref,
    provenance_of,
    scratch,
)

NEEDED = ("bias", "dark", "flat", "defects", "ptc")
"""Calibrations that a task may need, as its type says."""


def needs_of(config: Any) -> frozenset[str]:
    """Give the calibrations that a task's type needs, whatever the frames say of defects."""
    registry = installed()
    named = registry.named("calibration", config.calibration)
    options = {name: value for name, value in options_of(config).items() if name not in OF_ISR}
    needs: frozenset[str] = registry.ask(named, "needs", structure(Tree(options), named.declaration.options))
    strange = sorted(needs - set(NEEDED))
    if strange:
        raise BuildError(f"{config.calibration} needs {', '.join(strange)}, for which the tasks have no connection")
    return needs


class BuildConnections(ChoosingConnections, dimensions=DETECTOR):
    """Prepared frames, and the calibrations that the type needs."""

    frames = Input(
        name="cpBiasProc", storageClass=PRODUCT, dimensions=EXPOSURE, multiple=True, deferLoad=True,
        doc="Prepared frames.",
    )  # fmt: skip
    geometry = geometry()
    bias = calibration("bias")
    dark = calibration("dark")
    flat = calibration("flat", FILTER)
    ptc = calibration("ptc")
    defects = calibration("defects", minimum=0)
    product = Output(
        name="bias", storageClass=IMAGE, dimensions=DETECTOR, isCalibration=True, doc="The combined calibration."
    )

    def __init__(self, *, config: Any = None) -> None:
        super().__init__(config=config)
        needs = needs_of(config)
        for name in NEEDED:
            own = getattr(self, name).name == self.product.name
            if own and name in needs:
                raise BuildError(f"{config.calibration} is to be compared with an earlier one, which no pipeline can (use latcal)")
            if own or (name not in needs and name != "defects"):
                delattr(self, name)
        if "flat" in needs and "physical_filter" not in self.dimensions:
            raise BuildError(f"{config.calibration} needs a flat, and has no filter")


class FilterConnections(BuildConnections, dimensions=FILTER):
    """Those of a calibration that has a filter."""

    product = Output(
        name="bias", storageClass=IMAGE, dimensions=FILTER, isCalibration=True, doc="The combined calibration."
    )


class TablesConnections(BuildConnections, dimensions=DETECTOR):
    """Those of a calibration that is tables."""

    product = Output(name="bias", storageClass=TABLES, dimensions=DETECTOR, isCalibration=True, doc="The calibration.")


class PairConnections(BuildConnections, dimensions=DETECTOR):
    """Those of a calibration that is one for each group of exposures, under the first."""

    product = Output(name="bias", storageClass=TABLES, dimensions=EXPOSURE, multiple=True, doc="One for each pair.")


class BuildTask(PipelineTask):
    """Build what a calibration type of latcal builds of prepared frames, detector by detector."""

    ConfigClass: ClassVar[type]
    _DefaultName: ClassVar[str] = "build"

    def runQuantum(
        self, butlerQC: QuantumContext, inputRefs: InputQuantizedConnection, outputRefs: OutputQuantizedConnection
    ) -> None:
        """Read, build, write."""
        instrument = instrument_of(butlerQC.get(inputRefs.geometry))
        detector = detector_of(instrument, detector_number(butlerQC))
        outputs = [outputRefs.product] if isinstance(outputRefs.product, DatasetRef) else list(outputRefs.product)
        by_exposure = {ref.dataId.get("exposure"): ref for ref in outputs}
        order = orders_of(self.config)
        with scratch() as folder:
            loaded = load_frames(butlerQC.get(inputRefs.frames), detector, folder)
            kernel = kernel_of(self.config, instrument, all_options(self.config, loaded))
            needs = needed(butlerQC, inputRefs, kernel.needs, loaded)
            provenance = loaded.provenance(provenance_of(self, self.config, outputs[0].run))
            for product in kernel.build(detector, loaded.frames, needs, provenance, folder, order.groups):
                butlerQC.put(product, by_exposure[product.exposure])


def all_options(config: Any, loaded: Loaded) -> dict[str, Any]:
    """Give the options of a task, and those by which its frames were prepared."""
    return {**options_of(config), **options_of_frames(loaded.origins)}


def needed(
    context: QuantumContext, refs: InputQuantizedConnection, kinds: frozenset[str], loaded: Loaded
) -> Needed:
    """Load the calibrations that are needed.

    Raises
    ------
    BuildError
        If the frames were prepared with another defect map than is valid for all of them.
    """
    found = {}
    for kind in sorted(kinds):
        for ref in getattr(refs, kind, []):
            product = context.get(ref)
            found[kind] = product_ref(ref, product), product
    used = {origin.defects for origin in loaded.origins} - {""}
    if "defects" in kinds and used and used != {found["defects"][0].id if "defects" in found else ""}:
        raise BuildError("the frames were prepared with another defect map than is valid for all of them")
    missing = sorted(kinds - found.keys())
    if missing:
        raise BuildError(f"{', '.join(missing)} is needed, and not valid for these exposures in the input collections")
    return found


class CpBiasConfig(BiasFields, PipelineTaskConfig, pipelineConnections=BuildConnections):
    """Configuration of `CpBiasTask`."""


class CpBiasTask(BuildTask):
    """Combine biases."""

    ConfigClass = CpBiasConfig
    _DefaultName = "cpBiasCombine"


class CpDarkConfig(CombineFields, PipelineTaskConfig, pipelineConnections=BuildConnections):
    """Configuration of `CpDarkTask`."""


class CpDarkTask(BuildTask):
    """Combine darks."""

    ConfigClass = CpDarkConfig
    _DefaultName = "cpDarkCombine"


class CpFlatConfig(CombineFields, PipelineTaskConfig, pipelineConnections=FilterConnections):
    """Configuration of `CpFlatTask`."""


class CpFlatTask(BuildTask):
    """Combine flats of one filter."""

    ConfigClass = CpFlatConfig
    _DefaultName = "cpFlatCombine"


class CpDefectsConfig(DefectsFields, PipelineTaskConfig, pipelineConnections=TablesConnections):
    """Configuration of `CpDefectsTask`."""


class CpDefectsTask(BuildTask):
    """Find defects in darks and flats, and merge them."""

    ConfigClass = CpDefectsConfig
    _DefaultName = "measureDefects"


class CpPtcExtractConfig(ExtractFields, PipelineTaskConfig, pipelineConnections=PairConnections):
    """Configuration of `CpPtcExtractTask`."""


class CpPtcExtractTask(BuildTask):
    """Measure gain and noise of every pair of flats."""

    ConfigClass = CpPtcExtractConfig
    _DefaultName = "cpPtcExtract"


class CpPtcSolveConfig(SolveFields, PipelineTaskConfig, pipelineConnections=TablesConnections):
    """Configuration of `CpPtcSolveTask`."""


class CpPtcSolveTask(BuildTask):
    """Measure a photon transfer curve: covariances of every pair of flats, and the fit."""

    ConfigClass = CpPtcSolveConfig
    _DefaultName = "cpPtcSolve"


class AnyConfig(BuildFields, PipelineTaskConfig, pipelineConnections=BuildConnections):
    """Configuration of `AnyTask`."""


class AnyTask(BuildTask):
    """Build a calibration of a type that a plugin of latcal has."""

    ConfigClass = AnyConfig
    _DefaultName = "cpCombine"
