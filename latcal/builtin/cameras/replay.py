"""The replay camera: frames that exist already, taken as if exposed now."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

from latcal.plugin import (
    CameraDescription,
    CameraError,
    CameraType,
    Exposure,
    ExposureRequest,
    Frame,
    Instrument,
    Plan,
    Problem,
    Setup,
    Take,
    World,
    hookimpl,
    observation_id,
    option,
)

if TYPE_CHECKING:  # what reads folders and headers is imported when a replay camera is described or opened
    from astropy.units import Quantity

    from latcal.builtin.cameras.replaying.catalogue import Catalogue, Shot
    from latcal.builtin.cameras.replaying.mapping import HeaderMapping


def _not_negative(_: Any, __: Any, value: Any) -> None:
    if value.value < 0:
        raise ValueError(f"{value} is not 0 s or more", "write '5 ms'")


@frozen
class ReplayOptions:
    """Options of the replay camera."""

    folder: Path = option(help="Folder of FITS frames, relative to the working directory.")
    mapping: str = option(help="Which keywords say what: a mapping that latcal brings (efosc2, latiss), or the path of one.")
    pattern: str = option("*.fits", help="Which files of the folder are frames.")
    tolerance: Quantity = option(
        "5 ms", unit="s", validator=_not_negative, help="How far the time of a frame may be from that asked for."
    )
    mode: str = option("", help="Take only frames of this readout mode; of any, if left out and all have one.")
    binning: str = option("", help="Take only frames of this binning, as 2x2; of any, if left out and all have one.")


class ReplayCamera:
    """Gives each frame of a folder once, in the order of their dates.

    An exposure has the number that is asked for, and all else as its header says: its time, its begin, its setup.
    """

    def __init__(self, options: ReplayOptions, world: World) -> None:
        from latcal.builtin.cameras.replaying.catalogue import Fit
        from latcal.builtin.cameras.replaying.mapping import read_mapping

        if world.instrument is None:
            raise CameraError("a replay camera needs an instrument (name one in the recipe)")
        self.detectors = world.instrument.detectors
        self._options, self._instrument = options, world.instrument
        self._mapping = read_mapping(options.mapping)
        self._fit = Fit(float(options.tolerance.to_value("s")), options.mode, options.binning)
        self._given: set[int] = set()

    def __enter__(self) -> Self:
        """Open the camera; the folder is read when it is first asked for."""
        return self

    def __exit__(self, *exc: object) -> None:
        """Close it."""

    @cached_property
    def catalogue(self) -> Catalogue:
        """What the folder holds."""
        from latcal.builtin.cameras.replaying.catalogue import survey

        paths = sorted(path for path in self._options.folder.glob(self._options.pattern) if path.is_file())
        return survey(paths, self._mapping, self._instrument)

    def problems(self, requests: tuple[ExposureRequest, ...]) -> Iterable[str]:
        """Say what of these the folder cannot give; frames that nobody can place are named if any is missing."""
        if not self._options.folder.is_dir():
            return (f"{str(self._options.folder)!r} is not a folder (set camera.folder to where the frames are)",)
        missing = list(self._missing(requests))
        listed = [f"unclear frame {text}" for text in self.catalogue.unclear] if missing else []
        return (*self._unknown(requests), *missing, *self._ambiguous(requests), *listed)

    def _unknown(self, requests: tuple[ExposureRequest, ...]) -> Iterable[str]:
        known = {detector.id for detector in self.detectors}
        asked = ((request.sequence, key) for request in requests for key in request.detectors if key not in known)
        return dict.fromkeys(f"{name}: {key} is not a detector of {self._instrument.name}" for name, key in asked)

    def _missing(self, requests: tuple[ExposureRequest, ...]) -> Iterator[str]:
        given: set[int] = set()
        wanted: dict[str, list[bool]] = {}
        for request in requests:
            place = self._next(request, given)
            wanted.setdefault(_asked(request), []).append(place is not None)
        for words, found in wanted.items():
            if not all(found):
                yield (
                    f"{words}: {len(found)} wanted, {sum(found)} found in {self._options.folder} "
                    f"(it holds {self.catalogue.summary})"
                )

    def _ambiguous(self, requests: tuple[ExposureRequest, ...]) -> Iterator[str]:
        for words, request in {_asked(request): request for request in requests}.items():
            setups = self.catalogue.alternatives(request, self._fit)
            for key in ("filter", "grating", "mode", "binning"):
                values = sorted({str(getattr(setup, key)) for setup in setups})
                if len(values) > 1:
                    place = f"camera.{key}" if key in ("mode", "binning") else f"a {key} in the sequence"
                    yield f"{words}: frames of {key} {' and '.join(values)} fit alike (write {place})"

    def remarks(self) -> Iterable[str]:
        """Name the frames of the folder that cannot be placed."""
        return [f"{self._options.folder}: unclear frame {text}" for text in self.catalogue.unclear]

    def setup(self, request: ExposureRequest) -> Setup:
        """Give the setup of the first exposure that fits; what was asked for if none does."""
        fitting = (shot.facts.setup for shot in self.catalogue.shots if self._fit(shot, request))
        return next(fitting, request.setup)

    def take(self, request: ExposureRequest) -> Iterator[Frame]:
        """Give the frames of the next exposure that fits, one per detector asked for.

        Raises
        ------
        CameraError
            If none is left.
        StoreError
            If a file cannot be read.
        """
        from latcal.formats.raw import read_raw

        place = self._next(request, self._given)
        if place is None:
            raise CameraError(f"{_asked(request)}: none is left in {self._options.folder} (it holds {self.catalogue.summary})")
        shot = self.catalogue.shots[place]
        exposure = _exposure(request, self._instrument, shot)
        for key in request.detectors:
            path, detector = shot.files[key], self._instrument.detector(key)
            _, raw = read_raw(path, detector)
            yield Frame(exposure, detector, raw, _header(path, self._mapping), path)

    def _next(self, request: ExposureRequest, given: set[int]) -> int | None:
        """Find the next exposure that fits and was not given, and count it as given."""
        for place, shot in enumerate(self.catalogue.shots):
            if place not in given and self._fit(shot, request):
                given.add(place)
                return place
        return None

    def abort(self) -> None:
        """End an exposure under way: there never is one."""


def _asked(request: ExposureRequest) -> str:
    setup = request.setup
    words = [f", {word} {value}" for word, value in (("filter", setup.filter), ("grating", setup.grating)) if value]
    return f"{request.sequence}: {request.image} of {request.time_s:g} s{''.join(words)}"


def _exposure(request: ExposureRequest, instrument: Instrument, shot: Shot) -> Exposure:
    return Exposure(
        id=request.number,
        obs_id=observation_id(instrument.id_prefix, request.number),
        image=shot.facts.image,
        time_s=shot.facts.time_s,
        dark_time_s=shot.facts.dark_time_s,
        begin=shot.facts.begin,
        setup=shot.facts.setup,
        sequence=request.sequence,
        discarded=request.discarded,
        labels=request.labels,
    )


def _header(path: Path, mapping: HeaderMapping) -> dict[str, Any]:
    """Give the keywords that the mapping goes by, as the file has them, and the file's name."""
    from latcal.formats.raw import headers

    header = ChainMap(*(dict(block) for block in headers(path)[:2]))
    keywords = [keyword for rule in mapping.images for keyword in rule.when]
    keywords += [mapping.time.keyword, mapping.date.keyword, "INSTRUME"]
    return {"REPLAYED": path.name} | {keyword: header[keyword] for keyword in keywords if keyword in header}


