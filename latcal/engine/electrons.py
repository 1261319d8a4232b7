"""The raw pixels of a frame in electrons: overscans and crosstalk subtracted, trimmed, turned as the detector is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

import numpy as np
from attrs import evolve, frozen

from latcal.engine import arrival
from latcal.errors import BuildError
from latcal.model.crosstalk import Coefficients
from latcal.model.frames import Frame
from latcal.model.geometry import Amplifier, Box, Preparation
from latcal.numerics import crosstalk, overscan, statistics
from latcal.numerics.arrays import Pixels

T = TypeVar("T")


@frozen(eq=False)
class Prepared:
    """One amplifier in electrons, and what its readout tells; the figures are those of `AmplifierFrame`.

    Parameters
    ----------
    pixels : (ny, nx) [electron]
        NaN where saturated or without value.
    """

    pixels: Pixels
    read_noise: float
    read_noise_error: float
    frame_noise: float
    level: float
    pedestal: float
    saturated: int
    without_number: int


@frozen(eq=False)
class _Read:
    """One amplifier as read out, and what its serial overscan tells."""

    found: overscan.WithPedestals
    without_number: int


def to_electrons(frame: Frame, preparation: Preparation) -> dict[str, Prepared]:
    """Give the amplifiers of a raw frame in electrons, by name: `each_in_electrons`, all at once."""
    return dict(each_in_electrons(frame, preparation))


def each_in_electrons(frame: Frame, preparation: Preparation) -> Iterator[tuple[str, Prepared]]:
    """Give the amplifiers of a raw frame in electrons, one after another.

    Crosstalk is seen among the pixels that are read at the same time: after the serial overscan, without which there
    is no signal to speak of, before the parallel one, which sees it as well, and before anything is turned.

    Parameters
    ----------
    frame : Frame
        With raw pixels [adu].
    preparation : Preparation

    Yields
    ------
    str, Prepared
        The name of an amplifier, and what it shows.

    Raises
    ------
    BuildError
        If an amplifier's raw image has too few values or another shape than the detector says, or its overscan cannot
        be subtracted; every such amplifier is named, after all others were given.
    """
    read, finish = partial(_read, frame, preparation), partial(_finish, preparation)
    if not preparation.on(frame.detector).crosstalk:
        yield from _each(frame, lambda amplifier, place: finish(read(amplifier, place), amplifier, place))
        return
    every = dict(_each(frame, lambda amplifier, place: _signal(read(amplifier, place))))
    every = _without_crosstalk(every, frame.detector.crosstalk)  # what was read is let go, and each when it is done
    yield from _each(frame, lambda amplifier, place: finish(every.pop(amplifier.name), amplifier, place))


def _each(frame: Frame, work: Callable[[Amplifier, str], T]) -> Iterator[tuple[str, T]]:
    """Do something for every amplifier, given its place; name all for which it cannot be done."""
    faults = dict[str, BuildError]()
    for amplifier in frame.detector.amplifiers:
        place = f"exposure {frame.exposure.id}, detector {frame.detector.name}, amplifier {amplifier.name}"
        try:
            done = work(amplifier, place)
        except BuildError as error:
            faults[amplifier.name] = error
        else:
            yield amplifier.name, done
    if faults:
        first, *others = faults
        more = f"; likewise amplifiers {', '.join(others)}" if others else ""
        raise BuildError(f"{faults[first]}{more}") from faults[first]


@contextmanager
def _at(place: str) -> Iterator[None]:
    try:
        yield
    except BuildError as error:
        raise BuildError(f"{place}: {error}") from error


def _read(frame: Frame, preparation: Preparation, amplifier: Amplifier, place: str) -> _Read:
    raw = frame.pixels(amplifier)
    without_number = arrival.check_pixels(raw, amplifier, place)
    with _at(place):
        found = overscan.measure_pedestals(
            raw,
            amplifier.data.slices,
            _slices(amplifier.serial_overscan),
            _slices(amplifier.parallel_overscan),
            model=preparation.serial,
            skip=preparation.skip,
            clip=preparation.clip,
            smooth=preparation.smooth,
        )
    return _Read(found, without_number)


def _signal(read: _Read) -> _Read:
    return evolve(read, found=read.found.signal())


def _without_crosstalk(every: Mapping[str, _Read], coefficients: Coefficients) -> dict[str, _Read]:
    free = crosstalk.subtract({name: one.found.pixels for name, one in every.items()}, coefficients)
    return {name: evolve(one, found=one.found.with_signal(free[name])) for name, one in every.items()}


def _finish(preparation: Preparation, read: _Read, amplifier: Amplifier, place: str) -> Prepared:
    gain = amplifier.gain
    pixels = np.empty(amplifier.data.shape, np.float32)
    turned = pixels[:: -1 if amplifier.flip_y else 1, :: -1 if amplifier.flip_x else 1]
    with _at(place):
        found = overscan.subtract_parallel(
            read.found,
            model=preparation.parallel,
            clip=preparation.clip,
            nominal_read_noise=amplifier.read_noise / gain,
            saturation=amplifier.saturation,
            scale=gain,
            out=turned,
        )
    return Prepared(
        pixels=pixels,
        read_noise=gain * found.read_noise,
        read_noise_error=gain * found.read_noise_error,
        frame_noise=gain * found.frame_noise,
        level=statistics.level(pixels),
        pedestal=found.pedestal,
        saturated=found.saturated,
        without_number=read.without_number,
    )


def _slices(box: Box | None) -> tuple[slice, slice] | None:
    return None if box is None else box.slices
