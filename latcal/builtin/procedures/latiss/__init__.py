"""The procedures `latiss`, `lsstcomcam` and `lsstcam`: the keys of the LATISS daily calibrations page of Rubin Observatory."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from latcal.builtin.procedures.latiss.options import LatissOptions, LsstCamOptions, LsstComCamOptions
from latcal.builtin.procedures.latiss.sites import LATISS, LSSTCAM, LSSTCOMCAM, Site
from latcal.plugin import Expansion, ProcedureType, Surroundings, hookimpl

if TYPE_CHECKING:  # recipes that name no procedure do without what expands one
    from latcal.builtin.procedures.latiss.settling import Settled


def settle(site: Site, options: LatissOptions, around: Surroundings) -> Settled:
    """Settle what the keys leave open; see `latcal.builtin.procedures.latiss.settling`."""
    from latcal.builtin.procedures.latiss.settling import settle as settled

    return settled(site, options, around)


def expand(settled: Settled) -> Expansion:
    """Write the recipe that the keys stand for; see `latcal.builtin.procedures.latiss.expansion`."""
    from latcal.builtin.procedures.latiss.expansion import expand as expanded

    return expanded(settled)


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
