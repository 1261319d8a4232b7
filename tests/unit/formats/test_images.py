from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from latcal.errors import StoreError
from latcal.formats import rice
from latcal.formats.blocks import blocks
from latcal.formats.images import image_of

SHAPE = (37, 50)
PART = np.s_[5:31, 3:44]


def opened(path, number):
    block = blocks(path)[number]
    return image_of(path, block.cards, block.shape, block.places, block.check)


def numbers(kind):
    random = np.random.default_rng(1)
    return np.rint(random.normal(100.0, 9.0, SHAPE)).astype(kind)


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "u4", "i8", "f4", "f8"])
@pytest.mark.parametrize("number", [0, 1])
def test_a_plain_image_is_read_as_it_was_written(tmp_path, kind, number):
    path, pixels = tmp_path / "plain.fits", numbers(kind)
    fits.HDUList([fits.PrimaryHDU(pixels), fits.ImageHDU(pixels)]).writeto(path)
    got = opened(path, number)
    assert got.dtype is not None
    assert got.read(PART).dtype == np.dtype(kind)
    assert np.array_equal(got.read(PART), pixels[PART])


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "f4"])
def test_a_plain_image_is_read_into_what_was_read_before(tmp_path, kind):
    """If it is large enough, and as it was written even if it was worked on."""
    path, pixels = tmp_path / "plain.fits", numbers(kind)
    fits.PrimaryHDU(pixels).writeto(path)
    read = opened(path, 0)
    room = read(slice(0, 10)).reshape(-1)
    room[...] = 7
    again = read.again(slice(20, 29), room)
    assert np.shares_memory(again, room)
    assert np.array_equal(again, pixels[20:29])
    more = read.again(slice(0, 12), again.reshape(-1))
    assert not np.shares_memory(more, room)
    assert np.array_equal(more, pixels[:12])


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "u4"])
@pytest.mark.parametrize("rows", [1, 8, 37])
def test_what_rice_compressed_is_read_as_it_was_written(tmp_path, kind, rows):
    path, pixels = tmp_path / "tiles.fits", numbers(kind)
    tile = (rows, SHAPE[1])
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, tile_shape=tile)]).writeto(path)
    got = opened(path, 1)
    assert got.tiles is not None
    assert got.read(PART).dtype == np.dtype(kind)
    assert np.array_equal(got.read(PART), pixels[PART])
    assert got.read(np.s_[20:20, :]).shape == (0, SHAPE[1])


def test_without_the_fast_decoder_astropy_reads_the_same(tmp_path, monkeypatch):
    path, pixels = tmp_path / "tiles.fits", numbers("i4")
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, tile_shape=(8, SHAPE[1]))]).writeto(path)
    monkeypatch.setattr(rice, "find_spec", lambda name: None)
    got = opened(path, 1)
    assert got.tiles is None
    assert np.array_equal(got.read(PART), pixels[PART])


@pytest.mark.parametrize("how", [
    {"compression_type": "GZIP_2"},
    {"compression_type": "RICE_1", "tile_shape": (8, 10)},
    {"compression_type": "PLIO_1"},
])
def test_other_compressions_are_left_to_astropy(tmp_path, how):
    path, pixels = tmp_path / "other.fits", numbers("i4")
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, **how)]).writeto(path)
    got = opened(path, 1)
    assert (got.dtype, got.tiles) == (None, None)
    assert np.array_equal(got.read(PART), pixels[PART])


def test_scaled_and_blank_numbers_are_left_to_astropy(tmp_path):
    path, hdu = tmp_path / "scaled.fits", fits.PrimaryHDU(numbers("i2"))
    hdu.header["BLANK"] = 100
    hdu.header["BSCALE"], hdu.header["BZERO"] = 0.5, 3.0
    hdu.writeto(path)
    with fits.open(path) as hdus:
        wanted = hdus[0].data.copy()
    assert np.isnan(wanted).any()
    assert np.array_equal(opened(path, 0).read(PART), wanted[PART], equal_nan=True)


def test_a_file_that_has_changed_is_not_read_by_its_old_places(tmp_path):
    path = tmp_path / "plain.fits"
    fits.writeto(path, numbers("i4"))
    got = opened(path, 0)
    fits.writeto(path, numbers("i2"), overwrite=True)
    with pytest.raises(StoreError, match=r"plain\.fits has changed since it was opened"):
        got.read(PART)


def test_a_file_that_was_cut_short_since_says_so(tmp_path):
    path = tmp_path / "plain.fits"
    fits.writeto(path, numbers("i4"))
    got = opened(path, 0)
    path.write_bytes(path.read_bytes()[:4_000])
    with pytest.raises(ValueError, match=r"it ends [0-9]+ bytes too early"):
        got.read(PART)


@pytest.mark.parametrize("count", [0, 10_000_000])
def test_a_tile_that_is_damaged_is_named(tmp_path, count):
    path = tmp_path / "tiles.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(numbers("i4"), tile_shape=(8, SHAPE[1]))]).writeto(path)
    got = opened(path, 1)
    with path.open("r+b") as file:
        file.seek(got.data + 8)  # the length of the second tile
        file.write(count.to_bytes(4, "big"))
    with pytest.raises(ValueError, match="its tile 2 is damaged"):
        got.read(PART)
