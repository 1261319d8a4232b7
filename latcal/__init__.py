"""latcal: calibrations of CCD cameras from a recipe to a certificate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latcal.engine.foreign import judge
    from latcal.engine.kernel import Kernel, kernel
    from latcal.engine.opening import open_store
    from latcal.engine.planning import plan
    from latcal.engine.reading import read
    from latcal.engine.running import events, run
    from latcal.plugin.registry import load_plugins

__version__ = "0.1.0"
__all__ = ["Kernel", "__version__", "events", "judge", "kernel", "load_plugins", "open_store", "plan", "read", "run"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used, so that ``import latcal`` is quick."""
    import importlib

    homes = {
        "read": "engine.reading",
        "plan": "engine.planning",
        "run": "engine.running",
        "events": "engine.running",
        "open_store": "engine.opening",
        "judge": "engine.foreign",
        "kernel": "engine.kernel",
        "Kernel": "engine.kernel",
        "load_plugins": "plugin.registry",
    }
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{homes[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
