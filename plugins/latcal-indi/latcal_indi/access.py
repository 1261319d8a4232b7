"""Who may still do something with hardware: all until they are aborted, and one thread when it is closed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import define, field

from latcal_indi.troubles import Aborted


@define(eq=False)
class Access:
    """What ends the waits of threads, and which of them may send.

    Parameters
    ----------
    aborted : threading.Event
        Ends every wait but those of who closes it.
    """

    aborted: threading.Event = field(factory=threading.Event, init=False)
    _closer: int | None = field(default=None, init=False)
    _never: threading.Event = field(factory=threading.Event, init=False)
    _turn: threading.Lock = field(factory=threading.Lock, init=False)

    def begin(self) -> None:
        """Let all threads do all."""
        self._closer = None
        self.aborted.clear()

    def close_to_others(self) -> None:
        """Leave it to this thread: an exposure that hangs in another may not light a lamp that is off for good."""
        with self._turn:
            self._closer = threading.get_ident()
        self.aborted.set()

    def leave_it_dark(self) -> None:
        """Let no exposure under way light anything again; whoever closes it goes on."""
        if self._closer is None:
            self.close_to_others()

    @property
    def stopping(self) -> threading.Event:
        """What ends the waits of this thread: nothing but their limits, if it is the one that closes."""
        return self._never if self._closer == threading.get_ident() else self.aborted

    @contextmanager
    def turn(self, *, safe: bool) -> Iterator[None]:
        """Hold while something is sent.

        Parameters
        ----------
        safe : bool
            Whether any thread may send it at any time: a lamp off, an exposure aborted.

        Raises
        ------
        Aborted
            If another thread closes it, and it is not safe.
        """
        with self._turn:
            if self._closer not in (None, threading.get_ident()) and not safe:
                raise Aborted("it was closed meanwhile")
            yield
