"""The recipe that comes with the plugin, against the real simulators: what is certified, what is refused, and why."""

import fcntl
import os
import pickle

import latcal
import pytest
from astropy.io import fits
from latcal.plugin import Build, Judged, Noted, Solved, StepEnded, StepStarted, Take, fold
from servers import CCD, MOUNT, PANEL, WHEEL, Server, hardware

import latcal_indi


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """Run it once, whichever of several workers is first: events, folder, how the hardware stood before and after, the plan."""
    here = tmp_path_factory.getbasetemp()
    place = here.parent if "PYTEST_XDIST_WORKER" in os.environ else here
    kept = place / "night.pickle"
    with (place / "night.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            kept.write_bytes(pickle.dumps(run_in(place / "night")))
        return pickle.loads(kept.read_bytes())


def run_in(folder):
    folder.mkdir()
    registry = latcal.load_plugins()
    path = latcal_indi.latcal_find_recipe("indi_bench")
    with Server(folder, (CCD, WHEEL, PANEL, MOUNT)) as server:
        text = path.read_text().replace("  use: indi\n", f"  use: indi\n  host: 127.0.0.1\n  port: {server.port}\n")
        text = text.replace("root: ./store", f"root: {folder}/store")
        plan = latcal.plan(latcal.read(text, str(path), registry, folder=str(path.parent)), registry)
        before = hardware(server)
        events = tuple(latcal.events(plan, registry))
        after = hardware(server)
        print(*(event for event in events if isinstance(event, StepEnded) and event.reason), sep="\n")
    return events, folder, before, after, plan


def verdicts(night):
    return [(event.verdict.kind, event.verdict) for event in night[0] if isinstance(event, Judged)]


def test_the_camera_exposes_on_while_the_first_product_is_built(night):
    """It does not wait for what the processing lane does."""
    events, *_, plan = night
    dark = next(step.id for step in plan.steps if isinstance(step, Take) and step.image == "dark")
    build = next(step.id for step in plan.steps if isinstance(step, Build))
    begun = next(place for place, event in enumerate(events) if isinstance(event, StepStarted) and event.step == dark)
    built = next(place for place, event in enumerate(events) if isinstance(event, StepEnded) and event.step == build)
    assert begun < built


def test_biases_and_darks_are_certified(night):
    _, folder, *_ = night
    accepted = [kind for kind, verdict in verdicts(night) if verdict.accepted]
    assert accepted == ["bias", "dark"]
    with latcal.open_store("folder", latcal.load_plugins(), root=f"{folder}/store") as store:
        held = {one.ref.kind: one for one in store.list(collection="calib/indi_bench")}
        assert set(held) == {"bias", "dark"}
        assert {one.ref.frames for one in held.values()} == {10}
        bias = store.get(held["bias"].ref)
    # the simulator adds 0 to 9 adu to each pixel: 4.5 on average, its own bias being 0; 1.3 million pixels tell it to 0.003
    assert float(bias.planes["image"].mean()) == pytest.approx(4.5, abs=0.02)


def test_levels_are_met_by_times_that_two_probes_give(night):
    events = night[0]
    solved = {(event.sequence, event.level): event.time_s for event in events if isinstance(event, Solved)}
    assert set(solved) == {("red", "10000 adu"), ("red", "20000 adu"), ("green", "20 % of full well")}
    # it is linear, and without a shutter that opens late
    assert solved["red", "20000 adu"] == pytest.approx(2 * solved["red", "10000 adu"], rel=0.01)


def test_flats_without_noise_are_refused_since_light_comes_with_noise(night):
    """The simulator's flats are numbers without shot noise: no gain follows from them, and no flat of any sensor is such."""
    refused = [(kind, {one.rule for one in verdict.findings}) for kind, verdict in verdicts(night) if not verdict.accepted]
    assert [kind for kind, _ in refused] == ["flat", "flat", "gain"]
    assert not any(verdict.remedy for kind, verdict in verdicts(night) if kind == "flat"), "more frames have no more noise"
    assert all("noise" in rules for kind, rules in refused if kind == "flat")
    assert "gain_from_flat_pair" in refused[2][1]
    assert any("not above that of its noise" in event.what for event in night[0] if isinstance(event, Noted))
    assert fold(night[0]).exit_code == 1


def test_raw_frames_have_whole_headers(night):
    _, folder, *_ = night
    found = {}
    for path in (folder / "store" / "raw").rglob("*.fits"):
        header = fits.getheader(path)
        found.setdefault(header["IMAGE"], []).append(header)
    # a bias before the probes of each of two sequences by level: the driver tells of no overscan
    assert {image: len(headers) for image, headers in found.items()} == {"bias": 12, "dark": 10, "flat": 10}
    for image, headers in found.items():
        for header in headers:
            assert header["OBSID"].startswith("INDI_")
            assert (header["PROGRAM"], header["REASON"]) == ("INDI-1", "bench")
            assert header["NOTE"] == "simulators of indi-bin"
            assert header["CCD-TEMP"] == 0.0
            assert header["LAMP"] is (image == "flat")
            assert header["DARKTIME"] >= header["EXPTIME"]
            assert header["DRVGAIN"] == 0.0
    assert {header["EXPTIME"] for header in found["bias"]} == {0.0}
    assert {header["FILTER"] for header in found["flat"]} == {"Red", "Green"}


def test_products_say_what_they_are_of(night):
    _, folder, *_ = night
    headers = [fits.getheader(path) for path in (folder / "store" / "products").rglob("*.fits")]
    told = {header["KIND"]: header for header in headers}
    assert {"bias", "dark"} <= set(told)
    for kind in ("bias", "dark"):
        assert (told[kind]["DETECTOR"], told[kind]["NFRAMES"], told[kind]["BINNING"]) == ("CCD_Simulator", 10, "1x1")
        assert told[kind]["RECIPE"].endswith("indi_bench.yaml")
        assert told[kind]["WAIVED"] is False


def test_the_simulators_are_left_as_they_were_found(night):
    assert night[2] == night[3]

