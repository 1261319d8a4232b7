"""For authors of plugins: one conformance suite per kind, samples, hypothesis strategies and fakes.

A suite is inherited by a test class of yours, which says how to open what you wrote; all its tests are then yours.
"""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latcal.testing.calibrations import CalibrationSuite
    from latcal.testing.cameras import CameraSuite
    from latcal.testing.executors import ExecutorSuite
    from latcal.testing.instruments import InstrumentSuite
    from latcal.testing.procedures import ProcedureSuite
    from latcal.testing.reporters import ReporterSuite
    from latcal.testing.stores import StoreSuite

__all__ = [
    "CalibrationSuite",
    "CameraSuite",
    "ExecutorSuite",
    "InstrumentSuite",
    "ProcedureSuite",
    "ReporterSuite",
    "StoreSuite",
]
_HOMES = {name: name.removesuffix("Suite").lower() + "s" for name in __all__}
_PARTS = ("amplifiers", "certificates", "declared", "hardware", "rivals", "same")

if "pytest" in sys.modules:  # then a failed assertion of a suite shows its values, as one of a test module does
    sys.modules["pytest"].register_assert_rewrite(*(f"{__name__}.{part}" for part in (*_HOMES.values(), *_PARTS)))


def __getattr__(name: str) -> Any:
    """Import a suite when it is first used: samples and strangers need no pytest."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
