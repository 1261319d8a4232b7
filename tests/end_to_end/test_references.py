"""Which product is used with which: pinned biases, overscan models, setups, and where things come from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corner import CORNER, on_the_corner

from latcal.engine.opening import open_store
from latcal.engine.planning import plan
from latcal.engine.reading import read
from latcal.engine.running import run
from latcal.errors import NotReady, ProductNotFound, RecipeError
from latcal.model.events import Resolved, Status
from latcal.model.validity import instant

REFERENCE = """\
latcal: 1
title: Reference
instrument: bench
camera: {use: simulated, seed: 7}
store: {use: folder, root: x}
labels: {program: BLOCK-1, reason: test}
sequences:
  biases: {image: bias, exposures: 12 x 0 s}
  darks: {image: dark, exposures: 12 x 15 s}
stages:
  - {make: bias, frames: [biases]}
  - {make: dark, frames: [darks]}
certify: {into: calib/one, begin: 2026-11-01, end: open}
"""

OTHER_BIAS = """\
latcal: 1
title: Another bias
instrument: bench
camera: {use: simulated, seed: 7, first: 100}
store: {use: folder, root: x}
sequences: {biases: {image: bias, exposures: 12 x 0 s}}
stages: [{make: bias, frames: [biases]}]
certify: {into: calib/two, begin: 2026-11-01, end: open}
"""

CHECK = on_the_corner("""\
latcal: 1
title: Check
instrument: bench
camera: {use: simulated, seed: 7, first: 200}
store: {use: folder, root: x}
sequences: {darks: {image: dark, exposures: 12 x 15 s}}
stages: [{check: dark, frames: [darks], collections: [calib/one]}]
""")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, registry: Any) -> list[str]:
    """Give the setting of a store that holds a bias and its dark in calib/one, and another bias in calib/two.

    Tests take more exposures into it, which disturbs none of the others, and certify nothing.
    """
    at = [f"store.root={tmp_path_factory.mktemp('reference') / 'store'}"]
    for text in (REFERENCE, OTHER_BIAS):
        planned = plan(read(on_the_corner(text), "reference.yaml", registry, settings=at), registry)
        assert run(planned, registry, now=lambda: instant("2026-11-04T16:00:00")).exit_code == 0
    return at


def test_a_dark_is_checked_with_the_bias_that_it_pins(store: list[str], night: Callable) -> None:
    done = night(CHECK, set=store)
    assert done.report.exit_code == 0
    (resolved,) = done.of(Resolved)
    refs = {need.kind: need.ref for need in resolved.needs}
    assert refs["dark"].pins == {"bias": refs["bias"].id}


def test_a_dark_with_another_bias_is_not_ready_and_says_which(store: list[str], night: Callable) -> None:
    with pytest.raises(
        NotReady, match=r"the dark of detector 0 is made with the bias \w{12}, and would be used with \w{12}"
    ):
        night(CHECK, set=[*store, "stages.0.collections=[calib/two, calib/one]"])


def test_a_dark_with_another_bias_may_be_waived_by_a_recorded_reason(store: list[str], night: Callable) -> None:
    waived = ["stages.0.collections=[calib/two, calib/one]", "stages.0.options={other_bias: the first one was lost}"]
    done = night(CHECK, set=[*store, *waived])
    assert done.report.stages[0].verdict is not None


def test_a_flat_refuses_a_found_dark_with_a_bias_of_tonight(store: list[str], night: Callable) -> None:
    text = """\
latcal: 1
title: Mixed
instrument: bench
camera: {use: simulated, seed: 7}
store: {use: folder, root: x}
sequences:
  biases: {image: bias, exposures: 12 x 0 s}
  flats: {image: flat, exposures: 12 x 5 s, filter: r, grating: empty}
stages:
  - {make: bias, frames: [biases]}
  - {make: flat, frames: [flats], collections: [calib/one]}
