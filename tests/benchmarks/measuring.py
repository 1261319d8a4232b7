"""Run contenders side by side, each in a process of its own, and make tables of what they took."""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMEXPR_NUM_THREADS": "1"}


def options(doc, **defaults):
    """Read the command line that all tables have, and what one adds: numbers by name."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="how often each contender runs, by turns")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    parser.add_argument("--folder", type=Path, help="where the data are made, and found again; a temporary one if left out")
    parser.add_argument("--only", nargs="*", help="contenders to run, by name")
    parser.add_argument("--work", help=argparse.SUPPRESS)  # what a process of its own does
    for name, default in defaults.items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    return parser.parse_args()


def machine(*distributions):
    """Describe what it ran on."""
    model = [line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    versions = {name: importlib.metadata.version(name) for name in distributions if _installed(name)}
    return {
        "processors": len(os.sched_getaffinity(0)),
        "model": model[0] if model else platform.processor(),
        "memory_GB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_before": os.getloadavg()[0],
        "versions": versions,
    }


def _installed(name):
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def measured(work):
    """Do some work and print what it took, for `contest`: wall and processor seconds; more figures that it gives."""
    began, busy = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    result = work()
    ended, done = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    cpu = done.ru_utime + done.ru_stime - busy.ru_utime - busy.ru_stime
    figures = {"seconds": ended - began, "cpu": cpu, "peak_MB": done.ru_maxrss / 1024}
    return figures, result


def told(figures):
    print("FIGURES " + json.dumps(figures), flush=True)


def contest(contenders, runs, few=()):
    """Run commands by turns; give for each the figures of its runs.

    A contender is a command, with the folder and the environment it wants. Those that tell no figures of their own are
    timed from start to end. The contenders in `few` run three times at most.
    """
    found = {name: [] for name in contenders}
    for turn in range(runs):
        for name, (command, folder, environment) in contenders.items():
            if turn >= 3 and name in few:
                continue
            print(f"{turn + 1} of {runs}: {name}", file=sys.stderr, flush=True)
            found[name].append(_run(command, folder, environment))
    return found


def _run(command, folder, environment):
    began = time.perf_counter()
    with subprocess.Popen(
        command, cwd=folder, env={**os.environ, **ONE_THREAD, **environment}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:
        text = process.stdout.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}:\n{text}")
    figures = {
        "seconds": time.perf_counter() - began,
        "cpu": used.ru_utime + used.ru_stime,
        "peak_MB": used.ru_maxrss / 1024,
    }
    for line in text.splitlines():
        if line.startswith("FIGURES "):
            figures.update(json.loads(line.removeprefix("FIGURES ")))
    return figures


def table(found, columns, against=None):
    """Print a Markdown table: medians with least to greatest, and how many times the wall time of a contender each took."""
    heads = ["", "wall [s]", "least to greatest", "processor [s]", *columns.values()]
    if against:
        heads.append(f"times {against}")
    lines = ["| " + " | ".join(heads) + " |", "| " + " | ".join("---" for _ in heads) + " |"]
    for name, runs in found.items():
        wall = [run["seconds"] for run in runs]
        cells = [name, f"{statistics.median(wall):.2f}", f"{min(wall):.2f} to {max(wall):.2f}"]
        cells.append(f"{statistics.median(run['cpu'] for run in runs):.2f}")
        for key in columns:
            values = [run[key] for run in runs if key in run]
            cells.append(f"{statistics.median(values):.3g}" if values else "")
        if against:
            base = statistics.median(run["seconds"] for run in found[against]) if against in found else float("nan")
            cells.append(f"{statistics.median(wall) / base:.1f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def report(about, found, text, file):
    """Print the machine and a table; write all figures if asked."""
    versions = ", ".join(f"{name} {version}" for name, version in about["versions"].items())
    print(
        f"{about['processors']} processors ({about['model']}), {about['memory_GB']} GB, {about['system']}, "
        f"Python {about['python']}, {versions}; load {about['load_before']:.1f} before\n"
    )
    print(text)
    if file:
        file.write_text(json.dumps({"machine": about, "runs": found}, indent=2), encoding="utf-8")
