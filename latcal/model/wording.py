"""Numbers as reports write them: ``9.1 e-``, ``0.02 e-/s``, ``1.05``."""

from __future__ import annotations

import math

_SHORT = {"electron": "e-", "electron / s": "e-/s", "electron / adu": "e-/adu", "adu / s": "adu/s"}


def worded(value: float, unit: str = "", digits: int = 3) -> str:
    """Write a number to some significant digits, never with fewer than its whole part, and its unit in short."""
    if math.isnan(value):
        return "no value"
    whole = 10.0**digits - 0.5 <= abs(value) < 1e9
    number = f"{value:.0f}" if whole else f"{value:.{digits}g}"
    return f"{number} {_SHORT.get(unit, unit)}".rstrip()


def told_apart(values: tuple[float, ...], unit: str = "") -> tuple[str, ...]:
    """Write numbers with as many digits as it takes to see that they differ."""
    for digits in range(3, 9):
        texts = tuple(worded(value, unit, digits) for value in values)
        if len(set(texts)) == len(set(values)):
            return texts
    return tuple(worded(value, unit) for value in values)
