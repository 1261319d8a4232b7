"""The events of a run as they come: an iterator, and an asynchronous iterator for programs with an event loop."""

from __future__ import annotations

import inspect
import threading
from collections.abc import AsyncIterator, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Self

from attrs import define, field

from latcal.model.events import Event


@define(eq=False)
class Events(Iterator[Event]):
    """The events of one run; nothing happens before the first is asked for.

    Iterate with ``for``, or with ``async for`` where an event loop runs: then the run has a thread of its own, and the
    loop is free while it waits. However the iteration ends (``break``, an exception, a cancelled task, the object
    forgotten), the exposure is aborted and the hardware restored. `close` and `aclose` return when it is:
    `contextlib.closing` and `contextlib.aclosing` make sure that they are called.

    Parameters
    ----------
    source : generator of Event
    stop : threading.Event
        Set when the run is given up.
    """

    _source: Generator[Event, None, None]
    _stop: threading.Event
    _pool: ThreadPoolExecutor | None = field(default=None, init=False)
    _closing: Future[None] | None = field(default=None, init=False)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        return next(self._source)

    def close(self) -> None:
        """End the run in order; return when the hardware is as it was found. A run that has ended stays as it is."""
        self._source.close()

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Give the events, each waited for in the thread of the run."""
        import asyncio

        self._pool = self._pool or ThreadPoolExecutor(1, thread_name_prefix="latcal-events")
        context = copy_context()
        try:
            while event := await asyncio.wrap_future(self._pool.submit(context.run, self._next)):
                yield event
        finally:
            await self.aclose()

    def _next(self) -> Event | None:
        return next(self._source, None)

    async def aclose(self) -> None:
        """Do as `close` does, in the thread of the run.

        Whoever waits for it and is cancelled waits no longer; the run ends in order all the same.
        """
        import asyncio

        if self._pool is None:
            self.close()  # no event was awaited: there is no thread
            return
        if self._closing is None:
            if inspect.getgeneratorstate(self._source) != inspect.GEN_CLOSED:
                self._stop.set()
            self._closing = self._pool.submit(self._source.close)
            self._pool.shutdown(wait=False)
        await asyncio.shield(asyncio.wrap_future(self._closing))
