"""One calibration type with its options, detector by detector, without a run: for engines that are not ours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen

from latcal.engine.assembling import assembled
from latcal.engine.mapping import function_of, placed
from latcal.engine.planning import preparation_of
from latcal.engine.preparing import prepare, spill
from latcal.engine.work import amplifier_inputs, one_setup, pooled_noise
from latcal.errors import BuildError
from latcal.formats.plain import unstructure
from latcal.formats.structure import structure
from latcal.formats.tree import Tree
from latcal.model import rules as rule_language
from latcal.model import verdicts
from latcal.model.frames import AmplifierFrame, Exposure, Frame
from latcal.model.geometry import Detector, Instrument, Preparation
from latcal.model.measurements import Measurements
from latcal.model.metrics import Measurement
from latcal.model.products import AmplifierProduct, Product, ProductRef, Provenance
from latcal.model.verdicts import Acceptance, Verdict
from latcal.plugin.declarations import Named
from latcal.plugin.inputs import AmplifierInputs, DetectorInputs, Part
from latcal.plugin.registry import Registry

HALF = Acceptance()
Prepared = Mapping[str, AmplifierFrame]
"""One exposure on one detector, by amplifier."""
Needed = Mapping[str, tuple[ProductRef, Product]]
"""Products, by kind."""


@frozen
class Kernel:
    """What a calibration type does to the frames of one detector; the same as in a run.

    Parameters
    ----------
    named : Named
        The type.
    options : Any
        Of the type's own class.
    """

    named: Named
    options: Any
    instrument: Instrument
    registry: Registry

    @property
    def needs(self) -> frozenset[str]:
        """Kinds of products that must be given."""
        needs: frozenset[str] = self.registry.ask(self.named, "needs", self.options)
        return needs

    @property
    def plain_options(self) -> Mapping[str, Any]:
        """Every option as plain data, defaults included: what provenance has."""
        written: Mapping[str, Any] = unstructure(self.options)
        return written

    @property
    def preparation(self) -> Preparation:
        """How frames are prepared."""
        return preparation_of(self.registry, self.named, self.options, self.instrument)

    def prepare(self, frame: Frame, folder: Path) -> dict[str, AmplifierFrame]:
        """Prepare a raw frame; parameters and errors are those of `latcal.engine.preparing.prepare`."""
        return prepare(frame, self.preparation, folder)

    def groups(self, exposures: Iterable[Exposure]) -> tuple[tuple[int, ...], ...]:
        """Give the ids of the exposures that go together; none where nothing is grouped.

        Raises
        ------
        BuildError
            If the type groups exposures, and none of these go together.
        """
        every = tuple(exposures)
        if self.named.declaration.groups is None:
            return ()
        found: tuple[tuple[int, ...], ...] = self.registry.ask(self.named, "groups", every, self.options)
        if not found:
            reasons = self.registry.ask(self.named, "left_out", every, self.options)
            why = "; ".join(f"exposure {exposure}: {reason}" for exposure, reason in reasons.items()) or "there are none"
            raise BuildError(f"{self.named.declaration.name}: no exposures go together ({why})")
        return found

    def build(
        self,
        detector: Detector,
        frames: Sequence[Prepared],
        needs: Needed,
        provenance: Provenance,
        folder: Path,
        groups: Sequence[tuple[int, ...]] | None = None,
    ) -> Iterator[Product]:
        """Build the products of one detector: one, or one for each group of exposures.

        Parameters
        ----------
        frames : sequence of mapping
            Prepared, in the order of their exposures.
        provenance : Provenance
            With the checksums of all these frames; of each product its own are kept, and its options and inputs entered.
        folder : Path
            Where the pixels of what is needed lie while it is built.
        groups : sequence of tuple of int
            Ids of exposures that go together, if that is settled already; see `groups`.

        Raises
        ------
        BuildError
            If an exposure is of an image type that does not go in, they came in different setups, or nothing can be built
            of them.
        """
        kind, together = self.named.declaration, self._grouped(frames, groups)
        parts = self._spilled(needs, detector, folder)
        for members in together if kind.groups_apart else (tuple(_id(frame) for frame in frames),):
            mine = [frame for frame in frames if _id(frame) in members]
            given = amplifier_inputs(
                detector, mine, parts, self.options, internal=True, groups=() if kind.groups_apart else tuple(together)
            )
            made: tuple[Part, ...] = tuple(self._map("build_amplifier", given))
            inputs = self._detector_inputs(detector, mine, needs, provenance)
            product = assembled(self.registry, self.named, inputs, made)
            yield evolve(product, exposure=members[0]) if kind.groups_apart else product

    def measure(
        self,
        detector: Detector,
        frames: Sequence[Prepared],
        needs: Needed,
        folder: Path,
        *,
        internal: bool,
        products: Mapping[int, tuple[ProductRef, Product]] | None = None,
        groups: Sequence[tuple[int, ...]] | None = None,
    ) -> Iterator[Measurement]:
        """Measure every exposure, or group of exposures, of one detector.

        Parameters
        ----------
        needs : mapping
            With the product that is verified, under the type's own name, if there is one for all exposures.
        internal : bool
            Whether these exposures made the product.
        products : mapping of int to (ProductRef, Product)
            Where each group has a product of its own: those, by the first exposure.
        """
        kind = self.named.declaration
        if kind.measure is None:
            return
        parts = self._spilled(needs, detector, folder)
        every = _judged_together(frames)
        together = self._grouped(every, groups)
        for members in together if kind.groups_apart else [(_id(frame),) for frame in every]:
            mine = [frame for frame in every if _id(frame) in members]
            own = dict(parts)
            if products is not None:
                ref, product = products[members[0]]
                own[kind.name] = spill(product, ref, detector, folder)
            for found in self._map("measure", amplifier_inputs(detector, mine, own, self.options, internal=internal)):
                yield from found

    def residuals(
        self,
        detector: Detector,
        frames: Sequence[Prepared],
        needs: Needed,
        provenance: Provenance,
        folder: Path,
    ) -> Iterator[Product]:
        """Give the image of every exposure that was measured, as a product of its own; none if the type has none.

        Parameters are those of `measure` and `build`.
        """
        kind = self.named.declaration
        if kind.residual is None:
            return
        parts = self._spilled(needs, detector, folder)
        for frame in _judged_together(frames):
            made = tuple(self._map("residual", amplifier_inputs(detector, [frame], parts, self.options, internal=True)))
            inputs = self._detector_inputs(detector, [frame], needs, provenance)
            product = assembled(self.registry, self.named, inputs, made)
            yield evolve(product, kind=f"{kind.name}_residual", exposure=_id(frame), pins={})

    def summarise(
        self,
        exposures: Sequence[Exposure],
        detectors: Sequence[Detector],
        measured: Iterable[Measurement],
        products: Mapping[str, Product],
    ) -> Measurements:
        """Put the measurements of all detectors together, and add those of the other scopes.

        Parameters
        ----------
        exposures : sequence of Exposure
            Those that were measured: of a group the first.
        products : mapping of str to Product
            What is verified, by the name of the detector; empty where each group has its own.

        Raises
        ------
        PluginError
            If a measurement has no place.
        """
        blank = Measurements.blank(exposures, detectors, self.named.declaration.metrics)
        whole = placed(self.named, "measure", blank, measured)
        return placed(self.named, "summarise", whole, self.registry.ask(self.named, "summarise", whole, products))

    def judge(self, measured: Measurements, accept: Acceptance = HALF) -> Verdict:
        """Apply the type's default rules to what was measured.

        Parameters
        ----------
        accept : Acceptance
            How many findings may fail; the defaults are those of a recipe.
        """
        kind = self.named.declaration
        rules = tuple(rule_language.check(rule, kind.metrics) for rule in kind.rules)
        return verdicts.judge(kind.name, rules, accept, measured)

    def _grouped(self, frames: Sequence[Prepared], groups: Sequence[tuple[int, ...]] | None) -> Sequence[tuple[int, ...]]:
        if groups is not None and self.named.declaration.groups is not None:
            return groups
        return self.groups(_exposure(frame) for frame in frames)

    def _spilled(self, needs: Needed, detector: Detector, folder: Path) -> dict[str, Mapping[str, AmplifierProduct]]:
        return {kind: spill(product, ref, detector, folder) for kind, (ref, product) in needs.items()}

    def _map(self, name: str, given: Iterable[AmplifierInputs]) -> Iterator[Any]:
        return map(function_of(self.named, name), given)

    def _detector_inputs(
        self, detector: Detector, frames: Sequence[Prepared], needs: Needed, provenance: Provenance
    ) -> DetectorInputs:
        kind, exposures = self.named.declaration, tuple(_exposure(frame) for frame in frames)
        strange = {one.image for one in exposures} - kind.images
        if strange:
            raise BuildError(f"{kind.name}: {', '.join(sorted(strange))} frames are not what it is made of")
        refs = {name: ref for name, (ref, _) in needs.items()}
        own = evolve(
            provenance,
            exposures={one.id: provenance.exposures.get(one.id, "") for one in exposures},
            inputs=tuple(refs.values()),
            options=self.plain_options,
        )
        return DetectorInputs(
            kind=kind.makes,
            detector=detector,
            setup=one_setup(kind.name, exposures, kind.setup),
            exposures=exposures,
            needs=refs,
            options=self.options,
            provenance=own,
            preparation=str(self.preparation.on(detector)),
        )


def kernel(kind: str, instrument: Instrument, registry: Registry, options: Mapping[str, Any] | None = None) -> Kernel:
    """Give a calibration type with options, to be called detector by detector.

    Parameters
    ----------
    kind : str
        Its name.
    options : mapping
        As a recipe writes them; what is left out has its default.

    Raises
    ------
    RecipeError
        If there is no such type, or an option is not one; with every fault.
    """
    named = registry.named("calibration", kind)
    typed = structure(Tree(dict(options or {})), named.declaration.options)
    return Kernel(named, typed, instrument, registry)


def _judged_together(frames: Sequence[Prepared]) -> list[Prepared]:
    """Give frames that are to be measured, each with the noise pooled over all of them."""
    noise = pooled_noise(frames)
    return [{name: evolve(part, frame_noise=noise[name]) for name, part in frame.items()} for frame in frames]


def _exposure(frame: Prepared) -> Exposure:
    return next(iter(frame.values())).exposure


def _id(frame: Prepared) -> int:
    return _exposure(frame).id
