"""What a plugin opens, and what it is opened with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias

from astropy.time import Time
from attrs import frozen

from latcal.model.frames import Exposure, ExposureRequest, Frame, Setup
from latcal.model.geometry import Detector, Instrument
from latcal.model.metrics import Measurement
from latcal.model.products import Product, ProductRef, Provenance
from latcal.model.steps import Build, Plan, PlannedStage, Step, Verify
from latcal.model.validity import ValidityRange
from latcal.plugin.calling import call
from latcal.plugin.gates import Gate

Options: TypeAlias = Any


@frozen
class World:
    """What a camera, store, executor or reporter is opened with.

    Parameters
    ----------
    instrument : Instrument or None
        None for a store that is opened outside of a run.
    now : callable
        The clock; gives TAI.
    stop : threading.Event
        Set when the run is to end early.
    scratch : Path
        A folder for the run's own files; gone after the run. It may not exist yet.
    store : Store or None
        For a reporter, the store of the run that it hears, and for an executor that of the run that it works for; None
        for all others, where an old run is told again, and by ``latcal plan``.
    plan : Plan or None
        For an executor, what it will do steps of; None for all others.
    """

    instrument: Instrument | None
    now: Callable[[], Time]
    run: str
    stop: threading.Event
    scratch: Path
    store: Store | None = None
    plan: Plan | None = None


@frozen
class CameraDescription:
    """What a camera can say of itself without being opened.

    Parameters
    ----------
    overhead_s : float [s]
        From the end of one exposure until the next may begin.
    frame_bytes : int [byte]
        Of a raw frame of one detector, as stored; at most.
    images : frozenset of str or None
        Image types it can take; None for any.
    shortest_s, longest_s : float [s]
        Exposure times that it can make.
    tolerance_s : float [s]
        How far the time of an exposure may be from the one asked for, if further than any camera's may be.
    light : float or None [electron / s]
        What a pixel gathers of its lamp in a flat, as far as it knows.
    wait_s : float [s]
        How long `prepare` may wait, before an exposure begins, until its hardware is ready; or `take`, of a camera without
        `prepare`. `limits.answer` begins after that.
    attempts : int
        How often `take` exposes at most, where it tries an exposure again.
    slots : bool
        Whether a recipe may name a filter by its slot too, as ``'3'``; which slots there are is known when it is open.
    """

    overhead_s: float
    frame_bytes: int
    images: frozenset[str] | None = None
    filters: tuple[str, ...] | None = None
    shortest_s: float = 0.0
    longest_s: float = 3600.0
    tolerance_s: float = 0.0
    light: float | None = None
    wait_s: float = 0.0
    attempts: int = 1
    slots: bool = False


class CameraExtras(Protocol):
    """What a camera may have beside what every `Camera` has; each of them may be left out."""

    def offers(self) -> Mapping[str, str]:
        """Say what there is beside detectors: ``{"cooler": "to -20 C", "lamp": "Light Panel, 0 to 255"}``."""

    def gates(self) -> Iterable[Gate]:
        """Say what must hold before exposures, and how it stands now; move nothing."""

    def prepare(self, request: ExposureRequest) -> None:
        """Bring things into place for an exposure, and wait for its gates.

        It is called before `take`, which does the same if it was not, and may last `CameraDescription.wait_s` and
        `limits.answer`: so that a `take` that hangs is known sooner. Raises as `take` does.
        """

    def darken(self) -> None:
        """End the exposure, put the lamp out and shut the shutter, from any thread, and return when that is so.

        It is called instead of closing the camera when all is left at once (by the second Ctrl-C), maybe while it is being
        closed; nothing else is put back, and nothing may be lit after it. After 2.5 s nobody waits for it. Raises
        `CameraError` if it may not be dark.
        """


class Camera(Protocol):
    """Takes exposures. A context manager; entering it moves nothing.

    All but `abort` is called in one thread. What it may have too is `CameraExtras`.
    """

    detectors: tuple[Detector, ...]

    def problems(self, requests: tuple[ExposureRequest, ...]) -> Iterable[str]:
        """Say, before the first exposure and moving nothing, what of these cannot be taken, and what to do."""

    def remarks(self) -> Iterable[str]:
        """Say, before the first exposure, what a person should know and what stops nothing."""

    def setup(self, request: ExposureRequest) -> Setup:
        """Say in which setup it would take an exposure: what the request leaves open as the hardware stands now."""

    def take(self, request: ExposureRequest) -> Iterator[Frame]:
        """Take one exposure and give its frames, one per detector asked for.

        The next exposure is asked for when all frames of this one have come. That must be within `limits.answer` after
        its time, the camera's overhead and what it may wait for its gates; then it is told to abort, and frames that
        still come are thrown away. A frame that did not come at the first attempt says so in its header: `RETRIED`.

        Raises
        ------
        CameraError
            If the hardware refused, stopped answering, or was told to abort.
        NotReady
            If a gate before it does not hold: `latcal.plugin.gates.wait_for_gates`.
        """

    def abort(self) -> None:
        """End an exposure under way, from any thread, and leave the hardware as it was found.

        It makes `take` return, or raise, within `limits.abort`; if not, the camera is asked no more in this run.
        """

    def __enter__(self) -> Self:
        """Open the camera."""

    def __exit__(self, *exc: object) -> None:
        """Close it, the hardware being as it was found."""


@frozen
class Certification:
    """One product as entered in a collection."""

    ref: ProductRef
    collection: str
    valid: ValidityRange
    certified: str = ""
    unverified: str = ""


class Store(Protocol):
    """Keeps raw frames, products and reports. A context manager; entering it writes nothing.

    What cannot be written or read raises `StoreError`; nothing is ever visible half-written, and several
    processes may use one store at once.
    """

    def reserve(self, day: date, n: int) -> range:
        """Reserve `n` exposure ids of an observing day: consecutive, never given twice."""

    def ingest(self, frame: Frame) -> Frame:
        """Keep a raw frame, and give it back with its path and checksum; waits if the data system is slow.

        If it waits longer than a part of `limits.ingest`, it is called for the next frames in another thread.

        Raises `StoreError`, and keeps nothing, if the frame is a file that cannot be read back.
        """

    def frames(self, exposures: Iterable[int], detector: int) -> Iterator[Frame]:
        """Read back raw frames, in the order asked for. Raises `StoreError` naming what is missing."""

    def exposure(self, exposure: int) -> Exposure:
        """Give the facts of an exposure in the store. Raises `StoreError` if it is not there."""

    def put(self, product: Product, run: str) -> ProductRef:
        """Keep a product of a run; no collection has it yet."""

    def get(self, ref: ProductRef) -> Product:
        """Read a product back. Raises `StoreError` if it is damaged: its digest is checked."""

    def find(self, kind: str, detector: int, setup: Setup, at: Time, collections: Iterable[str]) -> ProductRef:
        """Find the product valid at an instant in the first collection that has one.

        Raises `ProductNotFound` naming all that was tried.
        """

    def find_exposure(self, kind: str, detector: int, exposure: int, collections: Iterable[str]) -> ProductRef:
        """Find the product for an exposure: valid at its begin, with its filter and other setup."""

    def of_exposure(self, kind: str, detector: int, exposure: int) -> ProductRef:
        """Find the newest product of a kind that belongs to one exposure, certified or not.

        It is the one that was put last of those whose `Product.exposure` it is, or that have one and name it in their
        provenance: a pair belongs to both of its flats. Raises `ProductNotFound` naming the three.
        """

    def attach(self, ref: ProductRef, name: str, data: bytes) -> None:
        """Keep a file that goes with a product, such as a plot, replacing an earlier one of that name.

        Raises `StoreError` if the product is not in the store, or the name is not a plain file name.
        """

    def attached(self, ref: ProductRef, name: str) -> bytes:
        """Read such a file back. Raises `StoreError` naming it if it is not there."""

    def certify(
        self, refs: Iterable[ProductRef], collection: str, valid: ValidityRange, *, unverified: str = ""
    ) -> None:
        """Enter products in a collection: all of them or, raising `ValidityOverlap`, none."""

    def is_free(self, kind: str, detector: int, setup: Setup, collection: str, valid: ValidityRange) -> bool:
        """Tell whether `certify` would find no overlap."""

    def list(self, kind: str | None = None, collection: str | None = None) -> Iterable[Certification]:
        """Give what is certified, ordered by collection, kind, detector, setup and begin.

        For the collection of a run, what that run built: `latcal.plugin.lookup.built`.
        """

    def free_bytes(self) -> int | None:
        """Room left [byte]; None if there is no such limit."""

    def write_report(self, run: str, files: Mapping[str, str]) -> None:
        """Keep the texts of a run's report by file name, replacing earlier ones of that run."""

    def read_report(self, run: str, name: str) -> str:
        """Read one of them back. Raises `StoreError` if it is not there."""

    def __enter__(self) -> Self:
        """Open the store; nothing is written."""

    def __exit__(self, *exc: object) -> None:
        """Close it."""


