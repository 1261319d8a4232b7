"""Whether products go with one another, and with the frames that they are used on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import define, field

from latcal.errors import Problem
from latcal.model.events import Kept
from latcal.model.products import ProductRef
from latcal.model.steps import Build, FromStep, Plan, Source, Verify, sources
from latcal.plugin.registry import Registry


@define(eq=False)
class Agreement:
    """What uses products, and which ones.

    Parameters
    ----------
    found : mapping of (int, str, int) to ProductRef
        By step, kind and detector: what is in a collection. All else a step of the plan makes.
    kept : mapping of int to Kept
        By stage.
    """

    plan: Plan
    registry: Registry
    found: Mapping[tuple[int, str, int], ProductRef]
    kept: Mapping[int, Kept]
    users: Mapping[int, Build | Verify] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.users = {step.id: step for step in self.plan.steps if isinstance(step, Build | Verify)}

    def problems(self) -> Iterator[Problem]:
        """Give whatever does not go together."""
        yield from self._pins()
        yield from self._preparations()

    def _identity(self, step: int, kind: str, source: Source, detector: int) -> str:
        """Say which product a source stands for: one that was found, or one that a step makes."""
        ref = self.found.get((step, kind, detector))
        if ref is None and isinstance(source, FromStep):
            return f"the one of step {source.step}"
        return ref.id if ref else ""

    def _pinned(self, step: Build | Verify, kind: str, source: Source, detector: int) -> Mapping[str, str]:
        """Give what a used product pins, by kind: as the store says, or as the step that makes it will do."""
        ref = self.found.get((step.id, kind, detector))
        if ref is None and isinstance(source, FromStep):
            build = self.plan.steps[source.step]
            needs = build.needs if isinstance(build, Build) else {}
            pins = self.registry.get("calibration", kind).pins
            return {k: self._identity(build.id, k, needs[k], detector) for k in sorted(pins) if k in needs}
        return ref.pins if ref else {}

    def _pins(self) -> Iterator[Problem]:
        """Refuse a product that was made with another bias (say) than the one it is used with."""
        for step in self.users.values():
            planned = self.plan.stages[step.stage]
            named = self.registry.named("calibration", step.kind)
            waived = self.registry.ask(named, "unpinned", planned.stage.options)
            used = sources(step)
            if planned.stage.verify.collections:  # references that were asked for beside what this stage makes
                waived = {**waived, step.kind: "verify.collections"}
            for detector in planned.detectors:
                for kind, source in used.items():
                    for pinned, wanted in self._pinned(step, kind, source, detector).items():
                        if kind in waived or pinned not in used:
                            continue
                        other = self._identity(step.id, pinned, used[pinned], detector)
                        if other and wanted and other != wanted:
                            what = (
                                f"the {kind} of detector {detector} is made with the {pinned} {_short(wanted)}, and "
                                f"would be used with {_short(other)}"
                            )
                            hint = self._other_pin(source, kind, pinned)
                            yield self.plan.recipe.problem("stages", step.stage, what=what, hint=hint)

    def _other_pin(self, source: Source, kind: str, pinned: str) -> str:
        """Say what to do about a product that pins another than the one it would be used with."""
        for kept in self.kept.values():
            if isinstance(source, FromStep) and self.plan.steps[source.step].stage == kept.stage:
                return f"make another {kind} too: --set {kept.setting}"
        return f"make a {kind} too, name collections that hold its {pinned}, or say other_{pinned}: WHY"

    def _preparations(self) -> Iterator[Problem]:
        for (step, kind, detector), ref in self.found.items():
            stage = self.users[step].stage
            mine = str(self.plan.stages[stage].preparation.on(self.plan.instrument.detector(detector)))
            if ref.preparation and ref.preparation != mine:
                what = (
                    f"the {kind} of detector {detector} was made with {ref.preparation}, and frames are prepared with "
                    f"{mine}"
                )
                hint = "set the same overscan models and crosstalk in the options of the stage"
                yield self.plan.recipe.problem("stages", stage, what=what, hint=hint)


def _short(identity: str) -> str:
    return identity if identity.startswith("the one") else identity[:12]
