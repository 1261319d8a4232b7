"""Raw frames as plain FITS: one image for each amplifier, the facts of the exposure in the primary header.

Of the instruments of Rubin Observatory they are what these write: a file for each exposure and detector, its amplifiers
in the order of the camera, whole numbers of 32 bits, compressed by Rice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.errors import StoreError
from latcal.formats.blocks import blocks, find_block
from latcal.formats.cards import amplifier_cards, exposure_of, image_cards, place_cards, primary_cards
from latcal.formats.images import Image, image_of
from latcal.formats.keywords import OWN, put_card, put_cards
from latcal.model.frames import Frame, RawPixels
from latcal.model.geometry import Amplifier, Detector

if TYPE_CHECKING:  # astropy.io.fits is imported when the first file is written or read
    from astropy.io import fits

__all__ = ["FitsPixels", "checksum", "exposure_of", "headers", "read_raw", "write_raw"]

TILE_ROWS = 64
"""Rows compressed together; our choice. LATISS compresses each row for itself (ZTILE 576 x 1), which takes several times
longer to write and to read. What is read is the same.
"""


def write_raw(frame: Frame, path: Path, *, compress: bool) -> None:
    """Write a raw frame.

    Parameters
    ----------
    frame : Frame
    path : Path
        Replaced if it exists. Not atomic: who needs that writes elsewhere and moves.
    compress : bool
        Compress each image without loss (Rice for whole numbers). The image of a detector that has it in the primary
        HDU stays as it is: FITS cannot compress that.

    Raises
    ------
    StoreError
        If a header value cannot be written, or amplifiers ask for extensions that cannot be.
    OSError
        If the file cannot be written.
    """
    from astropy.io import fits

    primary = fits.PrimaryHDU()
    hdus = [primary]
    for extension, amplifiers in _by_extension(frame.detector):
        image = _image(frame, amplifiers)
        if extension == 0:
            primary.data = image
            header = primary.header
        else:
            while isinstance(extension, int) and len(hdus) < extension:
                hdus.append(fits.ImageHDU())
            hdus.append(_image_hdu(image, compress=compress))
            header = hdus[-1].header
            header["EXTNAME"] = str(extension) if isinstance(extension, str) else amplifiers[0].name
            put_cards(header, image_cards(frame))
        for number, amplifier in enumerate(amplifiers, 1):
            for word, value, comment in amplifier_cards(frame.detector, amplifier):
                key = word if len(amplifiers) == 1 else f"{word[: 8 - len(str(number))]}{number}"
                put_card(header, key, value, comment)
    put_cards(primary.header, place_cards(frame))
    put_cards(primary.header, ((word, value, "") for word, value in frame.header.items() if word.upper() not in OWN))
    put_cards(primary.header, primary_cards(frame))
    primary.verify("exception")  # it has what a camera says; the headers of the images are latcal's own
    fits.HDUList(hdus).writeto(path, overwrite=True, output_verify="ignore")


def _image_hdu(image: NDArray[Any], *, compress: bool) -> fits.ImageHDU | fits.CompImageHDU:
    from astropy.io import fits

    if not compress:
        return fits.ImageHDU(image)
    tile = (min(TILE_ROWS, image.shape[0]), image.shape[1])
    if image.dtype.kind == "i":
        return fits.CompImageHDU(image, compression_type="RICE_1", tile_shape=tile)
    return fits.CompImageHDU(image, compression_type="GZIP_2", tile_shape=tile, quantize_level=0.0)


def _by_extension(detector: Detector) -> list[tuple[str | int, list[Amplifier]]]:
    """Group amplifiers by the HDU that holds them: numbered ones first, in order, then named ones."""
    groups: dict[str | int, list[Amplifier]] = {}
    for amplifier in detector.amplifiers:
        groups.setdefault(amplifier.extension, []).append(amplifier)
    return sorted(groups.items(), key=lambda group: (isinstance(group[0], str), 0 if isinstance(group[0], str) else group[0]))


def _whole(amplifiers: list[Amplifier]) -> tuple[int, int]:
    return max(a.raw.y1 for a in amplifiers), max(a.raw.x1 for a in amplifiers)


def _image(frame: Frame, amplifiers: list[Amplifier]) -> NDArray[Any]:
    parts = [np.asarray(frame.raw(amplifier)) for amplifier in amplifiers]
    for amplifier, part in zip(amplifiers, parts, strict=True):
        if part.shape != amplifier.raw.shape:
            raise StoreError(
                f"exposure {frame.exposure.id}, {frame.detector.name} {amplifier.name}: the pixels are "
                f"{_size(part.shape)}, not {_size(amplifier.raw.shape)} (mend the instrument file or the camera)"
            )
    whole = all(map(_is_whole, parts))
    image = np.zeros(_whole(amplifiers), np.int32 if whole else np.float32)
    for amplifier, part in zip(amplifiers, parts, strict=True):
        image[amplifier.raw.slices] = part
    return image


def _is_whole(pixels: NDArray[Any]) -> bool:
    """Tell whether int32 holds the pixels exactly."""
    if pixels.dtype.kind in "biu" and pixels.dtype.itemsize < 4:
        return True
    if pixels.dtype.kind == "f" and not (np.isfinite(pixels).all() and (pixels == np.rint(pixels)).all()):
        return False
    return not pixels.size or (int(pixels.min()) >= -(2**31) and int(pixels.max()) < 2**31)


def read_raw(path: Path, detector: Detector) -> tuple[Mapping[str, Any], RawPixels]:
    """Open a raw frame of a detector: its header now, its pixels when asked for.

    Returns
    -------
    header : mapping
        Of the primary HDU; without comments and history.
    raw : RawPixels
        Picklable; opens the file for each call.

    Raises
    ------
    StoreError
        If the file is missing, empty, cut short or not FITS, or has not the images that the detector wants. A later
        call of `raw` raises it too, if the file has changed.
    """
    found, images = blocks(path), dict[str | int, Image]()
    for extension, amplifiers in _by_extension(detector):
        block = find_block(found, extension, path)
        if block.shape != _whole(amplifiers):
            raise StoreError(
                f"{path}: the image of extension {extension!r} is {_size(block.shape)}, and {detector.name} wants "
                f"{_size(_whole(amplifiers))} (is it a frame of another instrument or readout?)"
            )
        images[extension] = image_of(path, block.cards, block.shape, block.places, block.check)
    return found[0].header, FitsPixels(path, images)


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in reversed(shape)) + " pixels" if shape else "empty"


@frozen
class FitsPixels:
    """Reads one amplifier of a FITS file at each call; nothing is kept open."""

    path: Path
    images: Mapping[str | int, Image]

    def __call__(self, amplifier: Amplifier) -> NDArray[Any]:
        """Read the raw image of one amplifier, (ny, nx) of its raw box [adu]."""
        try:
            pixels = self.images[amplifier.extension].read(amplifier.raw.slices)
        except (StoreError, OSError, KeyError, IndexError, ValueError, TypeError) as error:
            raise StoreError(f"{self.path}: amplifier {amplifier.name} cannot be read ({error})") from error
        if pixels.shape != amplifier.raw.shape:
            raise StoreError(
                f"{self.path}: amplifier {amplifier.name} is {_size(pixels.shape)}, not {_size(amplifier.raw.shape)}"
            )
        return pixels


def headers(path: Path) -> tuple[Mapping[str, Any], ...]:
    """Read the header of every HDU of a file, without its pixels.

    Raises
    ------
    StoreError
        If the file is missing, empty, cut short or not FITS.
    """
    return tuple(block.header for block in blocks(path))


def checksum(path: Path) -> str:
    """Give the SHA-256 of a file, in hexadecimal.

    Raises
    ------
    StoreError
        If it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror})") from error
