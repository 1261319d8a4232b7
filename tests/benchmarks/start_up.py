"""Time how long commands take to start, beside the imports that they cannot do without.

``python tests/benchmarks/start_up.py [--json FILE]`` in an environment with latcal and every plugin that is to count. Each
command runs `RUNS` times, by turns with its peer; the table has medians, with the least and the greatest.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 9
EXAMPLES = Path(__file__).parents[2] / "recipes" / "latiss"

LSSTCAM = """\
latcal: 1
instrument: lsstcam
camera: {use: simulated}
store: {use: memory}
sequences:
  biases: {image: bias, exposures: 20 x 0 s}
  darks: {image: dark, exposures: 20 x 30 s}
  flats: {image: flat, exposures: 25 x 5 s, filter: r_57}
stages:
  - {make: bias, frames: [biases]}
  - {make: dark, frames: [darks]}
  - {make: flat, frames: [flats]}
certify: {into: calib/benchmark, begin: 2026-11-04, end: open}
"""


KEPT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""With it every module that was not compiled when it was installed is compiled at each start."""


def seconds(command: list[str], folder: str) -> float:
    """Give the wall time of one run [s]."""
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=KEPT)
    return time.perf_counter() - began


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="file to write all times to")
    file = parser.parse_args().json
    latcal = str(Path(sys.executable).with_name("latcal"))
    click, units = [sys.executable, "-c", "import click"], [sys.executable, "-c", "import numpy, astropy.units"]
    pairs = {
        "latcal --help": ([latcal, "--help"], "import click", click),
        "latcal plugins": ([latcal, "plugins"], "import numpy, astropy.units", units),
        "latcal plan daily.yaml": ([latcal, "plan", "daily.yaml"], "import numpy, astropy.units", units),
        **{
            f"latcal plan latiss/{file.name}": ([latcal, "plan", str(file)], "import numpy, astropy.units", units)
            for file in sorted(EXAMPLES.glob("*.yaml"))
        },
        "latcal plan lsstcam.yaml, 205 detectors": ([latcal, "plan", "lsstcam.yaml"], "import numpy, astropy.units", units),
    }
    distributions = sorted({point.dist.name for point in importlib.metadata.entry_points(group="latcal") if point.dist})
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "lsstcam.yaml").write_text(LSSTCAM, encoding="utf-8")
        for name, (command, peer, beside) in pairs.items():
            seconds(command, folder)  # bytecode is written, files are read once
            times = [(seconds(command, folder), seconds(beside, folder)) for _ in range(RUNS)]
            found[name] = {"peer": peer, "command": [one for one, _ in times], "beside": [other for _, other in times]}
    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, {', '.join(distributions)}\n")
    print("| command | median [s] | least to greatest | peer, median [s] | ratio |\n| --- | --- | --- | --- | --- |")
    for name, told in found.items():
        mine, other = statistics.median(told["command"]), statistics.median(told["beside"])
        spread = f"{min(told['command']):.3f} to {max(told['command']):.3f}"
        print(f"| `{name}` | {mine:.3f} | {spread} | `{told['peer']}`, {other:.3f} | {mine / other:.2f} |")
    if file:
        file.write_text(json.dumps({"distributions": distributions, "times_s": found}, indent=2), encoding="utf-8")


if __name__ == "__main__":
    main()
