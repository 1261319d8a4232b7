"""What a step works on: the frames that arrived, the products that it needs, and references to the pixels of both."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from attrs import define, evolve, field

from latcal.engine.ledger import Ledger
from latcal.engine.preparing import spill
from latcal.errors import BuildError, PluginError
from latcal.formats.plain import unstructure
from latcal.model.frames import AmplifierFrame, Exposure, Setup
from latcal.model.geometry import Detector
from latcal.model.measurements import Measurements
from latcal.model.products import AmplifierProduct, Product, ProductRef, Provenance
from latcal.model.steps import Build, FromStep, PlannedStage, Status, Verify, sources
from latcal.plugin.inputs import AmplifierInputs, DetectorInputs
from latcal.plugin.protocols import Store
from latcal.plugin.registry import Registry

Needs = dict[int, dict[str, tuple[ProductRef, Mapping[str, AmplifierProduct]]]]
"""By detector id and kind: a product, and references to its pixels by amplifier."""


@define(eq=False)
class Work:
    """Finds what steps work on, in the ledger and in the store; each product is read once."""

    ledger: Ledger
    registry: Registry
    store: Store
    _tables: dict[str, Product] = field(factory=dict, init=False)
    _parts: dict[tuple[str, int], Mapping[str, AmplifierProduct]] = field(factory=dict, init=False)

    def arrived(self, step: Build | Verify) -> tuple[int, ...]:
        """Give the takes that arrived, if they are enough."""
        planned = self.ledger.planned(step)
        arrived, lost = self.ledger.standing.arrived(step.takes), self.ledger.standing.lost(step.takes)
        if len(arrived) < planned.at_least:
            failed = [take for take in lost if self.ledger.standing.status[take.id] is Status.FAILED]
            names = ", ".join(f"{take.sequence} {take.position}/{take.of}" for take in failed or lost)
            rest = len(lost) - len(failed) if failed else 0
            raise BuildError(
                f"{step.kind}: {len(arrived)} of {len(step.takes)} frames came, and {planned.at_least} are wanted "
                f"(missing: {names}{f'; {rest} not taken after that' if rest else ''}; 'at_least' sets the number to go "
                "on with)"
            )
        return arrived

    def missing(self, step: Build | Verify) -> tuple[str, ...]:
        """Name the takes that did not arrive, each with the reason."""
        return self._named(step, {take.id: self.ledger.standing.reasons.get(take.id, "") for take in self.ledger.standing.lost(step.takes)})

    def unused(self, step: Build | Verify) -> tuple[str, ...]:
        """Name the takes that arrived and are not used, each with the reason that their type gives."""
        named, takes = self.registry.named("calibration", step.kind), self._takes(step)
        options = self.ledger.planned(step).stage.options
        reasons: dict[int, str] = {}
        for exposure, why in self.registry.ask(named, "left_out", self._planned(step), options).items():
            if exposure not in takes:
                what = f"{named.called('left_out')} names exposure {exposure}, which is not one of the stage"
                raise PluginError(f"{named.source}: {what}")
            reasons[takes[exposure]] = why
        return self._named(step, reasons)

    def _named(self, step: Build | Verify, reasons: Mapping[int, str]) -> tuple[str, ...]:
        takes = (take for take in self.ledger.plan.takes(step.takes) if take.id in reasons)
        return tuple(f"{take.sequence} {take.position}/{take.of}: {reasons[take.id]}" for take in takes)

    def _takes(self, step: Build | Verify) -> dict[int, int]:
        """Give the takes of a step that arrived, by exposure id."""
        return {self.ledger.exposures[take].id: take for take in self.ledger.standing.arrived(step.takes)}

    def _planned(self, step: Build | Verify) -> tuple[Exposure | None, ...]:
        """Give the exposures of a step as planned, None for those that did not arrive."""
        arrived = set(self.ledger.standing.arrived(step.takes))
        return tuple(self.ledger.exposures[take] if take in arrived else None for take in step.takes)

    def groups(self, step: Build | Verify) -> tuple[tuple[int, ...], ...]:
        """Give the takes that go together, as the type says.

        Raises
        ------
        BuildError
            If none do.
        PluginError
            If the type names an exposure that is not one of these, or one twice.
        """
        named, takes = self.registry.named("calibration", step.kind), self._takes(step)
        groups = self.registry.ask(named, "groups", self._planned(step), self.ledger.planned(step).stage.options)
        used = [exposure for group in groups for exposure in group]
        if set(used) - takes.keys() or len(set(used)) < len(used):
            what = f"{named.called('groups')} gave {groups}, which are not exposures of the stage, each once"
            raise PluginError(f"{named.source}: {what}")
        if not groups:
            why = "; ".join((*self.missing(step), *self.unused(step))) or "none came"
            raise BuildError(f"{step.kind}: no exposures go together ({why})")
        return tuple(tuple(takes[exposure] for exposure in group) for group in groups)

    def needed(self, step: Build | Verify) -> Needs:
        """Give every product that a step uses, by detector and kind."""
        needs: Needs = {}
        for detector, by_kind in self.named(step).items():
            needs[detector] = {}
            for kind, (ref, parts) in by_kind.items():
                needs[detector][kind] = ref, parts or self._read(ref, detector)
        return needs

    def _read(self, ref: ProductRef, detector: int) -> Mapping[str, AmplifierProduct]:
        if (ref.id, detector) not in self._parts:
            self.spilled(self.store.get(ref), ref, detector)
        return self._parts[ref.id, detector]

    def tables(self, ref: ProductRef) -> Product:
        """Give a product without its planes, as it was built here or read before, or else as it is in the store."""
        if ref.id not in self._tables:
            self._tables[ref.id] = evolve(self.store.get(ref), planes={})
        return self._tables[ref.id]

    def named(self, step: Build | Verify) -> Needs:
        """Give the names of every product that a step uses, by detector and kind; of what was built here, pixels too.

        What was built of groups of exposures is not among them: `own`.
        """
        planned = self.ledger.planned(step)
        needs: Needs = {detector: {} for detector in planned.detectors}
        for kind, source in sources(step).items():
            for detector in planned.detectors:
                key = step.id, kind, detector
                if isinstance(source, FromStep) and key not in self.ledger.resolved:
                    made = self.ledger.made[source.step]
                    if not made.groups:
                        needs[detector][kind] = made.refs[detector], made.parts.get(detector, {})
                else:
                    needs[detector][kind] = self.ledger.resolved[key], {}
        return needs

    def own(self, step: Build | Verify, needs: Needs, group: tuple[int, ...]) -> Needs:
        """Add to what a step uses what was made of one group of its takes, if anything was."""
        source = step.product if isinstance(step, Verify) else None
        made = self.ledger.made.get(source.step) if isinstance(source, FromStep) else None
        if made is None or not made.groups:
            return needs
        mine = made.groups[group[0]]
        return {
            detector: {**by_kind, step.kind: (mine.refs[detector], mine.parts[detector])}
            for detector, by_kind in needs.items()
        }

    def spilled(self, product: Product, ref: ProductRef, detector: int) -> Mapping[str, AmplifierProduct]:
        """Give references to a product's pixels, by amplifier, and keep them."""
        where: Detector = self.ledger.plan.instrument.detector(detector)
        parts = self._parts[ref.id, detector] = spill(product, ref, where, self.ledger.scratch)
        self._tables[ref.id] = evolve(product, planes={})
        return parts

    def renamed(self, ref: ProductRef, before: ProductRef, detector: int) -> Mapping[str, AmplifierProduct]:
        """Give a product's pixels, which are there under another name, the one that the store gave it."""
        parts = self._parts[ref.id, detector] = {
            name: evolve(part, ref=ref) for name, part in self._parts[before.id, detector].items()
        }
        self._tables[ref.id] = self._tables[before.id]
        return parts

    def detectors(self, planned: PlannedStage) -> list[Detector]:
        """Give the detectors of a stage."""
        return [self.ledger.plan.instrument.detector(detector) for detector in planned.detectors]

    def prepared(self, planned: PlannedStage, take: int, detector: Detector) -> Mapping[str, AmplifierFrame]:
        """Give a prepared exposure on one detector, by amplifier."""
        return self.ledger.prepared[take, detector.id, planned.preparation]

    def amplifiers(
        self, step: Build | Verify, needs: Needs, groups: Iterable[tuple[int, ...]], *, internal: bool
    ) -> Iterator[AmplifierInputs]:
        """Give the work of every group of takes, detector by detector, amplifier by amplifier."""
        planned = self.ledger.planned(step)
        kind = self.registry.get("calibration", step.kind)
        together = self.groups(step) if kind.groups is not None and not kind.apart and isinstance(step, Build) else ()
        ids = tuple(tuple(self.ledger.exposures[take].id for take in group) for group in together)
        for takes in groups:
            used = self.own(step, needs, takes)
            for detector in self.detectors(planned):
                frames = [self.prepared(planned, take, detector) for take in takes]
                parts = {kind: by_amplifier for kind, (_, by_amplifier) in used[detector.id].items()}
                options = planned.stage.options
                yield from amplifier_inputs(detector, frames, parts, options, internal=internal, groups=ids)

    def exposures(
        self, step: Verify, needs: Needs, groups: tuple[tuple[int, ...], ...], seen: Mapping[tuple[int, str, str], Any]
    ) -> Iterator[AmplifierInputs]:
        """Give the work of verifying every exposure or group, each judged by the noise pooled over all of them.

        Parameters
        ----------
        seen : mapping of (int, str, str)
            What was observed before, by exposure id, detector name and amplifier name.
        """
        planned = self.ledger.planned(step)
        pooled: dict[int, Mapping[str, float]] = {}
        for detector in self.detectors(planned):
            pooled[detector.id] = pooled_noise([self.prepared(planned, t, detector) for takes in groups for t in takes])
        for inputs in self.amplifiers(step, needs, groups, internal=planned.stage.verb != "check"):
            noise = pooled[inputs.detector.id][inputs.amplifier.name]
            frames = tuple(evolve(frame, frame_noise=noise) for frame in inputs.frames)
            before = seen.get((frames[0].exposure.id, inputs.detector.name, inputs.amplifier.name))
            yield evolve(inputs, frames=frames, seen=before)

    def setup(self, planned: PlannedStage, takes: tuple[int, ...]) -> Setup:
        """Give the one setup in which these exposures happened, as `one_setup` does."""
        kind = planned.stage.kind
        keys = self.registry.get("calibration", kind).setup
        return one_setup(kind, [self.ledger.exposures[take] for take in takes], keys)

    def provenance(self, planned: PlannedStage) -> Provenance:
        """Give what is the same of all products of a stage: what its exposures, inputs and options are, is to be added."""
        ledger, recipe = self.ledger, self.ledger.plan.recipe
        return Provenance(
            run=ledger.run,
            recipe=recipe.name,
            recipe_digest=recipe.digest,
            recipe_text=recipe.text,
            settings=recipe.settings,
            exposures={},
            inputs=(),
            options={},
            versions=dict(ledger.plan.versions),
            created=ledger.now(),
            unverified=planned.stage.verify.waiver,
        )

    def detector_inputs(
        self, step: Build, planned: PlannedStage, detector: Detector, takes: tuple[int, ...], needs: Needs
    ) -> DetectorInputs:
        """Give what `assemble` wants beside the parts, provenance included."""
        ledger = self.ledger
        exposures = tuple(ledger.exposures[take] for take in takes)
        used = {kind: ref for kind, (ref, _) in needs[detector.id].items()}
        provenance = evolve(
            self.provenance(planned),
            exposures={ledger.exposures[take].id: ledger.checksums[take].get(detector.name, "") for take in takes},
            inputs=tuple(used.values()),
            options=unstructure(planned.stage.options),
        )
        return DetectorInputs(
            kind=self.registry.get("calibration", step.kind).makes,
            detector=detector,
            setup=self.setup(planned, takes),
            exposures=exposures,
            needs=used,
            options=planned.stage.options,
            provenance=provenance,
            preparation=str(planned.preparation.on(detector)),
        )

    def blank(self, planned: PlannedStage, takes: tuple[int, ...]) -> Measurements:
        """Give the columns of a verification, still empty."""
        metrics = self.registry.get("calibration", planned.stage.kind).metrics
        return Measurements.blank([self.ledger.exposures[take] for take in takes], self.detectors(planned), metrics)


