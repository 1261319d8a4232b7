"""Tracks of cosmic rays are told from bad pixels and columns, which are as sharp."""

from __future__ import annotations

import numpy as np
import pytest

from latcal.numerics import cosmic_rays, tracks

SHAPE = (120, 60)


def found(*places):
    mask = np.zeros(SHAPE, dtype=bool)
    for y, x in places:
        mask[y, x] = True
    return mask


@pytest.mark.parametrize(
    ("what", "places", "kept"),
    [
        ("a hot pixel", [(20, 20)], False),
        ("two, one above the other", [(20, 20), (21, 20)], False),
        ("a bad column", [(slice(10, 110), 20)], False),
        ("two beside each other", [(slice(10, 110), slice(20, 22))], False),
        ("a ray that comes straight down", [(20, slice(20, 22)), (21, 20)], True),
        ("a flat track", [(20, slice(10, 50))], True),
        ("a steep one", [(slice(10, 25), 20), (slice(25, 40), 21)], True),
        ("pixels that meet at a corner", [(20, 20), (21, 21)], True),
    ],
)
def test_tracks_are_kept_and_bad_pixels_and_columns_are_not(what, places, kept):
    assert tracks.grown_tracks(found(*places)).any() == kept, what


def test_what_is_kept_is_grown_and_nothing_else():
    mask = found((20, slice(20, 23)), (60, 40))
    assert np.array_equal(tracks.grown_tracks(mask, grow=0), found((20, slice(20, 23))))
    assert np.array_equal(tracks.grown_tracks(mask), found((slice(19, 22), slice(19, 24))))
    assert not tracks.grown_tracks(np.zeros(SHAPE, dtype=bool)).any()


def test_hot_pixels_stay_in_a_dark_that_is_cleaned_of_rays():
    # `cosmic_rays.find` alone takes both: a hot pixel is narrow
    random = np.random.default_rng(2)
    dark = random.normal(0.0, 9.0, SHAPE).astype(np.float32)
    hot = [(15, 15), (50, 30), (100, 50)]
    for place in hot:
        dark[place] += 400.0
    for step in range(12):  # charge that spreads over two columns
        dark[70 + step, 10 + step : 12 + step] += 500.0
    rays = cosmic_rays.find(dark, 9.0, grow=0)
    assert all(rays[place] for place in hot)
    kept = tracks.grown_tracks(rays)
    assert not any(kept[place] for place in hot)
    assert np.count_nonzero(np.abs(np.where(kept, 0.0, dark)) > 6 * 9.0) == len(hot)
