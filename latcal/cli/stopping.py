"""Signals: the first asks a run to end in order, the second waits for the hardware alone, the third for nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click
from attrs import define, field

_INTERRUPTED = 130
_SHOW_CURSOR = "\x1b[?25h"


@define(eq=False)
class Stopping:
    """What signals do to a run.

    Parameters
    ----------
    stop : threading.Event
        Set by the first: the run ends in order.
    leave : callable or None
        Called by the second, in a thread of its own: makes the hardware safe, and says whether it is. Then the program
        ends, whatever else it does. Without it the second raises KeyboardInterrupt in the main thread.
    """

    stop: threading.Event = field(factory=threading.Event)
    leave: Callable[[], bool] | None = None

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Hear a signal."""
        del number, frame
        if not self.stop.is_set():
            self.stop.set()
            click.echo("stopping: the exposure under way is given up (again to leave at once)", err=True)
            return
        for one in _signals():
            signal.signal(one, signal.SIG_DFL)
        if self.leave is None:
            raise KeyboardInterrupt
        threading.Thread(target=_leave, args=(self.leave,), name="latcal-leave", daemon=True).start()


def _leave(leave: Callable[[], bool]) -> None:
    """Make the hardware safe, say how that went, and end the program."""
    try:
        said = "left" if leave() else "left: the camera was not made safe in time (see that its hardware is)"
        restored = _SHOW_CURSOR if sys.stdout.isatty() else ""
        os.write(sys.stderr.fileno(), f"{restored}{said}\n".encode())  # the main thread may hold the buffers
    finally:
        os._exit(_INTERRUPTED)


def _signals() -> tuple[signal.Signals, ...]:
    """Give those that end a run: also that the terminal is gone, unless the command was told to outlive it (nohup)."""
    hangup = getattr(signal, "SIGHUP", None)
    ignored = hangup is None or signal.getsignal(hangup) == signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if ignored else (hangup,)))


@contextmanager
def stopping() -> Iterator[Stopping]:
    """Give what SIGINT, SIGTERM and SIGHUP do to a run; the handlers found are put back afterwards."""
    chosen = Stopping()
    before = {one: signal.signal(one, chosen.handle) for one in _signals()}
    try:
        yield chosen
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a command that only asks a camera as Ctrl-C does: what is open is closed."""
    before = {one: signal.signal(one, signal.default_int_handler) for one in _signals()}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
