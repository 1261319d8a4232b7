"""Every key of the procedure `latiss`: what it changes in the plan, what it defaults to, and where it cannot apply."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import attrs
import jsonschema
import pytest

from latcal.builtin.procedures.latiss.expansion import NEEDS
from latcal.builtin.procedures.latiss.options import LatissOptions
from latcal.engine.planning import plan
from latcal.engine.reading import read, recipe_schema
from latcal.engine.writing import to_yaml, write
from latcal.errors import RecipeError
from latcal.formats.located import compose
from latcal.formats.schema import json_schema
from latcal.model.steps import Plan
from latcal.plugin.registry import Registry

DAILY = Path(__file__).parents[3] / "recipes" / "daily.yaml"
MAKE = {"generate_calibrations": True}
WAIVED = {**MAKE, "do_verify": False}
CURVE = {"do_ptc": True, "exp_times_flat": [5, 5, 10, 10, 15, 15, 20, 20], "n_flat": 8}


def planned(registry: Registry, config: Mapping[str, Any], procedure: str = "latiss") -> Plan:
    text = to_yaml({"latcal": 1, "procedure": procedure, "config": dict(config)})
    return plan(read(text, "night.yaml", registry), registry)


def takes(made: Plan, sequence: str) -> list[Any]:
    return [step for step in made.steps if type(step).__name__ == "Take" and step.sequence == sequence]


def times(made: Plan, sequence: str, *, discarded: bool = False) -> list[float]:
    return [step.time_s for step in takes(made, sequence) if step.discarded is discarded]


def stage(made: Plan, kind: str) -> Any:
    return next((one for one in made.stages if one.stage.kind == kind), None)


def options(kind: str, name: str) -> Callable[[Plan], Any]:
    return lambda made: getattr(stage(made, kind).stage.options, name)


def collections(kind: str) -> Callable[[Plan], Any]:
    return lambda made: stage(made, kind).stage.collections


def accept(kind: str, name: str) -> Callable[[Plan], Any]:
    return lambda made: getattr(stage(made, kind).acceptance, name)


def verbs(made: Plan) -> str:
    return " ".join(f"{one.stage.verb}:{one.stage.kind}" for one in made.stages)


def certify(name: str) -> Callable[[Plan], Any]:
    def seen(made: Plan) -> str:
        one = made.recipe.certify
        return one.into if name == "into" else str(getattr(one.valid, name))[:10]

    return seen


@pytest.fixture(autouse=True)
def of_maria(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log her in: a waiver is hers if no other name is written."""
    monkeypatch.setenv("LOGNAME", "maria")


def least(made: Plan) -> list[int]:
    """Give the smallest number of frames of bias, dark, flat, defects and gain."""
    return [one.at_least for one in made.stages]


