"""Crosstalk is subtracted between the overscans, among pixels that are read at the same time."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from astropy.time import Time
from attrs import evolve

from latcal.engine.electrons import to_electrons
from latcal.errors import BuildError
from latcal.model.frames import Exposure, Frame, Setup
from latcal.model.geometry import Amplifier, Box, Detector, Preparation

BEGIN = Time("2022-11-04T12:00:00", scale="tai")
NY, NX, PEDESTAL, GAIN = 40, 30, 1000, 2.0
C = 1e-3
"""Of A in B; 2e-4 of B in A."""


def amplifier(name: str, x: int, **changes: Any) -> Amplifier:
    plain = Amplifier(
        name=name,
        extension=name,
        raw=Box(0, NY + 10, 0, 2 + NX + 24),
        data=Box(0, NY, 2, 2 + NX),
        serial_overscan=Box(0, NY + 10, 2 + NX, 2 + NX + 24),
        parallel_overscan=Box(NY, NY + 10, 2, 2 + NX),
        position=Box(0, NY, x, x + NX),
        gain=GAIN,
        read_noise=6.0,
        saturation=50_000.0,
    )
    return evolve(plain, **changes)


def detector(**of_b: Any) -> Detector:
    return Detector(3, "S03", (amplifier("A", 0), amplifier("B", NX, **of_b)), crosstalk=((0.0, 2e-4), (C, 0.0)))


def raw(**images: np.ndarray) -> dict[str, np.ndarray]:
    """Give raw images of an even pedestal, with what is said on top."""
    plain = {name: np.full((NY + 10, 2 + NX + 24), float(PEDESTAL)) for name in "AB"}
    return {name: image + images.get(name, 0.0) for name, image in plain.items()}


def frame(images: dict[str, np.ndarray], where: Detector) -> Frame:
    return Frame(Exposure(7, "T_7", "flat", 5.0, 5.0, BEGIN, Setup()), where, lambda one: images[one.name])


def signal(y: int, x: int, value: float) -> np.ndarray:
    """Give an image with a signal in one pixel of the data, as read out."""
    image = np.zeros((NY + 10, 2 + NX + 24))
    image[y, 2 + x] = value
    return image


@pytest.mark.parametrize(("flip_x", "flip_y"), list(itertools.product([False, True], repeat=2)))
def test_a_source_shows_where_it_is_read_whatever_the_flips(flip_x: bool, flip_y: bool) -> None:
    where = detector(flip_x=flip_x, flip_y=flip_y)
    images = raw(A=signal(3, 5, 40_000.0), B=signal(3, 5, C * 40_000.0))
    seen = to_electrons(frame(images, where), Preparation(crosstalk=False))["B"].pixels
    place = (NY - 1 - 3 if flip_y else 3, NX - 1 - 5 if flip_x else 5)
    assert np.argwhere(seen > 40.0).tolist() == [list(place)]
    without = to_electrons(frame(images, where), Preparation())
    # 1e-7 of 40,000 adu in float32, and c² of them is taken out too
    assert np.abs(without["B"].pixels).max() < 0.01
    assert without["A"].pixels[3, 5] == pytest.approx(GAIN * 40_000.0 * (1 - C * 2e-4), rel=1e-6)


def test_what_trails_into_an_overscan_is_seen_in_that_of_the_others() -> None:
    """A bright column of A trails into its parallel overscan; so that of B is as high there, and its model follows."""
    bright = np.zeros((NY + 10, 2 + NX + 24))
    bright[NY:, 2 + 7] = 30_000.0
    images = raw(A=bright, B=C * bright)
    models = Preparation(parallel="mean per column", smooth=0.0, clip=1e6)
    with_it = to_electrons(frame(images, detector()), evolve(models, crosstalk=False))["B"].pixels
    assert with_it[:, 7] == pytest.approx(np.full(NY, -GAIN * C * 30_000.0), rel=1e-5)
    without = to_electrons(frame(images, detector()), models)["B"].pixels
    assert np.abs(without).max() < 0.01  # 1e-7 of 30,000 adu in float32


def test_the_last_column_that_trails_into_the_serial_overscan_of_a_source_is_taken_out_of_a_wider_victim() -> None:
    """Where regions differ, what is overscan in one amplifier is read together with data of another."""
    wide = amplifier("B", NX, data=Box(0, NY, 2, 2 + NX + 4), position=Box(0, NY, NX, 2 * NX + 4))
    wide = evolve(
        wide,
        serial_overscan=Box(0, NY + 10, 2 + NX + 4, 2 + NX + 24),
        parallel_overscan=Box(NY, NY + 10, 2, 2 + NX + 4),
    )
    where = Detector(3, "S03", (amplifier("A", 0), wide), crosstalk=((0.0, 2e-4), (C, 0.0)))
    trail = np.zeros((NY + 10, 2 + NX + 24))
    trail[:NY, 2 + NX : 2 + NX + 2] = 5000.0  # within the columns that are skipped
    images = raw(A=trail, B=C * trail)
    with_it = to_electrons(frame(images, where), Preparation(crosstalk=False))["B"].pixels
    assert with_it[:, NX : NX + 2] == pytest.approx(np.full((NY, 2), GAIN * C * 5000.0), rel=0.01)
    assert np.abs(to_electrons(frame(images, where), Preparation())["B"].pixels).max() < 0.01


def test_the_pedestals_are_no_signal() -> None:
    images = raw(A=np.full((NY + 10, 2 + NX + 24), 20_000.0))
    got = to_electrons(frame(images, detector()), Preparation(parallel="none"))
    assert np.abs(got["B"].pixels).max() < 1e-3
    assert got["B"].pedestal == pytest.approx(PEDESTAL)


def test_without_serial_overscan_the_parallel_one_takes_the_crosstalk_of_pedestals_away() -> None:
    images = raw(A=np.full((NY + 10, 2 + NX + 24), 20_000.0))
    where = detector()
    where = evolve(where, amplifiers=tuple(evolve(one, serial_overscan=None) for one in where.amplifiers))
    got = to_electrons(frame(images, where), Preparation(serial="none"))
    assert np.abs(got["B"].pixels).max() < 0.01  # 1e-7 of 21,000 adu in float32


def test_a_saturated_source_is_subtracted_from_the_others_and_has_no_value_itself() -> None:
    images = raw(A=signal(3, 5, 90_000.0), B=signal(3, 5, C * 90_000.0 + 100.0))
    got = to_electrons(frame(images, detector()), Preparation())
    assert np.isnan(got["A"].pixels[3, 5])
    assert (got["A"].saturated, got["B"].saturated) == (1, 0)
    assert got["B"].pixels[3, 5] == pytest.approx(GAIN * 100.0, abs=0.05)  # roundings and c² of 90,000 adu


def test_a_pixel_without_number_spoils_no_other_amplifier() -> None:
    images = raw(A=signal(3, 5, np.nan), B=signal(3, 5, 70.0))
    got = to_electrons(frame(images, detector()), Preparation())
    assert np.argwhere(np.isnan(got["A"].pixels)).tolist() == [[3, 5]]
    assert np.isfinite(got["B"].pixels).all()
    assert got["B"].pixels[3, 5] == pytest.approx(GAIN * 70.0, rel=1e-6)
    assert (got["A"].without_number, got["B"].without_number) == (1, 0)


def noisy() -> dict[str, np.ndarray]:
    random = np.random.default_rng(4)
    return raw(**{name: np.rint(random.normal(0.0, 4.0, (NY + 10, 2 + NX + 24))) for name in "AB"})


def test_no_coefficients_and_coefficients_left_unused_are_the_same_to_the_bit() -> None:
    bare = evolve(detector(), crosstalk=())
    zero = evolve(detector(), crosstalk=((0.0, 0.0), (0.0, 0.0)))
    unused = to_electrons(frame(noisy(), detector()), Preparation(crosstalk=False))
    for where in (bare, zero):
        got = to_electrons(frame(noisy(), where), Preparation())
        for name, one in got.items():
            assert np.array_equal(one.pixels, unused[name].pixels)
            assert (one.read_noise, one.frame_noise, one.pedestal, one.level) == (
                unused[name].read_noise, unused[name].frame_noise, unused[name].pedestal, unused[name].level,
            )  # fmt: skip


def test_the_figures_of_the_readout_are_those_of_the_serial_overscan() -> None:
    unused = to_electrons(frame(noisy(), detector()), Preparation(crosstalk=False))["B"]
    used = to_electrons(frame(noisy(), detector()), Preparation())["B"]
    assert (used.read_noise, used.read_noise_error) == (unused.read_noise, unused.read_noise_error)
    assert used.frame_noise == unused.frame_noise


def test_every_amplifier_that_cannot_be_prepared_is_named() -> None:
    images = raw()
    for name in "AB":
        images[name][:, 2 + NX :] = np.nan
    with pytest.raises(BuildError, match=r"S03, amplifier A: the serial overscan .* no value at all; likewise amplifiers B"):
        to_electrons(frame(images, detector()), Preparation())
    images = raw()
    images["A"][NY:] = np.nan
    with pytest.raises(BuildError, match=r"S03, amplifier A: the parallel overscan .* no value at all"):
        to_electrons(frame(images, detector()), Preparation())
