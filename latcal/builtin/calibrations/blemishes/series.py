"""Darks and flats of one amplifier, made ready to find defects in."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from attrs import frozen

from latcal.numerics import combine, correct, instability
from latcal.numerics.arrays import Mask, Pixels, Read
from latcal.numerics.stacks import Combined
from latcal.plugin import MASK_PLANES, AmplifierFrame, AmplifierInputs, BuildError, combining

LITTLE = 0.25
"""So much of an amplifier being 0 is no bias of it: one that does not answer has one value everywhere; latcal's choice."""
_BAD = np.uint8(1 << MASK_PLANES["BAD"])


@frozen(eq=False)
class Series:
    """Frames of one image type.

    Parameters
    ----------
    reads : tuple of Read of (ny, nx) [electron]
        Bias subtracted, and of flats the dark signal of their own time; NaN where saturated.
    scales : tuple of float
        What each is divided by: its dark time [s], or its level of light [electron].
    shape : (ny, nx)
    """

    frames: tuple[AmplifierFrame, ...]
    reads: tuple[Read, ...]
    scales: tuple[float, ...]
    shape: tuple[int, int]

    @property
    def noise(self) -> list[float]:
        """Noise of a pixel without signal in each frame [electron]."""
        return [frame.frame_noise for frame in self.frames]

    def image(self, number: int) -> Pixels:
        """Give one frame, divided by its scale."""
        pixels: Pixels = self.reads[number](combining.WHOLE) / np.float32(self.scales[number])
        return pixels

    def rate(self) -> Combined:
        """Make darks one [electron / s]."""
        return combine.rate(self.reads, self.scales, self.noise, self.shape)

    def response(self) -> Pixels:
        """Make flats one; those of more light count more."""
        weights = combining.light_weights(self.frames, self.scales)
        combined = combine.mean(self.reads, self.noise, self.shape, scale=self.scales, weights=weights, poisson=True)
        return combined.image

    def unstable(self, limit: float) -> Mask:
        """Find the pixels that scatter from dark to dark more than their noise explains."""
        return instability.find(self.reads, self.scales, self.noise, self.shape, limit=limit).unstable

    def saturated(self) -> Mask:
        """Find the pixels that have no value in half of the frames or more: no cosmic ray, and no single bad frame."""
        missing = np.zeros(self.shape, dtype=np.uint16)
        for frame in self.frames:
            if frame.saturated or frame.without_number:
                missing += np.isnan(frame.reader(combining.WHOLE))
        found: Mask = 2 * missing >= max(len(self.frames), 1)
        return found


def darks(inputs: AmplifierInputs) -> Series:
    """Give the darks of a stage: none if it has none."""
    frames, bias = _taken(inputs, "dark"), without_map(inputs)
    reads = tuple(correct.subtract(frame.reader, bias) for frame in frames)
    return Series(frames, reads, tuple(frame.exposure.dark_time_s for frame in frames), inputs.shape)


def flats(inputs: AmplifierInputs, rate: Pixels | None) -> Series:
    """Give the flats of a stage that saw light: none if it has none.

    Parameters
    ----------
    rate : (ny, nx) [electron / s] or None
        Dark signal, which a hot pixel has in a flat too.

    Raises
    ------
    BuildError
        If there are flats and none of them saw light.
    """
    taken, bias = _taken(inputs, "flat"), without_map(inputs)
    lights = [combining.light_of(inputs, frame) for frame in taken]
    lit = [at for at, light in enumerate(lights) if light > combining.FAINTEST]
    if taken and not lit:
        raise BuildError(
            f"none of the {len(taken)} flats saw light: the brightest has {max(lights):.2g} electron "
            "(see to the lamp, or leave the flats out of the stage)"
        )
    reads = [correct.subtract(taken[at].reader, bias) for at in lit]
    if rate is not None:
        signal = _reader(np.nan_to_num(rate, nan=0.0))
        times = [taken[at].exposure.dark_time_s for at in lit]
        reads = [correct.subtract_scaled(read, signal, time) for read, time in zip(reads, times, strict=True)]
    return Series(tuple(taken[at] for at in lit), tuple(reads), tuple(lights[at] for at in lit), inputs.shape)


def without_map(inputs: AmplifierInputs) -> Read:
    """Give what reads the bias; where an older map of defects left it without value, that is taken for 0.

    Or what is in a map would be in every later one: a pixel without bias has no value in any frame. The structure of a
    bias is a few electrons, the cuts are tens and more.
    """
    bias = inputs.need("bias")
    if not bias.facts.get("defects"):
        return bias.reader  # type: ignore[no-any-return]

    def read(rows: slice) -> Pixels:
        pixels: Pixels = np.where((bias.mask.read(rows) & _BAD) != 0, np.float32(0.0), bias.reader(rows))
        return pixels

    return read


def bias_to_judge(inputs: AmplifierInputs) -> Pixels | None:
    """Give the bias to look for bright and silent pixels in; None if an older map has left little of the amplifier."""
    pixels = without_map(inputs)(combining.WHOLE)
    return None if inputs.need("bias").facts.get("defects", 0.0) >= LITTLE * pixels.size else pixels


def _taken(inputs: AmplifierInputs, image: str) -> tuple[AmplifierFrame, ...]:
    return tuple(frame for frame in inputs.frames if frame.exposure.image == image)


def _reader(pixels: Pixels) -> Callable[[slice], Pixels]:
    return lambda rows: pixels[rows]
