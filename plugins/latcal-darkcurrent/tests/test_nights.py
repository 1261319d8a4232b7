"""Whole nights on a simulated sensor find what is true of it, and refuse what is wrong."""

from __future__ import annotations

import numpy as np
import pytest
from latcal.plugin import MASK_PLANES, RecipeError
from latcal.plugin.registry import Registry
from nights import CHECK, MAKE, Night, Run, cut, run_night

PULLS = 24
"""Three sensors of 8 amplifiers."""

WIDTH = np.sqrt(14 / 12) / 1.037
"""Of pulls: Student's of 14 degrees of freedom, over what widens the errors: 1.04."""


def pulls(nights: list[Night], name: str) -> np.ndarray:
    """Give (found - true) / error of all amplifiers. The true rate is that of a pixel which is not hot."""
    found = []
    for night in nights:
        true = np.median(night.truth("DARK"), axis=(1, 2)) if name == "rate" else np.zeros(8)
        assert name != "rate" or (true > 0.018).all()
        found.append((night.fact(name) - true) / night.fact(f"{name}_error"))
    return np.concatenate(found)


@pytest.mark.parametrize("name", ["rate", "intercept"])
def test_pulls_are_as_wide_as_the_errors_say(nights: list[Night], name: str) -> None:
    seen = pulls(nights, name)
    assert seen.size == PULLS
    # the sampling error of a mean is 1 / sqrt(24), that of a width a little over 1 / sqrt(48); 3 of each
    assert abs(seen.mean()) < 3 * WIDTH / np.sqrt(PULLS)
    assert np.sqrt(np.mean(seen**2)) == pytest.approx(WIDTH, abs=3 * 1.1 / np.sqrt(2 * PULLS))
    # Student's t beyond 3 errors: 0.8 %, so 0.2 of 24; more than 2 are a chance of 1 in 1000
    assert np.count_nonzero(np.abs(seen) > 3) <= 2


def test_errors_are_those_that_overscans_of_this_size_give(nights: list[Night]) -> None:
    """A frame loses the mean of 38 x 60 samples and wins that of 10 rows of 60, less that of 38 x 10: 0.63 electron."""
    frame = 9.27 * np.sqrt(1 / (38 * 60) + 1 / (38 * 10) + 1 / (60 * 10))
    times = np.repeat([5.01, 15.01, 30.01, 60.01], 4)
    expected = 1.037 * np.hypot(frame, 9.27 / 60) / np.sqrt(np.sum((times - times.mean()) ** 2))
    # the mean of 24 errors, each known to 1 / sqrt(28): 4 %, three of them
    assert np.mean([night.fact("rate_error") for night in nights]) == pytest.approx(expected, rel=0.12)


def test_every_hot_pixel_is_found_and_no_other(nights: list[Night]) -> None:
    """The faintest has 4 electron/s, the limit is 3 and the noise 0.1: 10 sigma on either side."""
    for night in nights:
        true = night.truth("DARK") > 3.5
        found = (cut(night.product().planes["mask"]) & (1 << MASK_PLANES["BAD"])) != 0
        assert true.sum() > 30
        np.testing.assert_array_equal(found, true)
        np.testing.assert_array_equal(night.fact("hot_pixels"), true.sum(axis=(1, 2)))


def test_the_95th_percentile_is_that_of_the_noise_about_the_truth(nights: list[Night]) -> None:
    """3600 pixels know it to 0.035 of their noise, and all of them are off by what frames and bias scatter: 0.007.

    Of 24 the worst may be 4 errors off. Hot pixels, 0.2 %, raise it by 0.02 of the noise.
    """
    for night in nights:
        noise, true = night.fact("pixel_noise"), np.median(night.truth("DARK"), axis=(1, 2))
        assert noise == pytest.approx(0.1, rel=0.1)
        error = np.hypot(0.035 * noise, 0.007)
        assert np.abs((night.fact("percentile_95") - true - 1.665 * noise) / error).max() < 4


def test_the_product_is_whole_in_the_folder(nights: list[Night]) -> None:
    product = nights[0].product()
    assert (product.kind, product.unit, product.pins) == ("dark_current", "electron / s", {})
    assert {name: (plane.dtype.name, plane.shape) for name, plane in product.planes.items()} == {
        "image": ("float32", (120, 240)),
        "variance": ("float32", (120, 240)),
        "mask": ("uint8", (120, 240)),
        "kept": ("uint16", (120, 240)),
    }
    units = {name: column.unit for name, column in product.tables["amplifiers"].items()}
    assert (units["rate"], units["intercept"], units["hot_pixels"]) == ("electron / s", "electron", "")
    assert len(product.provenance.exposures) == 16
    assert [ref.kind for ref in product.provenance.inputs] == ["bias"]
    assert product.provenance.versions["latcal-darkcurrent"] == "0.1.0"


