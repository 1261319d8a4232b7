"""What a plugin declares, and the protocols of what it opens."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Protocol, Self, TypeAlias

from astropy.time import Time
from attrs import field, frozen
from numpy.typing import NDArray

from latcal.model.frames import AmplifierFrame, Exposure, ExposureRequest, Frame, Setup
from latcal.model.geometry import Amplifier, Detector, Instrument, Preparation
from latcal.model.measurements import Measurements
from latcal.model.metrics import Measurement, Metric
from latcal.model.products import AmplifierProduct, Product, ProductRef, Provenance
from latcal.model.recipe import Sequence
from latcal.model.rules import Rule
from latcal.model.steps import Step
from latcal.model.validity import ValidityRange
from latcal.plugin.calling import call

Options: TypeAlias = Any


@frozen(kw_only=True)
class Declaration:
    """What every declaration says.

    Parameters
    ----------
    name : str
        What a recipe writes.
    summary : str
        One line for ``latcal plugins``.
    options : type
        A frozen attrs class; every field has a help text (`latcal.plugin.option`).
    """

    name: str
    summary: str
    options: type


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
    """

    instrument: Instrument | None
    now: Callable[[], Time]
    run: str
    stop: threading.Event
    scratch: Path


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
    """

    overhead_s: float
    frame_bytes: int
    images: frozenset[str] | None = None
    filters: tuple[str, ...] | None = None
    shortest_s: float = 0.0
    longest_s: float = 3600.0


class Camera(Protocol):
    """Takes exposures. A context manager; entering it moves nothing."""

    detectors: tuple[Detector, ...]

    def problems(self, requests: tuple[ExposureRequest, ...]) -> Iterable[str]:
        """Say, before the first exposure and moving nothing, what of these cannot be taken, and what to do."""

    def setup(self, request: ExposureRequest) -> Setup:
        """Say in which setup it would take an exposure: what the request leaves open as the hardware stands now."""

    def take(self, request: ExposureRequest) -> Iterator[Frame]:
        """Take one exposure and give its frames, one per detector asked for.

        The camera is free for the next exposure once the iterator has given its first frame.

        Raises
        ------
        CameraError
            If the hardware refused, stopped answering, or was told to abort.
        """

    def abort(self) -> None:
        """End an exposure under way, from any thread, and leave the hardware as it was found."""

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
        """Keep a raw frame, and give it back with its path and checksum; waits if the data system is slow."""

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

    def certify(
        self, refs: Iterable[ProductRef], collection: str, valid: ValidityRange, *, unverified: str = ""
    ) -> None:
        """Enter products in a collection: all of them or, raising `ValidityOverlap`, none."""

    def is_free(self, kind: str, detector: int, setup: Setup, collection: str, valid: ValidityRange) -> bool:
        """Tell whether `certify` would find no overlap."""

    def list(self, kind: str | None = None, collection: str | None = None) -> Iterable[Certification]:
        """Give what is certified, ordered by collection, kind, detector, setup and begin."""

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
    """Maps a task over items. A context manager."""

    def map(self, task: Task, items: Iterable[Any]) -> Iterator[Any]:
        """Give the results in the order of the items; the first that raises, raises here."""

    def describe(self, step: Step) -> str:
        """Say in one line how a Build or Verify step will run, for ``latcal plan``; may be empty."""

    def __enter__(self) -> Self:
        """Start what it needs."""

    def __exit__(self, *exc: object) -> None:
        """End it; what is queued is cancelled."""


class Reporter(Protocol):
    """Hears every event of one run through a method marked as the hook `latcal_event`. A context manager."""

    def __enter__(self) -> Self:
        """Begin."""

    def __exit__(self, *exc: object) -> None:
        """End."""


@frozen(kw_only=True)
class CameraType(Declaration):
    """A kind of camera.

    Parameters
    ----------
    open : callable
        ``open(options, world)`` gives a `Camera`.
    describe : callable
        ``describe(options, instrument)`` without opening; None for what is known at preflight only.
    """

    open: Callable[[Options, World], Camera]
    describe: Callable[[Options, Instrument], CameraDescription | None]


@frozen(kw_only=True)
class StoreType(Declaration):
    """A kind of store; ``open(options, world)`` gives a `Store`."""

    open: Callable[[Options, World], Store]


@frozen(kw_only=True)
class ExecutorType(Declaration):
    """A kind of executor; ``open(options, world)`` gives an `Executor`."""

    open: Callable[[Options, World], Executor]


@frozen(kw_only=True)
class ReporterType(Declaration):
    """A kind of reporter; ``open(options, world)`` gives a `Reporter`."""

    open: Callable[[Options, World], Reporter]


@frozen(kw_only=True)
class InstrumentType(Declaration):
    """An instrument, loaded when it is needed."""

    load: Callable[[], Instrument]


@frozen(kw_only=True)
class ProcedureType(Declaration):
    """A named, typed set of options that stands for a recipe.

    Parameters
    ----------
    expand : callable
        ``expand(options)`` gives the recipe as a plain mapping, as a recipe file would write it.
    """

    expand: Callable[[Options], Mapping[str, Any]]


@frozen
class AmplifierInputs:
    """One amplifier's worth of work: picklable references, never pixels.

    Parameters
    ----------
    frames : tuple of AmplifierFrame
        All exposures of the stage for a build; the one exposure for a measurement.
    needs : mapping of str to AmplifierProduct
        By kind. A verification finds the product it verifies here too, under the stage's own kind.
    internal : bool
        For a measurement: whether this exposure went into the product that is verified.
    """

    detector: Detector
    amplifier: Amplifier
    frames: tuple[AmplifierFrame, ...]
    needs: Mapping[str, AmplifierProduct]
    options: Options
    internal: bool = False

    def need(self, kind: str) -> AmplifierProduct:
        """Give a needed product.

        Raises
        ------
        KeyError
            If the calibration type did not declare it in `needs`.
        """
        return self.needs[kind]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the amplifier's data."""
        return self.amplifier.data.shape

    @property
    def times_s(self) -> list[float]:
        """Exposure times [s]."""
        return [frame.exposure.time_s for frame in self.frames]

    @property
    def dark_times_s(self) -> list[float]:
        """Dark times [s]: what dark signal goes with."""
        return [frame.exposure.dark_time_s for frame in self.frames]

    @property
    def frame_noise(self) -> list[float]:
        """Noise of a pixel without signal in each frame [electron]."""
        return [frame.frame_noise for frame in self.frames]


