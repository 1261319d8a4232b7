"""Put verdicts, findings and times into the words that every report uses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from latcal.model.metrics import Scope
from latcal.model.steps import Foreseen
from latcal.model.verdicts import Finding, Tally, Verdict
from latcal.model.wording import with_error, worded, worded_unit

if TYPE_CHECKING:
    from latcal.model.events import Kept

__all__ = [
    "counted",
    "duration",
    "file_size",
    "finding_text",
    "foreseen_texts",
    "kept_text",
    "more_frames",
    "tally_text",
    "untested_text",
    "verdict_text",
    "with_error",
    "worded",
    "worded_unit",
]

_PLACES = {
    Scope.AMPLIFIER: "amplifier",
    Scope.DETECTOR: "detector",
    Scope.EXPOSURE: "exposure",
    Scope.PRODUCT: "product",
    Scope.PRODUCT_AMPLIFIER: "amplifier",
}


def counted(number: int, word: str) -> str:
    """Write a number and its noun: ``1 rule``, ``4 rules``, ``no rule``."""
    return f"no {word}" if number == 0 else f"{number} {word}" if number == 1 else f"{number} {word}s"


def duration(seconds: float) -> str:
    """Write a time as people say it: ``45 s``, ``3 min 20 s``, ``2 h 05 min``.

    Parameters
    ----------
    seconds : float [s]
    """
    whole = math.ceil(max(seconds, 0.0))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def foreseen_texts(foreseen: Foreseen, kinds: Sequence[str], whole_s: float, whole: str) -> tuple[str, str]:
    """Say how long the camera is wanted if the noise budget comes true, and why that is less than the whole.

    Parameters
    ----------
    kinds : sequence of str
        By stage: its calibration type.
    whole_s : float [s]
    whole : str
        How long it is wanted if nothing is refused, and that in words.

    Returns
    -------
    (str, str)
        ``8 s`` and ``the bias WILL FAIL, and steps 6 to 13 are skipped (1 min 16 s if all passed)``. Where the camera does
        not wait for the verdict, ``8 s to 1 min 16 s`` and ``the bias WILL FAIL, and what has not begun by then of steps
        6 to 13 is skipped``.
    """
    likely = foreseen.camera_s if foreseen.expected_s is None else foreseen.expected_s
    least, most = duration(foreseen.least_s), duration(likely)
    sure = "" if not foreseen.at_most else "at most " if foreseen.expected_s is None else "likely "
    failing = [kinds[at] if kinds.count(kinds[at]) == 1 else f"{kinds[at]} of stages.{at}" for at in foreseen.refused]
    steps = f"step{'s' if len(foreseen.skipped) > 1 else ''} {_spans(foreseen.skipped)}"
    why = f"the {' and the '.join(failing)} WILL FAIL, and "
    passed = f" ({whole} if all passed)" if foreseen.camera_s < whole_s or foreseen.at_most else ""
    if least != most:
        return f"{least} to {sure}{most}", f"{why}what has not begun by then of {steps} is skipped{passed}"
    return sure + most, f"{why}{steps} {'are' if len(foreseen.skipped) > 1 else 'is'} skipped{passed}"


def _spans(numbers: Iterable[int]) -> str:
    """Write rising numbers, those that follow one another as their span: ``6 to 13, 20``."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][-1] + 1:
            spans[-1].append(number)
        else:
            spans.append([number])
    return ", ".join(map(digits, spans))


