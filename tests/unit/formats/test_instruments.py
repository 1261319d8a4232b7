from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from latcal.builtin.instruments import latcal_instruments
from latcal.errors import RecipeError
from latcal.formats.instruments import read_instrument
from latcal.formats.raw import read_raw
from latcal.model.geometry import Box
from latcal.numerics.overscan import subtract

GOOD = """\
name: pair
filters: [r]
full_well: 100000 electron
overscan: {serial: constant, skip: 1}
sensors:
  half:
    raw: '[1:8,1:10]'
    data: '[2:5,1:8]'
    serial_overscan: '[6:8,1:8]'
    amplifiers:
      - {names: [A, B], extensions: [SegA, SegB], flip: x}
detectors:
  - {id: 0, name: S00, sensor: half, gain: 1.1 1.2 electron/adu, read_noise: 9 electron, saturation: 100000 adu}
  - {id: 5, name: S05, sensor: half, gain: 1.3 electron/adu, read_noise: 8 9.5 electron, saturation: 100000 adu, serial: X-5}
"""


def builtin(name):
    (load,) = [one.load for one in latcal_instruments() if one.name == name]
    return load()


def test_a_file_gives_each_detector_the_amplifiers_of_its_sensor_and_its_own_figures():
    instrument = read_instrument(GOOD, "pair.yaml")
    assert (instrument.name, instrument.filters, instrument.full_well) == ("pair", ("r",), 100_000.0)
    assert (instrument.preparation.serial, instrument.preparation.skip) == ("constant", 1)
    first, second = instrument.detectors
    assert [a.gain for a in first.amplifiers] == [1.1, 1.2]
    assert [a.gain for a in second.amplifiers] == [1.3, 1.3]
    assert [a.read_noise for a in second.amplifiers] == [8.0, 9.5]
    assert (second.id, second.serial) == (5, "X-5")
    amplifier = first.amplifiers[1]
    assert (amplifier.extension, amplifier.flip_x, amplifier.flip_y) == ("SegB", True, False)
    assert amplifier.position == Box(0, 8, 4, 8)
    assert amplifier.serial_overscan == Box(0, 8, 5, 8)
    assert amplifier.parallel_overscan is None


