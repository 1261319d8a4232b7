"""``latcal doctor``: what the simulated camera offers, and its gate."""

from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner, Result

from latcal.cli import main
from latcal.cli.doctor import _lines as lines_of
from latcal.engine.inspection import Inspection
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.plugin import Gate
from latcal.plugin.registry import load_plugins

NIGHT = """\
latcal: 1
instrument: bench
camera: {use: simulated, seed: 7}
store: {use: folder, root: ./store}
sequences: {biases: {image: bias, exposures: 3 x 0 s}}
stages: [{make: bias, frames: [biases]}]
certify: {into: calib/night, begin: 2026-11-04, end: open}
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "night.yaml").write_text(NIGHT)
    return tmp_path


def latcal(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_a_camera_says_what_it_offers_and_that_its_gates_hold_and_nothing_is_written(here: Path) -> None:
    done = latcal("doctor", "night.yaml")
    assert done.exit_code == 0
    assert done.output.splitlines() == [
        "camera simulated of night.yaml",
        "  detector 0  S00, 640 x 400 pixels, 16 amplifiers",
        "  images      bias, dark, flat",
        "  filters     empty, g, r, i",
        "  times       0 to 3600 s, then 2 s of readout",
        "  light       3600 electron/s in a flat",
        "  lamp        simulated, 3600.0 electron / s",
        "gates",
        "  holds  sensor temperature is -100.0 C, as wanted (-100 to -95 C); waited for at most 600 s (camera.cools_within)",
        "ready",
    ]
    assert [path.name for path in here.iterdir()] == ["night.yaml"]


def test_a_gate_that_does_not_hold_is_shown_and_exits_4(here: Path) -> None:
    done = latcal("doctor", "night.yaml", "--set", "camera.cools_in=60 s")
    assert done.exit_code == 4
    assert "  CLOSED  sensor temperature is 20.0 C, not -100 to -95 C; waited for at most 600 s" in done.output
    assert done.output.splitlines()[-1] == "not ready: 1 of 1 gate closed, no problem"


def test_what_the_camera_cannot_take_is_shown_and_exits_4(here: Path) -> None:
    (here / "folder").write_text("")
    done = latcal("doctor", "night.yaml", "--set", "camera.truth=folder")
    assert done.exit_code == 4
    assert "problem: truth: 'folder' is not a folder (name one that exists or can be made)" in done.output
    assert done.output.splitlines()[-1] == "not ready: 0 of 1 gate closed, 1 problem"


def test_a_closed_gate_is_noted_in_preflight_too(here: Path) -> None:
    done = latcal("plan", "--preflight", "night.yaml", "--set", "camera.cools_in=60 s")
    assert done.exit_code == 0
    assert "  note: sensor temperature is 20.0 C, not -100 to -95 C; waited for at most 600 s" in done.output


def test_a_gate_that_the_camera_sees_to_itself_need_not_hold_yet() -> None:
    lamp = Gate("lamp", False, "off", "lit for 10 s", brought=True)
    for gates, ready, word in (((lamp,), True, "ready"), ((lamp, evolve(lamp, brought=False)), False, "not ready: 1 of 2 gates closed, no problem")):
        found = Inspection(None, (), {}, gates, (), ())
        lines = list(lines_of(plan(read(NIGHT, "night.yaml", load_plugins()), load_plugins()), found))
        assert found.ready == ready
        assert any(line.split(maxsplit=1) == ["later", "lamp is off, not lit for 10 s; the camera sees to it"] for line in lines)
        assert lines[-1] == word
