"""Levels: how the camera lane finds the times of exposures to them from probes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from functools import partial
from typing import TypeAlias

from attrs import define, evolve, field

from latcal.engine.ledger import Ledger
from latcal.engine.level_times import search_range
from latcal.engine.standing import INTERRUPTED
from latcal.errors import BuildError, CameraError, NotReady, Problem
from latcal.model.events import Solved
from latcal.model.frames import AmplifierFrame
from latcal.model.geometry import Preparation
from latcal.model.steps import Status, Take
from latcal.numerics import exposure as solving
from latcal.plugin.protocols import CameraDescription

NOT_NEEDED = "the probes before it told enough"
NOT_FOUND = "no times were found"

_Place: TypeAlias = tuple[int, Preparation, str]


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
        try:
            zero = self._zero(take)
            light = self.described.light if self.described else None
            time_s = solving.next_probe(self._measured(take, zero), self._range(take, zero), light)
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
            try:
                zero = self._zero(take)
                measured, within = self._measured(take, zero), self._range(take, zero)
                limits = {"ceiling": within.ceiling, "shortest": within.shortest, "longest": take.longest_s}
                self.solved[key] = solving.solve(measured, self.ledger.plan.instrument.electrons(take.level), **limits)
            except BuildError as error:
                raise self._give_up(take, f"no time for {take.level}: {error}") from error
            pairs = tuple((probe.time_s, probe.level) for probe in measured)
            self.ledger.emit(Solved(take.sequence, str(take.level), self.solved[key], pairs))
        return self.solved[key]

    def _range(self, take: Take, zero: Mapping[_Place, float]) -> solving.Range:
        """Give between what its time is sought; where a pedestal is left in the frames, they are full that much sooner."""
        plan = self.ledger.plan
        within = search_range(plan.recipe.sequences[take.sequence], plan.instrument, self.described)
        return evolve(within, ceiling=within.ceiling - max(zero.values(), default=0.0))

    def _give_up(self, take: Take, what: str) -> NotReady:
        hint = "see to the lamp; 'longest' of the sequence says how long an exposure may be"
        return self.given_up.setdefault(take.sequence, NotReady([Problem(what, hint, path=take.sequence)]))

    def _probes(self, take: Take) -> tuple[list[Take], list[Take]]:
        """Wait for the probes of a sequence that come before an exposure; give those planned, and those that came.

        Raises
        ------
        CameraError
            If the run is to end before.
        """
        steps = self.ledger.plan.steps[: take.id]
        probes = [step for step in steps if isinstance(step, Take) and step.probe and step.sequence == take.sequence]
        if not self.ledger.wait_for(partial(self.ledger.ended, tuple(step.id for step in probes))):
            raise CameraError(INTERRUPTED)
        return probes, [step for step in probes if self.ledger.standing.status[step.id] is Status.DONE]

    def _zero(self, take: Take) -> dict[_Place, float]:
        """Give the levels without light of a sequence, by place [electron]; empty where overscans say them.

        Raises
        ------
        BuildError
            If the exposure without light did not come.
        CameraError
            If the run is to end before.
        """
        probes, came = self._probes(take)
        if any(step.zero for step in probes) and not any(step.zero for step in came):
            raise BuildError("the exposure without light, from which levels are counted, did not come")
        return {place: frame.level for step in came if step.zero for place, frame in self._frames(step).items()}

    def _measured(self, take: Take, zero: Mapping[_Place, float]) -> list[solving.Probe]:
        """Give time and level of the probes of a sequence that came; errors are those of `_zero` and `_probe`."""
        return [self._probe(step, zero) for step in self._probes(take)[1] if not step.zero]

    def _probe(self, step: Take, zero: Mapping[_Place, float]) -> solving.Probe:
        """Give time and level of a probe, the level being the median over detectors and amplifiers.

        Parameters
        ----------
        zero : mapping of (int, Preparation, str) to float [electron]
            By place: what there is without light; nothing where overscans say it.

        Raises
        ------
        BuildError
            If the exposure without light lacks an amplifier that it has.
        """
        frames = self._frames(step)
        lacking = sorted({f"{name} of detector {detector}" for detector, _, name in frames.keys() - zero.keys()})
        if zero and lacking:
            raise BuildError(f"the exposure without light has no amplifier {', '.join(lacking)}")
        levels = [
            math.inf if math.isnan(one.level) and one.saturated else one.level - (zero[place] if zero else 0.0)
            for place, one in frames.items()
        ]
        return solving.Probe(self.ledger.exposures[step.id].time_s, statistics.median(levels))

    def _frames(self, step: Take) -> dict[_Place, AmplifierFrame]:
        """Give the amplifiers of a probe, by detector, preparation and name."""
        with self.ledger.changing():
            every = tuple(self.ledger.prepared.items())
        return {
            (detector, preparation, name): frame
            for (take, detector, preparation), parts in every
            if take == step.id
            for name, frame in parts.items()
        }
