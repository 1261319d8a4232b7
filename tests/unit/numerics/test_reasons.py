from __future__ import annotations

import numpy as np
import pytest

from latcal.errors import BuildError
from latcal.numerics import reasons
from latcal.numerics.reasons import Reason


def plane(*set_in):
    made = np.zeros((4, 5), dtype=np.uint16)
    for (y, x), reason in set_in:
        made[y, x] |= np.uint16(reason)
    return made


def test_one_map_is_enough_for_or():
    maps = [plane(((0, 0), Reason.HOT)), plane(((0, 0), Reason.COLD), ((1, 1), Reason.COLD)), plane()]
    merged = reasons.merge(maps, 0.0)
    assert merged[0, 0] == Reason.HOT | Reason.COLD
    assert merged[1, 1] == Reason.COLD
    assert np.count_nonzero(merged) == 2


def test_and_keeps_what_is_in_all_maps():
    # algorithms.md 3.3: there the comparison is strict, and AND keeps nothing at all; here 1 pixel of 1
    maps = [plane(((0, 0), Reason.HOT)), plane(((0, 0), Reason.COLD), ((1, 1), Reason.COLD))]
    merged = reasons.merge(maps, 1.0)
    assert merged[0, 0] == Reason.HOT | Reason.COLD
    assert np.count_nonzero(merged) == 1


@pytest.mark.parametrize(("votes", "kept"), [(6, False), (7, True), (8, True)])
def test_a_fraction_that_is_reached_is_enough(votes, kept):
    # algorithms.md 3.3: there 7 maps of 10 are not more than 0.7, and 8 are needed
    maps = [plane(((2, 3), Reason.HOT)) if number < votes else plane() for number in range(10)]
    assert bool(reasons.merge(maps, 0.7)[2, 3]) is kept


def test_a_fraction_that_is_none_is_refused():
    with pytest.raises(BuildError, match=r"a fraction of 1\.5 is not between 0 and 1"):
        reasons.merge([plane()], 1.5)
    with pytest.raises(BuildError, match="no defect maps to merge"):
        reasons.merge([], 1.0)


def test_pixels_are_counted_by_reason_and_columns_once():
    counted = plane(
        ((0, 0), Reason.HOT),
        ((1, 0), Reason.HOT | Reason.COLD),
        ((0, 2), Reason.COLUMN),
        ((1, 2), Reason.COLUMN | Reason.HOT),
        ((3, 4), Reason.BLINKING),
    )
    got = reasons.count(counted)
    assert (got["pixels"], got["columns"], got["hot"], got["cold"]) == (5, 2, 3, 1)
    assert (got["column"], got["blinking"], got["unstable"]) == (2, 1, 0)
    assert set(got) == {"pixels", "columns"} | {reason.name.lower() for reason in Reason}


def test_growth_is_what_is_new():
    before = plane(((0, 0), Reason.HOT), ((0, 1), Reason.COLUMN), ((3, 3), Reason.HOT))
    now = plane(((0, 0), Reason.COLD), ((0, 1), Reason.COLUMN), ((1, 1), Reason.COLUMN), ((2, 4), Reason.COLUMN))
    growth = reasons.compare(before, now)
    assert (growth.pixels, growth.columns, growth.healed) == (2, 1, 1)
    assert growth.fraction == pytest.approx(0.1)
    assert reasons.compare(now, now) == reasons.Growth(0, 0.0, 0, 0)


def test_maps_of_different_detectors_are_not_compared():
    with pytest.raises(BuildError, match=r"a defect map of \(4, 5\) cannot be compared with one of \(5, 4\)"):
        reasons.compare(plane(), plane().T)


def test_adding_a_reason_leaves_the_plane_alone():
    before = plane(((0, 0), Reason.HOT))
    after = reasons.add(before, np.eye(4, 5, dtype=bool), Reason.EDGE)
    assert after[0, 0] == Reason.HOT | Reason.EDGE
    assert after[3, 3] == Reason.EDGE
    assert np.count_nonzero(before) == 1
    assert after.dtype == np.uint16
