"""The documentation cannot lie: its recipes are planned, its table of hooks and of rules is compared with the code."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import latcal
from latcal.plugin import hookspecs

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[pytest.param]:
    return [
        pytest.param(text, id=f"{page.name}-{number}")
        for page in PAGES
        for number, (found, text) in enumerate(FENCE.findall(page.read_text(encoding="utf-8")))
        if found == language
    ]


def commands() -> tuple[str, ...]:
    from latcal.cli import main

    return tuple(main.list_commands(None))


@pytest.mark.parametrize("text", [block for block in blocks("yaml") if block.values[0].startswith("latcal: 1")])
def test_every_recipe_in_the_documentation_can_be_planned(text: str) -> None:
    registry = latcal.load_plugins()
    plan = latcal.plan(latcal.read(text, "docs.yaml", registry), registry)
    assert plan.steps


@pytest.mark.parametrize("text", blocks("python"))
def test_every_program_in_the_documentation_runs(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
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
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).is_file(), f"{page.name}: {target}"


def test_every_public_name_is_there() -> None:
    assert all(hasattr(latcal, name) for name in latcal.__all__)
    with pytest.raises(AttributeError, match="module 'latcal' has no attribute 'guess'"):
        _ = latcal.guess
