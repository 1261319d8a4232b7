"""What is sent, by which thread, and what of it no more when the camera is closed: against a link that only takes notes."""

import threading

import pytest
from astropy.units import Quantity

from latcal_indi import arriving, gating
from latcal_indi.checking import Checking
from latcal_indi.exposing import Exposing
from latcal_indi.hardware import Hardware
from latcal_indi.mirror import Property
from latcal_indi.options import ClosedGate, Cover, Gates, IndiOptions, Lamp, LampGate, ParkedGate, TemperatureGate
from latcal_indi.preparing import Preparing
from latcal_indi.restoring import Restoring
from latcal_indi.troubles import Aborted

PANEL = "FLAT_LIGHT_CONTROL"


class Notes:
    """A link whose devices do as they are told, but for those that stand still."""

    place, listened = "nowhere:1", frozenset(["CCD"])

    def __init__(self, mirror, still=()):
        self.mirror, self.sent, self.still = mirror, [], still

    def send(self, device, name, members, _, alone):
        with alone:
            self.sent.append((name, dict(members)))
        if name not in self.still:
            self.mirror.put(Property(device, name, "Ok", members, {}, 0))


def hardware(**options):
    one = Hardware(IndiOptions(devices=("CCD",), **options))
    one.mirror.begin()
    one.link = Notes(one.mirror)
    tell(one, "CONNECTION", CONNECT="On")
    return one


def tell(one, name, state="Ok", ranges=None, device="CCD", **values):
    one.mirror.put(Property(device, name, state, values, ranges or {}, 0))


def in_a_thread(function, *arguments, **more):
    errors = []

    def work():
        try:
            function(*arguments, **more)
        except Aborted as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(120.0)
    return errors


def test_a_cooler_gets_its_set_point_back_even_if_the_temperature_is_as_it_was_found():
    """The sensor has not yet followed the point that it was given, and would do so afterwards."""
    one = hardware(temperature=Quantity(-5, "deg_C"))
    tell(one, "CCD_COOLER", COOLER_ON="On", COOLER_OFF="Off")
    tell(one, "CCD_TEMPERATURE", "Busy", CCD_TEMPERATURE_VALUE=3.0)  # on its way to a point of somebody else
    one.link.still = ("CCD_TEMPERATURE",)
    Preparing(one)._numbers("CCD")
    Preparing(one)._numbers("CCD")
    assert not Restoring(one, Preparing(one), Exposing(one)).restore()
    points = [members["CCD_TEMPERATURE_VALUE"] for name, members in one.link.sent if name == "CCD_TEMPERATURE"]
    assert points == [-5.0, 3.0]


def test_an_exposure_that_hangs_lights_no_lamp_once_another_thread_closes():
    one = hardware(lamp=Lamp("CCD"))
    one.close_to_others()
    assert not in_a_thread(one.send, "CCD", PANEL, {"FLAT_LIGHT_OFF": "On"}, 1.0, safe=True)
    assert in_a_thread(one.send, "CCD", PANEL, {"FLAT_LIGHT_ON": "On"}, 1.0)
    assert in_a_thread(one.need, "CCD", "NOTHING")
    assert one.link.sent == [(PANEL, {"FLAT_LIGHT_OFF": "On"})]
    one.send("CCD", PANEL, {"FLAT_LIGHT_ON": "On"}, 1.0)  # who closes may: a cover that was open is opened


def test_an_abort_before_an_exposure_begins_ends_it_and_one_after_finds_it_under_way():
    one = hardware()
    tell(one, "CCD_EXPOSURE", CCD_EXPOSURE_VALUE=0.0, ranges={"CCD_EXPOSURE_VALUE": (0.0, 0.0)})
    tell(one, "CCD_ABORT_EXPOSURE", ABORT="Off")
    exposing = Exposing(one)
    one.access.aborted.set()
    with pytest.raises(Aborted, match="told to abort"):
        exposing.begin(("CCD",), 1.0)
    assert not one.link.sent
    one.access.aborted.clear()
    exposing.begin(("CCD",), 1.0)
    exposing.tell_to_abort()
    assert [name for name, _ in one.link.sent] == ["CCD_EXPOSURE", "CCD_ABORT_EXPOSURE"]


def test_what_a_gate_looks_back_at_is_kept_for_as_long_as_that_and_the_rest_so_often():
    one = hardware(gates=Gates(temperature=TemperatureGate(stable="1 h")), temperature=Quantity(-5, "deg_C"))
    for name in ("CCD_TEMPERATURE", "CCD_EXPOSURE"):
        for _ in range(1200):
            tell(one, name, VALUE=-5.0)
    assert {key[1]: len(told) for key, told in one.mirror._told.items()} == {
        "CONNECTION": 1, "CCD_TEMPERATURE": 1200, "CCD_EXPOSURE": 1000,
    }  # fmt: skip


def test_gain_and_offset_are_found_where_zwo_has_them_and_equal_ends_are_no_limit():
    one = hardware(gain=120.0, offset=900.0)
    tell(one, "CCD_CONTROLS", Gain=0.0, Offset=5.0, ranges={"Gain": (0.0, 0.0), "Offset": (0.0, 80.0)})
    Preparing(one)._numbers("CCD")
    assert one.link.sent == [("CCD_CONTROLS", {"Gain": 120.0}), ("CCD_CONTROLS", {"Offset": 900.0})]
    told = list(Checking(one, None, None, Exposing(one))._settings())
    assert told == ["offset: 900 is no offset of 'CCD' (it has 0 to 80)"]
    assert list(Checking(hardware(gain=1.0), None, None, None)._settings()) == [
        "gain: 'CCD' has no CCD_GAIN and no CCD_CONTROLS (leave it out, or write it in settings)"
    ]


def test_what_is_not_known_erases_nothing_that_the_driver_said():
    assert arriving.completed({"CCD-TEMP": -9.5, "GAIN": 3}, {"CCD-TEMP": None, "LAMP": True}, {}) == {
        "CCD-TEMP": -9.5, "GAIN": 3, "DRVGAIN": 3, "LAMP": True,
    }  # fmt: skip


def test_what_latcal_brings_about_itself_need_not_hold_beforehand():
    gates = Gates(temperature=TemperatureGate(), closed=ClosedGate(what=("cover", "shutter")), lamp=LampGate(), parked=ParkedGate(what=("dome",)))
    one = hardware(temperature=Quantity(-5, "deg_C"), lamp=Lamp("P"), cover=Cover("C"), dome="D", gates=gates)
    assert [(gate.name.split()[0], gate.holds, gate.brought) for gate in gating.gates(one)] == [
        ("sensor", False, True), ("cover", False, True), ("lamp", False, True), ("shutter", False, False), ("dome", False, False),
    ]  # fmt: skip