def file_size(size: float) -> str:
    """Write a number of bytes with a decimal prefix: ``1.3 GB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"


def more_frames(number: int, of: str = "") -> str:
    """Write what would make a set pass: ``8 more frames``, ``6 more frames of 20 s``."""
    return counted(number, "more frame") + (f" of {of}" if of else "")


def kept_text(kind: str, kept: Kept) -> str:
    """Say that a stage is kept, since when, and what to do to make it anew.

    Returns
    -------
    str
        ``bias kept: already certified into calib/daily, 2020-01-01 onwards, by run 20261127T160000-0a1b2c3d; to make
        another: --set certify.into=calib/daily.2``
    """
    detectors = f" of {len(kept.refs)} detectors" if len(kept.refs) > 1 else ""
    return f"{kind}{detectors} kept: {kept.reason}; to make another: --set {kept.setting}"


def digits(numbers: list[int]) -> str:
    """Write whole numbers as one, or as their range: ``16``, ``14 to 16``."""
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"


def tally_text(tally: Tally, exposures: int, each: str = "exposure") -> str:
    """Say where a rule failed: ``NOISE on 16 of 16 amplifiers in 3 of 3 exposures; worst S00 C03: ...``.

    Parameters
    ----------
    tally : Tally
        With at least one failure.
    exposures : int
        How many were judged.
    each : str
        What was: `Verdict.each`.
    """
    counts = [count for count in tally.failed.values() if count]
    words = [tally.rule.upper()]
    if tally.scope is not Scope.EXPOSURE:
        plural = "s" if tally.places != 1 else ""
        words.append(f"on {digits(counts)} of {tally.places} {_PLACES[tally.scope]}{plural}")
    if tally.scope.of_exposures:
        plural = "s" if exposures != 1 else ""
        words.append(f"in {len(counts)} of {exposures} {each}{plural}")
    text = " ".join(words)
    return f"{text}; worst {finding_text(tally.worst)}" if tally.worst else text


def finding_text(finding: Finding) -> str:
    """Say what was found at one place: ``S00 C03: 7.38 e- for 9.1 e- +- 5 %``."""
    place = finding.place or (f"exposure {finding.exposure}" if finding.exposure is not None else "")
    return f"{place}: {finding.text}" if place else finding.text


def verdict_text(verdict: Verdict) -> str:
    """Say in one line what was judged, how, and why.

    Returns
    -------
    str
        ``bias refused: NOISE on 16 of 16 amplifiers in 3 of 3 exposures; worst S00 C03: 7.38 e- for 9.1 e- +- 5 %;
        8 more frames would do``, or the like for what was accepted, or taken unverified; exposures of the set that did
        not come are named.
    """
    missing = "; ".join(
        f"{word} {'; '.join(names)}" for word, names in (("missing", verdict.missing), ("not used", verdict.unused)) if names
    )
    if verdict.unverified:
        return "; ".join(filter(None, (f"{verdict.kind} UNVERIFIED: {verdict.unverified}", missing)))
    if verdict.accepted:
        return f"{verdict.kind} accepted: {_acceptance(verdict)}"
    exposures = len(verdict.exposures)
    reasons = [tally_text(tally, exposures, verdict.each) for tally in verdict.tallies if tally.decisive]
    reasons = reasons or ["no rule that counts could be applied" if verdict.tallies else ""]
    return "; ".join(
        [": ".join(filter(None, (f"{verdict.kind} refused", reasons[0]))), *reasons[1:]]
        + [text for text in (untested_text(verdict), verdict.remedy, missing) if text]
    )


def untested_text(verdict: Verdict) -> str:
    """Say which rules were not applied somewhere, and why: ``TURNOFF not tested on 16 of 16 amplifiers: ...``."""
    rules: dict[tuple[str, str], list[str]] = {}
    for tally in verdict.tallies:
        for why, count in tally.untested.items():
            every = tally.tested + sum(tally.untested.values())
            where = f"not tested on {count} of {every} {_PLACES[tally.scope]}s"
            rules.setdefault((where, why), []).append(tally.rule.upper())
    return "; ".join(f"{', '.join(names)} {where}: {why}" for (where, why), names in rules.items())


def _acceptance(verdict: Verdict) -> str:
    exposures = len(verdict.exposures)
    counting = [tally for tally in verdict.tallies if not tally.advisory]
    failing = [tally for tally in verdict.tallies if tally.failed]
    came = counted(exposures, verdict.each)
    if verdict.missing:
        lost = "; ".join(verdict.missing)
        whole = counted(exposures + len(verdict.missing), verdict.each)
        came = f"{exposures} of {whole} (missing: {lost})" if verdict.each == "exposure" else f"{came} (missing: {lost})"
    if verdict.unused:
        came = f"{came} (not used: {'; '.join(verdict.unused)})"
    head = f"{came}, {counted(len(counting), 'rule')}"
    rest = f"; {text}" if (text := untested_text(verdict)) else ""
    if failing:
        remarks = "; ".join(
            tally_text(tally, exposures, verdict.each) + (" (advisory)" if tally.advisory else "") for tally in failing
        )
        return f"{head}, within what is allowed: {remarks}{rest}"
    nearest = max((tally for tally in counting if tally.closest), key=lambda tally: tally.strain, default=None)
    return f"{head}, no failure" + (
        f"; nearest to a limit {nearest.rule.upper()}: {nearest.closest}{rest}" if nearest else rest
    )
