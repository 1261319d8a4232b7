"""Workers of this computer hear no interrupt of the terminal: it is for the run to hear, which ends them."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:  # noqa: ARG001 - Dask's
    """Begin a worker; Dask calls it in the process of the worker (``preload``)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
