"""Bad columns; golden cases from algorithms.md 7.3, in amplifiers of 51 rows."""

from __future__ import annotations

import numpy as np
import pytest

from latcal.numerics import bad_columns, boxes

LEFT = {
    15: [(1, 50)],
    20: [(1, 25)],
    25: [(1, 8)],
    30: [(1, 2), (5, 3), (11, 5), (19, 5), (27, 4), (34, 15)],
    35: [(1, 2), (5, 3), (11, 2)],
    40: [(1, 2), (5, 3), (19, 5), (27, 4), (34, 15)],
    45: [(10, 2), (30, 3)],
    55: [(y, 1) for y in range(20, 31, 2)],
}
CASES = {
    "one column": ({60: [(1, 18), (20, 10)], 61: [(2, 2), (6, 8)], 62: [(2, 2), (6, 8)]}, {60: [(1, 29)], 61: [(2, 12)], 62: [(2, 12)]}),
    "neighbours below": ({68: [(2, 2), (6, 8)], 69: [(2, 2), (6, 8)], 70: [(1, 18), (20, 10)]}, {68: [(2, 12)], 69: [(2, 12)], 70: [(1, 29)]}),
    "neighbours on both sides": (
        {73: [(2, 2), (6, 8)], 74: [(2, 2), (6, 8)], 75: [(1, 18), (20, 10)], 76: [(2, 2), (6, 8)], 77: [(2, 2), (6, 8)]},
        {73: [(2, 12)], 74: [(2, 12)], 75: [(1, 29)], 76: [(2, 12)], 77: [(2, 12)]},
    ),
    "gaps spared above": ({80: [(1, 18), (20, 10)], 81: [(2, 2), (8, 8)], 82: [(2, 2), (8, 8)]}, {80: [(1, 29)], 81: [(2, 2), (8, 8)], 82: [(2, 2), (8, 8)]}),
    "gaps spared below": ({85: [(2, 2), (8, 8)], 86: [(2, 2), (8, 8)], 87: [(1, 18), (20, 10)]}, {85: [(2, 2), (8, 8)], 86: [(2, 2), (8, 8)], 87: [(1, 29)]}),
    "two pieces at the sides": (
        {91: [(2, 2), (7, 2), (18, 3), (24, 3)], 93: [(1, 12), (15, 20)], 95: [(2, 2), (7, 2), (18, 3), (24, 3)]},
        {91: [(2, 7), (18, 9)], 93: [(1, 34)], 95: [(2, 7), (18, 9)]},
    ),
    "every second pixel": ({50: [(y, 1) for y in range(10, 41, 2)]}, {50: [(10, 31)]}),
    "long columns, few pixels, gaps too long": (
        LEFT,
        LEFT | {30: [(1, 48)], 40: [(1, 7), (19, 30)]},
    ),
}  # fmt: skip


def drawn(columns):
    mask = np.zeros((51, 100), dtype=bool)
    for x, runs in columns.items():
        for y, height in runs:
            mask[y : y + height, x] = True
    return mask


@pytest.mark.parametrize(("columns", "expected"), CASES.values(), ids=CASES)
def test_blinking_columns_are_filled_as_in_the_golden_table(columns, expected):
    # algorithms.md 7.3, blinking-column cases: threshold 10, gap 5 there; where a gap counts good pixels that is 4
    mask = drawn(columns)
    assert np.array_equal(mask | bad_columns.blinking(mask, 10, 4), drawn(expected))


def test_a_stray_pixel_is_left_outside():
    # algorithms.md 7.3, blinking-column cases: rows 110 to 140 by twos and one at 100; 9 good pixels are between
    mask = np.zeros((204, 100), dtype=bool)
    mask[110:141:2, 50] = mask[100, 50] = True
    filled = mask | bad_columns.blinking(mask, 10, 4)
    assert np.flatnonzero(filled[:, 50]).tolist() == [100, *range(110, 141)]


@pytest.mark.parametrize("name", ["gaps spared above", "gaps spared below"])
def test_a_gap_of_fewer_good_pixels_than_asked_is_filled(name):
    # algorithms.md 7.3, cases 80 and 87, and section 9 point 7: rows 4 to 7 are 4 good pixels, fewer than 5; they are
    # spared there by the off-by-one, 2 columns of 4 pixels, and filled here
    columns, expected = CASES[name]
    mask = drawn(columns)
    filled = mask | bad_columns.blinking(mask, 10, 5)
    more = filled & ~drawn(expected)
    assert more.sum() == 8
    assert set(np.flatnonzero(more.any(axis=1))) == {4, 5, 6, 7}


@pytest.mark.parametrize(("good", "filled"), [(28, True), (29, True), (30, False)])
def test_the_gap_is_counted_in_good_pixels(good, filled):
    mask = np.zeros((200, 3), dtype=bool)
    mask[10:40, 1] = mask[40 + good : 70 + good, 1] = True
    assert bool(bad_columns.blinking(mask, 50, 30).any()) is filled


def test_only_good_pixels_between_are_filled():
    mask = drawn(LEFT)
    assert not np.any(mask & bad_columns.blinking(mask, 10, 4))


