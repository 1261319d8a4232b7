"""Reading a recipe: a typed value, or every fault of one stage of reading, each at its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from latcal.engine.reading import digest, read
from latcal.engine.writing import to_yaml
from latcal.errors import PluginError, RecipeError, Where
from latcal.formats.located import compose
from latcal.model.exposures import parse
from latcal.model.quantities import parse_quantity
from latcal.model.recipe import Recipe, Use, Verification
from latcal.model.rules import Rule
from latcal.model.validity import ValidityRange, instant
from latcal.model.verdicts import Acceptance
from latcal.plugin import ProcedureType, hookimpl
from latcal.plugin.registry import Registry, load_plugins
from latcal.testing import strangers

TEXT = """\
latcal: 1
title: Sky
instrument: eye
camera: {use: webcam, port: 1}
store: {use: cupboard}
sequences:
  skies: {image: sky, exposures: 5 x 5 s, discard: 1, filter: r}
  more: {image: sky, exposures: [2 x 5 s, 2 x 30000 adu]}
stages:
  - {make: sky, frames: [skies]}
certify: {into: calib/sky, begin: 2022-11-04, end: 2022-11-05}
"""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins(without=["latcal"], extra=[strangers])


@pytest.fixture
def reads(registry: Registry) -> Any:
    def reads(old: str = "", new: str = "", *settings: str) -> Recipe:
        assert TEXT.count(old) == 1 or not old
        return read(TEXT.replace(old, new) if old else TEXT, "sky.yaml", registry, settings=settings, folder="recipes")

    return reads


@pytest.fixture
def faults(reads: Any) -> Any:
    def faults(old: str, new: str, *settings: str) -> list[str]:
        with pytest.raises(RecipeError, match=r"^(sky\.yaml|--set):\d+:\d+: ") as caught:
            reads(old, new, *settings)
        return str(caught.value).splitlines()

    return faults


def test_every_part_is_typed(reads: Any) -> None:
    recipe = reads()
    assert (recipe.name, recipe.title, recipe.instrument, recipe.version) == ("sky.yaml", "Sky", "eye", 1)
    assert recipe.camera == Use("webcam", strangers.WebcamOptions(1, delay=parse_quantity("0 s", "s")))
    assert recipe.store == Use("cupboard", strangers.CupboardOptions(Path("./shelf")))
    assert recipe.executor is None
    assert recipe.sequences["skies"].exposures == parse("5 x 5 s")
    assert recipe.sequences["more"].exposures == parse(["2 x 5 s", "2 x 30000 adu"])
    assert (recipe.sequences["skies"].discard, recipe.sequences["skies"].filter) == (1, "r")
    assert recipe.accept == Acceptance()
    assert recipe.certify is not None
    assert recipe.certify.valid == ValidityRange(instant("2022-11-04"), instant("2022-11-05"))


def test_a_stage_has_the_options_of_its_type_defaults_included(reads: Any) -> None:
    (stage,) = reads().stages
    assert stage.options == strangers.SkyOptions()
    (stage,) = reads("[skies]}", "[skies], options: {clip: 4, pause: 500 ms, degrees: [3]}}").stages
    assert (stage.options.clip, stage.options.degrees) == (4.0, (3,))
    assert stage.options.pause.to_value("s") == 0.5  # exact in binary


def test_the_text_its_settings_and_their_digest_are_kept(reads: Any) -> None:
    plain, changed = reads(), reads("", "", "sequences.skies.exposures=9 x 5 s")
    assert (plain.text, plain.settings, plain.folder) == (TEXT, (), "recipes")
    assert changed.text == TEXT
    assert changed.settings == ("sequences.skies.exposures=9 x 5 s",)
    assert len({plain.digest, changed.digest, reads("title: Sky", "title: sky").digest}) == 3
    assert plain.digest == digest(TEXT, ())
    assert len(plain.digest) == 64


def test_marks_say_where_each_key_stands(reads: Any) -> None:
    marks = reads().marks
    assert marks.at(("sequences", "skies", "filter")) == Where("sky.yaml", 7, 55)
    assert marks.at(("stages", 0, "certify", "into")) == Where("sky.yaml", 10, 5)
    assert marks.at(()) == Where("sky.yaml", 1, 1)


def test_what_is_set_from_outside_is_read_and_located_as_such(reads: Any, faults: Any) -> None:
    assert len(reads("", "", "sequences.skies.exposures=9 x 5 s").sequences["skies"].exposures) == 9
    (fault,) = faults("", "", "sequences.skies.exposures=9")
    assert fault.startswith("--set:1:27: sequences.skies.exposures: 9 is not an exposure")


def test_a_setting_of_no_key_is_refused(faults: Any) -> None:
    (fault,) = faults("", "", "sequences.skys.exposures=9 x 5 s")
    assert "did you mean 'skies'?" in fault


def test_a_side_of_a_validity_range_is_open_only_when_written_so(reads: Any, faults: Any) -> None:
    assert reads("end: 2022-11-05", "end: open").certify.valid == ValidityRange(instant("2022-11-04"), None)
    (fault,) = faults(", end: 2022-11-05", "")
    assert "certify: 'end' is missing" in fault


@pytest.mark.parametrize(
    ("written", "what", "hint"),
    [
        ("2022-11-05 18:30", "is not a date", "write 2022-11-05T18:30:00"),
        ("2022-11-05T18:30:00Z", "is not a date", "in TAI and without a zone"),
        ("20221105", "20221105 is not a date", "write 2022-11-05"),
        ("5.11.2022", "is not a date", "write 2022-11-05"),
        ("11/25/2022", "is not a date", "write 2022-11-25"),
        ("2022-13-05", "is not in the calendar", "write year-month-day"),
        ("2022-02-30", "is not in the calendar", "write year-month-day"),
        ("tomorrow", "is not a date", "2022-11-04T18:30:00 or open"),
        ("null", "null is not a date", "or open"),
        ("0022-11-05", "is not a date", "write"),
    ],
)
def test_what_is_not_a_date_is_refused_with_the_date_that_was_meant(
    written: str, what: str, hint: str, faults: Any
) -> None:
    (fault,) = faults("end: 2022-11-05", f"end: {written}")
    assert fault.startswith("sky.yaml:11:52: certify.end: ")
    assert what in fault
    assert hint in fault


def test_an_instant_may_have_a_time(reads: Any) -> None:
    valid = reads("end: 2022-11-05", "end: 2022-11-04T18:30:00.5").certify.valid
    assert valid.end == instant("2022-11-04T18:30:00.5")


@pytest.mark.parametrize("name", ["calib daily", "/calib", "calib/", "calib//daily", "5", "''", "calib:daily"])
def test_what_is_not_a_collection_is_refused(name: str, faults: Any) -> None:
    (fault,) = faults("into: calib/sky", f"into: {name}")
    assert "is not a collection" in fault


def test_rules_replace_or_add_by_name_for_the_recipe_or_for_a_stage(reads: Any) -> None:
    recipe = reads(
        "  - {make: sky, frames: [skies]}\n",
        "  - {make: sky, frames: [skies], rules: {noise: noise <= 3 electron}}\n"
        "rules: {sky: {steady: {rule: ratio <= 1.1, advisory: true}}}\n",
    )
    assert recipe.stages[0].rules == (Rule("noise", "noise <= 3 electron"),)
    assert recipe.rules == {"sky": (Rule("steady", "ratio <= 1.1", advisory=True),)}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("noise <= 5", "'5' has no unit"),
        ("noise <= ratio * 5 electron", "scope"),
        ("nois <= 5 electron", "'nois' is not measured (did you mean 'noise'?)"),
        ("noise", "compares nothing"),
        ("__import__('os').system('x')", "'__import__' is not a function of the rule language"),
        ("5", "5 is not"),
    ],
)
def test_a_rule_is_checked_when_it_is_read_at_its_own_line(text: str, what: str, faults: Any) -> None:
    (fault,) = faults("certify:", f"rules:\n  sky:\n    level: {text}\ncertify:")
    assert fault.startswith("sky.yaml:13:12: rules.sky.level")
    assert what in fault


def test_the_text_of_a_long_rule_is_located_too(faults: Any) -> None:
    (fault,) = faults("certify:", "rules:\n  sky:\n    level:\n      advisory: true\n      rule: noise < 5\ncertify:")
    assert fault.startswith("sky.yaml:15:13: rules.sky.level.rule: ")


def test_rules_of_a_type_that_nothing_declares_are_refused(faults: Any) -> None:
    (fault,) = faults("certify:", "rules: {skyy: {noise: noise <= 3 electron}}\ncertify:")
    assert fault == "sky.yaml:11:9: rules.skyy: no plugin declares the calibration 'skyy', latcal being left out by --without (did you mean 'sky'?)"


def test_a_stage_may_depart_from_its_rules_by_name(reads: Any) -> None:
    (stage,) = reads("[skies]}", "[skies], verify: {drop: [mean], advisory: [noise]}}").stages
    assert stage.verify == Verification(drop=("mean",), advisory=("noise",))
    (stage,) = reads("[skies]}", "[skies], verify: {waived_by: Erik, reason: lamp broken}}").stages
    assert stage.verify.waiver == "Erik: lamp broken"


def test_a_rule_of_the_stage_or_of_the_recipe_can_be_dropped(reads: Any) -> None:
    text = "[skies], rules: {mine: ratio <= 2}, verify: {drop: [mine, ours]}}\nrules: {sky: {ours: ratio <= 3}}"
    assert reads("[skies]}", text).stages[0].verify.drop == ("mine", "ours")


@pytest.mark.parametrize(
    ("verify", "what"),
    [
        ("{drop: [noize]}", "'noize' is not a rule of sky (did you mean 'noise'?)"),
        ("{advisory: [ratio]}", "'ratio' is not a rule of sky (known: mean, noise)"),
        ("{drop: [noise, mean]}", "no rule judges this sky (keep one, or write verify: {waived_by: NAME, reason: WHY})"),
        ("{waived_by: Erik}", "'reason' is missing"),
        ("{reason: broken}", "'waived_by' is missing"),
        ("{drop: noise}", "'noise' is not a list (write [noise])"),
    ],
)
def test_departures_that_mean_nothing_are_refused(verify: str, what: str, faults: Any) -> None:
    (fault,) = faults("[skies]}", f"[skies], verify: {verify}}}")
    assert what in fault


def test_a_type_without_rules_is_made_only_with_a_rule_or_a_waiver(registry: Registry) -> None:
    text = TEXT.replace("image: sky", "image: moon").replace("make: sky", "make: moon")
    with pytest.raises(RecipeError, match=r"sky\.yaml:10:5: stages\.0: no rule judges this moon"):
        read(text, "sky.yaml", registry)
    ruled = text.replace("[skies]}", "[skies], rules: {noise: noise <= 5 electron}}")
    assert read(ruled, "sky.yaml", registry).stages[0].rules[0].name == "noise"


@pytest.mark.parametrize(
    ("stage", "what"),
    [
        ("{frames: [skies]}", "10:5: stages.0: a stage has no verb (write one of make, check, measure)"),
        ("{make: sky, check: sky, frames: [skies]}", "10:17: stages.0.check: a stage has one verb, not 'make' and 'check'"),
        ("{make: sky}", "10:5: stages.0: 'frames' is missing (write frames: [skies])"),
        ("{make: sky, frames: [skys]}", "10:26: stages.0.frames.0: 'skys' is not a sequence of this recipe"),
        ("{make: sky, frames: [skies, skies]}", "10:33: stages.0.frames.1: 'skies' is named twice"),
        ("{make: moon, frames: [skies], rules: {a: ratio < 2}}", "'skies' takes sky, which moon does not consume (name a sequence of moon)"),
        ("{make: cloud, frames: [skies]}", "'cloud' is only measured, and makes no product (write measure: cloud)"),
        ("{check: sky, frames: [skies]}", "10:6: stages.0.check: no 'collections' say where the sky to check against is"),
        ("{measure: sky, frames: [skies], certify: {into: a, begin: open, end: open}}", "a measure certifies nothing"),
        ("{make: sky, frames: [skies], at_least: 0}", "0 is not at least 1 (write 1 or more)"),
        ("{make: sky, frames: [skies], detectors: [0, -1]}", "-1 is not at least 0"),
        ("{make: sky, frames: [skies], keep: [everything]}", "'everything' is not one of its choices"),
        ("{make: sky, frames: [skies], options: {clip: '5'}}", "stages.0.options.clip: '5' is not a number"),
        ("{make: sky, frames: [skies], options: [clip]}", "stages.0.options: [clip] is not a mapping"),
        ("{make: sky, frames: [skies], wait: yes}", "'yes' is not true or false (write true)"),
        ("make sky", "'make sky' is not a mapping"),
    ],
)
def test_a_stage_that_means_nothing_is_refused(stage: str, what: str, faults: Any) -> None:
    (fault,) = faults("{make: sky, frames: [skies]}", stage)
    assert what in fault


def test_a_make_needs_to_be_told_where_its_product_goes(faults: Any, reads: Any) -> None:
    certify = "certify: {into: calib/sky, begin: 2022-11-04, end: 2022-11-05}"
    (fault,) = faults(f"{certify}\n", "")
    assert "stages.0.make: no 'certify' says where the sky goes and when it holds (write certify: {into: " in fault
    own = TEXT.replace(f"{certify}\n", "").replace("[skies]}", f"[skies], {certify}}}")
    assert reads(TEXT, own).stages[0].certify is not None


def test_measuring_needs_no_certificate(reads: Any) -> None:
    text = TEXT.replace("make: sky", "measure: cloud").split("certify")[0]
    assert reads(TEXT, text).certify is None


@pytest.mark.parametrize(
    ("use", "what"),
    [
        ("{use: webcm, port: 1}", "4:15: camera.use: no plugin declares the camera 'webcm', latcal being left out by --without (did you mean 'webcam'?)"),
        ("{port: 1}", "camera: 'use' is missing (write {use: NAME}; there is webcam)"),
        ("{use: 5}", "camera.use: 5 is not the name of a camera"),
        ("webcam", "camera: 'webcam' is not a mapping"),
        ("{use: webcam}", "camera: 'port' is missing"),
        ("{use: webcam, port: 1, prot: 2}", "camera.prot: 'prot' is not a key here (did you mean 'port'?)"),
        ("{use: webcam, prot: 2}", "camera.prot: 'prot' is not a key here (did you mean 'port'?)"),
        ("{use: webcam, port: 1, warm: no}", "camera.warm: 'no' is not true or false (write false)"),
        ("{use: webcam, port: 1, delay: 5}", "camera.delay: 5 has no unit (write '5 s')"),
        ("{use: webcam, port: 1, delay: 5 adu}", "camera.delay: '5 adu' is in 'adu', not in 's'"),
    ],
)
def test_a_use_that_means_nothing_is_refused(use: str, what: str, faults: Any) -> None:
    (fault,) = faults("{use: webcam, port: 1}", use)
    assert what in fault


def test_reporters_and_executor_are_chosen_like_the_camera(reads: Any, faults: Any) -> None:
    recipe = reads("store:", "report: [{use: bell}, {use: bell}]\nexecutor: {use: abacus}\nstore:")
    assert recipe.report == (Use("bell", strangers.Nothing()),) * 2
    assert recipe.executor == Use("abacus", strangers.Nothing())
    (fault,) = faults("store:", "report: [{use: bell}, {use: bel}]\nstore:")
    assert fault.startswith("sky.yaml:5:29: report.1.use: no plugin declares the reporter 'bel'")


def test_an_instrument_is_declared_or_a_file(reads: Any, faults: Any) -> None:
    assert reads("instrument: eye", "instrument: ./mine.yaml").instrument == "./mine.yaml"
    (fault,) = faults("instrument: eye", "instrument: ear")
    assert fault == "sky.yaml:3:13: instrument: no plugin declares the instrument 'ear', latcal being left out by --without (known: eye)"


def test_every_fault_of_the_shape_is_reported_at_once_in_the_order_of_the_text(faults: Any) -> None:
    text = TEXT.replace("title: Sky", "title: 5").replace("port: 1", "port: x").replace("discard: 1", "discard: -1")
    found = faults(TEXT, text.replace("[skies]", "skies").replace("end: 2022-11-05", "end: soon"))
    assert [fault.split(": ")[1] for fault in found] == [
        "title",
        "camera.port",
        "sequences.skies.discard",
        "stages.0.frames",
        "certify.end",
    ]


def test_every_fault_of_the_meaning_is_reported_at_once(faults: Any) -> None:
    text = TEXT.replace("eye", "ear").replace("image: sky, exposures: 5", "image: skyy, exposures: 5")
    text = text.replace("frames: [skies]", "frames: [moor]").replace("end: 2022-11-05", "end: 2022-11-03")
    found = [fault.split(": ")[1] for fault in faults(TEXT, text)]
    assert found == ["instrument", "sequences.skies.image", "stages.0.frames.0", "certify.end"]


@pytest.mark.parametrize("key", ["latcal", "instrument", "camera", "store", "sequences", "stages"])
def test_a_key_that_is_missing_is_named_with_an_example(key: str, registry: Registry) -> None:
    plain = {name: value for name, value in compose(TEXT, "").value.items() if name != key}
    with pytest.raises(RecipeError, match=rf"^sky\.yaml:1:1: '{key}' is missing \(write '{key}: .*'\)$"):
        read(to_yaml(plain), "sky.yaml", registry)


def test_another_version_is_the_only_fault(faults: Any) -> None:
    text = TEXT.replace("latcal: 1", "latcal: 2").replace("title: Sky", "title: 5")
    (fault,) = faults(TEXT, text)
    assert fault.startswith("sky.yaml:1:9: latcal: 2 is not a version of the recipe language")


def test_labels_are_text(reads: Any, faults: Any) -> None:
    assert reads("store:", "labels: {program: BLOCK-123}\nstore:").labels == {"program": "BLOCK-123"}
    (fault,) = faults("store:", "labels: {program: 123}\nstore:")
    assert "labels.program: 123 is not text (write '123' in quotes)" in fault


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("{amplifiers: 8, detectors: 2, exposures: majority}", Acceptance(8, 2, "majority")),
        ("{}", Acceptance()),
        ("{exposures: 1}", Acceptance(exposures=1)),
    ],
)
def test_counts_that_accept_are_whole_numbers_or_a_majority(accept: str, expected: Acceptance, reads: Any) -> None:
    assert reads("certify:", f"accept: {accept}\ncertify:").accept == expected


@pytest.mark.parametrize("count", ["0", "-1", "1.5", "true", "half", "'2'", "null"])
def test_what_is_not_a_count_is_refused(count: str, faults: Any) -> None:
    (fault,) = faults("certify:", f"accept: {{exposures: {count}}}\ncertify:")
    assert "accept.exposures: " in fault
    assert "is not a count of at least 1 (write a whole number such as 2, or majority)" in fault


@pytest.mark.parametrize(
    ("phrase", "what"),
    [
        ("5 s x 20", "'5 s x 20' is not an exposure (write '20 x 5 s')"),
        ("20 * 5 s", "'20 * 5 s' is not an exposure (write '20 x 5 s')"),
        ("2.5 x 5 s", "2.5 in '2.5 x 5 s' is not a number of exposures (write a whole number, as in '5 x 5 s')"),
        ("-2 x 5 s", "-2 in '-2 x 5 s' is not a number of exposures"),
        ("20 x 5", "'20 x 5' has no unit (write '20 x 5 s')"),
        ("[]", "an empty list is not an exposure"),
        ("[5 s, 6]", "sequences.skies.exposures.1: 6 is not an exposure"),
    ],
)
def test_what_is_not_a_phrase_of_exposures_is_refused(phrase: str, what: str, faults: Any) -> None:
    (fault,) = faults("exposures: 5 x 5 s", f"exposures: {phrase}")
    assert what in fault


@pytest.mark.parametrize("name", ["a b", "'5'", "a.b", "''"])
def test_what_is_not_a_name_of_a_sequence_is_refused(name: str, faults: Any) -> None:
    (fault,) = faults("  more:", f"  {name}:")
    assert "is not a name (write a letter first" in fault


PROCEDURE = "latcal: 1\nprocedure: weekly\nconfig: {n_sky: 3}\n"


def test_a_procedure_reads_as_the_recipe_that_it_stands_for(registry: Registry) -> None:
    recipe = read(PROCEDURE, "night.yaml", registry, settings=["config.n_sky=7"])
    assert (recipe.name, recipe.title) == ("night.yaml", "Weekly sky")
    assert len(recipe.sequences["skies"].exposures) == 7
    assert recipe.text == PROCEDURE
    assert recipe.digest == digest(PROCEDURE, ("config.n_sky=7",))


def test_the_options_of_a_procedure_may_be_left_out(registry: Registry) -> None:
    recipe = read("latcal: 1\nprocedure: weekly\n", "night.yaml", registry)
    assert len(recipe.sequences["skies"].exposures) == 5


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("n_sky: 3", "n_skies: 3", r"3:10: config\.n_skies: 'n_skies' is not a key here \(did you mean 'n_sky'\?\)"),
        ("n_sky: 3", "n_sky: '3'", r"3:17: config\.n_sky: '3' is not a whole number"),
        ("config: {n_sky: 3}", "n_sky: 3", r"3:1: n_sky: 'n_sky' is not a key here"),
        ("weekly", "weakly", r"2:12: procedure: no plugin declares the procedure 'weakly', latcal being left out by --without \(did you mean 'weekly'\?\)"),
        ("weekly", "5", r"2:12: procedure: 5 is not text"),
        ("latcal: 1\n", "", r"1:1: 'latcal' is missing \(write 'latcal: 1'\)"),
        ("latcal: 1", "latcal: 3", r"1:9: latcal: 3 is not a version"),
        ("config: {n_sky: 3}", "title: Sky", r"3:1: title: 'title' is not a key here"),
    ],
)
def test_a_procedure_that_means_nothing_is_refused(old: str, new: str, what: str, registry: Registry) -> None:
    with pytest.raises(RecipeError, match=f"^night.yaml:{what}"):
        read(PROCEDURE.replace(old, new), "night.yaml", registry)


def test_what_is_wrong_with_the_recipe_of_a_procedure_is_located_at_the_procedure(registry: Registry) -> None:
    with pytest.raises(RecipeError, match=r"^night\.yaml:2:12: procedure: certify\.into: 'a b' is not a collection"):
        read(PROCEDURE.replace("n_sky: 3", "collection: a b"), "night.yaml", registry)


@pytest.mark.parametrize("given", [None, "latcal: 1", {"latcal": 1, "procedure": "weekly"}, {"latcal": object()}])
def test_a_procedure_that_gives_no_recipe_is_its_plugins_fault(given: Any) -> None:
    class Plugin:
        @hookimpl
        def latcal_procedures(self) -> list[ProcedureType]:
            return [ProcedureType(name="odd", summary="", options=strangers.Nothing, expand=lambda _: given)]

    registry = load_plugins(without=["latcal"], extra=[Plugin()])
    with pytest.raises(PluginError, match=r"^extra:Plugin: the procedure 'odd' gave .*, which is not a recipe"):
        read("latcal: 1\nprocedure: odd\n", "night.yaml", registry)


@pytest.mark.parametrize("clip", [float("nan"), float("inf")])
def test_a_procedure_gives_no_number_that_no_file_could_have(clip: float, registry: Registry) -> None:
    class Plugin:
        @hookimpl
        def latcal_procedures(self) -> list[ProcedureType]:
            def expand(_: object) -> dict[str, Any]:
                return {**compose(TEXT, "").value, "stages": [{"make": "bias", "frames": ["biases"], "options": {"clip": clip}}]}

            return [ProcedureType(name="odd", summary="", options=strangers.Nothing, expand=expand)]

    with pytest.raises(RecipeError, match=rf"stages\.0\.options\.clip: {clip!r} is not a number"):
        read("latcal: 1\nprocedure: odd\n", "night.yaml", load_plugins(extra=[Plugin()]))


def test_recipes_that_differ_in_spelling_only_are_equal(reads: Any) -> None:
    spelt = TEXT.replace("5 x 5 s,", "5x5s,").replace("title: Sky", "title: 'Sky' # of tonight")
    assert reads(TEXT, spelt) == reads()
    assert evolve(reads(), title="") != reads()
