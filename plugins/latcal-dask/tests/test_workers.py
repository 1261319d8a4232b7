"""Tasks on workers: those that are killed, those that nobody does, and what travels."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from deeds import die, linger, note_and_die_once, sent
from distributed import Client, LocalCluster
from distributed.comm.tcp import TCP
from latcal.plugin import BuildError, Event, StepEnded, StepStarted, Take, Task
from latcal.plugin.registry import Registry
from latcal.testing import samples
from nights import BIASES, PATIENCE, on, planned, run

from latcal_dask.executors import AmplifierExecutor
from latcal_dask.options import DaskOptions
from latcal_dask.tasks import Pending, Tasks


def opened(address: str, folder: Path, connect: str = PATIENCE) -> AmplifierExecutor:
    world = evolve(samples.world(folder), stop=threading.Event())
    return AmplifierExecutor(DaskOptions(scheduler=address, connect=connect), world)


def test_a_worker_that_is_killed_costs_its_own_tasks_and_no_other(mortal: LocalCluster, tmp_path: Path) -> None:
    items = [str(tmp_path / f"{number:02}") for number in range(40)]
    items[20] += "fatal"
    with opened(mortal.scheduler_address, tmp_path) as executor:
        pids = list(Tasks(executor.workers, Task(note_and_die_once, "mine")).over(items))
    done = {item: Path(item).read_text("utf-8").split() for item in items}
    dead = done[items[20]][0]
    assert len(pids) == len(items)
    assert int(dead) not in pids[20:]
    again = {item: by for item, by in done.items() if len(by) > 1}
    assert items[20] in again
    assert all(by[0] == dead for by in again.values()), "only what the killed worker did, or had done, is done again"
    assert Counter(len(by) for by in done.values())[1] >= 20  # the other one's


def test_an_item_that_ends_as_many_workers_as_may_is_named_with_the_last_of_them(
    mortal: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mortal.scheduler, "allowed_failures", 0)
    with opened(mortal.scheduler_address, tmp_path) as executor:
        words = r"^mine: the dark lord: 1 worker ended while doing it, the last of them tcp://127\.0\.0\.1:\d+ \(give workers"
        with pytest.raises(BuildError, match=words):
            list(executor.map(Task(die, "mine"), ["the dark lord"]))
        assert list(executor.map(Task(abs, "mine"), [-3])) == [3]


def test_a_run_that_is_to_end_waits_for_no_task_and_what_is_under_way_has_ended_when_it_is_closed(
    address: str, tmp_path: Path
) -> None:
    executor = opened(address, tmp_path)
    paths = [str(tmp_path / name) for name in ("one", "two", "three", "four")]

    def interrupt() -> None:
        while not any(Path(path).exists() for path in paths):
            time.sleep(0.05)
        executor.world.stop.set()

    with executor:
        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(BuildError, match="interrupted"):
            list(Tasks(executor.workers, Task(linger, "mine")).over(paths))
        assert not list(tmp_path.glob("*-finished"))
        threading.Timer(0.5, (tmp_path / "end").touch).start()
    begun = [path for path in paths if Path(path).exists()]
    assert 1 <= len(begun) <= 2
    assert all(Path(f"{path}-finished").exists() for path in begun)


def test_workers_that_join_later_are_given_work_too(tmp_path: Path) -> None:
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", local_directory=str(tmp_path / "dask"), silence_logs=50
    ) as cluster, opened(cluster.scheduler_address, tmp_path) as executor:  # fmt: skip
        tasks = Tasks(executor.workers, Task(abs, "mine"))
        assert tasks.ahead == 8
        cluster.scale(4)
        executor.workers.client.wait_for_workers(4, timeout=120)
        tasks.see_to(Pending(executor.workers.client.submit(abs, 1), "one"))
        assert tasks.ahead == 16


def test_a_scheduler_that_is_gone_is_named_in_the_step_and_after_it(tmp_path: Path) -> None:
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", local_directory=str(tmp_path / "dask"), silence_logs=50
    ) as cluster:  # fmt: skip
        executor = opened(cluster.scheduler_address, tmp_path, connect="1 s")
        with executor:
            executor.workers.client.close()
            for _ in range(2):
                with pytest.raises(BuildError, match=r"the Dask scheduler .* was lost \(see why it ended, and run again\)"):
                    list(executor.map(Task(abs, "mine"), [1]))


def test_workers_that_are_gone_for_good_end_the_step(tmp_path: Path) -> None:
    folder = str(tmp_path / "dask")
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0", local_directory=folder, silence_logs=50
    ) as cluster:
        executor = opened(cluster.scheduler_address, tmp_path, connect="1 s")
        with executor:
            results = executor.map(Task(abs, "mine"), iter(range(9)))
            assert next(results) == 0
            cluster.scale(0)
            while executor.workers.client.nthreads():
                time.sleep(0.05)
            with pytest.raises(BuildError, match=r"mine: 1: .* has had no worker for 'connect: 1 s' \(start workers\)"):
                list(executor.map(Task(abs, "mine"), [1]))


def test_what_travels_are_names_and_no_pixels(
    registry: Registry, cluster: LocalCluster, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scheduler is in this process: what it and the run send is counted; what workers send as data, by themselves."""
    counts = {"messages": 0}
    write = TCP.write

    async def counting(self: Any, *arguments: Any, **named: Any) -> int:
        size = await write(self, *arguments, **named)
        counts["messages"] += size
        return int(size)

    def hear(event: Event) -> None:
        if isinstance(event, StepStarted | StepEnded) and not isinstance(plan.steps[event.step], Take):
            counts[f"{type(event).__name__} {event.step}"] = counts["messages"]

    monkeypatch.chdir(tmp_path)  # workers are in another folder, and find the store all the same
    plan = planned(registry, tmp_path, on(address), *BIASES, "store.root=./store")
    monkeypatch.setattr(TCP, "write", counting)
    with Client(cluster) as client:
        before = sum(client.run(sent).values())
        report = run(plan, registry, hear)
        data = sum(client.run(sent).values()) - before
    assert report.stages[0].built
    assert len(list((tmp_path / "store" / "products").rglob("bias_*.fits"))) == 2
    build, verify = (step.id for step in plan.steps[7:9])
    per_detector = (counts[f"StepEnded {verify}"] - counts[f"StepStarted {build}"] + data) / 2
    assert per_detector < 40_000  # a frame of a detector has 4 x 2 x 80 x 200 = 128,000 bytes of pixels, and there are six
