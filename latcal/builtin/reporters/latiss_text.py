"""The `latiss_text` reporter: of each calibration, the report that the LATISS procedure's page shows."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from latcal.plugin import ReporterType, World, hookimpl, option

if TYPE_CHECKING:  # planning tells nothing
    from latcal.builtin.reporters.latiss_stages import LatissTextReporter


@frozen
class LatissTextOptions:
    """Options of the `latiss_text` reporter."""

    path: Path | None = option(
        None,
        help="The file to write, anew for every run, relative to the working directory; left out: standard output, where "
        "a terminal gets all of it after the run, below the lines of the console",
    )


def open_latiss_text(options: LatissTextOptions, world: World) -> LatissTextReporter:  # noqa: ARG001 - the declaration's
    """Open the reporter."""
    from latcal.builtin.reporters.latiss_stages import LatissTextReporter

    return LatissTextReporter(options.path, sys.stdout)


@hookimpl
def latcal_reporters() -> Iterable[ReporterType]:
    """Declare the reporter."""
    yield ReporterType(
        name="latiss_text",
        summary="Of each calibration the report of the LATISS procedure: failures by exposure, limits, collections",
        options=LatissTextOptions,
        open=open_latiss_text,
    )
