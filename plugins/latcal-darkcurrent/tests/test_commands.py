"""What a user types and reads: commands, messages, the recipe, and this distribution's README."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from pathlib import Path

import latcal
import pytest
from click.testing import CliRunner, Result
from latcal.cli import main
from latcal.plugin.registry import Registry

import latcal_darkcurrent

HERE = Path(__file__).parent
PACKAGE = Path(latcal_darkcurrent.__file__).parent
README = (HERE.parent / "README.md").read_text(encoding="utf-8")
LADDER = "sequences.ladder.exposures"
TAKE = "(take 3 or more, one twice as long as another: [4 x 5 s, 4 x 60 s])"


def cli(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def blocks(language: str) -> list[str]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [text for word, text in found if word == language]


def test_it_is_listed_with_its_distribution_and_version() -> None:
    version = importlib.metadata.version("latcal-darkcurrent")
    (line,) = (line for line in cli("plugins").output.splitlines() if " dark_current " in line)
    words = ["calibration", "dark_current", "latcal-darkcurrent", version, "latcal-darkcurrent:dark_current"]
    assert line.split() == [*words, *["Dark", "current,", "from", "a", "ladder", "of", "dark", "times"]]


def test_its_schema_has_options_metrics_and_rules() -> None:
    schema = json.loads(cli("schema", "dark_current").output)
    assert list(schema["properties"]) == ["hot", "overscan", "crosstalk"]
    assert schema["properties"]["hot"]["default"] == "3 electron/s"
    assert schema["metrics"]["dark_current"] == {
        "unit": "electron / s", "scope": "product", "summary": "Rate of the worst amplifier of the product."
    }  # fmt: skip
    assert schema["rules"]["dark_current"]["rule"] == "dark_current <= 0.2 electron/s"
    assert not any(rule["advisory"] for rule in schema["rules"].values())


def test_its_recipe_is_found_by_name_and_planned_with_nothing_set() -> None:
    for name in ("dark_ladder", "dark_ladder.yaml"):
        done = cli("plan", name)
        assert done.exit_code == 0
        assert re.search(r"Build dark_current  from 16 exposures  with bias of step 21\n", done.output)
    text = (HERE.parent / "recipes" / "dark_ladder.yaml").read_text(encoding="utf-8")
    assert "# Needs no --set." in text.splitlines()[1]


def test_the_rule_on_the_95th_percentile_that_the_readme_offers_is_one() -> None:
    (rule,) = re.findall(r"`rules: (\{dark_current: \{percentile_95: .*\}\})`", README)
    done = cli("plan", "dark_ladder", "--set", f"rules={rule}")
    assert re.search(r"dark_current +PERCENTILE_95 +percentile_95 <= 0.2 electron/s\n", done.output)


def test_no_other_recipe_is_claimed() -> None:
    for name in ("daily", "ladder", "../dark_ladder", ""):
        assert latcal_darkcurrent.latcal_find_recipe(name) is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        (f"{LADDER}=16 x 30 s", f"stages.1.make: 16 frames of 30 s are not a ladder of dark times {TAKE}"),
        (f"{LADDER}=[1 x 5 s, 1 x 60 s]", f"2 frames of 5, 60 s are not a ladder of dark times {TAKE}"),
        (f"{LADDER}=[8 x 20 s, 8 x 30 s]", f"16 frames of 20, 30 s are not a ladder of dark times {TAKE}"),
        (f"{LADDER}=[4 x 0 s, 4 x 60 s]", f"sequence 'ladder': 0 s is not a time for dark frames {TAKE}"),
        (f"{LADDER}=4 x 300 adu", "300 adu is not what dark frames can be exposed to (write a time, such as '30 s')"),
        ("stages.1.options={hot: 3}", "stages.1.options.hot: 3 has no unit (write '3 electron / s')"),
        ("stages.1.options={hot: 3 electron}", "'3 electron' is in 'electron', not in 'electron / s'"),
        ("stages.1.options={hot: 0 electron/s}", "is not above 0"),
        ("stages.1.options={warm: 3 electron/s}", "'warm' is not a key here"),
        ("stages.1.options={overscan: {skip: -1}}", "-1 is not at least 0"),
        ("stages.0={check: bias, frames: [biases], collections: [calib/none]}", "dark_current needs a bias"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_exposed(setting: str, message: str) -> None:
    done = cli("plan", "dark_ladder", "--set", setting)
    assert done.exit_code == 2
    assert message in done.output
    assert done.output.count("ladder of dark times") <= 1


def test_left_out_it_makes_nothing() -> None:
    done = cli("plan", str(HERE.parent / "recipes" / "dark_ladder.yaml"), "--without", "latcal-darkcurrent")
    assert done.exit_code == 2
    assert "'dark_current'" in done.output


def test_a_leak_is_refused_in_a_line_that_names_the_amplifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nights import MAKE

    monkeypatch.chdir(tmp_path)
    Path("small.yaml").write_text((HERE / "small.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    Path("leak.yaml").write_text(MAKE, encoding="utf-8")
    leak = "camera.faults=[{what: light leak, rate: 0.5 electron/s}]"
    done = cli("recipe", "leak.yaml", "--set", leak, "--set", f"{LADDER}=[1 x 5 s, 1 x 15 s, 1 x 60 s]")
    assert done.exit_code == 1
    (line,) = (line for line in done.output.splitlines() if line.startswith("dark_current refused"))
    assert re.fullmatch(
        r"dark_current refused: DARK_CURRENT on 1 of 1 product; worst S00: 0\.5\d* e-/s, at most 0\.2 e-/s; "
        r"RATE on 8 of 8 amplifiers in 3 of 3 exposures; worst S00 C[01][0-3]: 0\.5\d* e-/s beyond \+- 0\.2 e-/s",
        line,
    )
    assert "certified dark_current" not in done.output


def numbers(text: str) -> tuple[str, list[float]]:
    """Part a text into its words and its numbers."""
    pattern = r"(?<![\w.])-?\d+\.?\d*(?![\w.])"
    return re.sub(pattern, "#", text), [float(found) for found in re.findall(pattern, text)]


def test_the_readme_shows_what_the_recipe_prints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words are the same; numbers are within 2 % and two units of their third digit, for other versions of numpy."""
    monkeypatch.chdir(tmp_path)
    accepted, printed, _ = blocks("")
    done = cli("recipe", "dark_ladder", "--set", "stages.1={measure: dark_current, frames: [ladder]}",
               "--set", "certify.into=calib/numbers")  # fmt: skip
    assert done.exit_code == 0
    shown = done.output[done.output.index("dark_current accepted") : done.output.index("all done")]
    assert numbers(shown)[0] == numbers(printed)[0]
    assert numbers(shown)[1] == pytest.approx(numbers(printed)[1], rel=0.02, abs=0.002)
    assert accepted.splitlines()[0] == printed.splitlines()[0]


