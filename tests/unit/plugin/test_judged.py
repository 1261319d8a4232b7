"""What a notebook asks of an old run by kind, detector and exposure: on a night of bias, dark and flat."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from astropy.time import Time

import latcal
from latcal.errors import ProductNotFound, StoreError
from latcal.model.report import RunReport
from latcal.plugin.judged import detector_measurements, run_report, run_verdict
from latcal.plugin.lookup import run_collection
from latcal.plugin.registry import Registry

EVENING = Time("2026-11-04T20:00:00", scale="tai")
CORNER = Path(__file__).parents[2] / "corner.yaml"
TEXT = f"""\
latcal: 1
title: A night to look at
instrument: {CORNER}
camera: {{use: simulated, seed: 7, settling: 0 electron}}
store: {{use: folder, root: ROOT}}
executor: {{use: serial}}
sequences:
  biases: {{image: bias, exposures: 12 x 0 s}}
  darks: {{image: dark, exposures: 12 x 15 s}}
  flats: {{image: flat, exposures: 12 x 5 s, filter: r, grating: empty}}
stages:
  - {{make: bias, frames: [biases]}}
  - {{make: dark, frames: [darks]}}
  - {{make: flat, frames: [flats], verify: {{advisory: [level_ratio]}}}}
  - {{measure: gain, frames: [flats]}}
rules:
  bias: {{silent: {{rule: noise <= 1 electron, advisory: true}}}}
