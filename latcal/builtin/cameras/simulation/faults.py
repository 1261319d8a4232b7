"""Faults on command: what goes wrong, in which exposures."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from latcal.plugin import option

if TYPE_CHECKING:
    from astropy.units import Quantity

_SPAN = re.compile(r"\s*(\d+)(?:\s*to\s*(\d+))?\s*")

NEEDS = {"lamp drift": "drift", "light leak": "rate", "late": "delay"}
"""The size that a fault must have; the others have none."""


@frozen
class Fault:
    """One thing that goes wrong.

    Notes
    -----
    Exposures are counted in their sequence from 1, discarded ones included. What each fault does:

    ======================  ==============================================================================
    ``never arrives``       the exposure ends and no frame comes
    ``late``                the frames come `delay` late
    ``no answer``           the camera stops answering, to an abort too
    ``lost once``           the first attempt gives no frame, and the camera takes the exposure again
    ``truncated file``      the frame is a FITS file that lacks its last third
    ``empty file``          the frame is a file of 0 bytes
    ``no numbers``          a tenth of the first amplifier is NaN
    ``wrong shape``         the first amplifier lacks its last row
    ``wrong header``        the frame says the number and the time of another exposure
    ``lamp off``            no light
    ``lamp drift``          the lamp brightens by `drift` from the first of the exposures to the last
    ``light leak``          `rate` of light falls on the sensor, whether the shutter is open or not
    ``shutter stuck``       the shutter stays closed
    ``reset``               the readout was reset before the exposure: pedestals jump, and it settles again
    ======================  ==============================================================================
    """

    what: Literal[
        "never arrives",
        "late",
        "no answer",
        "lost once",
        "truncated file",
        "empty file",
        "no numbers",
        "wrong shape",
        "wrong header",
        "lamp off",
        "lamp drift",
        "light leak",
        "shutter stuck",
        "reset",
    ] = option(help="What goes wrong.")
    sequence: str = option("", help="In which sequence; in all of them if left out.")
    exposures: str | int = option("", help="In which of its exposures, 3 or 3 to 7, counted from 1; in all if left out.")
    detectors: tuple[int, ...] = option((), help="On which detectors; on all if left out.")
    drift: Quantity | None = option(None, unit="%", help="Of the lamp.")
    rate: Quantity | None = option(None, unit="electron/s", help="Of a light leak.")
    delay: Quantity | None = option(None, unit="s", help="Of what is late.")

    def __attrs_post_init__(self) -> None:
        for word in NEEDS.values():
            given, wanted = getattr(self, word) is not None, NEEDS.get(self.what) == word
            if wanted and not given:
                raise ValueError(f"{self.what!r} has no {word}", f"write '{word}: {_EXAMPLES[word]}'")
            if given and not wanted:
                raise ValueError(f"{self.what!r} has a {word}, which says nothing of it", f"leave out {word}")
        span = self.span
        if self.exposures != "" and (span is None or not 1 <= span[0] <= span[1]):
            raise ValueError(f"{self.exposures!r} is not a count of exposures", "write '3' or '3 to 7'")
        if self.what in ("lamp drift", "reset") and self.exposures == "":
            raise ValueError(f"{self.what!r} does not say in which exposures", "write 'exposures: 2 to 21'")

    def __str__(self) -> str:
        sizes = [str(size) for size in (self.drift, self.rate, self.delay) if size is not None]
        where = [self.sequence or "every sequence", *([] if self.exposures == "" else [str(self.exposures)])]
        detectors = [f"detectors {', '.join(map(str, self.detectors))}"] if self.detectors else []
        return ", ".join([" ".join([self.what, *sizes]), " ".join(where), *detectors])

    @property
    def span(self) -> tuple[int, int] | None:
        """First and last of its exposures, both included; None for all."""
        match = _SPAN.fullmatch(str(self.exposures))
        return None if match is None else (int(match[1]), int(match[2] or match[1]))

    def strikes(self, sequence: str, position: int) -> bool:
        """Tell whether it happens in an exposure of a sequence, counted from 1."""
        if self.sequence not in ("", sequence):
            return False
        return self.span is None or self.span[0] <= position <= self.span[1]

    def strikes_detector(self, detector: int) -> bool:
        """Tell whether it happens on a detector."""
        return not self.detectors or detector in self.detectors


_EXAMPLES = {"drift": "10 %", "rate": "1 electron/s", "delay": "5 s"}


@frozen
class Struck:
    """The faults of one exposure."""

    faults: tuple[Fault, ...]
    position: int

    def __contains__(self, what: str) -> bool:
        return any(fault.what == what for fault in self.faults)

    def on(self, detector: int) -> Struck:
        """Keep those of a detector."""
        return Struck(tuple(fault for fault in self.faults if fault.strikes_detector(detector)), self.position)

    @property
    def lamp(self) -> float:
        """What they leave of the light of the lamp."""
        if "lamp off" in self or "shutter stuck" in self:
            return 0.0
        part = 1.0
        for fault in self.faults:
            if fault.what == "lamp drift" and fault.drift is not None and fault.span is not None:
                first, last = fault.span
                part += float(fault.drift.to_value("")) * (self.position - first) / max(last - first, 1)
        return max(part, 0.0)

    @property
    def leak(self) -> float:
        """Light that leaks in [electron / s]."""
        return sum(float(fault.rate.to_value("electron/s")) for fault in self.faults if fault.rate is not None)

    @property
    def delay_s(self) -> float:
        """How late the frames come [s]."""
        return sum(float(fault.delay.to_value("s")) for fault in self.faults if fault.delay is not None)


def settled(faults: tuple[Fault, ...], sequence: str, position: int, detector: int) -> int:
    """Give how many exposures there were since the sequence began, or since the last reset of the detector in it."""
    resets = [
        first
        for fault in faults
        if fault.what == "reset" and fault.strikes_detector(detector)
        if fault.sequence in ("", sequence) and fault.span is not None
        for first in range(fault.span[0], min(fault.span[1], position) + 1)
    ]
    return position - max(resets, default=1)


def struck(faults: tuple[Fault, ...], sequence: str, position: int) -> Struck:
    """Give the faults of one exposure of a sequence."""
    return Struck(tuple(fault for fault in faults if fault.strikes(sequence, position)), position)


def idle(fault: Fault, lengths: Mapping[str, int], detectors: Collection[int]) -> Iterator[tuple[str, str]]:
    """Say, and how to mend it, why a fault could never strike.

    Parameters
    ----------
    lengths : mapping of str to int
        How many exposures each sequence has.
    detectors : collection of int
        Those of the instrument.
    """
    there = ", ".join(lengths)
    if fault.sequence and fault.sequence not in lengths:
        yield f"{fault.sequence!r} is not a sequence of the recipe", f"there is {there}"
        return
    longest = max((n for name, n in lengths.items() if fault.sequence in ("", name)), default=0)
    if fault.span is not None and fault.span[1] > longest:
        whose = fault.sequence or "no sequence"
        yield f"{whose} has {fault.span[1]} exposures" if not fault.sequence else (
            f"{whose} has {longest} exposures, not {fault.span[1]}"
        ), f"count from 1 to {longest}, discarded ones included"
    for detector in fault.detectors:
        if detector not in detectors:
            yield f"{detector} is not a detector", f"there is {', '.join(map(str, detectors))}"
