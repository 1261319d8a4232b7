"""The rules of the house, as far as a machine can see them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MACHINE = re.compile(r"(?<![\w.])/(?:work|root|home|tmp|farm|Users|mnt|opt|srv)/")
SKIPPED = {".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "__pycache__", "build", "dist"}
SKIPPED |= {".import_linter_cache", "store", ".ci-venv"}


def texts() -> Iterator[tuple[Path, str]]:
    for path in sorted(ROOT.rglob("*")):
        inside = path.relative_to(ROOT)
        if path.is_file() and not SKIPPED & set(inside.parts) and path != Path(__file__):
            try:
                yield inside, path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


def modules() -> list[Path]:
    return sorted(path for path in (ROOT / "latcal").rglob("*.py") if "__pycache__" not in path.parts)


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def tool(name: str) -> str:
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        pytest.skip(f"{name} is not installed beside this Python: pip install latcal[test]")
    return str(path)


def test_ruff_has_nothing_to_say() -> None:
    run(sys.executable, "-m", "ruff", "check", "--no-cache", ".")


def test_mypy_is_content_in_strict_mode() -> None:
    run(sys.executable, "-m", "mypy", "--strict")


def test_nothing_is_imported_from_a_floor_above() -> None:
    run(tool("lint-imports"), "--no-cache")


def test_no_file_names_a_machine_path() -> None:
    found = [
        f"{path}:{number}"
        for path, text in texts()
        for number, line in enumerate(text.splitlines(), 1)
        if MACHINE.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_and_reads_annotations_late(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert len(ast.get_docstring(tree) or "") > 3, "no docstring"
    late = any(isinstance(node, ast.ImportFrom) and node.module == "__future__" for node in tree.body)
    assert late or len(tree.body) == 1, "from __future__ import annotations is missing"


def test_no_module_has_a_name_that_means_that_it_is_not_understood() -> None:
    vague = {"utils", "util", "helpers", "common", "base", "core", "manager", "misc"}
    assert [path for path in modules() if path.stem in vague or path.parent.name in vague] == []


def test_only_one_place_catches_every_exception() -> None:
    broad = [
        str(path.relative_to(ROOT))
        for path in modules()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in ("Exception", "BaseException"))
        and ast.unparse(node.body[-1]) != "raise"  # undoing something on the way out swallows nothing
    ]
    assert set(broad) == {"latcal/plugin/calling.py"}


def test_nothing_is_postponed_in_the_code() -> None:
    words = re.compile(r"\b(?:TODO|FIXME|XXX|NotImplementedError)\b")
    product = [path for path in modules() if "testing" not in path.parts]  # suites leave `open` to who inherits them
    assert [path for path in product if words.search(path.read_text(encoding="utf-8"))] == []


UNPLANNED = (
    *("scipy", "astropy.io.fits", "rich", "latcal.model.events", "latcal.numerics.combine", "latcal.numerics.transfer"),
    *("latcal.formats.raw", "latcal.builtin.cameras.simulation.camera", "latcal.builtin.stores.folder.store"),
)
"""What a plan does without: who only plans does not wait for it."""


def test_planning_imports_nothing_that_takes_builds_or_tells() -> None:
    program = (
        "import sys, latcal\n"
        "registry = latcal.load_plugins()\n"
        f"text = open({str(ROOT / 'recipes' / 'quickstart.yaml')!r}).read()\n"
        "latcal.plan(latcal.read(text, 'quickstart.yaml', registry), registry)\n"
        f"print([name for name in {UNPLANNED} if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_every_public_name_of_a_lazy_package_has_one_home() -> None:
    from latcal import numerics, plugin

    assert set(plugin._HOME_OF) == set(plugin.__all__)
    assert sum(map(len, plugin._HOMES.values())) == len(plugin.__all__)
    assert all(getattr(plugin, name) is not None for name in plugin.__all__)
    assert numerics.__all__ == sorted(path.stem for path in (ROOT / "latcal" / "numerics").glob("[!_]*.py"))
    assert all(getattr(numerics, name).__name__ == f"latcal.numerics.{name}" for name in numerics.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'bais'"):
        _ = numerics.bais
    with pytest.raises(AttributeError, match="has no attribute 'Bias'"):
        _ = plugin.Bias


def test_importing_latcal_imports_nothing_heavy() -> None:
    program = "import sys, latcal\nprint([n for n in ('numpy', 'astropy', 'pluggy', 'attrs') if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
