"""Every fault of the camera and of the site: a non-zero exit or a name, one clear cause, no certificate from a bad set,
and a store that the next run can use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from corner import CORNER, EVERY

from latcal.engine.opening import open_store
from latcal.engine.reading import read
from latcal.errors import RecipeError
from latcal.model.steps import Status

DAY = """\
latcal: 1
title: A day with a fault
instrument: bench
camera: {use: simulated, seed: 7}
store: {use: folder, root: x}
executor: {use: serial}
limits: {answer: 0.5 s, abort: 0.3 s}
sequences:
  biases: {image: bias, exposures: 11 x 0 s, discard: 1}
  darks: {image: dark, exposures: 14 x 15 s, discard: 1}
  flats: {image: flat, exposures: 14 x 5 s, discard: 1, filter: r, grating: empty}
stages:
  - {make: bias, frames: [biases]}
  - {make: dark, frames: [darks]}
  - {make: flat, frames: [flats]}
certify: {into: calib/day, begin: 2026-11-04, end: 2026-11-05}
"""
CHECKED = """\
latcal: 1
title: The day after
instrument: bench
camera: {use: simulated, seed: 7, first: 100}
store: {use: folder, root: x}
executor: {use: serial}
sequences:
  biases: {image: bias, exposures: 5 x 0 s, discard: 1}
  darks: {image: dark, exposures: [4 x 15 s, 3 x 30 s], discard: 1}
  flats: {image: flat, exposures: 10 x 5 s, discard: 1, filter: r, grating: empty}
stages:
  - {check: bias, frames: [biases], collections: [calib/day]}
  - {check: dark, frames: [darks], collections: [calib/day]}
  - {check: flat, frames: [flats], collections: [calib/day]}
"""


def without(text: str, *sequences: str) -> str:
    """Leave sequences and their stages out of a recipe."""
    return "".join(line for line in text.splitlines(keepends=True) if not any(name in line for name in sequences))


SHORT = without(DAY, "flats")
"""Biases and darks only: enough where the biases fail."""
MADE = without(SHORT, "darks")
LOOKED_AT = without(CHECKED, "darks", "flats")
"""Biases only, on all of the bench: of its amplifiers four settle with much charge."""

NIGHT = 20261104


def faulty(text: str, *faults: str) -> str:
    return re.sub(r"(camera: \{use: simulated[^}]*)\}", rf"\1, faults: [{', '.join(faults)}]}}", text, count=1)


def at(root: Path, *settings: str) -> list[str]:
    """Give the settings of a night on the corner of the bench, refused where both its amplifiers fail."""
    return [f"instrument={CORNER}", f"accept={{amplifiers: {EVERY}}}", f"store.root={root}", *settings]


def certified(root: Path, registry: Any) -> list[str]:
    with open_store("folder", registry, root=root) as store:
        return [one.ref.kind for one in store.list()]


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, registry: Any) -> Path:
    """Give a store with a bias, a dark and a flat in calib/day, made of 20 exposures each: read only."""
    from latcal.engine.planning import plan
    from latcal.engine.running import run

    root = tmp_path_factory.mktemp("reference") / "store"
    sizes = ["sequences.biases.exposures=20 x 0 s", "sequences.darks.exposures=20 x 30 s", "sequences.flats.exposures=20 x 5 s"]
    recipe = read(DAY, "day.yaml", registry, settings=at(root, "limits.answer=60 s", *sizes))
    assert run(plan(recipe, registry), registry).exit_code == 0
    return root


FAILING = [
    ("{what: never arrives, sequence: biases, exposures: 5}", 5, r"no frame came within .*limits\.answer"),
    ("{what: late, delay: 30 s, sequence: biases, exposures: 5}", 5, r"no frame came within .*limits\.answer"),
    ("{what: no answer, sequence: biases, exposures: 5}", 5, r"stopped answering.*limits\.abort"),
    ("{what: truncated file, sequence: biases, exposures: 5}", 5, r"cut short"),
    ("{what: empty file, sequence: biases, exposures: 5}", 5, r"is empty \(0 bytes\)"),
    ("{what: no numbers, sequence: biases, exposures: 5}", 5, r"S00.* C10.* not numbers|C10.*1580"),
    ("{what: wrong shape, sequence: biases, exposures: 5}", 5, r"C10.*223"),
    ("{what: wrong header, sequence: biases, exposures: 5}", 5, r"came with number 2026110400006, not 2026110400005"),
]


@pytest.mark.parametrize(("fault", "position", "cause"), FAILING, ids=[fault.split(",")[0][7:] for fault, _, _ in FAILING])
def test_an_exposure_that_fails_fails_the_set_and_nothing_that_needs_it_is_certified(
    night: Callable, registry: Any, tmp_path: Path, fault: str, position: int, cause: str
) -> None:
    root = tmp_path / "store"
    report = night(faulty(SHORT, fault), set=at(root)).report
    assert report.exit_code == 4
    first = next(step for step in report.steps if step.status is Status.FAILED)
    assert re.search(cause, first.reason), first.reason
    assert str(NIGHT * 100_000 + position) in first.reason
    assert report.stages[0].status is Status.FAILED
    assert f"biases {position}/12" in report.stages[0].reason
    assert report.stages[1].status is Status.SKIPPED
    assert certified(root, registry) == []
    again = night(MADE, set=at(root, "limits.answer=60 s"))  # the store is as good as it was
    assert again.report.exit_code == 0, [step.reason for step in again.report.steps if step.reason]
    assert certified(root, registry) == ["bias"]


def test_a_late_exposure_within_the_limit_is_taken(night: Callable, tmp_path: Path) -> None:
    fault = "{what: late, delay: 0.6 s, sequence: biases, exposures: 3}"
    settings = at(tmp_path / "store", "limits.answer=30 s")
    assert night(faulty(MADE, fault), set=settings).report.exit_code == 0


FLATS = """\
latcal: 1
title: Flats with a fault, with the bias and the dark of the reference
instrument: bench
camera: {use: simulated, seed: 7, first: 100}
store: {use: folder, root: x}
executor: {use: serial}
sequences:
  flats: {image: flat, exposures: 14 x 5 s, discard: 1, filter: r, grating: empty}
