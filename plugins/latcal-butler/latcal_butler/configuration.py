"""What the configuration of a repository says of latcal's datasets, so that every Butler client can read them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from lsst.daf.butler import Config

from latcal_butler.naming import FILE, IMAGE, PRODUCT, RAW_FRAME, RECORD, TABLES

_PRODUCT_CLASS = "latcal.model.products.Product"
_CCD_CLASS = "astropy.nddata.CCDData"
_TABLES_CLASS = "latcal_butler.tables.Tables"
_FORMATTERS = "latcal_butler.formatters"

SETTINGS: Mapping[str, Any] = MappingProxyType(
    {
        "storageClasses": {
            PRODUCT: {
                "pytype": _PRODUCT_CLASS,
                "converters": {
                    _TABLES_CLASS: "latcal_butler.tables.product_of",
                    _CCD_CLASS: "latcal_butler.images.product_of",
                },
            },
            IMAGE: {"pytype": _CCD_CLASS, "converters": {_PRODUCT_CLASS: "latcal_butler.images.image_of"}},
            TABLES: {"pytype": _TABLES_CLASS, "converters": {_PRODUCT_CLASS: _TABLES_CLASS}},
            RAW_FRAME: {"pytype": "latcal_butler.raws.RawFrame"},
            RECORD: {"pytype": "dict"},
            FILE: {"pytype": "bytes"},
        },
        "datastore": {
            "formatters": {
                PRODUCT: f"{_FORMATTERS}.ProductFormatter",
                IMAGE: f"{_FORMATTERS}.ProductFormatter",
                TABLES: f"{_FORMATTERS}.ProductFormatter",
                RAW_FRAME: f"{_FORMATTERS}.RawFormatter",
                FILE: f"{_FORMATTERS}.FileFormatter",
                RECORD: "lsst.daf.butler.formatters.json.JsonFormatter",
            }
        },
    }
)


def settings() -> Config:
    """Give what a repository's configuration needs for latcal's datasets."""
    return Config(dict(SETTINGS))
