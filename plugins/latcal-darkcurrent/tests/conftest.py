"""Nights that tests share."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import latcal
import pytest
from latcal.plugin.registry import Registry
from nights import MAKE, Night, Run, run_night

SEEDS = (1, 2, 3)


@pytest.fixture(scope="session")
def registry() -> Registry:
    return latcal.load_plugins()


@pytest.fixture
def run(registry: Registry, tmp_path: Path) -> Run:
    """Run a recipe in the folder of the test."""
    return partial(run_night, registry, tmp_path)


@pytest.fixture(scope="session")
def nights(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> list[Night]:
    """Make the dark current of three sensors."""
    return [run_night(registry, tmp_path_factory.mktemp(f"seed{seed}"), MAKE, f"camera.seed={seed}") for seed in SEEDS]
