from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from attrs import evolve

from latcal.errors import StoreError
from latcal.formats.columns import ecsv_table, measurements_ecsv, table_ecsv
from latcal.formats.products import digest, read_product, reference, write_product
from latcal.model.frames import Setup
from latcal.model.measurements import Measurements
from latcal.model.metrics import Measurement, Metric, Scope
from latcal.model.products import Column
from latcal.testing import samples


@pytest.fixture
def path(tmp_path):
    return tmp_path / "product.fits"


def test_any_reader_finds_the_planes_with_their_units_and_bits(path):
    write_product(samples.product(setup=Setup(filter="r")), path)
    with fits.open(path) as hdus:
        hdus.verify("exception")
        assert [hdu.name for hdu in hdus[1:]] == ["IMAGE", "MASK", "VARIANCE", "KEPT", "AMPLIFIERS", "PROVENANCE"]
        head = hdus[0].header
        assert (head["KIND"], head["DETECTOR"], head["FILTER"], head["NFRAMES"], head["WAIVED"]) == ("bias", "S00", "r", 3, False)
        assert hdus["IMAGE"].header["BUNIT"] == "electron"
        assert hdus["VARIANCE"].header["BUNIT"] == "electron2"
        assert hdus["MASK"].header["MP_REJECTED"] == 2
        assert hdus["MASK"].data.dtype == np.uint8
        table = hdus["AMPLIFIERS"]
        assert list(table.data["amplifier"]) == ["A", "B"]
        assert table.columns["read_noise"].unit == "electron"


def test_image_mask_and_variance_come_first_whatever_the_order_of_the_planes(path):
    given = samples.product()
    planes = {name: given.planes[name] for name in ("kept", "variance", "mask", "image")}
    write_product(evolve(given, planes=planes), path)
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus[1:5]] == ["IMAGE", "MASK", "VARIANCE", "KEPT"]
    back = read_product(path)
    assert list(back.planes) == ["kept", "variance", "mask", "image"]
    assert digest(back) == digest(given)


def test_a_file_of_an_earlier_version_has_the_planes_in_the_order_of_the_product(path):
    given = samples.product()
    write_product(given, path)
    with fits.open(path) as hdus:
        names = [hdu.name for hdu in hdus]
        order = [names.index(name.upper()) for name in given.planes]
        earlier = fits.HDUList([hdus[0], *(hdus[place] for place in order), *hdus[1 + len(order) :]])
        earlier.writeto(path, overwrite=True)
    assert digest(read_product(path)) == digest(given)


def test_a_file_alone_says_where_its_product_comes_from(path):
    write_product(evolve(samples.product(), provenance=evolve(samples.provenance(), unverified="ann: a trial")), path)
    with fits.open(path) as hdus:
        assert hdus[0].header["WAIVEDBY"] == "ann: a trial"
        facts = json.loads(str(hdus["PROVENANCE"].data["json"][0]))
    assert facts["provenance"]["recipe_text"] == "latcal: 1\n"


def test_a_product_of_tables_only_has_no_planes(path):
    given = evolve(samples.product("gain"), planes={}, tables={"pairs": {"gain": Column((1.1, np.inf), "electron / adu")}})
    write_product(given, path)
    back = read_product(path)
    assert back.planes == {}
    assert back.tables == given.tables


def test_columns_keep_their_types_and_odd_texts(path):
    table = {
        "name": Column(("", "é b ", "\\x41")),
        "count": Column((1, 2, -(2**60))),
        "good": Column((True, False, True)),
        "value": Column((1.5, -0.0, float("inf")), "electron / s"),
        "mixed": Column((1, 2.5, 3), ""),
    }
    write_product(evolve(samples.product(), tables={"t": table, "empty": {"a": Column(())}}), path)
    back = read_product(path).tables
    assert back["t"] == table
    assert {type(value) for value in back["t"]["count"].values} == {int}
    assert {type(value) for value in back["t"]["good"].values} == {bool}
    assert back["empty"] == {"a": Column(())}


VECTORS = {
    "amplifier": Column(("A", "B")),
    "RAW_MEANS": Column(((100.0, 2e4, np.nan), (101.0, np.inf, -0.0)), "adu"),
    "EXP_ID_MASK": Column(((True, False, True), (False, False, False))),
    "NPIXEL": Column(((2**60, 1), (3, 4))),
    "ONE": Column(((1.5,), (2.5,)), "electron"),
}


def test_cells_of_several_values_are_read_back_as_tuples_and_stay_of_one_value_if_they_are(path):
    write_product(evolve(samples.product(), tables={"ptc": VECTORS}), path)
    assert repr(read_product(path).tables["ptc"]) == repr(VECTORS)
    assert digest(read_product(path)) == digest(evolve(samples.product(), tables={"ptc": VECTORS}))
    with fits.open(path) as hdus:
        table = hdus["PTC"]
        assert [table.columns[name].format for name in list(VECTORS)[1:]] == ["3D", "3L", "2K", "1D"]
        assert table.columns["RAW_MEANS"].unit == "adu"
        np.testing.assert_array_equal(table.data["RAW_MEANS"], VECTORS["RAW_MEANS"].values)


