"""The blocks of a FITS file: headers and where data lie, checked against the size of the file."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

from attrs import frozen

from latcal.errors import StoreError

_BLOCK = 2880  # bytes; the FITS standard, section 3.1


@frozen
class Block:
    """One HDU of a file.

    Parameters
    ----------
    cards : astropy Header
    shape : tuple of int
        Of its image as seen after decompression; empty for none.
    places : (int, int, int)
        The byte where it begins, that of its data, and the one after them.
    check : int
        CRC 32 of the bytes of its header.
    """

    cards: Any
    shape: tuple[int, ...]
    places: tuple[int, int, int]
    check: int

    @cached_property
    def header(self) -> Mapping[str, Any]:
        """Its header without comments and history, read when it is first asked for."""
        return {card.keyword: card.value for card in self.cards.cards if card.keyword not in ("COMMENT", "HISTORY", "")}

    @property
    def name(self) -> str:
        """The name of the extension, in capitals."""
        return str(self.cards.get("EXTNAME", "")).upper()


def blocks(path: Path) -> tuple[Block, ...]:
    """Read every header of a file and check that all data are there.

    Raises
    ------
    StoreError
        If the file is missing, empty, cut short or not FITS.
    """
    try:
        size = path.stat().st_size
        if size == 0:
            raise StoreError(f"{path} is empty (0 bytes), not FITS")
        with path.open("rb") as file:
            if file.read(9) != b"SIMPLE  =":
                raise StoreError(f"{path} is not FITS: it does not begin with 'SIMPLE  ='")
            if size % _BLOCK:
                raise StoreError(f"{path} is cut short: its {size} bytes are not whole blocks of {_BLOCK}")
            file.seek(0)
            return _walk(path, file, size)
    except OSError as error:
        raise StoreError(f"{path} cannot be read ({error.strerror or error})") from error


def _walk(path: Path, file: BinaryIO, size: int) -> tuple[Block, ...]:
    from astropy.io.fits import Header

    found = []
    while file.tell() < size:
        begin = file.tell()
        try:
            header = Header.fromfile(file)
        except (OSError, EOFError, ValueError) as error:
            raise StoreError(f"{path} is cut short or damaged: the header at byte {begin} is not whole") from error
        data = file.tell()
        shape, length = _image(header)
        end = data + math.ceil(length / _BLOCK) * _BLOCK
        if end > size:
            raise StoreError(f"{path} is cut short: it has {size} bytes, and {end} are wanted")
        file.seek(begin)
        found.append(Block(header, shape, (begin, data, end), zlib.crc32(file.read(data - begin))))
        file.seek(end)
    return tuple(found)


def _image(header: Any) -> tuple[tuple[int, ...], int]:
    """Give the shape of the image of a header, and how many bytes of data follow it."""
    axes = [int(header[f"NAXIS{i + 1}"]) for i in range(int(header.get("NAXIS", 0)))]
    data = 0
    if axes:
        pixels = math.prod(axes) + int(header.get("PCOUNT", 0))
        data = abs(int(header["BITPIX"])) // 8 * int(header.get("GCOUNT", 1)) * pixels
    if header.get("ZIMAGE", False):
        axes = [int(header[f"ZNAXIS{i + 1}"]) for i in range(int(header["ZNAXIS"]))]
    elif header.get("XTENSION", "IMAGE").strip() != "IMAGE":
        axes = []
    return tuple(reversed(axes)), data


def find_block(found: tuple[Block, ...], extension: str | int, path: Path) -> Block:
    """Give the block of a name, or of an index from zero.

    Raises
    ------
    StoreError
        If there is none, naming those that are there.
    """
    for number, block in enumerate(found):
        if extension == number or (isinstance(extension, str) and block.name == extension.upper()):
            return block
    names = ", ".join(block.name for block in found if block.name) or "no names"
    raise StoreError(f"{path} has no extension {extension!r} (it has {len(found)}: {names})")
