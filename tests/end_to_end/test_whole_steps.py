"""An executor that does whole steps on what lies in the store makes, by `latcal.kernel`, what a run makes by amplifiers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from attrs import evolve, frozen

import latcal
from latcal.formats.plain import unstructure
from latcal.formats.products import digest
from latcal.plugin import (
    BuildError,
    Column,
    ExecutorType,
    Measurement,
    Order,
    Product,
    ProductRef,
    RunReport,
    Status,
    StoreError,
    World,
    hookimpl,
    instant,
)
from latcal.plugin.registry import Registry

RECIPE = """\
latcal: 1
instrument: {instrument}
camera: {{use: simulated, seed: 7, settling: 0 electron}}
store: {{use: folder, root: {root}}}
executor: {{use: {use}}}
sequences:
  biases: {{image: bias, exposures: 6 x 0 s, discard: 1}}
  darks: {{image: dark, exposures: [2 x 5 s, 2 x 20 s]}}
  flats: {{image: flat, exposures: [2 x 2 s, 2 x 5 s, 2 x 9 s, 2 x 14 s], filter: r}}
stages:
  - {{make: bias, frames: [biases], rules: {{noise: abs(noise - frame_noise) <= 9 * frame_noise}}}}
  - {{make: dark, frames: [darks], rules: {{noise: abs(noise - frame_noise) <= 9 * frame_noise}}}}
  - {{measure: gain, frames: [flats], options: {{clip: 5}}}}
  - {{measure: ptc, frames: [flats]}}
