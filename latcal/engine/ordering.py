"""Give whole steps to an executor that does whole steps, and see that it made what was ordered."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from latcal.engine.ledger import Made
from latcal.engine.work import Work
from latcal.errors import PluginError
from latcal.model.metrics import Measurement
from latcal.model.products import Product, ProductRef
from latcal.model.steps import Build, FromStep, Plan, Verify
from latcal.plugin.calling import Guarded
from latcal.plugin.protocols import Order
from latcal.plugin.registry import Registry


def does_whole_steps(plan: Plan, registry: Registry) -> bool:
    """Tell whether the executor of a plan does whole steps."""
    return bool(registry.get("executor", plan.executor.use).whole_steps)


@define(eq=False)
class Ordering:
    """Has whole steps done."""

    work: Work
    executor: Guarded

    def build(self, step: Build, groups: Sequence[tuple[int, ...]], *, apart: bool) -> Made:
        """Have products built.

        Parameters
        ----------
        groups : sequence of tuple of int
            Takes of which one product is built for each detector.
        apart : bool
            Whether these are groups of a type that builds them apart.

        Raises
        ------
        PluginError
            If the executor gives others than were ordered.
        """
        planned = self.work.ledger.planned(step)
        wanted = self.work.registry.get("calibration", step.kind).makes
        refs: dict[tuple[int | None, int], ProductRef] = {}
        for ref in self.executor.build(self.order(step)):
            if (ref.exposure, ref.detector) in refs:
                raise PluginError(f"{self.executor.distribution}: build of the executor gave {ref} beside {refs[ref.exposure, ref.detector]}")
            refs[ref.exposure, ref.detector] = ref
        made: dict[int, Made] = {}
        for group in groups:
            exposure = self.work.ledger.exposures[group[0]].id if apart else None
            mine = {detector: refs.pop((exposure, detector), None) for detector in planned.detectors}
            missing = [detector for detector, ref in mine.items() if ref is None or ref.kind != wanted]
            if missing:
                of = f" of exposure {exposure}" if apart else ""
                raise PluginError(f"{self.executor.distribution}: build of the executor gave no {wanted}{of} of detector {missing[0]}")
            made[group[0]] = Made({detector: ref for detector, ref in mine.items() if ref is not None})
        if refs:
            raise PluginError(f"{self.executor.distribution}: build of the executor gave {next(iter(refs.values()))}, which was not ordered")
        return Made(groups=made) if apart else made[groups[0][0]]

    def verify(self, step: Verify) -> tuple[Measurement, ...]:
        """Have every exposure or group measured."""
        found: tuple[Measurement, ...] = self.executor.verify(self.order(step))
        return found

    def tables(self, ref: ProductRef) -> Product:
        """Give a product that was built or verified, for its tables: the executor may have them where its planes are not."""
        if callable(getattr(self.executor.opened, "tables", None)):
            product: Product = self.executor.tables(ref)
            return product
        return self.work.store.get(ref)

    def order(self, step: Build | Verify) -> Order:
        """Say what is to be done."""
        work, ledger = self.work, self.work.ledger
        planned, kind = ledger.planned(step), work.registry.get("calibration", step.kind)
        names = {detector: {of: ref for of, (ref, _) in found.items()} for detector, found in work.named(step).items()}
        verified: list[ProductRef] = []
        if isinstance(step, Verify) and isinstance(step.product, FromStep):
            verified += ledger.made[step.product.step].every if step.product.step in ledger.made else ()
        if isinstance(step, Verify):
            for by_kind in names.values():
                own = by_kind.pop(step.kind, None)
                verified += [own] if own is not None and own not in verified else []
        groups = work.groups(step) if kind.groups is not None else ()
        return Order(
            step=step,
            stage=planned,
            run=ledger.run,
            exposures=tuple(ledger.exposures[take] for take in work.arrived(step)),
            groups=tuple(tuple(ledger.exposures[take].id for take in group) for group in groups),
            needs=names,
            verified=tuple(verified),
            provenance=work.provenance(planned),
        )
