"""The executor ``pipetask``: Build and Verify steps as processes of Rubin's own tool, on a Butler repository."""

from __future__ import annotations

import contextlib
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from attrs import Factory, define, evolve, field, frozen
from latcal.formats import records
from latcal.plugin import (
    Build,
    ExecutorType,
    Measurement,
    NotReady,
    Order,
    Plan,
    Problem,
    ProductRef,
    Take,
    Verify,
    World,
    hookimpl,
    option,
)
from latcal.plugin.ordered import WorkerOptions, processors

from latcal_butler.commands import BUILD, OURS, PIPELINES, VERIFY, Command, Pipeline, classes, configured, where
from latcal_butler.naming import (
    GEOMETRY,
    PREPARED,
    RECORD,
    chain_name,
    instrument_name,
    is_ours,
    raw_collection,
    run_stem,
)
from latcal_butler.outcomes import failure, outputs
from latcal_butler.processes import Processes

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef

FIRST = 100
"""Number of the first RUN collection of our own of a run; the store counts from 1."""

UNKNOWN = "RUN"
"""Stands for the run in a plan, which has none yet."""

PIXEL_BYTES = 9
"""What a pixel of a prepared frame takes in the repository: image and variance in float32, and the mask."""


@frozen
class PipetaskOptions(WorkerOptions):
    """What a recipe may write for the executor ``pipetask``."""

    pipelines: Mapping[str, str] = option(
        MappingProxyType({}),
        help="Pipelines of one's own, paths or URIs, in place of ours, by their names: {cpBias: ./cpBias.yaml}.",
    )
    program: Path | None = option(None, help="The program pipetask; left out, that which is installed with latcal.")


