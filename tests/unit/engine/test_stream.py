"""Events for programs with an event loop: however the iteration ends, so does the run, in order."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import aclosing, closing, suppress
from pathlib import Path

import pytest
from corner import CORNER

import latcal
from latcal.plugin import Exposed, NotReady, Plan, RunEnded, RunStarted, fold
from latcal.plugin.registry import Registry

Threads = Callable[[], set[str]]
PATIENCE_S = 300.0
"""What a busy machine may need for what takes a second [s]; the exposures that are given up take twice as long."""

LONG = """\
latcal: 1
instrument: bench
camera: {use: simulated, clock: real}
store: {use: memory}
sequences:
  biases: {image: bias, exposures: 1 x 0 s}
  darks: {image: dark, exposures: 3 x 600 s}
stages:
  - {make: bias, frames: [biases]}
  - {make: dark, frames: [darks]}
certify: {into: calib/night, begin: 2026-11-04, end: 2026-11-05}
"""
SHORT = LONG.replace("clock: real", "settling: 0 electron").replace("600 s", "5 s").replace("1 x 0 s", "12 x 0 s")
SHORT = SHORT.replace("instrument: bench", f"instrument: {CORNER}")


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give the recipe of half an hour, of an instrument that reads out in no time: nobody waits for the first exposure."""
    path = tmp_path_factory.mktemp("quick") / "quick.yaml"
    path.write_text(CORNER.read_text(encoding="utf-8").replace("readout: 2 s", "readout: 0.01 s"), encoding="utf-8")
    return LONG.replace("instrument: bench", f"instrument: {path}")


@pytest.fixture
def plan(registry: Registry, quick: str) -> Plan:
    """Give a plan that would last half an hour."""
    return latcal.plan(latcal.read(quick, "long.yaml", registry), registry)


@pytest.fixture
def threads() -> Threads:
    """Give the names of latcal's threads that were not there before: tests of cameras that hang leave some."""
    before = set(threading.enumerate())
    return lambda: {one.name for one in threading.enumerate() if one.name.startswith("latcal") and one not in before}


async def none_left(threads: Threads) -> None:
    until = time.monotonic() + PATIENCE_S
    while threads():
        assert time.monotonic() < until, threads()
        await asyncio.sleep(0.02)


async def until_exposing(events: latcal.engine.stream.Events) -> None:
    """Iterate until the first bias is exposed: the dark that comes then takes 10 minutes."""
    async for event in events:
        if isinstance(event, Exposed):
            break


def test_awaited_events_are_those_that_are_iterated(registry: Registry, threads: Threads) -> None:
    short = latcal.plan(latcal.read(SHORT, "short.yaml", registry), registry)

    async def awaited() -> list[object]:
        return [event async for event in latcal.events(short, registry)]

    heard = asyncio.run(awaited())
    assert isinstance(heard[0], RunStarted)
    assert isinstance(heard[-1], RunEnded)
    assert sorted(type(event).__name__ for event in heard) == sorted(
        type(event).__name__ for event in latcal.events(short, registry)
    )
    assert fold(heard).exit_code == latcal.run(short, registry).exit_code
    assert not threads()


def test_the_loop_turns_while_an_exposure_is_waited_for(plan: Plan, registry: Registry) -> None:
    async def program() -> bool:
        begun = asyncio.Event()

        async def night() -> None:
            async for event in latcal.events(plan, registry):
                if isinstance(event, Exposed):
                    begun.set()

        task = asyncio.create_task(night())
        await begun.wait()
        for _ in range(20):
            await asyncio.sleep(0.01)  # not before ten minutes, if the dark held the loop
        waited = not task.done()
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return waited

    assert asyncio.run(asyncio.wait_for(program(), PATIENCE_S))


def test_leaving_the_loop_ends_the_run_without_holding_the_program(plan: Plan, registry: Registry, threads: Threads) -> None:
    async def program() -> None:
        await until_exposing(latcal.events(plan, registry))
        await none_left(threads)

    asyncio.run(program())


def test_what_is_closing_has_restored_the_hardware_when_it_is_left(plan: Plan, registry: Registry, threads: Threads) -> None:
    async def program() -> set[str]:
        async with aclosing(latcal.events(plan, registry)) as events:
            await until_exposing(events)
        return threads()

    assert asyncio.run(program()) <= {"latcal-events_0"}  # which is done, and about to end


def test_a_cancelled_task_ends_its_run_first(plan: Plan, registry: Registry, threads: Threads) -> None:
    async def program() -> float:
        begun = asyncio.Event()

        async def night() -> None:
            async for event in latcal.events(plan, registry):
                if isinstance(event, Exposed):
                    begun.set()

        task = asyncio.create_task(night())
        await begun.wait()
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert threads() <= {"latcal-events_0"}
        return time.monotonic() - began

    assert asyncio.run(program()) < PATIENCE_S  # the exposure under way had ten minutes to go