DEFECT, FOUND = "-c isr:doDefect=True", {"do_defects": True}
TABLE: dict[str, tuple[Any, Mapping[str, Any], Callable[[Plan], Any], Any, Any]] = {
    # key: (a value, what goes with it, what is looked at, what it is by default, what it is with the value)
    "script_mode": ("BIAS_DARK", {}, verbs, "check:bias check:dark check:flat measure:gain", "check:bias check:dark"),
    "n_bias": (30, {}, lambda made: times(made, "biases"), [0.0] * 20, [0.0] * 30),
    "n_discard_bias": (2, {}, lambda made: times(made, "biases", discarded=True), [0.0], [0.0] * 2),
    "n_dark": (5, {"exp_times_dark": 30}, lambda made: times(made, "darks"), [30.0] * 22, [30.0] * 5),
    "n_discard_dark": (0, {"exp_times_dark": 30}, lambda made: times(made, "darks", discarded=True), [30.0], []),
    "exp_times_dark": (20, {}, lambda made: times(made, "darks"), [5.0] * 4 + [15.0] * 2 + [30.0] * 16, [20.0] * 22),
    "n_flat": (10, {}, lambda made: times(made, "flats"), [5.0] * 20, [5.0] * 10),
    "n_discard_flat": (3, {}, lambda made: times(made, "flats", discarded=True), [5.0], [5.0] * 3),
    "exp_times_flat": ([1.2, 1.2], {}, lambda made: times(made, "flats"), [5.0] * 20, [1.2] * 2),
    "filter": ("SDSSr_65mm", {}, lambda made: takes(made, "flats")[0].setup.filter, None, "SDSSr_65mm"),
    "grating": ("empty", {}, lambda made: takes(made, "flats")[0].setup.grating, None, "empty"),
    "detectors": ([0], {}, lambda made: stage(made, "flat").stage.detectors, (), (0,)),  # of nine: test_latiss_procedures
    "do_verify": (False, MAKE, lambda made: stage(made, "bias").stage.verify.waiver, "", "maria: do_verify is false"),
    "generate_calibrations": (
        True, {}, verbs, "check:bias check:dark check:flat measure:gain", "make:bias make:dark make:flat measure:gain"
    ),
    "config_options_bias": (DEFECT, MAKE, options("bias", "defects"), False, True),
    "config_options_dark": (DEFECT, MAKE, options("dark", "defects"), False, True),
    "config_options_flat": (DEFECT, MAKE, options("flat", "defects"), False, True),
    "do_defects": (True, {}, lambda made: "measure:defects" in verbs(made), False, True),
    "config_options_defects": ("-c measureDefects:nPixBorderUpDown=9", {"do_defects": True}, options("defects", "edge"), 5, 9),
    "do_ptc": (True, {k: CURVE[k] for k in CURVE if k != "do_ptc"}, lambda made: "measure:ptc" in verbs(made), False, True),
    "config_options_ptc": ("-c cpExtract:nSigmaClipPtc=4", {}, options("gain", "clip"), 5.5, 4.0),
    "do_gain_from_flat_pairs": (False, {}, lambda made: "measure:gain" in verbs(made), True, False),
    "input_collections_bias": (
        "u/a, LATISS/calib", {**MAKE, "config_options_bias": DEFECT}, collections("bias"), ("LATISS/calib",), ("u/a", "LATISS/calib")
    ),
    "input_collections_verify_bias": ("u/a,LATISS/calib", {}, collections("bias"), ("LATISS/calib",), ("u/a", "LATISS/calib")),
    "input_collections_dark": ("u/a", {**MAKE, "script_mode": "DARK"}, collections("dark"), ("LATISS/calib",), ("u/a",)),
    "input_collections_verify_dark": ("u/a", {}, collections("dark"), ("LATISS/calib",), ("u/a",)),
    "input_collections_flat": ("u/a", {**MAKE, "config_options_flat": DEFECT}, collections("flat"), ("LATISS/calib",), ("u/a",)),
    "input_collections_verify_flat": ("u/a", {}, collections("flat"), ("LATISS/calib",), ("u/a",)),
    "input_collections_defects": ("u/a", {"do_defects": True}, collections("defects"), ("LATISS/calib",), ("u/a",)),
    "input_collections_ptc": ("u/a", {}, collections("gain"), ("LATISS/calib",), ("u/a",)),
    "calib_collection": ("calib/a", MAKE, certify("into"), "LATISS/calib/daily", "calib/a"),
    "repo": ("./here", {}, lambda made: str(made.recipe.store.options.root), "/repo/LATISS", "here"),
    "n_processes": (1, {}, lambda made: made.executor.use, "processes", "serial"),
    "certify_calib_begin_date": ("2022-11-04", MAKE, certify("begin"), "1950-01-01", "2022-11-04"),
    "certify_calib_end_date": ("2022-11-05", MAKE, certify("end"), "2050-01-01", "2022-11-05"),
    "oods_timeout": (60, {}, lambda made: (made.recipe.limits.answer_s, made.recipe.limits.ingest_s), (120.0, 120.0), (60.0, 60.0)),
    "number_verification_tests_threshold_bias": (9, {}, accept("bias", "amplifiers"), 8, 9),
    "number_verification_tests_threshold_dark": (9, {}, accept("dark", "amplifiers"), 8, 9),
    "number_verification_tests_threshold_flat": (9, {}, accept("flat", "amplifiers"), 8, 9),
    "wait_between_exposures": (2, {}, lambda made: made.estimate.camera_s, 770.0, 770.0 + 2 * (20 + 22 + 20)),
    "program": ("BLOCK-1", {}, lambda made: made.recipe.labels.get("program"), None, "BLOCK-1"),
    "reason": ("daily", {}, lambda made: made.recipe.labels.get("reason"), None, "daily"),
    "note": ("new filter", {}, lambda made: made.recipe.labels.get("note"), None, "new filter"),
    "majority": ("strict", {"n_bias": 3}, accept("bias", "exposures"), 3, "majority"),
    "at_least_bias": (18, FOUND, least, [20, 22, 20, 42, 20], [18, 22, 20, 42, 20]),
    "at_least_dark": (18, FOUND, least, [20, 22, 20, 42, 20], [20, 18, 20, 38, 20]),
    "at_least_flat": (18, FOUND, least, [20, 22, 20, 42, 20], [20, 22, 18, 40, 18]),
    "keep_images": (True, {}, lambda made: stage(made, "flat").stage.keep, (), ("residuals",)),
    "user": ("Ana", WAIVED, lambda made: stage(made, "bias").stage.verify.waived_by, "maria", "Ana"),
}