@define(eq=False)
class PipetaskExecutor:
    """Does whole steps by ``pipetask run``."""

    options: PipetaskOptions
    world: World
    _processes: Processes = field(init=False, default=Factory(lambda self: Processes(self.world.stop), takes_self=True))
    _made: list[str] = field(factory=list, init=False)

    def __enter__(self) -> Self:
        """See that the repository has room for prepared frames, which lie there until the run ends.

        Raises
        ------
        NotReady
            If it has not.
        """
        plan, room = self.world.plan, self._store.free_bytes()
        assert plan is not None
        pixels = {one.id: one.shape[0] * one.shape[1] for one in plan.instrument.detectors}
        takes = ((step, len(plan.users(step))) for step in plan.steps if isinstance(step, Take) and not step.discarded)
        size = PIXEL_BYTES * sum(pixels[detector] * stages for take, stages in takes for detector in take.detectors)
        if room is not None and room < size:
            what = f"the repository has room for {room / 1e9:.1f} GB, and frames that pipetask prepares need {size / 1e9:.1f} GB"
            raise NotReady([Problem(what, "make room, or take another executor", path="executor")])
        return self

    def __exit__(self, *exc: object) -> None:
        """End the process, if one runs, and remove the frames that were prepared, as a run without pipetask does."""
        self._processes.end()
        if self._made:
            from lsst.daf.butler import MissingDatasetTypeError

            # of the first pipeline of a repository that was interrupted there is not even the kind
            with self._writing() as butler, contextlib.suppress(MissingDatasetTypeError):
                found = butler.query_all_datasets(self._made, name=PREPARED, find_first=False, limit=None)
                mine = [one for one in found if is_ours(one.datasetType)]
                butler.pruneDatasets(mine, disassociate=True, unstore=True, purge=True)

    # -- planning ------------------------------------------------------------------------------------------------

    def describe(self, step: Any) -> str:
        """Give the command line of a step; what only a run knows is written as ``RUN`` and ``...``."""
        pipeline = pipeline_of(step)
        if pipeline is None or self.world.plan is None:
            return ""
        stage = self.world.plan.stages[step.stage]
        if isinstance(step, Verify) and stage.stage.verify.waiver:
            return ""
        command = self._command(step, pipeline, UNKNOWN, stage.detectors, None)
        orders = dict.fromkeys(self._ours(command), "ORDER.py")
        return str(evolve(self._configured(command, step, stage), orders=orders))

    def _command(
        self, step: Any, pipeline: Pipeline, run: str, detectors: tuple[int, ...], exposures: list[int] | None
    ) -> Command:
        plan, instrument = self.world.plan, self.world.instrument
        assert plan is not None
        assert instrument is not None
        store = plan.recipe.store.options
        name = store.instrument or instrument_name(instrument)
        output = f"{run_stem(store.user, run)}/{FIRST + step.id}"
        return Command(
            repo=store.repo,
            pipeline=pipeline,
            file=str(self.options.pipelines.get(pipeline.file, PIPELINES / f"{pipeline.file}.yaml")),
            inputs=(raw_collection(name), f"{output}/inputs"),
            output=output,
            where=where(name, detectors, exposures),
            skip=self._skipped(step, run, store.user),
            processes=self.options.workers or processors(),
        )

    def _skipped(self, step: Any, run: str, user: str | None) -> tuple[str, ...]:
        """Give the collections with frames that the stage's Build has prepared already."""
        steps = self.world.plan.steps if self.world.plan is not None else ()
        builds = [one for one in steps if isinstance(one, Build) and one.stage == step.stage and isinstance(step, Verify)]
        return tuple(f"{run_stem(user, run)}/{FIRST + one.id}" for one in builds)

    def _configured(self, command: Command, step: Any, stage: Any) -> Command:
        keeps = "residuals" in stage.stage.keep if isinstance(step, Verify) else None
        return configured(command, stage.stage.options, residuals=keeps)

    def _ours(self, command: Command) -> list[str]:
        known = classes(command.file)
        return [label for label in command.pipeline.tasks if known.get(label, "").startswith(OURS)]

    @property
    def _store(self) -> Any:
        """The store of the run: of our own kind, as `latcal_check_plan` sees to."""
        return self.world.store

    # -- running -------------------------------------------------------------------------------------------------

    def build(self, order: Order) -> Iterator[ProductRef]:
        """Build what a step is to build."""
        from latcal_butler.facts import reference_of

        pipeline = BUILD[order.step.kind]
        output = self._run(order, pipeline)
        with self._writing() as butler:
            found = outputs(butler, pipeline, output)
            yield from [evolve(reference_of(butler, one), run=order.run) for one in found]

    def verify(self, order: Order) -> Iterator[Measurement]:
        """Measure what a step is to measure."""
        pipeline = VERIFY[order.step.kind]
        output = self._run(order, pipeline)
        with self._writing() as butler:
            for one in outputs(butler, pipeline, output):
                for measurement in butler.get(one)["measurements"]:
                    yield records.from_plain(measurement, Measurement)

    def _run(self, order: Order, pipeline: Pipeline) -> str:
        """Run the pipeline of a step; give the RUN collection of what it made."""
        stage, exposures = order.stage, [one.id for one in order.exposures]
        command = self._command(order.step, pipeline, order.run, stage.detectors, exposures)
        command = self._configured(command, order.step, stage)
        folder = self.world.scratch / f"pipetask-{order.step.id}"
        folder.mkdir(parents=True, exist_ok=True)
        with self._writing() as butler:
            self._give(butler, order, command.inputs[-1])
        text = records.to_text(_orders(order))
        orders = {label: str(_written(folder / f"{label}.py", text)) for label in self._ours(command)}
        command = evolve(command, orders=orders, summary=str(folder / "summary.json"))
        log = folder / "log.txt"
        words = command.arguments()
        try:
            code = self._processes.run([str(self.options.program or program()), *words[1:]], log)
        finally:  # what one made that was interrupted goes with all else
            with self._writing() as butler:
                self._enter(butler, order.run, command.output)
        if code:
            self._store.write_report(order.run, {f"{order.step.id}_pipetask.log": log.read_text(errors="replace")})
            raise failure(Path(command.summary), log, order.step.id)
        return command.output

    def _enter(self, butler: Butler, run: str, output: str) -> None:
        """Enter what a process made in the chain of the run, if it came that far."""
        from lsst.daf.butler import CollectionType, MissingCollectionError

        butler.registry.refresh()
        with contextlib.suppress(MissingCollectionError):
            butler.collections.get_info(output)
            butler.collections.register(chain_name(run), CollectionType.CHAINED)
            butler.collections.extend_chain(chain_name(run), output)
            self._made.append(output)

    def _give(self, butler: Butler, order: Order, name: str) -> None:
        """Enter what a step uses in a collection of its own: that, and nothing that other collections would lead to."""
        from lsst.daf.butler import CollectionType

        from latcal_butler.certificates import dataset_of

        refs = [ref for by_kind in order.needs.values() for ref in by_kind.values()]
        butler.collections.register(name, CollectionType.TAGGED)
        butler.registry.associate(name, [dataset_of(butler, ref) for ref in (*refs, *order.verified)])
        butler.registry.associate(name, [self._geometry(butler, f"{name}/instrument")])

    def _geometry(self, butler: Butler, run: str) -> DatasetRef:
        """Give the geometry that the recipe has: the repository's, or else one of this step's own."""
        assert self.world.instrument is not None
        plain, name = records.to_plain(self.world.instrument), self._store.repository.instrument_name(butler)
        known: DatasetRef | None = self._store.repository.geometry(butler, name)
        if known is not None and records.to_plain(butler.get(known)) == plain:
            return known
        kind = self._store.repository.dataset_type(butler, GEOMETRY, ("instrument",), RECORD)
        butler.collections.register(run)
        return butler.put(plain, kind, instrument=name, run=run)

    def _writing(self) -> Any:
        return self._store.repository.writing()