certify: {{into: calib/daily, begin: 2020-01-01, end: open}}
"""
KINDS = {"bias": "biases", "dark": "darks", "flat": "flats"}


class Night:
    """A run on the corner of the bench, and the store that it left."""

    def __init__(self, registry: Registry, root: Path, *settings: str) -> None:
        self.registry, self.root = registry, root
        recipe = latcal.read(TEXT.replace("ROOT", str(root)), "night.yaml", registry, settings=settings)
        self.report: RunReport = latcal.run(latcal.plan(recipe, registry), registry, now=lambda: EVENING)

    def taken(self, sequence: str) -> list[int]:
        """The exposures of a sequence."""
        mine = [step.line.id for step in self.report.steps if step.line.label.startswith(f"Take {sequence} ")]
        return [self.report.exposures[step] for step in mine]

    def open(self) -> Any:
        return latcal.open_store("folder", self.registry, root=self.root)


@pytest.fixture(scope="module")
def registry() -> Registry:
    return latcal.load_plugins()


@pytest.fixture(scope="module")
def night(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Night:
    return Night(registry, tmp_path_factory.mktemp("night") / "store")


@pytest.mark.parametrize("kind", KINDS)
def test_the_verdict_of_a_run_is_found_by_its_kind_through_run_or_collection(night: Night, kind: str) -> None:
    stage = next(one for one in night.report.stages if one.line.kind == kind)
    with night.open() as store:
        found = run_verdict(store, night.report.run, kind)
        assert run_verdict(store, run_collection(night.report.run), kind) == found
    assert found["accepted"] is stage.verdict.accepted is True
    assert found["exposures"] == night.taken(KINDS[kind])
    assert [tally["rule"] for tally in found["tallies"]] == [tally.rule for tally in stage.verdict.tallies]
    assert found["numbers"]["noise"] == stage.numbers["noise"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("detector", [0, "S00"])
def test_every_number_of_an_exposure_and_detector_is_found_by_amplifier(night: Night, kind: str, detector: int | str) -> None:
    exposures = night.taken(KINDS[kind])
    with night.open() as store:
        each = [detector_measurements(store, night.report.run, kind, detector, exposure) for exposure in exposures]
    assert {tuple(found["amplifiers"]) for found in each} == {("C10", "C00")}
    values = [row["noise"] for found in each for row in found["amplifiers"].values()]
    told = next(one for one in night.report.stages if one.line.kind == kind).numbers["noise"]
    assert (min(values), max(values)) == (told["least"], told["greatest"])
    assert not any(math.isnan(value) for found in each for row in found["amplifiers"].values() for value in row.values())
    assert {found["units"]["read_noise"] for found in each} == {"electron"}


def test_what_failed_there_is_told_with_its_rule_and_amplifier(night: Night) -> None:
    first = night.taken("biases")[0]
    with night.open() as store:
        found = detector_measurements(store, night.report.run, "bias", 0, first)
    silent = [one for one in found["failures"] if one["rule"] == "silent"]
    assert [one["amplifier"] for one in silent] == ["C10", "C00"]
    assert all("1 e-" in one["text"] for one in silent)


def test_numbers_of_an_exposure_as_a_whole_are_found_beside_those_of_amplifiers(night: Night) -> None:
    with night.open() as store:
        found = detector_measurements(store, night.report.run, "flat", 0, night.taken("flats")[0])
    assert found["exposure"]["level_ratio"] == pytest.approx(1.0, abs=0.05)  # the rule's own limit
    assert "level_ratio" not in found["amplifiers"]["C10"]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (("ptc", 0, 1), r"judged no ptc \(it judged bias, dark, flat, gain\)"),
        (("bias", 7, 1), r"judged no bias of detector 7 and exposure 1 \(it judged detectors S00, exposures 2026110400001, "),
    ],
)
def test_what_was_not_judged_is_answered_by_what_was(night: Night, what: Any, message: str) -> None:
    with night.open() as store, pytest.raises(StoreError, match=message):
        detector_measurements(store, night.report.run, *what)


def test_a_run_that_is_not_there_is_an_error(night: Night) -> None:
    with night.open() as store, pytest.raises(StoreError, match=r"no report 'events\.jsonl' of the run 'never'"):
        run_report(store, "u/latcal/never")


def test_of_several_stages_that_judged_a_kind_one_is_named(registry: Registry, tmp_path: Path) -> None:
    twice = "stages=[{measure: bias, frames: [biases]}, {measure: bias, frames: [more]}]"
    sequences = "sequences={biases: {image: bias, exposures: 3 x 0 s}, more: {image: bias, exposures: 2 x 0 s}}"
    night = Night(registry, tmp_path / "store", sequences, twice)
    with night.open() as store:
        with pytest.raises(StoreError, match=r"judged a bias in stages\.0 and stages\.1 \(name one: stage=0\)"):
            run_verdict(store, night.report.run, "bias")
        assert len(run_verdict(store, night.report.run, "bias", stage=1)["exposures"]) == 2
        with pytest.raises(StoreError, match=r"judged no bias in stages\.5 \(it judged bias\)"):
            run_verdict(store, night.report.run, "bias", stage=5)


def test_what_was_made_of_a_pair_is_found_by_either_of_its_flats(night: Night) -> None:
    flats = night.taken("flats")
    with night.open() as store:
        for first, second in zip(flats[::2], flats[1::2], strict=True):
            pair = store.of_exposure("cpPtcExtract", 0, second)
            assert pair == store.of_exposure("cpPtcExtract", 0, first)
            assert pair.exposure == first


@pytest.mark.parametrize(
    ("kind", "meant"), [("cpCovs", "cpPtcExtract"), ("cpCov", "cpPtcExtract"), ("gain", "cpPtcExtract"), ("flats", "flat")]
)
def test_a_kind_that_there_is_not_is_answered_by_the_one_that_is_meant(night: Night, kind: str, meant: str) -> None:
    message = rf"no {kind} for detector 0 .*no plugin makes a '{kind}' \(did you mean '{meant}'\?\)$"
    first = night.taken("biases")[0]
    with night.open() as store:
        with pytest.raises(ProductNotFound, match=message):
            store.of_exposure(kind, 0, first)
        with pytest.raises(ProductNotFound, match=message):
            store.find_exposure(kind, 0, first, ["calib/daily"])
        with pytest.raises(ProductNotFound, match=r"no flat for detector 0 belongs to exposure \d+ \([^()]*\)$"):
            store.of_exposure("flat", 0, first)
