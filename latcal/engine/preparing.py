"""Put pixels where workers find them: prepared frames and needed products, as scratch files.

A frame is prepared once: `latcal.engine.electrons`. Each raw byte is decoded here and nowhere else; builds and
verifications read rows of the scratch file.
"""

from __future__ import annotations

import hashlib
import math
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import evolve
from numpy.typing import NDArray

from latcal.engine.electrons import Prepared, each_in_electrons
from latcal.errors import BuildError, StoreError
from latcal.model.frames import AmplifierFrame, Frame, Plane
from latcal.model.geometry import Box, Detector, Preparation
from latcal.model.products import MASK_PLANES, NOWHERE, AmplifierProduct, Product, ProductRef

__all__ = ["prepare", "spill"]

_NONE = np.empty((0, 0), np.float32)

_LEFT_OUT = ("kept",)
"""Planes that no worker reads."""
_OWN = ("image", "variance", "mask")
"""Planes that are of the detector's pixels; of others those are cut that are of its shape."""

def prepare(frame: Frame, preparation: Preparation, folder: Path) -> dict[str, AmplifierFrame]:
    """Prepare every amplifier of a frame and write it into one scratch file.

    Parameters
    ----------
    frame : Frame
        With raw pixels [adu].
    preparation : Preparation
        How its overscans and crosstalk are subtracted.
    folder : Path
        Where the scratch file goes; made if it is not there. A name stands for one exposure, detector and
        preparation, and is never seen half-written.

    Returns
    -------
    dict of str to AmplifierFrame
        By amplifier; pixels float32 [electron] by the nominal gain, NaN where saturated or without value. The level
        of the detector is the mean over the amplifiers that have one.

    Raises
    ------
    BuildError
        If an amplifier's raw image has too few values or another shape than the detector says, or its overscan cannot
        be subtracted; every such amplifier is named.
    StoreError
        If the scratch file cannot be written.
    """
    key = hashlib.sha256(repr(preparation).encode()).hexdigest()[:12]
    name = f"frame-{frame.exposure.id}-{frame.detector.id}-{key}.f32"
    prepared = dict[str, Prepared]()

    def pixels() -> Iterator[NDArray[Any]]:
        # each amplifier is written before the next is read: no more than one is in memory
        for amplifier, one in each_in_electrons(frame, preparation):
            prepared[amplifier] = evolve(one, pixels=_NONE)
            yield one.pixels

    planes = _write(folder / name, pixels())
    detector_level = _mean(one.level for one in prepared.values())
    return {
        name: AmplifierFrame(
            exposure=frame.exposure,
            pixels=plane,
            read_noise=one.read_noise,
            read_noise_error=one.read_noise_error,
            frame_noise=one.frame_noise,
            level=one.level,
            detector_level=detector_level,
            pedestal=one.pedestal,
            saturated=one.saturated,
            without_number=one.without_number,
        )
        for (name, one), plane in zip(prepared.items(), planes, strict=True)
    }


def spill(product: Product, ref: ProductRef, detector: Detector, folder: Path) -> dict[str, AmplifierProduct]:
    """Write the planes of a needed product into one scratch file, amplifier by amplifier.

    Parameters
    ----------
    product : Product
    ref : ProductRef
        Its name.
    detector : Detector
        Whose amplifiers it is cut into.
    folder : Path
        Where the scratch file goes; made if it is not there.

    Returns
    -------
    dict of str to AmplifierProduct
        By amplifier; the image is NaN where the mask says NO_DATA or BAD. A plane that the product does not have is
        empty. A fact of the detector is the mean over the amplifiers that have a number.

    Raises
    ------
    BuildError
        If a plane does not have the shape of the detector.
    StoreError
        If the scratch file cannot be written.
    """
    names = [name for name, plane in product.planes.items() if name in _OWN or plane.shape == detector.shape]
    names = [name for name in names if name not in _LEFT_OUT]
    for name in names:
        if product.planes[name].shape != detector.shape:
            raise BuildError(
                f"{ref}: its {name} of {product.planes[name].shape} pixels is not of the shape of detector "
                f"{detector.name}, {detector.shape} (make it again for this instrument)"
            )
    cut = [_plane(product, name, amplifier.position) for amplifier in detector.amplifiers for name in names]
    key = hashlib.sha256(ref.id.encode()).hexdigest()[:24]
    planes = iter(_write(folder / f"product-{key}-{detector.id}.f32", cut) if cut else [])
    facts = {amplifier.name: product.facts(amplifier.name) for amplifier in detector.amplifiers}
    whole = {name: _mean(one.get(name, math.nan) for one in facts.values()) for name in _names(facts.values())}
    spilled = {}
    for amplifier in detector.amplifiers:
        mine = {name: next(planes) for name in names}
        image, variance, mask = (mine.pop(name, NOWHERE) for name in ("image", "variance", "mask"))
        spilled[amplifier.name] = AmplifierProduct(
            ref, product.unit, image, variance, facts[amplifier.name], whole, mask, mine
        )
    return spilled


def _plane(product: Product, name: str, position: Box) -> NDArray[Any]:
    if name not in ("image", "variance"):
        return np.ascontiguousarray(product.planes[name][position.slices])
    pixels = np.array(product.planes[name][position.slices], dtype=np.float32)
    mask = product.planes.get("mask")
    if name == "image" and mask is not None:
        unusable = (1 << MASK_PLANES["NO_DATA"]) | (1 << MASK_PLANES["BAD"])
        pixels[(mask[position.slices] & unusable) != 0] = np.nan
    return pixels


def _write(path: Path, planes: Iterable[NDArray[Any]]) -> list[Plane]:
    """Write planes one after another into a file that appears when it is whole."""
    written, offset, draft = [], 0, None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
        with os.fdopen(handle, "wb") as file:
            for pixels in planes:
                ny, nx = pixels.shape
                written.append(Plane(str(path), offset, (ny, nx), pixels.dtype.name))
                offset += file.write(np.ascontiguousarray(pixels).data)
        Path(draft).replace(path)
        draft = None
    except OSError as error:
        raise StoreError(f"{path}: a scratch file cannot be written: {error.strerror or error}") from error
    finally:
        if draft is not None:
            Path(draft).unlink(missing_ok=True)
    return written


def _names(rows: Iterable[Mapping[str, float]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _mean(values: Iterable[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.nan
