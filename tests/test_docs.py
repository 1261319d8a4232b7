"""The documentation cannot lie: its recipes are planned, its table of hooks and of rules is compared with the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType

import pages
import pytest

import latcal
from latcal.builtin.cameras.replaying.mapping import read_mapping
from latcal.formats.instruments import read_instrument
from latcal.plugin import LatcalError, hookspecs

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str, *names: str) -> list[pytest.param]:
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in PAGES
        if page.name in names or not names
        for number, (found, text) in enumerate(FENCE.findall(page.read_text(encoding="utf-8")))
        if found == language
    ]


def commands() -> tuple[str, ...]:
    from latcal.cli import main

    return tuple(main.list_commands(None))


def the_plugin() -> ModuleType:
    """Make the module that docs/plugins.md shows."""
    block = blocks("python", "plugins.md")[0]
    module = ModuleType("latcal_glow")
    exec(compile(block.values[0], "docs/plugins.md", "exec"), module.__dict__)
    return module


def yaml_that_starts_with(word: str) -> list[pytest.param]:
    found = [block for block in blocks("yaml") if block.values[0].startswith(word)]
    assert found
    return found


@pytest.mark.parametrize(
    ("page", "text"),
    [
        pytest.param(page, text, id=f"{page.name}-{number}")
        for page in PAGES
        for number, (language, text) in enumerate(FENCE.findall(page.read_text(encoding="utf-8")))
        if language == "yaml" and text.startswith("latcal: 1")
    ],
)
def test_every_recipe_in_the_documentation_can_be_planned(page: Path, text: str, tmp_path: Path) -> None:
    with pages.plugins(page, tmp_path) as shown:
        registry = latcal.load_plugins(extra=shown)
        assert latcal.plan(latcal.read(text, "docs.yaml", registry), registry).steps


def test_every_yaml_in_the_documentation_is_one_that_is_tested() -> None:
    assert all(re.match(r"latcal: 1|name: |source: ", block.values[0]) for block in blocks("yaml"))


@pytest.mark.parametrize("text", yaml_that_starts_with("name: "))
def test_every_instrument_in_the_documentation_can_be_read(text: str) -> None:
    assert read_instrument(text, "docs.yaml").detectors


@pytest.mark.parametrize("text", yaml_that_starts_with("source: "))
def test_every_mapping_in_the_documentation_can_be_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    assert read_mapping(str(path)).images


def test_every_error_that_embedding_shows_is_one_of_latcal() -> None:
    import latcal.plugin

    named = re.findall(r"except (\w+) as", (ROOT / "docs" / "embedding.md").read_text("utf-8"))
    assert len(named) >= 3
    assert all(issubclass(getattr(latcal.plugin, name), LatcalError) for name in named)


@pytest.mark.parametrize("text", blocks("python", "README.md"))
def test_every_program_in_the_readme_runs(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = next(found for language, found in FENCE.findall(PAGES[0].read_text("utf-8")) if language == "yaml")
    started = []
    monkeypatch.setattr(latcal, "run", lambda plan, registry: started.append(plan), raising=False)
    exec(compile(text, "README.md", "exec"), {"text": recipe})
    assert started


def test_every_hook_is_documented_with_its_signature() -> None:
    table = dict(re.findall(r"^\| `(latcal_.*)` \| (yes|no) \|$", (ROOT / "docs" / "architecture.md").read_text("utf-8"), re.M))
    found = {}
    for name, function in inspect.getmembers(hookspecs, inspect.isfunction):
        if name.startswith("latcal_"):
            signature = f"{name}{inspect.signature(function)}".replace("'", "").replace("|", r"\|")
            found[signature] = "yes" if function.latcal_spec["firstresult"] else "no"
    assert table == found


def test_every_hook_is_explained_to_authors_with_its_arguments() -> None:
    page = (ROOT / "docs" / "plugins.md").read_text("utf-8")
    told = re.findall(r"^\| `(latcal_\w+)\(([^)]*)\)` \|", page, re.MULTILINE)
    hooks = {
        name: ", ".join(inspect.signature(function).parameters)
        for name, function in inspect.getmembers(hookspecs, inspect.isfunction)
        if name.startswith("latcal_")
    }
    assert dict(told) == hooks
    assert len(told) == len(hooks)
    kinds = re.findall(r"^\| [^|]*\| \[[^|]*\]\((\S+)\) \| `(\w+)` \|$", page, re.MULTILINE)
    assert {hook for _, hook in kinds} == {hook for _, hook, _ in hookspecs.DECLARING}


def test_every_default_rule_that_is_explained_is_the_default() -> None:
    page = (ROOT / "docs" / "physics.md").read_text(encoding="utf-8")
    registry = latcal.load_plugins()
    rules = {(r.name, r.text) for kind in ("bias", "dark", "flat") for r in registry.get("calibration", kind).rules}
    told = re.findall(r"^\| `(\w+)`[^|]*\| `([^`]+)` \|", page, re.MULTILINE)
    assert len(told) >= 8
    assert set(told) <= rules


def test_every_command_is_in_the_readme_and_every_one_in_the_documentation_exists() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"`latcal ([a-z]+)", text)) | set(re.findall(r"bin/latcal ([a-z]+)", text))
    assert named == set(commands())


@pytest.mark.parametrize("what", ["run", "test"])
def test_each_command_of_the_readme_is_one_line_after_its_marker(what: str) -> None:
    readme = PAGES[0].read_text(encoding="utf-8")
    assert re.search(rf"^<!-- command: {what} -->\n```\n(python3 -m venv .*)\n```$", readme, re.MULTILINE)


def test_every_link_leads_to_a_file() -> None:
    for page in PAGES:
        for target, _, heading in re.findall(r"\]\(([^)#:]+)(#([^)]+))?\)", page.read_text(encoding="utf-8")):
            path = page.parent / target
            assert path.is_file(), f"{page.name}: {target}"
            headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE) if heading else []
            assert not heading or heading in {one.lower().replace(" ", "-") for one in headings}, f"{page.name}: #{heading}"


def test_every_public_name_is_there() -> None:
    assert all(hasattr(latcal, name) for name in latcal.__all__)
    with pytest.raises(AttributeError, match="module 'latcal' has no attribute 'guess'"):
        _ = latcal.guess


def first_cells(page: str, heading: str) -> list[str]:
    """Give what stands in backticks in the first column of the table behind a heading."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1]
    rows = [line for line in text.split("\n## ", 1)[0].splitlines() if line.startswith("| `")]
    return [word for row in rows for word in re.findall(r"`([^`]+)`", row.split("|")[1])]


def test_every_effect_of_the_simulated_camera_is_documented() -> None:
    from latcal.builtin.cameras.simulated import SimulatedOptions

    apart = {"seed", "first", "clock", "truth", "faults"}  # in words of their own
    assert sorted(first_cells("simulator.md", "Effects")) == sorted(
        {field.name for field in SimulatedOptions.__attrs_attrs__} - apart
    )


def test_every_option_of_the_plots_is_documented() -> None:
    from latcal.builtin.reporters.plots import PlotsOptions

    told = first_cells("reporters.md", "Plots of products")
    assert [field.name for field in PlotsOptions.__attrs_attrs__] == told[:2]


def test_every_fault_of_the_simulated_camera_is_documented() -> None:
    from typing import get_args, get_type_hints

    from latcal.builtin.cameras.simulation.faults import Fault

    known = get_args(get_type_hints(Fault, localns={"Quantity": object})["what"])
    assert sorted(first_cells("simulator.md", "Faults")) == sorted(known)
