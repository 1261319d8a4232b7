"""The processing lane: build, verify and certify, each as soon as what it needs exists."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from attrs import Factory, define, evolve, field

from latcal.engine.assembling import assembled
from latcal.engine.judging import judge, numbers, report_files, shown, waived
from latcal.engine.ledger import Ledger, Made
from latcal.engine.mapping import mapped, placed
from latcal.engine.ordering import Ordering, does_whole_steps
from latcal.engine.standing import INTERRUPTED
from latcal.engine.watching import Watcher
from latcal.engine.work import Needs, Work
from latcal.errors import LatcalError
from latcal.formats.products import reference
from latcal.model.events import (
    Built,
    Certified,
    Judged,
    Noted,
)
from latcal.model.geometry import Detector
from latcal.model.products import AmplifierProduct, Product, ProductRef
from latcal.model.steps import Build, Certify, PlannedStage, Status, Take, Verify
from latcal.model.verdicts import Verdict
from latcal.plugin.calling import Guarded
from latcal.plugin.declarations import Named
from latcal.plugin.images import failures
from latcal.plugin.inputs import AmplifierInputs, Part
from latcal.plugin.registry import Registry


@define(eq=False)
class ProcessingLane:
    """Does every Build, Verify and Certify of a plan, in order."""

    ledger: Ledger
    registry: Registry
    work: Work
    executor: Guarded
    watcher: Watcher = field(
        init=False,
        default=Factory(lambda lane: Watcher(lane.ledger, lane.registry, lane.work, lane.executor), takes_self=True),
    )

    @property
    def whole_steps(self) -> bool:
        """Whether the executor does whole steps."""
        return does_whole_steps(self.ledger.plan, self.registry)

    def process(self) -> None:
        """Do every step when its turn comes and what it needs has ended."""
        for step in self.ledger.plan.steps:
            if not isinstance(step, Take):
                if step.id not in self.ledger.standing.status:  # those of a kept stage have one
                    self._process(step)
                if isinstance(step, Verify):
                    self._release(step)

    def _process(self, step: Build | Verify | Certify) -> None:
        """Do one step when what it needs has ended, or say why it is skipped."""
        takes = () if isinstance(step, Certify) else step.takes
        if not isinstance(step, Certify) and not self.ledger.ended(takes) and not self._hindered(step):
            try:
                self.watcher.prepare(step)
                if isinstance(step, Verify):
                    self.watcher.watch(step)
            except LatcalError as error:
                self.ledger.fail(step.id, error)
                return
        came = self.ledger.wait_for(partial(self.ledger.ended, takes))
        reason = self._hindered(step) if came else INTERRUPTED
        if reason:
            self.ledger.end(step.id, Status.SKIPPED, reason, 130 if reason == INTERRUPTED else 0)
            return
        self.ledger.start(step.id)
        try:
            status, why, code = self._do(step)
        except LatcalError as error:
            self.ledger.fail(step.id, error)
        else:
            self.ledger.end(step.id, status, why, code)

    def _hindered(self, step: Build | Verify | Certify) -> str:
        """Say why a step has nothing to work on, so far; empty if nothing is known against it."""
        return INTERRUPTED if self.ledger.stop.is_set() else self.ledger.standing.hindrance(step)

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

    def _map(self, name: str, named: Named, items: Iterator[AmplifierInputs]) -> Iterator[Any]:
        return mapped(self.executor, named, name, items, self.ledger.stop)

    def _build(self, step: Build) -> None:
        planned = self.ledger.planned(step)
        named = self.registry.named("calibration", step.kind)
        takes = self.work.arrived(step)
        grouped = named.declaration.groups_apart
        groups = self.work.groups(step) if grouped else (takes,)
        if self.whole_steps:
            ordering = Ordering(self.work, self.executor)
            whole = ordering.build(step, groups, apart=grouped)
            for ref in whole.every:
                self._note_failures(step, ref, ordering.tables(ref))
            self._built(step, whole)
            return
        needs = self.work.needed(step)
        items = self.work.amplifiers(step, needs, groups, internal=True)
        results: Iterator[Part] = self._map("build_amplifier", named, items)
        made: dict[int, Made] = {}
        for group in groups:
            refs: dict[int, ProductRef] = {}
            parts: dict[int, Mapping[str, AmplifierProduct]] = {}
            for detector in self.work.detectors(planned):
                inputs = self.work.detector_inputs(step, planned, detector, group, needs)
                mine = tuple(itertools.islice(results, len(detector.amplifiers)))
                product = assembled(self.registry, named, inputs, mine)
                if grouped:
                    product = evolve(product, exposure=self.ledger.exposures[group[0]].id)
                ref, parts[detector.id] = self._kept(step, product, detector, needs)
                self._note_failures(step, ref, product)
                refs[detector.id] = ref
            made[group[0]] = Made(refs, parts)
        self._built(step, Made(groups=made) if grouped else made[groups[0][0]])

    def _kept(
        self, step: Build, product: Product, detector: Detector, needs: Needs
    ) -> tuple[ProductRef, Mapping[str, AmplifierProduct]]:
        """Put a product into the store; while that takes, the frames of the last detector are observed against it.

        First its pixels are written for workers, under the name that our own stores give it: astropy turns the bytes of planes
        round and back while it writes them.
        """
        usual, planned = reference(product, self.ledger.run), self.ledger.planned(step)
        parts = self.work.spilled(product, usual, detector.id)
        with ThreadPoolExecutor(1, "latcal-put") as pool:
            putting = pool.submit(self.work.store.put, product, self.ledger.run)
            if detector.id == planned.detectors[-1] and not product.exposure:
                used = {kind: by_amplifier for kind, (_, by_amplifier) in needs[detector.id].items()}
                self.watcher.meanwhile(step, detector, {**used, step.kind: parts}, putting.done)
            ref = putting.result()
        return ref, parts if ref == usual else self.work.renamed(ref, usual, detector.id)

    def _note_failures(self, step: Build, ref: ProductRef, product: Product) -> None:
        for reason, amplifiers in failures(product).items():
            self.ledger.emit(Noted(f"{ref}: {', '.join(amplifiers)}: {reason}", step.id))

    def _built(self, step: Build, whole: Made) -> None:
        with self.ledger.changing():
            self.ledger.made[step.id] = whole
        self.ledger.emit(Built(step.id, whole.every))

    def _verify(self, step: Verify) -> Verdict:
        planned = self.ledger.planned(step)
        named = self.registry.named("calibration", step.kind)
        takes = self.work.arrived(step)
        needs = self.work.named(step) if self.whole_steps else self.work.needed(step)
        if planned.stage.verify.waiver:
            verdict = waived(planned, self.work.blank(planned, takes))
            verdict = evolve(verdict, missing=self.work.missing(step), unused=self.work.unused(step))
            self.ledger.emit(Judged(step.id, verdict))
            return verdict
        groups = self.work.groups(step) if named.declaration.groups_apart else tuple((take,) for take in takes)
        measured = self.work.blank(planned, tuple(group[0] for group in groups))
        if named.declaration.measure is not None:
            if self.whole_steps:
                found = list(Ordering(self.work, self.executor).verify(step))
            else:
                items = self.work.exposures(step, needs, groups, self.watcher.seen(step))
                found = [m for result in self._map("measure", named, items) for m in result]
            measured = placed(named, "measure", measured, found)
        products = self._products(step, needs)
        summary = self.registry.ask(named, "summarise", measured, products)
        measured = placed(named, "summarise", measured, summary)
        frames = {kind: ref.frames for by_kind in needs.values() for kind, (ref, _) in by_kind.items()}
        verdict = waived(planned, measured)
        if planned.rules:
            verdict = judge(self.registry, planned, measured, self.ledger.plan.takes(takes), frames)
        each = named.declaration.group if named.declaration.groups_apart else verdict.each
        verdict = evolve(verdict, missing=self.work.missing(step), unused=self.work.unused(step), each=each)
        self.work.store.write_report(self.ledger.run, report_files(planned, measured, verdict))
        if "residuals" in planned.stage.keep and not self.whole_steps:
            self._keep(step, planned, named, takes, needs)
        units = {name: metric.unit for name, metric in measured.metrics.items()}
        self.ledger.emit(Judged(step.id, verdict, numbers(measured), units, shown(measured, named.declaration.shown)))
        return verdict

    def _products(self, step: Verify, needs: Needs) -> dict[str, Product]:
        """Give the tables of the products that are verified, by detector name, for what is judged of them as a whole.

        Without planes: those of 189 sensors do not fit into memory.
        """
        read = Ordering(self.work, self.executor).tables if self.whole_steps else self.work.tables
        detectors = self.work.detectors(self.ledger.planned(step))
        refs = {detector.name: needs[detector.id].get(step.kind) for detector in detectors}
        return {name: evolve(read(found[0]), planes={}) for name, found in refs.items() if found is not None}

    def _keep(self, step: Verify, planned: PlannedStage, named: Named, takes: tuple[int, ...], needs: Needs) -> None:
        """Keep the images that were measured, as products of their own, one per exposure and detector."""
        items = self.work.exposures(step, needs, tuple((take,) for take in takes), {})
        results: Iterator[Part] = self._map("residual", named, items)
        for take in takes:
            for detector in self.work.detectors(planned):
                build = Build(step.id, step.stage, step.kind, step.takes, step.needs)
                inputs = self.work.detector_inputs(build, planned, detector, (take,), needs)
                mine = tuple(itertools.islice(results, len(detector.amplifiers)))
                product = assembled(self.registry, named, inputs, mine)
                exposure = self.ledger.exposures[take].id
                kept = evolve(product, kind=f"{step.kind}_residual", exposure=exposure, pins={})
                self.work.store.put(kept, self.ledger.run)

    def _certify(self, step: Certify) -> None:
        refs = self.ledger.made[step.build].every
        certificate = step.certificate
        waiver = self.ledger.planned(step).stage.verify.waiver
        self.work.store.certify(refs, certificate.into, certificate.valid, unverified=waiver)
        self.ledger.emit(Certified(step.id, refs, certificate.into, str(certificate.valid)))

    def _release(self, step: Verify) -> None:
        """Remove prepared frames that no later step reads; after the last they go with the folder, and nobody waits for that."""
        others = [other for other in self.ledger.plan.steps if isinstance(other, Build | Verify) and other.id > step.id]
        if not others:
            return
        later = {(take, self.ledger.planned(other).preparation) for other in others for take in other.takes}
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