def test_figures_may_be_in_any_unit_that_converts():
    instrument = read_instrument(GOOD.replace("saturation: 100000 adu}", "saturation: 100 kadu}"), "pair.yaml")
    assert instrument.detectors[0].amplifiers[0].saturation == pytest.approx(100_000.0, rel=1e-12)  # one rounding


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("filters", "filtres", "pair.yaml:2:1: filtres: 'filtres' is not a key here .did you mean 'filters'"),
        ("'[2:5,1:8]'", "'[2:5]'", r"pair.yaml:8:11: sensors.half.data: '\[2:5\]' is not a section .*write '\[1:509"),
        ("'[2:5,1:8]'", "5", r"pair.yaml:8:11: sensors.half.data: 5 is not a section .write '\[1:509"),
        ("'[2:5,1:8]'", "'[2:9,1:8]'", "pair.yaml:13:5: detectors.0: amplifier A: data .* is not inside its raw image"),
        ("1.1 1.2 electron/adu", "1.1", "pair.yaml:13:44: detectors.0.gain: 1.1 is not numbers with a unit .write"),
        ("1.1 1.2 electron/adu", "1.1 1.2 electron", "13:44: detectors.0.gain: .*'electron', not in 'electron / adu'"),
        ("1.1 1.2 electron/adu", "1 2 3 electron/adu", "13:44: detectors.0.gain: 3 numbers for 2 amplifiers .write 2 numbers"),
        ("1.1 1.2 electron/adu", "1.1 x electron/adu", "13:44: detectors.0.gain: 'x electron/adu' is not a unit"),
        ("sensor: half, gain: 1.3", "sensor: hafl, gain: 1.3", "14:32: detectors.1.sensor: 'hafl' is not a sensor of this file .there is half"),
        ("id: 5", "id: 0", r"pair.yaml:13:3: detectors: instrument pair: detector ids \[0, 0\]"),
        ("flip: x", "flip: z", "sensors.half.amplifiers.0.flip: 'z' is not a flip .write x, y or xy"),
        ("[SegA, SegB]", "[SegA, SegB, SegC]", "amplifiers.0.extensions: 3 extensions for 2 names .write 2"),
        ("flip: x", "columns: [1, -1]", "a row or column below 0 is not in the grid"),
        ("flip: x", "columns: [0, 0]", "detectors.0: detector S00: its amplifiers do not tile 8 x 4 pixels"),
        ("serial: constant", "serial: median", "4:20: overscan.serial: 'median' is not a model of the serial overscan .known: mean per row"),
        ("full_well: 100000 electron", "full_well: 100000", "3:12: full_well: 100000 has no unit .write '100000 electron'"),
        ("name: pair", "name: [pair", "pair.yaml:"),
        ("gain: 1.1 1.2 electron/adu, ", "", "pair.yaml:13:5: detectors.0: 'gain' is missing .write 'gain: 5 electron / adu' here, or in the sensor 'half'"),
        ("filters: [r]", "header: {INSTRUME: [a]}", r"pair.yaml:2:20: header.INSTRUME: \['a'\] is not a value of a card .write text, a number"),
        ("filters: [r]", "header: {INSTRUME: }", "pair.yaml:2:.*: header.INSTRUME: None is not a value of a card"),
        ("filters: [r]", "header: {INSTRUME: été}", "pair.yaml:2:20: header.INSTRUME: 'été' is not text that FITS can hold"),
        ("filters: [r]", f"header: {{OBSERVER: {'x' * 60}}}", "pair.yaml:2:20: header.OBSERVER: .* does not fit on a card .write at most 60"),
        ("filters: [r]", "header: {exptime: 5}", "pair.yaml:2:10: header.exptime: EXPTIME is written by latcal itself, .* .remove it"),
        ("filters: [r]", "header: {NAXIS3: 5}", "pair.yaml:2:10: header.NAXIS3: NAXIS3 is written by latcal itself"),
        ("filters: [r]", "header: {GAIN16: 5}", "pair.yaml:2:10: header.GAIN16: GAIN16 is written by latcal itself"),
        ("filters: [r]", "header: {SATURAT2: 5}", "pair.yaml:2:10: header.SATURAT2: SATURAT2 is written by latcal itself"),
        ("filters: [r]", "header: {CAM ERA/: 5}", "pair.yaml:2:10: header.CAM ERA/: 'CAM ERA/' is not a FITS keyword .write letters"),
        ("filters: [r]", "header: {CAM: 5, cam: 6}", "pair.yaml:2:18: header.cam: CAM is given twice"),
    ],
)
def test_a_slip_is_shown_where_it_is(old, new, message):
    assert old in GOOD
    with pytest.raises(RecipeError, match=message):
        read_instrument(GOOD.replace(old, new, 1), "pair.yaml")


def test_figures_of_a_sensor_hold_for_its_detectors_that_say_none_of_their_own():
    text = GOOD.replace("    amplifiers:", "    gain: 2 3 electron/adu\n    saturation: 90000 adu\n    amplifiers:")
    text = text.replace("gain: 1.1 1.2 electron/adu, ", "").replace(", saturation: 100000 adu}", "}")
    first, second = read_instrument(text, "pair.yaml").detectors
    assert [(a.gain, a.saturation) for a in first.amplifiers] == [(2.0, 90_000.0), (3.0, 90_000.0)]
    assert [(a.gain, a.saturation) for a in second.amplifiers] == [(1.3, 100_000.0), (1.3, 100_000.0)]


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        ("gain: 1 2 3 electron/adu", "pair.yaml:10:11: sensors.half.gain: 3 numbers for 2 amplifiers .write 2 numbers, or one for all"),
        ("gain: 1 electron", "pair.yaml:10:11: sensors.half.gain: '1 electron' is in 'electron', not in 'electron / adu'"),
        ("gain: 1", "pair.yaml:10:11: sensors.half.gain: 1 is not numbers with a unit"),
    ],
)
def test_a_slip_in_the_figures_of_a_sensor_is_shown_once_and_there(figure, message):
    text = GOOD.replace("    amplifiers:", f"    {figure}\n    amplifiers:").replace("gain: 1.1 1.2 electron/adu, ", "")
    with pytest.raises(RecipeError, match=message) as caught:
        read_instrument(text.replace("gain: 1.3 electron/adu, ", ""), "pair.yaml")
    assert len(caught.value.problems) == 1


