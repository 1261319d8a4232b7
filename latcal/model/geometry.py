"""Where pixels are: boxes, amplifiers, detectors, instruments.

Boxes are half-open, ``(y, x)`` and zero-based; FITS sections are converted here and nowhere else.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping
from typing import Self

from attrs import evolve, field, frozen

from latcal.model.crosstalk import Coefficients, coefficient_faults
from latcal.model.exposures import Level, Rung

_SECTION = re.compile(r"\s*\[\s*(\d+)\s*:\s*(\d+)\s*,\s*(\d+)\s*:\s*(\d+)\s*\]\s*")


@frozen
class Box:
    """Rows ``y0 <= y < y1`` and columns ``x0 <= x < x1``."""

    y0: int
    y1: int
    x0: int
    x1: int

    def __attrs_post_init__(self) -> None:
        if not (0 <= self.y0 <= self.y1 and 0 <= self.x0 <= self.x1):
            raise ValueError(f"rows {self.y0}:{self.y1}, columns {self.x0}:{self.x1} is not a box")

    @classmethod
    def from_section(cls, section: str) -> Self:
        """Read a FITS section ``[x0:x1,y0:y1]``: one-based, both ends included.

        Raises
        ------
        ValueError
            If the text is not a section, or runs backwards (a flip is said elsewhere).
        """
        match = _SECTION.fullmatch(section)
        if not match:
            raise ValueError(f"{section!r} is not a section (write '[1:509,1:2000]')")
        x0, x1, y0, y1 = (int(number) for number in match.groups())
        if not (1 <= x0 <= x1 and 1 <= y0 <= y1):
            raise ValueError(f"{section!r} is not a section: it starts below 1 or runs backwards")
        return cls(y0 - 1, y1, x0 - 1, x1)

    @property
    def section(self) -> str:
        """The FITS section of the box."""
        return f"[{self.x0 + 1}:{self.x1},{self.y0 + 1}:{self.y1}]"

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and of columns."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def size(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the box in an array."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def overlaps(self, other: Box) -> bool:
        """Tell whether the boxes share a pixel."""
        return self.y0 < other.y1 and other.y0 < self.y1 and self.x0 < other.x1 and other.x0 < self.x1


@frozen
class Amplifier:
    """One readout channel of a detector, with its nominal figures.

    Parameters
    ----------
    name : str
    extension : str or int
        The HDU of a raw file that holds it: a name, or an index from zero.
    raw : Box
        Its pixels in that image, overscans included.
    data, serial_overscan, parallel_overscan : Box
        Regions inside the raw box, counted from its corner. The overscans may be absent.
    position : Box
        Where the data lie in the trimmed detector, once flipped.
    flip_x, flip_y : bool
        Whether the raw data are mirrored to get there.
    gain : float [electron / adu]
    read_noise : float [electron]
    saturation : float [adu]
        Above the pedestal.
    """

    name: str
    extension: str | int
    raw: Box
    data: Box
    position: Box
    gain: float
    read_noise: float
    saturation: float
    serial_overscan: Box | None = None
    parallel_overscan: Box | None = None
    flip_x: bool = False
    flip_y: bool = False

    def __attrs_post_init__(self) -> None:
        for word, box in (
            ("data", self.data),
            ("serial_overscan", self.serial_overscan),
            ("parallel_overscan", self.parallel_overscan),
        ):
            if box is not None and (box.y1 > self.raw.shape[0] or box.x1 > self.raw.shape[1]):
                raise ValueError(f"amplifier {self.name}: {word} {box.section} is not inside its raw image")
        if self.data.shape != self.position.shape:
            raise ValueError(f"amplifier {self.name}: data and position are not of one shape")
        if not (self.gain > 0 and self.read_noise >= 0 and self.saturation > 0):
            raise ValueError(f"amplifier {self.name}: gain, read noise or saturation is not positive")


@frozen
class Detector:
    """One sensor and its amplifiers, in the order of the raw file.

    Parameters
    ----------
    brighter_fatter, brighter_fatter_error : float [1 / electron]
        Nominal coefficient a00, negative, and its standard error; 0 where none is known.
    brighter_fatter_window : (float, float) or None [1 / electron]
        Between which a measured a00 is acceptable.
    least_turnoff : float or None [electron]
        What the turnoff of a photon transfer curve must be above.
    crosstalk : Coefficients
        What of each amplifier (column) shows in each other (row); empty where that is not known.

    Raises
    ------
    ValueError
        If amplifiers share a name, overlap or do not fill the sensor; or coefficients of crosstalk are not theirs.
    """

    id: int
    name: str
    amplifiers: tuple[Amplifier, ...]
    serial: str = ""
    vendor: str = ""
    pixel_um: float = 10.0
    brighter_fatter: float = 0.0
    crosstalk: Coefficients = ()
    brighter_fatter_error: float = 0.0
    brighter_fatter_window: tuple[float, float] | None = None
    least_turnoff: float | None = None

    def __attrs_post_init__(self) -> None:
        names = [amplifier.name for amplifier in self.amplifiers]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"detector {self.name}: amplifiers {names} are not there or not distinct")
        ny, nx = self.shape
        if sum(amplifier.position.size for amplifier in self.amplifiers) != ny * nx or any(
            one.position.overlaps(other.position)
            for i, one in enumerate(self.amplifiers)
            for other in self.amplifiers[:i]
        ):
            raise ValueError(f"detector {self.name}: its amplifiers do not tile {ny} x {nx} pixels")
        for _, what, hint in coefficient_faults(self.crosstalk, {one.name: one.raw.shape for one in self.amplifiers}):
            raise ValueError(f"detector {self.name}: crosstalk: {what} ({hint})")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the trimmed detector."""
        return max(a.position.y1 for a in self.amplifiers), max(a.position.x1 for a in self.amplifiers)

    @property
    def raw_pixels(self) -> int:
        """Number of pixels read out, overscans included."""
        return sum(amplifier.raw.size for amplifier in self.amplifiers)

    def amplifier(self, name: str) -> Amplifier:
        """Give the amplifier of that name.

        Raises
        ------
        KeyError
            If there is none.
        """
        for amplifier in self.amplifiers:
            if amplifier.name == name:
                return amplifier
        raise KeyError(name)


