"""The exposures that a folder of frames holds, and the frames in it that nobody can place."""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import field, frozen

from latcal.builtin.cameras.replaying.facts import Facts, detector_of, facts
from latcal.builtin.cameras.replaying.mapping import HeaderMapping
from latcal.builtin.cameras.replaying.sections import disagreements
from latcal.formats.raw import headers, read_raw
from latcal.plugin import ExposureRequest, Instrument, Setup, StoreError

DARKENED = frozenset({"bias", "dark"})
"""Image types for which filter and grating do not matter unless they are asked for."""


@frozen
class Shot:
    """One exposure in the folder: its facts, and its files by detector id."""

    facts: Facts
    files: Mapping[int, Path]


@frozen
class Fit:
    """What makes an exposure fit a request, beside the request itself.

    Parameters
    ----------
    tolerance_s : float [s]
    mode, binning : str
        Empty for any.
    """

    tolerance_s: float
    mode: str = ""
    binning: str = ""

    def __call__(self, shot: Shot, request: ExposureRequest) -> bool:
        """Tell whether the exposure is what is asked for."""
        has, wants = shot.facts, request.setup
        return (
            has.image == request.image
            and abs(has.time_s - request.time_s) <= self.tolerance_s
            and wants.filter in (None, has.setup.filter)
            and wants.grating in (None, has.setup.grating)
            and self.mode in ("", has.setup.mode)
            and self.binning in ("", has.setup.binning)
            and set(request.detectors) <= shot.files.keys()
        )


@frozen
class Catalogue:
    """What a folder holds.

    Parameters
    ----------
    shots : tuple of Shot
        In the order of their dates.
    unclear : tuple of str
        Frames that cannot be placed, each with why.
    """

    shots: tuple[Shot, ...]
    unclear: tuple[str, ...] = field(factory=tuple)

    @property
    def summary(self) -> str:
        """What there is, in one line."""
        counts = Counter(_described(shot.facts) for shot in self.shots)
        return "; ".join(f"{count} {words}" for words, count in counts.items()) or "nothing"

    def alternatives(self, request: ExposureRequest, fit: Fit) -> tuple[Setup, ...]:
        """Give the setups that fit a request alike, each once; more than one is ambiguous."""
        keys = {"binning", "mode"} | (set() if request.image in DARKENED else {"filter", "grating"})
        fitting = (shot.facts.setup.only(frozenset(keys)) for shot in self.shots if fit(shot, request))
        return tuple(dict.fromkeys(fitting))


def survey(paths: Iterable[Path], mapping: HeaderMapping, instrument: Instrument) -> Catalogue:
    """Read the headers of frames and put the frames of one exposure together."""
    exposures: dict[tuple[str, str, float, Setup], dict[int, list[Path]]] = {}
    said: dict[tuple[str, str, float, Setup], Facts] = {}
    unclear: list[str] = []
    for path in paths:
        try:
            known, detector = _look(path, mapping, instrument)
        except StoreError as error:
            unclear.append(str(error).replace(str(path), path.name))
        except ValueError as error:
            unclear.append(f"{path.name}: {error}")
        else:
            key = (known.key, known.image, known.time_s, known.setup)
            said.setdefault(key, known)
            exposures.setdefault(key, {}).setdefault(detector, []).append(path)
    shots = []
    for key, found in exposures.items():
        twice = [paths for paths in found.values() if len(paths) > 1]
        unclear += [f"{', '.join(one.name for one in paths)}: one exposure of one detector alike" for paths in twice]
        if not twice:
            shots.append(Shot(said[key], {detector: paths[0] for detector, paths in found.items()}))
    return Catalogue(tuple(sorted(shots, key=_when)), tuple(unclear))


def _look(path: Path, mapping: HeaderMapping, instrument: Instrument) -> tuple[Facts, int]:
    """Read what one file is, and check that it is a frame of the instrument."""
    blocks = headers(path)
    header = ChainMap(*(dict(block) for block in blocks[:2]))  # compressed files have theirs in the second
    known = facts(header, mapping)
    detector = detector_of(header, mapping, instrument)
    read_raw(path, detector)
    if mapping.sections == "check":
        for text in disagreements(blocks, detector):
            raise ValueError(f"{text} (mend one of them, or write 'sections: ignore' in the mapping)")
    return known, detector.id


def _when(shot: Shot) -> tuple[float, float, str]:
    return shot.facts.begin.jd1, shot.facts.begin.jd2, str(sorted(shot.files.items()))


def _described(known: Facts) -> str:
    setup = known.setup
    words = [f"{word} {value}" for word, value in (("filter", setup.filter), ("grating", setup.grating)) if value]
    return str(known) + (f" ({', '.join(words)})" if words and known.image not in DARKENED else "")
