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


def worded_unit(unit: str) -> str:
    """Write a unit in short: ``e-/adu``."""
    return _SHORT.get(unit, unit)


def with_error(value: float, error: float) -> str:
    """Write a number with its error, to two digits of that: ``1.0812 +- 0.0013``; as `worded` where there is none."""
    if not (math.isfinite(value) and math.isfinite(error) and error > 0.0):
        return worded(value)
    digits = 1 - math.floor(math.log10(error))
    if -6 < digits <= 6:
        places = max(digits, 0)
        return f"{round(value, digits):.{places}f} +- {round(error, digits):.{places}f}"
    exponent = math.floor(math.log10(max(abs(value), error)))
    scale, places = 10.0**exponent, max(exponent + digits, 0)
    return f"({value / scale:.{places}f} +- {error / scale:.{places}f})e{exponent:+d}"


def told_apart(values: tuple[float, ...], unit: str = "") -> tuple[str, ...]:
    """Write numbers with as many digits as it takes to see that they differ."""
    for digits in range(3, 9):
        texts = tuple(worded(value, unit, digits) for value in values)
        if len(set(texts)) == len(set(values)):
            return texts
    return tuple(worded(value, unit) for value in values)
