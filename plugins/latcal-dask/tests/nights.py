"""Nights of a small mosaic, through the installed latcal and the installed plugin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import latcal
from latcal.plugin import Event, Plan, RunReport, fold, instant
from latcal.plugin.registry import Registry

HERE = Path(__file__).parent
NIGHT = (HERE / "night.yaml").read_text(encoding="utf-8")
PATIENCE = "120 s"
"""For what takes a second where nothing else runs."""
BIASES = (
    "sequences={biases: {image: bias, exposures: 6 x 0 s, discard: 1}}",
    "stages=[{make: bias, frames: [biases], rules: {noise: abs(noise - frame_noise) <= 9 * frame_noise}}]",
)
"""Settings that leave the biases of the night."""


def planned(registry: Registry, folder: Path, *settings: str) -> Plan:
    recipe = latcal.read(NIGHT, "night.yaml", registry, settings=(f"store.root={folder / 'store'}", *settings), folder=str(HERE))
    return latcal.plan(recipe, registry)


def run(plan: Plan, registry: Registry, hear: Callable[[Event], None] = lambda _: None) -> RunReport:
    def heard() -> list[Event]:
        found = []
        for event in latcal.events(plan, registry, now=lambda: instant("2026-11-04T20:00:00")):
            hear(event)
            found.append(event)
        return found

    return fold(heard())


def on(cluster: str, *, use: str = "dask", connect: str = PATIENCE) -> str:
    return f"executor={{use: {use}, scheduler: {cluster}, connect: {connect}}}"