def test_the_table_has_every_key() -> None:
    assert list(TABLE) == [field.name for field in attrs.fields(LatissOptions)]


@pytest.mark.parametrize("key", TABLE)
def test_a_key_that_is_written_changes_the_plan_as_it_says(key: str, registry: Registry) -> None:
    value, beside, seen, default, changed = TABLE[key]
    before, after = planned(registry, beside), planned(registry, {**beside, key: value})
    assert (seen(before), seen(after)) == (default, changed)


@pytest.mark.parametrize("key", TABLE)
def test_a_key_that_is_misspelt_is_refused_with_itself(key: str, registry: Registry) -> None:
    slip = f"{key}x"
    with pytest.raises(RecipeError, match=rf"^night\.yaml:3:\d+: config\.{slip}: '{slip}' is not a key here \(did you mean '{key}'\?\)$"):
        planned(registry, {slip: 1})


DOCUMENTED = {
    "script_mode": "BIAS_DARK_FLAT", "n_bias": 20, "n_discard_bias": 1, "n_dark": 22, "n_discard_dark": 1,
    "exp_times_dark": [5, 5, 5, 5, 5, 15, 15, *[30] * 16], "n_flat": 20, "n_discard_flat": 1, "exp_times_flat": 5,
    "filter": None, "grating": None, "detectors": [], "do_verify": True, "generate_calibrations": False,
    "config_options_bias": "-c isr:doDefect=False", "config_options_dark": "-c isr:doDefect=False",
    "config_options_flat": "-c isr:doDefect=False", "do_defects": False, "config_options_defects": "-c isr:doDefect=False",
    "do_ptc": False, "config_options_ptc": "-c isr:doCrosstalk=False", "do_gain_from_flat_pairs": True,
    **{f"input_collections_{word}": "LATISS/calib" for word in (
        "bias", "verify_bias", "dark", "verify_dark", "flat", "verify_flat", "defects", "ptc"
    )},
    "calib_collection": "LATISS/calib/daily", "repo": "/repo/LATISS", "n_processes": 8,
    "certify_calib_begin_date": "1950-01-01", "certify_calib_end_date": "2050-01-01", "oods_timeout": 120,
    **{f"number_verification_tests_threshold_{word}": 8 for word in ("bias", "dark", "flat")},
}  # fmt: skip
"""The defaults of the page (latiss-procedure.txt), the thresholds of verification.md 5.1."""


def test_the_schema_has_every_key_of_the_page_with_its_default_and_help() -> None:
    properties = json_schema(LatissOptions)["properties"]
    assert {key: properties[key]["default"] for key in DOCUMENTED} == DOCUMENTED
    assert all(len(one["description"]) > 10 for one in properties.values())


@pytest.mark.parametrize(
    ("procedure", "calib", "repo"),
    [("lsstcomcam", "LSSTComCam/calib", "/repo/LSSTComCam"), ("lsstcam", "LSSTCam/calib", "/repo/LSSTCam")],
)
def test_the_other_cameras_have_the_same_keys_and_their_own_places(
    procedure: str, calib: str, repo: str, registry: Registry
) -> None:
    kind = registry.get("procedure", procedure).options
    latiss, theirs = json_schema(LatissOptions)["properties"], json_schema(kind)["properties"]
    assert sorted(theirs) == sorted(latiss)
    differing = {key: theirs[key]["default"] for key in theirs if theirs[key]["default"] != latiss[key]["default"]}
    inputs = [key for key in theirs if key.startswith("input_collections")]
    assert differing == {**dict.fromkeys(inputs, calib), "repo": repo, "calib_collection": f"{calib}/daily"}
    made = planned(registry, {}, procedure)
    assert made.instrument.name == procedure
    assert stage(made, "bias").stage.collections == (calib,)


