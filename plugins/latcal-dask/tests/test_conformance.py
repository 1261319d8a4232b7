"""What every executor must do."""

from __future__ import annotations

from typing import Any

import pytest
from latcal.plugin import World
from latcal.testing import ExecutorSuite

from latcal_dask.executors import AmplifierExecutor
from latcal_dask.options import DaskOptions


class TestAmplifiers(ExecutorSuite):
    @pytest.fixture(autouse=True)
    def where(self, cluster: Any) -> None:
        type(self).address = str(cluster.scheduler_address)

    def open(self, world: World) -> AmplifierExecutor:
        return AmplifierExecutor(DaskOptions(scheduler=self.address), world)