@frozen(eq=False)
class Part:
    """What a build gives for one amplifier.

    Parameters
    ----------
    planes : mapping of str to array
        ``image``, ``variance`` (ny, nx) float32, ``mask`` uint8, ``kept`` uint16; whatever the product has.
    facts : mapping of str to (float, str)
        Numbers for the amplifier's row in the product's table, each with its unit.
    """

    planes: Mapping[str, NDArray[Any]]
    facts: Mapping[str, tuple[float, str]]


@frozen
class DetectorInputs:
    """What `assemble` is given beside the parts."""

    kind: str
    detector: Detector
    setup: Setup
    exposures: tuple[Exposure, ...]
    needs: Mapping[str, ProductRef]
    options: Options
    provenance: Provenance
    preparation: str = ""


@frozen
class Outlook:
    """What is known of a stage's noise before it runs.

    Parameters
    ----------
    times_s : tuple of float [s]
        Of the exposures that go in, discarded ones left out.
    internal : bool
        Whether the exposures that are verified also made the product.
    frames : mapping of str to int
        How many frames made each needed product (and the product itself), where known.
    limits : mapping of str to float
        By rule, the relative excess that the rule in force allows, where it is a limit on one.
    """

    times_s: tuple[float, ...]
    internal: bool
    frames: Mapping[str, int]
    options: Options
    limits: Mapping[str, float] = field(factory=dict)


