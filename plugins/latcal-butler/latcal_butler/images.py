"""Images as people want them: astropy's CCDData, where Rubin's own classes are not installed."""

from __future__ import annotations

import numpy as np
from astropy.io import fits
from astropy.nddata import CCDData, VarianceUncertainty
from latcal.errors import StoreError
from latcal.formats.keywords import put_card
from latcal.formats.products import product_cards
from latcal.plugin import MASK_PLANES, Product

UNUSABLE = ("NO_DATA", "SATURATED", "BAD")
"""Planes of the mask that leave a pixel without a good value. One of which a sample was rejected has a good one."""


def image_of(product: Product) -> CCDData:
    """Give the image of a product.

    Returns
    -------
    CCDData
        ``data`` (ny, nx) float32 in the detector's trimmed frame, with its unit; ``uncertainty`` the variance;
        ``flags`` the mask with its bits, named ``MP_...`` in ``meta``; ``mask`` is true where a pixel has no good value.

    Raises
    ------
    StoreError
        If it has none.
    """
    if "image" not in product.planes:
        raise StoreError(f"{product.kind} of detector {product.detector} has no image (read it as a LatcalProduct)")
    planes, variance = product.planes, product.planes.get("variance")
    flags = planes.get("mask")
    bits = sum(1 << MASK_PLANES[name] for name in UNUSABLE)
    return CCDData(
        planes["image"],
        unit=product.unit,
        uncertainty=None if variance is None else VarianceUncertainty(variance),
        mask=None if flags is None else (flags & bits).astype(bool),
        flags=None if flags is None else np.asarray(flags),
        meta=_header(product),
    )


def product_of(image: CCDData) -> Product:
    """Refuse to make a product of an image, which does not say what a product must.

    A repository says by this function that what it has as an image can be asked for as a product: then all of it is read
    from the file, and no image is made.

    Raises
    ------
    StoreError
        Always.
    """
    raise StoreError(f"{type(image).__name__} is not a product of latcal, which has tables and provenance too (put a Product)")


def _header(product: Product) -> fits.Header:
    header = fits.Header()
    for keyword, value, comment in product_cards(product):
        put_card(header, keyword, value, comment)
    for name, bit in MASK_PLANES.items():
        put_card(header, f"MP_{name}", bit, "bit of this mask plane")
    return header
