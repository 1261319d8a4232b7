"""What came is compared with what was asked for, fact by fact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.time import Time
from attrs import evolve

from latcal.engine import arrival
from latcal.errors import BuildError, CameraError, PluginError
from latcal.formats.raw import write_raw
from latcal.model.frames import Exposure, Frame, Setup
from latcal.testing.cameras import request, small_instrument

BEGIN = Time("2022-11-04T16:00:00", scale="tai")
DETECTORS = small_instrument(detectors=3).detectors
ASKED = request(0, "dark", 20.0, detectors=(0, 1))
FACTS = Exposure(ASKED.number, "T_1", "dark", 20.0, 20.0, BEGIN, Setup(filter="r"))
AMPLIFIER = DETECTORS[0].amplifiers[0]


def frames(*detectors: int, **facts: Any) -> list[Frame]:
    exposure = evolve(FACTS, **facts)
    return [Frame(exposure, DETECTORS[key], lambda one: np.zeros(one.raw.shape, np.int32)) for key in detectors]


def check(came: list[Frame], tolerance_s: float = 0.0) -> None:
    arrival.check(came, ASKED, Setup(filter="r"), ["filter"], tolerance_s)


def test_what_was_asked_for_passes_in_any_order() -> None:
    check(frames(0, 1))
    check(frames(1, 0))


@pytest.mark.parametrize(
    ("detectors", "words"),
    [
        ((), "no frame of detector 0, 1 came"),
        ((1,), "no frame of detector 0 came"),
        ((0, 1, 2), "a frame of detector 2 came, which was not asked for"),
        ((0, 1, 1), "more than one frame of detector 1 came"),
    ],
)
def test_there_is_one_frame_of_each_detector_asked_for(detectors: tuple[int, ...], words: str) -> None:
    with pytest.raises(CameraError, match=f"^exposure 2022110400001: {words}$"):
        check(frames(*detectors))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"id": 5}, "number 5, not 2022110400001"),
        ({"image": "bias"}, "image type 'bias', not 'dark'"),
        ({"setup": Setup(filter="g")}, "filter 'g', not 'r'"),
        ({"time_s": 20.3}, r"a time of 20\.3 s, not 20 s \(within 0\.2 s\)"),
        ({"time_s": 19.7}, r"a time of 19\.7 s, not 20 s \(within 0\.2 s\)"),
        ({"time_s": float("nan")}, r"a time of nan s, not 20 s \(within 0\.2 s\)"),
        ({"dark_time_s": 19.9}, r"a dark time of 19\.9 s, which its time of 20 s exceeds"),
        ({"dark_time_s": float("nan")}, "a dark time of nan s, which its time of 20 s exceeds"),
    ],
)
def test_a_fact_that_is_another_is_named_with_its_place(facts: dict[str, Any], words: str) -> None:
    with pytest.raises(CameraError, match=f"^exposure 2022110400001, detector S00, came with {words}$"):
        check(frames(0, 1, **facts))


def test_one_frame_that_differs_from_the_others_is_named() -> None:
    with pytest.raises(CameraError, match="detector S01, came with a time of 21 s"):
        check([*frames(0), *frames(1, time_s=21.0, dark_time_s=21.0)])


@pytest.mark.parametrize("time_s", [19.81, 20.19, np.float32(20.1)])
def test_a_time_may_be_off_by_as_much_as_a_slow_shutter_makes_it(time_s: float) -> None:
    check(frames(0, 1, time_s=time_s, dark_time_s=21.0))


def test_a_camera_may_say_that_its_times_are_further_off() -> None:
    check(frames(0, 1, time_s=21.0, dark_time_s=21.0), tolerance_s=1.0)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"time_s": "20 s"}, "time_s of the camera's exposure gave '20 s', which is not a Real"),
        ({"dark_time_s": None}, "dark_time_s of the camera's exposure gave None, which is not a Real"),
        ({"begin": "2022-11-04"}, "begin of the camera's exposure gave '2022-11-04', which is not a Time"),
        ({"setup": "r"}, "setup of the camera's exposure gave 'r', which is not a Setup"),
    ],
)
def test_a_fact_of_no_type_that_it_may_have_is_the_plugins_fault(facts: dict[str, Any], words: str) -> None:
    with pytest.raises(PluginError, match=words):
        check(frames(0, 1, **facts))


def test_a_frame_that_is_no_file_needs_none() -> None:
    arrival.check_file(frames(0)[0])


def test_a_file_that_is_not_there_or_not_whole_is_named_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "seen.fits"
    frame = evolve(frames(0)[0], path=path)
    with pytest.raises(CameraError, match=r"^exposure 2022110400001, detector S00: .*seen\.fits cannot be read"):
        arrival.check_file(frame)
    write_raw(frame, path, compress=False)
    arrival.check_file(frame)
    path.write_bytes(path.read_bytes()[:-2880])
    with pytest.raises(CameraError, match=r"^exposure 2022110400001, detector S00: .*seen\.fits is cut short"):
        arrival.check_file(frame)
    with pytest.raises(PluginError, match="path of the camera's frame gave '/x', which is not a Path"):
        arrival.check_file(evolve(frame, path="/x"))


def raw(without: int) -> Any:
    pixels = np.zeros(AMPLIFIER.raw.shape, np.float32)
    pixels[AMPLIFIER.data.y0, AMPLIFIER.data.x0 : AMPLIFIER.data.x0 + without] = np.nan
    pixels[-1, -1] = np.nan  # in the overscan, whose models leave it out
    return pixels


@pytest.mark.parametrize("without", [0, 1])
def test_a_few_pixels_may_have_no_number_and_are_counted(without: int) -> None:
    assert arrival.check_pixels(raw(without), AMPLIFIER, "here") == without


def test_more_than_a_thousandth_without_number_is_refused() -> None:
    assert int(arrival.WITHOUT_NUMBER * AMPLIFIER.data.size) == 1
    with pytest.raises(BuildError, match=r"^here: 2 of 1200 pixels are not numbers, and at most 1 may be none"):
        arrival.check_pixels(raw(2), AMPLIFIER, "here")
