"""What a plugin declares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from attrs import field, frozen

from latcal.model.frames import Exposure
from latcal.model.geometry import Instrument, Preparation
from latcal.model.measurements import Measurements
from latcal.model.metrics import Measurement, Metric
from latcal.model.products import Product
from latcal.model.recipe import Sequence
from latcal.model.rules import Rule
from latcal.plugin.inputs import AmplifierInputs, DetectorInputs, Expectation, Light, Outlook, Part
from latcal.plugin.protocols import Camera, CameraDescription, Executor, Reporter, StepExecutor, Store, World

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


@frozen(kw_only=True)
class CameraType(Declaration):
    """A kind of camera.

    Parameters
    ----------
    open : callable
        ``open(options, world)`` gives a `Camera`.
    describe : callable
        ``describe(options, instrument)`` without opening; None for what is known at preflight only.
    instrument : callable or None
        ``instrument(options)``: what the camera itself says that it is, for a recipe with ``instrument: camera``. It may ask
        the hardware while a recipe is planned, and moves nothing. None of a camera that cannot say it.
    """

    open: Callable[[Options, World], Camera]
    describe: Callable[[Options, Instrument], CameraDescription | None]
    instrument: Callable[[Options], Instrument] | None = None


def _never(_: Path) -> bool:
    return False


@frozen(kw_only=True)
class StoreType(Declaration):
    """A kind of store; ``open(options, world)`` gives a `Store`.

    Parameters
    ----------
    recognises : callable
        ``recognises(path)``: whether a store of this kind lies there. Nothing is opened.
    place : str
        Its option that says where the store lies.
    shared : bool
        Whether other processes, on other computers too, can open the same store with the same options: an executor that does
        whole steps elsewhere works on no other.
    """

    open: Callable[[Options, World], Store]
    recognises: Callable[[Path], bool] = _never
    place: str = "root"
    shared: bool = True


@frozen(kw_only=True)
class ExecutorType(Declaration):
    """A kind of executor; ``open(options, world)`` gives an `Executor`.

    Parameters
    ----------
    pickles : bool
        Whether tasks, items and results are pickled, since its workers are other processes. Planning sees to it that
        tasks can be: before an exposure is taken, and not after; and, of one that does whole steps, that the store is one
        that other processes can open.
    whole_steps : bool
        Whether it does whole steps, on what lies in the store: `open` then gives a `StepExecutor`, and frames are not
        prepared as they come.
    """

    open: Callable[[Options, World], Executor | StepExecutor]
    pickles: bool = False
    whole_steps: bool = False


@frozen(kw_only=True)
class ReporterType(Declaration):
    """A kind of reporter; ``open(options, world)`` gives a `Reporter`."""

    open: Callable[[Options, World], Reporter]


@frozen(kw_only=True)
class InstrumentType(Declaration):
    """An instrument, loaded when it is needed."""

    load: Callable[[], Instrument]


@frozen
class Surroundings:
    """What a procedure is told beside its options.

    Parameters
    ----------
    written : frozenset of str
        The keys that a person wrote; the others have their defaults.
    instrument : callable
        ``instrument(name)``: the instrument that is written beside the procedure, or else the one named.
    user : str
        The login name of who plans; empty if there is none.
    """

    written: frozenset[str]
    instrument: Callable[[str], Instrument]
    user: str = ""


@frozen
class Expansion:
    """What a procedure stands for.

    Parameters
    ----------
    recipe : mapping
        As a recipe file would write it. ``store: {at: PATH, otherwise: KIND}`` is the store that lies there: of the kind
        that recognises the path, or else of the other; without ``otherwise``, a path that no kind recognises is a fault of
        the recipe.
    origins : mapping of str to str
        Of keys of the recipe and all below, the key that a person writes: ``{"certify.into": "config.collection"}``.
        What is wrong with them is said there.
    remarks : tuple of str
        What a person should know of it; the plan and the run say so.
    """

    recipe: Mapping[str, Any]
    origins: Mapping[str, str] = field(factory=dict)
    remarks: tuple[str, ...] = ()


def _as_read(options: Options, _: Surroundings) -> Options:
    return options


@frozen(kw_only=True)
class ProcedureType(Declaration):
    """A named, typed set of options that stands for a recipe.

    Parameters
    ----------
    settle : callable
        ``settle(options, around)``: what `expand` is given, where that depends on which keys were written.
    expand : callable
        ``expand(options)`` gives the recipe as a plain mapping, as a recipe file would write it, or an `Expansion`.
    """

    expand: Callable[[Options], Mapping[str, Any] | Expansion]
    settle: Callable[[Options, Surroundings], Any] = _as_read


def _nothing(*_: Any) -> tuple[Any, ...]:
    return ()


def _no_needs(_: Options) -> frozenset[str]:
    return frozenset()


def _no_waivers(_: Options) -> Mapping[str, str]:
    return {}


def _prepare(_: Options) -> Preparation | None:
    return None


def _always(_: Options) -> bool:
    return True


def _none_left(_: tuple[Exposure | None, ...], __: Options) -> Mapping[int, str]:
    return {}


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
    check_light : callable
        ``check_light(sequences, options, light)``: likewise, of how bright the frames will be: `Light`.
    groups : callable
        ``groups(exposures, options)``: ids of the exposures that go together, as tuples: pairs of flats. What is given are
        the exposures of a stage as planned, None in the place of one that did not come. None where nothing is grouped.
    apart : bool
        Whether each group is built and measured by itself, under the id of its first exposure. If not, all make one
        product, and `AmplifierInputs.groups` says which go together.
    group : str
        What messages call one of them.
    left_out : callable
        ``left_out(exposures, options)``, given the same: ids of the exposures that are not used, and why: the verdict
        names them.
    product : str
        Kind of its products, if that is not its own name.
    also_called : tuple of str
        What other software calls them: whoever looks for one of these is told the name here.
    unpinned : callable
        ``unpinned(options)``: kinds of product that may be used with others than those they pin, and why; a waiver
        that the plan, the run and the product's options record.
    pins : frozenset of str
        Kinds that its products pin: each must be used with the very one that it was made with.
    preparation : callable
        ``preparation(options)``: how its frames are prepared, or None for the instrument's own way.
    crosstalk : callable
        ``crosstalk(options)``: whether crosstalk is subtracted from its frames, where a detector has coefficients.
    build_amplifier : callable
        `AmplifierInputs` to `Part`; None for a type that only measures.
    assemble : callable
        `DetectorInputs` and the parts, in the detector's order, to a `Product`.
    measure : callable
        `AmplifierInputs` of one exposure, or group, to its measurements of amplifier scope. None for a type that is
        judged by its products alone.
    observe : callable
        `AmplifierInputs` of one exposure to what `measure` then finds in `AmplifierInputs.seen`: what can be told of a frame as it
        comes, while the noise pooled over its set is not known. It is asked where there is time, before all frames have come or
        while the product is put into the store: `measure` must give the same without it. None where nothing is gained.
    residual : callable
        `AmplifierInputs` of one exposure to the image that was measured, for ``keep: [residuals]``; None if there is none.
    summarise : callable
        All `Measurements` of a stage, and the products' tables by detector name, to those of the other scopes (and
        of amplifier scope where they need more than one exposure).
    shown : tuple of (str, str)
        Metrics of amplifiers that a report shows amplifier by amplifier, each with that of its error, or an empty text;
        those of amplifiers of a product once, those of exposures for each.
    budget : callable
        `Outlook` to the expectations of its noise rules.
    """

    images: frozenset[str]
    setup: frozenset[str] = frozenset({"binning", "mode"})
    needs: Callable[[Options], frozenset[str]] = _no_needs
    metrics: Mapping[str, Metric]
    rules: tuple[Rule, ...]
    check: Callable[[tuple[Sequence, ...], Options], Iterable[Any]] = _nothing
    check_light: Callable[[tuple[Sequence, ...], Options, Light], Iterable[Any]] = _nothing
    groups: Callable[[tuple[Exposure | None, ...], Options], Iterable[tuple[int, ...]]] | None = None
    apart: bool = True
    group: str = "group"
    left_out: Callable[[tuple[Exposure | None, ...], Options], Mapping[int, str]] = _none_left
    product: str = ""
    also_called: tuple[str, ...] = ()
    unpinned: Callable[[Options], Mapping[str, str]] = _no_waivers
    pins: frozenset[str] = frozenset()
    preparation: Callable[[Options], Preparation | None] = _prepare
    crosstalk: Callable[[Options], bool] = _always
    build_amplifier: Callable[[AmplifierInputs], Part] | None = None
    observe: Callable[[AmplifierInputs], Any] | None = None
    residual: Callable[[AmplifierInputs], Part] | None = None
    assemble: Callable[[DetectorInputs, tuple[Part, ...]], Product] | None = None
    measure: Callable[[AmplifierInputs], Iterable[Measurement]] | None
    summarise: Callable[[Measurements, Mapping[str, Product]], Iterable[Measurement]] = _nothing
    shown: tuple[tuple[str, str], ...] = ()
    budget: Callable[[Outlook], Iterable[Expectation]] = _nothing

    @property
    def groups_apart(self) -> bool:
        """Whether exposures are built and measured in groups."""
        return self.groups is not None and self.apart

    @property
    def makes(self) -> str:
        """Kind of its products."""
        return self.product or self.name


@frozen
class Named:
    """A declaration and its kind, and the plugin and distribution that it comes from."""

    declaration: Any
    plugin: str
    distribution: str
    version: str
    kind: str

    @property
    def source(self) -> str:
        """Distribution and version, as messages name them."""
        return f"{self.distribution} {self.version}".strip()

    def called(self, function: str) -> str:
        """Give what messages call one of its functions."""
        return f"{function} of the {self.kind} {self.declaration.name!r}"
