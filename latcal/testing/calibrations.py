"""What every calibration type must do: inherit `CalibrationSuite`, give plugin and recipe, and its tests are yours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from attrs import evolve

from latcal.formats.products import digest
from latcal.model.events import Built, Judged
from latcal.model.rules import check
from latcal.plugin import MASK_PLANES, DetectorInputs, Measurement, Part, Product, Task
from latcal.testing import samples
from latcal.testing.amplifiers import AmplifierBehaviour, some
from latcal.testing.declared import DeclaredBehaviour
from latcal.testing.nights import Night
from latcal.testing.once import class_of, once, opened_once
from latcal.testing.same import assert_same_numbers, assert_same_part, assert_same_product
from latcal.testing.trials import Trial, processes

_PLANES = ("image", "variance", "mask", "kept")


class CalibrationSuite(DeclaredBehaviour, AmplifierBehaviour):
    """The behaviours of a calibration type.

    A subclass named ``Test...`` gives the plugin and a recipe:

    - `plugin` gives the module, or the object, that has the hook implementations. It may be installed or not.
    - `recipe` gives the text of a recipe on the simulated camera and the store ``memory``, whose **last** stage is of
      the type. Stages before it make what it needs. It must end with exit code 0. Keep it small: the suite brings the
      instrument ``small_sensor``, four amplifiers of 40 x 30 pixels, and three exposures are enough for most; relax
      rules on noise that so few cannot meet.

    The recipe is run twice; most tests look at what its functions were given, and call them again. A type whose
    product depends on the order of its frames says ``order_free = False``. A type without `build_amplifier` skips what
    is about products.

    Examples
    --------
    >>> class TestGlow(CalibrationSuite):
    ...     def plugin(self):
    ...         return latcal_glow
    ...
    ...     def recipe(self):
    ...         return (Path(__file__).parent / "glow.yaml").read_text()
    """

    def plugin(self) -> object:
        """Give the module or object that declares the type."""
        raise NotImplementedError

    def recipe(self) -> str:
        """Give the text of a small recipe, the last stage of which makes or measures it."""
        raise NotImplementedError

    @pytest.fixture
    def trial(self, request: pytest.FixtureRequest) -> Trial:
        """Give the type with its recipe, planned and run when it is first asked for."""
        return once(class_of(request), "trial", lambda: Trial(self.plugin(), self.recipe()))

    # -- a run ---------------------------------------------------------------------------------------------------

    def test_the_recipe_runs_to_its_end_and_certifies_what_it_makes(self, trial: Trial) -> None:
        """With exit code 0."""
        assert trial.night.report.exit_code == 0, trial.night.reasons
        if trial.stage.verb == "make":
            assert trial.night.report.stages[-1].certified

    def test_what_it_measures_is_a_number_wherever_there_is_light_or_none(self, trial: Trial) -> None:
        """Every value is finite or says why not, and each amplifier of each exposure has the same metrics."""
        for one in _measured(trial):
            assert one.metric in trial.kind.metrics
            assert np.isfinite(one.value) or one.untested, f"{one.metric} of {one.amplifier or one.detector} is {one.value}"
        assert len({tuple(one.metric for one in found) for _, found in trial.seen.measures}) <= 1

    def test_what_its_rules_compare_is_measured(self, trial: Trial) -> None:
        """A rule on what nobody measures fails in every exposure."""
        found = {one.metric for one in _measured(trial)}
        for rule in trial.kind.rules:
            missing = check(rule, trial.kind.metrics).names - found
            assert not missing, f"the rule {rule.name!r} compares {', '.join(sorted(missing))}, which is not measured"

    def test_another_run_in_threads_gives_the_same_products_and_numbers(self, trial: Trial) -> None:
        """They follow from the frames and the recipe, and from nothing else."""
        assert _digests(trial.again) == _digests(trial.night)
        first, second = ([judged.numbers for judged in night.of(Judged)] for night in (trial.night, trial.again))
        assert second == first

    def test_a_worker_process_gives_the_same_products_and_numbers(
        self, trial: Trial, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """What the executor ``processes`` sends is found there, and gives the same to the last bit."""
        scratch = tmp_path_factory.getbasetemp()
        workers = opened_once(request.session, "processes", lambda: processes(trial.registry, scratch))
        source, builds, measures = trial.named.source, some(trial.seen.builds), some(trial.seen.measures)
        if trial.kind.measure is not None:
            numbers = workers.map(Task(trial.kind.measure, source), [inputs for inputs, _ in measures])
            for found, (_, wanted) in zip(numbers, measures, strict=True):
                assert_same_numbers(tuple(found), wanted)
        if trial.kind.build_amplifier is not None:
            parts = workers.map(Task(trial.kind.build_amplifier, source), [inputs for inputs, _ in builds])
            for part, (_, made) in zip(parts, builds, strict=True):
                assert_same_part(part, made)

    # -- its products --------------------------------------------------------------------------------------------

    def test_its_products_are_whole(self, trial: Trial) -> None:
        """Planes are of the detector's shape, the table has every amplifier, and the pins are what went in."""
        for inputs, _, product in _assembled(trial):
            assert (product.kind, product.detector, product.setup) == (trial.kind.makes, inputs.detector.id, inputs.setup)
            assert product.provenance == inputs.provenance
            assert product.pins == {kind: inputs.needs[kind].id for kind in trial.kind.pins if kind in inputs.needs}
            for name in set(_PLANES) & set(product.planes):
                assert product.planes[name].shape == inputs.detector.shape, name
            if "mask" in product.planes:
                assert int(product.planes["mask"].max()) < 1 << len(MASK_PLANES)
            if "amplifiers" in product.tables:
                table = product.tables["amplifiers"]
                assert table["amplifier"].values == tuple(one.name for one in inputs.detector.amplifiers)

    def test_assembling_changes_no_part_and_gives_the_same_again(self, trial: Trial) -> None:
        """It is pure as well."""
        for inputs, parts, product in _assembled(trial):
            assert trial.kind.assemble is not None
            before = [evolve(part, planes={name: np.array(plane) for name, plane in part.planes.items()}) for part in parts]
            assert digest(trial.kind.assemble(inputs, parts)) == digest(product)
            for part, copy in zip(parts, before, strict=True):
                assert_same_part(part, copy)

    def test_its_products_come_back_from_a_folder_as_they_were(self, trial: Trial, tmp_path: Path) -> None:
        """Planes, units and tables are of types that FITS has."""
        named = trial.registry.named("store", "folder")
        with named.declaration.open(named.declaration.options(root=tmp_path), samples.world(tmp_path)) as store:
            for _, _, product in _assembled(trial):
                assert_same_product(store.get(store.put(product, "run-1")), product)


def _measured(trial: Trial) -> Iterator[Measurement]:
    for _, found in trial.seen.measures:
        yield from found
    for _, _, found in trial.seen.summaries:
        yield from found


def _digests(night: Night) -> list[str]:
    return [ref.digest for built in night.of(Built) for ref in built.refs]


def _assembled(trial: Trial) -> list[tuple[DetectorInputs, tuple[Part, ...], Product]]:
    if not trial.makes:
        pytest.skip(f"{trial.kind.name} makes no product")
    return trial.seen.assemblies
