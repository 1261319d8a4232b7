"""What a recipe may write for the executors ``dask`` and ``dask_amplifiers``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen
from latcal.plugin import option
from latcal.plugin.ordered import WorkerOptions

if TYPE_CHECKING:
    from astropy.units import Quantity


@frozen
class DaskOptions(WorkerOptions):
    """Where the workers are.

    Parameters
    ----------
    workers : int or None
        Of a cluster on this computer; None with `scheduler`, and for as many as there are processors.
    """

    scheduler: str | None = option(
        None, help="Address of a Dask scheduler, 'tcp://HOST:8786'; left out, workers are started on this computer."
    )
    connect: Quantity = option(
        "30 s", help="How long scheduler and workers may take to answer, at the start and when one of them was lost.", unit="s"
    )

    @property
    def connect_s(self) -> float:
        """That time [s]."""
        return float(self.connect.to_value("s"))
