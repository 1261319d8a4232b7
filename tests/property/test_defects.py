from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from latcal.numerics import bad_columns, boxes, defects, footprints, growth, instability, reasons

few = settings(max_examples=60, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)
fractions = st.sampled_from([0.0, 0.25, 0.5, 0.7, 1.0])
SHAPE = (23, 17)


def masks(seed, count=1, part=0.2):
    return np.random.default_rng(seed).random((count, *SHAPE)) < part


def planes(seed, count):
    random = np.random.default_rng(seed)
    return list(np.where(masks(seed, count, 0.4), random.integers(1, 2**11, (count, *SHAPE)), 0).astype(np.uint16))


@few
@given(seeds, st.integers(1, 40), st.integers(1, 40), st.floats(0.0, 1.0))
def test_boxes_draw_the_mask_they_were_made_of(seed, height, width, part):
    mask = np.random.default_rng(seed).random((height, width)) < part
    found = boxes.single(mask)
    assert np.array_equal(boxes.draw(found, mask.shape) != 0, mask)
    assert int((found.width * found.height).sum()) == int(mask.sum())  # so none overlaps another


@few
@given(seeds)
def test_boxes_of_drawn_boxes_are_the_same(seed):
    (plane,) = planes(seed, 1)
    first = boxes.of(plane)
    again = boxes.of(boxes.draw(first, SHAPE))
    order = np.random.default_rng(seed).permutation(len(first))
    parts = ("x0", "y0", "width", "height", "reason")
    shuffled = boxes.Boxes(*(getattr(first, part)[order] for part in parts))
    for other in (again, boxes.of(boxes.draw(shuffled, SHAPE))):
        assert all(np.array_equal(getattr(first, part), getattr(other, part)) for part in parts)


@few
@given(seeds, st.integers(1, 8), fractions)
def test_or_keeps_no_less_than_a_fraction_and_that_no_less_than_and(seed, count, fraction):
    maps = planes(seed, count)
    either, some, every = (reasons.merge(maps, part) != 0 for part in (0.0, fraction, 1.0))
    assert np.array_equal(either, np.any(maps, axis=0))
    assert np.array_equal(every, np.all(maps, axis=0))
    assert np.all(either >= some)
    assert np.all(some >= every)


@few
@given(seeds, st.integers(1, 8), fractions)
def test_the_order_of_maps_does_not_matter(seed, count, fraction):
    maps = planes(seed, count)
    order = np.random.default_rng(seed).permutation(count)
    assert np.array_equal(reasons.merge(maps, fraction), reasons.merge([maps[at] for at in order], fraction))


@few
@given(seeds, st.integers(1, 8), fractions)
def test_equal_maps_merge_to_themselves(seed, count, fraction):
    (plane,) = planes(seed, 1)
    assert np.array_equal(reasons.merge([plane] * count, fraction), plane)


@few
@given(seeds, st.integers(0, 3), st.integers(0, 3))
def test_growing_keeps_the_mask_and_the_order_of_masks(seed, radius, more):
    small, extra = masks(seed, 2, 0.05)
    large = small | extra
    for grow in (footprints.disc, footprints.along_rows, growth.grown):
        assert np.all(grow(small, radius) >= small)
        assert np.all(grow(large, radius) >= grow(small, radius))
        assert np.all(grow(small, radius + more) >= grow(small, radius))


@few
@given(seeds, st.integers(1, 12), st.integers(1, 12))
def test_filled_columns_are_stable_and_grow_with_what_they_are_made_of(seed, least, gap):
    (mask,) = masks(seed, 1, 0.3)
    done = mask | bad_columns.blinking(mask, least, gap)
    assert not bad_columns.blinking(done, least, gap).any()
    assert np.all(mask | bad_columns.blinking(mask, least, gap + 1) >= done)
    assert np.all(bad_columns.blinking(mask, least + 1, gap) <= bad_columns.blinking(mask, least, gap))
    assert np.array_equal(done[::-1], mask[::-1] | bad_columns.blinking(mask[::-1], least, gap))
    assert np.all(bad_columns.filled(mask, least) >= bad_columns.filled(mask, least + 1))


@few
@given(seeds, st.integers(-1000, 1000), st.integers(-6, 6))
def test_bright_pixels_follow_shift_and_scale(seed, shift, power):
    # whole numbers and powers of two, so that nothing is rounded
    image = np.rint(np.random.default_rng(seed).normal(0.0, 20.0, SHAPE)).astype(np.float32)
    scale = np.float32(2.0**power)
    first = defects.bright(image, 30.0, 4.0)
    assert np.array_equal(first, defects.bright((image + np.float32(shift)) * scale, 30.0 * scale, 4.0 * scale))


@few
@given(seeds, st.integers(0, 22), st.integers(0, 16))
def test_pixels_are_found_wherever_they_are(seed, up, right):
    image = np.random.default_rng(seed).normal(0.0, 20.0, SHAPE).astype(np.float32)
    moved = np.roll(image, (up, right), (0, 1))
    assert np.array_equal(np.roll(defects.bright(image, 30.0), (up, right), (0, 1)), defects.bright(moved, 30.0))
    assert np.array_equal(np.roll(defects.dim(image, -20.0), (up, right), (0, 1)), defects.dim(moved, -20.0))


@few
@given(seeds, st.integers(0, 60), st.integers(0, 40))
def test_faint_columns_follow_shift_and_mirror(seed, shift, x):
    dark = np.rint(np.random.default_rng(seed).normal(0.0, 8.0, (200, 41))).astype(np.float32)
    dark[50:150, x] += 32.0
    first = bad_columns.faint(dark, 16.0)
    assert first[50:150, x].mean() > 0.9
    assert np.array_equal(first, bad_columns.faint(dark + np.float32(shift), 16.0))
    assert np.array_equal(first[:, ::-1], bad_columns.faint(dark[:, ::-1], 16.0))


@few
@given(seeds, st.integers(5, 60))
def test_the_order_of_frames_does_not_make_a_pixel_unstable(seed, frames):
    random = np.random.default_rng(seed)
    cube = random.normal(0.0, 8.0, (frames, *SHAPE))
    cube += np.where(random.random(cube.shape) < 0.4, random.uniform(0.0, 200.0, SHAPE), 0.0)
    cube[random.random(cube.shape) < 0.02] = np.nan
    cube = cube.astype(np.float32)
    times, noise = random.choice([5.0, 15.0, 30.0], frames), random.uniform(6.0, 10.0, frames)
    order = random.permutation(frames)

    def found(order):
        reads = [lambda rows, frame=cube[at]: frame[rows].copy() for at in order]
        return instability.find(reads, times[order], noise[order], SHAPE)

    first, second = found(np.arange(frames)), found(order)
    # sums in another order: none of these 391 pixels is within rounding of its limit
    assert np.array_equal(first.unstable, second.unstable)
    assert np.array_equal(first.missing, second.missing)


@few
@given(seeds, st.integers(-6, 6))
def test_unstable_pixels_follow_a_scale_of_time(seed, power):
    random = np.random.default_rng(seed)
    cube = (random.normal(40.0, 8.0, (20, *SHAPE)) + 60.0 * (random.random((20, *SHAPE)) < 0.3)).astype(np.float32)
    reads = [lambda rows, frame=frame: frame[rows].copy() for frame in cube]
    first, second = (instability.find(reads, [time] * 20, [8.0] * 20, SHAPE) for time in (30.0, 30.0 * 2.0**power))
    assert np.array_equal(first.unstable, second.unstable)
    assert first.unstable.any()
