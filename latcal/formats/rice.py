"""Whole numbers compressed by Rice in tiles of whole rows, as FITS stores them.

Each tile is decoded by `imagecodecs`, which is astropy's own algorithm (both are cfitsio's) without what astropy does in Python
for each tile; where it is not installed (the extra ``fast``), astropy reads the image, to the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

_KINDS = {1: "u1", 2: "i2", 4: "i4"}


@frozen
class Tiles:
    """Where the tiles of an image lie in the data of its HDU.

    Parameters
    ----------
    count, heap : int
        How many tiles there are, and the byte where they begin.
    rows : int
        Of each tile; the last may have fewer.
    wide : bool
        Whether their places are numbers of 64 bits, not 32.
    block : int
        Pixels coded together.
    kind : str
        The type of the numbers.
    """

    count: int
    heap: int
    rows: int
    wide: bool
    block: int
    kind: str

    @classmethod
    def of(cls, header: Mapping[str, Any]) -> Tiles | None:
        """Read the header of a compressed image; None for tiles that astropy is to read.

        References
        ----------
        The FITS standard 4.0, section 10 (tiled images) and 7.3.5 (places of variable arrays).
        """
        if find_spec("imagecodecs") is None:
            return None
        names = {str(header.get(f"ZNAME{i}", "")).upper(): header.get(f"ZVAL{i}") for i in range(1, 4)}
        layout = str(header.get("TFORM1", "")).lstrip("1")[:2]
        bits = int(header["ZBITPIX"])
        known = (
            header.get("ZCMPTYPE") in ("RICE_1", "RICE_ONE")
            and bits in (8, 16, 32)
            and header.get("TFIELDS") == 1
            and layout in ("PB", "QB")
            and header.get("ZTILE1", header["ZNAXIS1"]) == header["ZNAXIS1"]
        )
        if not known:
            return None
        count, row = int(header["NAXIS2"]), int(header["NAXIS1"])
        return cls(
            count=count,
            heap=int(header.get("THEAP", row * count)),
            rows=int(header.get("ZTILE2", 1)),
            wide=layout == "QB",
            block=int(names.get("BLOCKSIZE") or 32),
            kind=_KINDS[int(names.get("BYTEPIX") or 4)],
        )

    def decode(self, data: bytearray, rows: slice, shape: tuple[int, ...]) -> NDArray[Any]:
        """Decode some rows of an image out of the data of its HDU.

        Raises
        ------
        ValueError
            If the bytes of a tile are not those of its pixels.
        """
        from imagecodecs import RcompError, rcomp_decode

        start, stop, _ = rows.indices(shape[0])
        first, last = start // self.rows, -(-stop // self.rows)
        if last > self.count:
            raise ValueError(f"it has {self.count} tiles, and {last} are wanted")
        kind = ">i8" if self.wide else ">i4"
        places = np.frombuffer(data, kind, 2 * self.count).reshape(-1, 2)[first:last].astype(np.int64).tolist()
        pixels = np.empty((min(last * self.rows, shape[0]) - first * self.rows, shape[1]), self.kind)
        for tile, ((length, offset), out) in enumerate(zip(places, self._outs(pixels), strict=True)):
            begin = self.heap + offset
            if begin + length > len(data):
                raise ValueError(f"its tile {first + tile + 1} is damaged: it ends after the data")
            try:
                rcomp_decode(data[begin : begin + length], shape=out.shape, dtype=out.dtype, nblock=self.block, out=out)
            except RcompError as error:
                raise ValueError(f"its tile {first + tile + 1} is damaged: {error}") from error
        return pixels[start - first * self.rows : stop - first * self.rows]

    def _outs(self, pixels: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Give the pixels of each tile in one row: a walk over rows, where there are as many as a sensor has, is quick."""
        whole = len(pixels) // self.rows * self.rows
        yield from pixels[:whole].reshape(-1, self.rows * pixels.shape[1])
        if whole < len(pixels):
            yield pixels[whole:].reshape(-1)