def test_an_empty_list_of_detectors_of_lsstcam_leaves_the_guiders_out(registry: Registry) -> None:
    made = planned(registry, {"script_mode": "BIAS"}, "lsstcam")
    names = [made.instrument.detector(one).name for one in stage(made, "bias").detectors]
    assert len(names) == 197
    assert not any("_SG" in name for name in names)
    assert sum("_SW" in name for name in names) == 8


class TestDaily:
    """The default: no key written."""

    def test_plans_what_the_page_says(self, registry: Registry) -> None:
        made = planned(registry, {})
        counts = {name: len(takes(made, name)) for name in ("biases", "darks", "flats")}
        assert counts == {"biases": 21, "darks": 23, "flats": 21}
        assert [times(made, "darks").count(time) for time in (5.0, 15.0, 30.0)] == [4, 2, 16]
        assert times(made, "darks", discarded=True) == [5.0]
        assert set(times(made, "flats")) == {5.0}
        assert verbs(made) == "check:bias check:dark check:flat measure:gain"
        assert {one.stage.collections for one in made.stages} == {("LATISS/calib",)}
        assert not any(type(step).__name__ == "Certify" for step in made.steps)
        assert made.remarks == ("nothing is certified",)

    def test_plans_the_steps_of_the_recipe_that_says_the_same(self, registry: Registry) -> None:
        theirs = plan(read(DAILY.read_text("utf-8"), "daily.yaml", registry), registry)
        assert planned(registry, {"filter": "SDSSr_65mm", "grating": "empty"}).steps == theirs.steps
        left = [attrs.evolve(s, setup=attrs.evolve(s.setup, filter=None, grating=None)) if hasattr(s, "setup") else s for s in theirs.steps]
        assert list(planned(registry, {}).steps) == left

    def test_is_read_whether_config_is_empty_or_left_out(self, registry: Registry) -> None:
        assert plan(read("latcal: 1\nprocedure: latiss\n", "night.yaml", registry), registry).steps == planned(registry, {}).steps


PASTED = {
    "exposure times": "exp_times_dark: 20\nexp_times_flat: 30\n",
    "numbers": "n_bias: 30\nn_dark: 5\nexp_times_dark: [5, 10, 15, 20, 25]\nn_flat: 10\n"
    "exp_times_flat: [5, 10, 15, 20, 25, 30, 35, 40, 45, 50]\n",
    "a curve": "script_mode: BIAS_DARK_FLAT\nn_flat: 14\nexp_times_flat: [5, 5, 10, 10, 15, 15, 20, 20, 25, 25, 30, 30, 35, 35]\n"
    'filter: 3\ngrating: empty\ngenerate_calibrations: True\ncalib_collection: "LATISS/calib/daily/calibs.2022NOV04.1"\n'
    'certify_calib_begin_date: "2022-11-04"\ncertify_calib_end_date: "2022-11-05"\ndo_defects: True\ndo_ptc: True\n',
    "a curve of references": "n_bias: 6\nn_dark: 6\nexp_times_dark: [5, 5, 5, 10, 15, 20]\nn_flat: 14\n"
    "exp_times_flat: [0.1, 0.1, 0.35, 0.35, 0.6, 0.6, 0.8, 0.8, 1.0, 1.0, 1.35, 1.35, 1.6, 1.6]\n"
    'calib_collection: "LATISS/calib/u/plazas/daily.2021SEP13.test1"\ndo_verify: True\n'
    'input_collections_verify_bias: "u/czw/DM-28920/calib.20210720,LATISS/calib"\n'
    'input_collections_verify_dark: "u/czw/DM-28920/calib.20210720,LATISS/calib"\n'
    'input_collections_verify_flat: "u/czw/DM-28920/calib.20210720,LATISS/calib"\n'
    'certify_calib_begin_date: "2021-07-15"\ncertify_calib_end_date: "2021-07-17"\nscript_mode: BIAS_DARK_FLAT\n'
    "do_defects: True\ndo_ptc: True\n",
    "quick": "exp_times_flat: [1.2, 1.2]\n",
    "pairs and singles": "exp_times_flat: [0.1, 0.1, 0.35, 0.35, 0.6, 0.6, 1, 1.5, 1.7, 2.1, 2.3]\n",
    "internal": 'generate_calibrations: True\ncalib_collection: LATISS/calib/daily/calib.2022NOV04.1\n'
    'certify_calib_begin_date: "2022-11-04"\ncertify_calib_end_date: "2022-11-05"\n',
}


