"""What calibration types that combine frames share: checks, preparation, and the part that comes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from attrs import evolve, frozen
from numpy.typing import NDArray

from latcal import numerics
from latcal.errors import BuildError
from latcal.model.frames import AmplifierFrame
from latcal.model.geometry import Preparation
from latcal.model.options import option
from latcal.model.products import MASK_PLANES, AmplifierProduct
from latcal.model.recipe import Sequence as Exposed
from latcal.plugin.inputs import AmplifierInputs, Part

if TYPE_CHECKING:
    from latcal.numerics.arrays import Mask, Pixels, Read, Wide
    from latcal.numerics.stacks import Combined

Facts = Mapping[str, tuple[float, str]]
WHOLE = slice(None)
OVERSCAN = "Overscan models, all of them, in place of those of the instrument; left out, its own."
"""Help of the option `overscan`."""
CROSSTALK = "Whether crosstalk is subtracted, where the instrument file has coefficients of it."
"""Help of the option `crosstalk`."""
DEFECTS = "Whether defects are left out: pixels of a defect map, which is then needed, have no value."
"""Help of the option `defects`."""
FAINTEST = 10.0
"""A frame of fewer electrons is none of a flat: about the noise of one pixel; latcal's choice."""
_BAD = 1 << MASK_PLANES["BAD"]


def defects(options: Any) -> frozenset[str]:
    """Give the defect map among the kinds that are needed, where the option `defects` asks for it."""
    return frozenset({"defects"}) if options.defects else frozenset()


def reader(inputs: AmplifierInputs, frame: AmplifierFrame) -> Read:
    """Give what reads a frame; where a defect map is needed, its pixels have no value."""
    if "defects" not in inputs.needs:
        return frame.reader  # type: ignore[no-any-return]
    return numerics.correct.masked(frame.reader, inputs.need("defects").mask.read, _BAD)


def saturated_part(inputs: AmplifierInputs, signal: Pixels) -> float:
    """Give the part of the pixels of a frame that light has filled: without value, though the bias has one there.

    Parameters
    ----------
    inputs : AmplifierInputs
        Which needs a bias; pixels of a defect map that is needed do not count.
    signal : (ny, nx)
        The frame, corrected as `reader` and the bias do it.
    """
    good = np.isfinite(inputs.need("bias").reader(WHOLE))
    if "defects" in inputs.needs:
        good &= (inputs.need("defects").mask.read() & np.uint8(_BAD)) == 0
    valued = int(np.count_nonzero(good))
    return int(np.count_nonzero(good & np.isnan(signal))) / valued if valued else 0.0


def in_adu(inputs: AmplifierInputs, frame: AmplifierFrame) -> Pixels:
    """Give a frame minus the bias in the counts that it was read in, (ny, nx) [adu]; NaN at defects, as `reader`."""
    signal = numerics.correct.subtract(reader(inputs, frame), inputs.need("bias").reader)(WHOLE)
    return signal / np.float32(inputs.amplifier.gain)


def above_zero(_: Any, attribute: Any, value: float) -> None:
    """Refuse an option that is not above zero: a validator of attrs."""
    if not value > 0:
        raise ValueError(f"{value} is not above 0", f"write '{attribute.name}: {attribute.default}'")


def not_below_zero(_: Any, attribute: Any, value: float) -> None:
    """Refuse an option that is below zero: a validator of attrs."""
    if not value >= 0:
        raise ValueError(f"{value} is not at least 0", f"write '{attribute.name}: {attribute.default}'")


def at_least(least: float) -> Callable[[Any, Any, float], None]:
    """Give a validator of attrs that refuses an option below `least`."""

    def validate(_: Any, attribute: Any, value: float) -> None:
        if not value >= least:
            raise ValueError(f"{value} is not {least:g} or more", f"write '{attribute.name}: {max(attribute.default, least)}'")

    return validate


@frozen
class OverscanOptions:
    """How overscans are subtracted, in place of the instrument's own way; the defaults are `Preparation`'s."""

    serial: Literal["mean per row", "median per row", "constant", "none"] = option(
        "mean per row", help="Model of the serial overscan; plain medians add noise, 'constant' suits few columns."
    )
    parallel: Literal["line", "constant", "mean per column", "median per column", "none"] = option(
        "line", help="Model of the parallel overscan."
    )
    skip: int = option(3, help="Columns or rows left out at both ends of an overscan.", validator=not_below_zero)
    clip: float = option(5.0, help="Sigma beyond which an overscan sample is an outlier.", validator=above_zero)
    smooth: float = option(
        1.0, help="Width in rows of the Gaussian that smooths a model per row; 0 for none.", validator=not_below_zero
    )


