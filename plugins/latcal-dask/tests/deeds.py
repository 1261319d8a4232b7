"""What tests let workers do; workers find it by name."""

from __future__ import annotations

import importlib.metadata
import os
import signal
import time
from pathlib import Path
from typing import Any


def note(path: str) -> int:
    """Note who did an item, and how often."""
    with Path(path).open("a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")
    return os.getpid()


def note_and_die_once(path: str) -> int:
    """Likewise; the worker that is the first to do an item of this name is killed in it."""
    first = not Path(path).exists()
    note(path)
    if first and path.endswith("fatal"):
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return os.getpid()


def die(_: Any) -> None:
    """End the worker, whoever does it."""
    os.kill(os.getpid(), signal.SIGKILL)


def linger(path: str) -> None:
    """Begin, wait until it may end, which is for a file "end" beside, and note that it was finished."""
    Path(path).touch()
    end = Path(path).with_name("end")
    for _ in range(2400):
        if end.exists():
            break
        time.sleep(0.05)
    Path(f"{path}-finished").touch()


def pretend(distribution: str, version: str | None) -> None:
    """Let a worker believe that a distribution is of another version, or not there."""
    real = importlib.metadata.version

    def pretended(name: str) -> str:
        if name != distribution:
            return real(name)
        if version is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    pretended.real = real
    importlib.metadata.version = pretended


def be_honest() -> None:
    importlib.metadata.version = importlib.metadata.version.real


def workplaces(dask_worker: Any) -> list[str]:
    """Give what runs have left on a worker."""
    places = [name for name in dask_worker.plugins if name.startswith("latcal-")]
    return places + [path.name for path in Path(dask_worker.local_directory).glob("latcal-*")]


def sent(dask_worker: Any) -> int:
    """Give the bytes that a worker has sent as data."""
    return int(dask_worker.transfer_outgoing_bytes_total)
