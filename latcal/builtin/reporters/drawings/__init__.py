"""Drawings of products: what is drawn is chosen by the planes and tables that a product has, never by its kind."""

from __future__ import annotations

from matplotlib.figure import Figure

from latcal.builtin.reporters.drawings import amplifiers, curve, defects, image
from latcal.builtin.reporters.drawings.page import blank, written
from latcal.plugin import Detector, Product

__all__ = ["drawn", "written"]

_DRAWINGS = (curve, defects, image, amplifiers)
"""In this order: the first that suits a product is drawn. Numbers of amplifiers are in nearly all, so they come last."""


def drawn(product: Product, detector: Detector | None) -> Figure:
    """Draw a product.

    Parameters
    ----------
    detector : Detector or None
        Where its amplifiers are, and what is nominal for them.

    Returns
    -------
    Figure
        One page; of a product with nothing in it that can be drawn, a page that says so.
    """
    drawing = next((one for one in _DRAWINGS if one.suits(product)), None)
    return blank(product) if drawing is None else drawing.draw(product, detector)
