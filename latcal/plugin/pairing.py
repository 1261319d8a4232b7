"""Which flats are a pair: by their exposure time, in the order taken, or as a recipe says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from latcal.model.exposures import Group
from latcal.model.frames import Exposure
from latcal.model.recipe import Sequence

TOLERANCE = "5 ms"
"""How far two exposure times of a pair may be apart: that of the Rubin pipelines."""

PAIRS_HELP = "Pairs by the numbers of the stage's exposures, from 1, discarded ones left out; by time if left out."
"""Help of the option `pairs`."""

TOLERANCE_HELP = "How far apart the exposure times of a pair may be (as in the Rubin pipelines)."
"""Help of the option `tolerance`."""


def declared(_: Any, attribute: Any, value: tuple[tuple[int, ...], ...]) -> None:
    """Refuse pairs that are not of two exposures each, or share one: a validator of attrs."""
    hint = f"write '{attribute.name}: [[1, 2], [3, 4]]'"
    for pair in value:
        if len(pair) != 2:
            raise ValueError(f"{list(pair)} is not a pair", hint)
    numbers = [number for pair in value for number in pair]
    if any(number < 1 for number in numbers) or len(set(numbers)) < len(numbers):
        raise ValueError(f"{[list(pair) for pair in value]} does not name exposures from 1, each once", hint)


def positive(_: Any, attribute: Any, value: Any) -> None:
    """Refuse a tolerance that is not above zero: a validator of attrs."""
    if not value.value > 0:
        raise ValueError(f"{value} is not above 0", f"write '{attribute.name}: {TOLERANCE}'")


def pairs(exposures: Iterable[Exposure | None], options: Any) -> tuple[tuple[int, int], ...]:
    """Give the ids of the exposures that are pairs.

    Parameters
    ----------
    exposures : iterable of Exposure or None
        As planned; None for one that did not come.
    options : object
        With `pairs`, tuples of two numbers, and `tolerance`, a time.

    Returns
    -------
    tuple of (int, int)
        The earlier of the two first. By time each exposure is paired with the earliest that waits for a partner and has a
        time within the tolerance of its own, so that twenty alike are ten pairs of neighbours.
    """
    every = tuple(exposures)
    if options.pairs:
        numbered = [[every[number - 1] for number in sorted(pair) if number <= len(every)] for pair in options.pairs]
        return tuple((one.id, two.id) for one, two in _whole(numbered))
    return tuple((first.id, second.id) for first, second in _by_time(every, float(options.tolerance.to_value("s"))))


def unpaired(exposures: Iterable[Exposure | None], options: Any) -> dict[int, str]:
    """Say of every exposure without a partner why it has none."""
    every = tuple(exposures)
    used = {exposure for pair in pairs(every, options) for exposure in pair}
    named = {number for pair in options.pairs for number in pair}
    return {
        one.id: f"{one.time_s:g} s: {_reason(number in named, options)}"
        for number, one in enumerate(every, 1)
        if one is not None and one.id not in used
    }


def _reason(named: bool, options: Any) -> str:
    if not options.pairs:
        return "no partner of equal time"
    return "its partner did not come" if named else "in none of the declared pairs"


def paired(sequences: Iterable[Sequence], options: Any) -> tuple[Group, ...]:
    """Give what every pair that a stage will have is exposed to: its time, or the level that is solved for.

    Parameters
    ----------
    sequences : iterable of Sequence
        Of the stage.
    options : object
        As for `pairs`.
    """
    every = [group for one in sequences for group in one.exposures]
    if options.pairs:
        return tuple(every[min(pair) - 1] for pair in options.pairs if max(pair) <= len(every))
    found: list[Group] = []
    waiting: list[Group] = []
    for group in every:
        partner = next((one for one in waiting if _alike(one, group, options)), None)
        if partner is None:
            waiting.append(group)
        else:
            waiting.remove(partner)
            found.append(group)
    return tuple(found)


def paired_times(sequences: Iterable[Sequence], options: Any) -> tuple[float, ...]:
    """Give the exposure times of the pairs that have one before they are taken [s]."""
    return tuple(group.time_s for group in paired(sequences, options) if group.time_s is not None)


def check_pairs(sequences: tuple[Sequence, ...], options: Any) -> Iterator[tuple[str, str]]:
    """Refuse frames that are no pairs at all, and declared pairs of exposures that are not there or not alike."""
    every = [group for sequence in sequences for group in sequence.exposures]
    for pair in options.pairs:
        if max(pair) > len(every):
            yield f"the pair {list(pair)} names exposure {max(pair)} of {len(every)}", f"write numbers up to {len(every)}"
        elif not _alike(every[pair[0] - 1], every[pair[1] - 1], options):
            words = " and ".join(_words(every[number - 1]) for number in pair)
            yield f"the pair {list(pair)} is of {words}", "pair exposures of one time or level"
    if not options.pairs and not paired(sequences, options):
        times = sorted({time for sequence in sequences for time in sequence.exposures.times_s})
        example = f"'2 x {times[0]:g} s'" if times else "'2 x 30000 electron'"
        yield "no two exposures are a pair: no two have the same time", f"write each time twice, as {example}"


def _words(group: Group) -> str:
    return str(group.level) if group.time_s is None else f"{group.time_s:g} s"


def _alike(one: Group, two: Group, options: Any) -> bool:
    if one.time_s is None or two.time_s is None:
        return (one.time_s, one.level) == (two.time_s, two.level)
    return abs(one.time_s - two.time_s) <= float(options.tolerance.to_value("s"))


def _whole(numbered: Iterable[list[Exposure | None]]) -> Iterator[tuple[Exposure, Exposure]]:
    for pair in numbered:
        came = [one for one in pair if one is not None]
        if len(came) == 2:
            yield came[0], came[1]


def _by_time(every: tuple[Exposure | None, ...], tolerance: float) -> Iterator[tuple[Exposure, Exposure]]:
    waiting: list[Exposure] = []
    for one in every:
        if one is None:
            continue
        partner = next((other for other in waiting if abs(other.time_s - one.time_s) <= tolerance), None)
        if partner is None:
            waiting.append(one)
        else:
            waiting.remove(partner)
            yield partner, one