def test_the_digest_sees_how_values_are_divided_into_cells():
    made = [((1.0, 2.0), (3.0, 4.0)), ((1.0, 2.0, 3.0, 4.0),), ((1.0,), (2.0,), (3.0,), (4.0,)), (1.0, 2.0, 3.0, 4.0)]
    assert len({digest(evolve(samples.product(), tables={"t": {"x": Column(values)}})) for values in made}) == 4


def test_the_digest_of_tables_without_vectors_is_what_it_was_in_earlier_versions():
    table = {
        "a": Column(("A", "é")), "n": Column((1, 2)), "x": Column((1.5, -0.0), "adu"), "t": Column((True, False)), "e": Column(()),
    }
    found = digest(evolve(samples.product(), planes={}, tables={"t": table}))
    assert found == "10e3aa263e4a3081214e8d1a11e16bdd5b7c1759638907ad5aba6eda8c2529d7"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (((1.0, 2.0), (1.0,)), "holds tuples of 1 and 2 values, not of one number of them"),
        (((), ()), "holds tuples of 0 values, not of one number of them"),
        (((1.0,), 2.0), "holds float, tuple, which is not one of"),
        ((("a", "b"),), "holds str, which is not one of"),
        (((True, 2),), "holds bool, int, which is not one of"),
        ((((1.0,), (2.0,)),), "holds tuple, which is not one of"),
    ],
)
def test_cells_that_no_array_can_hold_are_refused_by_name(path, values, words):
    with pytest.raises(StoreError, match=f"the column 'x' {words}"):
        write_product(evolve(samples.product(), tables={"t": {"x": Column(values)}}), path)


def test_the_facts_of_an_amplifier_are_the_single_numbers_of_its_row():
    table = {
        **VECTORS, "fit": Column(("EXP", "POLY")), "gain": Column((1.5, np.nan)), "pairs": Column((20, 19)),
        "reached": Column((True, np.False_)), "noise": Column((np.float32(9.0), 8.0)),
    }
    given = evolve(samples.product(), tables={"amplifiers": table})
    assert given.facts("A") == {"gain": 1.5, "pairs": 20.0, "reached": 1.0, "noise": 9.0}
    assert {**given.facts("B"), "gain": 0.0} == {"gain": 0.0, "pairs": 19.0, "reached": 0.0, "noise": 8.0}


def test_planes_of_odd_names_and_types_come_back(path):
    planes = {"défaut": np.eye(3, dtype=bool), "cube": np.arange(24, dtype=np.int16).reshape(2, 3, 4), "wide": np.zeros((2, 2))}
    write_product(evolve(samples.product(), planes={"cube": planes["cube"], "wide": planes["wide"]}), path)
    assert {name: plane.dtype.name for name, plane in read_product(path).planes.items()} == {"cube": "int16", "wide": "float64"}
    write_product(evolve(samples.product(), planes={"flags": planes["défaut"]}), path)
    flags = read_product(path).planes["flags"]
    assert flags.dtype == bool
    np.testing.assert_array_equal(flags, np.eye(3, dtype=bool))


def test_types_that_fits_has_not_are_refused_by_name(path):
    with pytest.raises(StoreError, match="the plane 'image' is of complex128"):
        write_product(evolve(samples.product(), planes={"image": np.zeros((2, 2), complex)}), path)
    with pytest.raises(StoreError, match="the column 'x' holds float, str, which is not one of"):
        write_product(evolve(samples.product(), tables={"t": {"x": Column((1.0, "a"))}}), path)


def test_the_digest_is_of_arrays_alone_and_sees_every_part_of_them():
    given = samples.product()
    assert digest(given) == digest(evolve(given, provenance=samples.provenance((9,)), preparation="x"))
    image = given.planes["image"].copy()
    image[2, 2] = np.nextafter(image[2, 2], np.float32(np.inf))
    table = {"amplifier": Column(("A", "B")), "read_noise": Column((9.1, 8.9), "adu")}
    others = [
        evolve(given, planes={**given.planes, "image": image}),
        evolve(given, planes={**given.planes, "kept": given.planes["kept"].astype(np.int32)}),
        evolve(given, planes={name: plane for name, plane in given.planes.items() if name != "kept"}),
        evolve(given, planes={**given.planes, "image": given.planes["image"].reshape(4, 16)}),
        evolve(given, tables={"amplifiers": table}),
        evolve(given, tables={}),
    ]
    assert len({digest(other) for other in [given, *others]}) == 1 + len(others)


def test_the_digest_does_not_depend_on_byte_order_or_layout():
    given = samples.product()
    turned = {name: np.asfortranarray(plane.astype(plane.dtype.newbyteorder(">"))) for name, plane in given.planes.items()}
    assert digest(evolve(given, planes=turned)) == digest(given)