@frozen
class Task:
    """One picklable call for an executor: never pixels, only references.

    Parameters
    ----------
    function : callable
        A module-level function of one item.
    distribution : str
        Whose it is; an error in a worker names it.
    """

    function: Callable[[Any], Any]
    distribution: str

    def __call__(self, item: Any) -> Any:
        """Call the function, drain what it yields, and name its distribution if it raises."""
        return call(self.distribution, self.function, item)


class Executor(Protocol):
    """Maps a task over items. A context manager.

    It may have ``prepare(task)`` too, which gets workers ready for a task that is to come, and returns at once: it is called
    when the frames of a step are still to be taken.
    """

    def map(self, task: Task, items: Iterable[Any]) -> Iterator[Any]:
        """Give the results in the order of the items; the first that raises, raises here."""

    def describe(self, step: Step) -> str:
        """Say in one line how a Build or Verify step will run, for ``latcal plan``; may be empty."""

    def __enter__(self) -> Self:
        """Start what it needs."""

    def __exit__(self, *exc: object) -> None:
        """End it; what is queued is cancelled."""


@frozen(kw_only=True)
class Order:
    """A whole step, for an executor that does whole steps: what it works on, by name; all of it is in the store.

    Parameters
    ----------
    step : Build or Verify
    stage : PlannedStage
        With the options, the detectors, and what is to be kept.
    run : str
    exposures : tuple of Exposure
        That came, in the order taken.
    groups : tuple of tuple of int
        Ids of those that go together; empty where the type groups nothing.
    needs : mapping of int to mapping of str to ProductRef
        By detector and kind.
    verified : tuple of ProductRef
        What is verified: one for each detector, or for each detector and group.
    provenance : Provenance
        Of what is built; its exposures, inputs and options are still to be entered.
    """

    step: Build | Verify
    stage: PlannedStage
    run: str
    exposures: tuple[Exposure, ...]
    groups: tuple[tuple[int, ...], ...]
    needs: Mapping[int, Mapping[str, ProductRef]]
    verified: tuple[ProductRef, ...]
    provenance: Provenance


