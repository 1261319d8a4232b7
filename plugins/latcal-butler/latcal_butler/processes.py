"""A process of another program, and all that it started: run to its end, or to that of the run."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from attrs import define, field
from latcal.plugin import BuildError

POLL_S, GRACE_S = 0.1, 10.0
"""How often a process is looked at, and how long one that is told to end may take [s]; our choice."""


@define(eq=False)
class Processes:
    """Processes, one after another, each with its workers in a group of its own.

    Parameters
    ----------
    stop : threading.Event
        Set when the run is to end.
    """

    stop: threading.Event
    _process: subprocess.Popen[str] | None = field(default=None, init=False)

    def run(self, words: Sequence[str], log: Path) -> int:
        """Run a command to its end; what it says goes into a file.

        Parameters
        ----------
        words : sequence of str
            Program and arguments; no shell reads them.

        Returns
        -------
        int
            Its exit code; negative the signal that ended it.

        Raises
        ------
        BuildError
            If it cannot be started, or the run ends first.
        """
        with log.open("w") as file:
            try:
                self._process = subprocess.Popen(  # noqa: S603 - a list of arguments, and no shell
                    words, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True, start_new_session=True
                )
            except OSError as error:
                raise BuildError(f"{words[0]}: {error.strerror or error} (write 'program: PATH' of pipetask)") from error
            try:
                while True:
                    try:
                        return self._process.wait(POLL_S)
                    except subprocess.TimeoutExpired:
                        if self.stop.is_set():
                            raise BuildError("interrupted") from None
            finally:
                self.end()

    def end(self) -> None:
        """End the process, if one runs, and its workers, which stay where it was killed and they were not."""
        process, self._process = self._process, None
        if process is None:
            return
        until = time.monotonic() + GRACE_S
        with contextlib.suppress(ProcessLookupError):  # they are all gone
            os.killpg(process.pid, signal.SIGTERM)
            while time.monotonic() < until:
                process.poll()
                os.killpg(process.pid, 0)
                time.sleep(POLL_S)
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
