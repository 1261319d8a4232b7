"""What a plan says of a set that its noise budget says will be refused: what is skipped, and what is then taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from latcal.cli import main
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.model.steps import Foreseen
from latcal.plugin.registry import Registry
from latcal.plugin.wording import foreseen_texts

READOUT_S = 2.0  # of the bench
NIGHT = """\
latcal: 1
instrument: bench
camera: {use: simulated, seed: 7, settling: 0 electron}
store: {use: memory}
sequences:
  biases: {image: bias, exposures: 3 x 0 s}
  darks: {image: dark, exposures: [20 x 5 s, 3 x 30 s]}
  flats: {image: flat, exposures: 20 x 5 s, filter: r}
stages:
  - {make: bias, frames: [biases], wait: true}
  - {make: dark, frames: [darks], wait: true}
  - {make: flat, frames: [flats]}
certify: {into: calib/night, begin: 2026-11-04, end: 2026-11-05}
"""
BIASES_S, DARKS_S, FLATS_S = 3 * READOUT_S, 20 * 5 + 3 * 30 + 23 * READOUT_S, 20 * (5 + READOUT_S)
WHOLE_S = BIASES_S + DARKS_S + FLATS_S


def foreseen(registry: Registry, *settings: str, text: str = NIGHT) -> Foreseen | None:
    found = plan(read(text, "night.yaml", registry, settings=settings), registry).estimate
    assert found.camera_s == pytest.approx(WHOLE_S)  # what is taken if all pass is told all the same
    return found.foreseen


def test_what_needs_a_set_that_will_be_refused_is_not_counted(registry: Registry) -> None:
    found = foreseen(registry)
    assert found.refused == (0,)
    assert found.skipped == tuple(range(5, 55))  # from the certificate of the bias to that of the flat
    assert found.camera_s == found.least_s == pytest.approx(BIASES_S)


def test_what_may_have_begun_before_the_verdict_makes_it_a_range(registry: Registry) -> None:
    found = foreseen(registry, "stages.0.wait=false", "stages.1.wait=false")
    assert found.skipped == tuple(range(5, 55))
    assert found.least_s == pytest.approx(BIASES_S)
    assert found.camera_s == pytest.approx(WHOLE_S)
    # flats wait until the darks are judged, and by then the bias is
    later = foreseen(registry, "stages.0.wait=false")
    assert later.camera_s == pytest.approx(BIASES_S + DARKS_S)


def test_what_needs_nothing_that_is_refused_is_taken(registry: Registry) -> None:
    text = NIGHT.replace("make: flat, frames", "check: bias, collections: [calib], frames").replace("image: flat", "image: bias")
    text = text.replace("20 x 5 s, filter: r", "20 x 0 s")
    found = plan(read(text, "night.yaml", registry), registry).estimate.foreseen
    assert found.refused == (0,)
    assert found.camera_s == pytest.approx(BIASES_S + 20 * READOUT_S)


CERTAIN_OF_NOTHING = {
    "enough frames": ("sequences.biases.exposures=30 x 0 s",),
    "a rule that is not counted": ("stages.0.verify={advisory: [noise]}",),
    "a rule that is dropped": ("stages.0.verify={drop: [noise]}",),
    "no verdict": ("stages.0.verify={waived_by: Ana, reason: first light}",),
    "a rule that allows it": ("stages.0.rules={noise: abs(noise - frame_noise) <= 0.2 * frame_noise}",),
}


@pytest.mark.parametrize("settings", CERTAIN_OF_NOTHING.values(), ids=CERTAIN_OF_NOTHING)
def test_what_is_not_refused_for_certain_shortens_nothing(settings: tuple[str, ...], registry: Registry) -> None:
    alike = "sequences.darks.exposures=23 x 30 s"  # so that these pass whatever the bias is of
    assert plan(read(NIGHT, "night.yaml", registry, settings=[alike]), registry).estimate.foreseen.refused == (0,)
    assert plan(read(NIGHT, "night.yaml", registry, settings=[alike, *settings]), registry).estimate.foreseen is None


def test_failing_exposures_are_counted_as_the_recipe_says(registry: Registry) -> None:
    enough = ("sequences.biases.exposures=30 x 0 s",)  # with these the 3 darks of 30 s fail, and no other exposure
    for count, refused in ((4, False), (3, True)):
        planned = plan(read(NIGHT, "night.yaml", registry, settings=[*enough, f"stages.1.accept={{exposures: {count}}}"]), registry)
        assert (planned.estimate.foreseen is not None) is refused


def test_a_refusal_that_saves_no_exposure_is_told_by_the_budget_alone(registry: Registry) -> None:
    text = NIGHT.replace("  - {make: dark, frames: [darks], wait: true}\n  - {make: flat, frames: [flats]}\n", "")
    text = text.replace("  flats: {image: flat, exposures: 20 x 5 s, filter: r}\n", "")
    text = text.replace("  darks: {image: dark, exposures: [20 x 5 s, 3 x 30 s]}\n", "")
    planned = plan(read(text, "night.yaml", registry), registry)
    assert planned.budget[0].fails
    assert planned.estimate.foreseen is None


@pytest.fixture
def printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "night.yaml").write_text(NIGHT)

    def lines(*settings: str) -> list[str]:
        words = [word for setting in settings for word in ("--set", setting)]
        done = CliRunner().invoke(main, ["plan", "night.yaml", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output.splitlines()

    return lines


def test_a_plan_says_both_times_and_why(printed: Callable[..., list[str]]) -> None:
    whole = "6 min 22 s"
    assert f"camera time 6 s: the bias WILL FAIL, and steps 5 to 54 are skipped ({whole} if all passed)" in printed()
    later = printed("stages.0.wait=false", "stages.1.wait=false")
    assert f"camera time 6 s to {whole}: the bias WILL FAIL, and what has not begun by then of steps 5 to 54 is skipped" in later


def test_what_is_yet_to_be_solved_is_at_most_or_likely() -> None:
    bounded = Foreseen((0, 2), (4, 6, 7), 100.0, 90.0, at_most=True)
    why = "the bias and the flat WILL FAIL, and what has not begun by then of steps 4, 6 to 7 is skipped"
    kinds = ("bias", "dark", "flat")
    assert foreseen_texts(bounded, kinds, 100.0, "at most 1 min 40 s") == (
        "1 min 30 s to at most 1 min 40 s",
        f"{why} (at most 1 min 40 s if all passed)",
    )
    twice = foreseen_texts(bounded, ("flat", "dark", "flat"), 100.0, "1 min 40 s")[1]
    assert twice.startswith("the flat of stages.0 and the flat of stages.2 WILL FAIL, and")
    likely = Foreseen((0,), (4,), 100.0, 50.0, at_most=True, expected_s=50.0)
    assert foreseen_texts(likely, kinds, 160.0, "at most 2 min 40 s") == (
        "likely 50 s",
        "the bias WILL FAIL, and step 4 is skipped (at most 2 min 40 s if all passed)",
    )