def preparation(options: Any) -> Preparation | None:
    """Give the preparation that the option `overscan`, an `OverscanOptions`, asks for; None for the instrument's own."""
    chosen = options.overscan
    if chosen is None:
        return None
    return Preparation(chosen.serial, chosen.parallel, chosen.skip, chosen.clip, chosen.smooth)


def crosstalk(options: Any) -> bool:
    """Say whether the option `crosstalk` asks for crosstalk to be subtracted."""
    return bool(options.crosstalk)


def part(
    inputs: AmplifierInputs, stack: Sequence[Read], combined: Combined, *, unit: str, facts: Facts | None = None
) -> Part:
    """Make the part of one amplifier out of combined frames.

    Parameters
    ----------
    inputs : AmplifierInputs
    stack : sequence of Read of (ny, nx)
        What was combined.
    combined : Combined
    unit : str
        Of its image.
    facts : mapping of str to (float, str)
        More numbers for the amplifier's row.

    Returns
    -------
    Part
        Planes ``image``, ``variance``, ``mask`` (NO_DATA where the image has no value, SATURATED where an input has no
        value, REJECTED where one was left out for its value, BAD where a defect map that was used says so) and ``kept``.
    """
    planes: dict[str, NDArray[Any]] = {
        "image": combined.image,
        "variance": combined.variance,
        "mask": _mask(inputs, stack, combined),
        "kept": combined.kept,
    }
    return Part(planes, {**_facts_of(inputs), **_facts(combined, unit), **(facts or {})})


def image_part(pixels: Pixels, unit: str) -> Part:
    """Make a part of one image: its plane, NO_DATA where it has no value, and its level."""
    mask = _no_data(pixels)
    return Part({"image": pixels, "mask": mask}, {"level": (numerics.statistics.level(pixels), unit)})


def residual_part(inputs: AmplifierInputs, pixels: Pixels, variance: Wide | float) -> Part:
    """Make the part of what is left of the one frame of `inputs`: its planes, and its level.

    Parameters
    ----------
    pixels : (ny, nx) [electron]
        NaN where the frame, or what was subtracted of it, has no value.
    variance : (ny, nx), or one number for all [electron^2]
        Of the frame itself: what the products that were subtracted from it, or divide it, add is in their own planes.

    Returns
    -------
    Part
        Planes ``image``, ``variance`` and ``mask``: NO_DATA where the image has no value, SATURATED where the frame has none,
        BAD where a defect map that was used says so.
    """
    (frame,) = inputs.frames
    mask = _no_data(pixels) | frame_mask(frame, frame.reader(WHOLE)) | _defective(inputs)
    spread = np.where(np.isfinite(pixels), variance, np.nan).astype(np.float32)
    return Part({"image": pixels, "mask": mask, "variance": spread}, {"level": (numerics.statistics.level(pixels), "electron")})


def frame_mask(frame: AmplifierFrame, pixels: Pixels) -> NDArray[np.uint8]:
    """Name the pixels of a prepared frame that have no value: NO_DATA, and SATURATED where some of it is."""
    mask = _no_data(pixels)
    if frame.saturated:
        mask[np.isnan(pixels)] |= np.uint8(1 << MASK_PLANES["SATURATED"])
    return mask


def unit_of(parts: Sequence[Part]) -> str:
    """Give the unit of the parts' images: that of their levels."""
    return parts[0].facts["level"][1]


def frame_noise_of(frames: Iterable[AmplifierFrame]) -> float:
    """Give the root mean square of the frames' noise [electron]."""
    return float(np.sqrt(np.mean([frame.frame_noise**2 for frame in frames])))


def level_of(product: AmplifierProduct) -> float:
    """Give the level of a needed product over its detector, in its unit.

    Raises
    ------
    BuildError
        If the product does not say it.
    """
    level = product.detector_facts.get("level")
    if level is None:
        raise BuildError(f"{product.ref} has no 'level' in its table of amplifiers (make it again with latcal)")
    return level


def light_of(inputs: AmplifierInputs, frame: AmplifierFrame) -> float:
    """Give the level of light over the detector of a flat [electron]: the one scale of an exposure.

    The bias is taken off, and the dark in the frame's dark time where a dark is needed.
    """
    dark = level_of(inputs.need("dark")) * frame.exposure.dark_time_s if "dark" in inputs.needs else 0.0
    return frame.detector_level - level_of(inputs.need("bias")) - dark


def light_weights(frames: Sequence[AmplifierFrame], lights: Sequence[float]) -> list[float] | None:
    """Weight flats of different times by their inverse variance where the flat is 1; those of one time equally."""
    if len({frame.exposure.time_s for frame in frames}) == 1:
        return None
    return [light * light / (frame.frame_noise**2 + light) for frame, light in zip(frames, lights, strict=True)]


