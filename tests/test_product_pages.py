"""The pages of gain, photon transfer curve and defects are true: followed word for word, their tables compared."""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import math
import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pages
import pytest
import tutorial

import latcal
from latcal.builtin.calibrations.transfer.extraction import Extraction
from latcal.builtin.calibrations.transfer.options import PtcOptions
from latcal.builtin.calibrations.transfer.table import Subject, dataset, figures
from latcal.numerics.reasons import Reason
from latcal.numerics.transfer import fit_transfer
from latcal.numerics.transfer_models import exponential
from latcal.plugin import Product, Setup, Store, instant
from latcal.plugin.registry import Registry
from latcal.testing import samples

KINDS = ("gain", "ptc", "defects")
GIVES = "What it gives"
DAY = "20261127"
"""The day of the exposures on the pages; that of the test stands in its place."""

FIRST = f"{DAY}00015"
"""On the page of the gain, the first exposure of the first pair."""


@pytest.fixture(scope="module")
def registry() -> Registry:
    return latcal.load_plugins()


# -- what is written, run and printed


TABLES = {"gain": ("amplifiers", "pair"), "ptc": ("amplifiers", "ptc"), "defects": ("defects", "amplifiers")}
"""The tables of a product, in the order of its page."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_followed_word_for_word_gives_what_it_tells_and_the_columns_that_it_has(
    kind: str, registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong, day = follow(kind, tmp_path)
    assert not wrong, "\n".join(wrong)
    with latcal.open_store("folder", registry, root="./store") as store:
        product = product_of(kind, store, int(FIRST.replace(DAY, day)))
    assert sorted(product.tables) == sorted(TABLES[kind])
    for number, name in enumerate(TABLES[kind]):
        rows, unit = pages.table(f"{kind}.md", GIVES, number), 2 if name == "ptc" else 1
        told = [(row[0].strip("`"), row[unit]) for row in rows]
        assert told == [(column, values.unit) for column, values in product.tables[name].items()], name


def product_of(kind: str, store: Store, first: int) -> Product:
    if kind == "gain":
        return store.get(store.of_exposure("cpPtcExtract", 0, first))
    return store.get(store.find(kind, 0, Setup(), instant("2024-06-01"), ["calib/bench"]))


def follow(kind: str, folder: Path) -> tuple[list[str], str]:
    """Do every step of a page; give what it tells wrongly, and the day of the exposures."""
    day, wrong = DAY, []
    for what, name, text in tutorial.steps(pages.text_of(pages.DOCS / f"{kind}.md")):
        if what == "write":
            (folder / name).write_text(text.replace(DAY, day), encoding="utf-8")
            continue
        printed = run(name.replace(DAY, day), folder)
        day = found[1] if (found := re.search(r"\b(\d{8})00001 to ", printed)) else day
        if not agree(printed, text.replace(DAY, day)):
            wrong.append(f"$ {name}\n{printed}\n--- and the page tells\n{text}")
    return wrong, day


def run(command: str, folder: Path) -> str:
    """Run a program of a page in this process, which is quick; all else as pages are run."""
    if not command.startswith("python "):
        return pages.run(command, folder)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(str(folder / command.removeprefix("python ")))
    return printed.getvalue()


NUMBER = r"\d+(?:\.\d+)?(?:e-?\d+)?"


def agree(printed: str, told: str) -> bool:
    """Tell whether a page tells what was printed: ``...`` stands for anything, and a number may be 3 % off.

    Last digits differ from one machine, or one release of a library, to the next. Small whole numbers, and ids, do not.
    """
    printed, told = (re.sub(r"\s+", " ", text).strip() for text in (printed, told))
    parts = re.split(rf"(\.\.\.|{NUMBER})", told)
    numbers = [part for part in parts[1::2] if part != "..."]
    pattern = "".join(
        re.escape(part) if place % 2 == 0 else ".*?" if part == "..." else f"({NUMBER})" for place, part in enumerate(parts)
    )
    match = re.fullmatch(pattern, printed)
    return match is not None and all(map(alike, numbers, match.groups()))


def alike(one: str, two: str) -> bool:
    exact = (one + two).isdigit() and not 1000 <= int(one) <= 10**9
    return one == two if exact else math.isclose(float(one), float(two), rel_tol=0.03)


@pytest.mark.parametrize(
    ("printed", "told", "agrees"),
    [
        ("gain 1.0708 of 16", "gain 1.08 of 16", True),
        ("gain 1.0708 of 16", "gain 1.12 of 16", False),
        ("gain 1.0708 of 16", "gain 1.08 of 15", False),
        ("a\n  b 2026112700001", "a ... 2026112700001", True),
        ("a b 2026112700001", "a ... 2026112700002", False),
        ("a b and more", "a b", False),
    ],
)
def test_what_a_page_tells_is_compared_number_by_number(printed: str, told: str, *, agrees: bool) -> None:
    assert agree(printed, told) is agrees


# -- what the tables tell


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_of_options_has_all_of_them_with_their_defaults(kind: str, registry: Registry) -> None:
    fields = attrs.fields(registry.get("calibration", kind).options)
    rows = pages.table(f"{kind}.md", "Options")
    assert [(row[0], row[1]) for row in rows] == [(f"`{field.name}`", as_told(field.default)) for field in fields]


def as_told(default: Any) -> str:
    if default is None or default == ():
        return "-"
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_of_rules_has_the_default_rules(kind: str, registry: Registry) -> None:
    rows = pages.table(f"{kind}.md", "How it is judged")
    rules = registry.get("calibration", kind).rules
    assert [(row[0], row[1]) for row in rows] == [(f"`{rule.name}`", f"`{rule.text}`") for rule in rules]
    assert all(row[2] for row in rows)


def test_the_table_of_reasons_has_their_bits() -> None:
    rows = pages.table("defects.md", "What is found")
    assert [(row[0].strip("`"), int(row[1])) for row in rows] == [(reason.name, reason.value) for reason in Reason]


# -- which columns have no value, and when


PAIRS, LAGS = 10, 2
UNMEASURED, WRONG = 9, 4
"""Of the pairs, one that could not be measured and one that is off the curve."""

ONE, FULL = "EXPAPPROXIMATION", "FULLCOVARIANCE_NO_B"


def cells(model: str, *, fitted: bool, charged: bool = False) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give the figures and the fields of an amplifier."""
    levels = np.geomspace(300.0, 60_000.0, PAIRS)
    covariances = 1.5e-7 * np.square(levels)[:, None, None] * np.ones((1, LAGS, LAGS))
    covariances[:, 0, 0] = exponential(levels, -1.5e-6, 1.08, 75.0)
    covariances[WRONG, 0, 0] *= 1.3
    levels[UNMEASURED] = covariances[UNMEASURED] = np.nan
    extraction = Extraction(
        full=np.zeros(PAIRS),
        levels=levels,
        deltas=0.001 * levels,
        covariances=covariances,
        errors=covariances[:, :1, :1] * np.full((1, LAGS, LAGS), 0.0015),
        row_mean_variances=0.004 * levels,
        pixels=np.where(np.isnan(levels), 0.0, 9e5),
        noises=np.full(PAIRS, 8.0) + 0.001 * np.arange(PAIRS),
        noise_errors=np.full(PAIRS, 0.02),
        pedestals=np.full(PAIRS, 12_000.0),
        frame_noises=np.full(PAIRS, 8.1),
    )
    detector = samples.instrument().detectors[0]
    options = PtcOptions(
        model=model, lags=LAGS, photocharges=tuple(f"{k + 1}e-9 C" for k in range(PAIRS)) if charged else ()
    )
    taken = tuple(
        tuple(attrs.evolve(samples.exposure(2 * k + j), time_s=0.1 * (k + 1)) for j in (1, 2)) for k in range(PAIRS)
    )
    amplifier = detector.amplifiers[0]
    subject = Subject(detector, amplifier, taken, options, amplifier.gain, amplifier.read_noise)
    found = fit_transfer(extraction.ladder, model, lags=LAGS) if fitted else None
    return figures(subject, extraction, found), dataset(subject, extraction, found, ())


