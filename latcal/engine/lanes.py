"""The three threads of a run: what they say, and how they end."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from queue import Empty

from attrs import define, field

from latcal.engine.asking import Asked
from latcal.engine.camera_lane import CameraLane
from latcal.engine.ledger import POLL_S, Ledger
from latcal.engine.processing_lane import ProcessingLane
from latcal.model.events import Event, Noted


@define(eq=False)
class Lanes:
    """The three threads of a run."""

    ledger: Ledger
    camera: Asked
    pool: ThreadPoolExecutor
    futures: list[Future[None]] = field(factory=list)
    noted: bool = False

    def begin(self, lane: CameraLane, processing: ProcessingLane) -> None:
        """Start them."""
        self.futures += [self.pool.submit(work) for work in (lane.expose, lane.write, processing.process)]

    def events(self) -> Iterator[Event]:
        """Give events as they come, until all lanes have ended; raise what a lane died of."""
        while True:
            over = all(future.done() for future in self.futures)
            self._look()
            try:
                yield self.ledger.events.get(timeout=0.0 if over else POLL_S)
            except Empty:
                if over:
                    break
            if self.ledger.stop.is_set():
                self.abort()
        for future in self.futures:
            future.result()

    def _look(self) -> None:
        """See whether a lane died of an error of our own: then the others end, and none waits for it.

        That the camera would not be aborted is noted once.
        """
        if any(future.done() and future.exception() for future in self.futures):
            self.ledger.broken = True
            self.ledger.stop.set()
        if self.ledger.stop.is_set() and self.camera.refusal and not self.noted:
            self.noted = True
            self.ledger.emit(Noted(f"the camera could not be aborted: {self.camera.refusal}"))

    def abort(self) -> None:
        """Tell the camera to abort while its lane still runs.

        It is told again and again, since an exposure may begin in the moment in which it is told.
        """
        if self.futures and not self.futures[0].done():
            self.camera.abort()

    def end(self) -> None:
        """Stop what still runs, and wait for it: the hardware is left as it was found."""
        if not all(future.done() for future in self.futures):
            self.ledger.stop.set()
        self.abort()
        while wait(self.futures, timeout=POLL_S).not_done:
            self._look()
            self.abort()
        self.pool.shutdown(wait=True)
