"""Defect maps through camera, engine and store: what is bad is found, what grows is refused, what is masked is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from attrs import frozen
from end_to_end import blemished

import latcal
from latcal.errors import NotReady, RecipeError
from latcal.model.events import Judged
from latcal.numerics.reasons import Reason
from latcal.plugin import MASK_PLANES, Product
from latcal.plugin.registry import Registry
from latcal.testing.nights import Night, load, run_night

BAD, NO_DATA = (1 << MASK_PLANES[name] for name in ("BAD", "NO_DATA"))

BENCH = """\
latcal: 1
title: Every kind of defect
instrument: corner
camera: {{use: blemished, seed: 7, settling: 0 electron, crosstalk: 0.0, hot_pixels: 0.2 %, bad_columns: 8,
  telegraph_pixels: 0.1 %}}  # with crosstalk the ghost of a full column is a bright one: 1.5e-3 of 118,000 electrons in 30 s
store: {{use: folder, root: {root}}}
sequences:
  biases: {{image: bias, exposures: 6 x 0 s}}
  darks: {{image: dark, exposures: 20 x 30 s}}
  flats: {{image: flat, exposures: 20 x 5 s, filter: r}}
stages:
  - {{make: bias, frames: [biases]}}
  - {{make: defects, frames: [darks, flats], accept: {{amplifiers: 4}}}}
rules:
  bias: {{noise: noise <= 1.5 * frame_noise}}
  defects: {{bad_pixels: bad_fraction <= 0.2, detector_bad_pixels: detector_bad_fraction <= 0.1}}
certify: {{into: calib/bench, begin: 2026-01-01, end: open}}
"""


@frozen(eq=False)
class Bench:
    """A run on a corner of the bench: what was judged, the map, and what is true."""

    judged: Judged
    product: Product
    sensor: blemished.Sensor


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Give a map of four amplifiers of the bench from 20 darks of 30 s and 20 flats of 18,000 electrons (decisions.md 3.8)."""
    root = tmp_path_factory.mktemp("bench")
    registry = latcal.load_plugins(extra=[blemished])
    night = run_night(BENCH.format(root=root), registry)
    assert night.report.exit_code == 0, night.reasons
    with latcal.open_store("folder", registry, root=str(root)) as store:
        product = store.get(night.report.stages[1].built[0])
    planned = latcal.plan(latcal.read(BENCH.format(root=root), "bench.yaml", registry), registry)
    detector, options = planned.instrument.detectors[0], planned.recipe.camera.options
    return Bench(night.of(Judged)[-1], product, blemished.sensor(options, detector))


def test_defects_of_every_kind_are_found_on_the_bench_and_nothing_else(bench: Bench) -> None:
    counts, false = blemished.tally(bench.sensor, bench.product.planes["reason"])
    found = {kind: (one.found, one.missed) for kind, one in counts.items()}
    assert all(missed == 0 for _, missed in found.values()), found
    assert {kind: hits >= least for (kind, (hits, _)), least in zip(found.items(), (100, 30, 40, 4, 4, 2, 2, 2), strict=True)} == dict.fromkeys(found, True)
    # 20 on a detector of 16 million pixels are a twelfth of one here
    assert false == 0


def test_reasons_on_the_bench_say_what_is_wrong(bench: Bench) -> None:
    expected = {
        "hot pixel": Reason.HOT,
        "cold pixel": Reason.COLD,
        "telegraph pixel": Reason.UNSTABLE,
        "bright column": Reason.COLUMN,
        "dim column": Reason.COLUMN,
        "blinking column": Reason.BLINKING | Reason.HOT | Reason.COLUMN,
        "dead column": Reason.COLUMN,
        "saturated column": Reason.SATURATED,
    }
    right: dict[str, list[bool]] = {kind: [] for kind in expected}
    for one in bench.sensor.defects:
        seen = bench.product.planes["reason"][one.y, one.x] & np.uint16(expected[one.kind])
        right[one.kind].append(bool((seen != 0).mean() >= 0.9))
    # one that lies in a bad column, or jumps by less than its own dark signal scatters, has the reason of that alone
    assert {kind: float(np.mean(hits)) > 0.9 for kind, hits in right.items()} == dict.fromkeys(right, True)


