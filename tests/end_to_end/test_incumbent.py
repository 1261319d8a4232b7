"""Fourteen things that the script which latcal replaces does wrong, each a behaviour here.

Their numbers and the behaviours behind them are those of the list that the project collected from the incumbent's code
(base_make_calibrations.py of ts_externalscripts at 34c0557).
"""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

import pytest
from corner import EVERY, on_the_corner

import latcal
from latcal.builtin.cameras.simulated import describe
from latcal.builtin.cameras.simulation.camera import SimulatedCamera
from latcal.builtin.cameras.simulation.options import SimulatedOptions
from latcal.builtin.stores.memory import MemoryStore
from latcal.engine.opening import open_store
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.engine.recipe_schema import recipe_schema
from latcal.errors import NotReady, Problem, RecipeError, StoreError
from latcal.model.events import Built, Exposed, Judged, Status
from latcal.plugin import CalibrationType, CameraType, StoreType, hookimpl
from latcal.plugin.registry import load_plugins

HEAD = """\
latcal: 1
title: What the incumbent does
instrument: bench
camera: {use: simulated, seed: 7}
store: {use: folder, root: x}
executor: {use: serial}
"""
MADE = on_the_corner(HEAD) + """\
sequences:
  biases: {image: bias, exposures: 11 x 0 s, discard: 1}
  darks: {image: dark, exposures: 14 x 15 s, discard: 1}
stages:
  - {make: bias, frames: [biases]}
  - {make: dark, frames: [darks]}
certify: {into: calib/day, begin: 2026-11-04, end: 2026-11-05}
"""
DARKS_CHECKED = on_the_corner(HEAD, accept=False).replace("seed: 7", "seed: 7, first: 100") + """\
sequences: {darks: {image: dark, exposures: 3 x 15 s, discard: 1}}
stages: [{check: dark, frames: [darks], collections: [calib/day]}]
"""


def with_faults(text: str, fault: str) -> str:
    return re.sub(r"(camera: \{use: simulated[^}]*)\}", rf"\1, faults: [{fault}]}}", text, count=1)


def biases_only(kind: str) -> str:
    """Give a recipe that makes this of the biases, and no dark."""
    return "".join(
        line for line in MADE.replace("make: bias", f"make: {kind}").splitlines(keepends=True) if "darks" not in line
    )


