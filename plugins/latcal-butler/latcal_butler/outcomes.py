"""What came of a ``pipetask run``: what it made, or why it failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from latcal import errors
from latcal.plugin import BuildError, LatcalError, StoreError

from latcal_butler.commands import Pipeline

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef


def outputs(butler: Butler, pipeline: Pipeline, run: str) -> list[DatasetRef]:
    """Give what a pipeline made, in the order of exposures and detectors.

    Raises
    ------
    BuildError
        If it made nothing of what is wanted, or what latcal does not read.
    """
    from lsst.daf.butler import MissingDatasetTypeError

    try:
        found = butler.query_datasets(pipeline.output, collections=run, explain=False, limit=None)
    except MissingDatasetTypeError:
        found = []
    strange = next((one for one in found if not one.datasetType.storageClass_name.startswith("Latcal")), None)
    if strange is not None:
        raise BuildError(
            f"the pipeline {pipeline.file} made {strange.datasetType.name} of the storage class "
            f"{strange.datasetType.storageClass_name}, which latcal does not read (let it end with a task that puts a "
            "latcal.plugin.Product, as latcal_butler.tasks does, or run it by pipetask alone, without a recipe)"
        )
    if not found:
        raise BuildError(f"{pipeline.file} made no {pipeline.output} (see that its tasks are of these exposures)")
    return sorted(found, key=lambda one: (one.dataId.get("exposure", 0), one.dataId["detector"]))


def failure(summary: Path, log: Path, step: int) -> LatcalError:
    """Say what a failed ``pipetask`` says: of its first failed quantum, or else its last line."""
    where_it_is = f"all of it is in the report {step}_pipetask.log of the run"
    try:
        told = json.loads(summary.read_text())
    except (OSError, ValueError):
        told = {}
    for quantum in told.get("quantaReports", ()):
        error = quantum.get("exceptionInfo")
        if error:
            data_id = {key: value for key, value in quantum["dataId"].items() if key in ("detector", "exposure")}
            place = ", ".join(f"{key} {value}" for key, value in data_id.items())
            message = " ".join(str(error["message"]).split())
            kind = getattr(errors, error["className"].rpartition(".")[2], None)
            cls = kind if kind in (BuildError, StoreError) else BuildError
            name = "" if kind is not None else f"{error['className'].rpartition('.')[2]}: "
            return cls(f"{quantum['taskLabel']} of {place}: {name}{message} ({where_it_is})")
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return BuildError(f"pipetask: {lines[-1] if lines else 'it said nothing'} ({where_it_is})")
