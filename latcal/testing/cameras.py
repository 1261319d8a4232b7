"""What every camera must do: inherit `CameraSuite`, say how to open yours, and its tests are yours."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, NoReturn

import numpy as np
import pytest
from attrs import evolve

from latcal.engine.asking import AGAIN_S
from latcal.errors import CameraError
from latcal.formats.raw import exposure_of, headers, write_raw
from latcal.plugin import ExposureRequest, Frame, Setup
from latcal.testing.hardware import PATIENCE_S, UNDER_WAY_S, HardwareSuite, taken_in_a_thread
from latcal.testing.sensors import request, small_instrument

__all__ = ["CameraSuite", "request", "small_instrument"]

PAUSE_S = 1.5
"""A pause before an exposure, longer than the one before it may take [s]; our choice."""

NANOSECOND = 2e-9
"""How far the begin of an exposure may be from that in its file [s], which is written to the nanosecond."""


class CameraSuite(HardwareSuite):
    """The behaviours of a camera.

    A subclass named ``Test...`` says with `open` how to open one, and with `requests` what it can take. The folder is
    made for one test; a camera that has a source, such as a folder of frames, finds or makes it there.

    `long_request` is what the suite aborts while it is under way. It is derived from the longest of `requests`; give
    None if exposures of this camera take no time, or a request that lasts seconds. Of a camera whose pixels are never
    the same twice, as those of real hardware, say ``deterministic = False``. What the suite can know of hardware only if
    you tell it (gates, faults, how things stand, flats by level) it asks `HardwareSuite` for.

    Examples
    --------
    >>> class TestWebcam(CameraSuite):
    ...     deterministic = False  # it sees what there is to see
    ...
    ...     def open(self, folder):
    ...         return Webcam(WebcamOptions(port=8080), world(folder))
    ...
    ...     def requests(self):
    ...         return request(0), request(1, "dark", 2.0)
    """

    deterministic: ClassVar[bool] = True
    """Whether the same requests give the same pixels to a camera that is opened anew."""

    def _frames(self, folder: Path) -> list[tuple[ExposureRequest, list[Frame]]]:
        with self.open(folder) as camera:
            return [(asked, list(camera.take(asked))) for asked in self.requests()]

    # -- what comes ----------------------------------------------------------------------------------------------

    def test_it_has_detectors_and_they_are_told_apart_by_id(self, tmp_path: Path) -> None:
        """Detectors are there before the camera is entered."""
        ids = [detector.id for detector in self.open(tmp_path).detectors]
        assert ids
        assert len(set(ids)) == len(ids)

    def test_it_gives_one_frame_for_each_detector_asked_for_in_that_order(self, tmp_path: Path) -> None:
        """Frames come in the order of the request."""
        for asked, frames in self._frames(tmp_path):
            assert [frame.detector.id for frame in frames] == list(asked.detectors)

    def test_exposures_are_what_was_asked_for(self, tmp_path: Path) -> None:
        """Number, image type, sequence, labels and discard are those of the request; the time is within 0.1 s or 1 %."""
        for asked, frames in self._frames(tmp_path):
            for frame in frames:
                exposure = frame.exposure
                assert (exposure.id, exposure.image) == (asked.number, asked.image)
                assert (exposure.sequence, exposure.discarded) == (asked.sequence, asked.discarded)
                assert dict(exposure.labels) == dict(asked.labels)
                assert abs(exposure.time_s - asked.time_s) <= max(0.1, 0.01 * asked.time_s)
                assert exposure.dark_time_s >= exposure.time_s

    def test_frames_of_one_exposure_share_its_facts(self, tmp_path: Path) -> None:
        """There is one exposure, however many detectors it has."""
        for _, frames in self._frames(tmp_path):
            assert all(frame.exposure == frames[0].exposure for frame in frames)

    def test_observations_have_names_of_their_own(self, tmp_path: Path) -> None:
        """No two exposures share an observation id."""
        names = [frames[0].exposure.obs_id for _, frames in self._frames(tmp_path)]
        assert len(set(names)) == len(names)

    def test_exposures_begin_one_after_the_other_in_tai(self, tmp_path: Path) -> None:
        """Begins are TAI and increase."""
        begins = [frames[0].exposure.begin for _, frames in self._frames(tmp_path)]
        assert all(begin.scale == "tai" for begin in begins)
        assert all(one < other for one, other in itertools.pairwise(begins))

    def test_every_amplifier_has_its_raw_pixels(self, tmp_path: Path) -> None:
        """Raw boxes are whole, and numbers are finite."""
        for _, frames in self._frames(tmp_path):
            for frame in frames:
                for amplifier in frame.detector.amplifiers:
                    pixels = frame.pixels(amplifier)
                    assert pixels.shape == amplifier.raw.shape
                    assert np.isfinite(pixels).all()

    def test_frames_are_of_the_detectors_that_it_says_it_has(self, tmp_path: Path) -> None:
        """Boxes, gains and all: pixels are cut by them."""
        with self.open(tmp_path) as camera:
            known = {detector.id: detector for detector in camera.detectors}
            for asked in self.requests():
                for frame in camera.take(asked):
                    assert frame.detector == known[frame.detector.id]

    def test_pixels_can_be_read_again_by_others_after_the_camera_is_closed(self, tmp_path: Path) -> None:
        """A frame outlives its camera; another thread stores it, in whatever order it reads the amplifiers."""
        for _, frames in self._frames(tmp_path):
            amplifiers = frames[0].detector.amplifiers
            first = [np.array(frames[0].raw(amplifier)) for amplifier in amplifiers]
            found: list[Any] = []
            writer = threading.Thread(target=lambda: found.extend(map(frames[0].raw, amplifiers[::-1])), daemon=True)  # noqa: B023
            writer.start()
            writer.join(PATIENCE_S)
            for one, other in zip(first, found[::-1], strict=True):
                np.testing.assert_array_equal(other, one)

    def test_headers_are_plain_values(self, tmp_path: Path) -> None:
        """They are written into a FITS file."""
        for _, frames in self._frames(tmp_path):
            for frame in frames:
                for keyword, value in frame.header.items():
                    assert isinstance(keyword, str)
                    assert isinstance(value, bool | int | float | str), f"{keyword} is {value!r}"

    def test_a_stored_frame_says_all_that_the_exposure_was(self, tmp_path: Path) -> None:
        """Image type, number, times, filter and labels are read back from the header of the file."""
        for _, frames in self._frames(tmp_path):
            for frame in frames:
                path = tmp_path / f"stored-{frame.exposure.id}-{frame.detector.id}.fits"
                write_raw(frame, path, compress=False)
                found = exposure_of(headers(path)[0])
                assert abs((found.begin - frame.exposure.begin).to_value("s")) < NANOSECOND
                for key in ("time_s", "dark_time_s"):  # 16 digits of it are written
                    assert math.isclose(getattr(found, key), getattr(frame.exposure, key), rel_tol=1e-14)
                same = {key: getattr(frame.exposure, key) for key in ("begin", "time_s", "dark_time_s")}
                assert evolve(found, **same) == frame.exposure

    def test_the_same_requests_give_the_same_pixels_to_a_camera_opened_anew(self, tmp_path: Path) -> None:
        """They follow from its options and the request."""
        if not self.deterministic:
            pytest.skip("deterministic = False")
        for (_, frames), (_, again) in zip(self._frames(tmp_path), self._frames(tmp_path), strict=True):
            for frame, other in zip(frames, again, strict=True):
                assert (other.exposure.id, other.exposure.time_s) == (frame.exposure.id, frame.exposure.time_s)
                for amplifier in frame.detector.amplifiers:
                    np.testing.assert_array_equal(other.raw(amplifier), frame.raw(amplifier))

    # -- what is asked beforehand --------------------------------------------------------------------------------

    def test_exposures_come_in_the_setup_that_was_foretold(self, tmp_path: Path) -> None:
        """Preflight looks products up by it."""
        with self.open(tmp_path) as camera:
            for asked in self.requests():
                foretold = camera.setup(asked)
                assert isinstance(foretold, Setup)
                for frame in camera.take(asked):
                    assert frame.exposure.setup == foretold

    def test_remarks_are_lines_for_a_person(self, tmp_path: Path) -> None:
        """Each of its own."""
        with self.open(tmp_path) as camera:
            for remark in camera.remarks():
                assert isinstance(remark, str)
                assert "\n" not in remark

    def test_it_has_nothing_against_requests_that_it_can_take(self, tmp_path: Path) -> None:
        """What can be taken is no problem, and asking takes nothing."""
        with self.open(tmp_path) as camera:
            assert not tuple(camera.problems(tuple(self.requests())))
            assert not tuple(camera.problems(tuple(self.requests())))

    def test_an_image_type_that_it_does_not_know_is_a_problem_that_names_it(self, tmp_path: Path) -> None:
        """An image type of nobody is named before it is asked for."""
        strange = evolve(self.requests()[0], image="hologram")
        with self.open(tmp_path) as camera:
            _assert_named("hologram", camera.problems((strange,)))

    def test_a_detector_that_it_has_not_is_a_problem(self, tmp_path: Path) -> None:
        """Before it is asked for."""
        with self.open(tmp_path) as camera:
            strange = 90_417 + max(detector.id for detector in camera.detectors)
            asked = evolve(self.requests()[0], detectors=(strange,))
            _assert_named(str(strange), camera.problems((asked,)))

    def test_a_filter_that_it_has_not_is_a_problem_that_names_it(self, tmp_path: Path) -> None:
        """No exposure is taken through another."""
        asked = self.requests()[-1]
        with self.open(tmp_path) as camera:
            asked = evolve(asked, setup=evolve(asked.setup, filter="octarine"))
            _assert_named("octarine", camera.problems((asked,)))

    # -- aborting and closing ------------------------------------------------------------------------------------

    def test_aborting_an_idle_camera_does_no_harm(self, tmp_path: Path) -> None:
        """An abort between exposures does not end the next one."""
        with self.open(tmp_path) as camera:
            camera.abort()
            assert list(camera.take(self.requests()[0]))

    def test_an_exposure_under_way_is_aborted_from_another_thread_and_the_next_one_works(self, tmp_path: Path) -> None:
        """`take` returns, or raises `CameraError`, and the hardware is as it was found."""
        asked = self.long_request()
        if asked is None:
            pytest.skip("long_request gives None")
        with self.open(tmp_path) as camera:
            taking = taken_in_a_thread(camera, asked)
            taking.wait(UNDER_WAY_S)
            camera.abort()
            assert taking.wait(self.abort_s), f"the exposure goes on {self.abort_s:g} s after the abort"
            assert isinstance(taking.error, CameraError | None), f"{taking.error} (raise a CameraError)"
            again = self.requests()[0]
            assert [frame.exposure.id for frame in camera.take(again)] == [again.number] * len(again.detectors)

    def test_an_exposure_is_aborted_as_often_as_it_is_told_and_as_early(self, tmp_path: Path) -> None:
        """Twice in a row, during an exposure and after it; and before it has begun, told again while it goes on."""
        asked = self.long_request()
        if asked is None:
            pytest.skip("long_request gives None")
        with self.open(tmp_path) as camera:
            for under_way_s in (UNDER_WAY_S, 0.0):
                taking = taken_in_a_thread(camera, asked)
                taking.wait(under_way_s)
                camera.abort()
                until = time.monotonic() + self.abort_s
                while time.monotonic() < until and not taking.ended.is_set():
                    camera.abort()
                    taking.wait(AGAIN_S)
                assert taking.ended.is_set(), f"an exposure goes on {self.abort_s:g} s after the abort"

    def test_a_pause_is_waited_for_before_an_exposure_and_ended_by_an_abort(self, tmp_path: Path) -> None:
        """`pause_s` of the request; of a clock that is simulated it may be over at once."""
        if self.long_request() is None:
            pytest.skip("long_request gives None")
        first, second = self.requests()[:2]
        with self.open(tmp_path) as camera:
            begins = [next(iter(camera.take(one))).exposure.begin for one in (first, evolve(second, pause_s=PAUSE_S))]
            waited_s = (begins[1] - begins[0]).to_value("s")
            assert waited_s >= PAUSE_S, f"the exposure began after {waited_s:.3g} s, not after a pause of {PAUSE_S:g} s"
            taking = taken_in_a_thread(camera, evolve(second, pause_s=PATIENCE_S))
            taking.wait(UNDER_WAY_S)
            camera.abort()
            assert taking.wait(self.abort_s), f"the pause goes on {self.abort_s:g} s after the abort"
            assert isinstance(taking.error, CameraError | None), f"{taking.error} (raise a CameraError)"

    def test_closing_it_twice_does_no_harm(self, tmp_path: Path) -> None:
        """Nor before the first exposure."""
        for requests in ((), self.requests()[:1]):
            camera = self.open(tmp_path)
            with camera:
                for asked in requests:
                    assert list(camera.take(asked))
            camera.__exit__(None, None, None)

    def test_closing_it_swallows_no_error(self, tmp_path: Path) -> None:
        """Whatever ended the run is seen; and an exposure of which not all frames were fetched is in nobody's way."""
        with pytest.raises(ZeroDivisionError, match="theirs"), self.open(tmp_path) as camera:
            _fail_after(next(iter(camera.take(self.requests()[0]))))


def _assert_named(word: str, problems: Iterable[str]) -> None:
    said = tuple(problems)
    assert any(word in text for text in said), f"no problem names {word!r}: {said}"


def _fail_after(_: object) -> NoReturn:
    raise ZeroDivisionError("theirs")
