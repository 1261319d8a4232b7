"""What a calibration type is given, and what it gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from attrs import field, frozen
from numpy.typing import NDArray

from latcal.model.frames import AmplifierFrame, Exposure, Setup
from latcal.model.geometry import Amplifier, Detector
from latcal.model.products import AmplifierProduct, ProductRef, Provenance

Options: TypeAlias = Any


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
    groups : tuple of tuple of int
        For a build of all exposures, where its type groups them: ids of those that go together.
    seen : Any
        For a measurement: what `CalibrationType.observe` gave of this frame as it came; None where it was not asked.
    """

    detector: Detector
    amplifier: Amplifier
    frames: tuple[AmplifierFrame, ...]
    needs: Mapping[str, AmplifierProduct]
    options: Options
    internal: bool = False
    groups: tuple[tuple[int, ...], ...] = ()
    seen: Any = None

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
    rows : mapping of str to mapping
        By the name of another table: the amplifier's row in it, every cell with its unit. A cell is a number, a text, a
        truth value, or a tuple of numbers or truth values.
    """

    planes: Mapping[str, NDArray[Any]]
    facts: Mapping[str, tuple[float, str]]
    rows: Mapping[str, Mapping[str, tuple[Any, str]]] = field(factory=dict)


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
class Light:
    """What is known, before an exposure is taken, of how bright frames will be.

    Parameters
    ----------
    rate : float or None [electron / s]
        What the camera expects of its lamp; None where it does not say.
    ends : float [electron]
        Where the range ends: the smaller of full well and the lowest saturation, by nominal gains.
    """

    rate: float | None
    ends: float


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
    time_s : float or None [s]
        Of the frames of a `case`: then a plan counts how many fail, and foresees a refusal.
    """

    rule: str
    excess: float | None
    limit: float
    more: int | None = None
    case: str = ""
    note: str = ""
    more_of: str = ""
    time_s: float | None = None