def test_the_name_of_a_product_is_made_of_all_that_it_is():
    given = samples.product()
    ref = reference(given, "run-1")
    assert ref == reference(samples.product(), "run-1")
    others = [
        reference(given, "run-2"),
        reference(evolve(given, detector=1), "run-1"),
        reference(evolve(given, provenance=samples.provenance((9,))), "run-1"),
        reference(evolve(given, pins={"bias": "x"}), "run-1"),
    ]
    assert len({one.id for one in [ref, *others]}) == 5


def test_a_file_that_is_no_product_is_named(path):
    fits.PrimaryHDU().writeto(path)
    with pytest.raises(StoreError, match=r"product.fits is not a product"):
        read_product(path)


def test_a_product_whose_facts_are_not_json_is_damaged(path):
    cell = fits.Column(name="json", array=np.array([b"{"]), format="1A")
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([cell], name="PROVENANCE")]).writeto(path)
    with pytest.raises(StoreError, match=r"product.fits is damaged"):
        read_product(path)


# -- tables as text --------------------------------------------------------------------------------------------


def test_a_table_as_ecsv_has_types_and_units():
    text = table_ecsv({"amplifier": Column(("A", "B")), "gain": Column((1.1, 1.2), "electron / adu"), "n": Column((1, 2))})
    table = Table.read(text, format="ascii.ecsv")
    assert table.colnames == ["amplifier", "gain", "n"]
    assert str(table["gain"].unit) == "electron / adu"
    assert table["n"].dtype.kind == "i"


def test_a_table_as_ecsv_is_read_back_to_the_last_bit_with_texts_that_ecsv_has_not():
    table = {"name": Column(("#1", ""), ""), "note": Column((" a\n\\x41", "é\u2028 ")), **VECTORS, "none": Column((np.nan, 1.0), "adu2")}
    assert repr(ecsv_table(table_ecsv(table))) == repr(table)
    assert ecsv_table(table_ecsv({"empty": Column((), "s")})) == {"empty": Column((), "s")}


def test_cells_of_several_values_are_found_in_ecsv_by_any_reader():
    table = Table.read(table_ecsv(VECTORS), format="ascii.ecsv")
    assert table["RAW_MEANS"].shape == (2, 3)
    assert str(table["RAW_MEANS"].unit) == "adu"
    assert table["EXP_ID_MASK"].dtype == bool


def test_a_text_that_is_no_table_is_refused():
    for text in ("", "a b\n1 2\n", "# %ECSV 1.0\n# ---\n# foo: [\n"):
        with pytest.raises(StoreError, match=r"^the text is not a table in ECSV"):
            ecsv_table(text)
    with pytest.raises(StoreError, match="the column 'n' has places without a value"):
        ecsv_table('# %ECSV 1.0\n# ---\n# datatype:\n# - {name: n, datatype: int64}\nn\n1\n""\n')
    with pytest.raises(StoreError, match="the column 'x' is in 'furlongs', which is not a unit"):
        table_ecsv({"x": Column((1.0,), "furlongs")})


def test_measurements_as_ecsv_have_a_row_for_each_place_and_a_column_for_each_metric():
    metrics = {
        "noise": Metric("noise", "electron", Scope.AMPLIFIER, "Noise"),
        "level": Metric("level", "electron", Scope.EXPOSURE, "Level"),
    }
    empty = Measurements((11, 12), (5.0, 10.0), ("S00", "S01"), (("A", "B"), ("A",)), metrics, {})
    measured = empty.extended([
        Measurement("noise", 9.1, 11, "S00", "A"), Measurement("noise", 9.2, 12, "S01", "A"), Measurement("level", 3.0, 12)
    ])
    table = Table.read(measurements_ecsv(measured), format="ascii.ecsv")
    assert table.colnames == ["scope", "exposure", "time", "detector", "amplifier", "noise", "level"]
    assert str(table["noise"].unit) == "electron"
    assert len(table) == 2 * 3 + 2
    rows = {(row["scope"], row["exposure"], str(row["detector"]), str(row["amplifier"])): row for row in table.filled("")}
    assert rows["amplifier", 11, "S00", "A"]["noise"] == 9.1
    assert np.isnan(rows["amplifier", 11, "S00", "B"]["noise"])
    assert rows["exposure", 12, "", ""]["level"] == 3.0
    assert rows["exposure", 12, "", ""]["time"] == 10.0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.bool_])
def test_large_planes_of_whole_numbers_are_compressed_and_read_back_exactly(path, dtype):
    random = np.random.default_rng(1)
    plane = np.zeros((1000, 1001), dtype=dtype)
    plane[random.integers(0, 1000, 500), random.integers(0, 1001, 500)] = 1 if dtype is np.bool_ else np.iinfo(dtype).max
    image = random.standard_normal(plane.shape).astype(np.float32)
    image[3, 4] = np.nan
    product = evolve(samples.product(), planes={"image": image, "kept": plane})
    write_product(product, path)
    read = read_product(path)
    assert read.planes["kept"].dtype == plane.dtype
    assert np.array_equal(read.planes["kept"], plane)
    assert np.array_equal(read.planes["image"], image, equal_nan=True)
    assert digest(read) == digest(product)
    assert path.stat().st_size < image.nbytes + 0.2 * plane.nbytes