def expected(word: str, model: str, size: int, *, fitted: bool, charged: bool) -> list[bool]:
    """Say which of the values of a column are NaN, by the word of the page."""
    each, full = size // PAIRS, model == FULL
    unmeasured = [place // each == UNMEASURED if each else False for place in range(size)]
    cut = [place // each in (UNMEASURED, WRONG) if each else False for place in range(size)]
    match word:
        case "never":
            return [False] * size
        case "always":
            return [True] * size
        case "given":
            return [not charged] * size
        case "pair":
            return unmeasured
        case "cut":
            return cut if fitted else [True] * size
        case "fit":
            return [not fitted] * size
        case "one":
            return [not (fitted and full)] * size
        case "full":
            return [full or not fitted] * size
        case "model":
            beside = [not full and place % each > 0 for place in range(size)]
            return [not fitted or a or b for a, b in zip(unmeasured, beside, strict=True)]
    raise AssertionError(word)


SIZES = {"1": 1, "2 N": 2 * PAIRS, "N": PAIRS, "N s²": PAIRS * LAGS**2, "s²": LAGS**2, "3": 3}


@pytest.mark.parametrize("charged", [False, True], ids=["without charges", "with charges"])
@pytest.mark.parametrize("fitted", [True, False], ids=["fitted", "not fitted"])
@pytest.mark.parametrize("model", [ONE, FULL])
def test_the_dataset_has_no_value_where_the_page_says_and_nowhere_else(
    model: str, *, fitted: bool, charged: bool
) -> None:
    _, row = cells(model, fitted=fitted, charged=charged)
    if fitted:
        kept = [place not in (UNMEASURED, WRONG) for place in range(PAIRS)]
        assert list(row["EXP_ID_MASK"][0]) == kept
    for name, size, unit, word, _ in pages.table("ptc.md", GIVES, 1):
        value, its_unit = row[name.strip("`")]
        values = value if isinstance(value, tuple) else (value,)
        assert (len(values), its_unit) == (SIZES[size], unit), name
        without = [isinstance(one, float) and math.isnan(one) for one in values]
        assert without == expected(word, model, len(values), fitted=fitted, charged=charged), name


def never_nan(kind: str) -> Iterator[tuple[str, bool]]:
    for name, _, what in pages.table(f"{kind}.md", GIVES, TABLES[kind].index("amplifiers")):
        yield name.strip("`"), any(word in what for word in ("(never NaN)", "; 0 w", "(NaN "))


def test_figures_without_a_fit_are_nan_but_for_those_that_the_page_marks() -> None:
    row, _ = cells(ONE, fitted=False)
    for name, marked in never_nan("ptc"):
        assert name == "amplifier" or marked or math.isnan(row[name][0]), name
    assert all(not math.isnan(row[name][0]) for name in ("pairs", "nominal_gain", "noise_chi_square", "nonlinearity"))


NO_GAIN = """\
latcal: 1
instrument: bench
camera: {use: simulated, seed: 7}
store: {use: folder, root: ./store}
sequences:
  biases: {image: bias, exposures: 2 x 0 s}
  flats: {image: flat, exposures: 2 x 5 s, filter: r}
stages:
  - {make: bias, frames: [biases], verify: {waived_by: a test, reason: a poor one will do}}
  - {measure: gain, frames: [flats], options: {max_mismatch: 1e-9, noise: overscan}}
certify: {into: calib/bench, begin: 2020-01-01, end: open}
"""


def test_an_amplifier_without_gain_is_nan_but_where_the_page_says(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    report = latcal.run(latcal.plan(latcal.read(NO_GAIN, "no_gain.yaml", registry), registry), registry)
    assert report.exit_code == 1
    with latcal.open_store("folder", registry, root="./store") as store:
        product = store.get(report.stages[1].built[0])
    there = [name for name, value in product.facts("C10").items() if not math.isnan(value)]
    assert there == [name for name, marked in never_nan("gain") if marked and name != "amplifier"]
    assert list(product.tables["failures"]) == ["amplifier", "reason"]
    assert re.fullmatch(r".*they differ by .*%, not by 0\.000% or less", product.tables["failures"]["reason"].values[0])


# -- what messages are told


CODE = Path(latcal.__file__).parent


def messages() -> str:
    """Give every text that is made of parts in the numerics and calibration types, a line each; ``@`` for a part."""
    paths = [*CODE.glob("numerics/*.py"), *CODE.glob("builtin/calibrations/**/*.py")]
    nodes = (node for path in paths for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return "\n".join(
        "".join(one.value if isinstance(one, ast.Constant) else "@" for one in node.values)
        for node in nodes
        if isinstance(node, ast.JoinedStr)
    )


def test_every_reason_that_is_explained_is_one_that_is_given() -> None:
    given = messages()
    for kind, count in (("gain", 2), ("ptc", 1), ("defects", 1)):
        tables = [pages.table(f"{kind}.md", "What can go wrong", number) for number in range(count)]
        assert len(tables[0]) >= 3
        for row in itertools.chain(*tables):
            (told,) = pages.quoted(row[:1])
            pattern = re.sub(r"(?:\\\.){3}|(?<![a-z])\d+(?:\\\.\d+)?", ".*", re.escape(told))
            assert re.search(pattern.replace(r"\ ", "[ ]"), given), told