def test_recipes_in_the_readme_are_planned(registry: Registry) -> None:
    recipes = blocks("yaml")
    assert len(recipes) == 2
    for text in recipes:
        assert latcal.plan(latcal.read(text, "README.md", registry), registry).steps


def test_the_readme_explains_every_number_rule_and_option() -> None:
    (kind,) = latcal_darkcurrent.latcal_calibrations()
    rows = dict(re.findall(r"^\| `(\w+)` \| `?(.*?)`? \|", README, re.MULTILINE))
    assert set(kind.metrics) - {"read_noise", "nominal_read_noise"} <= set(rows)
    assert {"hot", "overscan", "crosstalk"} <= set(rows)
    rules = {f"| `{rule.name}` | `{rule.text}` |" for rule in kind.rules}
    assert all(rule in README for rule in rules)


def test_planning_with_it_fits_no_function_and_draws_nothing() -> None:
    program = (
        "import sys, latcal\n"
        "from latcal_darkcurrent import latcal_find_recipe\n"
        "registry = latcal.load_plugins()\n"
        "path = latcal_find_recipe('dark_ladder')\n"
        "latcal.plan(latcal.read(path.read_text(), path.name, registry), registry)\n"
        "print([name for name in ('scipy', 'matplotlib', 'astropy.io.fits', 'pytest') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_plugin_is_less_than_150_lines_and_typed() -> None:
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")) < 150
    assert (PACKAGE / "py.typed").is_file()