@pytest.mark.parametrize("text", PASTED.values(), ids=PASTED)
def test_what_is_pasted_from_the_page_is_read(text: str, registry: Registry) -> None:
    indented = "".join(f"  {line}\n" for line in text.splitlines())
    recipe = read(f"latcal: 1\nprocedure: latiss\nconfig:\n{indented}", "night.yaml", registry)
    assert plan(recipe, registry).steps
    assert read(write(recipe, registry), "night.yaml", registry) == recipe


def test_what_is_pasted_fits_the_schema_that_editors_use(registry: Registry) -> None:
    schema = recipe_schema(registry)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    for config in ("{}", "{script_mode: BIAS, exp_times_dark: [5, 5], filter: 3}"):
        validator(schema).validate(compose(f"latcal: 1\nprocedure: latiss\nconfig: {config}\n", "n.yaml").value)


CANNOT = [
    ({"script_mode": "BIAS", "n_dark": 5}, "n_dark", "script_mode BIAS takes no darks"),
    ({"script_mode": "BIAS_DARK", "filter": "empty"}, "filter", "script_mode BIAS_DARK takes no flats"),
    ({"script_mode": "DARK", "number_verification_tests_threshold_bias": 8}, "number_verification_tests_threshold_bias", "no biases"),
    ({"script_mode": "BIAS_DARK", "do_ptc": True}, "do_ptc", "true needs darks and flats"),
    ({"script_mode": "BIAS", "do_gain_from_flat_pairs": True}, "do_gain_from_flat_pairs", "true needs darks and flats"),
    ({"script_mode": "BIAS", "do_defects": True}, "do_defects", "true needs darks and flats"),
    ({"config_options_bias": DEFECT}, "config_options_bias", "no bias is generated"),
    ({"input_collections_flat": "u/a"}, "input_collections_flat", "no flat is generated"),
    ({**MAKE, "input_collections_bias": "u/a"}, "input_collections_bias", "all that is needed is made in the same run"),
    ({**MAKE, "input_collections_verify_dark": "u/a"}, "input_collections_verify_dark", "with what it is made with"),
    ({**WAIVED, "majority": "strict"}, "majority", "nothing is verified"),
    ({**WAIVED, "input_collections_verify_flat": "u/a"}, "input_collections_verify_flat", "nothing is verified"),
    ({"input_collections_defects": "u/a"}, "input_collections_defects", "no defects are looked for"),
    ({"do_gain_from_flat_pairs": False, "config_options_ptc": DEFECT}, "config_options_ptc", "neither a curve nor a gain"),
    ({"do_verify": False, "n_bias": 3}, "n_bias", "of the biases nothing is made"),
    ({"user": "Ana"}, "user", "nothing is certified unverified"),
    ({"do_gain_from_flat_pairs": True, "exp_times_flat": [5, 10]}, "exp_times_flat", "a gain needs a pair"),
    ({"do_verify": False, "do_gain_from_flat_pairs": False}, "do_verify", "false leaves nothing to do"),
    ({**MAKE, "certify_calib_end_date": "1949-01-01"}, "certify_calib_end_date", "is not after the begin"),
]


@pytest.mark.parametrize(("config", "key", "words"), CANNOT, ids=[f"{key}-{number}" for number, (_, key, _) in enumerate(CANNOT)])
def test_a_key_that_was_written_and_cannot_apply_is_one_line_at_it(
    config: Mapping[str, Any], key: str, words: str, registry: Registry
) -> None:
    with pytest.raises(RecipeError, match=rf"^night\.yaml:3:\d+: config\.{key}: .*{words}.*\(.+\)$") as caught:
        planned(registry, config)
    assert len(caught.value.problems) == 1


