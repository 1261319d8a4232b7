"""What a person does at the terminal: Ctrl-C, another one, and SIGTERM from elsewhere."""

import os
import signal
import subprocess
import sys
import time
from itertools import takewhile
from pathlib import Path

import pytest
from servers import CCD, PANEL, WHEEL, hardware

PATIENCE_S = 150.0
"""What a busy machine may need for what takes a second [s]; the exposures that are given up take longer."""

RECIPE = Path(__file__).with_name("night.yaml")

LONG = ("sequences.flats.exposures=2 x 200 s", "camera.waits={restore: 60 s}", "limits={answer: 60 s, abort: 65 s}")
"""Flats so long that a signal comes in the middle of one, the lamp being lit; and limits for a machine that is busy."""


def found_connected(server):
    server.connect_all()
    server.set(WHEEL, "FILTER_SLOT", FILTER_SLOT_VALUE="5")
    server.wait_until(lambda: server.value(WHEEL, "FILTER_SLOT", "FILTER_SLOT_VALUE") == "5")


def begun(server, folder):
    """A run in the middle of a flat, as a process of its own."""
    settings = [word for one in (f"camera.port={server.port}", *LONG) for word in ("--set", one)]
    run = subprocess.Popen(
        [sys.executable, "-c", "from latcal.cli import main; main()", "recipe", str(RECIPE), *settings],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )

    def exposing():
        told = server.look()
        lit = told.get((PANEL, "FLAT_LIGHT_CONTROL"), {}).get("FLAT_LIGHT_ON") == "On"
        return run.poll() is not None or (lit and told[CCD, "CCD_EXPOSURE"]["state"] == "Busy")

    def told():
        run.kill()
        return f"no flat begins: {run.communicate()[0]}"

    server.wait_until(exposing, told, patience_s=90.0, every_s=1.0)  # asking often would keep the drivers from working
    if run.poll() is not None:
        pytest.fail(told())
    return run


def told_to_stop(run, number=signal.SIGINT):
    """Send a signal, and see that it was heard: two at once would be one."""
    os.kill(run.pid, number)
    lines = list(takewhile(lambda line: not line.startswith("stopping"), run.stdout))
    assert run.poll() is None, "".join(lines)


def ended(run):
    try:
        text, _ = run.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        run.kill()
        pytest.fail(f"it goes on: {run.communicate()[0]}")
    return text


@pytest.mark.parametrize(("number", "find"), [(signal.SIGINT, found_connected), (signal.SIGTERM, lambda _: None)])
def test_a_signal_ends_the_exposure_and_leaves_the_hardware_as_it_was_found(number, find, fresh, tmp_path):
    find(fresh)
    before = hardware(fresh)
    run = begun(fresh, tmp_path)
    told_to_stop(run, number)
    text = ended(run)
    assert run.returncode == 130, text
    fresh.wait_until(lambda: hardware(fresh) == before, lambda: f"{hardware(fresh)} is not {before}: {text}")


def test_a_second_one_leaves_at_once_when_the_lamp_is_off(fresh, tmp_path):
    """The wheel stands still, so that putting all back would take its minute."""
    run = begun(fresh, tmp_path)
    fresh.signal_driver(WHEEL, signal.SIGSTOP)
    told_to_stop(run)
    sent = time.monotonic()
    os.kill(run.pid, signal.SIGINT)
    text = ended(run)
    took_s = time.monotonic() - sent
    fresh.signal_driver(WHEEL, signal.SIGCONT)
    assert run.returncode == 130, text
    assert took_s < 45.0, f"{took_s:.1f} s: 2.5 s are the most, of a machine that does nothing else"
    told = fresh.look()
    lamp = told.get((PANEL, "FLAT_LIGHT_CONTROL"))  # of a panel that is not connected nothing is told: it is off
    assert lamp is None or lamp["FLAT_LIGHT_ON"] == "Off", text


def test_a_lamp_is_off_even_if_the_camera_is_frozen_and_the_person_leaves(fresh, tmp_path):
    fresh.connect_all()
    run = begun(fresh, tmp_path)
    fresh.signal_driver(CCD, signal.SIGSTOP)
    told_to_stop(run)
    os.kill(run.pid, signal.SIGINT)
    text = ended(run)
    fresh.signal_driver(CCD, signal.SIGCONT)
    assert run.returncode != 0, text
    assert fresh.value(PANEL, "FLAT_LIGHT_CONTROL", "FLAT_LIGHT_ON") == "Off", text
