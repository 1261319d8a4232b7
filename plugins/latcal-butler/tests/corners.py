"""A night with a corner of a sensor, two amplifiers, built by latcal's own engine: what other engines are compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import latcal
import numpy as np
from attrs import frozen
from latcal.plugin import Product, RunReport
from lsst.daf.butler import Butler, Timespan

CORNER = Path(__file__).parent / "corner.yaml"
COLLECTION = "calib/test"
WAIVED = "verify: {waived_by: test, reason: few frames}"
SEQUENCES = """
  biases: {image: bias, exposures: 4 x 0 s, filter: r, grating: empty}
  darks: {image: dark, exposures: [1 x 5 s, 3 x 20 s], filter: r, grating: empty}
  flats: {image: flat, exposures: [2 x 2 s, 2 x 5 s, 2 x 9 s, 2 x 14 s], filter: r, grating: empty}
"""
STAGES = f"""
  - make: bias
    frames: [biases]
    options: {{crosstalk: false}}
    keep: [residuals]
    rules: {{noise: abs(noise - frame_noise) <= 9 * frame_noise}}
  - {{make: dark, frames: [darks], verify: {{drop: [noise, cr_noise, mean, read_noise]}}}}
  - {{make: flat, frames: [flats], {WAIVED}}}
  - {{make: defects, frames: [darks, flats], {WAIVED}}}
  - {{make: ptc, frames: [flats], {WAIVED}}}
  - {{measure: gain, frames: [flats]}}
"""
"""The bias passes, though it is of few frames, and has an option that is not the default; this sensor has no crosstalk."""

GREEN = "\n  green: {image: flat, exposures: 2 x 14 s, filter: g, grating: empty}\n"
"""Flats in a second filter, of a stage of their own, which only the native engine does."""

KINDS = ("bias", "dark", "flat", "defects", "ptc")
MADE_OF = {"bias": ("biases",), "dark": ("darks",), "flat": ("flats",), "defects": ("darks", "flats"), "ptc": ("flats",)}
CAMERA = "{use: simulated, seed: 7, settling: 0 electron}"


def recipe(repo: Path, *, stages: str = STAGES, executor: str = "{use: serial}", camera: str = CAMERA) -> str:
    """Write the recipe of a night."""
    return f"""\
latcal: 1
instrument: {CORNER}
camera: {camera}
store: {{use: butler, repo: {repo}, create: true, user: ann}}
executor: {executor}
sequences: {SEQUENCES}
stages: {stages}
certify: {{into: {COLLECTION}, begin: 2020-11-04, end: 2040-11-05}}
"""


def only_biases(text: str) -> str:
    """Leave the sequences out that only other stages use."""
    return "\n".join(line for line in text.splitlines() if not line.startswith(("  darks:", "  flats:")))


def run(text: str) -> RunReport:
    """Run a recipe to its end."""
    registry = latcal.load_plugins()
    return latcal.run(latcal.plan(latcal.read(text, "corner_night.yaml", registry), registry), registry)


def by_sequence(report: RunReport) -> dict[str, tuple[int, ...]]:
    """Give the ids of the exposures of each sequence, which were taken one after another."""
    taken = tuple(report.exposures.values())
    return {"biases": taken[:4], "darks": taken[4:8], "flats": taken[8:16], "green": taken[16:]}


def get(repo: Path, kind: str, collection: str, **data_id: Any) -> Product:
    """Read a product as the Butler gives it."""
    if kind == "flat":
        data_id["physical_filter"] = "r~empty"
    with Butler.from_config(repo) as butler:
        found: Product = butler.get(
            kind, instrument="corner", detector=0, collections=collection, storageClass="LatcalProduct",
            timespan=Timespan(None, None), **data_id,
        )  # fmt: skip
    return found


def checksums(product: Product) -> dict[str, str]:
    """Give the SHA-256 of every plane, of its type and shape too, and of every table."""
    found = {}
    for name, plane in product.planes.items():
        head = f"{plane.dtype.str} {plane.shape}".encode()
        found[name] = hashlib.sha256(head + np.ascontiguousarray(plane).tobytes()).hexdigest()
    for name, table in product.tables.items():
        found[f"table {name}"] = hashlib.sha256(repr(sorted(table.items())).encode()).hexdigest()
    return found


@frozen
class CornerNight:
    """What latcal's own engine made.

    Parameters
    ----------
    exposures : mapping of str to tuple of int
        By sequence.
    """

    repo: Path
    report: RunReport
    exposures: Mapping[str, tuple[int, ...]]

    @property
    def run(self) -> str:
        return self.report.run

    def used(self, kind: str) -> list[int]:
        """Give the exposures that a kind of calibration is made of."""
        return [one for name in MADE_OF[kind] for one in self.exposures[name]]

    def built(self, kind: str, **data_id: Any) -> Product:
        """Give what the run built."""
        return get(self.repo, kind, f"u/latcal/{self.run}", **data_id)


def native_night(folder: Path) -> CornerNight:
    """Run the recipe of a night on a new repository."""
    text = recipe(folder / "repo", stages=f"{STAGES}  - {{make: flat, frames: [green], {WAIVED}}}\n")
    report = run(text.replace(SEQUENCES, SEQUENCES.rstrip() + GREEN))
    assert report.exit_code in (0, 1)  # the gain may be refused: it is of few pixels
    return CornerNight(folder / "repo", report, by_sequence(report))
