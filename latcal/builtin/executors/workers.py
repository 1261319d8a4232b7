"""Worker processes: they import latcal and plugins, never the program that started them."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
from contextlib import suppress
from multiprocessing import spawn
from types import MappingProxyType
from typing import IO, Final

from latcal.errors import BuildError
from latcal.plugin.carrying import outcome_of

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); "
    "from latcal.builtin.executors.workers import serve; serve()"
)
_LENGTH = struct.Struct("<Q")

KEPT: Final = MappingProxyType({"MALLOC_MMAP_THRESHOLD_": str(2**25), "MALLOC_TRIM_THRESHOLD_": str(2**29)})
"""For glibc: arrays of up to 32 MB come from memory that is kept when it is free, up to 512 MB; latcal's choice. One amplifier after
another wants the same arrays, and half of the time of a combination went into pages given back and fetched again (see
mallopt(3)). Set in the environment, they are as they were set."""


class Worker:
    """A process that answers one packet after another through its standard input and output.

    It is no child of the terminal: interrupts reach the program that started it, which ends it. It ends, too, when
    that program does.

    Raises
    ------
    BuildError
        If it cannot be started.
    """

    def __init__(self) -> None:
        path = json.dumps([place for place in sys.path if isinstance(place, str)])
        program = [os.fsdecode(spawn.get_executable()), "-P", "-c", _PROGRAM, path]  # -P: nothing of the working directory
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter
                program,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,
                env={**KEPT, **os.environ},
            )
        except OSError as error:
            raise BuildError(f"a worker process cannot be started: {error} (write fewer workers)") from error

    def ask(self, packet: bytes) -> bytes:
        """Give the answer to a packet.

        Raises
        ------
        BuildError
            If the process ended without one.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            _write(self._process.stdin, packet)
            return _read(self._process.stdout)
        except (OSError, EOFError) as error:
            ended = _ended(self._process.wait())
            raise BuildError(f"a worker process ended without an answer, {ended}") from error

    def end(self) -> None:
        """End the process, and wait until it has ended."""
        with suppress(BrokenPipeError), self._process:  # closes the pipes, at which the worker waits
            pass


def _ended(code: int) -> str:
    names = {one.value: one.name for one in signal.Signals}
    if code < 0:
        return f"by {names.get(-code, f'signal {-code}')} (give it more memory, or write fewer workers)"
    return f"with exit code {code} (see what it wrote to standard error)"


def _write(stream: IO[bytes], packet: bytes) -> None:
    stream.write(_LENGTH.pack(len(packet)))
    stream.write(packet)
    stream.flush()


def _read(stream: IO[bytes]) -> bytes:
    (length,) = _LENGTH.unpack(_exactly(stream, _LENGTH.size))
    return _exactly(stream, length)


def _exactly(stream: IO[bytes], length: int) -> bytes:
    found = stream.read(length)
    if len(found) < length:
        raise EOFError("the other side has ended")
    return found


def serve() -> None:
    """Answer packets until the other side ends; what plugins print goes to standard error."""
    source, target = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(2, 1)
    while True:
        try:
            packet = _read(source)
        except EOFError:
            return
        answer = outcome_of(packet)
        try:
            _write(target, answer)
        except BrokenPipeError:  # nobody waits for it any more
            os._exit(1)
