"""The recipe of real frames, against a calculation in plain numpy from the same files.

Nothing of latcal is used for what is expected: sections are written down again as the headers mean them, and means,
clips, lines and noises are computed in the plainest way.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.stats import sigma_clip
from astropy.table import Table
from astropy.units import Unit
from astropy.wcs import WCS
from attrs import frozen

import latcal
from latcal.plugin.registry import load_plugins

RECIPE = Path(__file__).parents[2] / "recipes" / "real_efosc2.yaml"
BIASES = ("EFOSC.2022-01-26T19-03-39.513.fits", "EFOSC.2022-01-26T19-04-10.535.fits")
FLATS = ("EFOSC.2022-01-26T19-18-58.464.fits", "EFOSC.2022-01-26T19-21-12.485.fits")
GAIN = 1.1
"""ESO DET OUT1 CONAD [electron / adu]."""
# zero-based, half-open, (y, x): 1023 columns of light, then prescan; 1024 rows of light, then overscan
DATA = (slice(0, 1024), slice(0, 1023))
PRESCAN = (slice(0, 1030), slice(1023, 1026))
OVERSCAN = (slice(1026, 1030), slice(0, 1023))


def without_outliers(lines: Any) -> Any:
    """Mask samples 5 sigma off their line: off its median first, then off the mean of what that left."""
    low, high = np.percentile(np.diff(lines, axis=1), [25, 75])
    sigma, centre, kept = (high - low) / 1.349 / np.sqrt(2), np.median(lines, axis=1, keepdims=True), lines
    for _ in range(2):
        kept = np.ma.masked_where(np.ma.getdata(np.abs(lines - centre)) > 5 * sigma, lines)
        centre = kept.mean(axis=1, keepdims=True)
    return kept


def read_noise(raw: Any) -> float:
    """Scatter of the prescan about the mean of each row, without rounding [electron]."""
    lines = without_outliers(raw[PRESCAN])
    left = lines - lines.mean(axis=1, keepdims=True)
    return GAIN * float(np.sqrt((left**2).sum() / (lines.count() - len(lines)) - 1 / 12))


def pedestal(raw: Any) -> Any:
    """Give a straight line through the columns of the overscan, those below bright lines left out [adu]."""
    means, x = without_outliers(raw[OVERSCAN].T).mean(axis=1), np.arange(1023.0)
    used = ~np.ma.getmaskarray(means)
    for _ in range(10):
        line = np.polynomial.Polynomial.fit(x[used], means.data[used], 1)(x)
        used = ~np.ma.getmaskarray(sigma_clip(means - line, sigma=5, maxiters=1, stdfunc="mad_std"))
    return line


def clipped(pixels: Any) -> Any:
    """Give the pixels that a clip keeps as docs/physics.md defines it: 3 passes of 5 sigma, the first by quartiles."""
    values = pixels[np.isfinite(pixels)]
    low, centre, high = np.percentile(values, [25, 50, 75])
    sigma, kept = (high - low) / 1.348980, values
    for _ in range(3):
        kept = values[np.abs(values - centre) <= 5 * sigma]
        centre, sigma = kept.mean(), kept.std()
    return kept


def level(pixels: Any) -> float:
    """Clipped mean."""
    return float(clipped(pixels).mean())


def spread(pixels: Any) -> float:
    """Clipped standard deviation."""
    return float(clipped(pixels).std())


@frozen(eq=False)
class Frame:
    """One file, computed here."""

    header: Mapping[str, Any]
    electrons: Any
    read_noise: float

    @classmethod
    def of(cls, path: Path) -> Frame:
        with fits.open(path) as hdus:
            raw, header = hdus[0].data.astype(float), dict(hdus[0].header)
        return cls(header, GAIN * (raw[DATA] - pedestal(raw)), read_noise(raw))

    @property
    def noise(self) -> float:
        """Readout, rounding, and what a line through 4 x 1023 samples adds [electron]."""
        return float(np.sqrt(self.read_noise**2 * (1 + 2 / 4092) + GAIN**2 / 12))


@frozen(eq=False)
class Run:
    """What latcal left in its store, opened without latcal."""

    root: Path
    biases: tuple[Frame, ...]
    flats: tuple[Frame, ...]

    def product(self, kind: str) -> fits.HDUList:
        (path,) = self.root.glob(f"products/*/{kind}_0_*.fits")
        return fits.open(path)

    def planes(self, kind: str) -> tuple[Any, Any, Any]:
        with self.product(kind) as hdus:
            return tuple(hdus[name].data.copy() for name in ("IMAGE", "VARIANCE", "MASK"))

    def facts(self, kind: str) -> dict[str, float]:
        with self.product(kind) as hdus:
            table = Table(hdus["AMPLIFIERS"].data)
        return {name: float(table[name][0]) for name in table.colnames[1:]}

    def measured(self, kind: str) -> Table:
        (path,) = self.root.glob(f"reports/*/*_{kind}_measurements.ecsv")
        return Table.read(path, format="ascii.ecsv")

    def rows(self, kind: str, scope: str = "amplifier") -> Table:
        table = self.measured(kind)
        return table[table["scope"] == scope]

    @property
    def bias(self) -> Any:
        """Mean of the two; no value where they disagree by more than 5 sigma from the middle (a cosmic ray)."""
        one, other = (frame.electrons for frame in self.biases)
        noise = np.mean([frame.noise for frame in self.biases])
        return np.where(np.abs(one - other) / 2 <= 5 * noise, (one + other) / 2, np.nan)

    @property
    def scales(self) -> list[float]:
        return [level(frame.electrons) - level(self.bias) for frame in self.flats]

    @property
    def flat(self) -> Any:
        """Mean of the two flats, each over its level, weighted as the light of each is known; of level 1."""
        signals = [frame.electrons - self.bias for frame in self.flats]
        weights = [s**2 / (frame.noise**2 + s) for s, frame in zip(self.scales, self.flats, strict=True)]
        scaled = [signal / s for signal, s in zip(signals, self.scales, strict=True)]
        mean = (weights[0] * scaled[0] + weights[1] * scaled[1]) / sum(weights)
        sigma = np.sqrt(np.mean([f.noise**2 for f in self.flats]) + np.fmax(mean, 0) * np.mean(self.scales))
        agree = np.abs(scaled[0] - scaled[1]) / 2 <= 5 * sigma / np.mean(self.scales)
        # the mean is 1 over the light of all pixels, then those that are too dark to be told are left out
        return np.where(agree & (mean >= 0.05), mean, np.nan) / level(mean[agree])


@pytest.fixture(scope="module")
def folder() -> Any:
    """Keep the store of the one run for all tests of this module."""
    return {}


@pytest.fixture
def run(real_data: Path, folder: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> Run:
    if not folder:
        root, frames = tmp_path_factory.mktemp("efosc2") / "store", real_data / "efosc2-pair"
        plugins = load_plugins()
        settings = [f"camera.folder={frames}", f"store.root={root}"]
        recipe = latcal.read(RECIPE.read_text(encoding="utf-8"), RECIPE.name, plugins, settings=settings)
        report = latcal.run(latcal.plan(recipe, plugins), plugins)
        assert report.exit_code == 0, [stage.reason for stage in report.stages]
        of = [tuple(Frame.of(frames / name) for name in names) for names in (BIASES, FLATS)]
        folder["run"] = Run(root, *of)
    return folder["run"]


def test_the_raw_frames_in_the_store_are_the_files_byte_for_byte(run: Run, real_data: Path) -> None:
    kept = sorted(run.root.glob("raw/*/*.fits"))
    names = [real_data / "efosc2-pair" / name for name in (*BIASES, *FLATS)]
    assert [path.read_bytes() for path in kept] == [path.read_bytes() for path in names]


def test_the_read_noise_is_that_of_the_prescan(run: Run) -> None:
    """2.5 % are two standard errors of 3090 samples in rows of 3, of which both use nearly the same.

    Under the lamp latcal leaves out 7 samples of 4 sigma that the clip here keeps; each counts 0.3 %.
    """
    for kind, frames in (("bias", run.biases), ("flat", run.flats)):
        own = [frame.read_noise for frame in frames]
        np.testing.assert_allclose(run.rows(kind)["read_noise"], own, rtol=0.025)
        assert run.facts(kind)["read_noise"] == pytest.approx(np.mean(own), rel=0.025)
    # and it is not what the header says, 7.8 electron: a million pixels of the difference of the biases say so too
    one, other = (frame.electrons for frame in run.biases)
    assert spread(one - other) / np.sqrt(2) == pytest.approx(np.mean(run.facts("bias")["frame_noise"]), rel=0.02)


def test_the_bias_is_the_mean_of_two(run: Run) -> None:
    """Within 1/20 of the error of a pixel: the two lines differ by columns that one leaves out and the other not."""
    image, variance, mask = run.planes("bias")
    assert image.shape == (1024, 1023)
    own = run.bias
    np.testing.assert_array_equal(np.isnan(image), np.isnan(own))
    np.testing.assert_array_equal(np.isnan(own), mask & 1 == 1)
    usable = np.isfinite(own)
    assert np.abs(image - own)[usable].max() < 0.05 * np.sqrt(variance[usable].max())
    # each of two frames has the noise n, so their mean has the variance n^2 / 2; noises of biases agree to 1 %
    noises = [frame.noise**2 for frame in run.biases]
    np.testing.assert_allclose(variance[usable], sum(noises) / 4, rtol=0.02)
    assert run.facts("bias")["level"] == pytest.approx(level(own), abs=0.05)


def test_the_residuals_of_the_biases_have_their_noise(run: Run) -> None:
    """A residual is half of the difference, so both have the same; it does not know of the pedestal: 0.05 %."""
    one, other = (frame.electrons for frame in run.biases)
    half = np.where(np.isfinite(run.bias), (one - other) / 2, np.nan)
    table = run.rows("bias")
    np.testing.assert_allclose(table["noise"], spread(half), rtol=0.0005)
    # every frame is judged by the noise of both
    pooled = np.sqrt(np.mean([frame.noise**2 for frame in run.biases]))
    np.testing.assert_allclose(table["frame_noise"], [pooled] * 2, rtol=0.01)
    np.testing.assert_allclose(table["mean"], [np.nanmean(half), -np.nanmean(half)], atol=0.05)


def test_the_flat_is_the_mean_of_two_over_their_levels(run: Run) -> None:
    image, variance, mask = run.planes("flat")
    own = run.flat
    # a pixel at the edge of what is bright enough (0.05), or of what disagrees, may fall on either side: 1 in 10,000
    differ = np.isnan(image) != np.isnan(own)
    assert differ.mean() < 1e-4
    np.testing.assert_array_equal(np.isnan(image), mask & 1 == 1)
    usable = np.isfinite(own) & np.isfinite(image)
    # from 0.05 to 4 in one frame: compared with the error of each pixel, of which 1/20 is nothing
    assert np.abs((image - own)[usable] / np.sqrt(variance[usable])).max() < 0.05
    # the difference of the two flats, over their levels, is the noise that the variance says; with the gain of the
    # header (the other one in it, 0.91, is its inverse) the noise is seen 4 to 5 % below the model, as pulls are
    one, other = ((f.electrons - run.bias) / s for f, s in zip(run.flats, run.scales, strict=True))
    seen = spread(((one - other) / 2 / np.sqrt(variance))[usable])
    assert seen == pytest.approx(np.sqrt(2) * np.mean(run.rows("flat")["pull"]), rel=0.01)


def test_the_statistics_of_the_flats_are_those_of_the_frames(run: Run) -> None:
    own, table, usable = run.flat, run.rows("flat"), np.isfinite(run.flat)
    means, pulls, noises, expected = [], [], [], []
    for frame in run.flats:
        signal = frame.electrons - run.bias
        mean = signal[usable].sum() / own[usable].sum()
        variance = np.fmax(mean * own, 0) + frame.noise**2
        means.append(mean)
        pulls.append(spread(((signal - mean * own) / np.sqrt(variance))[usable]))
        noises.append(spread((signal / own)[usable]))
        expected.append(np.sqrt(np.mean((variance / own**2)[usable])))
    # a level of 15,570 electrons depends on the pedestal, equal to 0.1, and on which pixels are at the edge
    np.testing.assert_allclose(table["mean"], means, rtol=1e-4)
    np.testing.assert_allclose(run.rows("flat", "detector")["level"], means, rtol=1e-4)
    # spreads over 900,000 pixels that both clip alike, but for a few pixels at the edge: 0.2 %
    np.testing.assert_allclose(table["pull"], pulls, rtol=0.002)
    np.testing.assert_allclose(table["noise"], noises, rtol=0.002)
    np.testing.assert_allclose(table["shot_noise"], expected, rtol=0.002)
    # 0.25 % is what the lamp changed between the two; the ratios are known as well as the levels
    rates = np.array(means) / [frame.header["EXPTIME"] for frame in run.flats]
    np.testing.assert_allclose(run.rows("flat", "exposure")["level_ratio"], rates / rates.mean(), rtol=1e-4)
    assert run.facts("flat")["level_rate"] == pytest.approx(rates.mean(), rel=5e-4)


@pytest.mark.parametrize(("kind", "unit"), [("bias", "electron"), ("flat", "")])
def test_products_open_with_astropy_and_say_what_they_hold(run: Run, kind: str, unit: str) -> None:
    with run.product(kind) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus[1:4]] == ["IMAGE", "MASK", "VARIANCE"]
        assert Unit(hdus["IMAGE"].header.get("BUNIT", "")) == Unit(unit)
        assert Unit(hdus["VARIANCE"].header.get("BUNIT", "")) == Unit(unit) ** 2
        for name in ("IMAGE", "VARIANCE", "MASK"):
            assert hdus[name].header["DETSEC"] == "[1:1023,1:1024]"
        planes = {card: hdus["MASK"].header[f"MP_{card}"] for card in ("NO_DATA", "SATURATED", "REJECTED", "BAD")}
        assert planes == {"NO_DATA": 0, "SATURATED": 1, "REJECTED": 2, "BAD": 3}
        head = hdus[0].header
        assert (head["KIND"], head["DETECTOR"], head["NFRAMES"], head["BINNING"]) == (kind, "ccd40", 2, "2x2")
        if kind == "flat":
            assert (head["FILTER"], head["GRATING"]) == ("Free", "Gr#3")
        facts = Table(hdus["AMPLIFIERS"].data)
        units = {column.name: column.unit for column in hdus["AMPLIFIERS"].columns}
        assert list(facts["amplifier"]) == ["L"]
        assert (units["read_noise"], units["gain"]) == ("electron", "electron / adu")
        origin = json.loads(hdus["PROVENANCE"].data["json"][0])["provenance"]
        assert len(origin["exposures"]) == 2
        assert origin["recipe_text"] == RECIPE.read_text(encoding="utf-8")
        assert not WCS(hdus["IMAGE"].header).has_celestial  # and no card that pretends a sky


def test_the_report_opens_with_astropy_and_json(run: Run) -> None:
    for kind in ("bias", "flat"):
        (path,) = run.root.glob(f"reports/*/*_{kind}_verdict.json")
        verdict = json.loads(path.read_text(encoding="utf-8"))
        assert verdict["accepted"] is True
        assert verdict["failed_exposures"] == []
        table = run.measured(kind)
        assert str(table["read_noise"].unit) == "electron"
        assert str(table["time"].unit) == "s"
        assert sorted(set(table["exposure"])) == verdict["exposures"]
    (journal,) = run.root.glob("reports/*/events.jsonl")
    events = [json.loads(line)["event"] for line in journal.read_text(encoding="utf-8").splitlines()]
    assert (events[0], events[-1]) == ("RunStarted", "RunEnded")
