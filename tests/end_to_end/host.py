"""Somebody else's program: it has an event loop, logging and signal handlers of its own, and runs examples of the docs.

``python host.py EXAMPLES.json`` runs each example twice, in a thread beside the loop and as a notebook runs a cell, and
prints as JSON what of its own state was not as before. Nothing of latcal is imported before its state is noted.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import gc
import io
import itertools
import json
import locale
import logging
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD, signal.SIGUSR1)
LOG = io.StringIO()


def handle(number: int, frame: object) -> None:
    """Do nothing: the handler of this program."""


def say(kind: type[BaseException], error: BaseException, traceback: Any) -> None:
    """Print an error as this program does."""
    sys.__excepthook__(kind, error, traceback)


def say_of_thread(told: threading.ExceptHookArgs) -> None:
    """Print an error of a thread as this program does."""
    assert told.exc_value is not None
    say(told.exc_type, told.exc_value, told.exc_traceback)


def set_up() -> None:
    """Make everything this program's own."""
    for number in SIGNALS:
        signal.signal(number, handle)
    logging.basicConfig(stream=LOG, level=logging.INFO, format="mine %(message)s")
    logging.captureWarnings(capture=False)
    warnings.filterwarnings("error", category=UserWarning, module="mine")
    sys.excepthook, threading.excepthook = say, say_of_thread
    os.environ["MINE"] = "1"


def loggers() -> dict[str, tuple[Any, ...]]:
    """Give the handlers, level and ways of every logger that is not of a library that has one of its own."""
    known = [logging.getLogger(), *(logging.getLogger(name) for name in logging.root.manager.loggerDict)]
    return {
        one.name: (tuple(map(id, one.handlers)), one.level, one.propagate, one.disabled)
        for one in known
        if not one.name.startswith(("astropy", "asyncio", "concurrent"))
    }


def state() -> dict[str, Any]:
    """Give what belongs to this program and not to a library."""
    import numpy as np

    return {
        "signal handlers": {str(number): id(signal.getsignal(number)) for number in SIGNALS},
        "wake-up descriptor": signal.set_wakeup_fd(-1),
        "root logger": loggers()["root"],
        "logging of latcal": [name for name in loggers() if name.startswith("latcal")],
        "disabled levels": logging.root.manager.disable,
        "what was logged": LOG.getvalue(),
        "warning filters": [one[:2] + one[3:] for one in warnings.filters if one[2].__module__ in ("builtins", "latcal")],
        "hooks": [id(sys.excepthook), id(threading.excepthook), id(sys.displayhook), id(sys.unraisablehook)],
        "environment": dict(os.environ),
        "folder": str(Path.cwd()),
        "locale": locale.setlocale(locale.LC_ALL),
        "streams": [id(sys.stdin), id(sys.stdout), id(sys.stderr)],
        "path": list(sys.path),
        "arguments": list(sys.argv),
        "numpy's errors": np.geterr(),
        "numpy's generator": np.random.get_state()[1].tolist(),  # noqa: NPY002 - the global one, which nobody shall touch
        "start method": multiprocessing.get_start_method(allow_none=True),
        "recursion": sys.getrecursionlimit(),
        "trace": [sys.gettrace() is None, threading.gettrace() is None],
        "umask": os.umask(0o022),
    }


def left() -> dict[str, list[str]]:
    """Give the threads, processes and scratch folders that are left, once they had time to end."""
    until = time.monotonic() + 60
    while True:
        gc.collect()
        found = {
            "threads": [one.name for one in threading.enumerate() if one.name.startswith("latcal")],
            "processes": Path(f"/proc/self/task/{os.getpid()}/children").read_text().split(),
            "scratch": [path.name for path in Path(tempfile.gettempdir()).glob("latcal-*")],
        }
        if not any(found.values()) or time.monotonic() > until:
            return found
        time.sleep(0.05)


def differences(before: dict[str, Any]) -> list[str]:
    """Say what is not as it was."""
    now = state()
    return [f"{key}: {before[key]!r} became {now[key]!r}" for key in before if before[key] != now[key]]


async def cell(source: str, names: dict[str, Any]) -> None:
    """Run a program as a notebook runs a cell: awaiting at its top."""
    code = compile(source, "example", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if (awaited := eval(code, names)) is not None:
        await awaited


async def tick(ticks: list[float]) -> None:
    """Note that the loop turns, and how long this program has had a processor: on a busy machine it waits for one too."""
    while True:
        ticks.append(time.process_time())
        await asyncio.sleep(0.02)


async def main(example: str, beside: bool) -> dict[str, Any]:
    """Run one example; give what is not as it was, what was printed beside the example's own, and how the loop fared."""
    loop, ticks, said = asyncio.get_running_loop(), [], []
    handler = loop.get_exception_handler()
    before, own = state(), sys.stdout
    turning = asyncio.create_task(tick(ticks))
    names: dict[str, Any] = {"__name__": "example", "print": lambda *words: said.append(words)}
    printed, errors = io.StringIO(), io.StringIO()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        before = before | {"folder": str(Path.cwd())}
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(errors):
            if beside:
                await asyncio.to_thread(asyncio.run, cell(example, names))
            else:
                await cell(example, names)
        found = differences(before)
    turning.cancel()
    assert sys.stdout is own
    others = [task for task in asyncio.all_tasks(loop) if task not in (turning, asyncio.current_task())]
    return {
        "beside": beside,
        "changed": found,
        "printed": printed.getvalue() + errors.getvalue(),
        "said": len(said),
        "tasks": [str(task) for task in others],
        "exception handler": loop.get_exception_handler() is handler,
        "ticks": len(ticks),
        "longest silence": max((b - a for a, b in itertools.pairwise(ticks)), default=0.0),
    }


if __name__ == "__main__":
    set_up()
    reports = []
    for text in json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")):
        for thread in (True, False):
            report = asyncio.run(main(text, thread))
            handlers = [number.name for number in SIGNALS if signal.getsignal(number) is not handle]
            reports.append(report | {"left": left(), "handlers": handlers})
    print(json.dumps(reports))
