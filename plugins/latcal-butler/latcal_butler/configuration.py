"""What the configuration of a repository says of latcal's datasets, so that every Butler client can read them."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from lsst.daf.butler import Butler, Config

from latcal_butler.naming import FACTS, FILE, GEOMETRY, IMAGE, PRODUCT, RAW_FRAME, REPORT, TABLES

_PRODUCT_CLASS = "latcal.model.products.Product"
_CCD_CLASS = "astropy.nddata.CCDData"
_TABLES_CLASS = "latcal_butler.tables.Tables"
_FORMATTERS = "latcal_butler.formatters"
_JSON = "lsst.daf.butler.formatters.json.JsonFormatter"

SETTINGS = MappingProxyType(
    {
        "storageClasses": {
            PRODUCT: {"pytype": _PRODUCT_CLASS, "converters": {_TABLES_CLASS: "latcal_butler.tables.product_of"}},
            IMAGE: {"pytype": _CCD_CLASS, "converters": {_PRODUCT_CLASS: "latcal_butler.images.image_of"}},
            TABLES: {"pytype": _TABLES_CLASS, "converters": {_PRODUCT_CLASS: _TABLES_CLASS}},
            RAW_FRAME: {"pytype": "latcal_butler.raws.RawFrame"},
            FILE: {"pytype": "bytes"},
        },
        "datastore": {
            "formatters": {
                PRODUCT: f"{_FORMATTERS}.ProductFormatter",
                IMAGE: f"{_FORMATTERS}.ProductFormatter",
                TABLES: f"{_FORMATTERS}.ProductFormatter",
                RAW_FRAME: f"{_FORMATTERS}.RawFormatter",
                FILE: f"{_FORMATTERS}.FileFormatter",
                FACTS: _JSON,
                REPORT: _JSON,
                GEOMETRY: _JSON,
            }
        },
    }
)


def settings() -> Config:
    """Give what a repository's configuration needs for latcal's datasets."""
    return Config(dict(SETTINGS))