REMARKS = [
    ({"script_mode": "BIAS"}, "do_gain_from_flat_pairs is left out: BIAS takes no flats"),
    ({"exp_times_flat": [5, 10]}, "do_gain_from_flat_pairs is left out: no two flats have one time"),
    ({"calib_collection": "calib/a"}, "nothing is certified, so calib_collection says nothing here"),
    (MAKE, "what is certified holds from 1950-01-01 to 2050-01-01, 100 years: certify_calib_begin_date and certify_calib_end_date are not written"),
    ({**CURVE, "do_gain_from_flat_pairs": False}, "do_ptc brings the gains of all pairs, although do_gain_from_flat_pairs is false"),
    ({"do_verify": False}, "no biases and no darks are taken: nothing would be made of them, since do_verify is false"),
    ({"filter": 3}, "filter 3 is KPNO_1111_436nm"),
    ({"at_least_bias": 15}, "at_least_bias is 15, so 9 failed exposures refuse the bias, as the page counts for 15"),
    ({"exp_times_flat": [7] * 21}, "n_flat is 20 and n_discard_flat 1, so the first 1 of the 21 times of exp_times_flat are discarded"),
]


@pytest.mark.parametrize(("config", "remark"), REMARKS)
def test_a_default_that_cannot_apply_is_left_out_and_the_plan_says_so(
    config: Mapping[str, Any], remark: str, registry: Registry
) -> None:
    assert remark in planned(registry, config).remarks


def test_dates_that_were_written_are_not_remarked_on(registry: Registry) -> None:
    config = {**MAKE, "certify_calib_begin_date": "1980-01-01", "certify_calib_end_date": "2051-12-31"}
    assert planned(registry, config).remarks == ()


class TestModes:
    """What is generated, verified against what, and certified."""

    def test_a_dark_and_a_flat_use_what_this_run_made_and_nothing_else(self, registry: Registry) -> None:
        made = planned(registry, {**MAKE, **CURVE, "do_defects": True})
        assert verbs(made) == "make:bias make:dark make:flat make:defects make:ptc measure:gain"
        assert all(type(source).__name__ == "FromStep" for step in made.steps if hasattr(step, "needs") for source in step.needs.values())
        assert [one.stage.wait for one in made.stages] == [True, True, True, False, False, False]

    def test_defects_and_curve_are_measured_and_not_certified_where_nothing_is_generated(self, registry: Registry) -> None:
        made = planned(registry, {**CURVE, "do_defects": True})
        assert verbs(made) == "check:bias check:dark check:flat measure:defects measure:ptc measure:gain"
        assert made.recipe.certify is None

    def test_a_waiver_names_who_and_why_in_every_stage_that_certifies(self, registry: Registry) -> None:
        made = planned(registry, {**WAIVED, **CURVE, "do_defects": True, "user": "Ana", "reason": "lamp test"})
        waivers = {one.stage.kind: one.stage.verify.waiver for one in made.stages}
        signed = "Ana: do_verify is false, lamp test"
        assert waivers == {**dict.fromkeys(("bias", "dark", "flat", "defects", "ptc"), signed), "gain": ""}

    def test_a_curve_that_leaves_defects_out_uses_the_map_of_this_run(self, registry: Registry) -> None:
        made = planned(registry, {**MAKE, **CURVE, "do_defects": True, "config_options_ptc": DEFECT})
        build = next(step for step in made.steps if type(step).__name__ == "Build" and step.kind == "ptc")
        assert {kind: type(source).__name__ for kind, source in build.needs.items()} == {"bias": "FromStep", "defects": "FromStep"}

    def test_a_dark_by_itself_is_verified_with_the_references_that_are_named_for_that(self, registry: Registry) -> None:
        made = planned(registry, {**MAKE, "script_mode": "DARK", "input_collections_verify_dark": "u/a,u/b"})
        assert stage(made, "dark").stage.verify.collections == ("u/a", "u/b")
        assert stage(made, "dark").stage.collections == ("LATISS/calib",)


@pytest.mark.parametrize(("key", "value", "name"), [("filter", 1, "empty"), ("filter", 12, "RG610"), ("grating", 2, "ronchi170lpmm")])
def test_a_filter_or_grating_may_be_given_by_its_place(key: str, value: int, name: str, registry: Registry) -> None:
    assert getattr(takes(planned(registry, {key: value}), "flats")[0].setup, key) == name


BESIDE = "latcal: 1\nprocedure: latiss\n{}config: {{repo: ./there, n_processes: 3}}\n"


