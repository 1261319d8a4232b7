"""The procedures `latiss`, `lsstcomcam` and `lsstcam`: the keys of the LATISS daily calibrations page of Rubin Observatory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from latcal.builtin.procedures.latiss.expansion import expand
from latcal.builtin.procedures.latiss.options import LatissOptions, LsstCamOptions, LsstComCamOptions
from latcal.builtin.procedures.latiss.settling import settle
from latcal.builtin.procedures.latiss.sites import LATISS, LSSTCAM, LSSTCOMCAM
from latcal.plugin import ProcedureType, hookimpl


@hookimpl
def latcal_procedures() -> Iterator[ProcedureType]:
    """Declare one procedure for each camera."""
    for site, options in ((LATISS, LatissOptions), (LSSTCOMCAM, LsstComCamOptions), (LSSTCAM, LsstCamOptions)):
        yield ProcedureType(
            name=site.instrument,
            summary=f"Daily calibrations of {site.name}, by the keys of its documented procedure",
            options=options,
            settle=partial(settle, site),
            expand=expand,
        )
