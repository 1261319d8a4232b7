"""Name the arrays that every numerics function takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Pixels: TypeAlias = NDArray[np.float32]
"""Pixels of one amplifier or strip, (ny, nx); NaN where there is no value."""

Wide: TypeAlias = NDArray[np.float64]
"""Sums and statistics, in double precision."""

Mask: TypeAlias = NDArray[np.bool_]
"""True where a pixel is set apart; beside the pixels, never inside them."""

Read: TypeAlias = Callable[[slice], Pixels]
"""Read some rows: ``read(slice(0, 100))`` gives (100, nx). A fresh array that the caller may change."""

ReadNumbers: TypeAlias = Callable[[slice], NDArray[Any]]
"""The same, of any number type and byte order, as in a file; counts as its float32."""


@runtime_checkable
class ReadsAgain(Protocol):
    """A `ReadNumbers` that can read into memory which it gave before.

    Who walks a stack block by block does not need fresh memory for each: to fetch it and give it back takes as long as to
    read into it.
    """

    def __call__(self, rows: slice) -> NDArray[Any]:
        """Read some rows into a fresh array."""

    def again(self, rows: slice, room: NDArray[Any]) -> NDArray[Any]:
        """Read some rows: into `room` if they fit, an array that it gave, in any shape, and that nobody needs any more."""
