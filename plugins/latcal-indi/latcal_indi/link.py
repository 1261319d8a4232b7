"""The connection to an INDI server: indipyclient in a thread of its own, and what others send through it."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from attrs import define, field
from indipyclient import IPyClient

from latcal_indi.mirror import Mirror, Property
from latcal_indi.options import ENDING_S
from latcal_indi.troubles import Aborted, Trouble

POLL_S = 0.05
"""How often it is seen whether the server has closed the connection [s]; our choice."""

AGAIN_S = 0.25
"""How long until a server that refuses is tried again [s]; our choice."""

BLOBS = "CCD1"
"""The property by which a camera sends the frames of its first sensor (INDI standard properties)."""


class Client(IPyClient):  # type: ignore[misc]  # it has no types
    """Puts what it hears into a mirror; a connection that is lost is not taken up again by itself.

    Parameters
    ----------
    left : bool
        Whether another has taken its place: what it hears from then on is nobody's.
    """

    def __init__(self, host: str, port: int, mirror: Mirror, listened: set[str]) -> None:
        super().__init__(host, port)
        self.mirror, self.listened = mirror, listened
        self.left = False
        self.enable_reports = False
        self.timeout_enable = False  # every wait here has a limit of its own
        self.resend_enableBLOB_on_def = False

    async def rxevent(self, event: Any) -> None:
        """Hear one thing."""
        if self.left:
            return
        match event.eventtype:
            case "Define" | "Set":
                self.mirror.put(_property(event))
            case "DefineBLOB":
                self.mirror.put(_property(event))
                if event.vectorname == BLOBS and event.devicename in self.listened:
                    await self.send_enableBLOB("Also", event.devicename, BLOBS)
            case "SetBLOB" if event.vectorname == BLOBS:
                for name, data in event.items():
                    size, form = event.sizeformat[name]
                    self.mirror.put_blob(event.devicename, data, form, size)
            case "Delete":
                self.mirror.remove(event.devicename, event.vectorname)
            case "Message":  # of the server, or of what indipyclient could not read, if it has no device
                self.mirror.say(event.devicename or "", event.message)
            case "ConnectionLost":
                self.lose("was lost")

    async def hardware(self) -> None:
        """See whether the server has closed the connection.

        indipyclient 0.9.4 reads on at the end of the stream for ever, and has no public way to ask for it.
        """
        while not self.stop:
            await asyncio.sleep(POLL_S)
            if self._reader is not None and self._reader.at_eof():
                self.lose("was closed by the server")

    def lose(self, how: str) -> None:
        """Let all know that nothing more is heard, and end."""
        if not self.left:
            self.mirror.lose(f"the connection to {self.indihost}:{self.indiport} {how}")
        self.shutdown()


def _property(event: Any) -> Property:
    vector, stamp = event.vector, event.timestamp if event.root.get("timestamp") else None
    number = vector.vectortype == "NumberVector"
    members = {} if vector.vectortype == "BLOBVector" else dict(vector)
    values = {name: vector.getfloatvalue(name) for name in members} if number else members
    ranges = {name: _range(vector.member(name)) for name in members} if number else {}
    return Property(vector.devicename, vector.name, vector.state, values, ranges, 0, stamp)


def _range(member: Any) -> tuple[float, float]:
    return float(member.getfloat(member.min)), float(member.getfloat(member.max))


@define(eq=False)
class Link:
    """One server: opened, lost, opened again."""

    host: str
    port: int
    mirror: Mirror
    listened: set[str] = field(factory=set, init=False)
    _loop: asyncio.AbstractEventLoop | None = field(default=None, init=False)
    _client: Client | None = field(default=None, init=False)
    _thread: threading.Thread | None = field(default=None, init=False)

    @property
    def place(self) -> str:
        """Where the server is."""
        return f"{self.host}:{self.port}"

    def open(self, limit_s: float, aborted: threading.Event) -> None:
        """Connect, trying again until a limit.

        Raises
        ------
        Trouble
            If there is no server by then.
        """
        self.close()
        logging.getLogger("indipyclient").addHandler(logging.NullHandler())  # what it says is told in errors here
        until = time.monotonic() + limit_s
        while True:
            self._reach(until, limit_s, aborted)
            self._start(limit_s)
            if self._speaks(until, aborted):
                return
            self.close()
            if time.monotonic() >= until:
                what = f"{self.place} takes connections and closes them, for waits.connect {limit_s:g} s"
                raise Trouble(f"{what} (see what is in between)")
            if aborted.wait(AGAIN_S):
                raise Aborted("it was told to abort")

    def _start(self, limit_s: float) -> None:
        self.mirror.begin()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), name="latcal-indi", daemon=True)
        self._thread.start()
        if not started.wait(limit_s):
            raise Trouble(f"no thread for {self.place} began within waits.connect {limit_s:g} s")

    def _speaks(self, until: float, aborted: threading.Event) -> bool:
        """Wait until the first thing is heard; a tunnel takes a connection before it knows of a server."""
        try:
            self.mirror.wait(lambda: True if self.mirror.count else None, until - time.monotonic(), aborted)
        except Trouble:
            return False
        return True

    def _reach(self, until: float, limit_s: float, aborted: threading.Event) -> None:
        while True:
            try:
                socket.create_connection((self.host, self.port), max(until - time.monotonic(), AGAIN_S)).close()
            except OSError as error:
                if time.monotonic() >= until:
                    what = f"no INDI server at {self.place} within waits.connect {limit_s:g} s: {error}"
                    raise Trouble(f"{what} (start indiserver, or mend camera.host and camera.port)") from error
            else:
                return
            if aborted.wait(AGAIN_S):
                raise Aborted("it was told to abort")

    def _run(self, started: threading.Event) -> None:
        async def run() -> None:
            self._loop = asyncio.get_running_loop()
            self._client = client = Client(self.host, self.port, self.mirror, self.listened)
            started.set()
            await client.asyncrun()
            client.lose("is closed")

        asyncio.run(run())

    def listen(self, device: str, limit_s: float) -> None:
        """Let the frames of a camera come."""
        self.listened.add(device)
        self._do(lambda client: client.send_enableBLOB("Also", device, BLOBS), limit_s)

    def send(
        self, device: str, name: str, members: Mapping[str, Any], limit_s: float,
        alone: AbstractContextManager[Any] | None = None,
    ) -> None:  # fmt: skip
        """Send new values of a property.

        Parameters
        ----------
        alone : context manager
            Held until it is its turn: what is sent after that comes later.

        Raises
        ------
        Trouble
            If the connection is lost, or the server takes nothing.
        """
        texts = {member: value if isinstance(value, str) else repr(float(value)) for member, value in members.items()}
        self._do(lambda client: client.send_newVector(device, name, members=texts), limit_s, alone)

    def ask(self, device: str, name: str, limit_s: float) -> None:
        """Have a property told again: a connection that is dead gives no answer."""
        self._do(lambda client: client.send_getProperties(device, name), limit_s)

    def _do(self, what: Any, limit_s: float, alone: AbstractContextManager[Any] | None = None) -> None:
        loop, client = self._loop, self._client
        if self.mirror.lost or loop is None or client is None:
            raise Trouble(self.mirror.lost or f"the connection to {self.place} is closed")
        with alone or nullcontext():
            asked: Coroutine[Any, Any, None] = what(client)
            try:
                sending = asyncio.run_coroutine_threadsafe(asked, loop)
            except RuntimeError as error:  # the loop has ended meanwhile
                asked.close()
                raise Trouble(f"the connection to {self.place} was lost") from error
        try:
            sending.result(limit_s)
        except TimeoutError as error:
            raise Trouble(f"{self.place} took nothing within waits.answer {limit_s:g} s") from error
        except CancelledError as error:  # the loop ended before it was its turn
            raise Trouble(f"the connection to {self.place} was lost") from error

    def close(self) -> None:
        """End the connection; devices stay as they are."""
        thread, client = self._thread, self._client
        if thread is not None and client is not None:
            client.left = True
            client.shutdown()
            thread.join(ENDING_S)
        self._thread = self._client = self._loop = None
