"""Raw frames become scratch files in electrons, and products become what workers read."""

from __future__ import annotations

import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.time import Time
from attrs import evolve

from latcal.engine.preparing import prepare, spill
from latcal.errors import BuildError, StoreError
from latcal.model.frames import Exposure, Frame, Plane, Setup
from latcal.model.geometry import Amplifier, Box, Detector, Preparation
from latcal.model.products import Column, Product, ProductRef, Provenance

BEGIN = Time("2022-11-04T12:00:00", scale="tai")
NY, NX = 40, 30
PEDESTAL = 1000


def amplifier(name: str, x: int, **changes: Any) -> Amplifier:
    plain = Amplifier(
        name=name,
        extension=name,
        raw=Box(0, NY + 10, 0, 2 + NX + 24),
        data=Box(0, NY, 2, 2 + NX),
        serial_overscan=Box(0, NY + 10, 2 + NX, 2 + NX + 24),
        parallel_overscan=Box(NY, NY + 10, 2, 2 + NX),
        position=Box(0, NY, x, x + NX),
        gain=2.0,
        read_noise=6.0,
        saturation=50_000.0,
    )
    return evolve(plain, **changes)


DETECTOR = Detector(3, "S03", (amplifier("A", 0), amplifier("B", NX, flip_x=True, flip_y=True)))


def frame(images: dict[str, Any] | None = None, detector: Detector = DETECTOR, number: int = 7) -> Frame:
    """A frame of an even pedestal, unless images are given."""
    plain = {one.name: np.full(one.raw.shape, PEDESTAL, dtype=np.uint16) for one in detector.amplifiers}
    exposure = Exposure(number, "T_7", "bias", 0.0, 0.0, BEGIN, Setup())
    every = {**plain, **(images or {})}
    return Frame(exposure, detector, lambda one: every[one.name])


def ramp() -> Any:
    """Data whose every pixel differs: 10 adu per row, 1 per column."""
    raw = np.full(DETECTOR.amplifiers[0].raw.shape, PEDESTAL, dtype=np.int32)
    raw[:NY, 2 : 2 + NX] += 10 * np.arange(NY)[:, None] + np.arange(NX)
    return raw


def test_pixels_are_in_electrons_trimmed_and_turned_as_the_detector(tmp_path: Path) -> None:
    prepared = prepare(frame({"A": ramp(), "B": ramp()}), Preparation(), tmp_path)
    wanted = 2.0 * (10 * np.arange(NY)[:, None] + np.arange(NX))
    # float32 of a thousand adu: 1e-4
    np.testing.assert_allclose(prepared["A"].reader(slice(None)), wanted, atol=1e-3)
    np.testing.assert_allclose(prepared["B"].reader(slice(None)), wanted[::-1, ::-1], atol=1e-3)
    np.testing.assert_allclose(prepared["B"].reader(slice(5, 7)), wanted[::-1, ::-1][5:7], atol=1e-3)
    assert prepared["A"].pedestal == pytest.approx(PEDESTAL)


def test_all_amplifiers_of_a_frame_lie_in_one_file_and_nothing_half_written_beside_it(tmp_path: Path) -> None:
    prepared = prepare(frame(), Preparation(), tmp_path / "not" / "there")
    (file,) = (tmp_path / "not" / "there").iterdir()
    assert {one.pixels.path for one in prepared.values()} == {str(file)}
    assert file.stat().st_size == 2 * NY * NX * 4


def test_other_preparations_and_other_exposures_have_other_files(tmp_path: Path) -> None:
    paths = {
        prepare(frame(number=number), preparation, tmp_path)["A"].pixels.path
        for number in (7, 8)
        for preparation in (Preparation(), Preparation(serial="constant"))
    }
    assert len(paths) == 4


def test_what_is_saturated_above_the_pedestal_has_no_value_and_is_counted(tmp_path: Path) -> None:
    raw = np.full(DETECTOR.amplifiers[0].raw.shape, PEDESTAL, dtype=np.int32)
    raw[3, 4] = PEDESTAL + 50_000
    raw[3, 5] = PEDESTAL + 49_999
    prepared = prepare(frame({"A": raw}), Preparation(), tmp_path)
    pixels = prepared["A"].reader(slice(None))
    assert np.argwhere(np.isnan(pixels)).tolist() == [[3, 2]]
    assert (prepared["A"].saturated, prepared["B"].saturated) == (1, 0)


def test_what_is_not_a_number_has_no_value_and_is_not_saturated(tmp_path: Path) -> None:
    images = {name: np.full(DETECTOR.amplifiers[0].raw.shape, float(PEDESTAL)) for name in ("A", "B")}
    images["A"][3, 4], images["B"][3, 5] = np.nan, -np.inf
    prepared = prepare(frame(images), Preparation(), tmp_path)
    for name, place in (("A", [3, 2]), ("B", [NY - 4, NX - 4])):
        assert np.argwhere(np.isnan(prepared[name].reader(slice(None)))).tolist() == [place]
        assert (prepared[name].saturated, prepared[name].without_number) == (0, 1)


