"""Walk a stack of frames in strips of rows, so that memory does not grow with the frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from latcal.errors import BuildError
from latcal.numerics.arrays import Mask, Pixels, ReadNumbers, ReadsAgain, Wide

STRIP_PIXELS: Final = 131_072
"""Pixels of one strip of one frame; latcal's choice, measured: a few planes of them stay in the cache of a processor, and two
threads are not in each other's way, as they are where each call of numpy is over in no time."""

STRIP_BYTES: Final = 12_000_000
"""Pixels of one strip of all frames, at most; latcal's choice: it bounds memory at any number of frames."""

BLOCK_BYTES: Final = 32_000_000
"""Pixels of all frames that are read at once, at most; latcal's choice: it bounds memory at any number of frames."""

BLOCK_STRIPS: Final = 2
"""Strips that are read at once, at most; latcal's choice, measured: files are opened less often, and threads rarely wait."""

ENOUGH: Final = 2**16
"""Pixels that tell the median of an image; latcal's choice: 0.5 % of a standard deviation."""


@frozen
class Combined:
    """Several frames made one.

    Parameters
    ----------
    image : (ny, nx) [unit of the frames]
        NaN where no sample was kept.
    variance : (ny, nx) [unit^2]
        Of `image`, propagated from the noise of the frames; NaN where no sample was kept.
    kept : (ny, nx)
        How many samples were kept.
    rejected : int
        How many samples had a value and were not kept, over all pixels.
    clip_efficiency : scalar
        What clipping adds to the noise of `image` on clean data, 1 for nothing; `variance` has it.
    model_sigma : scalar [unit of the frames]
        Median over the frames of the expected noise of one pixel, at the median of `image`.
    quality : (ny, nx) [unit^2] or None
        The variance of the kept samples, from n - 1: a figure to look at, never an error. On good pixels it is about
        ``kept * variance``. NaN where fewer than two samples were kept.
    left_out : (ny, nx) mask or None
        True where a sample had a value and was not kept; None where none was, or where nobody says.
    """

    image: Pixels
    variance: Pixels
    kept: NDArray[np.uint16]
    rejected: int
    clip_efficiency: float
    model_sigma: float
    quality: Pixels | None
    left_out: Mask | None = None


@frozen
class Strip:
    """Rows to read, and which of them to write: a margin lies on either side inside the frame."""

    read: slice
    write: slice
    inner: slice