class StepExecutor(Protocol):
    """Does whole steps by an engine of its own, which reads raw frames and products in the store. A context manager.

    It may have ``tables(ref)`` too: a product that it built or verified, without planes, for what is judged of its tables.
    Otherwise latcal reads every product back, with all its planes.
    """

    def build(self, order: Order) -> Iterable[ProductRef]:
        """Build what a step is to build, put it into the store as of the run, and give the names.

        One for each detector of the stage; where its type builds groups apart, one for each group and detector, under the
        id of the group's first exposure. Raises `BuildError` with what its engine says of a failure.
        """

    def verify(self, order: Order) -> Iterable[Measurement]:
        """Measure what `latcal.plugin.CalibrationType.measure` does, of every exposure or group and amplifier.

        The rest is done here: other scopes, rules, counts, verdict. Keeps the residuals itself if the stage wants them.
        """

    def describe(self, step: Step) -> str:
        """Say how a Build or Verify step will run, for ``latcal plan``: the command line, say; may be empty."""

    def __enter__(self) -> Self:
        """Start what it needs."""

    def __exit__(self, *exc: object) -> None:
        """End it; what runs is ended."""


class Reporter(Protocol):
    """Hears every event of one run through a method marked as the hook `latcal_event`. A context manager."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *exc: object) -> None:
        """End."""