def pipeline_of(step: Any) -> Pipeline | None:
    """Give the pipeline of a step; None if there is none."""
    return (BUILD if isinstance(step, Build) else VERIFY if isinstance(step, Verify) else {}).get(step.kind)


def program() -> Path:
    """Give the program pipetask that is installed with this Python."""
    return Path(sys.executable).with_name("pipetask")


def _orders(order: Order) -> Any:
    from latcal_butler.orders import Orders

    internal = order.stage.stage.verb != "check"
    return Orders(order.provenance, order.groups or None, internal)


def _written(path: Path, text: str) -> Path:
    """Write a configuration override: one text, as Python writes it."""
    path.write_text(f"config.order = {text!r}\n", encoding="utf-8")
    return path


def open_pipetask(options: PipetaskOptions, world: World) -> PipetaskExecutor:
    """Open the executor; nothing is started."""
    return PipetaskExecutor(options, world)


@hookimpl
def latcal_executors() -> Iterator[ExecutorType]:
    """Declare the executor."""
    yield ExecutorType(
        name="pipetask",
        summary="Build and Verify steps as processes of Rubin's pipetask, on a Butler repository",
        options=PipetaskOptions,
        open=open_pipetask,
        whole_steps=True,
    )


@hookimpl
def latcal_check_plan(plan: Plan) -> Iterator[Problem]:
    """Refuse what no pipeline can do, before anything is taken."""
    if plan.executor.use != "pipetask":
        return
    store = plan.recipe.store.use
    if store != "butler":
        hint = "write 'store: {use: butler, repo: PATH}'"
        yield Problem(f"the executor pipetask works on a Butler repository, and the store is {store!r}", hint, path="executor")
    if plan.instrument.binning != "1x1" or plan.instrument.mode:
        what = f"the pipelines are for frames as read out in full, and {plan.instrument.name} is read out in another way"
        yield Problem(what, "write 'executor: {use: serial}'", path="executor")
    words = str(plan.executor.options.program or program())
    if shutil.which(words) is None:
        hint = "pip install 'latcal-butler[pipetask]', or write 'program: PATH'"
        yield Problem(f"{words} is not there, or not a program", hint, path="executor")
    for planned in plan.stages:
        kind = planned.stage.kind
        if kind not in BUILD:
            yield Problem(f"no pipeline is for {kind!r}", "write 'executor: {use: serial}'", path=f"stages.{planned.index}")
        elif kind == "defects" and planned.stage.options.compare:
            what = "a defect map is to be compared with an earlier one, which no pipeline can"
            yield Problem(what, "write 'compare: false', or another executor", path=f"stages.{planned.index}.options")
    yield from _files(plan)


def _files(plan: Plan) -> Iterator[Problem]:
    """See that a site's own pipelines are there."""
    from yaml import YAMLError

    ours = sorted({pipeline.file for pipeline in (*BUILD.values(), *VERIFY.values())})
    for name, path in plan.executor.options.pipelines.items():
        if name not in ours:
            yield Problem(f"{name!r} is not a pipeline", f"there is {', '.join(ours)}", path="executor.pipelines")
            continue
        try:
            classes(path)
        except (OSError, ValueError, TypeError, LookupError, YAMLError) as error:
            what = f"{path} cannot be read as a pipeline ({type(error).__name__}: {error})"
            yield Problem(what, "name a file of tasks, as pipetask reads it", path="executor.pipelines")
