"""Products as FITS: planes, tables with units, and where they come from, in one file that says all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latcal.errors import StoreError
from latcal.formats import records
from latcal.formats.columns import array_of, column_of
from latcal.formats.keywords import put_card, written_text
from latcal.model.frames import Setup
from latcal.model.geometry import Box
from latcal.model.products import MASK_PLANES, Column, Product, ProductRef, Provenance
from latcal.model.validity import stamp

if TYPE_CHECKING:  # astropy.io.fits is imported when the first file is written or read
    from astropy.io import fits

_FACTS = ("kind", "detector", "detector_name", "setup", "unit", "pins", "preparation", "exposure", "provenance")
_LAST = "PROVENANCE"
_FIRST = ("image", "mask", "variance")
"""Planes that come first in a file, in the order in which Rubin's own classes read them by place."""

LARGE_PLANE = 1_000_000
"""Pixels from which planes of whole numbers (mask, kept) are compressed, without loss: to 1 %, in 0.1 s for LATISS. Noise
in floating point shrinks by a sixth at the most, and takes many seconds: it stays as it is. Our choice and measurement."""

TILE_ROWS = 64  # rows compressed together, as in raw frames


def write_product(product: Product, path: Path, *, total: str = "") -> None:
    """Write a product.

    The primary header is for people; images follow, one extension each (the mask with its bits as ``MP_<name>``), then
    tables with their units, then the table PROVENANCE: one cell of JSON, from which everything that is not an array
    is read back exactly.

    Parameters
    ----------
    path : Path
        Replaced if it exists. Not atomic: who needs that writes elsewhere and moves.
    total : str
        Its `digest`, if that is known.

    Raises
    ------
    StoreError
        If a plane or column is of a type that FITS has not.
    OSError
        If the file cannot be written.
    """
    from astropy.io import fits

    hdus: list[Any] = [fits.PrimaryHDU()]
    for keyword, value, comment in product_cards(product, total):
        put_card(hdus[0].header, keyword, value, comment)
    hdus += [_plane_hdu(name, product.planes[name], product) for name in sorted(product.planes, key=_place)]
    hdus += [_table_hdu(name, table) for name, table in product.tables.items()]
    hdus.append(_text_hdu(_facts_text(product)))
    fits.HDUList(hdus).writeto(path, overwrite=True, output_verify="exception")


def read_product(path: Path) -> Product:
    """Read a product that `write_product` wrote.

    Raises
    ------
    StoreError
        If the file is missing, cut short, or not a product.
    """
    from astropy.io import fits

    from latcal.formats.blocks import blocks

    if not blocks(path)[-1].name == _LAST:
        raise StoreError(f"{path} is not a product: its last extension is not {_LAST}")
    try:
        with fits.open(path, memmap=False) as hdus:
            facts = json.loads(str(hdus[-1].data["json"][0]))
            planes, tables = _arrays(hdus, facts)
    except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
        raise StoreError(f"{path} is damaged: it cannot be read as a product ({error})") from error
    return Product(
        kind=facts["kind"],
        detector=facts["detector"],
        detector_name=facts["detector_name"],
        setup=records.from_plain(facts["setup"], Setup),
        unit=facts["unit"],
        planes=planes,
        tables=tables,
        provenance=records.from_plain(facts["provenance"], Provenance),
        pins=facts["pins"],
        preparation=facts["preparation"],
        exposure=facts["exposure"],
    )


def digest(product: Product) -> str:
    """Give the SHA-256 of a product's planes and tables: names, types, units and values.

    Returns
    -------
    str
        The same wherever and whenever it is computed, and after a file was written and read.
    """
    total = hashlib.sha256()
    for name in sorted(product.planes):
        plane = np.ascontiguousarray(product.planes[name])
        plane = plane.astype(plane.dtype.newbyteorder("<"), copy=False)
        total.update(json.dumps([name, plane.dtype.str, plane.shape]).encode())
        total.update(plane.data)
    for name in sorted(product.tables):
        for column_name, column in product.tables[name].items():
            values = array_of(column, column_name)
            text = values.dtype.kind == "S"
            size = len(values) if values.ndim == 1 else list(values.shape)
            total.update(json.dumps([name, column_name, column.unit, values.dtype.kind, size]).encode())
            total.update(json.dumps(list(column.values)).encode() if text else values.tobytes())
    return total.hexdigest()


def reference(product: Product, run: str) -> ProductRef:
    """Name a product of a run, as every store of ours does.

    Returns
    -------
    ProductRef
        Its id is made of the run, the digest and all that is not an array: two products of one id are one product.
    """
    total = digest(product)
    identity = hashlib.sha256(f"{run}\n{total}\n{_facts_text(product)}".encode()).hexdigest()
    return ProductRef(
        id=identity[:32],
        kind=product.kind,
        detector=product.detector,
        setup=product.setup,
        digest=total,
        run=run,
        frames=len(product.provenance.exposures),
        pins=dict(product.pins),
        preparation=product.preparation,
        exposure=product.exposure,
    )


def _facts_text(product: Product) -> str:
    facts: dict[str, Any] = {name: records.to_plain(getattr(product, name)) for name in _FACTS}
    facts["planes"] = [[name, plane.dtype.name] for name, plane in product.planes.items()]
    facts["tables"] = [
        [name, [[column_name, column.unit, *_cell(column)] for column_name, column in table.items()]]
        for name, table in product.tables.items()
    ]
    return json.dumps(facts, allow_nan=False)


