"""What suites let executors do: functions at the top of a module, so that any executor can send them anywhere."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latcal.errors import BuildError, NotReady, Problem, ProductNotFound, ValidityOverlap


def square(number: int) -> int:
    """Give the square of a number, and take longer for an early one: later ones overtake it."""
    time.sleep(0.05 if number == 0 else 0.0)
    return number * number


def same(item: Any) -> Any:
    """Give an item back."""
    return item


def up_to(number: int) -> Iterator[int]:
    """Yield the numbers below a number."""
    yield from range(number)


def ramp(number: int) -> NDArray[Any]:
    """Give an array with a NaN in it."""
    pixels = np.arange(number, dtype=np.float32)
    pixels[0] = np.nan
    return pixels


def process(_: Any) -> int:
    """Say in which process it is called."""
    return os.getpid()


def mark(path: str) -> None:
    """Leave a mark that it was called, slowly."""
    Path(path).touch()
    time.sleep(0.01)


def fail(how: str) -> str:
    """Raise what is asked for; give any other word back.

    Raises
    ------
    NotReady, BuildError, ProductNotFound, ValidityOverlap
        Deliberately.
    ValueError
        By mistake.
    """
    match how:
        case "not ready":
            raise NotReady([Problem("the dome is lit", "switch it off"), Problem("the shutter is open")])
        case "build":
            raise BuildError("too few frames (take more)")
        case "not found":
            raise ProductNotFound("no bias (make one)")
        case "overlap":
            raise ValidityOverlap("a bias is valid then")
        case "mistake":
            raise ValueError("not a number")
        case "exit":
            sys.exit(7)
    return how
