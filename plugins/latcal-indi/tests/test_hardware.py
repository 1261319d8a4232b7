"""What is moved and set for an exposure, what is looked at before, and how it all stands afterwards."""

import signal
import threading
import time

import numpy as np
import pytest
from astropy.time import Time
from attrs import evolve
from cameras import DOME_AS_COVER, SHORT, SMALL, TWO, ask, camera, flat, options, world
from latcal.errors import CameraError, NotReady
from latcal.plugin import Setup
from meddling import Meddler
from servers import CCD, DOME, MOUNT, PANEL, SECOND, WHEEL, Server, hardware

import latcal_indi
from latcal_indi import darkness
from latcal_indi.options import ClosedGate, Gates, LampGate, ParkedGate, TemperatureGate


def mean(frame):
    return float(frame.raw(frame.detector.amplifiers[0]).mean())


def test_devices_found_unconnected_are_left_unconnected(fresh, tmp_path):
    before = hardware(fresh)
    with camera(fresh.port, tmp_path) as one:
        assert fresh.value(CCD, "CONNECTION", "CONNECT") == "On"
        list(one.take(flat()))
    assert hardware(fresh) == before


def test_devices_are_left_unconnected_too_if_it_cannot_be_opened(fresh, tmp_path):
    before = hardware(fresh)
    with pytest.raises(CameraError, match=r"'Light Panel Simulator' has no CCD_EXPOSURE within waits.discover 1 s"):
        camera(fresh.port, tmp_path, devices=(PANEL,), waits=evolve(SHORT, discover="1 s")).__enter__()
    assert hardware(fresh) == before


def test_each_image_type_is_its_frame_type_and_only_flats_have_light(connected, tmp_path):
    with camera(connected.port, tmp_path) as one:
        for asked, kind, lit in ((ask(0), "BIAS", "Off"), (ask(1, "dark", 0.1), "DARK", "Off"), (flat(2), "FLAT", "On")):
            (frame,) = one.take(asked)
            told = connected.look()
            assert told[CCD, "CCD_FRAME_TYPE"][f"FRAME_{kind}"] == "On"
            assert told[PANEL, "FLAT_LIGHT_CONTROL"]["FLAT_LIGHT_ON"] == lit
            assert frame.header["LAMP"] is (lit == "On")
            # the simulator has 0 to 9 adu in a pixel, 16 of which make one here; its flats are 25,000 adu a second each
            assert mean(frame) > 10_000 if kind == "FLAT" else mean(frame) == pytest.approx(72, abs=1)


def test_further_image_types_are_what_the_recipe_says(connected, tmp_path):
    with camera(connected.port, tmp_path, images={"sky": "flat"}) as one:
        assert not one.problems((ask(0, "sky", 0.1),))
        (frame,) = one.take(ask(0, "sky", 0.1))
    assert frame.exposure.image == "sky"
    assert mean(frame) > 10_000


def test_the_lamp_goes_out_after_the_last_flat_of_a_plan_and_stays_lit_before(connected, tmp_path):
    with camera(connected.port, tmp_path) as one:
        one.foresee([1])
        for index, lit in ((0, "On"), (1, "Off")):
            list(one.take(flat(index)))
            connected.wait_until(lambda lit=lit: connected.value(PANEL, "FLAT_LIGHT_CONTROL", "FLAT_LIGHT_ON") == lit)


def test_the_lamp_goes_out_by_itself_if_no_exposure_is_asked_for(connected, tmp_path, monkeypatch):
    monkeypatch.setattr(darkness, "LINGER_S", 0.3)
    with camera(connected.port, tmp_path) as one:
        for index in (0, 1):
            (frame,) = one.take(flat(index))
            assert mean(frame) > 10_000
            connected.wait_until(lambda: connected.value(PANEL, "FLAT_LIGHT_CONTROL", "FLAT_LIGHT_ON") == "Off")