def test_a_full_column_spoils_two_on_either_side_and_is_not_called_dead(bench: Bench) -> None:
    reason = bench.product.planes["reason"]
    full = [one for one in bench.sensor.added if one.kind == "saturated column"]
    assert full
    for one in full:
        x, rows = int(one.x[0]), one.y[20:-20]
        beside = reason[rows, x - 2 : x + 3]
        assert np.all(beside)  # what was bad before for a reason of its own keeps it
        assert (beside & np.uint16(Reason.SATURATED) != 0).mean() > 0.98
    assert not np.any(reason & np.uint16(Reason.DEAD))


def test_the_table_of_boxes_is_the_mask_and_the_counts_are_those_of_the_planes(bench: Bench) -> None:
    planes, tables = bench.product.planes, bench.product.tables
    boxes = tables["defects"]
    drawn = np.zeros(planes["mask"].shape, dtype=int)
    for x0, y0, width, height in zip(*(boxes[name].values for name in ("x0", "y0", "width", "height")), strict=True):
        drawn[y0 : y0 + height, x0 : x0 + width] += 1
    assert np.array_equal(drawn, planes["mask"] // BAD)  # all of it, and no box over another
    assert np.array_equal(planes["mask"] != 0, planes["reason"] != 0)
    assert (boxes["x0"].unit, set("+".join(boxes["reason"].values).split("+")) <= {one.name for one in Reason}) == ("pix", True)
    counts = tables["amplifiers"]
    assert sum(counts["masked"].values) == np.count_nonzero(planes["mask"])
    assert sum(counts["hot"].values) == np.count_nonzero(planes["reason"] & np.uint16(Reason.HOT))
    found = planes["reason"] & ~np.uint16(Reason.EDGE)
    assert sum(counts["bad_pixels"].values) == np.count_nonzero(found)
    assert set(counts["darks"].values) == set(counts["flats"].values) == {20.0}


def test_once_masked_frames_are_noise_and_before_they_are_not(bench: Bench) -> None:
    numbers = bench.judged.numbers
    # what the mended rules of the Rubin verification compare; unmasked, all of them would fail
    for name, limit in (("outliers", 50.0), ("scatter", 1.1)):
        assert numbers[name]["median"] <= limit / 10 or name == "scatter"
        assert numbers[name]["median"] < limit < numbers[f"unmasked_{name}"]["greatest"]
    assert numbers["greatest"]["greatest"] < numbers["spared"]["least"] < numbers["unmasked_greatest"]["greatest"]
    assert -numbers["least"]["least"] < numbers["spared"]["least"] < -numbers["unmasked_least"]["least"]


# -- on a small sensor ---------------------------------------------------------------------------------------------

SMALL = """\
latcal: 1
title: Defects of a small sensor
instrument: small_sensor
camera: {{use: simulated, seed: 3, settling: 0 electron, hot_pixels: 0.3 %, bad_columns: 0}}
store: {{use: folder, root: {root}}}
executor: {{use: serial}}
sequences:
{sequences}
stages:
{stages}
"""
SEQUENCES = {
    "biases": "{image: bias, exposures: 3 x 0 s}",
    "darks": "{image: dark, exposures: 5 x 30 s}",
    "flats": "{image: flat, exposures: 3 x 5 s, filter: r}",
}
WAIVED = "verify: {waived_by: the test, reason: three frames are too few for the rules on noise}"
BIAS = f"{{make: bias, frames: [biases], {WAIVED}}}"
RULES = "rules: {bad_pixels: bad_fraction <= 0.2, detector_bad_pixels: detector_bad_fraction <= 0.2}"
"""A hot pixel is much of a small amplifier."""
NAMED = (slice(20, 26), slice(20, 25))
"""Rows and columns of a box that the map of the first night names."""


def defects(options: str = "", *, frames: str = "darks, flats", more: str = "") -> str:
    return f"{{make: defects, frames: [{frames}], options: {{{options}}}, {RULES}{more}}}"


def run(registry: Registry, root: Path, *stages: str, into: str = "calib/one", settings: tuple[str, ...] = ()) -> Night:
    used = (name for name in SEQUENCES if any(name in stage for stage in stages))
    text = SMALL.format(
        root=root,
        sequences="\n".join(f"  {name}: {SEQUENCES[name]}" for name in used),
        stages="\n".join(f"  - {stage}" for stage in stages),
    )
    if any("make:" in stage for stage in stages):
        text += f"certify: {{into: {into}, begin: 2026-01-01, end: open}}\n"
    return run_night(text, registry, *settings)


def made(registry: Registry, root: Path, night: Night) -> dict[str, Product]:
    with latcal.open_store("folder", registry, root=str(root)) as store:
        return {stage.line.kind: store.get(stage.built[0]) for stage in night.report.stages if stage.built}


def counts(product: Product) -> dict[str, float]:
    return {name: sum(column.values) for name, column in product.tables["amplifiers"].items() if name != "amplifier"}


@pytest.fixture(scope="module")
def small() -> Registry:
    return load(blemished).registry


@frozen(eq=False)
class First:
    """A night whose bias and map are certified in ``calib/one``."""

    root: Path
    products: dict[str, Product]


@pytest.fixture(scope="module")
def first(small: Registry, tmp_path_factory: pytest.TempPathFactory) -> First:
    root = tmp_path_factory.mktemp("first")
    night = run(small, root, BIAS, defects("manual: [[20, 20, 5, 6]]"))
    assert night.report.exit_code == 0, night.reasons
    return First(root, made(small, root, night))


def test_bias_dark_and_flat_leave_defects_out_when_asked_and_say_so(small: Registry, first: First) -> None:
    bad = first.products["defects"].planes["mask"] != 0
    assert bad[NAMED].all()
    stages = [
        f"{{make: {kind}, frames: [{name}], options: {{defects: true}}, collections: [calib/one], {WAIVED}}}"
        for kind, name in (("bias", "biases"), ("dark", "darks"), ("flat", "flats"))
    ]
    night = run(small, first.root, *stages, into="calib/masked")
    assert night.report.exit_code == 0, night.reasons
    products = made(small, first.root, night)
    assert set(products) == {"bias", "dark", "flat"}
    for product in products.values():
        assert np.array_equal(product.planes["mask"] & BAD != 0, bad)
        assert np.isnan(product.planes["image"][bad]).all()
        assert np.all(product.planes["mask"][bad] & NO_DATA)
        assert np.isfinite(product.planes["image"][~bad]).mean() > 0.99
        assert counts(product)["defects"] == np.count_nonzero(bad)
        assert [ref.kind for ref in product.provenance.inputs].count("defects") == 1
        assert product.provenance.options["defects"] is True


def test_without_being_asked_they_use_no_map_and_need_none(small: Registry, first: First) -> None:
    product = first.products["bias"]
    assert not np.any(product.planes["mask"] & BAD)
    assert "defects" not in product.tables["amplifiers"]
    assert np.isfinite(product.planes["image"]).all()


def test_a_map_is_not_made_of_the_one_that_its_bias_was_made_with(small: Registry, first: First) -> None:
    # a bias has no value where an older map was used; what that map says is no reason to say it again
    masked = f"{{make: bias, frames: [biases], options: {{defects: true}}, collections: [calib/one], {WAIVED}}}"
    night = run(small, first.root, masked, defects(), into="calib/again")
    assert night.report.exit_code == 0, night.reasons
    products = made(small, first.root, night)
    assert np.isnan(products["bias"].planes["image"][NAMED]).all()
    before, after = first.products["defects"].planes["reason"], products["defects"].planes["reason"]
    assert np.all(before[NAMED] & np.uint16(Reason.MANUAL))
    assert np.array_equal(after, before & ~np.uint16(Reason.MANUAL))


@pytest.mark.parametrize(("kind", "frames"), [("bias", "biases"), ("dark", "darks"), ("flat", "flats")])
def test_defects_that_are_left_out_must_be_certified_before_a_frame_is_taken(
    small: Registry, tmp_path: Path, kind: str, frames: str
) -> None:
    more = ", without_dark: a test" if kind == "flat" else ""
    stage = f"{{make: {kind}, frames: [{frames}], options: {{defects: true{more}}}, collections: [calib/none], {WAIVED}}}"
    with pytest.raises(NotReady, match=r"no defects for detector 0 is valid at .* in calib/none \(certify one"):
        run(small, tmp_path, *([BIAS] if kind != "bias" else []), stage)
    assert not list(tmp_path.rglob("*.fits"))


@pytest.mark.parametrize(("image", "kept", "gone"), [("darks", "hot", "cold"), ("flats", "cold", "hot")])
def test_darks_or_flats_alone_make_a_map(small: Registry, first: First, image: str, kept: str, gone: str) -> None:
    blemishes = ("camera.use=blemished", "camera.telegraph_pixels=0 %")
    stage = defects(frames=image, more=", accept: {amplifiers: 4}, collections: [calib/one]")
    night = run(small, first.root, stage, into=f"calib/{image}", settings=blemishes)
    found = counts(made(small, first.root, night)["defects"])
    assert (found[kept] > 3, found[gone]) == (True, 0)
    assert (found["darks"], found["flats"]) == ((20, 0) if image == "darks" else (0, 12))  # of four amplifiers


def test_a_lamp_that_was_off_is_told(small: Registry, first: First) -> None:
    off = ("camera.faults=[{what: lamp off, sequence: flats}]",)
    night = run(small, first.root, defects(more=", collections: [calib/one]"), into="calib/off", settings=off)
    assert night.report.exit_code == 4
    assert "none of the 3 flats saw light: the brightest has" in night.reasons
    assert "electron (see to the lamp, or leave the flats out of the stage)" in night.reasons


def test_a_flat_without_light_is_left_out_and_not_judged(small: Registry, first: First) -> None:
    off = ("camera.faults=[{what: lamp off, sequence: flats, exposures: 2}]",)
    night = run(small, first.root, defects(more=", collections: [calib/one]"), into="calib/one-off", settings=off)
    assert night.report.exit_code == 0, night.reasons
    assert counts(made(small, first.root, night)["defects"])["flats"] == 2 * 4
    tallies = {tally.rule: tally for tally in night.of(Judged)[-1].verdict.tallies}
    assert tallies["outliers"].untested == {"a flat without light": 4}  # amplifiers


def test_a_box_that_is_not_on_the_detector_is_named(small: Registry, first: First) -> None:
    stage = defects("manual: [[59, 0, 2, 80]]", frames="darks", more=", collections: [calib/one]")
    night = run(small, first.root, stage, into="calib/box")
    assert night.report.exit_code == 4
    assert "the box x0 59, y0 0, width 2, height 80 is not inside 60 x 80 pixels" in night.reasons


@pytest.mark.parametrize("box", ["[-1, 0, 2, 3]", "[1, 0, 0, 3]", "[1, 2, 3]"])
def test_a_box_that_is_none_anywhere_is_refused_in_the_recipe(small: Registry, tmp_path: Path, box: str) -> None:
    with pytest.raises(RecipeError, match=r"is not x0, y0, width and height of a box, counted from 0 \(write 'manual:"):
        run(small, tmp_path, BIAS, defects(f"manual: [{box}]", frames="darks"))


COMPARED = ", collections: [calib/one]"


def test_other_edges_and_named_boxes_are_no_growth(small: Registry, first: First) -> None:
    # another night of the same sensor
    stage = defects("compare: true, edge: 7, manual: [[40, 50, 5, 5]]", more=COMPARED)
    night = run(small, first.root, BIAS, stage, into="calib/edges", settings=("camera.first=100",))
    assert night.report.exit_code == 0, night.reasons
    found = counts(made(small, first.root, night)["defects"])
    assert (found["new_pixels"], found["new_columns"], found["healed_pixels"]) == (0, 0, 0)
    assert found["masked"] > counts(first.products["defects"])["masked"]


def test_a_sensor_that_has_grown_columns_is_refused(small: Registry, first: First) -> None:
    grown = ("camera.first=100", "camera.bad_columns=8")
    night = run(small, first.root, BIAS, defects("compare: true", more=COMPARED), into="calib/grown", settings=grown)
    assert night.report.exit_code == 1
    verdict = night.of(Judged)[-1].verdict
    assert {"detector_growth", "detector_column_growth"} <= {tally.rule for tally in verdict.tallies if tally.decisive}
    assert counts(made(small, first.root, night)["defects"])["new_columns"] == 7  # one of the eight is at the edge
    assert [ref.kind for ref in made(small, first.root, night)["defects"].provenance.inputs].count("defects") == 1


def test_growth_is_not_judged_unless_it_is_asked_for(small: Registry, first: First) -> None:
    found = counts(first.products["defects"])
    assert np.isnan([found["new_pixels"], found["new_columns"], found["healed_pixels"]]).all()


def test_a_map_to_compare_with_must_be_certified(small: Registry, tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"no defects for detector 0 is valid at .* in calib/none"):
        run(small, tmp_path, BIAS, defects("compare: true", more=", collections: [calib/none]"))


@pytest.mark.parametrize(("columns", "refused"), [(0, False), (40, True)])
def test_a_certified_map_is_checked_by_frames_of_another_night(
    small: Registry, first: First, columns: int, refused: bool
) -> None:
    # once there are columns that it does not know, they stand out of the frames
    stage = f"{{check: defects, frames: [darks, flats], collections: [calib/one], {RULES}}}"
    night = run(small, first.root, stage, settings=("camera.first=100", f"camera.bad_columns={columns}"))
    assert night.report.exit_code == int(refused), night.reasons
    decisive = {tally.rule for tally in night.of(Judged)[-1].verdict.tallies if tally.decisive}
    assert ({"stdev", "min", "max"} & decisive != set()) is refused


def test_every_frame_by_itself_gives_about_the_same_map(small: Registry, first: First) -> None:
    merges = ("images: combined", "merge: and", "merge: fraction", "merge: or")
    stages = [
        defects(one if one.startswith("images") else f"images: each, {one}", more=", accept: {amplifiers: 4}, "
        f"collections: [calib/one], certify: {{into: calib/{one.rpartition(' ')[2]}, begin: 2026-01-01, end: open}}")
        for one in merges
    ]  # fmt: skip
    blemishes = ("camera.use=blemished", "camera.lowest_hot_rate=6 electron/s", "camera.cosmic_rays=400 / (cm2 min)")
    night = run(small, first.root, *stages, into="calib/none", settings=blemishes)
    with latcal.open_store("folder", small, root=str(first.root)) as store:
        maps = [store.get(stage.built[0]).planes["reason"] != 0 for stage in night.report.stages]
    combined, every, fraction, some = maps
    assert np.all(every <= fraction)
    assert np.all(fraction <= some)
    assert np.count_nonzero(fraction != combined) <= 0.05 * np.count_nonzero(combined)
    assert np.count_nonzero(some) > np.count_nonzero(fraction)  # cosmic rays


def test_so_few_darks_that_rays_are_hot_pixels_are_refused(small: Registry, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"2 darks cannot tell hot pixels from cosmic rays \(write 3 or more"):
        run(small, tmp_path, BIAS, defects(), settings=("sequences.darks.exposures=2 x 30 s",))


def test_flats_that_would_be_full_are_refused_before_they_are_taken(small: Registry, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"sequence 'flats': 144000 electron are expected, .* \(write less than 3\d"):
        run(small, tmp_path, BIAS, defects(), settings=("sequences.flats.exposures=3 x 40 s",))