def amplifier_inputs(
    detector: Detector,
    frames: Sequence[Mapping[str, AmplifierFrame]],
    parts: Mapping[str, Mapping[str, AmplifierProduct]],
    options: Any,
    *,
    internal: bool,
    groups: tuple[tuple[int, ...], ...] = (),
) -> Iterator[AmplifierInputs]:
    """Give the work on one detector, amplifier by amplifier.

    Parameters
    ----------
    frames : sequence of mapping
        Of every exposure, by amplifier.
    parts : mapping of str to mapping
        By kind: what is needed, by amplifier.
    """
    for amplifier in detector.amplifiers:
        yield AmplifierInputs(
            detector=detector,
            amplifier=amplifier,
            frames=tuple(frame[amplifier.name] for frame in frames),
            needs={kind: by_amplifier[amplifier.name] for kind, by_amplifier in parts.items()},
            options=options,
            internal=internal,
            groups=groups,
        )


def pooled_noise(frames: Sequence[Mapping[str, AmplifierFrame]]) -> dict[str, float]:
    """Pool the noise of frames of one detector, by amplifier [electron].

    The noise of one small overscan is known to half a per cent or so, that of twenty several times better; and a
    frame that is noisier than the others is seen, which its own overscan would hide. The median, so that it
    cannot make the others look quiet.
    """
    squares = {name: [frame[name].frame_noise ** 2 for frame in frames] for frame in frames[:1] for name in frame}
    return {name: math.sqrt(statistics.median(values)) for name, values in squares.items()}


def one_setup(kind: str, exposures: Iterable[Exposure], keys: frozenset[str]) -> Setup:
    """Give the one setup in which exposures happened, as far as it tells products of the kind apart.

    Raises
    ------
    BuildError
        If they happened in several.
    """
    setups = {exposure.setup.only(keys) for exposure in exposures}
    if len(setups) > 1:
        words = " and ".join(sorted(str(setup) or "none" for setup in setups))
        raise BuildError(f"{kind}: the frames came in different setups, {words}")
    return setups.pop()