certify: {into: calib/three, begin: 2026-11-01, end: open}
"""
    with pytest.raises(NotReady, match="would be used with the one of step 12"):
        night(on_the_corner(text), set=store)


def test_products_made_with_other_overscan_models_are_not_ready(store: list[str], night: Callable) -> None:
    other = "stages.0.options={overscan: {serial: median per row}}"
    with pytest.raises(
        NotReady, match=r"was made with serial overscan 'mean per row'.*prepared with serial overscan 'median per row'"
    ):
        night(CHECK, set=[*store, other])


def test_what_is_missing_is_named_with_all_that_was_tried(store: list[str], night: Callable) -> None:
    with pytest.raises(NotReady, match=r"no dark for detector 0 .*calib/nowhere, calib/nothing") as caught:
        night(CHECK, set=[*store, "stages.0.collections=[calib/nowhere, calib/nothing]"])
    assert len(caught.value.problems) == 2  # the bias is missing too, and both are said at once


def test_a_product_says_where_it_comes_from(store: list[str], registry: Any) -> None:
    root = store[0].partition("=")[2]
    with open_store("folder", registry, root=root) as opened:
        ref = opened.find("dark", 0, _setup(), instant("2026-11-10"), ("calib/one",))
        origin = opened.get(ref).provenance
        bias = opened.find("bias", 0, _setup(), instant("2026-11-10"), ("calib/one",))
        assert origin.inputs == (bias,)
        assert len(origin.exposures) == 12
        assert all(len(checksum) == 64 for checksum in origin.exposures.values())
        assert "make: dark" in origin.recipe_text
        assert len(origin.recipe_digest) == 64
        assert {"latcal", "numpy", "astropy"} <= set(origin.versions)
        assert origin.options["clip"] == 5.0
        assert opened.exposure(next(iter(origin.exposures))).labels == {"program": "BLOCK-1", "reason": "test"}
        with pytest.raises(ProductNotFound, match="no dark for detector 0"):
            opened.find("dark", 0, _setup(), instant("2026-10-31"), ("calib/one",))


def _setup() -> Any:
    from latcal.model.frames import Setup

    return Setup()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("stages.0.detectors=[3]", r"3 is not a detector of corner \(there is 0\)"),
        ("stages.0.at_least=13", r"13 is more than the 12 exposures of its frames \(write at most 12\)"),
        ("sequences.darks.filter=rr", r"'rr' is not a filter of corner \(did you mean 'r'\?\)"),
        ("sequences.darks.exposures=3 x 7200 s", r"7200 s is not a time that the camera can expose"),
        ("sequences.darks.exposures=3 x 0 s", "0 s is not a time for dark frames"),
    ],
)
def test_what_cannot_be_done_is_refused_while_planning_at_its_line(night: Callable, change: str, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        night(CHECK, set=[change])


def test_residuals_are_kept_when_asked_for(tmp_path: Path, night: Callable, registry: Any) -> None:
    root = tmp_path / "store"
    text = on_the_corner(REFERENCE).replace("make: bias, frames: [biases]", "make: bias, frames: [biases], keep: [residuals]")
    report = night(text, set=[f"store.root={root}", "camera.settling=0 electron"]).report
    assert report.stages[0].status is Status.DONE
    kept = sorted((root / "products").rglob("bias_residual_*.fits"))
    assert len(kept) == 12
    from astropy.io import fits

    with fits.open(kept[0]) as hdus:
        noise = float(hdus["IMAGE"].data.std())
        assert [hdu.name for hdu in hdus[1:4]] == ["IMAGE", "MASK", "VARIANCE"]
        # that of a bias says its readout, which is all that is left of it: of 56,000 pixels, within 3 %
        assert float(np.sqrt(hdus["VARIANCE"].data.mean())) == pytest.approx(noise, rel=0.1)
    # the residual shows the read noise of two amplifiers, some 8 to 10 e-, less what an internal bias takes away
    assert 7.0 < noise < 11.0


@pytest.fixture
def pair(tmp_path: Path) -> str:
    """Give the path of an instrument of two sensors, each the corner of the bench."""
    text = CORNER.read_text(encoding="utf-8")
    first = text[text.index("  - id: 0\n") :]
    second = first.replace("id: 0", "id: 1").replace("name: S00", "name: S01").replace("BENCH-001", "BENCH-002")
    path = tmp_path / "pair.yaml"
    path.write_text(text.rstrip() + "\n" + second, encoding="utf-8")
    return str(path)


def test_every_detector_of_a_camera_is_made_judged_and_certified(pair: str, night: Callable) -> None:
    done = night(REFERENCE, set=[f"instrument={pair}", "store={use: memory}"])
    assert done.report.exit_code == 0
    assert [[ref.detector for ref in stage.built] for stage in done.report.stages] == [[0, 1], [0, 1]]
    assert done.report.stages[0].verdict.detectors == ("S00", "S01")
    assert done.report.stages[0].verdict.limits.amplifier_findings == 2  # 1 amplifier on 2 of 2 detectors


def test_a_stage_may_take_a_subset_but_not_use_what_is_not_made_for_it(pair: str, night: Callable) -> None:
    both = [f"instrument={pair}", "store={use: memory}", "stages.0.detectors=[1]"]
    with pytest.raises(RecipeError, match="the bias that it uses is not made for detector 0"):
        night(REFERENCE, set=both)
    done = night(REFERENCE, set=[*both, "stages.1.detectors=[1]"])
    assert [[ref.detector for ref in stage.built] for stage in done.report.stages] == [[1], [1]]
    assert done.report.exit_code == 0
