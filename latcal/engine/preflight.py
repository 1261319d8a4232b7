"""Ask camera and store, before the first exposure, all that only they can answer. Nothing is moved or written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from astropy.time import Time
from attrs import define, field, frozen

from latcal.engine import budget
from latcal.engine.agreement import Agreement
from latcal.engine.asking import Asked
from latcal.engine.estimate import estimate, lack_of_room
from latcal.engine.foresight import with_foresight
from latcal.engine.occupancy import occupancy
from latcal.engine.ordering import does_whole_steps
from latcal.errors import NotReady, PluginError, Problem, ProductNotFound
from latcal.model.events import Kept, Resolved, ResolvedNeed
from latcal.model.frames import SETUP_KEYS, ExposureRequest, Setup
from latcal.model.products import ProductRef
from latcal.model.recipe import Occupied
from latcal.model.steps import (
    BudgetLine,
    Build,
    Certify,
    Estimate,
    FromCollections,
    FromStep,
    Plan,
    Take,
    Verify,
    sources,
)
from latcal.plugin.calling import bare
from latcal.plugin.declarations import CalibrationType
from latcal.plugin.gates import Gate
from latcal.plugin.protocols import Store
from latcal.plugin.registry import Registry


@frozen
class Resolution:
    """What preflight settled.

    Parameters
    ----------
    event : Resolved
        The one product for every need that a collection fills.
    setups : mapping of int to Setup
        By Take: the setup in which it will come.
    kept : mapping of int to Kept
        By stage: what is certified already and stands for what the stage would make.
    takes : frozenset of int
        The Take steps that some stage wants: those that are not kept.
    budget : tuple of BudgetLine
        The noise budget, by what was found in collections too.
    estimate : Estimate
        What the exposures cost.
    remarks : tuple of str
        What stops nothing: what is certified will not hold now, and what the camera says.
    """

    event: Resolved
    setups: Mapping[int, Setup]
    kept: Mapping[int, Kept]
    takes: frozenset[int]
    budget: tuple[BudgetLine, ...]
    estimate: Estimate
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
        position=take.position,
        discarded=take.discarded or take.probe,
        labels=dict(plan.recipe.labels),
        pause_s=take.pause_s,
    )


def take_request(plan: Plan, take: Take) -> ExposureRequest:
    """Give one exposure as a camera is asked about it beforehand: of a time to be solved about what it may be."""
    time_s = (take.expected_s or take.longest_s) if take.time_s is None else take.time_s
    return request(plan, take, take.index, time_s)


@define(eq=False)
class _Preflight:
    """The questions, and what was answered so far."""

    plan: Plan
    registry: Registry
    store: Store
    camera: Asked
    now: Time
    setups: dict[int, Setup] = field(factory=dict)
    kept: dict[int, Kept] = field(factory=dict)
    found: dict[tuple[int, str, int], ProductRef] = field(factory=dict)

    def ask(self) -> Iterator[Problem]:
        """Give every problem."""
        yield from self._occupied("keep")
        takes = self.takes
        yield from self._camera_problems()
        yield from dict.fromkeys(self._other_setups(takes))
        yield from self._look_up()
        yield from Agreement(self.plan, self.registry, self.found, self.kept).problems()
        yield from self._occupied("refuse")
        prepared = not does_whole_steps(self.plan, self.registry)
        yield from lack_of_room(takes, self.plan.instrument, self.estimate.raw_bytes, self.store, prepared=prepared)

    @property
    def takes(self) -> tuple[Take, ...]:
        """The exposures that are wanted by a stage that is not kept."""
        every = (step for step in self.plan.steps if isinstance(step, Take))
        return tuple(take for take in every if any(user.index not in self.kept for user in self.plan.users(take)))

    @property
    def estimate(self) -> Estimate:
        """What these cost."""
        use = self.plan.recipe.camera
        named = self.registry.named("camera", use.use)
        described = self.registry.ask(named, "describe", use.options, self.plan.instrument)
        cost = estimate(self.takes, self.plan.instrument, described)
        return with_foresight(cost, self.plan, self.registry, described, self.budget, self.kept)

    @property
    def budget(self) -> tuple[BudgetLine, ...]:
        """The noise budget, by what the store has too."""
        found: dict[tuple[int, str], int] = {}
        for (step, kind, _), ref in self.found.items():
            found[step, kind] = min(ref.frames, found.get((step, kind), ref.frames))
        return tuple(budget.lines(self.registry, self.plan.stages, self.plan.steps, found))

    def _camera_problems(self) -> Iterator[Problem]:
        """Ask the camera what of the exposures it cannot take, and in which setup each would come."""
        asked = {step.id: take_request(self.plan, step) for step in self.plan.steps if isinstance(step, Take)}
        told = self.camera.problems(tuple(asked[take.id] for take in self.takes))
        yield from (self.plan.recipe.problem("camera", what=text) for text in told)
        for take, one in asked.items():
            self.setups[take] = one.setup if told else self.camera.setup(one)

    def _at(self, stage: int, *keys: str, what: str, hint: str = "") -> Problem:
        return self.plan.recipe.problem("stages", stage, *keys, what=what, hint=hint)

    def _kind(self, name: str) -> CalibrationType:
        kind: CalibrationType = self.registry.get("calibration", name)
        return kind

    def _users(self) -> Iterator[Build | Verify]:
        return (step for step in self.plan.steps if isinstance(step, Build | Verify))

    def _setup(self, step: Build | Verify, kind: str) -> Setup:
        """Give the setup that a product of a kind must have for the exposures of a step."""
        return self.setups[step.takes[0]].only(self._kind(kind).setup)

    def _other_setups(self, takes: Iterable[Take]) -> Iterator[Problem]:
        """Refuse what would come in another setup than asked for."""
        for take in takes:
            for key in SETUP_KEYS:
                wanted, comes = getattr(take.setup, key), getattr(self.setups[take.id], key)
                if wanted is not None and wanted != comes:
                    what = f"the exposures would come with {key} {comes!r}, not {wanted!r}"
                    hint = "mend the recipe or the instrument file"
                    yield self.plan.recipe.problem("sequences", take.sequence, what=what, hint=hint)

    def _look_up(self) -> Iterator[Problem]:
        """Find the one product for every need that a collection fills.

        A kept stage needs nothing, so nothing is missing; what is found must go with what is kept.
        """
        for step in self._users():
            problems = list(self._look_up_for(step))
            yield from problems if step.stage not in self.kept else ()

    def _look_up_for(self, step: Build | Verify) -> Iterator[Problem]:
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
                own = isinstance(step, Verify) and self.plan.stages[step.stage].stage.verify.collections is not None
                yield self._at(step.stage, *(("verify",) if own else ()), "collections", what=str(error))
                continue
            if (ref.kind, ref.detector) != (kind, detector):
                whose = self.registry.named("store", self.plan.recipe.store.use).source
                raise PluginError(f"{whose}: find of the store gave {ref}, asked for a {kind} for detector {detector}")
            earlier = self.found.setdefault((step.id, kind, detector), ref)
            if earlier != ref:
                what = f"{earlier} and {ref} were found for one need"
                yield self._at(step.stage, what=what, hint="name other collections")

    def _occupied(self, occupied: Occupied) -> Iterator[Problem]:
        """See what the collections have already where stages would certify, and note what is kept."""
        for step in self.plan.steps:
            if isinstance(step, Certify) and step.certificate.occupied == occupied:
                take = self.plan.stage_takes(step.stage)[0]
                if take.id not in self.setups:
                    self.setups[take.id] = self.camera.setup(take_request(self.plan, take))
                setup = self.setups[take.id].only(self._kind(step.kind).setup)
                answer = occupancy(self.plan, step, setup, self.store)
                if isinstance(answer, Kept):
                    self._keep(answer, FromStep(step.build))
                else:
                    yield from answer

    def _keep(self, kept: Kept, made: FromStep) -> None:
        """Let what is kept stand for what its stage would have made, wherever that is used."""
        self.kept[kept.stage] = kept
        for step in self._users():
            mine = self.plan.stages[step.stage].detectors
            for kind in (kind for kind, source in sources(step).items() if source == made):
                self.found.update({(step.id, kind, ref.detector): ref for ref in kept.refs if ref.detector in mine})


def _out_of_range(plan: Plan, now: Time) -> Iterator[str]:
    """Say where what is certified does not hold now: tonight's exposures find nothing there."""
    certificates = dict.fromkeys((step.certificate.into, step.certificate.valid) for step in plan.steps if isinstance(step, Certify))
    for into, valid in certificates:
        if not valid.contains(now):
            yield f"what is certified into {into} holds {valid}, which {now.tai.strftime('%Y-%m-%d')} is not in: exposures of today do not find it"