def test_a_figure_that_many_detectors_lack_is_asked_for_once():
    text = GOOD[: GOOD.index("detectors:")] + "detectors:\n"
    text += "".join(f"  - {{id: {key}, name: S{key}, sensor: half, gain: 1 electron/adu, read_noise: 9 electron}}\n" for key in range(9))
    with pytest.raises(RecipeError, match=r"pair.yaml:13:5: detectors\.0: 'saturation' is missing") as caught:
        read_instrument(text, "pair.yaml")
    assert len(caught.value.problems) == 1


BRIGHTER_FATTER = """\
    brighter_fatter: -1.5e-6 / electron
    brighter_fatter_error: 1e-7 / electron
    least_brighter_fatter: -4.5e-6 / electron
    greatest_brighter_fatter: 0.7e-4 % / electron
    least_turnoff: 90000 electron
"""


def test_what_a_sensor_says_of_its_curve_reaches_its_detectors():
    text = GOOD.replace("    amplifiers:", BRIGHTER_FATTER + "    amplifiers:")
    for detector in read_instrument(text, "pair.yaml").detectors:
        assert detector.brighter_fatter == pytest.approx(-1.5e-6)
        assert detector.brighter_fatter_error == pytest.approx(1e-7)
        assert detector.brighter_fatter_window == pytest.approx((-4.5e-6, 7e-7))
        assert detector.least_turnoff == pytest.approx(90_000.0)
    (plain, _) = read_instrument(GOOD, "pair.yaml").detectors
    assert (plain.brighter_fatter, plain.brighter_fatter_error) == (0.0, 0.0)
    assert (plain.brighter_fatter_window, plain.least_turnoff) == (None, None)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            "least_brighter_fatter: -4e-6 / electron",
            "10:28: sensors.half.least_brighter_fatter: a window has two ends .write 'greatest_brighter_fatter: 7e-7 / electron' too",
        ),
        (
            "greatest_brighter_fatter: 7e-7 / electron",
            "10:31: sensors.half.greatest_brighter_fatter: a window has two ends .write 'least_brighter_fatter: -4.6e-6 / electron' too",
        ),
        (
            "least_brighter_fatter: 7e-7 / electron\n    greatest_brighter_fatter: -4e-6 / electron",
            "11:31: sensors.half.greatest_brighter_fatter: .*is not above the least, 7e-07 1 / electron .write the more negative one",
        ),
        (
            "least_brighter_fatter: 1e-4 % / electron\n    greatest_brighter_fatter: 1e-6 / electron",
            "11:31: .*is not above the least",
        ),
        (
            "brighter_fatter_error: -1e-7 / electron",
            "10:28: sensors.half.brighter_fatter_error: -1e-07 1 / electron is below 0, and no error .write 'brighter_fatter_error: 1e-7",
        ),
        (
            "least_turnoff: 0 electron",
            "10:20: sensors.half.least_turnoff: 0.0 electron is not above 0 .write 'least_turnoff: 90000 electron', or leave it out",
        ),
        ("least_turnoff: 90000 adu", "10:20: sensors.half.least_turnoff: '90000 adu' is in 'adu', not in 'electron'"),
        ("least_turnoff: 90000", "10:20: sensors.half.least_turnoff: 90000 has no unit .write '90000 electron'"),
    ],
)
def test_a_slip_in_what_a_sensor_says_of_its_curve_is_shown_once_and_there(lines, message):
    with pytest.raises(RecipeError, match=message) as caught:
        read_instrument(GOOD.replace("    amplifiers:", f"    {lines}\n    amplifiers:"), "pair.yaml")
    assert len(caught.value.problems) == 1


def test_constant_cards_are_text_numbers_or_truths_by_keywords_in_capitals():
    cards = "header: {INSTRUME: pair, OBS-LAT: -30.25, instport: 2, HOT: true, SIMULATE DOME: '0'}"
    instrument = read_instrument(GOOD.replace("filters: [r]", cards), "pair.yaml")
    assert instrument.header == {"INSTRUME": "pair", "OBS-LAT": -30.25, "INSTPORT": 2, "HOT": True, "SIMULATE DOME": "0"}


