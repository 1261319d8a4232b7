"""One cluster for all tests: two workers, each a process, and a scheduler in this one."""

from __future__ import annotations

from collections.abc import Iterator

import latcal
import pytest
from distributed import LocalCluster
from latcal.plugin.registry import Registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    return latcal.load_plugins()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    folder = str(tmp_path_factory.mktemp("dask"))
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", local_directory=folder, silence_logs=50
    ) as opened:
        yield opened


@pytest.fixture
def address(cluster: LocalCluster) -> str:
    """Give where the scheduler is, when both workers are there: tests end some, and they are started again."""
    cluster.wait_for_workers(2, timeout=120)
    return str(cluster.scheduler_address)
