from __future__ import annotations

import numpy as np

from latcal.numerics import correct


def reader(array):
    return lambda rows: array[rows]  # a view, on purpose: nothing may change it


FRAME = np.arange(12, dtype=np.float32).reshape(4, 3)


def test_subtract_takes_any_number_of_readers():
    read = correct.subtract(reader(FRAME), reader(np.ones_like(FRAME)), reader(2 * np.ones_like(FRAME)))
    assert np.array_equal(read(slice(1, 3)), FRAME[1:3] - 3)


def test_subtract_scaled_keeps_float32():
    rest = correct.subtract_scaled(reader(FRAME), reader(np.ones_like(FRAME)), 0.5)(slice(0, 4))
    assert rest.dtype == np.float32
    assert np.array_equal(rest, FRAME - 0.5)


def test_divide_by_nothing_is_nan_without_a_warning():
    flat = np.full_like(FRAME, 2.0)
    flat[0] = [0.0, np.nan, np.inf]
    flat[1] = [1e-45, -np.inf, 2.0]
    quotient = correct.divide(reader(FRAME), reader(flat))(slice(0, 4))
    assert np.isnan(quotient[0]).all()
    assert np.array_equal(np.isnan(quotient[1]), [True, True, False])
    assert np.array_equal(quotient[2:], FRAME[2:] / 2)


def test_corrections_leave_their_inputs_alone():
    frame, other = FRAME.copy(), np.zeros_like(FRAME)
    for read in (
        correct.subtract(reader(frame), reader(other)),
        correct.subtract_scaled(reader(frame), reader(other), 2.0),
        correct.divide(reader(frame), reader(other)),
    ):
        read(slice(0, 4))[...] = -1.0
    assert np.array_equal(frame, FRAME)
    assert np.array_equal(other, np.zeros_like(FRAME))
