"""The submit files under Rubin's BPS, by its Parsl plugin on this computer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from corners import WAIVED, by_sequence, checksums, get, recipe, run

import latcal_butler
from latcal_butler.commands import PIPELINES, ranges

FILES = Path(latcal_butler.__file__).parent / "bps"


def test_a_bias_by_bps_and_parsl_has_the_pixels_that_the_native_engine_gives_it(tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    text = recipe(repo, stages=f"\n  - {{make: bias, frames: [biases], {WAIVED}}}\n")
    text = "\n".join(line for line in text.splitlines() if not line.startswith(("  darks:", "  flats:")))
    report = run(text)
    exposures = by_sequence(report)["biases"]
    where = f"instrument='corner' AND detector IN (0) AND exposure IN ({ranges(exposures)})"
    bps = Path(sys.executable).with_name("bps")
    done = subprocess.run(
        [bps, "submit", "-b", repo, "-i", "corner/raw/all", "-o", "u/me/bps", "-d", where, FILES / "cpBias.yaml"],
        cwd=tmp_path, capture_output=True, text=True, timeout=580, check=False,
        env={**os.environ, "PATH": f"{bps.parent}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1", "PWD": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert checksums(get(repo, "bias", "u/me/bps")) == checksums(get(repo, "bias", f"u/latcal/{report.run}"))


@pytest.mark.parametrize("pipeline", sorted(path.stem for path in PIPELINES.glob("*.yaml")))
def test_every_pipeline_has_a_submit_file(pipeline: str) -> None:
    content = yaml.safe_load((FILES / f"{pipeline}.yaml").read_text())
    assert content["pipelineYaml"] == f"resource://latcal_butler/pipelines/{pipeline}.yaml"
    assert content["includeConfigs"] == ["local.yaml"]