def test_two_amplifiers_of_a_column_are_not_one():
    # algorithms.md 3.2 step 10: there, both are counted together
    mask = np.zeros((100, 4), dtype=bool)
    mask[30:66:3, 2] = True  # 7 and 5 of 12
    apart = [bad_columns.blinking(part, 10, 5) for part in (mask[:50], mask[50:])]
    assert not np.any(apart)
    assert bad_columns.blinking(mask, 10, 5).any()


def test_columns_with_enough_bad_pixels_are_bad_as_a_whole():
    # algorithms.md 7.3, "bad column, extend" and "no extend": threshold 25 in amplifiers of 51 rows
    chip = np.zeros((204, 200), dtype=bool)
    for x, y, height in ((20, 5, 30), (150, 10, 25), (50, 160, 30), (70, 0, 20), (71, 60, 22), (172, 110, 24)):
        chip[y : y + height, x] = True
    whole = np.zeros_like(chip)
    for y in range(0, 204, 51):
        for x in (0, 100):
            part = np.s_[y : y + 51, x : x + 100]
            whole[part] = bad_columns.filled(chip[part], 25)
    table = boxes.single(whole)
    got = set(zip(*(part.tolist() for part in (table.x0, table.y0, table.width, table.height)), strict=True))
    assert got == {(20, 0, 1, 51), (150, 0, 1, 51), (50, 153, 1, 51)}


def test_saturated_pixels_make_a_whole_column():
    # algorithms.md 7.3, "saturated column": 5 pixels
    saturated = np.zeros((51, 100), dtype=bool)
    saturated[40:45, 20] = saturated[40:44, 30] = True
    before = saturated.copy()
    assert np.flatnonzero(bad_columns.filled(saturated, 5).all(axis=0)).tolist() == [20]
    # 3.2 step 11: there, the mask of the input is changed in place
    assert np.array_equal(saturated, before)


def test_no_pixel_makes_no_column():
    assert not bad_columns.filled(np.zeros((5, 5), dtype=bool), 0).any()
    assert not bad_columns.blinking(np.zeros((5, 5), dtype=bool), 0, 5).any()


def noisy(sigma, seed=1, shape=(600, 200)):
    return np.random.default_rng(seed).normal(0.0, sigma, shape).astype(np.float32)


def test_a_faint_column_is_found_where_its_pixels_are_not():
    # decisions.md 3.8: 100 rows at 4 electron/s, cut 3; of 3 darks of 5 s, so that a sixth of its pixels is below it
    found, extra = 0, 0
    for seed in range(40):
        dark = noisy(1.0, seed)
        begin = 11 * seed
        dark[begin : begin + 100, 50 + seed] += 4.0
        mask = bad_columns.faint(dark, 3.0)
        found += mask[begin : begin + 100, 50 + seed].mean() >= 0.9
        mask[begin : begin + 100, 50 + seed] = False
        extra += int(mask.sum())
        assert not mask[:, np.arange(200) != 50 + seed].any()
    assert found == 40
    assert extra <= 40 * 4  # rows beyond its ends


def test_a_dim_column_is_found_in_a_faint_flat():
    lost = np.zeros((600, 200), dtype=np.float32)
    lost[300:400, 0] = 0.15
    lost += noisy(0.07, 4)
    mask = bad_columns.faint(lost, 0.1)
    assert mask[300:400, 0].mean() >= 0.9
    assert not mask[:, 1:].any()


def test_noise_is_never_a_faint_column():
    # 40 amplifiers: a tenth of what decisions.md 3.8 allows a detector would be 5 columns here
    for seed in range(40):
        assert not bad_columns.faint(noisy(3.0, seed), 0.5).any()


def test_a_cluster_of_hot_pixels_or_a_step_is_no_faint_column():
    dark = noisy(0.1)
    dark[100:120, 40] = 200.0
    dark[:, 100:] += 10.0  # a step: both sides are even
    dark += np.linspace(0.0, 50.0, 200, dtype=np.float32)  # a slope
    dark[5:, 150] = np.nan
    assert not bad_columns.faint(dark, 3.0).any()


def test_neighbouring_faint_columns_are_all_found():
    dark = noisy(0.5)
    dark[200:400, 20:24] += 4.0
    dark[:, 100] += 10.0
    mask = bad_columns.faint(dark, 3.0)
    assert mask[200:400, 20:24].mean() > 0.97
    assert mask[:, 100].all()
    assert np.flatnonzero(mask.any(axis=0)).tolist() == [20, 21, 22, 23, 100]


def test_two_pieces_of_a_faint_column_are_told_apart():
    dark = noisy(0.5)
    dark[50:160, 9] += 4.0
    dark[400:550, 9] += 4.0
    rows = np.flatnonzero(bad_columns.faint(dark, 3.0)[:, 9])
    assert np.all(np.abs(rows[[0, -1]] - [50, 549]) <= 2)
    assert not np.any((rows > 165) & (rows < 395))


@pytest.mark.parametrize("shape", [(1, 1), (7, 3), (24, 30), (26, 1)])
def test_an_amplifier_may_be_small(shape):
    assert not bad_columns.faint(noisy(0.1, shape=shape), 3.0).any()