def _cell(column: Column) -> list[int]:
    """Give how many values a cell has, if it has several: FITS does not tell one from a cell of one."""
    return [len(value) for value in column.values[:1] if isinstance(value, tuple)]


def product_cards(product: Product, total: str = "") -> Iterator[tuple[str, Any, str]]:
    """Give the cards of a product's primary header: keyword, value, comment; `total` is its digest, if that is known."""
    origin, setup = product.provenance, product.setup
    yield "KIND", written_text(product.kind), "what is calibrated"
    yield "DETECTOR", written_text(product.detector_name), ""
    yield "DETID", product.detector, ""
    for word, value in (("FILTER", setup.filter), ("GRATING", setup.grating)):
        if value is not None:
            yield word, written_text(value), ""
    yield "BINNING", written_text(setup.binning), "columns x rows"
    yield "MODE", written_text(setup.mode), ""
    if product.exposure is not None:
        yield "EXPID", product.exposure, "it belongs to this exposure"
    yield "NFRAMES", len(origin.exposures), "exposures that went in"
    yield "RUN", written_text(origin.run), "that made it"
    yield "RECIPE", written_text(origin.recipe), ""
    yield "RECDIG", origin.recipe_digest, "SHA-256 of the recipe"
    yield "PROVDIG", hashlib.sha256(records.to_text(origin, canonical=True).encode()).hexdigest(), "of the provenance"
    yield "DATE", stamp(origin.created), "TAI; to the last digit in the provenance"
    yield "TIMESYS", "TAI", "of every date here"
    yield "WAIVED", bool(origin.unverified), "certified without verification"
    if origin.unverified:
        yield "WAIVEDBY", written_text(origin.unverified), "who and why"
    for number, (kind, identity) in enumerate(product.pins.items(), 1):
        yield f"PIN{number}", f"{written_text(kind)} {identity}", "to be used with this product only"
    yield "DATADIG", total or digest(product), "SHA-256 of planes and tables"


def _place(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


def _plane_hdu(name: str, plane: NDArray[Any], product: Product) -> fits.ImageHDU | fits.CompImageHDU:
    from astropy.units import Unit

    stored = plane.view(np.uint8) if plane.dtype == bool else plane
    try:
        hdu = _image_hdu(np.ascontiguousarray(stored), name)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(f"the plane {name!r} is of {plane.dtype}, which FITS has not (use float32 or uint8)") from error
    if name in ("image", "variance") and product.unit:
        put_card(hdu.header, "BUNIT", product.unit if name == "image" else str(Unit(product.unit) ** 2))
    if plane.ndim == 2:
        put_card(hdu.header, "DETSEC", Box(0, plane.shape[0], 0, plane.shape[1]).section, "trimmed detector")
    if name == "mask":
        for plane_name, bit in MASK_PLANES.items():
            put_card(hdu.header, f"MP_{plane_name}", bit, "bit of this mask plane")
    return hdu


def _image_hdu(pixels: NDArray[Any], name: str) -> fits.ImageHDU | fits.CompImageHDU:
    from astropy.io import fits

    small = pixels.size < LARGE_PLANE or pixels.ndim != 2 or pixels.dtype.itemsize > 4  # Rice ends at 32 bits
    if small or pixels.dtype.kind not in "iu":
        return fits.ImageHDU(pixels, name=name)
    tile = (min(TILE_ROWS, len(pixels)), pixels.shape[1])
    return fits.CompImageHDU(pixels, name=name, compression_type="RICE_1", tile_shape=tile)


def _table_hdu(name: str, table: Mapping[str, Column]) -> fits.BinTableHDU:
    from astropy.io import fits

    columns = [
        fits.Column(name=key, array=values, format=_format(values), unit=column.unit or None)
        for key, column in table.items()
        for values in [array_of(column, key)]
    ]
    return fits.BinTableHDU.from_columns(columns, name=name)


def _format(values: NDArray[Any]) -> str:
    if values.dtype.kind == "S":
        return f"{values.dtype.itemsize}A"
    cell = "".join(map(str, values.shape[1:]))
    return cell + {"b": "L", "i": "K", "f": "D"}[values.dtype.kind]


def _text_hdu(text: str) -> fits.BinTableHDU:
    from astropy.io import fits

    cell = np.array([text.encode("ascii")])
    return fits.BinTableHDU.from_columns(
        [fits.Column(name="json", array=cell, format=f"{cell.dtype.itemsize}A")], name=_LAST
    )


def _arrays(hdus: Any, facts: Mapping[str, Any]) -> tuple[dict[str, NDArray[Any]], dict[str, dict[str, Column]]]:
    """Read the arrays, in the order in which the facts list them."""
    planes, tables = {}, {}
    order = sorted((name for name, _ in facts["planes"]), key=_place)
    if [name.upper() for name in order] != [hdu.name for hdu in hdus[1 : 1 + len(order)]]:
        order = [name for name, _ in facts["planes"]]  # a file of an earlier version
    for name, kind in facts["planes"]:
        dtype = np.dtype(kind)
        data = np.asarray(hdus[1 + order.index(name)].data)
        planes[name] = data.astype(dtype, copy=False)
    for place, (name, columns) in enumerate(facts["tables"], 1 + len(planes)):
        data = hdus[place].data
        tables[name] = {
            key: column_of(np.asarray(data.field(index)).reshape(-1, *cell) if len(data) else np.empty(0), unit)
            for index, (key, unit, *cell) in enumerate(columns)
        }
    return planes, tables
