"""Servers and drivers that are killed, stopped and started again, and frames that are spoilt, in the middle of runs."""

import contextlib
import os
import random
import signal
import threading
import time
from pathlib import Path

import latcal
import numpy as np
import pytest
from latcal.errors import LatcalError
from latcal.plugin import StepStarted, fold
from meddling import Meddler
from servers import CCD, PANEL, WHEEL, Server, hardware

RECIPE = Path(__file__).with_name("night.yaml")
BOUND_S = 75.0
"""Longest that a night of the recipe may last, by its named limits.

Five exposures of two attempts (1.5 s for the begin, 1.5 s for the frame, 1 s for the abort, all doubled by a machine that is
busy), one connection to be made again (2 s and 3 s), closing (12 s).
"""

SPOILT = ("cut", "small", "torn", "swallow", "junk", "drop", "packed")


def kill(server, device):
    server.signal_driver(device, signal.SIGKILL)


def freeze(server, device):
    server.signal_driver(device, signal.SIGSTOP)


def hiccup(server, device):
    pid = server.driver(device)
    os.kill(pid, signal.SIGSTOP)
    time.sleep(0.4)
    os.kill(pid, signal.SIGCONT)


def crash(server, _):
    server.set(CCD, "CCD_SIMULATE_CRASH", CRASH="On")


def lose(server, _):
    server.stop()


def restart(server, _):
    server.stop()
    time.sleep(0.3)
    server.start()


def freeze_all(server, _):
    server.signal(signal.SIGSTOP)


def abort(server, _):
    server.set(CCD, "CCD_ABORT_EXPOSURE", ABORT="On")


def disconnect(server, device):
    server.set(device, "CONNECTION", CONNECT="Off", DISCONNECT="On")


def rebin(server, _):
    server.set(CCD, "CCD_BINNING", HOR_BIN="2", VER_BIN="2")


FAULTS = (kill, freeze, hiccup, crash, lose, restart, freeze_all, abort, disconnect, rebin)
DEVICES = (CCD, CCD, PANEL, WHEEL)


@pytest.fixture(scope="module")
def registry():
    return latcal.load_plugins()


def night(registry, folder, port, begun):
    """Run the recipe, and say when its first exposure begins; give its report, or the error that ended it."""
    text = RECIPE.read_text().replace("port: 1 ", f"port: {port} ").replace("root: ./store", f"root: {folder}/store")
    plan = latcal.plan(latcal.read(text, str(RECIPE), registry, folder=str(RECIPE.parent)), registry)
    try:
        return fold(telling(latcal.events(plan, registry), begun)), None
    except LatcalError as error:
        return None, error


def telling(events, begun):
    with contextlib.closing(events):
        for event in events:
            if isinstance(event, StepStarted) and event.step == 0:
                begun()
            yield event


def heal(server):
    """Let go what stands still; start what is dead."""
    if server.process.poll() is None:
        server.signal(signal.SIGCONT)
        for device in set(DEVICES):
            server.signal_driver(device, signal.SIGCONT)
    else:
        server.start()


def happen(random_one, server, meddler):
    """Let one thing happen at some moment of a night; give its name."""
    fault = random_one.choice([*FAULTS, *SPOILT])
    if isinstance(fault, str):
        count = random_one.choice((1, 1, 3))
        meddler.spoil += [""] * random_one.randrange(4) + [fault] * count
        return f"{fault} x {count}", threading.Timer(0.0, lambda: None)
    device, after_s = random_one.choice(DEVICES), random_one.uniform(0.0, 1.2)
    timer = threading.Timer(after_s, fault, (server, device))
    return f"{fault.__name__} {device} after {after_s:.2f} s", timer


def check(server, before, came, took_s, registry, folder):
    """A clear error or a completed sequence, in time; no certificate of a bad set; hardware as it was found, or said not to be."""
    report, error = came
    assert took_s < BOUND_S
    told = str(error) if error else "; ".join(step.reason for step in report.steps if step.reason)
    assert report is not None or told
    if report is not None:
        assert report.exit_code in (0, 4), told
        assert (report.exit_code == 0) == (not told), told
    with latcal.open_store("folder", registry, root=f"{folder}/store") as store:
        for certified in store.list():
            product = store.get(certified.ref)
            assert certified.ref.frames == 3
            # bins are sums of 16 pixels of 0 to 9: 72 on average, 11.5 rms; a wrong frame among them is far off
            assert abs(np.nanmean(product.planes["image"]) - 72) < 1
    server.wait_until(lambda: server.value(PANEL, "CONNECTION", "CONNECT") == "Off" or is_dark(server), "the lamp is lit")
    if not ("is as it was found" in told or "did not close" in told or "abort was not answered" in told):
        server.wait_until(lambda: not differences(server, before), lambda: f"{differences(server, before)}: {told}")
    return told


def differences(server, before):
    """What does not stand as it did."""
    (now, exposing), (then, _) = hardware(server), before
    found = {key: (then.get(key), now.get(key)) for key in now.keys() | then.keys() if now.get(key) != then.get(key)}
    return {**found, "exposing": True} if exposing else found


def is_dark(server):
    return server.value(PANEL, "FLAT_LIGHT_CONTROL", "FLAT_LIGHT_ON") == "Off"


@pytest.mark.parametrize("seed", range(5))
def test_ten_faults_in_a_row_end_each_in_a_clear_error_or_a_completed_sequence(seed, tmp_path, registry):
    random_one, outcomes = random.Random(seed), []
    with Server(tmp_path) as server, Meddler(server.port) as meddler:
        for number in range(10):
            server.reset()
            before = hardware(server)
            folder = tmp_path / str(number)
            name, timer = happen(random_one, server, meddler)
            began = time.monotonic()
            came = night(registry, folder, meddler.port, timer.start)
            took_s = time.monotonic() - began
            timer.cancel()
            timer.join()
            meddler.spoil.clear()
            heal(server)
            print(name, f"{took_s:.1f} s", flush=True)
            told = check(server, before, came, took_s, registry, folder)
            outcomes.append((name, f"{took_s:.1f} s", told or "completed"))
            print(*outcomes[-1], sep=" | ")
    assert len(outcomes) == 10
