from __future__ import annotations

import numpy as np
import pytest

from latcal.numerics import boxes, footprints


@pytest.mark.parametrize(("across", "up"), [(5, 5), (7, 8), (0, 3)])
def test_the_edges_of_a_detector_have_as_many_pixels_as_they_should(across, up):
    # algorithms.md 7.3, "edge bits": n = x v 2 + y h 2 - 4 h v
    height, width = 204, 200
    mask = footprints.edges((height, width), bottom=up, top=up, left=across, right=across)
    assert mask.sum() == width * up * 2 + height * across * 2 - 4 * across * up


def test_an_inner_amplifier_loses_no_strip():
    # algorithms.md 3.2 step 2: there, every amplifier but the lowest loses its upper strip; 3 x 200 x 7 pixels too many
    # of the golden chip are lost by that at a border of 7
    kept = np.zeros((204, 200), dtype=bool)
    for y in range(0, 204, 51):
        kept[y : y + 51] = ~footprints.edges((51, 200), bottom=7 if y == 0 else 0, top=7 if y == 153 else 0)
    assert np.array_equal(kept, ~footprints.edges((204, 200), bottom=7, top=7))
    lost_there = sum(51 - 7 for _ in range(4)) * 200
    assert kept.sum() - lost_there == 2 * 200 * 7


def test_an_edge_wider_than_the_detector_is_all_of_it():
    assert footprints.edges((4, 5), left=9).all()
    assert footprints.edges((4, 5), bottom=3, top=3).all()


def test_saturated_pixels_spoil_their_rows_up_to_the_edge():
    # algorithms.md 7.3, "saturated dilation 2"
    mask = np.zeros((204, 200), dtype=bool)
    mask[5:25, 22] = mask[5:15, 199] = mask[160:175, 1] = True
    table = boxes.single(footprints.along_rows(mask, 2))
    got = list(zip(*(part.tolist() for part in (table.x0, table.y0, table.width, table.height)), strict=True))
    assert got == [(0, 160, 4, 15), (20, 5, 5, 20), (197, 5, 3, 10)]


def test_a_disc_is_round_and_ends_at_the_edge():
    mask = np.zeros((9, 9), dtype=bool)
    mask[4, 4] = True
    y, x = np.indices(mask.shape) - 4
    for radius in (0.0, 1.0, 1.5, 3.0):
        assert np.array_equal(footprints.disc(mask, radius), y * y + x * x <= radius * radius)
    mask[4, 4], mask[0, 0] = False, True
    assert np.argwhere(footprints.disc(mask, 1.0)).tolist() == [[0, 0], [0, 1], [1, 0]]
    assert mask.sum() == 1