@frozen
class Expectation:
    """What a noise rule is expected to see.

    Parameters
    ----------
    case : str
        Which frames: empty for all, or ``30 s``.
    excess : float or None
        Expected noise over the noise of one frame, minus one; None if only the store can tell.
    limit : float
        What the rule allows: `Outlook.limits`, or else the default rule's own.
    more : int or None
        How many more frames would bring it within the limit; 0 if it is; None if no number would.
    more_of : str
        Which frames these are, where the stage has several times: ``30 s``.
    """

    rule: str
    excess: float | None
    limit: float
    more: int | None = None
    case: str = ""
    note: str = ""
    more_of: str = ""


def _nothing(*_: Any) -> tuple[Any, ...]:
    return ()


def _no_needs(_: Options) -> frozenset[str]:
    return frozenset()


def _no_waivers(_: Options) -> Mapping[str, str]:
    return {}


def _prepare(_: Options) -> Preparation | None:
    return None


@frozen(kw_only=True)
class CalibrationType(Declaration):
    """A calibration type. All its functions are pure and at module level, so that they pickle.

    Parameters
    ----------
    images : frozenset of str
        Image types consumed.
    setup : frozenset of str
        Which of filter, grating, binning, mode tell its products apart.
    needs : callable
        ``needs(options)``: kinds of products that must exist first.
    metrics : mapping of str to Metric
        What is measured.
    rules : tuple of Rule
        The defaults.
    check : callable
        ``check(sequences, options)``: problems, while planning; each ``what`` or ``(what, hint)``. No input or output.
    unpinned : callable
        ``unpinned(options)``: kinds of product that may be used with others than those they pin, and why; a waiver
        that the plan, the run and the product's options record.
    pins : frozenset of str
        Kinds that its products pin: each must be used with the very one that it was made with.
    preparation : callable
        ``preparation(options)``: how its frames are prepared, or None for the instrument's own way.
    build_amplifier : callable
        `AmplifierInputs` to `Part`; None for a type that only measures.
    assemble : callable
        `DetectorInputs` and the parts, in the detector's order, to a `Product`.
    measure : callable
        `AmplifierInputs` of one exposure to its measurements of amplifier scope.
    residual : callable
        `AmplifierInputs` of one exposure to the image that was measured, for ``keep: [residuals]``; None if there is none.
    summarise : callable
        All `Measurements` of a stage, and the products' tables by detector name, to those of the other scopes (and
        of amplifier scope where they need more than one exposure).
    budget : callable
        `Outlook` to the expectations of its noise rules.
    """

    images: frozenset[str]
    setup: frozenset[str] = frozenset({"binning", "mode"})
    needs: Callable[[Options], frozenset[str]] = _no_needs
    metrics: Mapping[str, Metric]
    rules: tuple[Rule, ...]
    check: Callable[[tuple[Sequence, ...], Options], Iterable[Any]] = _nothing
    unpinned: Callable[[Options], Mapping[str, str]] = _no_waivers
    pins: frozenset[str] = frozenset()
    preparation: Callable[[Options], Preparation | None] = _prepare
    build_amplifier: Callable[[AmplifierInputs], Part] | None = None
    residual: Callable[[AmplifierInputs], Part] | None = None
    assemble: Callable[[DetectorInputs, tuple[Part, ...]], Product] | None = None
    measure: Callable[[AmplifierInputs], Iterable[Measurement]]
    summarise: Callable[[Measurements, Mapping[str, Product]], Iterable[Measurement]] = _nothing
    budget: Callable[[Outlook], Iterable[Expectation]] = _nothing


@frozen
class Named:
    """A declaration, and the plugin and distribution that it comes from."""

    declaration: Any
    plugin: str
    distribution: str
    version: str

    @property
    def source(self) -> str:
        """Distribution and version, as messages name them."""
        return f"{self.distribution} {self.version}".strip()
