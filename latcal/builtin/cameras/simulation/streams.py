"""Random numbers that depend on what they are for, never on what was drawn before."""

from __future__ import annotations

import enum

import numpy as np


class Stream(enum.IntEnum):
    """What random numbers are for; each has a stream of its own, so that one effect never shifts another."""

    CHANNEL = 0
    RESPONSE = 1
    HOT = 2
    PIXELS = 3
    RAYS = 4
    LAMP = 5
    COLUMNS = 6
    TELEGRAPH = 7
    JUMPS = 8
    SETTLING = 9
    CROSSTALK = 10
    RESET = 11
    NOISE = 12
    HOT_COUNTS = 13
    COLUMN_COUNTS = 14


def generator(seed: int, stream: Stream, *key: int) -> np.random.Generator:
    """Give the random generator of one stream.

    Parameters
    ----------
    seed : int
    stream : Stream
    key : int
        What else tells it apart: index of the exposure, id of the detector, place of the amplifier.
    """
    sequence = np.random.SeedSequence(seed, spawn_key=(int(stream), *key))
    return np.random.Generator(np.random.PCG64(sequence))