def test_the_lamp_is_off_at_the_end_even_if_it_was_found_lit(fresh, tmp_path):
    fresh.connect_all()
    fresh.set(PANEL, "FLAT_LIGHT_CONTROL", FLAT_LIGHT_ON="On", FLAT_LIGHT_OFF="Off")
    with camera(fresh.port, tmp_path) as one:
        assert any("was found lit" in remark for remark in one.remarks())
        list(one.take(flat(0)))
    assert fresh.value(PANEL, "FLAT_LIGHT_CONTROL", "FLAT_LIGHT_ON") == "Off"


@pytest.mark.parametrize(("filter", "slot"), [("Blue", "3"), ("4", "4"), ("g", "2"), ("clear", "8")])
def test_a_filter_is_named_by_the_wheel_or_by_its_slot_or_as_the_recipe_says(filter, slot, connected, tmp_path):  # noqa: A002
    with camera(connected.port, tmp_path, filters={"g": "Green", "clear": 8}) as one:
        asked = flat(0, filter=filter)
        assert not one.problems((asked,))
        (frame,) = one.take(asked)
        assert connected.value(WHEEL, "FILTER_SLOT", "FILTER_SLOT_VALUE") == slot
    assert frame.exposure.setup.filter == filter
    assert frame.header["FILTSLOT"] == float(slot)
    assert connected.value(WHEEL, "FILTER_SLOT", "FILTER_SLOT_VALUE") == "1"


def test_a_filter_that_is_left_open_is_the_one_that_was_found(connected, tmp_path):
    with camera(connected.port, tmp_path) as one:
        list(one.take(flat(0, filter="Blue")))
        (frame,) = one.take(ask(1, "flat", 0.1))
    assert frame.exposure.setup.filter == "Red"


def test_headers_say_what_the_driver_said_and_what_is_known_besides(connected, tmp_path):
    with camera(connected.port, tmp_path) as one:
        (bias,) = one.take(ask(0))
        (frame,) = one.take(flat(1, time_s=0.2))
    assert bias.exposure.time_s == 0.0
    assert bias.header["DRVTIME"] == 0.01  # the simulator's own, which is no exposure time of a bias
    assert bias.exposure.dark_time_s == 0.01
    assert frame.header["INDIDEV"] == CCD
    assert frame.header["CCD-TEMP"] == 0.0
    assert frame.header["FILTNAME"] == "Green"
    assert frame.header["DRVGAIN"] == 0.0
    assert frame.header["LAMPINT"] == 100.0


def test_two_cameras_of_one_server_expose_together(tmp_path):
    folder = tmp_path / "indi"
    folder.mkdir()
    with Server(folder, (CCD, SECOND, WHEEL, PANEL)) as server:
        more = {"devices": (CCD, SECOND), "dome": "", "mount": ""}
        with camera(server.port, tmp_path, TWO, **more) as one:
            both = evolve(flat(0, time_s=2.0), detectors=(0, 1))
            list(one.take(evolve(flat(0), detectors=(0, 1))))
            frames = list(one.take(both))
    assert [frame.header["INDIDEV"] for frame in frames] == [CCD, SECOND]
    assert frames[0].exposure == frames[1].exposure
    first, second = (Time(frame.header["DRVDATE"]) for frame in frames)
    assert abs((second - first).to_value("s")) < 2.0, "one began when the other had ended"


