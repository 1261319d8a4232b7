"""Array code: it knows no frame, recipe or plugin.

Its modules are imported when they are first used (PEP 562): ``from latcal import numerics`` costs a plan nothing, and
``numerics.combine.mean(...)`` says where a function lives.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latcal.numerics import (
        allowed,
        arrays,
        averages,
        bad_columns,
        boxes,
        brighter_fatter,
        budget,
        canvas,
        clipping,
        combine,
        correct,
        cosmic_rays,
        covariance,
        covariance_fit,
        crosstalk,
        curve_models,
        defect_maps,
        defects,
        efficiency,
        exposure,
        flat_pair,
        footprints,
        gain,
        gain_estimators,
        growth,
        illumination,
        instability,
        ladder,
        lagged_sums,
        levels,
        linearity,
        moments,
        networks,
        overscan,
        overscan_models,
        ranks,
        rates,
        reasons,
        rejection,
        residuals,
        row_medians,
        samples,
        scatter_limits,
        smoothing,
        stacks,
        statistics,
        tracks,
        transfer,
        transfer_curve,
        transfer_fits,
        transfer_models,
        turnoff,
        walks,
        weighted_fits,
    )

__all__ = [
    "allowed",
    "arrays",
    "averages",
    "bad_columns",
    "boxes",
    "brighter_fatter",
    "budget",
    "canvas",
    "clipping",
    "combine",
    "correct",
    "cosmic_rays",
    "covariance",
    "covariance_fit",
    "crosstalk",
    "curve_models",
    "defect_maps",
    "defects",
    "efficiency",
    "exposure",
    "flat_pair",
    "footprints",
    "gain",
    "gain_estimators",
    "growth",
    "illumination",
    "instability",
    "ladder",
    "lagged_sums",
    "levels",
    "linearity",
    "moments",
    "networks",
    "overscan",
    "overscan_models",
    "ranks",
    "rates",
    "reasons",
    "rejection",
    "residuals",
    "row_medians",
    "samples",
    "scatter_limits",
    "smoothing",
    "stacks",
    "statistics",
    "tracks",
    "transfer",
    "transfer_curve",
    "transfer_fits",
    "transfer_models",
    "turnoff",
    "walks",
    "weighted_fits",
]


def __getattr__(name: str) -> Any:
    """Import a module when it is first used."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return sorted(__all__)