certify: {{into: calib/test, begin: 2020-11-04, end: 2040-11-05}}
"""
CORNER = Path(__file__).parents[1] / "corner.yaml"


@frozen
class NoOptions:
    """None."""


@frozen(eq=False)
class KernelExecutor:
    """Does every step from the store, as an engine elsewhere would."""

    world: World
    spoil: Callable[[list[ProductRef]], list[ProductRef]] = list

    def build(self, order: Order) -> Iterable[ProductRef]:
        made = []
        for detector, kernel, frames, folder in self._each(order):
            needs = self._needs(order, detector.id)
            provenance = evolve(order.provenance, exposures=self._checksums(order, detector.id))
            products = kernel.build(detector, frames, needs, provenance, folder, order.groups or None)
            made += [self.world.store.put(product, order.run) for product in products]
        return self.spoil(made)

    def verify(self, order: Order) -> Iterator[Measurement]:
        for detector, kernel, frames, folder in self._each(order):
            mine = [ref for ref in order.verified if ref.detector == detector.id]
            pairs = {ref.exposure: (ref, self.world.store.get(ref)) for ref in mine if ref.exposure is not None}
            needs = self._needs(order, detector.id)
            for ref in mine:
                if ref.exposure is None:
                    needs[order.step.kind] = ref, self.world.store.get(ref)
            yield from kernel.measure(
                detector, frames, needs, folder, internal=True, products=pairs or None, groups=order.groups or None
            )

    def _each(self, order: Order) -> Iterator[Any]:
        instrument, options = self.world.instrument, unstructure(order.stage.stage.options, omit_defaults=True)
        kernel = latcal.kernel(order.step.kind, instrument, latcal.load_plugins(), options)
        for number in order.stage.detectors:
            folder = self.world.scratch / f"mine-{order.step.id}-{number}"
            frames = self.world.store.frames([one.id for one in order.exposures], number)
            yield instrument.detector(number), kernel, [kernel.prepare(frame, folder) for frame in frames], folder

    def _needs(self, order: Order, detector: int) -> dict[str, tuple[ProductRef, Product]]:
        return {kind: (ref, self.world.store.get(ref)) for kind, ref in order.needs[detector].items()}

    def _checksums(self, order: Order, detector: int) -> dict[int, str]:
        return {one.exposure.id: one.checksum for one in self.world.store.frames([e.id for e in order.exposures], detector)}

    def describe(self, step: object) -> str:
        return f"elsewhere {type(step).__name__} of {len(self.world.plan.stages)} stages, " + "and a long command line " * 4

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


class Elsewhere:
    """A plugin with such an executor."""

    def __init__(self, spoil: Callable[[list[ProductRef]], list[ProductRef]] = list, *, pickles: bool = False) -> None:
        self.spoil, self.pickles = spoil, pickles

    @hookimpl
    def latcal_executors(self) -> Iterator[ExecutorType]:
        yield ExecutorType(
            name="elsewhere", summary="Whole steps", options=NoOptions, whole_steps=True, pickles=self.pickles,
            open=lambda options, world: KernelExecutor(world, self.spoil),
        )  # fmt: skip


def night(root: Path, use: str, registry: Registry, recipe: str = RECIPE) -> RunReport:
    text = recipe.format(instrument=CORNER, root=root, use=use)
    plan = latcal.plan(latcal.read(text, "night.yaml", registry), registry)
    return latcal.run(plan, registry, now=lambda: instant("2026-11-04T20:00:00"))  # products say when their frames were taken


def test_products_measurements_and_verdicts_are_those_of_the_native_engine(tmp_path: Path) -> None:
    registry = latcal.load_plugins(extra=[Elsewhere()])
    one, two = night(tmp_path / "one", "serial", registry), night(tmp_path / "two", "elsewhere", registry)
    assert [stage.status for stage in two.stages] == [stage.status for stage in one.stages]
    assert [stage.status for stage in two.stages][:2] == [Status.DONE, Status.DONE]
    for mine, theirs in zip(one.stages, two.stages, strict=True):
        assert theirs.numbers == mine.numbers, mine.line.kind
        assert theirs.verdict.tallies == mine.verdict.tallies
        assert len(theirs.built) == len(mine.built)
        assert [ref.digest for ref in theirs.built] == [ref.digest for ref in mine.built]
        assert [ref.exposure is None for ref in theirs.built] == [ref.exposure is None for ref in mine.built]
    with latcal.open_store("folder", registry, root=str(tmp_path / "two")) as store:
        dark = store.get(two.stages[1].built[0])
        assert dark.pins == {"bias": two.stages[0].built[0].id}
        assert dark.provenance.recipe == "night.yaml"
        assert dark.provenance.options["clip"] == 5.0
        assert digest(dark) == one.stages[1].built[0].digest


ONE = "\n".join(line for line in RECIPE.splitlines() if not any(word in line for word in ("darks", "flats")))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda _: [], "build of the executor gave no bias of detector 0"),
        (lambda refs: [evolve(refs[0], kind="dark")], "build of the executor gave no bias of detector 0"),
        (lambda refs: [*refs, evolve(refs[0], detector=7)], "which was not ordered"),
        (lambda refs: [*refs, refs[0]], "build of the executor gave bias of detector 0 "),
        (lambda refs: refs[0], "which is not a list of ProductRef"),
    ],
)
def test_an_executor_that_gives_other_products_than_were_ordered_is_named(
    tmp_path: Path, spoil: Callable[[list[ProductRef]], Any], words: str
) -> None:
    report = night(tmp_path / "store", "elsewhere", latcal.load_plugins(extra=[Elsewhere(spoil)]), ONE)
    assert report.exit_code == 3
    assert words in report.stages[0].reason


def test_an_error_of_its_own_fails_the_step(tmp_path: Path) -> None:
    def fail(_: object) -> list[ProductRef]:
        raise BuildError("the cluster is closed")

    report = night(tmp_path / "store", "elsewhere", latcal.load_plugins(extra=[Elsewhere(fail)]), ONE)
    assert report.exit_code == BuildError.exit_code
    assert report.stages[0].reason == "the cluster is closed"


def test_flats_are_taken_to_a_level_though_it_prepares_its_frames_itself(tmp_path: Path) -> None:
    by_level = "\n".join(line for line in RECIPE.splitlines() if "dark" not in line and "ptc" not in line)
    flats = "[2 x 2 s, 2 x 5 s, 2 x 9 s, 2 x 14 s]"
    assert flats in by_level
    report = night(tmp_path / "store", "elsewhere", latcal.load_plugins(extra=[Elsewhere()]), by_level.replace(flats, "2 x 20000 electron"))
    assert [stage.status for stage in report.stages] == [Status.DONE, Status.DONE], [step.reason for step in report.steps]


def test_a_product_that_it_did_not_put_into_the_store_is_seen(tmp_path: Path) -> None:
    def forget(refs: list[ProductRef]) -> list[ProductRef]:
        return [evolve(refs[0], id="0" * 32)]

    report = night(tmp_path / "store", "elsewhere", latcal.load_plugins(extra=[Elsewhere(forget)]), ONE)
    assert report.exit_code == StoreError.exit_code
    assert report.stages[0].status is Status.FAILED


class WithTables(KernelExecutor):
    """Gives the tables of what it built, so that nobody reads planes back."""

    def tables(self, ref: ProductRef) -> Product:
        product = self.world.store.get(ref)
        return evolve(product, planes={}, tables={**product.tables, "failures": FAILED})


FAILED = {"amplifier": Column(("C10",)), "reason": Column(("told by the executor",))}


def test_the_tables_of_a_product_are_those_that_the_executor_gives_if_it_gives_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = Elsewhere()
    monkeypatch.setattr(f"{__name__}.KernelExecutor", WithTables)
    report = night(tmp_path / "store", "elsewhere", latcal.load_plugins(extra=[plugin]), ONE)
    assert report.exit_code == 0
    assert any("C10: told by the executor" in note for note in report.notes)


def test_steps_that_other_processes_do_whole_want_a_store_that_they_can_open(tmp_path: Path) -> None:
    registry = latcal.load_plugins(extra=[Elsewhere(pickles=True)])
    text = ONE.format(instrument=CORNER, root=tmp_path, use="elsewhere").replace(f"{{use: folder, root: {tmp_path}}}", "{use: memory}")
    with pytest.raises(latcal.plugin.RecipeError, match=r"store\.use: the executor 'elsewhere' works in other processes, and they have"):
        latcal.plan(latcal.read(text, "night.yaml", registry), registry)


def test_a_plan_prints_a_command_line_on_a_line_of_its_own(tmp_path: Path) -> None:
    from latcal.cli.plan import plan_lines

    registry = latcal.load_plugins(extra=[Elsewhere()])
    text = ONE.format(instrument=CORNER, root=tmp_path / "store", use="elsewhere")
    lines = [line.strip() for line in plan_lines(latcal.plan(latcal.read(text, "night.yaml", registry), registry), registry)]
    own = [line for line in lines if line.startswith("elsewhere ")]
    assert [line.split()[1] for line in own] == ["Build", "Verify"]
    assert not (tmp_path / "store").exists()


def test_a_kernel_refuses_frames_of_another_type_and_options_that_are_none(tmp_path: Path) -> None:
    registry = latcal.load_plugins()
    report = night(tmp_path / "store", "serial", registry, ONE)
    instrument = registry.get("instrument", "bench").load()
    with pytest.raises(latcal.plugin.RecipeError, match="clp"):
        latcal.kernel("bias", instrument, registry, {"clp": 4})
    from latcal.engine.planning import load_instrument

    corner = load_instrument(latcal.read(ONE.format(instrument=CORNER, root=tmp_path, use="serial"), "n.yaml", registry), registry)
    dark = latcal.kernel("dark", corner, registry)
    with latcal.open_store("folder", registry, root=str(tmp_path / "store"), instrument=corner) as store:
        bias = report.stages[0].built[0]
        (frame,) = store.frames([next(iter(report.exposures.values()))], 0)
        frames = [dark.prepare(frame, tmp_path / "frames")]
        given = {"bias": (bias, store.get(bias))}
        with pytest.raises(BuildError, match="dark: bias frames are not what it is made of"):
            list(dark.build(corner.detector(0), frames, given, store.get(bias).provenance, tmp_path / "needs"))
    flats = latcal.kernel("gain", corner, registry)
    with pytest.raises(BuildError, match="gain: no exposures go together"):
        flats.groups([frame.exposure])
