"""Signals: the first asks a run to end in order, the second does not wait for it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import click

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """Give an event that SIGINT or SIGTERM sets; the handlers found are put back afterwards.

    The second signal raises KeyboardInterrupt in the main thread: what is open is closed, and the command ends.
    """
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        if stop.is_set():
            for one in _SIGNALS:
                signal.signal(one, signal.SIG_DFL)
            raise KeyboardInterrupt
        stop.set()
        click.echo("stopping: the exposure under way is given up (again to leave at once)", err=True)

    before = {one: signal.signal(one, handle) for one in _SIGNALS}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
