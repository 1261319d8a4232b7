"""Find the exposure times that give wanted levels, from a few probe exposures.

A shutter that opens late or a lamp that is read out while lit makes ``level = rate * (time + delay)``: two
unknowns, hence two probes. What shows too little or too much to be measured costs another one; there is a most.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from attrs import frozen

from latcal.errors import BuildError
from latcal.numerics.allowed import MOST_PROBES

LEAST_RATIO: Final = 2.0
"""Two probes must differ by this factor in time; latcal's choice: rate and delay then part well."""

SAFE_FRACTION: Final = 0.5
"""No probe is aimed above this part of the ceiling (docs/physics.md: brighter is not surely linear)."""

USABLE_FRACTION: Final = 0.75
"""A probe that came out above this part of the ceiling is not used; latcal's choice, half again what is aimed at."""

LATE_S: Final = 0.05
"""How late a shutter may open for a second probe to stay below what it is aimed at [s]; latcal's choice, above what leaf shutters
and most others need. By a first probe that is not much longer, the light seems fainter than it is.
"""

FAINTEST: Final = 50.0
"""A probe below this level is not used [electron]; latcal's choice: what a bias leaves is some electrons (docs/physics.md)."""

STRIDE: Final = 16.0
"""By what factor the time is changed where a probe shows too little or too much; latcal's choice: what is below `FAINTEST`
stays far below any full well."""

FIRST_S: Final = 1.0
"""Time of the first probe where nothing is known of the light [s]; latcal's choice, short for any flat lamp."""

ROUNDING: Final = 1e-9
"""A time this close to a limit, relative to it, is taken as the limit."""


@frozen
class Probe:
    """One exposure that was taken to learn how bright the light is.

    Parameters
    ----------
    time_s : scalar [s]
    level : scalar [electron]
        Above bias; the median of the detector. Infinite where it was saturated. Far below 0 is too bright as well: then
        light has come into the overscan.
    """

    time_s: float
    level: float

    def __str__(self) -> str:
        seen = "saturated" if self.level == math.inf else f"{self.level:.6g} electron"
        return f"{self.time_s:.6g} s: {seen}"


@frozen
class Range:
    """Between what the search goes.

    Parameters
    ----------
    lowest, highest : scalar [electron]
        The levels that are wanted.
    ceiling : scalar [electron]
        The level above which the detector is not linear: its full well or saturation.
    shortest, longest : scalar [s]
        What the camera can do, and what a recipe allows.
    """

    lowest: float
    highest: float
    ceiling: float
    shortest: float
    longest: float

    @property
    def brightest(self) -> float:
        """What no probe is aimed above [electron]."""
        return SAFE_FRACTION * self.ceiling

    def clip(self, time_s: float) -> float:
        """Give the nearest time that is allowed [s]."""
        return min(max(time_s, self.shortest), self.longest)


def first_probe(light: float | None, within: Range) -> float:
    """Choose the time of the first probe.

    Where the light is known, it is aimed at the lowest level wanted, at most at a quarter of the brightest: so that the
    second one can be far from it.

    Parameters
    ----------
    light : scalar or None [electron / s]
        What the camera knows of its lamp.

    Returns
    -------
    scalar [s]
        In two digits.
    """
    if light is None:
        return within.clip(FIRST_S)
    top = min(within.highest, within.brightest)
    aimed = max(min(within.lowest, top / 4), 2 * FAINTEST)
    return within.clip(float(f"{aimed / light:.1e}"))


def next_probe(probes: Sequence[Probe], within: Range, light: float | None = None) -> float | None:
    """Choose the time of the next probe from those that were taken.

    A second one is aimed, as if there were no delay, at the wanted level that is farther from the first; where that is too
    near to the first, at twice its time, else at half of it. It shows no more than half of the ceiling, even if the shutter
    opens late by `LATE_S`, or by half of the first one's time where that is shorter: of light that came in through a shutter
    which was open for less than that, nobody can tell how bright it is.

    Parameters
    ----------
    probes : sequence of Probe
        At least one. What has no level is left out.
    light : scalar or None [electron / s]
        What the camera knows of its lamp. After a probe that showed nothing, however late the shutter opens, the next one shows no
        more than half of the ceiling if the lamp is no brighter than that.

    Returns
    -------
    scalar or None [s]
        None if two of them are enough: `solve` has what it needs.

    Raises
    ------
    BuildError
        If no allowed time could tell more, or `MOST_PROBES` were taken. The message names the probes.
    """
    seen = [probe for probe in probes if not math.isnan(probe.level)]
    good = usable(seen, within.ceiling)
    if len(good) >= 2:
        return None
    if len(probes) >= MOST_PROBES:
        raise _gave_up(f"{len(probes)} probes are the most", probes)
    dim = [probe for probe in seen if abs(probe.level) < FAINTEST]
    faint = max((probe.time_s for probe in dim), default=0.0)
    bright = min((probe.time_s for probe in seen if probe not in good and probe not in dim), default=math.inf)
    if good:
        return _beside(good[0], faint, bright, within, probes)
    return _into_range(faint, bright, within, light, probes)


def usable(probes: Iterable[Probe], ceiling: float) -> list[Probe]:
    """Give the probes that tell something: neither too faint nor near the ceiling [electron]."""
    return [probe for probe in probes if FAINTEST <= probe.level <= USABLE_FRACTION * ceiling]