def test_the_server_keeps_files_too_where_it_is_told_to(connected, tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    with camera(connected.port, tmp_path, server_folder=str(folder)) as one:
        list(one.take(ask(0)))
    assert [path.suffix for path in folder.iterdir()] == [".fits"]
    assert connected.look()[CCD, "UPLOAD_MODE"]["UPLOAD_CLIENT"] == "On"


def test_amplifiers_of_an_instrument_file_are_cut_out_of_the_one_image(connected, tmp_path):
    halves = tmp_path / "halves.yaml"
    halves.write_text(SMALL.read_text().replace("[1:320,1:256]", "[1:160,1:256]").replace("names: [A]", "names: [L]").replace(
        "      - {names: [L], extensions: [0]}\n",
        "      - {names: [L], extensions: [0]}\n      - {names: [R], extensions: [0], columns: [1], raw: '[161:320,1:256]'}\n",
    ))  # fmt: skip
    with camera(connected.port, tmp_path, halves) as one, camera(connected.port, tmp_path) as whole:
        (frame,) = one.take(flat(0))
        (both,) = whole.take(flat(1))
    left, right = (frame.raw(amplifier) for amplifier in frame.detector.amplifiers)
    all_of_it = both.raw(both.detector.amplifiers[0])
    # its flats are the same but for 0 to 9 adu in each of 16 pixels, and brighter in the middle than at the edge
    assert np.abs(left.astype(float) - all_of_it[:, :160]).max() < 16 * 10
    assert np.abs(right.astype(float) - all_of_it[:, 160:]).max() < 16 * 10


def test_what_cannot_be_taken_is_said_before_the_first_exposure(connected, tmp_path):
    more = {"devices": (CCD,), "wheel": PANEL, "gain": 1000.0}
    gates = Gates(temperature=TemperatureGate(), closed=ClosedGate(), parked=ParkedGate(what=("dome",)))
    large = evolve(world(tmp_path), instrument=evolve(world(tmp_path).instrument, binning="1x1"))
    with latcal_indi.open_camera(options(connected.port, **more, gates=gates, lamp=None, dome=PANEL), large) as one:
        said = "\n".join(one.problems((ask(0, "bias", 1.0), ask(1, "flat", 1e7), ask(2, "dark", 0.001), ask(3, setup=Setup()))))
    for words in (
        f"wheel: {PANEL!r} has no FILTER_SLOT",
        "gain: 1000 is no gain of 'CCD Simulator' (it has 0 to 100)",
        "gates.temperature: there is no set point",
        "gates.closed: there is no cover",
        f"gates.parked: {PANEL!r} has no DOME_PARK",
        "biass: 1 s is not the time of a bias",
        "1e+07 s is not between 0 s and 3600 s",
        "0.001 s is shorter than 'CCD Simulator' exposes",
        "reads 1280 x 1024 pixels, and CCD has 320 x 256",
    ):
        assert words in said


def test_a_device_that_is_not_there_is_named_with_those_that_are(connected, tmp_path):
    with pytest.raises(CameraError, match=r"'CCD Simulatr' is no device .* waits.discover 4 s .*Filter Simulator"):
        camera(connected.port, tmp_path, devices=("CCD Simulatr",), waits=evolve(SHORT, discover="4 s")).__enter__()


def test_a_server_that_is_not_there_is_waited_for_within_its_limit(tmp_path):
    began = time.monotonic()
    with pytest.raises(CameraError, match=r"no INDI server at 127.0.0.1:1 within waits.connect 3 s"):
        camera(1, tmp_path).__enter__()
    assert time.monotonic() - began < 60.0


# -- gates -----------------------------------------------------------------------------------------------------------


def test_the_cooler_is_set_waited_for_and_off_again_at_the_end(fresh, tmp_path):
    fresh.connect_all()
    gates = Gates(temperature=TemperatureGate(within="0.5 deg_C", stable="1 s", wait="20 s"))
    with camera(fresh.port, tmp_path, gates=gates, temperature="-5 deg_C") as one:
        (gate,) = one.gates()
        assert (gate.holds, gate.wanted) == (False, "-5 C within 0.5 C for 1 s")
        (frame,) = one.take(ask(0))
        assert abs(frame.header["CCD-TEMP"] + 5) <= 0.5
        assert fresh.look()[CCD, "CCD_COOLER"]["COOLER_ON"] == "On"
    assert fresh.look()[CCD, "CCD_COOLER"]["COOLER_ON"] == "Off"


def test_a_sensor_that_is_not_cold_is_refused_with_its_temperature_and_the_limit(connected, tmp_path):
    gates = Gates(temperature=TemperatureGate(within="0.5 deg_C", stable="60 s", wait="1 s"))
    with camera(connected.port, tmp_path, gates=gates, temperature="-40 deg_C") as one:
        with pytest.raises(NotReady, match=r"is -?[0-9.]+ C, not -40 C within 0.5 C for 60 s .*camera.gates.temperature.wait"):
            list(one.take(ask(0)))


def test_a_cover_is_closed_for_darks_and_open_for_flats_and_as_found_at_the_end(connected, tmp_path):
    before = hardware(connected)
    with camera(connected.port, tmp_path, cover=DOME_AS_COVER, gates=Gates(closed=ClosedGate(wait="20 s"))) as one:
        for asked, closed in ((flat(0), "Off"), (ask(1, "dark", 0.1), "On")):
            list(one.take(asked))
            assert connected.value(DOME, "DOME_SHUTTER", "SHUTTER_CLOSE") == closed
        list(one.take(flat(2)))
    assert hardware(connected) == before


def test_an_open_shutter_of_the_dome_refuses_darks_and_not_flats(fresh, tmp_path):
    fresh.connect_all()
    fresh.set(DOME, "DOME_SHUTTER", SHUTTER_OPEN="On", SHUTTER_CLOSE="Off")
    fresh.wait_until(lambda: fresh.look()[DOME, "DOME_SHUTTER"]["state"] == "Ok")
    with camera(fresh.port, tmp_path, gates=Gates(closed=ClosedGate(what=("shutter",), wait="0.5 s"))) as one:
        assert list(one.take(flat(0)))
        with pytest.raises(NotReady, match=r"shutter \(Dome Simulator\) is not closed .*SHUTTER_OPEN.* after 0.5 s"):
            list(one.take(ask(1, "dark", 0.1)))
    assert fresh.value(DOME, "DOME_SHUTTER", "SHUTTER_OPEN") == "On"


def test_a_lamp_must_be_warm(connected, tmp_path):
    with camera(connected.port, tmp_path, gates=Gates(lamp=LampGate(warm="1 s", wait="10 s"))) as one:
        began = time.monotonic()
        list(one.take(flat(0)))
        assert time.monotonic() - began > 1.0
        assert all(gate.holds for gate in one.gates())  # it stays lit and warm between flats
        list(one.take(flat(1)))


@pytest.mark.parametrize(("part", "device", "name"), [("dome", DOME, "DOME_PARK"), ("mount", MOUNT, "TELESCOPE_PARK")])
def test_what_is_not_parked_is_waited_for_then_refused_and_never_moved(part, device, name, connected, tmp_path):
    gates = Gates(parked=ParkedGate(what=(part,), images=("flat",), wait="0.5 s"))
    with camera(connected.port, tmp_path, gates=gates) as one:
        assert list(one.take(ask(0)))
        with pytest.raises(NotReady, match=rf"{part} \({device}\) is not parked .*, not parked after 0.5 s"):
            list(one.take(flat(1, filter="Blue")))
        told = connected.look()  # it was looked at before anything was moved
        assert told[WHEEL, "FILTER_SLOT"]["FILTER_SLOT_VALUE"] == "1"
        assert told[PANEL, "FLAT_LIGHT_CONTROL"]["FLAT_LIGHT_ON"] == "Off"
    assert connected.value(device, name, "PARK") == "Off"


def test_a_gate_that_comes_to_hold_lets_the_exposure_go_on(fresh, tmp_path):
    fresh.connect_all()
    gates = Gates(parked=ParkedGate(what=("mount",), wait="30 s"))
    with camera(fresh.port, tmp_path, gates=gates) as one:
        threading.Timer(0.5, fresh.set, (MOUNT, "TELESCOPE_PARK"), {"PARK": "On", "UNPARK": "Off"}).start()
        assert list(one.take(ask(0)))
        assert all(gate.holds for gate in one.gates())


# -- faults, one by one ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cut", "small", "torn", "swallow", "junk", "drop", "packed", "late", "deaf"])
def test_a_spoilt_frame_is_taken_again_and_the_new_one_says_so(how, connected, tmp_path):
    with Meddler(connected.port) as meddler, camera(meddler.port, tmp_path) as one:
        meddler.spoil.append(how)
        (frame,) = one.take(ask(0))
    assert frame.header["RETRIED"] == 1
    assert frame.header["RETRYWHY"]
    assert mean(frame) == pytest.approx(72, abs=1)
    # it is that of the second attempt, by its own word: the first one was given up 2 s after its begin
    assert abs((Time(frame.header["DRVDATE"]) - frame.exposure.begin).to_value("s")) < 1.5


def test_attempts_are_bounded_and_the_error_says_what_went_wrong_each_time(connected, tmp_path):
    with Meddler(connected.port) as meddler, camera(meddler.port, tmp_path, retries=1) as one:
        meddler.spoil += ["cut", "junk"]
        with pytest.raises(CameraError, match=r"2 attempts failed: .*is not FITS.*; before that: .*cut short"):
            list(one.take(ask(0)))
        assert list(one.take(ask(1)))


def test_a_camera_that_is_gone_is_not_asked_for_ever(fresh, tmp_path):
    with pytest.raises(CameraError, match="not all hardware is as it was found"):
        with camera(fresh.port, tmp_path, retries=1) as one:
            list(one.take(flat(0)))
            fresh.stop()
            began = time.monotonic()
            with pytest.raises(CameraError, match=r"2 attempts failed: no INDI server at .* within waits.connect 3 s"):
                list(one.take(flat(1)))
            assert time.monotonic() - began < 90.0


def test_a_crash_of_the_driver_on_command_costs_one_attempt(fresh, tmp_path):
    fresh.connect_all()
    before = hardware(fresh)
    with camera(fresh.port, tmp_path) as one:
        list(one.take(ask(0)))
        threading.Timer(0.5, fresh.set, (CCD, "CCD_SIMULATE_CRASH"), {"CRASH": "On"}).start()
        (frame,) = one.take(ask(1, "dark", 2.0))
        assert frame.header["RETRIED"] >= 1
        assert "is gone" in frame.header["RETRYWHY"]
    assert hardware(fresh) == before


def test_an_exposure_that_somebody_else_aborts_is_taken_again(connected, tmp_path):
    with camera(connected.port, tmp_path) as one:
        list(one.take(ask(0)))
        threading.Timer(0.5, connected.set, (CCD, "CCD_ABORT_EXPOSURE"), {"ABORT": "On"}).start()
        (frame,) = one.take(ask(1, "dark", 1.5))
    assert frame.header["RETRIED"] == 1


def test_a_frame_of_another_size_is_taken_again(connected, tmp_path):
    with camera(connected.port, tmp_path) as one:
        list(one.take(ask(0)))
        threading.Timer(0.5, connected.set, (CCD, "CCD_BINNING"), {"HOR_BIN": "2", "VER_BIN": "2"}).start()
        (frame,) = one.take(ask(1, "dark", 1.5))
    assert frame.header["RETRIED"] == 1
    assert frame.raw(frame.detector.amplifiers[0]).shape == (256, 320)


def test_what_was_sent_to_a_device_that_stands_still_is_taken_back_too(fresh, tmp_path):
    """It hears all of it when it goes on: the lamp is not lit then, and as bright as it was found."""
    fresh.connect_all()
    before = hardware(fresh)
    with pytest.raises(CameraError, match="not all hardware is as it was found"):
        with camera(fresh.port, tmp_path, retries=0) as one:
            list(one.take(ask(0)))
            fresh.signal_driver(PANEL, signal.SIGSTOP)
            with pytest.raises(CameraError, match=r"waits\.lamp 3 s"):
                list(one.take(flat(1)))
    fresh.signal_driver(PANEL, signal.SIGCONT)
    fresh.wait_until(lambda: hardware(fresh) == before)
