"""Work out, from what `scale.py` measured, how long the daily set of LSSTCam takes on clusters of N nodes.

``python tests/benchmarks/cluster.py SMALL.json FULL.json [--cores 32] [--bandwidth 5] [--nodes 1,2,3,4,6,8,12]``

`SMALL.json` is a run of `scale.py` with up to 189 small detectors: it tells what scheduler and client do for a task. `FULL.json` is one
with a detector of full size (``--columns 509 --rows 2000 --detectors 1 --frames 8``): it tells what a frame costs a worker in a Build and
a Verify, its part of the product included. docs/scale.md has the formulas.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from pathlib import Path

DETECTORS, SETS = 189, {"bias": 20, "dark": 22, "flat": 20}
"""Of each set the exposures that are used; one more of each is discarded."""
CAMERA_S = 4 * 5 + 2 * 15 + 17 * 30 + 21 * 5 + 65 * 2.3
"""Exposure times of the daily set, and 2.3 s for each of its 65 exposures."""
READ = {"bias": 5, "dark": 3, "flat": 1}
"""How often a product is read: by its own Verify, and by Build and Verify of what needs it."""


def processor_s(told, workers, key):
    """Give the processor seconds for a detector in one Build and Verify, of the greatest number of detectors."""
    most = max(run["detectors"] for run in told["runs"])
    mine = [run[key] for run in told["runs"] if (run["detectors"], run["workers"]) == (most, workers)]
    return statistics.median(mine) / most


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs=2)
    parser.add_argument("--cores", type=int, default=32, help="of a node")
    parser.add_argument("--bandwidth", type=float, default=5.0, help="of the store [GB/s]")
    parser.add_argument("--nodes", default="1,2,3,4,6,8,12", help="numbers of nodes")
    args = parser.parse_args()
    small, full = (json.loads(path.read_text(encoding="utf-8")) for path in args.runs)
    frame, here = processor_s(full, 1, "cpu_tasks") / full["frames"], processor_s(small, 2, "cpu_here") / 2
    size = full["size"]
    a_set = {kind: frames * frame for kind, frames in SETS.items()}
    raw = DETECTORS * sum(SETS.values()) * size["raw_bytes"] / 1e9
    products = DETECTORS * sum(1 + READ[kind] for kind in SETS) * size["product_bytes"] / 1e9
    one_place = here * 2 * len(SETS) * DETECTORS
    print(f"b = {frame:.2f} s for a frame, h = {1000 * here:.0f} ms for a task; r = {size['raw_bytes'] / 1e6:.0f} MB, "
          f"p = {size['product_bytes'] / 1e6:.0f} MB; i = {size['ingest']:.2f} s")  # fmt: skip
    print(f"processors {DETECTORS * sum(a_set.values()) / 3600:.1f} h; store {raw:.0f} GB of raw frames, {products:.0f} GB of products; "
          f"scheduler and client {one_place:.0f} s; camera {CAMERA_S / 60:.0f} min; "
          f"one computer enters 65 exposures in {65 * DETECTORS * size['ingest'] / 60:.0f} min\n")  # fmt: skip
    print(f"| nodes | workers | processors [min] | store bandwidth that this asks for [GB/s] | time at {args.bandwidth:g} GB/s [min] | limited by |")
    print("| --- | --- | --- | --- | --- | --- |")
    for nodes in map(int, args.nodes.split(",")):
        workers = nodes * args.cores
        work = sum(math.ceil(DETECTORS / workers) * cost for cost in a_set.values())
        parts = {"processors": work, "store": (raw + products) / args.bandwidth, "scheduler and client": one_place}
        if workers >= DETECTORS:
            parts["one detector"] = parts.pop("processors")
        longest = max(parts, key=parts.get)
        print(f"| {nodes} | {workers} | {work / 60:.1f} | {(raw + products) / work:.1f} | {parts[longest] / 60:.1f} | {longest} |")


if __name__ == "__main__":
    main()