def test_a_program_that_ends_in_the_middle_of_a_run_ends_the_run(plan: Plan, registry: Registry, threads: Threads) -> None:
    async def program() -> None:
        asyncio.create_task(until_exposing(latcal.events(plan, registry)))  # noqa: RUF006  nobody waits for it
        await asyncio.sleep(0.2)

    asyncio.run(program())
    asyncio.run(none_left(threads))


def test_setting_stop_lets_the_ending_be_heard(plan: Plan, registry: Registry) -> None:
    async def program() -> int:
        stop, heard = threading.Event(), []
        async for event in latcal.events(plan, registry, stop=stop):
            heard.append(event)
            if isinstance(event, Exposed):
                stop.set()
        return fold(heard).exit_code

    assert asyncio.run(program()) == 130


def test_an_error_before_the_first_event_is_raised_where_it_is_awaited(registry: Registry, tmp_path: Path) -> None:
    text = SHORT.replace("{use: memory}", f"{{use: folder, root: {tmp_path}}}")
    short = latcal.plan(latcal.read(text, "short.yaml", registry), registry)
    latcal.run(short, registry)

    async def program() -> None:
        async for _ in latcal.events(short, registry):
            raise AssertionError("nothing happens")

    with pytest.raises(NotReady, match="calib/night"):
        asyncio.run(program())


def test_closing_what_never_began_does_nothing(plan: Plan, registry: Registry, threads: Threads) -> None:
    with closing(latcal.events(plan, registry)):
        pass

    async def program() -> None:
        async with aclosing(latcal.events(plan, registry)) as events:
            await events.aclose()

    asyncio.run(program())
    assert not threads()


def test_an_iterator_that_is_forgotten_ends_its_run(plan: Plan, registry: Registry, threads: Threads) -> None:
    events = latcal.events(plan, registry)
    for event in events:
        if isinstance(event, Exposed):
            break
    assert threads()
    del events, event
    gc.collect()
    asyncio.run(none_left(threads))


PROGRAM = """
import multiprocessing, sys
import latcal

def child():
    pass

text = {text!r}
registry = latcal.load_plugins()
plan = latcal.plan(latcal.read(text, "program.yaml", registry), registry)
print(latcal.run(plan, registry).exit_code, flush=True)
if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start()
    process.join()
    print(process.exitcode, flush=True)
"""


def test_a_process_that_only_imports_the_program_takes_no_exposures(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(text=SHORT.replace("12 x", "2 x")), encoding="utf-8")
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.stdout.split() == ["1", "1"]  # refused, since there are two biases; and the child broke off
    assert done.stderr.splitlines()[-1] == (
        "latcal.errors.NotReady: this process is a worker that imports the program, and the program runs latcal when it "
        "is imported (put what runs latcal under: if __name__ == '__main__':)"
    )


@pytest.mark.parametrize("given", ["file", "standard input"])
def test_worker_processes_do_not_run_the_program_again(given: str, tmp_path: Path) -> None:
    text = SHORT.replace("store:", "executor: {use: processes, workers: 2}\nstore:").replace("12 x", "2 x")
    source = PROGRAM.format(text=text).partition("if __name__")[0] + "print('once')\n"
    program = tmp_path / "program.py"
    program.write_text(source, encoding="utf-8")
    command, entered = ([sys.executable, str(program)], "") if given == "file" else ([sys.executable], source)
    done = subprocess.run(command, input=entered, capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    assert done.stdout.split() == ["1", "once"]
    assert done.stderr == ""


ABANDONED = """
import asyncio, latcal
from latcal.builtin.cameras.simulation.camera import SimulatedCamera

def closed(camera, *error, leave=SimulatedCamera.__exit__):
    print("closed", flush=True)
    leave(camera, *error)

SimulatedCamera.__exit__ = closed
registry = latcal.load_plugins()
plan = latcal.plan(latcal.read({text!r}, "program.yaml", registry), registry)
events = latcal.events(plan, registry)

async def begin():
    async for event in events:
        if type(event).__name__ == "Exposed":
            raise KeyError("a slip of the program")

"""


@pytest.mark.parametrize(
    "ending",
    [
        "for event in events:\n    if type(event).__name__ == 'Exposed':\n        raise KeyError('a slip of the program')",
        "next(events), next(events)",
        "asyncio.new_event_loop().run_until_complete(begin())",
    ],
    ids=["an error in the loop", "the end of the file", "a loop that is never closed"],
)
def test_a_program_that_ends_with_a_run_under_way_restores_the_hardware(ending: str, tmp_path: Path, quick: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(ABANDONED.format(text=quick) + ending + "\n", encoding="utf-8")
    # the exposure under way has ten minutes to go, and two more would follow
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.stdout == "closed\n", done.stderr


def test_awaiting_again_what_has_ended_gives_nothing_more(registry: Registry) -> None:
    short = latcal.plan(latcal.read(SHORT, "short.yaml", registry), registry)

    async def program() -> list[int]:
        events = latcal.events(short, registry)
        return [len([event async for event in events]) for _ in range(2)]

    first, second = asyncio.run(program())
    assert first > 10
    assert second == 0
