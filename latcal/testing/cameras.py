"""What every camera must do; a plugin's tests subclass `CameraSuite` and say how to open theirs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from attrs import evolve

from latcal.plugin import Amplifier, Box, Camera, Detector, ExposureRequest, Frame, Instrument, Setup


def small_instrument(rows: int = 40, columns: int = 30, amplifiers: int = 2, detectors: int = 1) -> Instrument:
    """Give an instrument of few pixels: two rows of amplifiers, the upper mirrored in x and y, the lower in x.

    Parameters
    ----------
    rows, columns : int
        Data pixels of an amplifier; it has 3 columns of prescan, 16 of serial and 8 rows of parallel overscan too.
    amplifiers : int
        In each of the two rows.
    """
    return Instrument(
        "small",
        tuple(_detector(key, rows, columns, amplifiers) for key in range(detectors)),
        filters=("empty", "g", "r"),
        gratings=("empty",),
    )


def _detector(key: int, rows: int, columns: int, amplifiers: int) -> Detector:
    found = []
    for upper in (True, False):
        for place in range(amplifiers):
            y, x = rows * upper, columns * place
            found.append(
                Amplifier(
                    name=f"C{int(upper)}{place}",
                    extension=f"SEGMENT{int(upper)}{place}",
                    raw=Box(0, rows + 8, 0, columns + 19),
                    data=Box(0, rows, 3, columns + 3),
                    serial_overscan=Box(0, rows + 8, columns + 3, columns + 19),
                    parallel_overscan=Box(rows, rows + 8, 3, columns + 3),
                    position=Box(y, y + rows, x, x + columns),
                    gain=1.1,
                    read_noise=9.0,
                    saturation=110_000.0,
                    flip_x=True,
                    flip_y=upper,
                )
            )
    return Detector(key, f"S{key:02d}", tuple(found))


def request(
    index: int,
    image: str = "bias",
    time_s: float = 0.0,
    *,
    setup: Setup | None = None,
    detectors: tuple[int, ...] = (0,),
    discarded: bool = False,
) -> ExposureRequest:
    """Give a request of an observing day, for the sequence ``<image>s``, whose first exposure has index 0."""
    return ExposureRequest(
        number=2022110400001 + index,
        index=index,
        image=image,
        time_s=time_s,
        setup=setup or Setup(),
        sequence=f"{image}s",
        detectors=detectors,
        position=index + 1,
        discarded=discarded,
        labels={"reason": "test"},
    )


class CameraSuite:
    """Conformance tests of a camera.

    Subclass it in a module of tests, with the two methods that raise `NotImplementedError` here. The folder is made
    for one test.
    """

    def open(self, folder: Path) -> Camera:
        """Give a camera of its own for each call, not yet entered."""
        raise NotImplementedError

    def requests(self) -> Sequence[ExposureRequest]:
        """Give at least two requests that it can take, one after the other, of different numbers and indexes."""
        raise NotImplementedError

    def _frames(self, folder: Path) -> list[tuple[ExposureRequest, list[Frame]]]:
        with self.open(folder) as camera:
            return [(request, list(camera.take(request))) for request in self.requests()]

    def test_it_has_detectors_and_they_are_told_apart_by_id(self, tmp_path: Path) -> None:
        """Detectors are there before the camera is entered."""
        ids = [detector.id for detector in self.open(tmp_path).detectors]
        assert ids
        assert len(set(ids)) == len(ids)

    def test_it_gives_one_frame_for_each_detector_asked_for_in_that_order(self, tmp_path: Path) -> None:
        """Frames come in the order of the request."""
        for request, frames in self._frames(tmp_path):
            assert [frame.detector.id for frame in frames] == list(request.detectors)

    def test_exposures_are_what_was_asked_for(self, tmp_path: Path) -> None:
        """Number, image type, sequence, labels and discard are those of the request; the time is within 1 %."""
        for request, frames in self._frames(tmp_path):
            for frame in frames:
                exposure = frame.exposure
                assert (exposure.id, exposure.image) == (request.number, request.image)
                assert (exposure.sequence, exposure.discarded) == (request.sequence, request.discarded)
                assert dict(exposure.labels) == dict(request.labels)
                assert abs(exposure.time_s - request.time_s) <= 0.01 * request.time_s
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

    def test_pixels_can_be_read_again_after_the_camera_is_closed(self, tmp_path: Path) -> None:
        """A frame outlives its camera."""
        for _, frames in self._frames(tmp_path):
            amplifier = frames[0].detector.amplifiers[0]
            np.testing.assert_array_equal(frames[0].pixels(amplifier), frames[0].pixels(amplifier))

    def test_it_has_nothing_against_requests_that_it_can_take(self, tmp_path: Path) -> None:
        """What can be taken is no problem, and asking takes nothing."""
        with self.open(tmp_path) as camera:
            assert not tuple(camera.problems(tuple(self.requests())))
            assert not tuple(camera.problems(tuple(self.requests())))

    def test_an_image_type_that_it_does_not_know_is_a_problem_that_names_it(self, tmp_path: Path) -> None:
        """An image type of nobody is named before it is asked for."""
        strange = evolve(self.requests()[0], image="hologram")
        with self.open(tmp_path) as camera:
            assert any("hologram" in text for text in camera.problems((strange,)))

    def test_aborting_an_idle_camera_does_no_harm(self, tmp_path: Path) -> None:
        """An abort between exposures does not end the next one."""
        with self.open(tmp_path) as camera:
            camera.abort()
            assert list(camera.take(self.requests()[0]))
