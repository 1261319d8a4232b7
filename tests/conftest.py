"""What many tests begin with: the plugins loaded once, and a night run from the text of a recipe."""

# ruff: noqa: E402  numpy reads the environment when it is imported
from __future__ import annotations

import gc
import json
import os

for _library in ("OMP", "OPENBLAS"):  # before numpy is imported: threads of a few small matrices mostly wait, and keep others from working
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from astropy.io import fits
from astropy.io.fits import Card
from astropy.time import Time
from attrs import frozen
from hypothesis import settings

from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.engine.running import events
from latcal.formats.located import compose
from latcal.model.events import Event
from latcal.model.report import RunReport, fold
from latcal.plugin.registry import Registry, load_plugins

settings.register_profile("latcal", deadline=None, max_examples=50)
settings.load_profile("latcal")

# astropy looks these up in its settings at every card of a header, a third of the time of writing a frame: once will do
for _setting in ("strip_header_whitespace", "enable_record_valued_keyword_cards"):
    setattr(type(fits.conf), _setting, getattr(fits.conf, _setting))

# modules and tests that are collected stay until the end: looking through them for garbage took a quarter of collecting
gc.disable()

AFTERNOON = Time("2026-11-04T16:00:00", scale="tai")
"""When the tests' nights begin."""

BENCH = """\
latcal: 1
title: A night on the bench
instrument: bench
camera: {use: simulated, seed: 7, settling: 0 electron}
store: {use: memory}
executor: {use: serial}
sequences:
  biases: {image: bias, exposures: 3 x 0 s}
  darks: {image: dark, exposures: 3 x 15 s}
stages:
  - {make: bias, frames: [biases]}
  - {make: dark, frames: [darks]}
certify: {into: calib/night, begin: 2026-11-04, end: 2026-11-05}
"""


@frozen
class Night:
    """A run, its events and its report."""

    events: tuple[Event, ...]
    report: RunReport

    def of(self, kind: type) -> list[Event]:
        return [event for event in self.events if isinstance(event, kind)]


def pytest_collection_finish() -> None:
    """Set what was collected apart; what the tests make is looked through for garbage as ever."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def registry() -> Registry:
    return load_plugins()


@pytest.fixture
def night(registry: Registry) -> Callable[..., Night]:
    def run(
        text: str = BENCH,
        *,
        set: Iterable[str] = (),  # noqa: A002  the word of the command line
        extra: Iterable[object] = (),
        registry: Registry = registry,
        **kwargs: object,
    ) -> Night:
        plugins = load_plugins(extra=extra) if extra else registry
        recipe = read(text, "night.yaml", plugins, settings=set)
        kwargs.setdefault("now", lambda: AFTERNOON)
        heard = tuple(events(plan(recipe, plugins), plugins, **kwargs))
        return Night(heard, fold(heard))

    return run


@pytest.fixture
def real_data() -> Path:
    """Give the folder of real frames, or skip with a reason; in CI their absence is a failure."""
    root = Path(__file__).parents[1]
    folder = Path(os.environ.get("LATCAL_REAL_DATA") or root.parent / "shared" / "data")
    if not (folder / "efosc2-pair").is_dir():
        reason = f"no real frames: {folder} has no efosc2-pair (set LATCAL_REAL_DATA)"
        if os.environ.get("LATCAL_REQUIRE_REAL_DATA"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture
def latiss_headers(real_data: Path) -> dict[str, dict[str, object]]:
    """Give the real headers of LATISS: that of 2018 (primary), 2023 (primary) and 2024 (with that of its first image)."""
    folder = real_data / "latiss-headers"
    first = (folder / "latiss-AT_C_20180920_000065_all_hdus.txt").read_text().partition("\nEND ")[0].splitlines()[1:]
    return {
        "2018": {card.keyword: card.value for card in map(Card.fromstring, first)},
        "2023": json.loads((folder / "latiss-AT_O_20230705_000379_R00_S00.json").read_text()),
        "2024": compose((folder / "latiss-AT_O_20240624_000169_R00_S00.yaml").read_text(), "2024").value,
    }