@frozen
class Preparation:
    """How a raw frame is prepared: the overscan models and what they skip, and whether crosstalk is subtracted.

    Parameters
    ----------
    serial, parallel : str
        Names of the models, those of `latcal.numerics.overscan`.
    skip : int [pixel]
        Columns or rows left out at both ends of an overscan.
    clip : float [sigma]
        Beyond this an overscan sample is an outlier.
    smooth : float [row]
        Width of the Gaussian that smooths a model per row; 0 leaves it as it is.
    crosstalk : bool
        Whether it is subtracted where a detector has coefficients for it. Of a planned stage: whether any has.

    Notes
    -----
    The defaults are latcal's decision: they add less than 1 % to the noise (docs/physics.md).
    """

    serial: str = "mean per row"
    parallel: str = "line"
    skip: int = 3
    clip: float = 5.0
    smooth: float = 1.0
    crosstalk: bool = True

    def on(self, detector: Detector) -> Self:
        """Give how frames of a detector are prepared: without coefficients no crosstalk is subtracted."""
        return evolve(self, crosstalk=self.crosstalk and bool(detector.crosstalk))

    def removes_pedestal(self, amplifier: Amplifier) -> bool:
        """Tell whether an overscan is subtracted from an amplifier, so that its level is above bias."""
        serial = self.serial != "none" and amplifier.serial_overscan is not None
        return serial or (self.parallel != "none" and amplifier.parallel_overscan is not None)

    def __str__(self) -> str:
        models = f"serial overscan {self.serial!r}, parallel {self.parallel!r}"
        text = f"{models}, skip {self.skip}, clip {self.clip:g}, smooth {self.smooth:g}"
        return f"{text}, crosstalk subtracted" if self.crosstalk else text


@frozen
class Instrument:
    """What a camera is, as its YAML file says.

    Parameters
    ----------
    readout_s : float [s]
        Time from the end of an exposure until the next may begin.
    full_well : float [electron]
        Of a typical pixel.
    rollover_h : float [h]
        Hour (UTC) at which an observing day begins.
    id_prefix : str
        Start of an observation id: ``AT_O`` in ``AT_O_20220929_000001``.
    binning, mode : str
        How the geometry is read out; frames that come in another way are refused.
    header : mapping of str to bool, int, float or str
        Constant cards of its raw files, by FITS keyword: INSTRUME, TELESCOP and the like.
    """

    name: str
    detectors: tuple[Detector, ...]
    filters: tuple[str, ...] = ()
    gratings: tuple[str, ...] = ()
    readout_s: float = 2.0
    full_well: float = 130_000.0
    rollover_h: float = 12.0
    id_prefix: str = "LC_O"
    binning: str = "1x1"
    mode: str = ""
    preparation: Preparation = field(factory=Preparation)
    header: Mapping[str, bool | int | float | str] = field(factory=dict, hash=False)

    def __attrs_post_init__(self) -> None:
        ids = [detector.id for detector in self.detectors]
        if not ids or len(set(ids)) != len(ids):
            raise ValueError(f"instrument {self.name}: detector ids {ids} are not there or not distinct")

    @property
    def ends(self) -> float:
        """Where the range of a typical pixel ends [electron]: at full well or the lowest saturation, whichever is lower."""
        return min([self.full_well, *(one.saturation * one.gain for one in self._amplifiers)])

    def electrons(self, level: Level | Rung) -> float:
        """Give a level in electrons, by the median of the nominal gains; 100 % of full well is where the range `ends`."""
        return level.electrons(statistics.median(one.gain for one in self._amplifiers), self.ends)

    @property
    def _amplifiers(self) -> tuple[Amplifier, ...]:
        return tuple(amplifier for detector in self.detectors for amplifier in detector.amplifiers)

    def detector(self, key: int) -> Detector:
        """Give the detector of that id.

        Raises
        ------
        KeyError
            If there is none.
        """
        for detector in self.detectors:
            if detector.id == key:
                return detector
        raise KeyError(key)
