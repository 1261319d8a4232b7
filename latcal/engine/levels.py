"""Levels: how exposures to them are planned, and how the camera lane finds their times from probes."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping
from functools import partial
from typing import TypeAlias

from attrs import define, evolve, field

from latcal.engine.ledger import Ledger
from latcal.engine.standing import INTERRUPTED
from latcal.errors import BuildError, CameraError, NotReady, Problem
from latcal.model.events import Solved, Status
from latcal.model.exposures import Level
from latcal.model.frames import AmplifierFrame
from latcal.model.geometry import Instrument, Preparation
from latcal.model.recipe import Recipe, Sequence
from latcal.model.steps import Take
from latcal.numerics import exposure as solving
from latcal.plugin.protocols import CameraDescription
from latcal.plugin.registry import Registry

LONGEST_S = 60.0
"""Longest time that a level is solved to where a recipe says no `longest` [s]; our choice: flats are seldom longer."""

LATE_S = 1.0
"""How late a shutter may open [s]: what the times of fainter levels may have over their part of the longest; our choice."""

ZEROS = ("bias", "dark")
"""Image types without light from which levels are counted where no overscan is subtracted: the first that the camera takes."""

NOT_NEEDED = "the probes before it told enough"
NOT_FOUND = "no times were found"


def needs_zero(recipe: Recipe, registry: Registry, instrument: Instrument, sequence: Sequence) -> bool:
    """Tell whether levels of a sequence must be counted from an exposure without light: its frames keep their pedestal."""
    users = [stage for stage in recipe.stages if sequence.name in stage.frames]
    kinds = [(registry.named("calibration", stage.kind), stage.options) for stage in users]
    preparations = [registry.ask(named, "preparation", options) or instrument.preparation for named, options in kinds]
    amplifiers = [amplifier for detector in instrument.detectors for amplifier in detector.amplifiers]
    return any(not one.removes_pedestal(amplifier) for one in preparations for amplifier in amplifiers)


def zero_image(camera: CameraDescription | None) -> str:
    """Give the image type of an exposure without light; empty if the camera takes none."""
    images = camera.images if camera else None
    return next((image for image in ZEROS if images is None or image in images), "")


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


def planned_take(
    take: Take, sequence: Sequence, instrument: Instrument, camera: CameraDescription | None, *, first: bool
) -> Take:
    """Settle what can be known of an exposure whose time is solved: how long it is at most, and by the light known of.

    Parameters
    ----------
    first : bool
        Whether it is the first probe with light.
    """
    within, light = search_range(sequence, instrument, camera), camera.light if camera else None
    if take.zero:
        return evolve(take, time_s=within.shortest)
    if first:
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
            time_s = solving.next_probe(self._measured(take, zero), self._range(take, zero))
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