def nothing(shape: tuple[int, int]) -> Combined:
    """Give what comes of no frames that count: an image without any value."""
    empty = np.full(shape, np.nan, dtype=np.float32)
    return numerics.stacks.Combined(empty, empty.copy(), np.zeros(shape, dtype=np.uint16), 0, 1.0, math.nan, None)


def above(combined: Combined, least: float) -> Combined:
    """Leave out the pixels whose image is below `least`: they have no data."""
    with np.errstate(invalid="ignore"):
        usable = combined.image >= np.float32(least)
    empty = np.float32(np.nan)
    return evolve(
        combined, image=np.where(usable, combined.image, empty), variance=np.where(usable, combined.variance, empty)
    )


def times_that_fit(sequences: Iterable[Exposed], fits: Callable[[float], bool], hint: str) -> Iterator[tuple[str, str]]:
    """Give a problem, with the hint, for every sequence that asks for a time which does not fit."""
    for sequence in sequences:
        for time in sorted({time for time in sequence.exposures.times_s if not fits(time)}):
            yield f"sequence {sequence.name!r}: {time:g} s is not a time for {sequence.image} frames", hint


def no_levels(sequences: Iterable[Exposed]) -> Iterator[tuple[str, str]]:
    """Give a problem for every sequence that asks for a level where there is no light."""
    for sequence in sequences:
        lit = [group for group in sequence.exposures.groups if any(one.level is not None for one in group)]
        for level in dict.fromkeys(str(group).partition(" x ")[2] for group in lit):
            yield (
                f"sequence {sequence.name!r}: {level} is not what {sequence.image} frames can be exposed to",
                "write a time, such as '30 s'",
            )


def _mask(inputs: AmplifierInputs, stack: Sequence[Read], combined: Combined) -> NDArray[np.uint8]:
    mask = _no_data(combined.image)
    if combined.rejected:
        mask[_left_out(stack, combined)] |= np.uint8(1 << MASK_PLANES["REJECTED"])
    for frame in inputs.frames:
        if frame.saturated:
            mask |= frame_mask(frame, frame.reader(WHOLE)) & np.uint8(1 << MASK_PLANES["SATURATED"])
    return mask | _defective(inputs)


def _defective(inputs: AmplifierInputs) -> NDArray[np.uint8]:
    """Name the pixels of a defect map that is needed."""
    if "defects" not in inputs.needs:
        return np.zeros(inputs.shape, dtype=np.uint8)
    found: NDArray[np.uint8] = inputs.need("defects").mask.read() & np.uint8(_BAD)
    return found


def _left_out(stack: Sequence[Read], combined: Combined) -> Mask:
    """Tell where a sample was left out for its value: as the combination says, or by what the frames hold."""
    if combined.left_out is not None:
        return combined.left_out
    valued = np.zeros(combined.kept.shape, dtype=np.uint16)
    for read in stack:
        valued += np.isfinite(read(WHOLE))
    return combined.kept < valued


def _no_data(pixels: Pixels) -> NDArray[np.uint8]:
    return np.where(np.isfinite(pixels), np.uint8(0), np.uint8(1 << MASK_PLANES["NO_DATA"]))


def _facts_of(inputs: AmplifierInputs) -> Facts:
    """Average what the frames say of their readout."""
    frames = inputs.frames
    rounding = inputs.amplifier.gain**2 / 12.0
    added = [
        (frame.frame_noise**2 - rounding) / frame.read_noise**2 - 1.0 for frame in frames if frame.read_noise > 0.0
    ]
    return {
        "frames": (float(len(frames)), ""),
        "gain": (inputs.amplifier.gain, "electron / adu"),
        "read_noise": (float(np.mean([frame.read_noise for frame in frames])), "electron"),
        "frame_noise": (frame_noise_of(frames), "electron"),
        "overscan_variance": (float(np.mean(added)) if added else 0.0, ""),
        "pedestal": (float(np.mean([frame.pedestal for frame in frames])), "adu"),
        "saturated": (float(sum(frame.saturated for frame in frames)), ""),
        **defect_facts(inputs),
    }


def defect_facts(inputs: AmplifierInputs) -> Facts:
    """Say how many pixels a defect map left out, if one was used."""
    if "defects" not in inputs.needs:
        return {}
    bad = inputs.need("defects").mask.read() & np.uint8(_BAD)
    return {"defects": (float(np.count_nonzero(bad)), "")}


def _facts(combined: Combined, unit: str) -> Facts:
    sample = math.nan if combined.quality is None else math.sqrt(numerics.statistics.level(combined.quality))
    return {
        "level": (numerics.statistics.level(combined.image), unit),
        "model_sigma": (combined.model_sigma, unit),
        "sample_sigma": (sample, unit),
        "clip_efficiency": (combined.clip_efficiency, ""),
        "kept": (float(combined.kept.mean()), ""),
        "rejected": (float(combined.rejected), ""),
    }
