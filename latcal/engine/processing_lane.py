"""The processing lane: build, verify and certify, each as soon as what it needs exists."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from attrs import define, evolve, frozen

from latcal.engine.judging import judge, numbers, report_files, waived
from latcal.engine.ledger import INTERRUPTED, Ledger, Made
from latcal.engine.preflight import sources
from latcal.engine.preparing import spill
from latcal.errors import BuildError, LatcalError
from latcal.formats.plain import unstructure
from latcal.model.frames import AmplifierFrame
from latcal.model.geometry import Detector
from latcal.model.measurements import Measurements
from latcal.model.metrics import Measurement
from latcal.model.products import AmplifierProduct, Product, ProductRef, Provenance
from latcal.model.report import Built, Certified, Judged, Status
from latcal.model.steps import Build, Certify, FromStep, PlannedStage, Take, Verify
from latcal.model.verdicts import Verdict
from latcal.plugin.declarations import AmplifierInputs, DetectorInputs, Executor, Named, Part, Store, Task
from latcal.plugin.registry import Registry

Needs = dict[int, dict[str, tuple[ProductRef, Mapping[str, AmplifierProduct]]]]


@frozen
class _Measure:
    """Measure one exposure on one amplifier, and say where each number belongs."""

    measure: Callable[[AmplifierInputs], Any]

    def __call__(self, inputs: AmplifierInputs) -> tuple[Measurement, ...]:
        at = (inputs.frames[0].exposure.id, inputs.detector.name, inputs.amplifier.name)
        return tuple(evolve(m, exposure=at[0], detector=at[1], amplifier=at[2]) for m in self.measure(inputs))


@define(eq=False)
class ProcessingLane:
    """Does every Build, Verify and Certify of a plan, in order."""

    ledger: Ledger
    registry: Registry
    store: Store
    executor: Executor

    def process(self) -> None:
        """Do every step when its turn comes and what it needs has ended."""
        for step in self.ledger.plan.steps:
            if isinstance(step, Take):
                continue
            takes = () if isinstance(step, Certify) else step.takes
            if not self.ledger.wait_for(partial(self.ledger.ended, takes)):
                self.ledger.end(step.id, Status.SKIPPED, INTERRUPTED, 130)
                continue
            reason = self._skip(step)
            if reason:
                self.ledger.end(step.id, Status.SKIPPED, reason, 130 if reason == INTERRUPTED else 0)
                continue
            self.ledger.start(step.id)
            try:
                status, why, code = self._do(step)
            except LatcalError as error:
                self.ledger.fail(step.id, error)
            else:
                self.ledger.end(step.id, status, why, code)
            if isinstance(step, Verify):
                self._release(step)

    def _skip(self, step: Build | Verify | Certify) -> str:
        """Say why a step has nothing to work on."""
        ledger = self.ledger
        if ledger.stop.is_set():
            return INTERRUPTED
        blocked = ledger.blocker(step)
        if blocked:
            return blocked
        mine = [s for s in ledger.plan.steps if not isinstance(s, Take) and s.stage == step.stage and s.id < step.id]
        for earlier in mine:
            if ledger.status[earlier.id] is not Status.DONE:
                return f"{step.kind} {ledger.outcome(step.stage)}"
        return ""

    def _do(self, step: Build | Verify | Certify) -> tuple[Status, str, int]:
        match step:
            case Build():
                self._build(step)
            case Verify():
                verdict = self._verify(step)
                if not verdict.accepted:
                    return Status.REFUSED, refusal(verdict), 1
            case Certify():
                self._certify(step)
        return Status.DONE, "", 0

    # what a step works on

    def _frames(self, step: Build | Verify) -> tuple[int, ...]:
        """Give the takes that arrived, if they are enough."""
        planned = self.ledger.planned(step)
        arrived, lost = self.ledger.arrived(step.takes), self.ledger.lost(step.takes)
        if len(arrived) < planned.at_least:
            failed = [take for take in lost if self.ledger.status[take.id] is Status.FAILED]
            names = ", ".join(f"{take.sequence} {take.position}/{take.of}" for take in failed or lost)
            rest = len(lost) - len(failed) if failed else 0
            raise BuildError(
                f"{step.kind}: {len(arrived)} of {len(step.takes)} frames came, and {planned.at_least} are wanted "
                f"(missing: {names}{f'; {rest} not taken after that' if rest else ''}; 'at_least' sets the number to go "
                "on with)"
            )
        return arrived

    def _needed(self, step: Build | Verify) -> Needs:
        """Give every product that a step uses, by detector and kind."""
        planned = self.ledger.planned(step)
        needs: Needs = {detector: {} for detector in planned.detectors}
        for kind, source in sources(step).items():
            for detector in planned.detectors:
                if isinstance(source, FromStep):
                    made = self.ledger.made[source.step]
                    needs[detector][kind] = made.refs[detector], made.parts[detector]
                else:
                    ref = self.ledger.resolved[step.stage, kind, detector]
                    product: Product = self._stored("get", ref)
                    needs[detector][kind] = ref, self._spill(product, ref, detector)
        return needs

    def _spill(self, product: Product, ref: ProductRef, detector: int) -> Mapping[str, AmplifierProduct]:
        where: Detector = self.ledger.plan.instrument.detector(detector)
        return spill(product, ref, where, self.ledger.scratch)

    def _stored(self, method: str, *args: Any, **kwargs: Any) -> Any:
        named = self.registry.named("store", self.ledger.plan.recipe.store.use)
        return self.registry.call(named, getattr(self.store, method), *args, **kwargs)

    def _detectors(self, planned: PlannedStage) -> list[Detector]:
        return [self.ledger.plan.instrument.detector(detector) for detector in planned.detectors]

    def _prepared(self, planned: PlannedStage, take: int, detector: Detector) -> Mapping[str, AmplifierFrame]:
        return self.ledger.prepared[take, detector.id, planned.preparation]

    def _inputs(
        self, planned: PlannedStage, needs: Needs, groups: Iterable[tuple[int, ...]], *, internal: bool
    ) -> Iterator[AmplifierInputs]:
        """Give the work of every group of takes, detector by detector, amplifier by amplifier."""
        for takes in groups:
            for detector in self._detectors(planned):
                frames = [self._prepared(planned, take, detector) for take in takes]
                for amplifier in detector.amplifiers:
                    yield AmplifierInputs(
                        detector=detector,
                        amplifier=amplifier,
                        frames=tuple(parts[amplifier.name] for parts in frames),
                        needs={kind: parts[amplifier.name] for kind, (_, parts) in needs[detector.id].items()},
                        options=planned.stage.options,
                        internal=internal,
                    )

    def _judged(self, planned: PlannedStage, needs: Needs, takes: tuple[int, ...]) -> Iterator[AmplifierInputs]:
        """Give the work of verifying every exposure, each judged by the noise pooled over all of them.

        The noise of one small overscan is known to half a per cent or so, that of twenty five times better; and a
        frame that is noisier than the others is seen, which its own overscan would hide.
        """
        pooled: dict[tuple[int, str], float] = {}
        for detector in self._detectors(planned):
            frames = [self._prepared(planned, take, detector) for take in takes]
            for name in frames[0]:
                squares = [parts[name].frame_noise ** 2 for parts in frames]
                pooled[detector.id, name] = math.sqrt(math.fsum(squares) / len(squares))
        for inputs in self._inputs(planned, needs, [(take,) for take in takes], internal=planned.stage.verb != "check"):
            noise = pooled[inputs.detector.id, inputs.amplifier.name]
            yield evolve(inputs, frames=(evolve(inputs.frames[0], frame_noise=noise),))

    def _map(
        self, function: Callable[[AmplifierInputs], Any], named: Named, items: Iterator[AmplifierInputs]
    ) -> Iterator[Any]:
        task = Task(function, f"{named.distribution} {named.version}".strip())
        for result in self.executor.map(task, items):
            if self.ledger.stop.is_set():
                raise BuildError(INTERRUPTED)
            yield result

    # the steps

    def _build(self, step: Build) -> None:
        planned = self.ledger.planned(step)
        named = self.registry.named("calibration", step.kind)
        takes, needs = self._frames(step), self._needed(step)
        items = self._inputs(planned, needs, [takes], internal=True)
        results: Iterator[Part] = self._map(named.declaration.build_amplifier, named, items)
        refs: dict[int, ProductRef] = {}
        parts: dict[int, Mapping[str, AmplifierProduct]] = {}
        for detector in self._detectors(planned):
            inputs = self._detector_inputs(step, planned, detector, takes, needs)
            mine = tuple(next(results) for _ in detector.amplifiers)
            product: Product = self.registry.call(named, named.declaration.assemble, inputs, mine)
            ref = self._stored("put", product, self.ledger.run)
            refs[detector.id], parts[detector.id] = ref, self._spill(product, ref, detector.id)
        with self.ledger.changing():
            self.ledger.made[step.id] = Made(refs, parts)
        self.ledger.emit(Built(step.id, tuple(refs.values())))

    def _detector_inputs(
        self, step: Build, planned: PlannedStage, detector: Detector, takes: tuple[int, ...], needs: Needs
    ) -> DetectorInputs:
        ledger, recipe = self.ledger, self.ledger.plan.recipe
        exposures = tuple(ledger.exposures[take] for take in takes)
        used = {kind: ref for kind, (ref, _) in needs[detector.id].items()}
        provenance = Provenance(
            run=ledger.run,
            recipe=recipe.name,
            recipe_digest=recipe.digest,
            recipe_text=recipe.text,
            settings=recipe.settings,
            exposures={ledger.exposures[take].id: ledger.checksums[take].get(detector.name, "") for take in takes},
            inputs=tuple(used.values()),
            options=unstructure(planned.stage.options),
            versions=dict(ledger.plan.versions),
            created=ledger.now(),
            unverified=planned.stage.verify.waiver,
        )
        return DetectorInputs(
            kind=step.kind,
            detector=detector,
            setup=planned.setup,
            exposures=exposures,
            needs=used,
            options=planned.stage.options,
            provenance=provenance,
            preparation=str(planned.preparation),
        )

    def _verify(self, step: Verify) -> Verdict:
        planned = self.ledger.planned(step)
        named = self.registry.named("calibration", step.kind)
        takes, needs = self._frames(step), self._needed(step)
        if planned.stage.verify.waiver:
            verdict = waived(planned, self._blank(planned, takes))
            self.ledger.emit(Judged(step.id, verdict))
            return verdict
        items = self._judged(planned, needs, takes)
        measured = self._blank(planned, takes)
        found = [m for result in self._map(_Measure(named.declaration.measure), named, items) for m in result]
        measured = measured.extended(found)
        products = self._products(step, needs)
        measured = measured.extended(self.registry.call(named, named.declaration.summarise, measured, products))
        frames = {kind: ref.frames for by_kind in needs.values() for kind, (ref, _) in by_kind.items()}
        verdict = waived(planned, measured)
        if planned.rules:
            verdict = judge(self.registry, planned, measured, self.ledger.plan.takes(takes), frames)
        self._stored("write_report", self.ledger.run, report_files(planned, measured, verdict))
        if "residuals" in planned.stage.keep:
            self._keep(step, planned, named, takes, needs)
        units = {name: metric.unit for name, metric in measured.metrics.items()}
        self.ledger.emit(Judged(step.id, verdict, numbers(measured), units))
        return verdict

    def _blank(self, planned: PlannedStage, takes: tuple[int, ...]) -> Measurements:
        """Give the columns of a verification, still empty."""
        detectors = self._detectors(planned)
        kind = self.registry.get("calibration", planned.stage.kind)
        exposures = [self.ledger.exposures[take] for take in takes]
        return Measurements(
            exposures=tuple(exposure.id for exposure in exposures),
            times_s=tuple(exposure.time_s for exposure in exposures),
            detectors=tuple(detector.name for detector in detectors),
            amplifiers=tuple(tuple(a.name for a in detector.amplifiers) for detector in detectors),
            metrics=kind.metrics,
            values={},
        )

    def _products(self, step: Verify, needs: Needs) -> dict[str, Product]:
        """Give the products that are verified, by detector name, for what is judged of them as a whole."""
        if step.product is None:
            return {}
        detectors = self._detectors(self.ledger.planned(step))
        return {detector.name: self._stored("get", needs[detector.id][step.kind][0]) for detector in detectors}

    def _keep(self, step: Verify, planned: PlannedStage, named: Named, takes: tuple[int, ...], needs: Needs) -> None:
        """Keep the images that were measured, as products of their own, one per exposure and detector."""
        items = self._judged(planned, needs, takes)
        results: Iterator[Part] = self._map(named.declaration.residual, named, items)
        for take in takes:
            for detector in self._detectors(planned):
                build = Build(step.id, step.stage, step.kind, step.takes, step.needs)
                inputs = self._detector_inputs(build, planned, detector, (take,), needs)
                mine = tuple(next(results) for _ in detector.amplifiers)
                product: Product = self.registry.call(named, named.declaration.assemble, inputs, mine)
                exposure = self.ledger.exposures[take].id
                kept = evolve(product, kind=f"{step.kind}_residual", exposure=exposure, pins={})
                self._stored("put", kept, self.ledger.run)

    def _certify(self, step: Certify) -> None:
        refs = tuple(self.ledger.made[step.build].refs.values())
        certificate = step.certificate
        waiver = self.ledger.planned(step).stage.verify.waiver
        self._stored("certify", refs, certificate.into, certificate.valid, unverified=waiver)
        self.ledger.emit(Certified(step.id, refs, certificate.into, str(certificate.valid)))

    def _release(self, step: Verify) -> None:
        """Remove prepared frames that no later step reads."""
        later = {
            (take, self.ledger.planned(other).preparation)
            for other in self.ledger.plan.steps
            if isinstance(other, Build | Verify) and other.id > step.id
            for take in other.takes
        }
        preparation = self.ledger.planned(step).preparation
        with self.ledger.changing():
            gone = [key for key in self.ledger.prepared if key[0] in step.takes and key[2] == preparation]
            parts = [self.ledger.prepared.pop(key) for key in gone if (key[0], preparation) not in later]
        for path in {frame.pixels.path for by_amplifier in parts for frame in by_amplifier.values()}:
            Path(path).unlink(missing_ok=True)


def refusal(verdict: Verdict) -> str:
    """Name the rules that decided, in one line."""
    rules = [tally.rule for tally in verdict.tallies if tally.decisive]
    return f"refused by {', '.join(rules)}" + (f"; {verdict.remedy}" if verdict.remedy else "")
