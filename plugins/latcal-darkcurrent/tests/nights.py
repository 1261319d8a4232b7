"""Nights on a small simulated sensor, through the installed latcal and the installed plugin."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import latcal
import numpy as np
from astropy.io import fits
from attrs import frozen
from latcal.plugin import Product, RunReport, instant
from latcal.plugin.registry import Registry

HERE = Path(__file__).parent
MAKE = """\
latcal: 1
title: A ladder on a small sensor
instrument: small.yaml
camera: {use: simulated, seed: 1, settling: 0 electron, bad_columns: 0, telegraph_pixels: 0 %, hot_pixels: 0.2 %}
store: {use: folder, root: ./store}
executor: {use: serial}
sequences:
  biases: {image: bias, exposures: 8 x 0 s}
  ladder: {image: dark, exposures: [4 x 5 s, 4 x 15 s, 4 x 30 s, 4 x 60 s]}
stages:
  - {make: bias, frames: [biases], verify: {waived_by: the tests, reason: another type}}
  - {make: dark_current, frames: [ladder]}
certify: {into: calib/first, begin: 2026-01-01, end: open}
"""
CHECK = """\
latcal: 1
title: The same sensor on another night
instrument: small.yaml
camera: {use: simulated, seed: 1, first: 100, settling: 0 electron, bad_columns: 0, telegraph_pixels: 0 %, hot_pixels: 0.2 %}
store: {use: folder, root: ./store}
executor: {use: serial}
sequences:
  ladder: {image: dark, exposures: [1 x 10 s, 3 x 40 s]}
stages:
  - {check: dark_current, frames: [ladder], collections: [calib/first]}
"""
NOMINAL_GAIN = 1.1


def cut(image: np.ndarray) -> np.ndarray:
    """Cut an image of the small sensor into its amplifiers, in the order of its file: the upper row comes first."""
    return image.reshape(2, 60, 4, 60).transpose(0, 2, 1, 3)[::-1].reshape(8, 60, 60)


@frozen
class Night:
    """A run in a folder: its report, and what is true of the sensor by the camera's own file."""

    report: RunReport
    folder: Path
    registry: Registry

    def product(self, kind: str = "dark_current", collection: str = "calib/first") -> Product:
        with latcal.open_store("folder", self.registry, root=self.folder / "store") as store:
            (found,) = store.list(kind, collection)
            return store.get(found.ref)

    def fact(self, name: str) -> np.ndarray:
        return np.array(self.product().tables["amplifiers"][name].values)

    def truth(self, name: str, kind: str = "dark_current") -> np.ndarray:
        """Give an image of the truth file in electrons of the nominal gain, amplifier by amplifier: (8, 60, 60)."""
        path = self.folder / "truth" / "truth_S00.fits"
        image, true = fits.getdata(path, name), fits.getdata(path, "AMPLIFIERS")
        assert tuple(true["amplifier"]) == self.product(kind).tables["amplifiers"]["amplifier"].values
        return cut(image) * (NOMINAL_GAIN / true["gain"])[:, None, None]

    def reason(self, kind: str = "dark_current") -> str:
        return next(stage.reason for stage in self.report.stages if stage.line.kind == kind)


Run = Callable[..., Night]


def run_night(registry: Registry, folder: Path, text: str, *settings: str) -> Night:
    """Run a recipe in a folder, with a clock that stands still."""
    ours = (f"store.root={folder / 'store'}", f"camera.truth={folder / 'truth'}")
    recipe = latcal.read(text, "night.yaml", registry, settings=(*ours, *settings), folder=str(HERE))
    report = latcal.run(latcal.plan(recipe, registry), registry, now=lambda: instant("2026-11-04T16:00:00"))
    return Night(report, folder, registry)
