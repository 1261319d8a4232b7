"""What the plugin declares, without a server."""

import subprocess
import sys
from pathlib import Path

import latcal
import pytest
from attrs import fields
from latcal.errors import CameraError, RecipeError

import latcal_indi
from latcal_indi.options import IndiOptions, Waits

NIGHT = Path(__file__).with_name("night.yaml")
README = Path(__file__).parents[1] / "README.md"


def recipe_of_the_readme():
    return README.read_text().split("```yaml\n")[1].split("```")[0]


def test_declaring_it_imports_neither_the_client_nor_anything_else_that_is_slow():
    slow = {"indipyclient", "asyncio", "latcal_indi.camera", "latcal_indi.link", "astropy.io.fits"}
    code = f"import sys, latcal.plugin as before; known = set(sys.modules); import latcal_indi; print(({slow} & set(sys.modules)) - known)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "set()"


def test_the_recipe_of_the_readme_is_read():
    recipe = latcal.read(recipe_of_the_readme(), "README.md", latcal.load_plugins())
    assert recipe.camera.options.filters == {"g": "Green", "r": 1}


def test_every_option_is_in_the_readme():
    text = README.read_text()
    missing = [one.name for one in fields(IndiOptions) if f"`{one.name}`" not in text]
    missing += [one.name for one in fields(Waits) if f"`{one.name}`" not in text]
    assert not missing


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("devices: []", r"\[\] is not a list of different devices"),
        ("devices: [A, A]", "is not a list of different devices"),
        ("devices: [A], port: 0", "0 is not a port"),
        ("devices: [A], retries: -1", "retries of -1 is not 0 or more"),
        ("devices: [A], binning: two", "'two' is not a binning"),
        ("devices: [A], waits: {frame: 0 s}", "frame of 0.0 s is not above 0"),
        ("devices: [A], temperature: -10 K", "'-10 K' is in 'K', not in 'deg_C'"),
        ("devices: [A], images: {sky: lights}", "'lights'"),
        ("devices: [A], mount: M, gates: {parked: {what: [mount], images: [flats]}}", r"'flats' is not an image .*did you mean 'flat'"),
    ],
)
def test_options_that_are_none_are_refused_where_they_are_written(written, words):
    text = recipe_of_the_readme()
    begin, end = text.index("camera:"), text.index("store:")
    with pytest.raises(RecipeError, match=words):
        latcal.read(f"{text[:begin]}camera: {{use: indi, {written}}}\n{text[end:]}", "README.md", latcal.load_plugins())


def planned(*settings):
    """Plan the recipe of a night, whose instrument is a file: no server is asked."""
    registry = latcal.load_plugins()
    recipe = latcal.read(NIGHT.read_text(), str(NIGHT), registry, folder=str(NIGHT.parent), settings=settings)
    return latcal.plan(recipe, registry)


def test_a_filter_is_planned_by_its_slot_or_a_name_of_ones_own_and_refused_by_a_name_that_nobody_knows():
    for written, name in (("'3'", "3"), ("mine", "mine")):
        plan = planned("camera.filters={mine: 3}", f"sequences.flats.filter={written}")
        assert {step.setup.filter for step in plan.steps if getattr(step, "image", "") == "flat"} == {name}
    with pytest.raises(RecipeError, match="'Purple' is not a filter of small"):
        planned("sequences.flats.filter=Purple")


def test_a_limit_in_which_the_hardware_cannot_be_put_back_is_refused_while_planning():
    with pytest.raises(RecipeError, match=r"limits\.abort: 9 s is less than camera\.waits\.restore of 8 s and 2 s .*'abort: 18 s'"):
        planned("limits.abort=9 s")


def test_the_time_of_an_exposure_counts_for_every_attempt():
    told = latcal_indi.describe(IndiOptions(devices=("A",), retries=3), planned().instrument)
    assert told.attempts == 4


def test_planning_by_what_the_camera_says_needs_its_server():
    registry = latcal.load_plugins()
    text = recipe_of_the_readme().replace("  use: indi\n", "  use: indi\n  host: 127.0.0.1\n  port: 1\n  waits: {connect: 0.3 s}\n")
    with pytest.raises(CameraError, match=r"no INDI server at 127.0.0.1:1 within waits.connect 0.3 s"):
        latcal.plan(latcal.read(text, "README.md", registry), registry)


def test_its_recipe_is_found_by_name():
    assert latcal_indi.latcal_find_recipe("indi_bench").is_file()
    assert latcal_indi.latcal_find_recipe("daily") is None