def strips(shape: tuple[int, int], frames: int, rows: int | None, margin: int = 0) -> Iterator[Strip]:
    """Cut a frame into strips of rows.

    Parameters
    ----------
    shape : (ny, nx)
    frames : int
        How many frames are held at once.
    rows : int or None
        Rows of one strip; None for what `STRIP_PIXELS` and `STRIP_BYTES` allow.
    margin : int [row]
        How many more rows are read on either side.

    Yields
    ------
    Strip
    """
    height, width = shape
    few = min(STRIP_PIXELS // max(width, 1), STRIP_BYTES // max(4 * frames * width, 1))
    step = rows if rows is not None else max(few, 4 * margin, 1)
    for start in range(0, height, step):
        stop = min(start + step, height)
        first, last = max(start - margin, 0), min(stop + margin, height)
        yield Strip(slice(first, last), slice(start, stop), slice(start - first, stop - first))


@frozen
class Stack:
    """Frames that are read together, each with its noise and the scale it is divided by.

    Parameters
    ----------
    reads : tuple of ReadNumbers of (ny, nx) [unit times scale]
    noise : (n,) [unit times scale]
    scale : (n,)
    weights : (n,)
    shape : (ny, nx)
    """

    reads: tuple[ReadNumbers, ...]
    noise: Wide
    scale: Wide
    weights: Wide
    shape: tuple[int, int]
    rescaled: bool = field(init=False)

    @rescaled.default
    def _is_rescaled(self) -> bool:
        return bool(np.any(self.scale != 1.0))

    @classmethod
    def of(
        cls,
        reads: Sequence[ReadNumbers],
        noise: Sequence[float],
        shape: tuple[int, int],
        scale: Sequence[float] | None = None,
        weights: Sequence[float] | None = None,
    ) -> Stack:
        """Check that there are frames, and a usable number of each kind for every one."""
        if not reads:
            raise BuildError("there are no frames to combine")
        count = len(reads)
        ones = np.ones(count)
        return cls(
            tuple(reads),
            positive("noise", noise, count),
            ones if scale is None else positive("scale", scale, count),
            ones if weights is None else positive("weight", weights, count),
            shape,
        )

    def load(self, rows: slice) -> Pixels:
        """Read rows of every frame, scaled: (n, rows, nx)."""
        pixels = np.empty((len(self.reads), rows.stop - rows.start, self.shape[1]), dtype=np.float32)
        for plane, read, scale in zip(pixels, self.reads, self.scale, strict=True):
            plane[...] = read(rows)
            if self.rescaled:
                np.divide(plane, np.float32(scale), out=plane)
        return pixels

    def numbers(self, rows: slice, before: Sequence[NDArray[Any]] = ()) -> list[NDArray[Any]]:
        """Read rows of every frame as they are: n of (k,), of any number type, not scaled.

        What was given `before` may be written over.
        """
        if not before:
            return [read(rows).reshape(-1) for read in self.reads]
        rooms = zip(self.reads, before, strict=True)
        return [(read.again(rows, room) if isinstance(read, ReadsAgain) else read(rows)).reshape(-1) for read, room in rooms]

    def strips(self, blocks: Iterator[Strip], rows: int) -> Iterator[tuple[Strip, list[NDArray[Any]]]]:
        """Read blocks without margin, and give strips of some rows of them with the numbers of every frame, n of (k,).

        They hold until the next is asked for.
        """
        width, numbers = self.shape[1], list[NDArray[Any]]()
        for block in blocks:
            numbers = self.numbers(block.read, numbers)
            for start in range(block.read.start, block.read.stop, rows):
                part = slice(start, min(start + rows, block.read.stop))
                places = slice((part.start - block.read.start) * width, (part.stop - block.read.start) * width)
                yield Strip(part, part, slice(0, part.stop - part.start)), [frame[places] for frame in numbers]

    def offsets(self, numbers: NDArray[Any], index: int, reference: Pixels, out: Pixels) -> None:
        """Take from the numbers of a frame, scaled, the reference; one walk over them where there is no scale."""
        if self.rescaled:
            np.divide(numbers, np.float32(self.scale[index]), out=out, dtype=np.float32, casting="unsafe")
            np.subtract(out, reference, out=out)
        else:
            np.subtract(numbers, reference, out=out, dtype=np.float32, casting="unsafe")

    def reference(self, numbers: NDArray[Any], index: int, out: Pixels) -> None:
        """Give the numbers of a frame, scaled."""
        out[...] = numbers
        if self.rescaled:
            np.divide(out, np.float32(self.scale[index]), out=out)

    def chosen(self, numbers: Sequence[NDArray[Any]], places: NDArray[np.intp]) -> Wide:
        """Give the samples of some pixels, scaled, in double precision: (n, places); what is infinite has no value."""
        values = np.empty((len(numbers), places.size), dtype=np.float32)
        for index, (plane, frame) in enumerate(zip(values, numbers, strict=True)):
            self.reference(frame[places], index, plane)
        wide = values.astype(np.float64)
        wide[np.isinf(wide)] = np.nan
        return wide


def positive(name: str, values: Sequence[float], count: int) -> Wide:
    """Give one positive number for each frame.

    Parameters
    ----------
    name : str
        For the message.
    values : sequence of float
    count : int
        How many frames there are.

    Returns
    -------
    (count,)

    Raises
    ------
    BuildError
        If there are more or fewer than frames, or one is not a positive number.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.shape != (count,):
        raise BuildError(f"{numbers.size} values of {name} are not one for each of {count} frames")
    for index, number in enumerate(numbers):
        if not (np.isfinite(number) and number > 0.0):
            raise BuildError(f"the {name} of frame {index + 1} of {count} is {number:.6g}, not a positive number")
    return numbers


def typical(image: Pixels) -> float:
    """Give about the median of an image, that of an even choice of its pixels; 0 where these hold no value.

    Parameters
    ----------
    image : (ny, nx) [any unit]

    Returns
    -------
    scalar [the same unit]
    """
    values = image.reshape(-1)
    values = values[:: max(values.size // ENOUGH, 1) | 1]  # odd, so that columns of an even width all count
    values = values[np.isfinite(values)]
    return float(np.median(values)) if values.size else 0.0