BIAS_ONLY = (
    "sequences={biases: {image: bias, exposures: 8 x 0 s}}",
    "stages=[{make: bias, frames: [biases], verify: {waived_by: the tests, reason: another type}}]",
)
LADDER_ONLY = (
    "sequences={ladder: {image: dark, exposures: [2 x 5 s, 2 x 60 s]}}",
    "stages=[{make: dark_current, frames: [ladder], collections: [calib/first]}]",
    "certify.into=calib/second",
)


def test_a_glow_of_every_readout_is_the_intercept_and_no_rate(run: Run) -> None:
    """The bias is of a night without glow, the ladder of a night in which every readout glows at its output."""
    dark = run(MAKE, *BIAS_ONLY, "camera.glow=0 electron")
    before = dark.truth("BIAS", "bias")
    bright = run(MAKE, *LADDER_ONLY, "camera.glow=60 electron", "camera.first=100")
    glow = (bright.truth("BIAS", "bias") - before).mean(axis=(1, 2))
    assert glow == pytest.approx(0.93, rel=0.1)
    found = bright.product(collection="calib/second").tables["amplifiers"]
    intercept, error = (np.array(found[name].values) for name in ("intercept", "intercept_error"))
    # 8 of Student's t of 2 degrees of freedom: their median size is 0.62 errors, known to 0.35
    assert np.median(np.abs((intercept - glow) / error)) == pytest.approx(0.62, abs=3 * 0.35)
    # and together they see it: 8 errors of 0.5 electron are 0.18
    assert intercept.mean() == pytest.approx(glow.mean(), abs=3 * error.mean() / np.sqrt(8))
    assert np.mean(found["rate"].values) == pytest.approx(0.02, abs=3 * np.mean(found["rate_error"].values) / np.sqrt(8))


def test_another_night_of_the_same_sensor_is_on_the_line(nights: list[Night], registry: Registry) -> None:
    night = run_night(registry, nights[0].folder, CHECK)
    assert night.report.exit_code == 0
    (stage,) = night.report.stages
    assert stage.verdict is not None
    rules = ["dark_current", "rate", "intercept", "departure", "worst_departure", "read_noise"]
    assert [tally.rule for tally in stage.verdict.tallies] == rules
    assert not stage.certified


def test_a_leak_on_another_night_is_off_the_line_and_names_the_long_frames(nights: list[Night], registry: Registry) -> None:
    """At 0.1 electron/s it is 1 electron in 10 s, 4 in 40 s; the limit is 1.8."""
    night = run_night(registry, nights[0].folder, CHECK, "camera.faults=[{what: light leak, rate: 0.1 electron/s}]")
    assert night.report.exit_code == 1
    (stage,) = night.report.stages
    verdict = stage.verdict
    assert verdict is not None
    assert [tally.rule for tally in verdict.tallies if tally.decisive] == ["departure"]
    assert verdict.failed_exposures == verdict.exposures[1:]


def test_a_leak_in_the_last_frame_alone_tilts_the_line_and_is_refused(run: Run) -> None:
    """At 0.3 electron/s for 60 s it is 18 electrons in one frame of 16; the rate that it leaves is below its limit."""
    leak = "camera.faults=[{what: light leak, rate: 0.3 electron/s, sequence: ladder, exposures: 17}]"
    night = run(MAKE, "sequences.ladder={image: dark, exposures: [4 x 5 s, 4 x 15 s, 4 x 30 s, 4 x 60 s], discard: 1}", leak)
    assert night.report.exit_code == 1
    verdict = night.report.stages[1].verdict
    assert verdict is not None
    assert "worst_departure" in [tally.rule for tally in verdict.tallies if tally.decisive]
    assert len(verdict.failed_exposures) == len(verdict.exposures)  # `departure` alone names one


def test_a_ladder_that_came_down_to_one_time_fails_and_says_what_to_take(run: Run) -> None:
    night = run(
        MAKE,
        "sequences.ladder.exposures=[2 x 5 s, 2 x 60 s]",
        "stages.1.at_least=2",
        "camera.faults=[{what: wrong shape, sequence: ladder, exposures: 3 to 4}]",
    )
    assert night.report.exit_code == 4
    assert "2 frames of 5.01 s are not a ladder of dark times (take 3 or more" in night.reason()


def test_overscans_of_ones_own_and_crosstalk_left_alone_are_in_the_product(run: Run) -> None:
    """What `combining` offers is what the dark offers; the stage of the bias says the same, or it is not planned."""
    mine, few = "{overscan: {serial: constant, parallel: none}, crosstalk: false}", "[1 x 5 s, 1 x 15 s, 1 x 60 s]"
    both = [f"stages.{number}.options={mine}" for number in (0, 1)]
    with pytest.raises(RecipeError, match="do not have the same overscan models"):
        run(MAKE, both[1])
    night = run(MAKE, *both, f"sequences.ladder.exposures={few}")
    assert night.report.exit_code == 0
    assert "overscan 'constant', parallel 'none'" in night.product().preparation
