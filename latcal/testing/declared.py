"""What a calibration type must declare, and how it is read and planned: part of `CalibrationSuite`."""

from __future__ import annotations

import inspect
import json
import pickle
from collections.abc import Iterator

import attrs
import numpy as np
import pytest
from attrs import evolve

from latcal.engine.planning import plan, rules_in_force
from latcal.errors import NotReady, RecipeError
from latcal.formats.schema import json_schema
from latcal.model.rules import check
from latcal.plugin import Outlook, Scope
from latcal.testing.trials import Trial

_WORKED = ("build_amplifier", "measure", "observe", "residual")
"""Functions that an executor may send to another process."""

_JUDGED = {"rules": "{}", "accept": "null", "keep": "[]"}
"""Keys of a stage that say nothing where the verification is waived, and how they are emptied."""


class DeclaredBehaviour:
    """Tests of a declaration, before anything runs; `CalibrationSuite` gives ``trial``."""

    # -- what is declared ----------------------------------------------------------------------------------------

    def test_its_options_are_a_frozen_class_with_defaults(self, trial: Trial) -> None:
        """A stage may leave them out, and nothing changes them once they are read."""
        options = trial.kind.options()
        for one in attrs.fields(trial.kind.options):
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                setattr(options, one.name, getattr(options, one.name))

    def test_its_schema_can_be_printed_and_explains_every_option(self, trial: Trial) -> None:
        """`latcal schema` shows it."""
        schema = json.loads(json.dumps(json_schema(trial.kind.options)))
        assert all(one.get("description") for one in schema["properties"].values())

    def test_its_metrics_have_their_own_names_a_unit_and_one_line(self, trial: Trial) -> None:
        """So that rules and reports can name them."""
        from astropy.units import Unit

        for name, metric in trial.kind.metrics.items():
            assert metric.name == name
            assert isinstance(metric.scope, Scope)
            assert metric.summary
            assert "\n" not in metric.summary
            Unit(metric.unit)  # raises ValueError for what is none

    def test_its_default_rules_compare_what_it_measures(self, trial: Trial) -> None:
        """Each in one scope and one unit, under a name of its own."""
        names = [check(rule, trial.kind.metrics).rule.name for rule in trial.kind.rules]
        assert len(set(names)) == len(names)

    def test_its_functions_and_options_can_be_sent_to_another_process(self, trial: Trial) -> None:
        """By name: no lambda, no function within another."""
        kind = trial.kind
        for name in _WORKED:
            function = getattr(kind, name)
            if function is not None:
                back = pickle.loads(pickle.dumps(function))  # noqa: S301 - made on the spot
                assert back is function or not inspect.isfunction(function), name
        for options in (kind.options(), trial.stage.options):
            assert pickle.loads(pickle.dumps(options)) == options  # noqa: S301 - made on the spot

    def test_what_it_needs_pins_and_waives_are_kinds(self, trial: Trial) -> None:
        """A product can only be pinned to what went into it."""
        kind, options = trial.kind, trial.stage.options
        known = trial.registry.names("calibration")
        needs = kind.needs(options) | kind.needs(kind.options())
        assert needs <= set(known), f"it needs what no plugin declares: {sorted(needs - set(known))}"
        assert kind.pins <= needs, f"it pins what it does not need: {sorted(kind.pins - needs)}"
        for waived, why in kind.unpinned(options).items():
            assert waived in known
            assert why, f"no reason says why {waived} may be used with others than it pins"

    def test_its_budget_is_of_its_own_rules(self, trial: Trial) -> None:
        """A line for a rule that is not there would never be shown."""
        names = {rule.name for rule in rules_in_force(trial.recipe, trial.stage, trial.kind)}
        names |= {rule.name for rule in trial.kind.rules}
        for outlook in _outlooks(trial):
            for line in trial.kind.budget(outlook):
                assert line.rule in names
                assert line.limit > 0
                assert line.excess is None or np.isfinite(line.excess)

    # -- reading and planning ------------------------------------------------------------------------------------

    def test_planning_opens_nothing_and_plans_the_same_twice(self, trial: Trial) -> None:
        """It is pure: neither shutter nor store."""
        closed = {**trial.registry.declarations}
        for kind in ("camera", "store", "executor", "reporter"):
            closed[kind] = {
                name: evolve(named, declaration=evolve(named.declaration, open=_never))
                for name, named in closed[kind].items()
            }
        registry = evolve(trial.registry, declarations=closed)
        first, second = (plan(trial.recipe, registry) for _ in range(2))
        assert first.steps == second.steps
        assert first.stages == second.stages
        assert first.budget == second.budget

    def test_its_check_gives_the_same_answer_twice(self, trial: Trial) -> None:
        """And has nothing against the sequences of its recipe."""
        sequences = tuple(trial.recipe.sequences[name] for name in trial.stage.frames)
        assert tuple(trial.kind.check(sequences, trial.stage.options)) == ()
        assert tuple(trial.kind.check(sequences, trial.stage.options)) == ()

    def test_a_stage_without_any_rule_is_refused_unless_waived(self, trial: Trial) -> None:
        """Nothing is judged by silence."""
        rules = rules_in_force(trial.recipe, evolve(trial.stage, verify=evolve(trial.stage.verify, waived_by="")), trial.kind)
        dropped = ", ".join(rule.name for rule in rules)
        with pytest.raises(RecipeError, match="no rule judges"):
            trial.plan(trial.setting("verify", f"{{drop: [{dropped}]}}"))
        waived = trial.plan(
            trial.setting("verify", "{waived_by: Ann, reason: a trial}"),
            *(trial.setting(key, nothing) for key, nothing in _JUDGED.items() if getattr(trial.stage, key)),
        )
        assert waived.stages[-1].rules == ()

    def test_an_option_that_it_has_not_is_refused_by_name(self, trial: Trial) -> None:
        """Nothing is ignored."""
        with pytest.raises(RecipeError, match="option_that_nobody_has"):
            trial.read(trial.setting("options.option_that_nobody_has", "1"))

    def test_images_that_it_does_not_consume_are_refused(self, trial: Trial) -> None:
        """While reading, by the name of the image type."""
        assert trial.kind.images
        for image in {"bias", "dark", "flat"} - trial.kind.images:
            for name in trial.stage.frames:
                with pytest.raises(RecipeError, match=image):
                    trial.plan(f"sequences.{name}.image={image}")

    def test_one_exposure_is_enough_or_deliberately_not(self, trial: Trial) -> None:
        """Too few frames are refused while planning, refused by a rule, or a `BuildError`: never another exception."""
        sequences = trial.recipe.sequences
        few = [f"sequences.{name}.exposures=1 x {_time_of(str(sequences[name].exposures))}" for name in trial.stage.frames]
        try:
            night = trial.run(*few)
        except (RecipeError, NotReady):
            return
        assert night.report.exit_code in (0, 1, 4), f"one exposure: {night.reasons}"


def _never(*_: object) -> None:
    raise AssertionError("planning opened something")


def _time_of(phrase: str) -> str:
    return phrase.split(",", maxsplit=1)[0].partition(" x ")[2]


def _outlooks(trial: Trial) -> Iterator[Outlook]:
    times = tuple(take.time_s or 0.0 for take in trial.plan().stage_takes(len(trial.recipe.stages) - 1))
    counts = dict.fromkeys((*trial.kind.needs(trial.stage.options), trial.kind.name), len(times))
    for frames in ({}, counts):
        for internal in (True, False):
            yield Outlook(times, internal, frames, trial.stage.options)
