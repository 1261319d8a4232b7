"""One cluster for all tests that kill no worker: two workers, each a process, and a scheduler in this one."""

from __future__ import annotations

from collections.abc import Iterator

import latcal
import pytest
from distributed import LocalCluster
from latcal.plugin.registry import Registry


@pytest.fixture(scope="session")
def registry() -> Registry:
    return latcal.load_plugins()


def two_workers(folder: str) -> LocalCluster:
    return LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0", local_directory=folder, silence_logs=50
    )


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with two_workers(str(tmp_path_factory.mktemp("dask"))) as opened:
        yield opened


@pytest.fixture
def address(cluster: LocalCluster) -> str:
    return str(cluster.scheduler_address)


@pytest.fixture
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Give a cluster whose workers may be killed: Dask starts others in their place, but not always where much else runs."""
    with two_workers(str(tmp_path_factory.mktemp("mortal"))) as opened:
        yield opened
