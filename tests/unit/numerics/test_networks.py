from __future__ import annotations

import itertools

import numpy as np
import pytest

from latcal.numerics.networks import network, ordered


@pytest.mark.parametrize("count", range(1, 11))
def test_a_network_sorts_everything_of_zeros_and_ones(count):
    # Knuth 1998, 5.3.4, theorem Z: what sorts all zeros and ones sorts all numbers
    every = np.array(list(itertools.product([0.0, 1.0], repeat=count)), dtype=np.float32).T.copy()
    assert np.array_equal(ordered(every.copy(), network(count, range(count))), np.sort(every, axis=0))


@pytest.mark.parametrize("count", [19, 20, 64, 65, 200])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_the_wanted_ranks_are_those_of_a_sort(count, kind):
    planes = np.random.default_rng(count).normal(size=(count, 500)).astype(kind)
    planes[3, ::7] = np.inf
    wanted = (0, count // 4, (count - 1) // 2, count // 2)
    ranks = ordered(planes.copy(), network(count, wanted))
    for rank in wanted:
        assert np.array_equal(ranks[rank], np.sort(planes, axis=0)[rank])


def test_what_nobody_asks_for_is_left_out():
    assert not network(20, [])
    assert len(network(20, [10])) < len(network(20, range(20))) < 20 * 19 / 2 * 0.6
