"""All that a plugin may import, beside `latcal.numerics` and `latcal.errors`.

A name is imported with its module when it is first used (PEP 562): a plan needs no event, and a plugin that declares a store no
metric.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latcal.errors import (
        BuildError,
        CameraError,
        IngestTimeout,
        LatcalError,
        NotReady,
        PluginError,
        Problem,
        ProductNotFound,
        RecipeError,
        StoreError,
        ValidityOverlap,
    )
    from latcal.model.events import (
        Built,
        Certified,
        Event,
        Exposed,
        Figure,
        Ingested,
        Judged,
        Kept,
        Noted,
        Resolved,
        RunEnded,
        RunStarted,
        Shown,
        Solved,
        StepEnded,
        StepStarted,
    )
    from latcal.model.exposures import Exposures, Group, Ladder, Level, Rung
    from latcal.model.frames import (
        AmplifierFrame,
        Exposure,
        ExposureRequest,
        Frame,
        Plane,
        Setup,
    )
    from latcal.model.geometry import Amplifier, Box, Detector, Instrument, Preparation
    from latcal.model.measurements import Measurements
    from latcal.model.metrics import Measurement, Metric, Scope
    from latcal.model.numbering import day_and_number, exposure_id, observation_id, observing_day
    from latcal.model.options import option
    from latcal.model.products import MASK_PLANES, AmplifierProduct, Column, Product, ProductRef, Provenance
    from latcal.model.recipe import Sequence
    from latcal.model.report import RunReport, StageReport, StepReport, fold
    from latcal.model.rules import Rule
    from latcal.model.steps import SPARE, Build, Certify, Plan, Status, Step, Take, Verify
    from latcal.model.validity import ValidityRange, instant, stamp
    from latcal.model.verdicts import Acceptance, Finding, Limits, Tally, Verdict
    from latcal.plugin.declarations import (
        CalibrationType,
        CameraType,
        ExecutorType,
        Expansion,
        InstrumentType,
        ProcedureType,
        ReporterType,
        StoreType,
        Surroundings,
    )
    from latcal.plugin.gates import RETRIED, Gate, wait_for_gates
    from latcal.plugin.hookspecs import hookimpl
    from latcal.plugin.images import amplifier_tables, assemble_image, assemble_tables, failure
    from latcal.plugin.inputs import AmplifierInputs, DetectorInputs, Expectation, Light, Outlook, Part
    from latcal.plugin.protocols import (
        Camera,
        CameraDescription,
        CameraExtras,
        Certification,
        Executor,
        Order,
        Reporter,
        StepExecutor,
        Store,
        Task,
        World,
    )

__all__ = [
    "MASK_PLANES",
    "RETRIED",
    "SPARE",
    "Acceptance",
    "Amplifier",
    "AmplifierFrame",
    "AmplifierInputs",
    "AmplifierProduct",
    "Box",
    "Build",
    "BuildError",
    "Built",
    "CalibrationType",
    "Camera",
    "CameraDescription",
    "CameraError",
    "CameraExtras",
    "CameraType",
    "Certification",
    "Certified",
    "Certify",
    "Column",
    "Detector",
    "DetectorInputs",
    "Event",
    "Executor",
    "ExecutorType",
    "Expansion",
    "Expectation",
    "Exposed",
    "Exposure",
    "ExposureRequest",
    "Exposures",
    "Figure",
    "Finding",
    "Frame",
    "Gate",
    "Group",
    "IngestTimeout",
    "Ingested",
    "Instrument",
    "InstrumentType",
    "Judged",
    "Kept",
    "Ladder",
    "LatcalError",
    "Level",
    "Light",
    "Limits",
    "Measurement",
    "Measurements",
    "Metric",
    "NotReady",
    "Noted",
    "Order",
    "Outlook",
    "Part",
    "Plan",
    "Plane",
    "PluginError",
    "Preparation",
    "Problem",
    "ProcedureType",
    "Product",
    "ProductNotFound",
    "ProductRef",
    "Provenance",
    "RecipeError",
    "Reporter",
    "ReporterType",
    "Resolved",
    "Rule",
    "RunEnded",
    "RunReport",
    "RunStarted",
    "Rung",
    "Scope",
    "Sequence",
    "Setup",
    "Shown",
    "Solved",
    "StageReport",
    "Status",
    "Step",
    "StepEnded",
    "StepExecutor",
    "StepReport",
    "StepStarted",
    "Store",
    "StoreError",
    "StoreType",
    "Surroundings",
    "Take",
    "Tally",
    "Task",
    "ValidityOverlap",
    "ValidityRange",
    "Verdict",
    "Verify",
    "World",
    "amplifier_tables",
    "assemble_image",
    "assemble_tables",
    "day_and_number",
    "exposure_id",
    "failure",
    "fold",
    "hookimpl",
    "instant",
    "observation_id",
    "observing_day",
    "option",
    "stamp",
    "wait_for_gates",
]

_HOMES = {
    "latcal.errors": (
        "BuildError", "CameraError", "IngestTimeout", "LatcalError", "NotReady", "PluginError", "Problem",
        "ProductNotFound", "RecipeError", "StoreError", "ValidityOverlap",
    ),
    "latcal.model.events": (
        "Built", "Certified", "Event", "Exposed", "Figure", "Ingested", "Judged", "Kept", "Noted", "Resolved",
        "RunEnded", "RunStarted", "Shown", "Solved", "StepEnded", "StepStarted",
    ),
    "latcal.model.exposures": ("Exposures", "Group", "Ladder", "Level", "Rung"),
    "latcal.model.frames": ("AmplifierFrame", "Exposure", "ExposureRequest", "Frame", "Plane", "Setup"),
    "latcal.model.geometry": ("Amplifier", "Box", "Detector", "Instrument", "Preparation"),
    "latcal.model.measurements": ("Measurements",),
    "latcal.model.metrics": ("Measurement", "Metric", "Scope"),
    "latcal.model.numbering": ("day_and_number", "exposure_id", "observation_id", "observing_day"),
    "latcal.model.options": ("option",),
    "latcal.model.products": ("MASK_PLANES", "AmplifierProduct", "Column", "Product", "ProductRef", "Provenance"),
    "latcal.model.recipe": ("Sequence",),
    "latcal.model.report": ("RunReport", "StageReport", "StepReport", "fold"),
    "latcal.model.rules": ("Rule",),
    "latcal.model.steps": ("SPARE", "Build", "Certify", "Plan", "Status", "Step", "Take", "Verify"),
    "latcal.model.validity": ("ValidityRange", "instant", "stamp"),
    "latcal.model.verdicts": ("Acceptance", "Finding", "Limits", "Tally", "Verdict"),
    "latcal.plugin.declarations": (
        "CalibrationType", "CameraType", "ExecutorType", "Expansion", "InstrumentType", "ProcedureType",
        "ReporterType", "StoreType", "Surroundings",
    ),
    "latcal.plugin.gates": ("RETRIED", "Gate", "wait_for_gates"),
    "latcal.plugin.hookspecs": ("hookimpl",),
    "latcal.plugin.images": ("amplifier_tables", "assemble_image", "assemble_tables", "failure"),
    "latcal.plugin.inputs": ("AmplifierInputs", "DetectorInputs", "Expectation", "Light", "Outlook", "Part"),
    "latcal.plugin.protocols": (
        "Camera", "CameraDescription", "CameraExtras", "Certification", "Executor", "Order", "Reporter",
        "StepExecutor", "Store", "Task", "World",
    ),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name from its module, and keep it."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(importlib.import_module(_HOME_OF[name]), name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
