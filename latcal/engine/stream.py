"""The events of a run as they come: to iterate, and to await in programs with an event loop."""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from typing import Self
from weakref import ref

from attrs import define, field

from latcal.model.events import Event


@define(eq=False)
class Events(Iterator[Event]):
    """The events of one run; nothing happens before the first is asked for.

    Iterate with ``for``, or with ``async for`` where an event loop runs: then the run has a thread of its own, and the
    loop is free while it waits. However the iteration ends (``break``, an exception, a cancelled task, the object
    forgotten, the end of the program), the exposure is aborted and the hardware restored. `close` and `aclose` return when it is:
    `contextlib.closing` and `contextlib.aclosing` make sure that they are called.

    Parameters
    ----------
    source : generator of Event
    stop : threading.Event
        Set when the run is given up.
    release : callable
        Makes the hardware safe and says whether it is.
    """

    _source: Generator[Event, None, None]
    _stop: threading.Event
    _release: Callable[[], bool] = field(default=lambda: True)
    _pool: ThreadPoolExecutor | None = field(default=None, init=False)
    _context: Context = field(factory=copy_context, init=False)
    _closing: Future[None] | None = field(default=None, init=False)
    _asker: threading.Thread | None = field(default=None, init=False)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        self._note_asker()
        return next(self._source)

    def close(self) -> None:
        """End the run in order; return when the hardware is as it was found. A run that has ended stays as it is.

        While another thread waits for an event, set `stop` instead.
        """
        if self._pool is None:
            self._source.close()
        else:
            self._closed_in_thread(self._pool).result()

    def leave(self) -> bool:
        """Make the hardware safe, from any thread, and wait for nothing else: the program is to end at once.

        The exposure is aborted and the lamp put out, if the camera can do that alone; else it is closed. What is being
        built or stored goes on until the program ends.

        Returns
        -------
        bool
            Whether that is so; False if it took longer than 2.5 s, or, of a camera that is closed, `limits.abort`.
        """
        self._stop.set()
        return self._release()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Give the events, each waited for in the thread of the run."""
        import asyncio

        self._note_asker()
        pool = self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="latcal-events")
        try:
            while self._closing is None:
                event = await asyncio.wrap_future(pool.submit(self._context.run, self._next))
                if event is None:
                    break
                yield event
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Do as `close` does, in the thread of the run.

        Whoever waits for it and is cancelled waits no longer; the run ends in order all the same.
        """
        import asyncio

        if self._pool is None:
            self.close()  # no event was awaited: there is no thread
        else:
            await asyncio.shield(asyncio.wrap_future(self._closed_in_thread(self._pool)))

    def _next(self) -> Event | None:
        return next(self._source, None)

    def _closed_in_thread(self, pool: ThreadPoolExecutor) -> Future[None]:
        """Have the run end after what its thread does now; once."""
        if self._closing is None:
            if inspect.getgeneratorstate(self._source) != inspect.GEN_CLOSED:
                self._stop.set()
            self._closing = pool.submit(self._context.run, self._source.close)
            pool.shutdown(wait=False)
        return self._closing

    def _note_asker(self) -> None:
        """Note who iterates; the first time, have the run end in order if the program ends before it does."""
        if self._asker is None:
            # what concurrent.futures uses, too; atexit comes after the threads, which would take all exposures first
            threading._register_atexit(_end_with_program, ref(self))  # type: ignore[attr-defined]  # noqa: SLF001
        self._asker = threading.current_thread()

    def end_with_program(self) -> None:
        """Close a run whose program ends, unless a thread that is waited for goes on with it."""
        asker = self._asker
        if asker is None or asker is threading.main_thread() or asker.daemon or not asker.is_alive():
            self.close()


def _end_with_program(forgotten: ref[Events]) -> None:
    """End a run that was not forgotten; no reference is held by which it would not be."""
    events = forgotten()
    if events is not None:
        events.end_with_program()
