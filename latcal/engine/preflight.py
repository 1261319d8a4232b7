"""Ask camera and store, before the first exposure, all that only they can answer. Nothing is moved or written."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping

from astropy.time import Time
from attrs import define, field, frozen

from latcal.errors import NotReady, Problem, ProductNotFound
from latcal.model.events import Resolved, ResolvedNeed
from latcal.model.frames import SETUP_KEYS, ExposureRequest, Setup
from latcal.model.products import ProductRef
from latcal.model.recipe import Path
from latcal.model.steps import Build, Certify, FromCollections, FromStep, Plan, Source, Take, Verify, sources
from latcal.plugin.calling import bare, expect
from latcal.plugin.declarations import CalibrationType
from latcal.plugin.protocols import Camera, Store
from latcal.plugin.registry import Registry

MARGIN = 1.1
"""Room asked for over the raw frames themselves; our choice, for products and reports."""


@frozen
class Resolution:
    """What preflight settled.

    Parameters
    ----------
    event : Resolved
        The one product for every need that a collection fills.
    setups : mapping of int to Setup
        By Take: the setup in which it will come.
    remarks : tuple of str
        What the camera says that stops nothing.
    """

    event: Resolved
    setups: Mapping[int, Setup]
    remarks: tuple[str, ...] = ()


def request(plan: Plan, take: Take, number: int, time_s: float) -> ExposureRequest:
    """Give one exposure as the camera is asked for it."""
    return ExposureRequest(
        number=number,
        index=take.index,
        image=take.image,
        time_s=time_s,
        setup=take.setup,
        sequence=take.sequence,
        detectors=take.detectors,
        discarded=take.discarded or take.probe,
        labels=dict(plan.recipe.labels),
    )


@define(eq=False)
class _Preflight:
    """The questions, and what was answered so far."""

    plan: Plan
    registry: Registry
    store: Store
    camera: Camera
    now: Time
    setups: dict[int, Setup] = field(factory=dict)
    found: dict[tuple[int, str, int], ProductRef] = field(factory=dict)

    def ask(self) -> Iterator[Problem]:
        """Give every problem."""
        takes = [step for step in self.plan.steps if isinstance(step, Take)]
        requests = {take.id: request(self.plan, take, take.index, take.time_s or 0.0) for take in takes}
        where = self.plan.recipe.marks.at(("camera",))
        told = _texts(self.camera.problems(tuple(requests.values())), "problems")
        yield from (Problem(text, "", where, "camera") for text in told)
        for take, asked in requests.items():
            self.setups[take] = asked.setup if told else expect(self.camera.setup(asked), Setup, "setup of the camera")
        yield from dict.fromkeys(self._other_setups(takes))
        yield from self._look_up()
        yield from self._pins()
        yield from self._preparations()
        yield from self._free()
        yield from self._room(takes)

    def _at(self, stage: int, *keys: str, what: str, hint: str = "") -> Problem:
        path: Path = ("stages", stage, *keys)
        return Problem(what, hint, self.plan.recipe.marks.at(path), ".".join(str(part) for part in path))

    def _kind(self, name: str) -> CalibrationType:
        kind: CalibrationType = self.registry.get("calibration", name)
        return kind

    def _users(self) -> Iterator[Build | Verify]:
        return (step for step in self.plan.steps if isinstance(step, Build | Verify))

    def _setup(self, step: Build | Verify, kind: str) -> Setup:
        """Give the setup that a product of a kind must have for the exposures of a step."""
        return self.setups[step.takes[0]].only(self._kind(kind).setup)

    def _other_setups(self, takes: list[Take]) -> Iterator[Problem]:
        """Refuse what would come in another setup than asked for."""
        for take in takes:
            for key in SETUP_KEYS:
                wanted, comes = getattr(take.setup, key), getattr(self.setups[take.id], key)
                if wanted is not None and wanted != comes:
                    where = self.plan.recipe.marks.at(("sequences", take.sequence))
                    what = f"the exposures would come with {key} {comes!r}, not {wanted!r}"
                    yield Problem(what, "mend the recipe or the instrument file", where, f"sequences.{take.sequence}")

    def _look_up(self) -> Iterator[Problem]:
        """Find the one product for every need that a collection fills."""
        for step in self._users():
            wanted = {self.setups[take].only(self._kind(step.kind).setup) for take in step.takes}
            if len(wanted) > 1 and isinstance(step, Verify):
                words = " and ".join(sorted(str(setup) or "none" for setup in wanted))
                what = f"the frames would come in different setups: {words}"
                yield self._at(step.stage, "frames", what=what, hint="write filter and grating in the sequences")
            for kind, source in sources(step).items():
                if isinstance(source, FromCollections):
                    yield from self._find(step, kind, source)

    def _find(self, step: Build | Verify, kind: str, source: FromCollections) -> Iterator[Problem]:
        for detector in self.plan.stages[step.stage].detectors:
            try:
                ref = self.store.find(kind, detector, self._setup(step, kind), self.now, source.collections)
            except ProductNotFound as error:
                yield self._at(step.stage, what=str(error))
                continue
            earlier = self.found.setdefault((step.id, kind, detector), ref)
            if earlier != ref:
                what = f"{earlier} and {ref} were found for one need"
                yield self._at(step.stage, what=what, hint="name other collections")

    def _identity(self, step: int, kind: str, source: Source, detector: int) -> str:
        """Say which product a source stands for: one that a step makes, or one that was found."""
        if isinstance(source, FromStep):
            return f"the one of step {source.step}"
        ref = self.found.get((step, kind, detector))
        return ref.id if ref else ""

    def _pinned(self, step: Build | Verify, kind: str, source: Source, detector: int) -> Mapping[str, str]:
        """Give what a used product pins, by kind: as the store says, or as the step that makes it will do."""
        if isinstance(source, FromStep):
            build = self.plan.steps[source.step]
            needs = build.needs if isinstance(build, Build) else {}
            pins = self._kind(kind).pins
            return {k: self._identity(build.id, k, needs[k], detector) for k in sorted(pins) if k in needs}
        ref = self.found.get((step.id, kind, detector))
        return ref.pins if ref else {}

    def _pins(self) -> Iterator[Problem]:
        """Refuse a product that was made with another bias (say) than the one it is used with."""
        for step in self._users():
            planned = self.plan.stages[step.stage]
            named = self.registry.named("calibration", step.kind)
            waived = self.registry.call(named, named.declaration.unpinned, planned.stage.options)
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
                            hint = f"make a {kind} too, name collections that hold its {pinned}, or say other_{pinned}: WHY"
                            yield self._at(step.stage, what=what, hint=hint)

    def _preparations(self) -> Iterator[Problem]:
        for (step, kind, detector), ref in self.found.items():
            stage = next(one.stage for one in self._users() if one.id == step)
            mine = str(self.plan.stages[stage].preparation)
            if ref.preparation and ref.preparation != mine:
                what = (
                    f"the {kind} of detector {detector} was made with {ref.preparation}, and frames are prepared with "
                    f"{mine}"
                )
                yield self._at(stage, what=what, hint="set the same overscan models in the options of the stage")

    def _free(self) -> Iterator[Problem]:
        for step in self.plan.steps:
            if isinstance(step, Certify):
                planned, one = self.plan.stages[step.stage], step.certificate
                build = self.plan.steps[step.build]
                setup = self._setup(build, step.kind) if isinstance(build, Build) else planned.setup
                for detector in planned.detectors:
                    if not self.store.is_free(step.kind, detector, setup, one.into, one.valid):
                        what = (
                            f"{one.into}: a {step.kind} for detector {detector} is already valid in part of {one.valid}"
                        )
                        hint = f"certify into another collection: --set certify.into={one.into}.2, or another range"
                        yield self._at(step.stage, what=what, hint=hint)

    def _room(self, takes: list[Take]) -> Iterator[Problem]:
        """See that the exposures fit into the store, and the prepared frames into the scratch folder."""
        room, size = (
            expect(self.store.free_bytes(), int | None, "free_bytes of the store"),
            self.plan.estimate.raw_bytes * MARGIN,
        )
        if room is not None and room < size:
            what = f"the store has room for {room / 1e9:.1f} GB, and the exposures need {size / 1e9:.1f} GB"
            yield Problem(what, "make room", path="store")
        pixels = {d.id: d.shape[0] * d.shape[1] for d in self.plan.instrument.detectors}
        scratch = 4.0 * sum(pixels[detector] for take in takes if not take.discarded for detector in take.detectors)
        folder = tempfile.gettempdir()
        there = shutil.disk_usage(folder).free
        if there < scratch:
            what = f"{folder} has room for {there / 1e9:.1f} GB, and prepared frames need {scratch / 1e9:.1f} GB"
            yield Problem(what, "make room, or set TMPDIR", path="scratch")


def _texts(answer: object, what: str) -> tuple[str, ...]:
    """Give the texts that a camera answers with."""
    texts = tuple(expect(answer, list | tuple, f"{what} of the camera"))
    return tuple(expect(text, str, f"{what} of the camera") for text in texts)


def _short(identity: str) -> str:
    return identity if identity.startswith("the one") else identity[:12]


def resolve(plan: Plan, registry: Registry, store: Store, camera: Camera, now: Time) -> Resolution:
    """Ask everything at once.

    Raises
    ------
    NotReady
        With every problem found.
    """
    asking = _Preflight(plan, registry, store, camera, now)
    problems = list(asking.ask())
    for _, answer in registry.hook("latcal_preflight", plan=plan, store=bare(store), camera=bare(camera)):
        problems += list(answer or ())
    if problems:
        raise NotReady(dict.fromkeys(problems))
    stages = {step.id: step.stage for step in plan.steps if isinstance(step, Build | Verify)}
    needs = tuple(
        ResolvedNeed(stages[step], kind, detector, ref, ref.collection, step)
        for (step, kind, detector), ref in sorted(asking.found.items(), key=lambda entry: entry[0])
    )
    return Resolution(Resolved(needs), asking.setups, _texts(camera.remarks(), "remarks"))
