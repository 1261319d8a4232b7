"""The table of what was measured amplifier by amplifier, each value with its error."""

from __future__ import annotations

import math
from collections.abc import Iterator

from latcal.plugin import Figure, Shown
from latcal.plugin.wording import with_error, worded, worded_unit


def figures(shown: tuple[Shown, ...]) -> Iterator[str]:
    """Write a table with a row for every detector and amplifier, a column for every metric.

    Returns
    -------
    iterator of str
        Lines; a value as ``1.0812 +- 0.0013``, ``-`` where there is none.
    """
    places = list(dict.fromkeys(place for one in shown for place in one.figures))
    head = ("", *(f"{one.metric} [{worded_unit(one.unit)}]" if one.unit else one.metric for one in shown))
    rows = [(place, *(_cell(one.figures.get(place)) for one in shown)) for place in places]
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cell(figure: Figure | None) -> str:
    if figure is None or math.isnan(figure.value):
        return "-"
    if figure.untested:
        return f"{worded(figure.value)} (untested)"
    return with_error(figure.value, figure.error)
