"""What is drawn of a product: every mark is where the product says, whatever its kind is called."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from typing import Any

import numpy as np
import pytest
from attrs import evolve
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from latcal.builtin.reporters.drawings import drawn, written
from latcal.builtin.reporters.drawings.page import GREEN, VERMILLION, plainly
from latcal.builtin.reporters.drawings.shrinking import bits, block, means, sample
from latcal.numerics.reasons import Reason
from latcal.plugin import Column, Detector, Product, Setup
from latcal.testing import samples
from latcal.testing.cameras import small_instrument

NAN = float("nan")
TWO = samples.instrument().detectors[0]
FOUR = small_instrument().detectors[0]


def product(kind: str = "stranger", **changes: Any) -> Product:
    return evolve(samples.product(kind), **{"planes": {}, "tables": {}, "unit": "", **changes})


def texts(figure: Figure) -> str:
    """All words of a page."""
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        legend = axes.get_legend()
        found += [text.get_text() for text in axes.texts] + [axes.get_xlabel(), axes.get_ylabel(), axes.get_title(loc="right")]
        found += [text.get_text() for text in (*legend.get_texts(), legend.get_title())] if legend else []
        for child in axes.child_axes:
            found.append(child.get_xlabel())
    return "\n".join(found)


# -- the page ------------------------------------------------------------------------------------------------------


def test_a_page_says_which_product_it_is_and_from_what() -> None:
    given = evolve(samples.product("flat", setup=Setup(filter="r", grating="empty")), exposure=2022110400001)
    words = texts(drawn(given, TWO))
    assert "flat of S00 (detector 0) · r~empty · exposure 2022110400001" in words
    assert "3 frames · run sample-run · 2022-11-04T21:00:00 TAI" in words
    pair = evolve(given, provenance=evolve(samples.provenance((12, 13)), unverified="Ann: a trial"))
    assert "2 frames (2022110400012, 2022110400013) · run sample-run" in texts(drawn(pair, TWO))
    assert texts(drawn(pair, TWO)).splitlines()[1].endswith(" · UNVERIFIED: Ann: a trial")


def test_of_a_product_with_nothing_to_draw_a_page_says_so() -> None:
    assert "nothing here to draw: neither plane nor table" in texts(drawn(product(), TWO))
    assert "nothing here to draw: pairs" in texts(drawn(product(tables={"pairs": {"a": Column(("x",))}}), TWO))


@pytest.mark.parametrize(("form", "begin"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_the_same_page_gives_the_same_bytes(form: str, begin: bytes) -> None:
    first, second = (written(drawn(samples.product(), TWO), form, 50) for _ in range(2))
    assert first == second
    assert first.startswith(begin)


def test_dots_per_inch_are_those_that_were_asked_for() -> None:
    small, large = (written(drawn(product(), None), "png", dpi) for dpi in (40, 80))
    sizes = [tuple(int.from_bytes(data[at : at + 4], "big") for at in (16, 20)) for data in (small, large)]
    assert sizes[1] == tuple(2 * side for side in sizes[0])


def test_odd_words_are_drawn_as_they_can_be_and_are_no_formula() -> None:
    odd = samples.product("bias", setup=Setup(filter="$r^$", grating="滤\n\x00é"))
    table = {"amplifier": Column(("$A^$", "B\n")), "$weird^$_滤": Column((1.0, 2.0), "electron")}
    for given in (odd, evolve(odd, planes={}, tables={"amplifiers": table})):
        written(drawn(given, TWO), "png", 30)  # a letter that the typeface has not would be a warning, a formula an error
    assert plainly("滤\n\x00é$") == "\\u6ee4\\n\\x00é$"


def test_nothing_is_drawn_by_the_part_of_matplotlib_that_keeps_figures() -> None:
    program = (
        "import sys\nfrom latcal.builtin.reporters.drawings import drawn, written\nfrom latcal.testing import samples\n"
        "written(drawn(samples.product(), None), 'png', 30)\nprint('matplotlib.pyplot' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"


# -- small enough --------------------------------------------------------------------------------------------------


def test_blocks_are_the_means_of_the_numbers_in_them_and_at_the_far_edges_of_those_that_are_left() -> None:
    plane = np.arange(35.0).reshape(5, 7)
    plane[0, 0], plane[4, 6] = NAN, np.inf
    found = means(plane, 3)
    assert found.shape == (2, 3)
    assert found[0, 0] == pytest.approx(np.nanmean(plane[:3, :3]))
    assert found[1, 1] == pytest.approx(plane[3:, 3:6].mean())
    assert found[1, 2] == plane[3, 6]
    plane[3, 6] = NAN
    assert np.isnan(means(plane, 3)[1, 2])
    np.testing.assert_array_equal(means(np.eye(4, dtype=np.uint8), 1), np.eye(4))


def test_blocks_have_every_bit_of_their_pixels() -> None:
    plane = np.zeros((5, 7), np.uint16)
    plane[1, 1], plane[2, 2], plane[4, 6] = 1, 256, 2
    assert bits(plane, 3).tolist() == [[257, 0, 0], [0, 0, 2]]


def test_no_side_has_more_blocks_than_are_wanted() -> None:
    assert [block((4000, 4072), 1000), block((1000, 10), 1000), block((1001, 10), 1000)] == [5, 1, 2]


def test_a_sample_is_from_every_column_and_has_no_holes() -> None:
    plane = np.tile(np.arange(297.0), (3340, 1))  # every 99th pixel would be of three columns
    plane[:, 7] = NAN
    found = sample(plane, 10_000)
    assert 8_000 < found.size <= 11_000
    assert set(found) == set(range(297)) - {7}


# -- images --------------------------------------------------------------------------------------------------------


def noise(detector: Detector, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(100.0, 2.0, detector.shape).astype(np.float32)


def test_an_image_is_drawn_with_its_unit_and_a_histogram_of_each_amplifier() -> None:
    figure = drawn(product(planes={"image": noise(FOUR)}, unit="electron / s"), FOUR)
    picture, *histograms = figure.axes
    assert [axes.get_ylabel() for axes in histograms] == [one.name for one in FOUR.amplifiers]
    assert "image [e-/s]" in texts(figure)
    shown = picture.images[0]
    assert shown.get_extent() == [0, FOUR.shape[1], 0, FOUR.shape[0]]
    np.testing.assert_allclose(shown.get_array(), noise(FOUR), rtol=1e-6)


def test_a_histogram_counts_each_pixel_of_its_amplifier_and_tells_those_outside() -> None:
    image = noise(FOUR)
    box = FOUR.amplifiers[1].position
    image[box.y0, box.x0 : box.x0 + 3] = 1e6
    image[box.y0 + 1, box.x0] = NAN
    _, _, histogram, *_ = drawn(product(planes={"image": image}), FOUR).axes
    counts = histogram.patches[0].get_data().values
    assert counts.sum() + 3 + 1 == box.size
    assert "\n3 outside" in histogram.texts[0].get_text()


def test_one_hot_column_does_not_spoil_the_scale() -> None:
    image = noise(FOUR)
    image[0, :3] = 1e6
    low, high = drawn(product(planes={"image": image}), FOUR).axes[0].images[0].get_clim()
    assert 90.0 < low < 97.0
    assert 103.0 < high < 110.0


def test_pixels_without_a_number_are_seen_and_counted() -> None:
    image = noise(FOUR)
    image[:3, 5] = NAN
    figure = drawn(product(planes={"image": image}), FOUR)
    assert figure.axes[0].images[0].get_array().mask.sum() == 3
    assert to_rgb(figure.axes[0].get_facecolor()) == to_rgb(VERMILLION)
    assert "3 pixels without a number (orange-red)" in texts(figure)


def test_an_image_of_one_value_and_one_of_none_are_drawn() -> None:
    for value in (0.0, 7.0, NAN):
        written(drawn(product(planes={"image": np.full((8, 8), value, np.float32)}), None), "png", 30)


def test_an_image_of_another_shape_than_the_detector_has_one_histogram() -> None:
    for given, detector in ((np.ones((7, 9)), FOUR), (noise(FOUR), None)):
        assert [axes.get_ylabel() for axes in drawn(product(planes={"image": given}), detector).axes[1:]] == ["all"]


def test_a_plane_of_another_name_is_drawn_too_and_those_beside_an_image_are_not() -> None:
    figure = drawn(product(planes={"variance": noise(FOUR), "rate": 2 * noise(FOUR)}), FOUR)
    assert "rate" in figure.axes[1 + 3].get_xlabel()
    assert figure.axes[0].images[0].get_array().mean() == pytest.approx(200.0, rel=0.01)


def test_a_large_image_is_drawn_in_little_memory() -> None:
    image = np.random.default_rng(0).normal(size=(1600, 1500)).astype(np.float32)
    given = product(planes={"image": image})
    drawn(given, None)  # what is imported and made once
    tracemalloc.start()
    figure = drawn(given, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert figure.axes[0].images[0].get_array().shape == (800, 750)
    assert peak < 4 * image.nbytes


# -- numbers of amplifiers -----------------------------------------------------------------------------------------

GAIN = {
    "amplifier": Column(("A", "B")),
    "gain": Column((1.15, NAN), "electron / adu"),
    "gain_error": Column((0.01, NAN), "electron / adu"),
    "noise": Column((9.2, 9.4), "electron"),
    "noise_error": Column((0.1, 0.2), "electron"),
    "mean": Column((3e4, 3e4), "adu"),
}


def test_numbers_with_errors_are_drawn_with_them_beside_what_is_nominal() -> None:
    figure = drawn(product(tables={"amplifiers": GAIN}), TWO)
    gain, read_noise = figure.axes
    assert [gain.get_ylabel(), read_noise.get_ylabel()] == ["gain [e-/adu]", "noise [e-]"]
    (points, (low, high), _), nominal = gain.containers[0], gain.collections[0]
    assert points.get_xydata().tolist() == [[0.0, 1.15]]
    assert (low.get_ydata()[0], high.get_ydata()[0]) == (pytest.approx(1.14), pytest.approx(1.16))
    assert [segment[0][1] for segment in nominal.get_segments()] == [1.1, 1.1]  # of the instrument
    assert [segment[0][1] for segment in read_noise.collections[0].get_segments()] == [9.0, 9.0]
    assert [text.get_text() for text in gain.texts] == ["none"]
    assert [text.get_text() for text in read_noise.get_xticklabels()] == ["A", "B"]


@pytest.mark.parametrize("word", ["expected", "nominal"])
def test_what_a_product_expects_or_calls_nominal_counts_before_the_instrument(word: str) -> None:
    table = {**GAIN, f"{word}_noise": Column((8.0, 8.5), "electron")}
    _, read_noise = drawn(product(tables={"amplifiers": table}), TWO).axes
    assert [segment[0][1] for segment in read_noise.collections[0].get_segments()] == [8.0, 8.5]
    assert read_noise.get_title(loc="right") == f"with standard error; {word} orange"


def test_what_is_nominal_in_another_unit_or_of_no_detector_is_not_drawn() -> None:
    table = {**GAIN, "noise": Column((9.2, 9.4), "adu")}
    gain, read_noise = drawn(product(tables={"amplifiers": table}), TWO).axes
    assert "nominal" in gain.get_title(loc="right")
    assert "nominal" not in read_noise.get_title(loc="right")
    assert all("nominal" not in axes.get_title(loc="right") for axes in drawn(product(tables={"amplifiers": GAIN}), None).axes)


def test_where_no_number_has_an_error_all_are_drawn_and_texts_are_not() -> None:
    table = {"amplifier": GAIN["amplifier"], "level": Column((1.0, 2.0), "adu"), "n": Column((3, 4)), "word": Column(("x", "y"))}
    assert [axes.get_ylabel() for axes in drawn(product(tables={"amplifiers": table}), TWO).axes] == ["level [adu]", "n"]


# -- photon transfer curves ----------------------------------------------------------------------------------------

PTC = {
    "AMPLIFIER_NAME": Column(("A", "B", "C")),
    "RAW_MEANS": Column(((100.0, 1e3, 1e4, 1e5), (110.0, 1.1e3, 1.1e4, 1.1e5), (90.0, 900.0, 9e3, NAN)), "adu"),
    "RAW_VARS": Column(((101.0, 1e3, 9.9e3, 2e4), (110.0, 1.2e3, 1.1e4, 1e5), (1.0, 2.0, 3.0, NAN)), "adu2"),
    "FINAL_MODEL_VARS": Column(((100.0, 1e3, 1e4, NAN), (110.0, NAN, 1.1e4, 1e5), (NAN,) * 4), "adu2"),
    "NPIXEL_COVARIANCES": Column(((20_000,) * 4, (20_000,) * 4, (0,) * 4)),
    "GAIN": Column((1.1, 1.2, NAN), "electron / adu"),
    "GAIN_ERR": Column((0.001, 0.002, NAN), "electron / adu"),
    "PTC_TURNOFF": Column((1e4, 1.1e5, NAN), "adu"),
}
NUMBERS = {
    "amplifier": Column(("A", "B", "C")),
    "gain": Column((1.1, 1.2, NAN), "electron / adu"),
    "gain_error": Column((0.001, 0.002, NAN), "electron / adu"),
    "turnoff_reached": Column((1.0, 0.0, 0.0)),
}
FAILURES = {"amplifier": Column(("C",)), "reason": Column(("the variance is too small",))}
CURVES = product(tables={"amplifiers": NUMBERS, "ptc": PTC, "failures": FAILURES})


def marks(axes: Any, marker: str) -> list[list[float]]:
    return [point for line in axes.lines if line.get_marker() == marker for point in line.get_xydata().tolist()]


def turnoffs(axes: Any) -> list[float]:
    return [float(line.get_xdata()[0]) for line in axes.lines if line.get_color() == GREEN]


def test_of_every_amplifier_points_fit_and_residuals_are_drawn_and_what_was_rejected_is_marked() -> None:
    above, below, above_b, _, above_c, below_c, *aside = drawn(CURVES, None).axes
    assert marks(above, ".") == [[100.0, 101.0], [1e3, 1e3], [1e4, 9.9e3]]
    assert marks(above, "x") == [[1e5, 2e4]]
    assert marks(above, "None")[:3] == [[100.0, 100.0], [1e3, 1e3], [1e4, 1e4]]
    assert marks(above_b, "x") == [[1.1e3, 1.2e3]]
    points, _, (errors,) = below.containers[0]
    np.testing.assert_allclose(points.get_xydata(), [[100.0, 1.0], [1e3, 0.0], [1e4, -1.0]], atol=1e-9)
    low, high = errors.get_segments()[0]
    assert high[1] - low[1] == pytest.approx(2 * 100 * np.sqrt(2 / 20_000))
    assert marks(above_c, ".") == marks(below_c, ".") == []
    assert len(marks(above_c, "x")) == 3
    assert [axes.get_ylabel() for axes in aside] == ["gain [e-/adu]"]


def test_a_turnoff_is_drawn_where_the_ladder_reaches_it() -> None:
    axes = drawn(CURVES, None).axes
    assert [turnoffs(axes[place]) for place in (0, 1, 2, 4)] == [[1e4], [1e4], [], []]


def test_an_amplifier_has_its_gain_or_the_reason_why_it_has_none() -> None:
    above, _, _, _, above_c, *_ = drawn(CURVES, None).axes
    assert [text.get_text() for text in above.texts] == ["A", "1.1000 +- 0.0010 e-/adu"]
    assert [text.get_text() for text in above_c.texts] == ["C", "no fit: the variance is too small"]


def test_all_curves_have_one_scale_in_which_every_point_is_seen() -> None:
    axes = drawn(CURVES, None).axes
    assert len({(one.get_xlim(), one.get_ylim(), one.get_xscale()) for one in axes[:6:2]}) == 1
    assert axes[0].get_xlim()[0] < 90.0
    assert axes[0].get_xlim()[1] > 1.1e5
    assert axes[0].get_xscale() == "log"
    assert axes[1].get_ylim()[1] > 1.0 + 100 * np.sqrt(2 / 20_000)


def test_curves_of_which_none_could_be_fitted_are_drawn() -> None:
    table = {name: PTC[name] for name in ("AMPLIFIER_NAME", "RAW_MEANS", "RAW_VARS")}
    figure = drawn(product(tables={"ptc": table}), None)
    written(figure, "png", 30)
    assert "no fit: no reason given" in texts(figure)


# -- defects -------------------------------------------------------------------------------------------------------


def colour_at(figure: Figure, y: int, x: int, side: int = 1) -> tuple[float, ...]:
    return tuple(figure.axes[0].images[0].get_array()[y // side, x // side])


def test_a_map_has_a_colour_for_each_reason_and_counts_in_its_legend() -> None:
    reason = np.zeros(FOUR.shape, np.uint16)
    reason[10:20, 5] = int(Reason.COLUMN | Reason.HOT)
    reason[30, 30] = int(Reason.DEAD)
    figure = drawn(product(planes={"mask": (8 * (reason != 0)).astype(np.uint8), "reason": reason}), FOUR)
    words = texts(figure)
    assert f"11 bad pixels of {reason.size}" in words
    assert [line for line in words.splitlines() if ": " in line][-3:] == ["hot: 10", "column: 10", "dead: 1"]
    assert colour_at(figure, 15, 5) == pytest.approx(to_rgb(GREEN), abs=1e-6)
    assert colour_at(figure, 30, 30) == (0.0, 0.0, 0.0)
    assert colour_at(figure, 25, 25) == (1.0, 1.0, 1.0)


def test_a_single_pixel_of_a_large_detector_is_drawn_large_enough_to_be_seen_and_over_what_is_frequent() -> None:
    reason = np.zeros((4000, 4072), np.uint16)
    reason[:, 2000:2010] = int(Reason.COLUMN)
    reason[1234, 2005] = int(Reason.HOT)
    shown = drawn(product(planes={"reason": reason}), None).axes[0].images[0].get_array()
    assert max(shown.shape) <= 900
    red = np.argwhere(np.all(np.isclose(shown, to_rgb(VERMILLION), atol=1e-6), axis=-1))
    assert len(red) == 9  # 3 x 3 blocks
    assert red.mean(axis=0).tolist() == [1234 // 5, 2005 // 5]


def test_a_table_of_boxes_is_drawn_where_no_plane_says_why() -> None:
    boxes = {
        "x0": Column((3, 20)), "y0": Column((5, 0)), "width": Column((2, 1)), "height": Column((1, 30)),
        "reason": Column(("hot_spot", "glow")),
    }  # fmt: skip
    figure = drawn(product(tables={"boxes": boxes}), FOUR)
    assert f"32 bad pixels of {FOUR.shape[0] * FOUR.shape[1]}" in texts(figure)
    assert texts(figure).count("hot spot: 2") == texts(figure).count("glow: 30") == 1
    assert colour_at(figure, 5, 4) != (1.0, 1.0, 1.0)
    assert colour_at(figure, 20, 20) not in ((1.0, 1.0, 1.0), colour_at(figure, 5, 4))
    assert drawn(product(tables={"boxes": boxes}), None).axes[0].images[0].get_array().shape == (30, 21, 3)


def test_a_mask_alone_is_drawn_by_the_names_of_its_bits_and_beside_an_image_it_is_not() -> None:
    mask = np.zeros(FOUR.shape, np.uint8)
    mask[0, 0], mask[9, 9] = 1 << 3, 1 << 6
    figure = drawn(product(planes={"mask": mask}), FOUR)
    assert {line for line in texts(figure).splitlines() if line.endswith(": 1")} == {"bad: 1", "bit 6: 1"}
    assert len(drawn(product(planes={"image": noise(FOUR), "mask": mask}), FOUR).axes) > 2


def test_a_map_without_a_defect_is_drawn() -> None:
    figure = drawn(product(planes={"reason": np.zeros(FOUR.shape, np.uint16)}), FOUR)
    written(figure, "png", 30)
    assert "0 bad pixels of" in texts(figure)