def _into_range(faint: float, bright: float, within: Range, light: float | None, probes: Sequence[Probe]) -> float:
    """Choose a time where none has shown a level yet: between too short and too long a time, or beyond one of them."""
    if faint == 0.0 and bright == math.inf:
        return within.clip(FIRST_S)
    if faint >= bright:
        raise _gave_up("the level does not rise with time", probes)
    if faint > 0.0 and bright < math.inf:
        if bright / faint < LEAST_RATIO:
            raise _gave_up(f"between {faint:.6g} and {bright:.6g} s the light goes from none to too much", probes)
        return math.sqrt(faint * bright)
    longer = faint * STRIDE if light is None else min(faint * STRIDE, faint + (within.brightest - FAINTEST) / light)
    wanted = within.clip(longer if bright == math.inf else bright / STRIDE)
    if bright == math.inf and wanted <= faint * (1.0 + ROUNDING):
        raise _gave_up(f"no light within {within.longest:.6g} s: is the lamp on and the shutter open", probes)
    if bright < math.inf and wanted >= bright * (1.0 - ROUNDING):
        raise _gave_up(f"too much light within {within.shortest:.6g} s: dim the lamp", probes)
    return wanted


def _beside(first: Probe, faint: float, bright: float, within: Range, probes: Sequence[Probe]) -> float:
    """Choose a second time that is far from the first one, and not where a probe was too faint or too bright."""
    late_s = min(LATE_S, first.time_s / 2)
    safe_s = late_s + (first.time_s - late_s) * within.brightest / first.level
    for wanted in _aims(first, within):
        time_s = within.clip(min(wanted, safe_s))
        if time_s >= bright:
            time_s = math.sqrt(first.time_s * bright)
        if time_s <= faint:
            time_s = math.sqrt(first.time_s * faint)
        apart = max(time_s / first.time_s, first.time_s / time_s) if min(time_s, first.time_s) > 0.0 else 0.0
        if apart >= LEAST_RATIO * (1.0 - ROUNDING) and time_s <= safe_s * (1.0 + ROUNDING):
            return time_s
    what = f"no second probe between {within.shortest:.6g} and {within.longest:.6g} s differs by a factor {LEAST_RATIO:g}"
    raise _gave_up(f"{what} from the first and stays between {FAINTEST:g} and {within.brightest:.6g} electron", probes)


def _aims(first: Probe, within: Range) -> Iterator[float]:
    ends = (min(within.highest, within.brightest), min(max(within.lowest, 2 * FAINTEST), within.brightest))
    for level in sorted(ends, key=lambda end: -abs(math.log(end / first.level))):
        yield first.time_s * level / first.level
    yield first.time_s * LEAST_RATIO
    yield first.time_s / LEAST_RATIO


def _gave_up(why: str, probes: Iterable[Probe]) -> BuildError:
    return BuildError(f"{why} (probes: {_tried(probes)})")


def _tried(probes: Iterable[Probe]) -> str:
    return "; ".join(str(probe) for probe in probes) or "none"


def solve(probes: Sequence[Probe], target: float, *, ceiling: float, shortest: float, longest: float) -> float:
    """Solve for the exposure time of a wanted level.

    Parameters
    ----------
    probes : sequence of Probe
        Two exactly determine rate and delay; more are fitted by least squares. Those that are not `usable` are left out.
    target : scalar [electron]
    ceiling : scalar [electron]
        Full well or saturation of the detector.
    shortest, longest : scalar [s]
        What the camera can do, and what a recipe allows.

    Returns
    -------
    scalar [s]
        From `shortest` to `longest`.

    Raises
    ------
    BuildError
        If the target is above the ceiling, fewer than two probes are of use, the level does not rise with time, or no
        allowed time gives the target. The message names the probes.
    """
    tried = _tried(probes)
    if not 0.0 < target <= ceiling:
        raise BuildError(f"a level of {target:.6g} electron is not between 0 and the ceiling of {ceiling:.6g} electron")
    used = usable(probes, ceiling)
    if len(used) < 2:
        bounds = f"{FAINTEST:g} and {USABLE_FRACTION * ceiling:.6g} electron"
        raise BuildError(f"{len(used)} of {len(probes)} probes are between {bounds}, and two must be (probes: {tried})")
    rate, time_mean, level_mean = _line(used)
    if not rate > 0.0:
        raise BuildError(f"the level does not rise with time (probes: {tried}): is it the lamp that is seen")
    time_s = time_mean + (target - level_mean) / rate
    if not shortest * (1.0 - ROUNDING) <= time_s <= longest * (1.0 + ROUNDING):
        raise BuildError(
            f"{target:.6g} electron would need {time_s:.6g} s, which is not between {shortest:.6g} and "
            f"{longest:.6g} s (probes: {tried})"
        )
    return min(max(time_s, shortest), longest)


def _line(probes: Sequence[Probe]) -> tuple[float, float, float]:
    """Fit a line; give its slope, and a point it runs through."""
    count = len(probes)
    time_mean = math.fsum(probe.time_s for probe in probes) / count
    level_mean = math.fsum(probe.level for probe in probes) / count
    lever = math.fsum((probe.time_s - time_mean) ** 2 for probe in probes)
    rise = math.fsum((probe.time_s - time_mean) * (probe.level - level_mean) for probe in probes)
    return (rise / lever if lever > 0.0 else math.nan), time_mean, level_mean
