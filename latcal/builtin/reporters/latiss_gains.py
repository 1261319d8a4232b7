"""The gains of pairs as the LATISS procedure reports them: by exposure, detector and amplifier."""

from __future__ import annotations

from collections.abc import Iterator

from latcal.plugin import Figure, Shown, StageReport
from latcal.plugin.wording import with_error, worded_unit


def gain_lines(stage: StageReport) -> Iterator[str]:
    """Write what was measured of each pair, amplifier by amplifier; nothing, if nothing was.

    A pair has the id of its first exposure, under which its `cpPtcExtract` is found.
    """
    each = [shown for shown in stage.shown if shown.each]
    if not each:
        return
    yield "Estimated from each pair of flats, by its first exposure, detector and amplifier:"
    before = ""
    for place in dict.fromkeys(place for shown in each for place in shown.figures):
        exposure, _, where = place.partition(" ")
        if exposure != before:
            yield f"\tExposure ID: {exposure}"
            before = exposure
        yield f"\t \t {where} " + ", ".join(_figure(shown, shown.figures[place]) for shown in each if place in shown.figures)


def _figure(shown: Shown, figure: Figure) -> str:
    return f"{shown.metric} {with_error(figure.value, figure.error)} {worded_unit(shown.unit)}".rstrip()
