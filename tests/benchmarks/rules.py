"""Time how long it takes to judge and report the frames of LSSTCam, beside a plain loop that only compares and counts.

``python tests/benchmarks/rules.py [--json FILE]``: 205 detectors of 16 amplifiers, 20 exposures, 5 rules of amplifiers. All that a
run does with them is timed: rules, counts, the median of every metric, the page of the console, the page of the LATISS procedure, the
verdict that the store keeps. (The table of all measurements is numbers, not judgement; it is timed by itself.) In a good night 1
amplifier in 100 fails; in a bad one all of them do. The peer walks the same numbers as lists, compares each with its limit and
counts failures by exposure, detector and rule; it describes nothing. Medians of `RUNS` runs, with the least and the greatest.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections import Counter
from pathlib import Path

import numpy as np

from latcal.builtin.reporters.failures import failures
from latcal.builtin.reporters.latiss_page import Names, page
from latcal.engine.judging import numbers
from latcal.formats.columns import measurements_ecsv
from latcal.formats.journal import verdict_json
from latcal.model.events import StageLine
from latcal.model.measurements import Measurements
from latcal.model.metrics import Metric, Scope
from latcal.model.report import RunReport, StageReport
from latcal.model.rules import Rule, check
from latcal.model.verdicts import Acceptance, judge

DETECTORS, AMPLIFIERS, EXPOSURES, TESTS, RUNS = 205, 16, 20, 5, 7
NIGHTS = {"good": 0.01, "bad": 1.0}
"""The part of all measurements that fails."""


def measured(part: float) -> Measurements:
    """Give the numbers of a night, of which a part is above the limit of 1."""
    metrics = {name: Metric(name, "electron", Scope.AMPLIFIER, "") for name in (f"number_{n}" for n in range(TESTS))}
    random = np.random.default_rng(20_261_127)
    shape = EXPOSURES, DETECTORS, AMPLIFIERS
    values = {name: np.where(random.random(shape) < part, 1.5, 0.5) + random.normal(0, 0.01, shape) for name in metrics}
    names = tuple(f"C{half}{number}" for half in (1, 0) for number in range(8))
    detectors = tuple(f"R{n // 9:02d}_S{n % 9:02d}" for n in range(DETECTORS))
    ids = tuple(range(2026112700001, 2026112700001 + EXPOSURES))
    return Measurements(ids, (0.0,) * EXPOSURES, detectors, (names,) * DETECTORS, metrics, values)


def ours(night: Measurements) -> int:
    """Judge and report a night; give how many findings there are."""
    rules = [check(Rule(f"rule_{name}", f"{name} <= 1 electron"), night.metrics) for name in night.metrics]
    verdict = judge("bias", rules, Acceptance(8, "majority", "majority"), night)
    numbers(night)
    stage = StageReport(StageLine(0, "check", "bias", "stages.0"), verdict=verdict)
    told = [*failures(RunReport("run", None, (), stages=(stage,))), *page(verdict, Names("u/latcal/run", ""))]
    assert told
    assert verdict_json(verdict)
    return len(verdict.findings)


def plain(night: dict[str, list[list[list[float]]]]) -> int:
    """Compare and count in a loop."""
    counts = Counter[tuple[int, int, str]]()
    for name, exposures in night.items():
        for e, detectors in enumerate(exposures):
            for d, amplifiers in enumerate(detectors):
                for value in amplifiers:
                    if not value <= 1:
                        counts[e, d, name] += 1
    return sum(counts.values())


def timed(function, argument):
    """Give what a function gives, and its time [s]."""
    began = time.process_time()
    found = function(argument)
    return found, time.process_time() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file to write all times to")
    file = parser.parse_args().json
    told = {}
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, {DETECTORS} x {AMPLIFIERS} x {EXPOSURES} x {TESTS}\n")
    print("| night | findings | judged and reported [s] | least to greatest | plain loop [s] | ratio | all measurements as ECSV [s] |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, part in NIGHTS.items():
        night = measured(part)
        lists = {metric: values.tolist() for metric, values in night.values.items()}
        times = {"ours": [], "plain": [], "table": []}
        for _ in range(RUNS):
            found, took = timed(ours, night)
            times["ours"].append(took)
            same, took = timed(plain, lists)
            times["plain"].append(took)
            assert found == same
            times["table"].append(timed(measurements_ecsv, night)[1])
        told[name] = {"findings": found, **times}
        mine, peer, table = (statistics.median(times[key]) for key in ("ours", "plain", "table"))
        spread = f"{min(times['ours']):.2f} to {max(times['ours']):.2f}"
        print(f"| {name} | {found} | {mine:.2f} | {spread} | {peer:.3f} | {mine / peer:.1f} | {table:.2f} |")
    if file:
        file.write_text(json.dumps(told, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
