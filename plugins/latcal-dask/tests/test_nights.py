"""Whole nights on Dask workers: what is made is what the serial executor makes, whatever happens to a worker."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import latcal
import numpy as np
import pytest
from deeds import workplaces
from distributed import Client, LocalCluster
from latcal.formats.products import digest
from latcal.plugin import Build, Event, Product, RunReport, Status, StepStarted
from latcal.plugin.lookup import run_collection
from latcal.plugin.registry import Registry
from nights import BIASES, on, planned, run


def every_product(registry: Registry, folder: Path, report: RunReport) -> list[Product]:
    """Give all that a run put into its store, residuals too, in an order of their own."""
    with latcal.open_store("folder", registry, root=str(folder / "store")) as store:
        refs = [one.ref for one in store.list(collection=run_collection(report.run))]
        products = [store.get(ref) for ref in refs]
    return sorted(products, key=lambda one: (one.kind, one.detector, one.exposure or 0))


@pytest.fixture(scope="module")
def serial(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunReport, list[Product]]:
    folder = tmp_path_factory.mktemp("serial")
    report = run(planned(registry, folder), registry)
    assert [stage.status for stage in report.stages[:2]] == [Status.DONE] * 2
    return report, every_product(registry, folder, report)


@pytest.mark.parametrize(
    ("use", "settings", "count"),
    [
        ("dask", (), 2 * (2 + 3 + 2)),  # of each sensor a bias, a dark, three residuals, two gains of pairs
        ("dask_amplifiers", BIASES, 2),  # the same biases
    ],
)
def test_every_plane_and_number_is_that_of_the_serial_executor(
    use: str, settings: tuple[str, ...], count: int, registry: Registry, mortal: LocalCluster, tmp_path: Path, serial: tuple[RunReport, list[Product]]
) -> None:
    """And of the run nothing is left on the workers. In the run by detectors, a worker is killed in a Build."""
    killed: list[int] = []

    def kill(event: Event) -> None:
        if use == "dask" and not killed and isinstance(event, StepStarted) and isinstance(plan.steps[event.step], Build):
            with Client(mortal) as client:
                killed.extend(client.run(os.getpid, workers=[next(iter(client.nthreads()))]).values())
            os.kill(killed[0], signal.SIGKILL)

    plan = planned(registry, tmp_path, on(mortal.scheduler_address, use=use), *settings)
    report = run(plan, registry, kill)
    assert len(killed) == (use == "dask")
    (ours, products), (theirs, others) = (report, every_product(registry, tmp_path, report)), serial
    for one, other in zip(ours.stages, theirs.stages, strict=not settings):
        assert one.status is other.status
        assert one.numbers == other.numbers
        assert one.verdict.tallies == other.verdict.tallies
    assert len(products) == count
    for one, other in zip(products, others, strict=not settings):
        assert (one.kind, one.detector, one.exposure) == (other.kind, other.detector, other.exposure)
        assert digest(one) == digest(other)  # of planes and tables, in which NaN is NaN
        assert one.provenance.exposures == other.provenance.exposures
        assert one.planes.keys() == other.planes.keys()
        assert one.kind != "gain" or np.isfinite(one.tables["amplifiers"]["gain"].values).all()
        for name, plane in one.planes.items():
            np.testing.assert_array_equal(plane, other.planes[name], strict=True)
    with Client(mortal) as client:
        assert set(map(tuple, client.run(workplaces).values())) == {()}
