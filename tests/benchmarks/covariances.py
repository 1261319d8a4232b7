"""Time the extraction of a photon transfer curve at the size of LATISS, beside two plain ways to the same sums.

``python tests/benchmarks/covariances.py [--pairs N] [--json FILE]``: 16 amplifiers of 509 x 2000 pixels, 20 pairs of flats, lag 10,
2 processes. One pair of flats of each amplifier stands for all of its pairs: the same work is done for each. The peers work on
the same matched and clipped differences, in double precision as we do, and on `PEER_PAIRS` pairs: their times are for one pair.
Every process does one thing, so that its peak memory is that thing's, its interpreter and its flats included. The table has
processor seconds, which other programs on the machine stretch less than those of a clock.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import resource
import time
from pathlib import Path

import numpy as np

from latcal.numerics.covariance import pair_covariances
from latcal.numerics.flat_pair import FlatPair
from latcal.numerics.lagged_sums import LaggedSums

AMPLIFIERS, SHAPE, PAIRS, LAGS, PROCESSES = 16, (2000, 509), 20, 10, 2
PEER_PAIRS = 2
LEVEL, NOISE = 20_000.0, 8.0


def flats(amplifier):
    """Give a pair of flats, with 5 columns masked and some cosmic rays."""
    random = np.random.default_rng(amplifier)
    pair = [random.normal(LEVEL, (LEVEL + NOISE**2) ** 0.5, SHAPE).astype(np.float32) for _ in range(2)]
    pair[0][:, 100:105] = np.nan
    pair[1][random.integers(0, SHAPE[0], 200), random.integers(0, SHAPE[1], 200)] += 3_000.0
    return pair


def folded(products, weights, left, right):
    """Give the covariances from sums at lags of both signs, (2 lags - 1, lags), serial first."""
    with np.errstate(invalid="ignore", divide="ignore"):
        total = products - left * right / weights
    middle = LAGS - 1
    both = total[middle:] + total[middle::-1]
    count = weights[middle:] + weights[middle::-1]
    both[0], count[0] = total[middle], weights[middle]
    both[:, 0], count[:, 0] = total[middle:, 0], weights[middle:, 0]
    return both / count


def numpy_fft(difference, kept):
    """Give the sums by numpy.fft of the whole amplifier, padded to powers of two."""
    shape = tuple(2 ** int(np.ceil(np.log2(size + LAGS))) for size in SHAPE)
    pixels, mask = (np.fft.rfft2(each, shape) for each in (difference.astype(float), kept.astype(float)))
    serial = np.arange(-LAGS + 1, LAGS)

    def sums(first, second):
        return np.fft.irfft2(first.conj() * second, shape)[:LAGS, serial].T

    return folded(sums(pixels, pixels), np.rint(sums(mask, mask)), sums(pixels, mask), sums(mask, pixels))


def direct(difference, kept):
    """Give the sums lag by lag."""
    pixels, mask = difference.astype(float), kept.astype(float)
    found = np.empty((4, 2 * LAGS - 1, LAGS))
    for serial in range(-LAGS + 1, LAGS):
        for parallel in range(LAGS):
            here = (slice(0, SHAPE[0] - parallel), slice(max(0, -serial), SHAPE[1] - max(0, serial)))
            there = (slice(parallel, SHAPE[0]), slice(max(0, serial), SHAPE[1] - max(0, -serial)))
            sums = [
                np.einsum("ij,ij->", first[here], second[there])
                for first, second in ((pixels, pixels), (mask, mask), (pixels, mask), (mask, pixels))
            ]
            found[:, serial + LAGS - 1, parallel] = sums
    return folded(*found)


def ours(difference, kept):
    return LaggedSums.of(difference, kept, LAGS).covariances


SUMS = {"latcal": ours, "numpy.fft": numpy_fft, "lag by lag": direct}


def extracted(name, first, second):
    """Do what latcal does with a pair, with the sums of a peer."""
    if name == "latcal":
        return pair_covariances(first, second, noise=NOISE, lags=LAGS)
    pair = FlatPair.of(first, second, noise=NOISE)
    return SUMS[name](pair.difference, pair.kept)


def work(name, amplifiers, pairs, start, answers):
    """Extract, and tell from when to when it took, processor seconds of a pair and of its sums, and the peak memory [MB]."""
    all_flats = [flats(amplifier) for amplifier in amplifiers]
    extracted(name, *all_flats[0])  # what is imported late, is
    start.wait()
    began, busy = time.perf_counter(), time.process_time()
    for first, second in all_flats:
        for _ in range(pairs):
            extracted(name, first, second)
    ended, one = time.perf_counter(), (time.process_time() - busy) / (pairs * len(all_flats))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    pair = FlatPair.of(*all_flats[0], noise=NOISE)
    busy = time.process_time()
    for _ in range(PEER_PAIRS):
        SUMS[name](pair.difference, pair.kept)
    answers.put((began, ended, one, (time.process_time() - busy) / PEER_PAIRS, peak))


def measured(name, pairs):
    """Give seconds of the whole, processor seconds of a pair and of its sums, and peak memory of all processes [MB]."""
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(PROCESSES), context.Queue()
    shares = [range(first, AMPLIFIERS, PROCESSES) for first in range(PROCESSES)]
    workers = [context.Process(target=work, args=(name, share, pairs, start, answers)) for share in shares]
    for worker in workers:
        worker.start()
    told = np.array([answers.get() for _ in workers])
    for worker in workers:
        worker.join()
    seconds = float(told[:, 1].max() - told[:, 0].min())
    main = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    one, sums = (float(each) for each in told[:, 2:4].mean(axis=0))
    return {"seconds": seconds, "pair": one, "sums": sums, "megabytes": float(told[:, 4].sum() + main)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=PAIRS, help="pairs of flats that latcal works on")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    options = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    first, second = flats(0)
    pair = FlatPair.of(first, second, noise=NOISE)
    wanted = direct(pair.difference, pair.kept)
    error = pair.variance / np.sqrt(pair.pixels)
    apart = {name: float(np.abs(sums(pair.difference, pair.kept) - wanted).max() / error) for name, sums in SUMS.items()}
    del first, second, pair
    found = {name: measured(name, options.pairs if name == "latcal" else PEER_PAIRS) for name in SUMS}
    mine = found["latcal"]
    print(f"Python {platform.python_version()}, numpy {np.__version__}, {os.cpu_count()} processors, {PROCESSES} processes")
    print(
        f"latcal: {options.pairs} pairs of {AMPLIFIERS} amplifiers of {SHAPE[1]} x {SHAPE[0]} pixels, lag {LAGS}: "
        f"{mine['seconds']:.1f} s, at most {mine['megabytes']:.0f} MB in all processes\n"
    )
    print("| sums | whole pair [s] | ratio | sums alone [s] | ratio | memory [MB] | off by, of a statistical error |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, told in found.items():
        whole, sums = told["pair"] / mine["pair"], told["sums"] / mine["sums"]
        print(
            f"| {name} | {told['pair']:.3f} | {whole:.1f} | {told['sums']:.3f} | {sums:.1f} | {told['megabytes']:.0f} "
            f"| {apart[name]:.0e} |"
        )
    if options.json:
        options.json.write_text(json.dumps({"figures": found, "off_by_errors": apart}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
