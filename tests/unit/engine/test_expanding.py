"""What a procedure stands for: places and names of its keys, what stands beside it, and the store of a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve, frozen

import latcal
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.engine.writing import write
from latcal.errors import PluginError, RecipeError
from latcal.model.recipe import Marks, Recipe
from latcal.plugin import Expansion, ProcedureType, StoreType, Surroundings, hookimpl, option
from latcal.plugin.registry import Registry, load_plugins

NIGHT = "latcal: 1\nprocedure: biased\nconfig: {number: 12, lamp: r}\n"


@frozen
class BiasedOptions:
    """Keys of a procedure for tests."""

    number: int = option(20, help="Of biases.")
    lamp: str | None = option(None, help="Filter of the flats.")
    place: str = option("./here", help="Store.")
    fallback: bool = option(True, help="Whether that may be a folder store.")
    careful: bool = option(False, help="Whether a remark is made.")


@frozen
class Settled:
    options: BiasedOptions
    written: frozenset[str]
    filters: tuple[str, ...]


def settle(options: BiasedOptions, around: Surroundings) -> Settled:
    if options.number == 13:
        raise RecipeError([latcal.errors.Problem("13 brings bad luck", "write 12", path="config.number")])
    return Settled(options, around.written, around.instrument("bench").filters)


def expand(settled: Settled) -> Expansion:
    options = settled.options
    recipe: dict[str, Any] = {
        "latcal": 1,
        "instrument": "bench",
        "camera": {"use": "simulated"},
        "store": {"at": options.place, **({"otherwise": "folder"} if options.fallback else {})},
        "sequences": {
            "biases": {"image": "bias", "exposures": f"{options.number} x 0 s"},
            "flats": {"image": "flat", "exposures": "2 x 5 s", "filter": options.lamp},
        },
        "stages": [
            {"measure": "bias", "frames": ["biases"], "at_least": 15},
            {"measure": "gain", "frames": ["flats"], "collections": ["calib"]},
        ],
    }
    origins = {"store": "config.place", "sequences.biases": "config.number", "sequences.flats.filter": "config.lamp", "stages.0.at_least": "config.number"}
    words = f"{', '.join(sorted(settled.written))} of {len(settled.filters)}"
    return Expansion(recipe, origins, (words,) if options.careful else ())


class Biased:
    @hookimpl
    def latcal_procedures(self) -> list[ProcedureType]:
        return [ProcedureType(name="biased", summary="", options=BiasedOptions, settle=settle, expand=expand)]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins(extra=[Biased()])


def planned(registry: Registry, text: str = NIGHT, *settings: str) -> Any:
    return plan(read(text, "night.yaml", registry, settings=settings), registry)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("12", "0", r"night\.yaml:3:18: config\.number: '0 x 0 s' takes 0 exposures, which is not between 1 and 100000"),
        ("12", "13", r"night\.yaml:3:18: config\.number: 13 brings bad luck \(write 12\)"),
        ("lamp: r", "lamp: rr", r"night\.yaml:3:22: config\.lamp: 'rr' is not a filter of bench"),
        ("12", "14", r"night\.yaml:3:10: config\.number: 15 is more than the 14 exposures"),
        ("12", "'12'", r"night\.yaml:3:18: config\.number: '12' is not a whole number"),
        ("config", "kamera: 1\nconfig", r"night\.yaml:3:1: kamera: 'kamera' is not a key here \(did you mean 'camera'\?\)"),
        ("config", "number: 1\nconfig", r"night\.yaml:3:1: number: 'number' is not a key here \(write it below 'config:'\)"),
        ("config", "executor: {use: slow}\nconfig", r"night\.yaml:3:17: executor\.use: no plugin declares the executor 'slow'"),
        ("config", "instrument: bank\nconfig", r"night\.yaml:3:13: instrument: no plugin declares the instrument 'bank'"),
    ],
)
def test_what_is_wrong_is_told_at_the_key_that_was_written(old: str, new: str, message: str, registry: Registry) -> None:
    with pytest.raises(RecipeError, match=f"^{message}"):
        planned(registry, NIGHT.replace(old, new))


def test_what_is_set_from_outside_is_told_there(registry: Registry) -> None:
    with pytest.raises(RecipeError, match=r"^--set:1:1: config\.lamp: 'rr' is not a filter of bench"):
        planned(registry, NIGHT, "config.lamp=rr")


def test_a_procedure_is_told_what_was_written_and_the_instrument_beside_it(registry: Registry) -> None:
    text = NIGHT.replace("12", "20").replace("lamp: r", "lamp: r, careful: True")
    assert planned(registry, text).remarks == ("careful, lamp, number of 4",)
    trio = planned(registry, text.replace("config", "instrument: latiss\nconfig").replace("lamp: r", "lamp: empty"))
    assert trio.remarks == ("careful, lamp, number of 26",)
    assert trio.instrument.name == "latiss"


def test_true_and_false_may_be_spelt_as_operators_paste_them_in_a_procedure_alone(registry: Registry) -> None:
    for word, remarks in (("True", 1), ("true", 1), ("False", 0)):
        made = planned(registry, NIGHT.replace("12", f"20, careful: {word}"))
        assert len(made.remarks) == remarks
    with pytest.raises(RecipeError, match=r"config\.careful: 'yes' is not true or false \(write true\)"):
        planned(registry, NIGHT.replace("12", "20, careful: yes"))


def test_a_place_is_a_folder_store_where_no_other_kind_knows_it(registry: Registry) -> None:
    store = planned(registry, NIGHT.replace("12", "20")).recipe.store
    assert (store.use, store.options.root) == ("folder", Path("here"))


@frozen
class ButlerOptions:
    repo: Path = option(help="The repository.")


def butler(name: str) -> object:
    class Butler:
        @hookimpl
        def latcal_stores(self) -> list[StoreType]:
            kind = StoreType(
                name=name, summary="", options=ButlerOptions, open=lambda options, world: None, recognises=has_butler,
                place="repo",
            )
            return [kind]

    return Butler()


def has_butler(path: Path) -> bool:
    return (path / "butler.yaml").is_file()


def test_a_place_that_a_kind_of_store_knows_is_of_that_kind(tmp_path: Path) -> None:
    registry = load_plugins(extra=[Biased(), butler("repository")])
    text = NIGHT.replace("12", f"20, place: '{tmp_path}'")
    assert read(text, "night.yaml", registry).store.use == "folder"
    (tmp_path / "butler.yaml").write_text("")
    store = read(text, "night.yaml", registry).store
    assert (store.use, store.options.repo) == ("repository", tmp_path)
    assert registry.place(store.use, store.options) == str(tmp_path)
    assert read(text + "store: {use: memory}\n", "night.yaml", registry).store.use == "memory"
    both = load_plugins(extra=[Biased(), butler("repository"), butler("other")])
    with pytest.raises(PluginError, match=r"is recognised by several kinds of store: other, repository \(write store: beside\)"):
        read(text, "night.yaml", both)


def test_a_place_that_nobody_knows_is_told_where_it_was_written_if_no_other_kind_is_named(registry: Registry) -> None:
    text = NIGHT.replace("12", "20, place: /far, fallback: false")
    with pytest.raises(RecipeError, match=r"^night\.yaml:3:29: config\.place: no kind of store recognises '/far' \(install"):
        read(text, "night.yaml", registry)
    assert read(text + "store: {use: memory}\n", "night.yaml", registry).store.use == "memory"


def test_a_place_that_is_a_repository_of_somebody_else_is_refused_where_it_was_written(
    registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "butler.yaml").write_text("")
    message = r"^night\.yaml:3:22: config\.place: \S+ looks like a Butler repository, .* \(the store 'butler' of the plugin latcal-butler"
    with pytest.raises(RecipeError, match=message):
        planned(registry, NIGHT.replace("12", f"20, place: '{tmp_path}'"))
    with pytest.raises(RecipeError, match=r"config\.place: 'https://x/y' is not a folder of this computer \(write a path"):
        planned(registry, NIGHT.replace("12", "20, place: 'https://x/y'"))


def test_a_kind_of_store_says_which_option_is_its_place(tmp_path: Path) -> None:
    @frozen
    class Options:
        repo: Path = option(help="The repository.")

    class Butler:
        @hookimpl
        def latcal_stores(self) -> list[StoreType]:
            given = {"open": lambda options, world: None, "recognises": has_butler, "place": "repo"}
            return [StoreType(name="butler", summary="", options=Options, **given)]

    (tmp_path / "butler.yaml").write_text("")
    registry = load_plugins(extra=[Biased(), Butler()])
    store = read(NIGHT.replace("12", f"20, place: '{tmp_path}'"), "night.yaml", registry).store
    assert (store.use, store.options.repo) == ("butler", tmp_path)


def test_a_procedure_prints_as_the_recipe_that_it_became(registry: Registry) -> None:
    recipe = read(NIGHT.replace("12", "20"), "night.yaml", registry)
    again = read(write(recipe, registry), "night.yaml", registry)
    assert again == recipe
    assert "config" not in write(recipe, registry)


def test_a_key_is_called_as_it_was_written() -> None:
    marks = Marks(names={(): "procedure", ("certify", "into"): "config.place", ("store",): ""})
    names = [marks.name(path) for path in ((), ("certify",), ("certify", "into"), ("store", "root"), ("stages", 0))]
    assert names == ["procedure", "procedure: certify", "config.place", "store.root", "procedure: stages.0"]
    assert Marks().name(("stages", 0, "make")) == "stages.0.make"


RECIPE = """\
latcal: 1
instrument: bench
camera: {use: simulated}
store: {use: memory}
sequences:
  darks: {image: dark, exposures: [2 x 10 s], discard: [1 x 5 s, 1 x 7 s], pause: 500 ms}
