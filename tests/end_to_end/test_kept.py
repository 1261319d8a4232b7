"""What is certified already and the recipe says to keep: nothing of it is taken again, and all that needs it uses it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from astropy.time import Time
from attrs import field, frozen
from click.testing import CliRunner
from corner import CORNER, on_the_corner

from latcal.builtin.cameras.simulated import describe
from latcal.builtin.cameras.simulation.camera import SimulatedCamera
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.stores.memory import MemoryOptions, MemoryStore
from latcal.cli import main
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.engine.running import check_ready, events
from latcal.errors import NotReady
from latcal.model.events import Certified, Exposed, Kept, Resolved, Status, StepEnded, StepStarted
from latcal.model.report import fold
from latcal.plugin import CameraType, StoreType, hookimpl
from latcal.plugin.registry import load_plugins
from latcal.testing import samples

AFTERNOON = Time("2026-11-04T16:00:00", scale="tai")
REFERENCE = on_the_corner("""\
latcal: 1
title: Reference
instrument: bench
camera: {use: simulated, seed: 7}
store: {use: shelf}
executor: {use: serial}
sequences:
  biases: {image: bias, exposures: 3 x 0 s, discard: 1}
  darks: {image: dark, exposures: 3 x 15 s}
stages:
  - {make: bias, frames: [biases], verify: {drop: [noise, cr_noise]}}
  - {make: dark, frames: [darks], verify: {drop: [noise, cr_noise]}}
