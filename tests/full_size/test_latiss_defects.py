"""Defects of LATISS at its own size, and of a hundred frames on the bench, run by hand (decisions.md 3.8).

``python -m pytest -n 0 -s tests/full_size/test_latiss_defects.py`` prints what it found; about ten minutes on two cores, 4 GB
in TMPDIR. Crosstalk is off: the ghost of a full column, 1.5e-3 of 118,000 electrons in 30 s, is a bright column indeed.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from end_to_end import blemished

import latcal
from latcal.builtin.cameras.simulation.truth import truth
from latcal.numerics.reasons import COLUMNS

LATISS = """\
latcal: 1
title: Defects of LATISS
instrument: latiss
camera: {{use: blemished, seed: 5, crosstalk: 0.0, bad_columns: 40}}
store: {{use: folder, root: {root}}}
executor: {{use: threads, workers: 2}}
sequences:
  biases: {{image: bias, exposures: 10 x 0 s, discard: 2}}
  darks: {{image: dark, exposures: 20 x 30 s, discard: 2}}
  flats: {{image: flat, exposures: 20 x 5 s, discard: 2, filter: SDSSr_65mm, grating: empty}}
stages:
  - {{make: bias, frames: [biases], verify: {{waived_by: the test, reason: ten frames are enough here}}}}
  - {{make: defects, frames: [darks, flats]}}
certify: {{into: calib/full, begin: 2020-01-01, end: open}}
"""
BENCH = """\
latcal: 1
title: A hundred darks and a hundred flats
instrument: bench
camera: {{use: simulated, seed: {seed}, crosstalk: 0.0}}
store: {{use: folder, root: {root}}}
executor: {{use: threads, workers: 2}}
sequences:
  biases: {{image: bias, exposures: 20 x 0 s, discard: 2}}
  darks: {{image: dark, exposures: 100 x 30 s, discard: 2}}
  flats: {{image: flat, exposures: 100 x 5 s, discard: 2, filter: r, grating: empty}}
stages:
  - {{make: bias, frames: [biases]}}
  - {{make: defects, frames: [darks, flats]}}
certify: {{into: calib/full, begin: 2020-01-01, end: open}}
"""


def run(text: str, root: Path) -> tuple[Any, Any, Any]:
    registry = latcal.load_plugins(extra=[blemished])
    planned = latcal.plan(latcal.read(text, "full.yaml", registry), registry)
    begun = time.monotonic()
    report = latcal.run(planned, registry)
    stage = report.stages[1]
    print(f"\n{time.monotonic() - begun:.0f} s; {stage.reason or 'accepted'}")
    for tally in stage.verdict.tallies if stage.verdict else ():
        print(f"  {tally.rule}: fails at {sum(tally.failed.values())} places; nearest to its limit {tally.closest}")
    for name, numbers in stage.numbers.items():
        print(f"  {name}: {numbers['least']:.4g} to {numbers['greatest']:.4g}, median {numbers['median']:.4g}")
    assert stage.built, report.notes
    with latcal.open_store("folder", registry, root=str(root)) as store:
        return planned, store.get(stage.built[0]), stage


def test_latiss_has_99_percent_of_every_kind_and_at_most_20_false(tmp_path: Path) -> None:
    planned, product, _ = run(LATISS.format(root=tmp_path), tmp_path)
    sensor = blemished.sensor(planned.recipe.camera.options, planned.instrument.detectors[0])
    counts, false = blemished.tally(sensor, product.planes["reason"])
    for kind, one in counts.items():
        print(f"  {kind}: {one.found} found, {one.missed} missed")
    print(f"  false: {false}; boxes: {len(product.tables['defects']['x0'].values)}")
    for kind, one in counts.items():
        assert one.found >= 0.99 * (one.found + one.missed) > 5, kind
    assert false <= 20


@pytest.mark.parametrize("seed", [7, 8])
def test_a_hundred_darks_and_flats_on_the_bench_have_no_false_column(tmp_path: Path, seed: int) -> None:
    planned, product, _ = run(BENCH.format(root=tmp_path, seed=seed), tmp_path)
    true = truth(planned.recipe.camera.options, planned.instrument.detectors[0])
    reason = product.planes["reason"]
    for half in (slice(0, 200), slice(200, 400)):
        found = set(np.flatnonzero(np.any(reason[half] & np.uint16(COLUMNS), axis=0)).tolist())
        known = {one.x for one in true.bad_columns if half.start <= one.y0 < half.stop}
        print(f"  rows {half.start} to {half.stop}: columns {sorted(found)} of {sorted(known)}")
        assert found == {x for x in known if blemished.EDGE <= x < reason.shape[1] - blemished.EDGE}