stages:
  - {measure: dark, frames: [darks], collections: [calib]}
"""


@pytest.fixture
def recipe(registry: Registry) -> Recipe:
    return read(RECIPE, "night.yaml", registry)


def test_discards_may_have_times_of_their_own(recipe: Recipe, registry: Registry) -> None:
    takes = [step for step in plan(recipe, registry).steps if type(step).__name__ == "Take"]
    assert [(take.time_s, take.discarded) for take in takes] == [(5.0, True), (7.0, True), (10.0, False), (10.0, False)]
    assert read(write(recipe, registry), "night.yaml", registry) == recipe


def test_a_pause_is_waited_before_every_exposure_but_the_first_and_counts_as_time(recipe: Recipe, registry: Registry) -> None:
    made = plan(recipe, registry)
    takes = [step for step in made.steps if type(step).__name__ == "Take"]
    assert [take.pause_s for take in takes] == [0.0, 0.5, 0.5, 0.5]
    without = evolve(recipe, sequences={"darks": evolve(recipe.sequences["darks"], pause_s=0.0)})
    assert made.estimate.camera_s - plan(without, registry).estimate.camera_s == pytest.approx(1.5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("discard: [1 x 5 s, 1 x 7 s]", "discard: some", r"sequences\.darks\.discard: 'some' is not a whole number"),
        ("discard: [1 x 5 s, 1 x 7 s]", "discard: -1", r"sequences\.darks\.discard: -1 is not at least 0"),
        ("1 x 7 s", "7", r"sequences\.darks\.discard\.1: 7 is not an exposure"),
        ("500 ms", "0.5", r"sequences\.darks\.pause: 0\.5 has no unit"),
        ("500 ms", "-1 s", r"sequences\.darks\.pause: '-1 s' is not 0 s or more"),
    ],
)
def test_a_discard_or_a_pause_that_is_none_is_refused(old: str, new: str, message: str, registry: Registry) -> None:
    with pytest.raises(RecipeError, match=f"^night.yaml:6:[0-9]+: {message}"):
        read(RECIPE.replace(old, new), "night.yaml", registry)
