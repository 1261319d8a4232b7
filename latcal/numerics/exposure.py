"""Find the exposure time that gives a wanted level, from two probe exposures.

A shutter that opens late or a lamp that is read out while lit makes ``level = rate * (time + delay)``: two
unknowns, hence two probes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from attrs import frozen

from latcal.errors import BuildError

LEAST_RATIO: Final = 2.0
"""Two probes must differ by this factor in time; latcal's choice: rate and delay then part well."""

SAFE_FRACTION: Final = 0.5
"""No probe is aimed above this part of the ceiling (docs/physics.md: brighter is not surely linear)."""

ROUNDING: Final = 1e-9
"""A time this close to a limit, relative to it, is taken as the limit."""


@frozen
class Probe:
    """One exposure that was taken to learn how bright the light is.

    Parameters
    ----------
    time_s : scalar [s]
    level : scalar [electron]
        Above bias; the median of the detector.
    """

    time_s: float
    level: float

    def __str__(self) -> str:
        return f"{self.time_s:.6g} s: {self.level:.6g} electron"


def second_probe(first: Probe, ceiling: float, target: float, shortest: float, longest: float) -> float:
    """Choose the time of the second probe from the first.

    It is aimed, as if there were no delay, at half of the ceiling, or at the target if that is lower; where that is
    too near to the first probe, at twice its time if that stays below half of the ceiling, else at half of its time.

    Parameters
    ----------
    first : Probe
    ceiling : scalar [electron]
        The level above which the detector is not linear: its full well or saturation.
    target : scalar [electron]
    shortest, longest : scalar [s]
        What the camera can do.

    Returns
    -------
    scalar [s]
        At least a factor 2 from the first.

    Raises
    ------
    BuildError
        If the first probe shows no light, or no allowed time is a factor 2 away.
    """
    brightest = SAFE_FRACTION * ceiling
    per_second = first.level / first.time_s if first.time_s > 0.0 else 0.0
    if not (math.isfinite(per_second) and per_second > 0.0):
        raise BuildError(f"the probe shows no light ({first}): is the lamp on and the shutter open")
    aimed = min(target, brightest) / per_second
    for wanted in (aimed, first.time_s * LEAST_RATIO, first.time_s / LEAST_RATIO):
        time_s = min(max(wanted, shortest), longest)
        apart = max(time_s / first.time_s, first.time_s / time_s) >= LEAST_RATIO * (1.0 - ROUNDING)
        if time_s >= shortest and apart and time_s * per_second <= brightest * (1.0 + ROUNDING):
            return time_s
    raise BuildError(
        f"no second probe between {shortest:.6g} and {longest:.6g} s differs by a factor {LEAST_RATIO:g} from the "
        f"first ({first}) and stays below {brightest:.6g} electron (start with another time)"
    )


def solve(probes: Sequence[Probe], target: float, *, ceiling: float, shortest: float, longest: float) -> float:
    """Solve for the exposure time of a wanted level.

    Parameters
    ----------
    probes : sequence of Probe
        Two exactly determine rate and delay; more are fitted by least squares. Those at the ceiling are left out.
    target : scalar [electron]
    ceiling : scalar [electron]
        Full well or saturation of the detector.
    shortest, longest : scalar [s]
        What the camera can do.

    Returns
    -------
    scalar [s]
        From `shortest` to `longest`.

    Raises
    ------
    BuildError
        If the target is above the ceiling, the level does not rise with time, or no allowed time gives the target.
        The message names the probes.
    """
    tried = "; ".join(str(probe) for probe in probes) or "none"
    if not 0.0 < target <= ceiling:
        raise BuildError(f"a level of {target:.6g} electron is not between 0 and the ceiling of {ceiling:.6g} electron")
    usable = [probe for probe in probes if probe.level < ceiling and math.isfinite(probe.time_s)]
    rate, time_mean, level_mean = _line(usable)
    if not rate > 0.0:
        raise BuildError(
            f"the level does not rise with time (probes: {tried}; ceiling {ceiling:.6g} electron): "
            "two probes of different time below the ceiling are needed, and a lamp that is on"
        )
    time_s = time_mean + (target - level_mean) / rate
    if not shortest * (1.0 - ROUNDING) <= time_s <= longest * (1.0 + ROUNDING):
        raise BuildError(
            f"{target:.6g} electron would need {time_s:.6g} s, which is not between {shortest:.6g} and "
            f"{longest:.6g} s (probes: {tried})"
        )
    return min(max(time_s, shortest), longest)


def _line(probes: Sequence[Probe]) -> tuple[float, float, float]:
    """Fit a line; give its slope, and a point it runs through."""
    if not probes:
        return math.nan, math.nan, math.nan
    count = len(probes)
    time_mean = math.fsum(probe.time_s for probe in probes) / count
    level_mean = math.fsum(probe.level for probe in probes) / count
    lever = math.fsum((probe.time_s - time_mean) ** 2 for probe in probes)
    rise = math.fsum((probe.time_s - time_mean) * (probe.level - level_mean) for probe in probes)
    return (rise / lever if lever > 0.0 else math.nan), time_mean, level_mean