def describe(options: ReplayOptions, instrument: Instrument) -> CameraDescription:
    """Say what a replay camera does without opening it; what the folder holds is known at preflight.

    A raw frame has at most 8 bytes a pixel, and its headers.
    """
    from latcal.builtin.cameras.replaying.mapping import read_mapping

    frame_bytes = max(
        8 * detector.raw_pixels + (len(detector.amplifiers) + 1) * 20 * 2880 for detector in instrument.detectors
    )
    images = frozenset(rule.image for rule in read_mapping(options.mapping).images)
    return CameraDescription(
        overhead_s=0.0,
        frame_bytes=frame_bytes,
        images=images,
        longest_s=float("inf"),
        tolerance_s=float(options.tolerance.to_value("s")),
    )


@hookimpl
def latcal_cameras() -> Iterator[CameraType]:
    """Declare the replay camera."""
    yield CameraType(
        name="replay",
        summary="a folder of existing FITS frames",
        options=ReplayOptions,
        open=ReplayCamera,
        describe=describe,
    )


@hookimpl
def latcal_check_plan(plan: Plan) -> Iterator[Problem]:
    """Refuse levels: what was exposed has the time that it has."""
    recipe = plan.recipe
    if recipe.camera.use != "replay":
        return
    for name in dict.fromkeys(step.sequence for step in plan.steps if isinstance(step, Take) and step.time_s is None):
        what = "frames that exist already cannot be exposed to a level"
        yield recipe.problem("sequences", name, "exposures", what=what, hint="write the times that they have, as '2 x 5 s'")
