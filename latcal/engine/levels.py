"""Levels: how exposures to them are planned, and how the camera lane finds their times from probes."""

from __future__ import annotations

import math
import statistics
from functools import partial

from attrs import define, evolve, field

from latcal.engine.ledger import INTERRUPTED, Ledger
from latcal.errors import BuildError, CameraError, NotReady, Problem
from latcal.model.events import Solved, Status
from latcal.model.exposures import Level
from latcal.model.geometry import Instrument
from latcal.model.recipe import Sequence
from latcal.model.steps import Take
from latcal.numerics import exposure as solving
from latcal.plugin.protocols import CameraDescription

LONGEST_S = 60.0
"""Longest time that a level is solved to where a recipe says no `longest` [s]; our choice: flats are seldom longer."""

LATE_S = 1.0
"""How late a shutter may open [s]: what the times of fainter levels may have over their part of the longest; our choice."""

NOT_NEEDED = "the probes before it told enough"
NOT_FOUND = "no times were found"


def search_range(sequence: Sequence, instrument: Instrument, camera: CameraDescription | None) -> solving.Range:
    """Give between what the times of a sequence's levels are sought."""
    wanted = [*sequence.exposures.levels, *(sequence.discarded.levels if sequence.discarded else ())]
    electrons = [instrument.electrons(level) for level in wanted]
    shortest, longest = (camera.shortest_s, camera.longest_s) if camera else (0.0, math.inf)
    allowed = LONGEST_S if sequence.longest_s is None else sequence.longest_s
    return solving.Range(
        min(electrons), max(electrons), instrument.ends, shortest, max(shortest, min(longest, allowed))
    )


def longest_time(electrons: float, within: solving.Range) -> float:
    """Give the longest time that a level may be solved to: its part of the longest of all [s]."""
    part = electrons / within.highest
    return within.clip(part * within.longest + (1.0 - part) * LATE_S)


def planned_take(take: Take, sequence: Sequence, instrument: Instrument, camera: CameraDescription | None) -> Take:
    """Settle what can be known of an exposure whose time is solved: how long it is at most, and by the light known of."""
    within, light = search_range(sequence, instrument, camera), camera.light if camera else None
    if take.probe and take.position == 1:
        return evolve(take, time_s=solving.first_probe(light, within))
    if take.probe:
        top = min(within.highest, within.brightest)
        expected = 0.0 if take.spare else None if light is None else within.clip(top / light)
        return evolve(take, longest_s=within.longest, expected_s=expected)
    if take.level is None:
        return take
    electrons = instrument.electrons(take.level)
    longest_s = longest_time(electrons, within)
    expected = None if light is None else min(within.clip(electrons / light), longest_s)
    level = take.level if isinstance(take.level, Level) else Level(float(f"{electrons:.4g}"), "electron")
    return evolve(take, level=level, longest_s=longest_s, expected_s=expected)


@define(eq=False)
class Levels:
    """The search for the times of levels, sequence by sequence, while exposures are taken.

    Parameters
    ----------
    described : CameraDescription or None
        What the camera says of its times.
    solved : dict
        By sequence and level: its time [s].
    given_up : dict
        By sequence for which there is none: why.
    """

    ledger: Ledger
    described: CameraDescription | None
    solved: dict[tuple[str, str], float] = field(factory=dict)
    probed: dict[int, float] = field(factory=dict)
    given_up: dict[str, NotReady] = field(factory=dict)

    def unneeded(self, take: Take) -> str:
        """Say why a probe need not be taken; empty if it must be, or is none.

        Raises
        ------
        NotReady
            If no time of it could tell more: the message names those that were tried.
        CameraError
            If the run is to end before the probes before it are in.
        """
        if not take.probe or take.time_s is not None:
            return ""
        if take.sequence in self.given_up:
            return NOT_FOUND
        measured = self._measured(take)
        try:
            time_s = solving.next_probe(measured, self._range(take))
        except BuildError as error:
            raise self._give_up(take, f"no level is found: {error}") from error
        if time_s is None:
            return NOT_NEEDED
        self.probed[take.id] = time_s
        return ""

    def time(self, take: Take) -> float:
        """Give the exposure time, solved from the probes where a level was asked for [s].

        Raises
        ------
        NotReady
            If there is none.
        CameraError
            If the run is to end before the probes are in.
        """
        if take.time_s is not None:
            return take.time_s
        if take.id in self.probed:
            return self.probed[take.id]
        if take.sequence in self.given_up:
            raise self.given_up[take.sequence]
        key = (take.sequence, str(take.level))
        if take.level is not None and key not in self.solved:
            within, measured = self._range(take), self._measured(take)
            limits = {"ceiling": within.ceiling, "shortest": within.shortest, "longest": take.longest_s}
            try:
                self.solved[key] = solving.solve(measured, self.ledger.plan.instrument.electrons(take.level), **limits)
            except BuildError as error:
                raise self._give_up(take, f"no time for {take.level}: {error}") from error
            pairs = tuple((probe.time_s, probe.level) for probe in measured)
            self.ledger.emit(Solved(take.sequence, str(take.level), self.solved[key], pairs))
        return self.solved[key]

    def _range(self, take: Take) -> solving.Range:
        plan = self.ledger.plan
        return search_range(plan.recipe.sequences[take.sequence], plan.instrument, self.described)

    def _give_up(self, take: Take, what: str) -> NotReady:
        hint = "see to the lamp; 'longest' of the sequence says how long an exposure may be"
        return self.given_up.setdefault(take.sequence, NotReady([Problem(what, hint, path=take.sequence)]))

    def _measured(self, take: Take) -> list[solving.Probe]:
        """Wait for the probes of a sequence that come before an exposure; give time and level of those that came."""
        steps = self.ledger.plan.steps[: take.id]
        probes = [step for step in steps if isinstance(step, Take) and step.probe and step.sequence == take.sequence]
        if not self.ledger.wait_for(partial(self.ledger.ended, tuple(step.id for step in probes))):
            raise CameraError(INTERRUPTED)
        return [self._probe(step) for step in probes if self.ledger.status[step.id] is Status.DONE]

    def _probe(self, step: Take) -> solving.Probe:
        """Give time and level of a probe, the level being the median over detectors and amplifiers."""
        with self.ledger.changing():
            prepared = [parts for (take, _, _), parts in self.ledger.prepared.items() if take == step.id]
        frames = [frame for parts in prepared for frame in parts.values()]
        levels = [math.inf if math.isnan(one.level) and one.saturated else one.level for one in frames]
        return solving.Probe(self.ledger.exposures[step.id].time_s, statistics.median(levels))