def test_every_slip_is_shown_at_once():
    text = GOOD.replace("1.1 1.2 electron/adu", "1 2 3 electron/adu").replace("serial: constant", "serial: median")
    with pytest.raises(RecipeError, match="median") as caught:
        read_instrument(text, "pair.yaml")
    assert len(caught.value.problems) == 2


def test_two_hundred_detectors_are_read_in_a_second():
    names = ", ".join(f"A{i}" for i in range(16))
    figures = " ".join(["1.0811"] * 16)
    text = GOOD[: GOOD.index("    amplifiers")]
    text += f"    amplifiers: [{{names: [{names}], extensions: [{names}]}}]\ndetectors:\n"
    for number in range(205):
        text += (
            f"  - id: {number}\n    name: R{number}\n    sensor: half\n    serial: E2V-{number}\n"
            f"    gain: {figures} electron/adu\n    read_noise: {figures} electron\n    saturation: {figures} adu\n"
        )
    begin = time.process_time()
    assert len(read_instrument(text, "large.yaml").detectors) == 205
    assert time.process_time() - begin < 1.5  # seconds of one core; 0.5 where it was written


def test_the_bench_is_laid_out_as_latiss_is():
    (detector,) = builtin("bench").detectors
    assert detector.shape == (400, 640)
    assert [a.name for a in detector.amplifiers] == [*(f"C1{i}" for i in range(8)), *(f"C0{i}" for i in range(7, -1, -1))]
    top, bottom = detector.amplifier("C12"), detector.amplifier("C05")
    assert (top.position, top.flip_x, top.flip_y, top.extension) == (Box(200, 400, 160, 240), True, True, "Segment12")
    assert (bottom.position, bottom.flip_x, bottom.flip_y) == (Box(0, 200, 400, 480), True, False)
    assert (top.raw.shape, top.data) == ((224, 147), Box(0, 200, 3, 83))
    assert (top.serial_overscan, top.parallel_overscan) == (Box(0, 200, 83, 147), Box(200, 224, 3, 83))
    assert detector.amplifier("C05").read_noise == 10.3
    assert detector.amplifier("C10").gain == 1.0811


def test_every_instrument_that_comes_with_latcal_can_be_read_and_says_what_it_is():
    declared = list(latcal_instruments())
    assert {one.name for one in declared} >= {"bench", "efosc2", "latiss", "lsstcam", "lsstcomcam", "trio"}
    for one in declared:
        assert one.load().name == one.name
        assert len(one.summary) > 10


def real_frames() -> list[Path]:
    """The real frames: biases first, then flats."""
    folders = [Path(os.environ.get("LATCAL_REAL_DATA", "")), *(parent.parent / "shared/data" for parent in Path(__file__).parents)]
    for folder in folders:
        found = sorted((folder / "efosc2-pair").glob("*.fits"))
        if len(found) == 4:
            return found
    if os.environ.get("LATCAL_REQUIRE_REAL_DATA"):
        pytest.fail("no real frames, and they are required (set LATCAL_REAL_DATA)")
    pytest.skip("no real frames (set LATCAL_REAL_DATA to the folder that holds efosc2-pair)")


def test_the_overscans_of_efosc2_hold_pedestal_and_read_noise_in_real_frames():
    instrument = builtin("efosc2")
    (amplifier,) = instrument.detectors[0].amplifiers
    prepared = []
    for path in real_frames():
        pixels = read_raw(path, instrument.detectors[0])[1](amplifier).astype(np.float32)
        prepared.append(
            subtract(
                pixels,
                amplifier.data.slices,
                amplifier.serial_overscan.slices,
                amplifier.parallel_overscan.slices,
                serial_model=instrument.preparation.serial,
                parallel_model=instrument.preparation.parallel,
                skip=instrument.preparation.skip,
            )
        )
    first, second = (one.pixels[50:1000, 50:1000] for one in prepared[:2])
    # a lamp of 14,000 adu leaves the pedestal where it was, but for a trail of charge
    assert np.ptp([one.pedestal for one in prepared]) < 3.5
    # the read noise is that of the difference of the two biases (which has some outliers) and the lamp does not change it
    difference = first - second
    noise = difference[np.abs(difference - np.median(difference)) < 75].std() / np.sqrt(2)  # five sigma
    for one in prepared:
        assert one.read_noise == pytest.approx(noise, rel=0.03)  # 2,048 degrees of freedom give 1.6 %
