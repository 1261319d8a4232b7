"""What is refused before the first exposure, and what is said of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import latcal
import pytest
from attrs import evolve
from deeds import be_honest, pretend
from distributed import Client, LocalCluster
from latcal.engine.running import check_ready
from latcal.plugin import CalibrationType, NotReady, RecipeError, StoreError, World, hookimpl, instant
from latcal.plugin.registry import Registry
from latcal.testing import samples
from nights import BIASES, PATIENCE, on, planned, run

from latcal_dask.executors import AmplifierExecutor, DetectorExecutor
from latcal_dask.options import DaskOptions

NOBODY = "tcp://127.0.0.1:1"


def test_a_scheduler_that_does_not_answer_is_told_before_exposures_and_within_the_limit(
    registry: Registry, tmp_path: Path
) -> None:
    plan = planned(registry, tmp_path, on(NOBODY, connect="1 s"), *BIASES)
    words = rf"executor: the Dask scheduler {NOBODY} does not answer within 'connect: 1 s': .* \(start it, or mend its address\)"
    with pytest.raises(NotReady, match=words):
        latcal.run(plan, registry)
    assert not (tmp_path / "store").exists()


def test_what_is_no_address_is_told_so(registry: Registry, tmp_path: Path) -> None:
    plan = planned(registry, tmp_path, on("'spoon://x'", connect="1 s"), *BIASES)
    with pytest.raises(NotReady, match=r"the Dask scheduler spoon://x does not answer .*spoon"):
        latcal.run(plan, registry)


def test_a_scheduler_without_workers_is_told_so(registry: Registry, tmp_path: Path) -> None:
    with LocalCluster(n_workers=0, processes=False, dashboard_address=":0", silence_logs=50) as empty:
        plan = planned(registry, tmp_path, on(empty.scheduler_address, connect="5 s"), *BIASES)
        with pytest.raises(NotReady, match=r"has no worker, and none came within 'connect: 5 s' \(start workers\)"):
            latcal.run(plan, registry)


@pytest.fixture
def strange(cluster: LocalCluster) -> Iterator[Any]:
    """Let one of the workers be unlike the others."""
    with Client(cluster) as client:
        (worker, *_) = client.nthreads()

        def pretending(*arguments: Any) -> str:
            client.run(pretend, *arguments, workers=[worker])
            return str(worker)

        yield pretending
        client.run(be_honest, workers=[worker])


@pytest.mark.parametrize(
    ("pretended", "words"),
    [
        (("latcal", "9.9"), r"the Dask worker {} has latcal 9.9, and this is 0\.\S+ \(install the same\)"),
        (("latcal-dask", None), r"the Dask worker {} has no latcal-dask \(install latcal-dask \S+ there\)"),
    ],
)
def test_a_worker_with_another_version_or_without_the_plugin_is_named(
    pretended: tuple[str, str | None], words: str, strange: Any, registry: Registry, address: str, tmp_path: Path
) -> None:
    worker = strange(*pretended)
    plan = planned(registry, tmp_path, on(address), *BIASES)
    with pytest.raises(NotReady, match=words.format(worker)) as caught:
        latcal.run(plan, registry)
    assert len(caught.value.problems) == 1
    assert not (tmp_path / "store").exists()


class Extra:
    """A plugin that only this program has: a bias of another name."""

    def __init__(self, bias: CalibrationType) -> None:
        self.bias = evolve(bias, name="offset")

    @hookimpl
    def latcal_calibrations(self) -> Iterator[CalibrationType]:
        yield self.bias


def test_a_calibration_type_that_workers_do_not_have_is_named(registry: Registry, address: str, tmp_path: Path) -> None:
    mine = latcal.load_plugins(extra=[Extra(registry.get("calibration", "bias"))])
    stages = "stages=[{make: offset, frames: [biases], rules: {noise: noise > 0}}]"
    plan = planned(mine, tmp_path, on(address), BIASES[0], stages)
    with pytest.raises(NotReady, match=r"the Dask worker tcp://\S+: .*no plugin declares the calibration 'offset'"):
        check_ready(plan, mine)
    assert not (tmp_path / "store").exists()


def test_workers_that_see_another_store_are_named(registry: Registry, address: str, tmp_path: Path) -> None:
    plan = planned(registry, tmp_path, on(address), *BIASES)
    world = evolve(samples.world(tmp_path), plan=plan, instrument=plan.instrument)
    with latcal.open_store("folder", registry, root=str(tmp_path / "elsewhere")) as other:
        executor = DetectorExecutor(plan.executor.options, evolve(world, store=other))
        with pytest.raises(NotReady, match=r"the Dask worker \S+: .*workers\.json is not there") as caught:
            executor.__enter__()
    assert len(caught.value.problems) == 2


def test_workers_that_do_not_see_the_scratch_folder_are_named(address: str, tmp_path: Path, monkeypatch: Any) -> None:
    """As those of another computer would not: here the file that they are shown is gone when they look."""
    monkeypatch.setattr(Path, "write_text", lambda *_, **__: None)
    monkeypatch.setattr(Path, "unlink", lambda _: None)
    world = World(None, lambda: instant("2026-11-04T20:00:00"), "run", threading.Event(), tmp_path)
    executor = AmplifierExecutor(DaskOptions(scheduler=address, connect=PATIENCE), world)
    with pytest.raises(NotReady, match=r"the Dask worker \S+ does not see \S+, where prepared frames lie \(set TMPDIR"):
        executor.__enter__()


def test_a_store_that_is_of_this_process_alone_is_refused_while_planning(registry: Registry, tmp_path: Path) -> None:
    words = r"store\.use: the executor 'dask' works in other processes, and they have no part in the store 'memory' \(write 'store"
    with pytest.raises(RecipeError, match=words):
        planned(registry, tmp_path, "store={use: memory}", on(NOBODY), *BIASES)
    assert planned(registry, tmp_path, "store={use: memory}", on(NOBODY, use="dask_amplifiers"), *BIASES).steps


def test_workers_that_latcal_does_not_start_cannot_be_counted(registry: Registry, tmp_path: Path) -> None:
    words = rf"executor\.workers: the workers of the scheduler {NOBODY} are not started by latcal \(remove workers"
    with pytest.raises(RecipeError, match=words):
        planned(registry, tmp_path, f"executor={{use: dask, scheduler: '{NOBODY}', workers: 2}}", *BIASES)


def test_a_product_that_is_damaged_fails_the_step_in_the_words_of_the_store(
    registry: Registry, address: str, tmp_path: Path
) -> None:
    made = run(planned(registry, tmp_path, *BIASES), registry)
    (damaged,) = (tmp_path / "store" / "products" / made.run).glob("bias_0_*.fits")
    damaged.write_bytes(damaged.read_bytes()[:-2880] + bytes(2880))
    stages = "stages=[{check: bias, frames: [biases], collections: [calib/test]}]"
    report = run(planned(registry, tmp_path, on(address), "camera.first=100", BIASES[0], stages, "certify=null"), registry)
    assert report.exit_code == StoreError.exit_code
    assert report.stages[0].reason.startswith(f"{damaged} is damaged: ")
