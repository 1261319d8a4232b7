"""Maps of bad pixels, and the truth of decisions.md 3.8 kind by kind on frames made here."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from latcal.errors import BuildError
from latcal.numerics import combine, defect_maps, footprints, instability, reasons
from latcal.numerics.defect_maps import Cuts, Evidence, Finishing
from latcal.numerics.reasons import Reason

SHAPE = (1000, 200)
PIXELS = 80
FRAMES, TIME, NOISE, LEVEL = 20, 30.0, 9.0, 18_000.0
EDGE = 9
COLUMNS = 12 + 17 * np.arange(11)


def readers(cube):
    return [lambda rows, frame=frame: frame[rows].copy() for frame in cube]


class Amplifier:
    """An amplifier whose truth is known: decisions.md 3.8, 20 darks of 30 s and 20 flats of 18,000 electrons."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.rate = np.full(SHAPE, 0.02)
        self.response = 1.0 + 0.004 * self.random.standard_normal(SHAPE)
        self.known = footprints.edges(SHAPE, left=EDGE, bottom=EDGE)
        self.objects = []
        even = ~self.known
        even[:, COLUMNS] = False  # a bad pixel beside the end of a column is part of it
        free = self.random.permutation(np.flatnonzero(even))
        hot, cold, self.jumping = free[: 3 * PIXELS].reshape(3, PIXELS)
        self.rate.reshape(-1)[hot] += self.random.uniform(4.0, 200.0, PIXELS)
        self.response.reshape(-1)[cold] *= self.random.uniform(0.0, 0.85, PIXELS)
        for kind, places in (("hot", hot), ("cold", cold), ("telegraph", self.jumping)):
            self.objects += [(kind, np.unravel_index([place], SHAPE)) for place in places]
        self.columns()

    def columns(self):
        xs = iter(COLUMNS)
        for kind in ("bright column", "dim column", "blinking column"):
            for x in (next(xs), next(xs), next(xs)):
                count = int(self.random.integers(100, 450))
                rows = int(self.random.integers(EDGE, SHAPE[0] - count)) + np.arange(count)
                if kind == "bright column":
                    self.rate[rows, x] += 4.0
                elif kind == "dim column":
                    self.response[rows, x] *= 0.85
                else:  # every second row, and gaps of up to 29 in the second half
                    bad = np.concatenate([rows[: count // 2 : 2], rows[count // 2 :: 28]])
                    bad = bad if bad.size >= 50 else rows[::2]
                    self.rate[bad, x] += 10.0
                    rows = np.arange(bad[0], bad[-1] + 1)
                self.objects.append((kind, (rows, np.full(rows.size, x))))
        self.dead, self.full = next(xs), next(xs)
        self.response[:, self.dead] = 0.0
        for kind, x in (("dead column", self.dead), ("saturated column", self.full)):
            self.objects.append((kind, (np.arange(EDGE, SHAPE[0]), np.full(SHAPE[0] - EDGE, x))))

    def frames(self, mean, rays):
        noise = np.sqrt(mean + NOISE**2).astype(np.float32)
        cube = self.random.standard_normal((FRAMES, *SHAPE), dtype=np.float32) * noise + mean.astype(np.float32)
        heights, duties = self.random.uniform(60.0, 300.0, PIXELS), self.random.uniform(0.3, 0.7, PIXELS)
        for frame in cube:
            up = self.random.random(PIXELS) < duties
            frame.reshape(-1)[self.jumping] += np.where(up, heights, 0.0).astype(np.float32)
            for _ in range(self.random.poisson(rays)):
                row, column = self.random.integers(0, SHAPE[0] - 20), self.random.integers(0, SHAPE[1] - 10)
                frame[row + np.arange(20), column + np.arange(20) // 2] += 1_500.0
        cube[:, :, self.full] = np.nan
        return cube

    def map(self):
        y, x = np.meshgrid(*(np.linspace(-1.0, 1.0, size) for size in SHAPE), indexing="ij")
        light = LEVEL * (1.0 + 0.0125 * (x - y * y))
        # 2 rays per cm^2 and minute: 0.2 in each dark; a few in the flats
        darks, flats = self.frames(self.rate * TIME, 0.2), self.frames(self.response * light, 0.05)
        times, noise = [TIME] * FRAMES, [NOISE] * FRAMES
        dark = combine.rate(readers(darks), times, noise, SHAPE)
        flat = combine.mean(readers(flats), noise, SHAPE, scale=[LEVEL] * FRAMES, poisson=True)
        jumps = instability.find(readers(darks), times, noise, SHAPE)
        evidence = Evidence(
            dark=dark.image,
            dark_sigma=np.sqrt(dark.variance),
            flat=np.where(flat.image >= 0.05, flat.image, np.float32(np.nan)),
            unstable=jumps.unstable,
            saturated=jumps.missing >= FRAMES / 2,
        )
        return defect_maps.find(evidence, Cuts(), footprints.edges(SHAPE, left=EDGE, bottom=EDGE))


def test_every_kind_of_defect_is_found_and_nothing_else():
    tally, false = {}, 0
    for seed in (1, 2):
        amplifier = Amplifier(seed)
        found = amplifier.map()
        known = amplifier.known.copy()
        for kind, places in amplifier.objects:
            tally.setdefault(kind, []).append(bool((found[places] != 0).mean() >= 0.9))
            known[places] = True
        known[:, [amplifier.dead, amplifier.full]] = True  # filled to the edge
        near = ndimage.binary_dilation(known, np.ones((7, 1)))  # the ends of columns are good to a few rows
        false += ndimage.label((found != 0) & ~near, np.ones((3, 3)))[1]
    assert {kind: sum(hits) / len(hits) >= 0.99 for kind, hits in tally.items()} == dict.fromkeys(tally, True)
    assert sorted(tally) == [
        "blinking column", "bright column", "cold", "dead column", "dim column", "hot", "saturated column", "telegraph",
    ]  # fmt: skip
    # 20 in a detector of 16 million pixels are half of one here
    assert false == 0


def test_reasons_say_what_is_wrong():
    amplifier = Amplifier(3)
    found = amplifier.map()
    expected = {
        "hot": Reason.HOT,
        "cold": Reason.COLD | Reason.DEAD,
        "telegraph": Reason.UNSTABLE,
        "bright column": Reason.COLUMN,
        "dim column": Reason.COLUMN,
        "blinking column": Reason.BLINKING | Reason.COLUMN,
        "dead column": Reason.DEAD,
        "saturated column": Reason.SATURATED,
    }
    for kind, places in amplifier.objects:
        assert np.any(found[places] & np.uint16(expected[kind])), kind
    counts = reasons.count(found)
    assert counts["columns"] == 11
    assert counts["hot"] >= PIXELS


def quiet(seed, shape=(200, 80)):
    """A dark and a flat of an amplifier of the bench, of 100 frames each."""
    random = np.random.default_rng(seed)
    dark = random.normal(0.02, 9.0 / 30.0 / 10.0, shape).astype(np.float32)
    flat = (1.0 + random.normal(0.0, np.hypot(0.004, 0.00075), shape)).astype(np.float32)
    hot = random.random(shape) < 1e-3  # ten times what the simulator makes
    dark[hot] += random.uniform(4.0, 200.0, np.count_nonzero(hot)).astype(np.float32)
    return dark, flat


def test_a_hundred_darks_and_flats_have_no_false_column():
    # decisions.md 3.8 and the issue: on the bench, 16 amplifiers
    for seed in range(16):
        dark, flat = quiet(seed)
        found = defect_maps.find(Evidence(dark=dark, flat=flat, dark_sigma=0.03), Cuts())
        counts = reasons.count(found)
        assert (counts["columns"], counts["cold"], counts["unstable"]) == (0, 0, 0)
        assert counts["hot"] == counts["pixels"]


def test_a_column_that_is_bad_in_half_of_its_rows_is_bad():
    dark, flat = quiet(1)
    dark[:100, 7] = dark[:99, 9] = 50.0
    found = defect_maps.find(Evidence(dark=dark, flat=flat), Cuts())
    assert np.all(found[:, 7] & np.uint16(Reason.COLUMN))
    assert np.flatnonzero(found[:, 9]).max() < 110


def test_saturated_pixels_spoil_their_column_and_others_do_not():
    dark, _ = quiet(2)
    saturated = np.zeros(dark.shape, dtype=bool)
    saturated[:20, 30] = saturated[:19, 40] = True
    found = defect_maps.find(Evidence(dark=dark, saturated=saturated), Cuts())
    assert np.all(found[:, 30] & np.uint16(Reason.COLUMN))
    assert np.count_nonzero(found[:, 40]) <= 20


def test_a_bias_of_a_thousand_electrons_is_bad():
    # algorithms.md 3.1: the threshold of the bias
    bias = np.random.default_rng(3).normal(0.0, 2.0, (50, 60)).astype(np.float32)
    bias[4, 5], bias[6, 7], bias[8, 9] = 1_010.0, 980.0, np.nan
    found = defect_maps.find(Evidence(bias=bias), Cuts())
    assert found[4, 5] == Reason.BRIGHT
    assert found[8, 9] == Reason.DEAD
    assert np.count_nonzero(found) == 2


def test_rows_that_are_dead_are_one_box_of_the_detector():
    # algorithms.md 7.3, "e2v midline": rows without light give 16 boxes there, one for each amplifier, or none for
    # sensors of that vendor; here boxes are those of the detector, and what a sensor is made like is no reason to be silent
    chip = np.random.default_rng(4).normal(20_000.0, 160.0, (404, 512)).astype(np.float32)
    chip[201:203] = 0.0
    found = np.zeros(chip.shape, dtype=np.uint16)
    for y in (0, 202):
        for x in range(0, 512, 64):
            part = np.s_[y : y + 202, x : x + 64]
            found[part] = defect_maps.find(Evidence(flat=chip[part]), Cuts())
    assert np.flatnonzero(found.any(axis=1)).tolist() == [201, 202]
    assert np.all(found[201:203] & np.uint16(Reason.COLD))


def test_without_evidence_there_is_no_map():
    with pytest.raises(BuildError, match="neither dark, flat nor bias"):
        defect_maps.find(Evidence(), Cuts())


def test_nothing_is_found_apart():
    dark, flat = quiet(5)
    dark[:, 0] = 100.0
    dark[:9, 20] = 100.0
    apart = footprints.edges(dark.shape, bottom=9, left=9)
    assert not defect_maps.find(Evidence(dark=dark, flat=flat), Cuts(), apart)[apart].any()


def test_a_detector_is_finished_across_its_amplifiers():
    found = np.zeros((20, 30), dtype=np.uint16)
    found[5, 14] = Reason.SATURATED
    found[10, 20] = Reason.HOT
    edge = footprints.edges(found.shape, left=2)
    manual = np.zeros(found.shape, dtype=bool)
    manual[18, 28] = True
    done = defect_maps.finish(found, Finishing(saturated_radius=2, radius=1, edge=edge, manual=manual))
    assert np.all(done[5, 12:17] & np.uint16(Reason.SATURATED))
    assert np.all(done[4:7, [11, 17]] == Reason.DILATED)
    assert done[10, 20] == Reason.HOT
    assert np.count_nonzero(done[9:12, 19:22] == Reason.DILATED) == 8
    assert np.all(done[:, :2] == Reason.EDGE)
    assert done[18, 28] == Reason.MANUAL
    assert np.count_nonzero(done) == 7 * 3 + 9 + 40 + 1
    assert np.array_equal(defect_maps.finish(found, Finishing(saturated_radius=0)), found)
