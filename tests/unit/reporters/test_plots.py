"""The reporter `plots` in runs: a plot beside each product, and a plain word where there can be none."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner

from latcal.builtin.reporters.plots import PlotsOptions, latcal_reporters, open_plots
from latcal.builtin.stores.folder.options import FolderOptions
from latcal.builtin.stores.folder.store import FolderStore
from latcal.builtin.stores.memory import MemoryOptions, MemoryStore
from latcal.cli import main
from latcal.plugin import Built, Certified, Noted, NotReady, RecipeError, RunEnded, StoreError, World
from latcal.plugin.registry import Registry, load_plugins
from latcal.testing import samples
from latcal.testing.nights import SmallSensor, planned, run_night
from latcal.testing.stories import RECIPE

WANTED = "report=[{use: plots, dpi: 30}]"


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins(extra=[SmallSensor()])


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make it as if matplotlib were not installed."""
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "matplotlib" else found(name, *rest))


def test_a_run_has_a_plot_beside_each_product_that_it_makes(registry: Registry, tmp_path: Path) -> None:
    night = run_night(RECIPE, registry, f"store={{use: folder, root: '{tmp_path / 'store'}'}}", WANTED)
    assert (night.report.exit_code, night.of(Noted)) == (0, [])
    refs = [ref for built in night.of(Built) for ref in built.refs]
    names = f"bias_0_{refs[0].id}", f"flat_0_r_{refs[1].id}"
    files = sorted(path.name for path in (tmp_path / "store" / "products" / night.report.run).iterdir())
    assert files == sorted(f"{name}{end}" for name in names for end in (".fits", "_plot.png"))
    with FolderStore(FolderOptions(root=tmp_path / "store"), samples.world(tmp_path)) as store:
        assert store.attached(refs[0], "plot.png").startswith(b"\x89PNG")


def test_the_file_is_what_the_recipe_wants(registry: Registry, tmp_path: Path) -> None:
    night = run_night(RECIPE, registry, f"store={{use: folder, root: '{tmp_path / 'store'}'}}", "report=[{use: plots, format: pdf}]")
    plots = sorted((tmp_path / "store").rglob("*plot*"))
    assert [plot.name for plot in plots] == [f"bias_0_{night.of(Built)[0].refs[0].id}_plot.pdf", plots[1].name]
    assert all(plot.read_bytes().startswith(b"%PDF") for plot in plots)


def test_what_is_kept_is_not_drawn_again(registry: Registry, tmp_path: Path) -> None:
    keeping = f"store={{use: folder, root: '{tmp_path / 'store'}'}}", "certify.occupied=keep"
    run_night(RECIPE, registry, *keeping)
    assert run_night(RECIPE, registry, *keeping, WANTED).report.exit_code == 0
    assert [path.name[:4] for path in (tmp_path / "store").rglob("*plot*")] == ["flat"]  # it is measured anew, and drawn


def test_a_plot_that_cannot_be_written_is_noted_and_the_night_goes_on(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise StoreError("no room")

    monkeypatch.setattr(MemoryStore, "attach", full)
    night = run_night(RECIPE, registry, WANTED)
    assert [note.what.partition(": ")[2] for note in night.of(Noted)] == ["no room; it hears no more of this run"]
    assert night.report.exit_code == 0
    assert night.of(Certified)
    assert isinstance(night.events[-1], RunEnded)


def test_two_runs_at_once_draw_each_its_own(tmp_path: Path) -> None:
    worlds = [evolve(samples.world(tmp_path), store=MemoryStore(MemoryOptions(), samples.world(tmp_path))) for _ in range(2)]
    refs = [world.store.put(samples.product(seed=seed), "run-1") for seed, world in enumerate(worlds)]
    one, two = (open_plots(PlotsOptions(dpi=30), world) for world in worlds)
    with one, two:
        one.latcal_event(Built(0, (refs[0],)))
        two.latcal_event(Built(0, (refs[1],)))
    assert worlds[0].store.attached(refs[0], "plot.png") != worlds[1].store.attached(refs[1], "plot.png")


def test_dots_per_inch_that_no_page_has_are_refused_at_their_place(registry: Registry) -> None:
    with pytest.raises(RecipeError, match=r"report\.0\.dpi: 3 dots per inch is not a size of ours"):
        planned(RECIPE, registry, "report=[{use: plots, dpi: 3}]")
    with pytest.raises(RecipeError, match=r"report\.0\.format"):
        planned(RECIPE, registry, "report=[{use: plots, format: jpg}]")


# -- where it cannot draw ------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("bare")
def test_without_matplotlib_a_recipe_that_wants_plots_is_refused_while_planning(registry: Registry) -> None:
    words = r"report\.1\.use: matplotlib, which draws the plots, is not installed \(pip install 'latcal\[plots\]'\)$"
    with pytest.raises(RecipeError, match=words):
        planned(RECIPE, registry, "report=[{use: console}, {use: plots}]")
    assert planned(RECIPE, registry, "report=[{use: console}]").steps  # and no other is


@pytest.mark.usefixtures("bare")
def test_without_matplotlib_it_does_not_open(tmp_path: Path) -> None:
    world: World = evolve(samples.world(tmp_path), store=MemoryStore(MemoryOptions(), samples.world(tmp_path)))
    with pytest.raises(NotReady, match=r"^matplotlib, .*is not installed \(pip install 'latcal\[plots\]'\)$"):
        open_plots(PlotsOptions(), world)


def test_an_old_run_that_is_told_again_cannot_be_drawn_and_it_says_so(registry: Registry, tmp_path: Path) -> None:
    journal = tmp_path / "night.jsonl"
    run_night(RECIPE, registry, f"report=[{{use: jsonl, path: '{journal}'}}]")
    done = CliRunner().invoke(main, ["report", str(journal), "--as", "plots"], catch_exceptions=False)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("the reporter plots draws products while they are made, and an old run")


def test_matplotlib_is_imported_when_something_is_drawn_and_not_before() -> None:
    program = (
        "import sys, latcal\n"
        "registry = latcal.load_plugins()\n"
        "from latcal.testing.stories import RECIPE\n"
        "text = RECIPE.replace('small_sensor', 'bench').replace('sequences:', 'report: [{use: plots}]\\nsequences:', 1)\n"
        "latcal.plan(latcal.read(text, 'plots.yaml', registry), registry)\n"
        "print('matplotlib' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_it_is_declared_with_defaults_that_a_recipe_need_not_write() -> None:
    (declared,) = latcal_reporters()
    assert declared.options() == PlotsOptions(format="png", dpi=120)
