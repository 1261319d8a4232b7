from __future__ import annotations

import numpy as np
import pytest

from latcal.errors import BuildError
from latcal.numerics import boxes
from latcal.numerics.boxes import Boxes


def table(*rows, reason=1):
    columns = np.array(rows, dtype=np.int64).T
    return Boxes(*columns, np.full(len(rows), reason, dtype=np.uint16))


def places(found):
    return list(zip(*(part.tolist() for part in (found.x0, found.y0, found.width, found.height)), strict=True))


def normal(*rows):
    """Boxes of what some boxes draw."""
    return places(boxes.of(boxes.draw(table(*rows), (204, 200))))


def test_pixels_of_a_column_become_one_box():
    # algorithms.md 7.3, ip_isr normalisation: adjacent and overlapping entries of a column
    assert normal(*((15, y, 1, 1) for y in range(1, 6))) == [(15, 1, 1, 5)]
    assert normal((15, 1, 1, 3), (15, 2, 1, 4)) == [(15, 1, 1, 5)]


def test_spread_entries_become_two_boxes():
    # algorithms.md 7.3: six entries, two boxes
    got = normal((15, 1, 1, 5), *((20, y, 1, 1) for y in range(11, 16)))
    assert got == [(15, 1, 1, 5), (20, 11, 1, 5)]


def test_lists_of_the_same_mask_give_equal_tables():
    # algorithms.md 7.3: they compare equal
    first = normal((3, 4, 5, 2), (3, 6, 5, 3))
    second = normal((3, 4, 1, 5), (5, 4, 3, 5), (4, 4, 2, 5), (6, 6, 1, 1))
    assert first == second == [(3, 4, 5, 5)]


def test_one_bad_pixel_is_one_box():
    # algorithms.md 7.3: a 10 x 10 mask with one pixel
    mask = np.zeros((10, 10), dtype=bool)
    mask[7, 4] = True
    assert places(boxes.single(mask)) == [(4, 7, 1, 1)]


def test_nothing_is_no_box():
    empty = boxes.single(np.zeros((10, 10), dtype=bool))
    assert len(empty) == 0
    assert not boxes.draw(empty, (10, 10)).any()


def test_boxes_do_not_go_round_the_corner():
    mask = np.ones((3, 4), dtype=bool)
    mask[1, 1] = False
    assert places(boxes.single(mask)) == [(0, 0, 1, 3), (1, 0, 1, 1), (1, 2, 1, 1), (2, 0, 2, 3)]


def test_a_box_has_every_reason_of_its_pixels():
    reasons = np.zeros((6, 5), dtype=np.uint16)
    reasons[1:4, 1:3] = 4
    reasons[2, 2] |= 1
    reasons[5, 4] = 8
    found = boxes.of(reasons)
    assert places(found) == [(1, 1, 2, 3), (4, 5, 1, 1)]
    assert found.reason.tolist() == [5, 8]
    assert found.reason.dtype == np.uint16


def test_the_areas_add_up_to_the_bad_pixels():
    # algorithms.md 7.3, "counting": the area of the defects is the count of pixels
    mask = np.random.default_rng(1).random((204, 200)) < 0.3
    found = boxes.single(mask)
    assert int((found.width * found.height).sum()) == int(mask.sum())


@pytest.mark.parametrize("row", [(-1, 0, 1, 1), (0, -1, 1, 1), (199, 0, 2, 1), (0, 203, 1, 2), (5, 5, 0, 1), (5, 5, 1, 0)])
def test_a_box_outside_the_detector_is_refused(row):
    with pytest.raises(BuildError, match=f"the box x0 {row[0]}, y0 {row[1]}, .* is not inside 200 x 204 pixels"):
        boxes.draw(table(row), (204, 200))


def test_a_box_without_reason_is_refused():
    with pytest.raises(BuildError, match="the box x0 1, y0 2, width 3, height 4 has no reason"):
        boxes.draw(table((1, 2, 3, 4), reason=0), (204, 200))
