"""Tell where every second of a whole recipe goes: the camera's simulation, files, numerics, store, engine.

``python tests/benchmarks/daily.py [RECIPE ...] [--rate 50] [--json FILE]`` in an environment with latcal and
`py-spy <https://github.com/benfred/py-spy>`_. It runs ``reference.yaml`` and then ``daily.yaml``, or what it is told, each
under py-spy, which looks at the stacks of all threads of all processes so many times a second and counts those that are on a
processor. A sample belongs to the innermost of its frames that `PARTS` knows; all that happens in an import, to imports.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

PARTS = {
    "camera: simulation": r"latcal/builtin/cameras",
    "files: compression and writing of raw frames": r"latcal/formats/(raw|cards|keywords)\.py.*write|astropy/io/fits",
    "files: decompression and reading": r"latcal/formats/(images|rice|blocks|raw)\.py|imagecodecs|latcal/model/frames\.py",
    "files: products": r"latcal/formats/(products|columns|plain)\.py",
    "numerics": r"latcal/(numerics|builtin/calibrations)|latcal/plugin/(combining|judging)\.py",
    "scratch files": r"latcal/engine/preparing\.py",
    "executor: packets between processes": r"latcal/builtin/executors|multiprocessing|pickle",
    "store": r"latcal/builtin/stores|sqlite3",
    "reporters": r"latcal/builtin/reporters|rich/",
    "rules": r"latcal/model/(rules|verdicts|expressions|measurements|metrics)\.py|latcal/engine/(judging|agreement)\.py",
    "engine": r"latcal/(engine|plugin|model|cli|formats)|ruamel|attr|cattr",
}
CAMERA = "latcal/builtin/cameras"
PROGRAM = """\
import pathlib
from latcal.cli import main
try:
    main()
except SystemExit as ended:
    pathlib.Path("code").write_text(str(ended.code))
"""
PATTERNS = {name: re.compile(pattern) for name, pattern in PARTS.items()}
IMPORTS, OTHER = "start: imports", "other"
WAITING = re.compile(r"threading\.py:|selectors\.py:|Lanes\.events |Caller\._work ")
"""Innermost frames that wait: on a busy machine such a thread is seen when it just woke up."""


def part_of(stack):
    """Give what a stack, outermost frame first, is counted for; None if it waits."""
    frames = stack.split(";")
    if WAITING.search(frames[-1]):
        return None
    if "<frozen importlib" in stack:
        return IMPORTS
    if CAMERA in stack:  # also where it uses the numerics
        return next(iter(PARTS))
    for frame in reversed(frames):
        for name, pattern in PATTERNS.items():
            if pattern.search(frame):
                return name
    return OTHER


def accounted(recipe, folder, rate):
    """Run a recipe under py-spy; give its wall time and the seconds of each part."""
    file = Path(folder) / "stacks.txt"
    script = Path(folder) / "watched.py"
    script.write_text(PROGRAM)
    program = [sys.executable, str(script), "recipe", recipe]
    watch = ["py-spy", "record", "--subprocesses", "--full-filenames", "--nonblocking", "--format", "raw", "--rate", str(rate), "--output", str(file)]
    spy = str(Path(sys.executable).with_name(watch[0]))
    began = time.perf_counter()
    done = subprocess.run([spy, *watch[1:], "--", *program], cwd=folder, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began
    code = (Path(folder) / "code").read_text()  # py-spy ends with 0 whatever it watched
    if code != "0":
        raise RuntimeError(f"{recipe} ended with {code}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    print(next((line for line in reversed(done.stdout.splitlines()) if line.strip()), ""), file=sys.stderr)
    seconds = Counter()
    innermost = Counter()
    for line in file.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        part = part_of(stack)
        if part is not None:
            seconds[part] += int(count) / rate
            innermost[part, stack.rpartition(";")[2]] += int(count) / rate
    return took, seconds, innermost


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipes", nargs="*", default=["reference.yaml", "daily.yaml"])
    parser.add_argument("--rate", type=int, default=50, help="samples a second")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    parser.add_argument("--most", type=int, default=0, help="print so many of the innermost frames of each part")
    options = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for recipe in options.recipes:
            took, seconds, innermost = accounted(recipe, folder, options.rate)
            found[recipe] = {"wall_s": took, "seconds": dict(seconds)}
            total = sum(seconds.values())
            print(f"\n`{recipe}`: {took:.0f} s by the clock, {total:.0f} s of processors ", end="")
            print(f"({os.cpu_count()} of them, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} after)\n")
            print("| part | processor [s] | share |\n| --- | --- | --- |")
            for name in [*PARTS, IMPORTS, OTHER]:
                print(f"| {name} | {seconds[name]:.1f} | {100 * seconds[name] / total:.1f} % |")
                for (part, frame), spent in innermost.most_common(200):
                    if options.most and part == name and spent > 0.005 * total:
                        print(f"    {spent:.1f} {frame}", file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