def at(root: Path) -> list[str]:
    return [f"store.root={root}"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def certificates(root: Path, registry: Any) -> list[Any]:
    with open_store("folder", registry, root=root) as store:
        return list(store.list())


MISSING = "{what: truncated file, sequence: biases, exposures: 7}"


def test_1_a_partial_set_is_refused_unless_the_recipe_allows_it(night: Callable, root: Path, registry: Any) -> None:
    report = night(with_faults(MADE, MISSING), set=at(root)).report
    assert report.exit_code == 4
    assert re.search(r"of 11 frames came, and 11 are wanted \(missing: biases 7/12", report.stages[0].reason)
    assert certificates(root, registry) == []


def test_1_a_partial_set_that_is_allowed_names_the_missing_frames(night: Callable, root: Path) -> None:
    text = MADE.replace("frames: [biases]}", "frames: [biases], at_least: 9, accept: {amplifiers: 2}}").replace(
        "11 x 0 s", "13 x 0 s"
    )
    found = night(with_faults(text, MISSING), set=at(root))
    assert found.report.stages[0].status is Status.DONE
    assert len(found.report.stages[0].verdict.exposures) == 12
    (missing,) = found.report.stages[0].verdict.missing
    assert re.search(r"biases 7/14.*cut short", missing)
    assert found.report.exit_code == 4  # the exposure that failed is not forgotten


def test_2_a_verifier_that_crashes_is_a_failed_verification(night: Callable) -> None:
    class Crashing:
        @hookimpl
        def latcal_calibrations(self) -> Iterator[CalibrationType]:
            from attrs import evolve

            bias = load_plugins().get("calibration", "bias")
            yield evolve(bias, name="crash", measure=crash, observe=None)

    text = biases_only("crash")
    report = night(text, extra=[Crashing()], set=["store={use: memory}"]).report
    assert report.exit_code == 3
    assert "ZeroDivisionError" in report.stages[0].reason
    assert not report.stages[0].certified


def crash(_: Any) -> Iterator[Any]:
    raise ZeroDivisionError("a verifier that crashes")
    yield


class Stubborn(MemoryStore):
    def certify(self, *_: Any, **__: Any) -> None:
        raise StoreError("calib/day: the registry is read-only (ask its owner)")


class StubbornStores:
    @hookimpl
    def latcal_stores(self) -> Iterator[StoreType]:
        memory = load_plugins().get("store", "memory")
        yield StoreType(name="stubborn", summary="Certifies nothing", options=memory.options, open=Stubborn)


def test_3_a_certify_that_fails_fails_the_run_with_its_message(night: Callable) -> None:
    report = night(MADE, extra=[StubbornStores()], set=["store={use: stubborn}"]).report
    assert report.exit_code == 4
    assert report.stages[0].status is Status.FAILED
    assert report.stages[0].reason == "calib/day: the registry is read-only (ask its owner)"
    assert report.stages[1].reason == "bias failed"


def test_4_no_value_becomes_a_command(
    night: Callable, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr("os.system", refuse)
    flag = tmp_path / "flag"
    evil = f"$(touch {flag}); touch {flag} | touch {flag} && `touch {flag}`"
    text = MADE.replace("What the incumbent does", f"'{evil}'")
    with pytest.raises(RecipeError, match=r"'calib/\$\(id\);ls' is not a collection"):
        night(text.replace("calib/day", "calib/$(id);ls"), set=at(root))
    report = night(text + f"labels: {{note: '{evil}'}}\n", set=at(root)).report
    assert report.exit_code == 0
    assert not flag.exists()


def test_4_no_module_starts_a_shell() -> None:
    found = []
    for path in Path(latcal.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = {alias.name for alias in node.names} | {getattr(node, "module", "") or ""}
                if "subprocess" in names and path.name != "workers.py":  # starts our own interpreter
                    found.append(f"{path.name}: imports subprocess")
            if isinstance(node, ast.keyword) and node.arg == "shell":
                found.append(f"{path.name}: asks for a shell")
            if isinstance(node, ast.Attribute) and node.attr in ("system", "popen") and ast.unparse(node.value) == "os":
                found.append(f"{path.name}: {ast.unparse(node)}")
    assert [one for one in found if not one.startswith("strangers.py")] == []


def test_5_without_rules_nothing_is_certified(registry: Any) -> None:
    dropped = "{drop: [noise, cr_noise, mean, read_noise]}"
    text = MADE.replace("{make: bias, frames: [biases]}", f"{{make: bias, frames: [biases], verify: {dropped}}}")
    with pytest.raises(RecipeError, match=r"stages\.0.*rule"):
        plan(read(text, "made.yaml", registry), registry)


def test_5_a_type_that_comes_without_rules_is_refused_too() -> None:
    class Ruleless:
        @hookimpl
        def latcal_calibrations(self) -> Iterator[CalibrationType]:
            from attrs import evolve

            yield evolve(load_plugins().get("calibration", "bias"), name="ruleless", rules=())

    registry = load_plugins(extra=[Ruleless()])
    text = biases_only("ruleless")
    with pytest.raises(RecipeError, match=r"ruleless.*rule|rule.*ruleless"):
        plan(read(text, "made.yaml", registry), registry)


def test_6_a_certificate_without_verification_needs_a_waiver_with_a_name_which_is_kept(
    night: Callable, root: Path, registry: Any
) -> None:
    waiver = "verify: {waived_by: ann, reason: the lamp is being mended}"
    text = MADE.replace("{make: bias, frames: [biases]}", f"{{make: bias, frames: [biases], {waiver}}}")
    with pytest.raises(RecipeError, match="reason"):
        read(text.replace(", reason: the lamp is being mended", ""), "made.yaml", registry)
    report = night(text, set=at(root)).report
    assert report.stages[0].verdict.unverified == "ann: the lamp is being mended"
    bias = next(one for one in certificates(root, registry) if one.ref.kind == "bias")
    assert bias.unverified == "ann: the lamp is being mended"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory, registry: Any) -> Path:
    """Give a store with a bias and a dark in calib/day: read only."""
    from latcal.engine.running import run

    root = tmp_path_factory.mktemp("incumbent") / "store"
    recipe = read(MADE.replace("11 x", "20 x").replace("14 x", "20 x"), "made.yaml", registry, settings=at(root))
    assert run(plan(recipe, registry), registry).exit_code == 0
    return root


LEAK = "{what: light leak, rate: 1 electron/s, sequence: darks, exposures: 2 to 3}"


def test_7_two_bad_of_three_are_a_majority(night: Callable, reference: Path) -> None:
    report = night(with_faults(DARKS_CHECKED, LEAK), set=at(reference)).report
    verdict = report.stages[0].verdict
    assert verdict.failed_exposures == verdict.exposures[:2]
    assert verdict.limits.exposures == 2
    assert report.exit_code == 1


def test_7_the_counts_are_data_of_the_recipe(night: Callable, reference: Path) -> None:
    text = with_faults(DARKS_CHECKED, LEAK) + "accept: {amplifiers: 1, detectors: 1, exposures: 3}\n"
    report = night(text, set=at(reference)).report
    assert report.stages[0].verdict.limits.exposures == 3
    assert report.exit_code == 0


@pytest.mark.parametrize(("count", "code"), [(EVERY - 1, 1), (EVERY, 1)])
def test_8_a_count_is_one_at_which_it_fails_as_schema_and_manual_say(
    night: Callable, reference: Path, count: int, code: int, registry: Any
) -> None:
    text = with_faults(DARKS_CHECKED, LEAK) + f"accept: {{amplifiers: {count}, exposures: 2}}\n"
    assert night(text, set=at(reference)).report.exit_code == code  # every amplifier fails: at the count, and above it
    recipe, *procedures = recipe_schema(registry)["oneOf"]
    keys = next(one for one in procedures if one["title"] == "latiss")["properties"]["config"]["properties"]
    assert "at which it counts as failed" in keys["number_verification_tests_threshold_bias"]["description"]
    schema = str(recipe)
    manual = (Path(__file__).parents[2] / "docs" / "language.md").read_text(encoding="utf-8")
    assert "number_verification_tests_threshold" not in schema
    for words in (schema, manual):
        assert re.search(r"fails? (at|when)|FAILS AT|at which", words)


def test_9_a_limit_is_the_recipes_and_noise_is_judged_on_both_sides(night: Callable, root: Path) -> None:
    three = MADE.replace("11 x 0 s", "3 x 0 s")
    quiet = night(three, set=at(root)).report
    tally = next(tally for tally in quiet.stages[0].verdict.tallies if tally.rule == "noise")
    assert quiet.exit_code == 1
    assert tally.failed == dict.fromkeys(quiet.stages[0].verdict.exposures, EVERY)  # 18 % too quiet
    loose = three + "rules: {bias: {noise: abs(noise - frame_noise) <= 0.25 * frame_noise}}\n"
    assert night(loose, set=[*at(root), "certify.into=calib/loose"]).report.stages[0].status is Status.DONE


class Untouchable(SimulatedCamera):
    def __enter__(self) -> Self:
        raise AssertionError("the camera was opened")


class UntouchableCameras:
    @hookimpl
    def latcal_cameras(self) -> Iterator[CameraType]:
        yield CameraType(
            name="untouchable", summary="Fails when opened", options=SimulatedOptions, open=Untouchable, describe=describe
        )


@pytest.mark.parametrize(
    "setting",
    [
        "sequences.darks.exposures=0 x 15 s",
        "sequences.darks.exposures=14 x 0 s",
        "stages.1.frames=[flats]",
        "stages.1.at_least=15",
        "certify.end=2026-11-03",
    ],
)
def test_10_everything_is_checked_before_the_camera_is_opened(night: Callable, setting: str) -> None:
    with pytest.raises(RecipeError):
        night(MADE, extra=[UntouchableCameras()], set=["camera.use=untouchable", "store={use: memory}", setting])


def test_10_a_count_and_a_list_of_times_cannot_disagree(registry: Any) -> None:
    recipe = read(MADE.replace("14 x 15 s", "[5 s, 10 s, 15 s, 20 s, 25 s]"), "made.yaml", registry)
    darks = recipe.sequences["darks"]
    assert darks.exposures.times_s == (5.0, 10.0, 15.0, 20.0, 25.0)
    assert darks.discard == 1  # one more, of the first time: no list has to count it
    takes = [step for step in plan(recipe, registry).steps if getattr(step, "sequence", "") == "darks"]
    assert [take.time_s for take in takes] == [5.0, 5.0, 10.0, 15.0, 20.0, 25.0]


def test_11_the_estimate_is_within_a_tenth_of_what_the_camera_took(night: Callable, registry: Any) -> None:
    text = MADE + "report: []\n"
    recipe = read(text, "made.yaml", registry, settings=["store={use: memory}"])
    planned = plan(recipe, registry)
    begins = []

    class Watching:
        @hookimpl
        def latcal_event(self, event: Any) -> None:
            if isinstance(event, Exposed):
                begins.append(event)

    class Timed(SimulatedCamera):
        def take(self, request: Any) -> Iterator[Any]:
            for frame in super().take(request):
                times.append((frame.exposure.begin, frame.exposure.time_s))
                yield frame

    class TimedCameras:
        @hookimpl
        def latcal_cameras(self) -> Iterator[CameraType]:
            yield CameraType(name="timed", summary="T", options=SimulatedOptions, open=Timed, describe=describe)

    times: list[tuple[Any, float]] = []
    night(text, extra=[TimedCameras(), Watching()], set=["camera.use=timed", "store={use: memory}"])
    (first, _), (last, last_s) = times[0], times[-1]
    taken = (last - first).to_value("s") + last_s + planned.instrument.readout_s
    assert planned.estimate.camera_s == pytest.approx(taken, rel=0.1)
    assert len(begins) == len(times)


def test_12_each_wait_has_a_limit_of_its_own_with_a_name(registry: Any) -> None:
    recipe = read(MADE + "limits: {answer: 7 s, abort: 3 s}\n", "made.yaml", registry)
    assert (recipe.limits.answer_s, recipe.limits.abort_s) == (7.0, 3.0)
    assert "lock_timeout" in {field.name for field in registry.get("store", "folder").options.__attrs_attrs__}


def test_13_a_dark_uses_the_bias_of_this_run_and_names_it(night: Callable, root: Path, registry: Any) -> None:
    found = night(MADE, set=at(root))
    bias, dark = (event.refs[0] for event in found.of(Built))
    assert dark.pins == {"bias": bias.id}
    with open_store("folder", registry, root=root) as store:
        assert [ref.id for ref in store.get(dark).provenance.inputs] == [bias.id]


def test_13_a_dark_never_takes_an_older_bias_when_the_new_one_is_refused(night: Callable, root: Path) -> None:
    assert night(MADE, set=at(root)).report.exit_code == 0
    text = MADE.replace("11 x 0 s", "3 x 0 s").replace("calib/day", "calib/next")
    report = night(text, set=at(root)).report
    assert report.stages[0].status is Status.REFUSED
    assert (report.stages[1].status, report.stages[1].reason) == (Status.SKIPPED, "bias was refused")
    assert report.resolved == ()


def test_13_a_stage_cannot_name_collections_beside_the_bias_of_its_run(registry: Any) -> None:
    text = MADE.replace("{make: dark, frames: [darks]}", "{make: dark, frames: [darks], collections: [calib/old]}")
    with pytest.raises(RecipeError, match=r"stages\.1\.collections: nothing would be looked up there"):
        plan(read(text, "made.yaml", registry), registry)


def test_14_there_is_no_default_validity(registry: Any) -> None:
    for left in ("into: calib/day, begin: 2026-11-04", "into: calib/day, end: 2026-11-05", "into: calib/day"):
        text = MADE.replace("into: calib/day, begin: 2026-11-04, end: 2026-11-05", left)
        with pytest.raises(RecipeError, match=r"certify.*(begin|end)"):
            plan(read(text, "made.yaml", registry), registry)


def test_14_interlocks_and_alarms_are_plugins(night: Callable) -> None:
    heard = []

    class Dome:
        @hookimpl
        def latcal_before_take(self, step: Any) -> None:
            if step.sequence == "darks":
                raise NotReady([Problem("the dome is open at 12 %", "close it", path="dome")])

        @hookimpl
        def latcal_event(self, event: Any) -> None:
            if isinstance(event, Judged):
                heard.append(event.verdict.accepted)

    report = night(MADE, extra=[Dome()], set=["store={use: memory}"]).report
    assert report.exit_code == 4
    assert report.stages[0].status is Status.DONE
    assert "the dome is open" in next(step.reason for step in report.steps if step.status is Status.FAILED)
    assert heard == [True]