certify: {into: LATISS/calib, begin: 2026-01-01, end: open, occupied: keep}
""", accept=False)
BIAS = REFERENCE.replace("  - {make: dark, frames: [darks], verify: {drop: [noise, cr_noise]}}\n", "").replace(
    "  darks: {image: dark, exposures: 3 x 15 s}\n", ""
)


@frozen(eq=False)
class Shelf(MemoryStore):
    """The store of all runs of a test: it counts what it is asked to reserve, and may have little room."""

    reserved: list[int] = field(factory=list, init=False)
    room: list[int] = field(factory=list, init=False)

    def reserve(self, day: Any, n: int) -> range:
        self.reserved.append(n)
        return super().reserve(day, n)

    def free_bytes(self) -> int | None:
        return self.room[0] if self.room else None


class Cupboard:
    """A plugin that has one shelf."""

    def __init__(self) -> None:
        self.shelf = Shelf(MemoryOptions(), samples.world(Path()))

    @hookimpl
    def latcal_stores(self) -> Iterator[StoreType]:
        yield StoreType(name="shelf", summary="One", options=MemoryOptions, open=lambda *_: self.shelf)

    @property
    def certified(self) -> list[Any]:
        return list(self.shelf.list())


@frozen
class Blind:
    """A camera that takes darks only."""

    @hookimpl
    def latcal_cameras(self) -> Iterator[CameraType]:
        class Camera(SimulatedCamera):
            def problems(self, requests: Any) -> tuple[str, ...]:
                return tuple({f"no {one.image} is taken here" for one in requests if one.image != "dark"})

        yield CameraType(
            name="blind",
            summary="Takes darks only",
            options=SimulatedOptions,
            open=Camera,
            describe=describe,
        )


@pytest.fixture
def cupboard() -> Cupboard:
    return Cupboard()


@pytest.fixture
def go(cupboard: Cupboard, night: Callable) -> Callable:
    def run(text: str = REFERENCE, *settings: str, **kwargs: Any) -> Any:
        return night(text, set=settings, extra=[cupboard, Blind()], **kwargs)

    return run


def test_what_is_certified_is_kept_and_a_run_with_nothing_to_take_takes_nothing(cupboard: Cupboard, go: Callable) -> None:
    first = go()
    assert first.report.exit_code == 0
    assert cupboard.shelf.reserved == [7]
    held = cupboard.certified
    second = go()
    report = second.report
    assert report.exit_code == 0
    assert [stage.status for stage in report.stages] == [Status.SKIPPED, Status.SKIPPED]
    assert [stage.kept.refs for stage in report.stages] == [stage.built for stage in first.report.stages]
    assert report.stages[0].reason == f"already certified into LATISS/calib, 2026-01-01 onwards, by run {first.report.run}"
    assert second.of(StepStarted) == []
    assert {step.exit_code for step in report.steps} == {0}
    assert len(second.of(StepEnded)) == len(report.steps)
    assert (report.started.camera_s, report.resolved, report.exposures) == (0, (), {})
    assert cupboard.shelf.reserved == [7]  # not even none of them
    assert cupboard.certified == held


def test_nothing_is_kept_unless_the_recipe_says_so_and_the_message_says_how(go: Callable) -> None:
    go()
    with pytest.raises(NotReady) as caught:
        go(REFERENCE, "certify.occupied=refuse")
    assert str(caught.value.problems[0]) == (
        "night.yaml:13:11: certify.into: LATISS/calib: a bias for detector 0 is already valid in part of 2026-01-01 onwards "
        "(certify into another collection: --set certify.into=LATISS/calib.2, or another range; or keep what is there: "
        "--set certify.occupied=keep)"
    )
    assert len(caught.value.problems) == 2
    assert go(REFERENCE, "certify.into=LATISS/calib.2").report.stages[0].certified


def test_a_run_that_was_interrupted_after_its_bias_goes_on_with_it(cupboard: Cupboard) -> None:
    plugins = load_plugins(extra=[cupboard])
    planned = plan(read(REFERENCE, "night.yaml", plugins, settings=["stages.0.wait=true"]), plugins)
    stop, heard = threading.Event(), []
    for event in events(planned, plugins, now=lambda: AFTERNOON, stop=stop):
        heard.append(event)
        if isinstance(event, Certified):
            stop.set()
    assert fold(heard).exit_code == 130
    (bias,) = cupboard.certified
    again = list(events(planned, plugins, now=lambda: AFTERNOON))
    report = fold(again)
    assert report.exit_code == 0
    assert [stage.status for stage in report.stages] == [Status.SKIPPED, Status.DONE]
    assert cupboard.shelf.reserved == [7, 3]
    assert 45 < report.started.camera_s < planned.estimate.camera_s
    (resolved,) = [event for event in again if isinstance(event, Resolved)]
    assert [(need.step, need.kind, need.ref) for need in resolved.needs] == [(step, "bias", bias.ref) for step in (10, 11)]
    assert {need.collection for need in resolved.needs} == {"LATISS/calib"}
    (dark,) = report.stages[1].built
    assert dark.pins == {"bias": bias.ref.id}
    assert cupboard.shelf.get(dark).provenance.inputs == (bias.ref,)
    assert {step.reason for step in report.steps[:4]} == {"bias is kept"}
    taken = [event.step for event in again if isinstance(event, Exposed)]
    assert [planned.steps[step].sequence for step in taken] == ["darks"] * 3


def test_exposures_that_a_living_stage_wants_are_taken_though_another_is_kept(go: Callable) -> None:
    go(BIAS)
    both = BIAS.replace("certify:", "  - {check: bias, frames: [biases], collections: [LATISS/calib]}\ncertify:")
    report = go(both, "stages.1.verify={drop: [noise, cr_noise]}").report
    assert [stage.status for stage in report.stages] == [Status.SKIPPED, Status.DONE]
    assert len(report.exposures) == 4
    assert report.stages[1].verdict.accepted


def test_the_camera_and_the_disk_are_asked_only_for_what_will_be_taken(cupboard: Cupboard, go: Callable) -> None:
    go(BIAS)
    with pytest.raises(NotReady, match=r"camera: no bias is taken here"):
        go(REFERENCE, "camera={use: blind}", "certify.into=calib/two")
    assert go(REFERENCE, "camera={use: blind}").report.exit_code == 0
    cupboard.shelf.room.append(1000)
    with pytest.raises(NotReady, match=r"the store has room for 0.0 GB, and the exposures need 0.0 GB"):
        go(REFERENCE, "certify.into=calib/two")
    assert go().report.exit_code == 0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            ["certify={into: LATISS/calib, begin: 2025-01-01, end: open, occupied: keep}"],
            "a bias for detector 0 is already valid in part of 2025-01-01 onwards only: 2026-01-01 onwards",
        ),
        (
            ["stages.0.verify={}", "stages.0.options={overscan: {serial: median per row}}"],
            "the bias of detector 0 was made with serial overscan 'mean per row'.*'median per row'",
        ),
    ],
)
def test_what_is_not_what_the_stage_would_make_is_not_kept(go: Callable, settings: list[str], message: str) -> None:
    go(BIAS)
    with pytest.raises(NotReady, match=message):
        go(BIAS, *settings)


def test_two_products_that_hold_one_after_the_other_are_named_and_not_kept(go: Callable) -> None:
    for begin, end in (("2026-01-01", "2026-02-01"), ("2026-02-01", "open")):
        go(BIAS, f"certify={{into: LATISS/calib, begin: {begin}, end: {end}}}")
    with pytest.raises(NotReady, match=r"in part of 2026-01-01 onwards only: 2026-01-01 to 2026-02-01 and 2026-02-01 onwards"):
        go(BIAS)


def test_a_wider_range_is_kept_and_said(go: Callable) -> None:
    go(BIAS)
    kept = go(BIAS, "certify={into: LATISS/calib, begin: 2026-11-04, end: 2026-11-05, occupied: keep}").of(Kept)
    assert [one.valid for one in kept] == ["2026-01-01 onwards"]


def test_what_was_certified_unverified_is_kept_only_by_a_stage_that_waives_too(go: Callable) -> None:
    waived = "stages.0.verify={waived_by: Ana, reason: lamp test}"
    go(BIAS, waived)
    with pytest.raises(NotReady, match=r"the bias for detector 0 was certified unverified \(Ana: lamp test\)"):
        go(BIAS)
    (kept,) = go(BIAS, waived).of(Kept)
    assert kept.unverified == "Ana: lamp test"


def test_a_kept_dark_that_pins_another_bias_than_the_one_to_be_made_is_not_ready(go: Callable) -> None:
    go()
    into = "stages.0.certify={into: calib/biases, begin: 2026-01-01, end: open, occupied: keep}"
    hint = r"\(make another dark too: --set certify.into=LATISS/calib.2\)"
    with pytest.raises(NotReady, match=rf"stages.1: the dark of detector 0 is made with the bias \w{{12}}, .*the one of step 4 {hint}"):
        go(REFERENCE, into)


def test_a_kept_dark_that_pins_another_bias_than_the_one_kept_is_not_ready(go: Callable) -> None:
    go()
    go(BIAS, "certify.into=calib/biases")
    into = "stages.0.certify={into: calib/biases, begin: 2026-01-01, end: open, occupied: keep}"
    with pytest.raises(NotReady, match=r"stages.1: the dark of detector 0 is made with the bias (\w{12}), .*with (?!\1)\w{12} "):
        go(REFERENCE, into)
    waived = go(REFERENCE, into, "stages.1.options={other_bias: a trial}")
    assert len(waived.of(Kept)) == 2


def test_a_kept_stage_needs_nothing_that_is_no_longer_there(go: Callable) -> None:
    go()
    dark = REFERENCE.replace("  - {make: bias, frames: [biases], verify: {drop: [noise, cr_noise]}}\n", "").replace(
        "  biases: {image: bias, exposures: 3 x 0 s, discard: 1}\n", ""
    )
    assert go(dark, "stages.0.collections=[calib/nowhere]").of(Kept)


def test_a_collection_that_has_some_detectors_is_named_with_what_it_lacks(tmp_path: Path, go: Callable) -> None:
    text = CORNER.read_text(encoding="utf-8")
    first = text[text.index("  - id: 0\n") :]
    second = first.replace("id: 0", "id: 1").replace("name: S00", "name: S01").replace("BENCH-001", "BENCH-002")
    path = tmp_path / "pair.yaml"
    path.write_text(text.rstrip() + "\n" + second, encoding="utf-8")
    pair = f"instrument={path}"
    go(BIAS, pair, "stages.0.detectors=[1]")
    with pytest.raises(NotReady, match="detector 1 is already valid in all of 2026-01-01 onwards, and none for detector 0 "):
        go(BIAS, pair)
    made = go(BIAS, pair, "stages.0.detectors=[0]")
    assert made.report.exit_code == 0
    both = go(BIAS, pair)
    assert [[ref.detector for ref in one.refs] for one in both.of(Kept)] == [[0, 1]]
    assert [one.reason.count("by run") for one in both.of(Kept)] == [1]
    assert " and " in both.of(Kept)[0].reason  # two runs made them


def test_a_range_that_is_taken_during_the_run_is_refused_at_its_end(cupboard: Cupboard, go: Callable) -> None:
    plugins = load_plugins(extra=[cupboard])
    planned = plan(read(BIAS, "night.yaml", plugins), plugins)
    heard = []
    for event in events(planned, plugins, now=lambda: AFTERNOON):
        heard.append(event)
        if isinstance(event, Resolved):
            assert go(BIAS).report.exit_code == 0
    report = fold(heard)
    assert report.exit_code == 4
    assert "LATISS/calib: a bias for detector 0 is already valid" in report.stages[0].reason
    assert len(cupboard.certified) == 1
    assert go(BIAS).report.stages[0].kept is not None


def test_a_preflight_says_what_is_kept_and_what_is_left(cupboard: Cupboard, go: Callable) -> None:
    go(BIAS)
    plugins = load_plugins(extra=[cupboard])
    planned = plan(read(REFERENCE, "night.yaml", plugins), plugins)
    resolution = check_ready(planned, plugins, now=lambda: AFTERNOON)
    assert list(resolution.kept) == [0]
    assert len(resolution.takes) == 3
    assert resolution.estimate.raw_bytes == planned.estimate.raw_bytes * 3 / 7
    judged = plan(read(REFERENCE.replace(", verify: {drop: [noise, cr_noise]}", ", wait: true"), "night.yaml", plugins), plugins)
    assert judged.estimate.foreseen.refused == (0,)  # a bias of three frames would be, and a kept one is not
    assert check_ready(judged, plugins, now=lambda: AFTERNOON).estimate.foreseen is None


def test_a_command_that_is_repeated_keeps_the_reference_and_checks_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reference.yaml").write_text(BIAS.replace("shelf", "folder, root: ./store"))
    check = "{check: bias, frames: [biases], collections: [LATISS/calib]"
    text = BIAS.replace("shelf", "folder, root: ./store").replace("{make: bias, frames: [biases]", check)
    (tmp_path / "daily.yaml").write_text("".join(f"{line}\n" for line in text.splitlines() if "certify" not in line))

    def latcal(*words: str) -> list[str]:
        done = CliRunner().invoke(main, list(words), catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output.splitlines()

    def files(*folders: str) -> dict[str, bytes]:
        found = (path for folder in folders for path in (tmp_path / folder).rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in found}

    both = ("recipe", "reference.yaml", "daily.yaml")
    first = latcal(*both)
    run = next(line for line in first if line.startswith("  run")).split()[1].rstrip(",")
    products = files("store/products")
    again = latcal(*both)
    line = (
        f"bias kept: already certified into LATISS/calib, 2026-01-01 onwards, by run {run}; to make another: "
        "--set certify.into=LATISS/calib.2"
    )
    begin = again.index("  plan        no exposure, no step")
    assert again[begin + 1 : begin + 3] == [line, "all done: exit 0, nothing to take"]
    assert sum(text.startswith("bias accepted") for text in again) == 1  # the check
    assert files("store/products") == products
    kept = next(line for line in again if line.startswith("  run")).split()[1].rstrip(",")
    assert latcal("report", kept) == again[: begin + 3]
    before = files(".")
    planned = latcal("plan", "reference.yaml", "--preflight")
    assert planned[-3:] == ["reference.yaml is ready", f"  {line}", "  nothing to take"]
    assert "unless already certified" in "".join(planned)
    assert files(".") == before
