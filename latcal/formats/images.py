"""The image of one HDU, read from where it lies in its file.

Plain images, and whole numbers compressed by Rice in tiles of whole rows, are read here: from the bytes at a known place, with
no header parsed again. Whatever else FITS allows is left to astropy, which is given that one HDU.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from latcal.errors import StoreError
from latcal.formats.rice import Tiles

_PRIMARY: Final = "".join(
    card.ljust(80) for card in ("SIMPLE  =                    T", "BITPIX  =                    8", "NAXIS   =                    0", "END")
).ljust(2880).encode()
"""An empty primary HDU, in front of an extension that is read alone."""

Section = tuple[slice, slice]


@frozen
class Image:
    """Reads a part of one image at each call; picklable, and nothing is kept open.

    Parameters
    ----------
    path : Path
    begin, data, end : int
        Its first byte, that of its data, and the one after them.
    check : int
        CRC 32 of its header: the file is still what it was.
    shape : (ny, nx)
    dtype : str or None
        Of the bytes, where the image is plain.
    tiles : Tiles or None
        Where it is compressed by Rice.
    unsigned : bool
        Whether the numbers are stored less half of their range, as FITS does with unsigned ones.
    """

    path: Path
    begin: int
    data: int
    end: int
    check: int
    shape: tuple[int, ...]
    dtype: str | None
    tiles: Tiles | None
    unsigned: bool

    def read(self, section: Section) -> NDArray[Any]:
        """Read a part of the image, (ny, nx), scaled as its header says, in the byte order of this machine.

        Raises
        ------
        StoreError
            If the file is not what it was when this was made.
        OSError
            If it cannot be read.
        ValueError
            If its bytes are not what the header says.
        """
        pixels = self(section[0])[:, section[1]]
        return pixels.astype(pixels.dtype.newbyteorder("="), copy=not pixels.flags.owndata)

    def __call__(self, rows: slice) -> NDArray[Any]:
        """Read whole rows, (n, nx), in the byte order of the file: a fresh array.

        Raises
        ------
        StoreError, OSError, ValueError
            As `read`.
        """
        return self.again(rows, None)

    def again(self, rows: slice, room: NDArray[Any] | None) -> NDArray[Any]:
        """Read whole rows, where the image is plain into an array that was given before: `latcal.numerics.arrays.ReadsAgain`."""
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.begin)
            if zlib.crc32(file.read(self.data - self.begin)) != self.check:
                raise StoreError(f"{self.path} has changed since it was opened")
            if self.dtype is not None:
                numbers = self._plain(file, rows, room)
            elif self.tiles is not None:
                numbers = self.tiles.decode(_bytes(file, self.end - self.data), rows, self.shape)
            else:
                return self._by_astropy(file)[rows]
        return _as_unsigned(numbers) if self.unsigned else numbers

    def _plain(self, file: Any, rows: slice, room: NDArray[Any] | None) -> NDArray[Any]:
        start, stop, _ = rows.indices(self.shape[0])
        shape, kind = (max(stop - start, 0), self.shape[1]), np.dtype(self.dtype)
        if room is not None and room.dtype.itemsize == kind.itemsize and room.size >= shape[0] * shape[1]:
            numbers = room.reshape(-1)[: shape[0] * shape[1]].view(kind).reshape(shape)
        else:
            numbers = np.empty(shape, kind)
        file.seek(self.data + start * self.shape[1] * numbers.itemsize)
        got = file.readinto(numbers.reshape(-1).view(np.uint8))
        if got != numbers.nbytes:
            raise ValueError(f"it ends {numbers.nbytes - got} bytes too early")
        return numbers

    def _by_astropy(self, file: Any) -> NDArray[Any]:
        from astropy.io import fits

        file.seek(self.begin)
        alone = _bytes(file, self.end - self.begin)
        first = self.begin == 0
        with fits.open(io.BytesIO(alone if first else _PRIMARY + alone), memmap=False) as hdus:
            pixels = np.asarray(hdus[0 if first else 1].data)
        return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def image_of(path: Path, header: Mapping[str, Any], shape: tuple[int, ...], places: tuple[int, int, int], check: int) -> Image:
    """Say how the image of an HDU is read.

    Parameters
    ----------
    path : Path
    header : mapping
    shape : (ny, nx)
    places : (int, int, int)
        Of its header, its data, and what comes after them.
    check : int
        CRC 32 of the bytes of its header.
    """
    squeezed = bool(header.get("ZIMAGE", False))
    bits = int(header.get("ZBITPIX" if squeezed else "BITPIX", 0))
    half = 2.0 ** (bits - 1) if bits in (16, 32) else 0.0
    zero = float(header.get("BZERO", 0.0))
    simple = len(shape) == 2 and header.get("BSCALE", 1) == 1 and "BLANK" not in header and zero in (0.0, half)
    dtype = None
    if simple and not squeezed and header.get("XTENSION", "IMAGE") == "IMAGE":
        dtype = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}.get(bits)
    tiles = Tiles.of(header) if simple and squeezed else None
    return Image(path, *places, check, shape, dtype, tiles, zero != 0.0)


def _bytes(file: Any, count: int) -> bytearray:
    found = bytearray(count)
    got = file.readinto(found)
    if got != count:
        raise ValueError(f"it ends {count - got} bytes too early")
    return found


def _as_unsigned(numbers: NDArray[Any]) -> NDArray[Any]:
    """Add half of the range to an array of our own: the highest bit turned, in whichever byte order."""
    kind = numbers.dtype.str.replace("i", "u")
    highest = np.array(1 << (8 * numbers.itemsize - 1), kind).view(f"u{numbers.itemsize}")
    turned = numbers.view(f"u{numbers.itemsize}")
    np.bitwise_xor(turned, highest, out=turned)
    return turned.view(kind)