def test_what_stands_beside_the_procedure_wins(registry: Registry) -> None:
    beside = "instrument: bench\ncamera: {use: simulated, seed: 7}\nstore: {use: memory}\nexecutor: {use: serial}\nreport: [{use: console}]\n"
    recipe = read(BESIDE.format(beside), "night.yaml", registry)
    assert (recipe.instrument, recipe.camera.options.seed, recipe.store.use) == ("bench", 7, "memory")
    assert recipe.executor.use == "serial"
    assert [one.use for one in recipe.report] == ["console"]


def test_the_report_of_the_page_is_written_where_no_other_is_named(registry: Registry) -> None:
    assert [one.use for one in planned(registry, {}).recipe.report] == ["console", "latiss_text"]


def test_what_is_wrong_beside_the_procedure_is_said_there(registry: Registry) -> None:
    with pytest.raises(RecipeError, match=r"^night\.yaml:3:36: camera\.sed: 'sed' is not a key here \(did you mean 'seed'\?\)$"):
        read(BESIDE.format("camera: {use: simulated, clock: real, sed: 7}\n".replace("clock: real, ", "first: 1, ")), "night.yaml", registry)


def test_what_is_set_from_outside_has_its_place(registry: Registry) -> None:
    text = "latcal: 1\nprocedure: latiss\n"
    recipe = read(text, "night.yaml", registry, settings=["config.n_bias=5", "store={use: memory}"])
    assert len(recipe.sequences["biases"].exposures) == 5
    assert recipe.store.use == "memory"
    with pytest.raises(RecipeError, match=r"^--set:1:\d+: config\.filter: 'SDSSrr' is not a filter of latiss"):
        plan(read(text, "night.yaml", registry, settings=["config.filter=SDSSrr"]), registry)


def test_planning_the_examples_imports_nothing_that_only_a_run_needs() -> None:
    unwanted = ("scipy", "astropy.io.fits", "rich", "sqlite3", "multiprocessing", "latcal.builtin.cameras.replaying")
    program = (
        "import sys, latcal, pathlib\n"
        "registry = latcal.load_plugins()\n"
        f"files = sorted(pathlib.Path({str(DAILY.parent / 'latiss')!r}).glob('*.yaml'))\n"
        "plans = [latcal.plan(latcal.read(file.read_text(), file.name, registry), registry) for file in files]\n"
        f"print(len(plans) > 5, [name for name in {unwanted!r} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True []\n"


def test_the_dates_are_days(registry: Registry) -> None:
    made = planned(registry, {**MAKE, "certify_calib_begin_date": date(2022, 11, 4).isoformat(), "certify_calib_end_date": "2022-11-05"})
    assert str(made.recipe.certify.valid) == "2022-11-04 to 2022-11-05"


def test_what_a_type_needs_is_what_the_procedure_looks_up_for_it(registry: Registry) -> None:
    for kind, needs in NEEDS.items():
        declared = registry.get("calibration", kind)
        assert declared.needs(declared.options()) == needs


def test_a_waiver_that_nobody_answers_for_is_refused(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "")
    with pytest.raises(RecipeError, match=r"config\.do_verify: false needs the name of who answers for it \(write user: NAME\)$"):
        planned(registry, WAIVED)


def test_a_written_key_that_loses_against_what_stands_beside_is_remarked_on(registry: Registry) -> None:
    text = "latcal: 1\nprocedure: latiss\nexecutor: {use: serial}\nstore: {use: memory}\nconfig: {n_processes: 3}\n"
    made = plan(read(text, "night.yaml", registry), registry)
    assert made.remarks == ("nothing is certified", "config.n_processes says nothing here: 'executor' stands beside the procedure")


def test_a_curve_needs_as_many_times_as_its_model(registry: Registry) -> None:
    of_three = {**CURVE, "n_flat": 6, "exp_times_flat": [5, 5, 10, 10, 15, 15]}
    with pytest.raises(RecipeError, match="pairs of 3 times cannot make a curve: it needs 4 times"):
        planned(registry, of_three)
    cubic = "-c cpPtcSolve:ptcFitType=POLYNOMIAL -c cpPtcSolve:polynomialFitDegree=3"
    with pytest.raises(RecipeError, match="pairs of 4 times cannot make a curve: it needs 5 times"):
        planned(registry, {**CURVE, "config_options_ptc": cubic})
    with pytest.raises(RecipeError, match="config_options_ptc: 1 is not 2 or more"):
        planned(registry, {**CURVE, "config_options_ptc": cubic.replace("=3", "=1")})