def test_noise_is_that_of_the_overscan_with_model_and_quantisation(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    raw = np.rint(PEDESTAL + 4.0 * rng.standard_normal(DETECTOR.amplifiers[0].raw.shape)).astype(np.int32)
    prepared = prepare(frame({"A": raw}), Preparation(serial="median per row", parallel="none"), tmp_path)["A"]
    # 50 rows of 18 columns: 2.4 %; three sigma
    assert prepared.read_noise == pytest.approx(8.0, rel=0.075)
    assert prepared.read_noise_error == pytest.approx(8.0 * 0.024, rel=0.15)
    added = (prepared.frame_noise**2 - 4.0 / 12.0) / prepared.read_noise**2 - 1.0
    assert added == pytest.approx(math.pi / 2 / 18, rel=0.01)


def test_the_level_of_the_detector_is_the_mean_of_those_amplifiers_that_have_one(tmp_path: Path) -> None:
    detector = Detector(3, "S03", tuple(amplifier(name, x * NX) for x, name in enumerate("ABC")))
    images = {}
    for name, level in (("A", 100), ("B", 300), ("C", 200_000)):
        images[name] = np.full(detector.amplifiers[0].raw.shape, PEDESTAL, dtype=np.int32)
        images[name][:NY, 2 : 2 + NX] += level
    prepared = prepare(frame(images, detector), Preparation(), tmp_path)
    assert prepared["A"].level == pytest.approx(200.0)
    assert math.isnan(prepared["C"].level)
    assert [one.detector_level for one in prepared.values()] == pytest.approx([400.0] * 3)


def test_an_amplifier_without_overscan_has_its_nominal_noise(tmp_path: Path) -> None:
    bare = Detector(0, "bare", (amplifier("A", 0, serial_overscan=None, parallel_overscan=None),))
    prepared = prepare(frame(detector=bare), Preparation(), tmp_path)["A"]
    assert prepared.read_noise == pytest.approx(6.0)
    assert math.isnan(prepared.read_noise_error)
    assert prepared.pedestal == 0.0


def test_a_raw_image_of_another_shape_is_refused_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(
        BuildError, match=r"exposure 7, detector S03, amplifier B: a raw image of \(3, 3\) pixels is not"
    ):
        prepare(frame({"B": np.zeros((3, 3))}), Preparation(), tmp_path)


def test_a_raw_image_without_any_value_is_refused_with_its_place(tmp_path: Path) -> None:
    nothing = np.full(DETECTOR.amplifiers[0].raw.shape, np.nan)
    with pytest.raises(BuildError, match="exposure 7, detector S03, amplifier A: its raw image holds no value at all"):
        prepare(frame({"A": nothing}), Preparation(), tmp_path)


def test_an_overscan_without_any_value_is_refused_with_its_place(tmp_path: Path) -> None:
    raw = np.full(DETECTOR.amplifiers[0].raw.shape, float(PEDESTAL))
    raw[:, 2 + NX :] = np.nan
    with pytest.raises(BuildError, match=r"amplifier A: the serial overscan of .* holds no value"):
        prepare(frame({"A": raw}), Preparation(), tmp_path)


def test_a_scratch_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match="a scratch file cannot be written"):
        prepare(frame(), Preparation(), tmp_path / "file")


def test_a_prepared_amplifier_pickles_small(tmp_path: Path) -> None:
    prepared = prepare(frame(), Preparation(), tmp_path)["A"]
    copy = pickle.loads(pickle.dumps(prepared))
    assert copy == prepared
    assert len(pickle.dumps(prepared)) < 5000


def product(**changes: Any) -> Product:
    shape = DETECTOR.shape
    image = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    plain = Product(
        kind="bias",
        detector=3,
        detector_name="S03",
        setup=Setup(),
        unit="electron",
        planes={"image": image, "variance": 2 * image, "mask": np.zeros(shape, dtype=np.uint8)},
        tables={"amplifiers": {"amplifier": Column(("A", "B")), "level": Column((1.0, 3.0), "electron")}},
        provenance=Provenance("run", "recipe", "", "", (), {}, (), {}, {}, BEGIN),
    )
    return evolve(plain, **changes)


REF = ProductRef("bias/with odd:id", "bias", 3, Setup(), "", "run")


def test_a_product_is_cut_into_its_amplifiers(tmp_path: Path) -> None:
    made = product()
    spilled = spill(made, REF, DETECTOR, tmp_path)
    np.testing.assert_array_equal(spilled["B"].reader(slice(None)), made.planes["image"][:, NX:])
    np.testing.assert_array_equal(spilled["A"].variance.read(slice(2, 4)), made.planes["variance"][2:4, :NX])
    assert spilled["A"].facts == {"level": 1.0}
    assert spilled["A"].detector_facts == {"level": 2.0}
    assert spilled["B"].unit == "electron"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("bits", "lost"), [(0b0001, True), (0b1000, True), (0b0010, False), (0b0100, False)])
def test_pixels_without_data_and_bad_ones_have_no_value(tmp_path: Path, bits: int, lost: bool) -> None:
    made = product()
    made.planes["mask"][1, 1] = bits
    assert np.isnan(spill(made, REF, DETECTOR, tmp_path)["A"].reader(slice(1, 2))[0, 1]) == lost
    assert made.planes["image"][1, 1] == 2 * NX + 1  # the product itself is left alone


def test_a_fact_without_number_on_one_amplifier_is_the_mean_of_the_others(tmp_path: Path) -> None:
    tables = {"amplifiers": {"amplifier": Column(("A", "B")), "level": Column((math.nan, 3.0), "electron")}}
    assert spill(product(tables=tables), REF, DETECTOR, tmp_path)["A"].detector_facts == {"level": 3.0}


def test_a_product_of_tables_has_empty_planes_and_no_file(tmp_path: Path) -> None:
    spilled = spill(product(planes={}), REF, DETECTOR, tmp_path)
    assert spilled["A"].image == spilled["A"].variance == Plane("", 0, (0, 0))
    assert spilled["A"].facts == {"level": 1.0}
    assert list(tmp_path.iterdir()) == []


def test_a_product_of_another_instrument_is_refused(tmp_path: Path) -> None:
    small = {"image": np.zeros((4, 4), dtype=np.float32)}
    with pytest.raises(BuildError, match=r"its image of \(4, 4\) pixels is not of the shape of detector S03"):
        spill(product(planes=small), REF, DETECTOR, tmp_path)
