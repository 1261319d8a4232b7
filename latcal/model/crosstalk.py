"""Coefficients of crosstalk between the amplifiers of a detector: what they may be."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

Coefficients = tuple[tuple[float, ...], ...]
"""[adu / adu] A row for each amplifier that sees, a column for each that is seen, in the order of the detector."""

LIMIT = 0.1
"""What no coefficient reaches; our choice: those of LATISS are at most 1.5e-3, and per cent are a slip."""


def coefficient_faults(
    coefficients: Coefficients, shapes: Mapping[str, tuple[int, int]]
) -> Iterator[tuple[tuple[int, ...], str, str]]:
    """Say what is wrong with coefficients.

    Parameters
    ----------
    coefficients : Coefficients
        Empty where none are known: nothing is wrong with that.
    shapes : mapping of str to (int, int)
        Rows and columns of the raw image of each amplifier.

    Yields
    ------
    ((row,) or (row, column) or (), what, hint)
    """
    if not coefficients:
        return
    count = len(shapes)
    if len(set(shapes.values())) > 1:
        told = ", ".join(f"{name} {ny} x {nx}" for name, (ny, nx) in shapes.items())
        yield (), f"amplifiers with raw images of several shapes ({told}) are not read out together", "leave crosstalk out"
    if len(coefficients) != count:
        yield (), f"{len(coefficients)} rows for {count} amplifiers", f"write {count} rows of {count} numbers"
        return
    for victim, row in enumerate(coefficients):
        if len(row) != count:
            yield (victim,), f"{len(row)} numbers for {count} amplifiers", f"write {count} numbers"
            continue
        for source, value in enumerate(row):
            if victim == source and value != 0:
                yield (victim, source), f"{value!r} of an amplifier in itself is not 0", "write 0 on the diagonal"
            elif not abs(value) < LIMIT:
                hint = f"write adu per adu, below {LIMIT:g}"
                yield (victim, source), f"{value!r} is not a coefficient of crosstalk", hint
        total = math.fsum(abs(value) for value in row)
        if not total < 1.0 and all(abs(value) < LIMIT for value in row):
            yield (victim,), f"coefficients that add up to {total:.3g} are not crosstalk", "write adu per adu"