stages:
  - {make: flat, frames: [flats], collections: [calib/day]}
certify: {into: calib/lit, begin: 2026-11-04, end: 2026-11-05}
"""

LIT = [
    ("{what: lamp off, sequence: flats}", {"level"}),
    ("{what: shutter stuck, sequence: flats}", {"level"}),
    ("{what: lamp off, sequence: flats, exposures: 8 to 15}", {"level"}),
]


@pytest.mark.parametrize(("fault", "rules"), LIT)
def test_flats_without_light_are_refused_by_their_level(
    night: Callable, registry: Any, reference: Path, fault: str, rules: set[str]
) -> None:
    report = night(faulty(FLATS, fault), set=at(reference)).report
    assert report.exit_code == 1
    verdict = report.stages[0].verdict
    assert rules <= {tally.rule for tally in verdict.tallies if tally.decisive}
    level = next(tally for tally in verdict.tallies if tally.rule == "level")
    dark = [number for number in verdict.exposures if number in level.failed]
    assert level.failed == dict.fromkeys(dark, EVERY)
    assert dark[-1] == verdict.exposures[-1]
    assert len(dark) == (8 if "8 to 15" in fault else 14)
    assert sorted(certified(reference, registry)) == ["bias", "dark", "flat"]  # the reference, and no other


def test_a_lamp_that_drifts_by_10_per_cent_is_refused_with_all_its_exposures(
    night: Callable, registry: Any, reference: Path
) -> None:
    fault = "{what: lamp drift, drift: 10 %, sequence: flats, exposures: 2 to 15}"
    report = night(faulty(FLATS, fault), set=at(reference)).report
    verdict = report.stages[0].verdict
    tally = next(tally for tally in verdict.tallies if tally.rule == "lamp_drift")
    assert report.exit_code == 1
    assert list(tally.failed) == list(verdict.exposures)
    assert tally.decisive
    assert sorted(certified(reference, registry)) == ["bias", "dark", "flat"]


def test_a_lamp_that_drifts_is_refused_by_a_check_too(night: Callable, reference: Path) -> None:
    fault = "{what: lamp drift, drift: -12 %, sequence: flats, exposures: 2 to 11}"
    report = night(faulty(without(CHECKED, "biases", "darks"), fault), set=at(reference)).report
    verdict = report.stages[0].verdict
    assert report.exit_code == 1
    ratio = next(tally for tally in verdict.tallies if tally.rule == "level_ratio")
    # 5 % under the reference, the lamp itself being 0.3 % brighter by then: from the sixth exposure on
    assert list(ratio.failed) == list(verdict.exposures[5:]) or list(ratio.failed) == list(verdict.exposures[4:])
    assert set(ratio.failed) <= set(verdict.failed_exposures)


def test_a_light_leak_is_refused_when_a_dark_is_made(night: Callable, registry: Any, tmp_path: Path) -> None:
    root = tmp_path / "store"
    fault = "{what: light leak, rate: 1 electron/s, sequence: darks}"
    report = night(faulty(DAY, fault), set=at(root, "limits.answer=60 s")).report
    assert report.exit_code == 1
    verdict = report.stages[1].verdict
    assert [tally.rule for tally in verdict.tallies if tally.decisive] == ["dark_current"]
    assert "e-/s" in verdict.findings[-1].text
    assert report.stages[2].status is Status.SKIPPED
    assert certified(root, registry) == ["bias"]


def test_a_light_leak_is_refused_by_a_check_in_every_exposure(night: Callable, reference: Path) -> None:
    fault = "{what: light leak, rate: 1 electron/s, sequence: darks}"
    report = night(faulty(CHECKED, fault), set=at(reference)).report
    assert report.exit_code == 1
    verdict = report.stages[1].verdict
    mean = next(tally for tally in verdict.tallies if tally.rule == "mean")
    assert mean.decisive
    assert mean.failed == dict.fromkeys(verdict.exposures, EVERY)
    assert [stage.status for stage in report.stages] == [Status.DONE, Status.REFUSED, Status.DONE]


@pytest.fixture(scope="module")
def whole_bench(tmp_path_factory: pytest.TempPathFactory, registry: Any) -> Path:
    """Give a store with a bias of all 16 amplifiers in calib/day, of 20 exposures: read only."""
    from latcal.engine.planning import plan
    from latcal.engine.running import run

    root = tmp_path_factory.mktemp("bench") / "store"
    settings = [f"store.root={root}", "limits.answer=60 s", "sequences.biases.exposures=20 x 0 s"]
    recipe = read(MADE, "bench.yaml", registry, settings=settings)
    assert run(plan(recipe, registry), registry).exit_code == 0
    return root


@pytest.mark.parametrize("what", ["make", "check"])
def test_a_reset_in_mid_sequence_is_named_with_its_exposure(
    night: Callable, whole_bench: Path, tmp_path: Path, what: str
) -> None:
    text, root = (MADE, tmp_path / "store") if what == "make" else (LOOKED_AT, whole_bench)
    fault = "{what: reset, sequence: biases, exposures: 4}"
    report = night(faulty(text, fault), set=[f"store.root={root}", "limits.answer=60 s"]).report
    verdict = report.stages[0].verdict
    assert report.exit_code == 0  # one exposure of many, of which a bias rejects what stands out
    struck = verdict.exposures[2]  # the fourth, the first being discarded
    named = {tally.rule: set(tally.failed) for tally in verdict.tallies if tally.failed}
    assert named["mean"] == {struck}
    assert named["cr_noise"] == {struck}


@pytest.mark.parametrize("what", ["make", "check"])
def test_a_first_frame_that_was_not_discarded_is_named(
    night: Callable, whole_bench: Path, tmp_path: Path, what: str
) -> None:
    text, root = (MADE, tmp_path / "store") if what == "make" else (LOOKED_AT, whole_bench)
    settings = [f"store.root={root}", "limits.answer=60 s", "sequences.biases.discard=0"]
    report = night(text, set=settings).report
    verdict = report.stages[0].verdict
    assert report.exit_code == 0  # as in the second report of the procedure's page
    named = {tally.rule: set(tally.failed) for tally in verdict.tallies if tally.failed}
    assert named["mean"] == {verdict.exposures[0]}
    assert named["cr_noise"] == {verdict.exposures[0]}
    settled = {finding.amplifier for finding in verdict.findings if finding.rule == "cr_noise"}
    assert len(settled) >= 4  # four amplifiers settle with much charge
    assert settled <= {finding.amplifier for finding in verdict.findings if finding.rule == "mean"}


def test_a_clean_day_is_accepted_without_a_name(night: Callable, whole_bench: Path, reference: Path) -> None:
    # darks of 30 s against one of 20 such are noisier by nearly what is allowed
    darks = (without(CHECKED, "biases", "flats"), at(reference, "sequences.darks.exposures=7 x 15 s"))
    for text, settings in ((LOOKED_AT, [f"store.root={whole_bench}"]), darks):
        report = night(text, set=settings).report
        assert report.exit_code == 0
        (stage,) = report.stages
        assert not {tally.rule for tally in stage.verdict.tallies if tally.failed} - {"cr_noise"}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("{what: lamp off, sequence: flat}", r"camera\.faults\.0: 'flat' is not a sequence of the recipe \(there is"),
        ("{what: lamp off, exposures: 16}", r"camera\.faults\.0: no sequence has 16 exposures"),
        ("{what: lamp off, detectors: [3]}", r"camera\.faults\.0: 3 is not a detector"),
    ],
)
def test_a_fault_that_could_never_strike_is_refused_while_planning(registry: Any, fault: str, words: str) -> None:
    from latcal.engine.planning import plan

    with pytest.raises(RecipeError, match=words):
        plan(read(faulty(DAY, fault), "day.yaml", registry), registry)


def test_a_fault_of_what_is_kept_stops_nothing(night: Callable, tmp_path: Path) -> None:
    text = faulty(SHORT, "{what: reset, sequence: biases, exposures: 3}").replace("2026-11-05}", "2026-11-05, occupied: keep}")
    settings = at(tmp_path / "store", "limits.answer=60 s")
    assert [night(text, set=settings).report.exit_code for _ in range(2)] == [0, 0]


def test_a_run_says_which_faults_were_asked_for(night: Callable, reference: Path) -> None:
    fault = "{what: light leak, rate: 1 electron/s, sequence: darks, exposures: 2}"
    notes = night(faulty(without(CHECKED, "biases", "flats"), fault), set=at(reference)).report.notes
    assert "the simulated camera has a fault on command: light leak 1.0 electron / s, darks 2" in notes