def closed_gates(gates: Iterable[Gate], takes: Iterable[Take]) -> Iterator[str]:
    """Say which gates before these exposures do not hold now: they are waited for when it is their turn."""
    images = {take.image for take in takes}
    return (str(gate) for gate in gates if not gate.holds and any(map(gate.concerns, images)))


def resolve(plan: Plan, registry: Registry, store: Store, camera: Asked, now: Time) -> Resolution:
    """Ask everything at once.

    Raises
    ------
    NotReady
        With every problem found.
    """
    asking = _Preflight(plan, registry, store, camera, now)
    problems = list(asking.ask())
    for _, answer in registry.hook("latcal_preflight", plan=plan, store=bare(store), camera=camera.bare):
        problems += answer
    if problems:
        raise NotReady(dict.fromkeys(problems))
    stages = {step.id: step.stage for step in plan.steps if isinstance(step, Build | Verify)}
    needs = tuple(
        ResolvedNeed(stages[step], kind, detector, ref, ref.collection, step)
        for (step, kind, detector), ref in sorted(asking.found.items(), key=lambda entry: entry[0])
        if stages[step] not in asking.kept
    )
    return Resolution(
        event=Resolved(needs),
        setups=asking.setups,
        kept=asking.kept,
        takes=frozenset(take.id for take in asking.takes),
        budget=asking.budget,
        estimate=asking.estimate,
        remarks=(*_out_of_range(plan, now), *camera.remarks(), *closed_gates(camera.gates(), asking.takes)),
    )
