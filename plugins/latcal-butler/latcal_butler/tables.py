"""Tables as people want them: ``ptc.gain["C10"]``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from astropy.table import Column as TableColumn
from astropy.table import Table
from latcal.plugin import Column, Product
from numpy.typing import NDArray


class Tables:
    """What a product knows of each amplifier, by name of the number: ``gain``, ``noise``, ``a00``; and its tables.

    Parameters
    ----------
    product : Product
        All of it, with its provenance.

    Examples
    --------
    >>> extract = butler.get("cpPtcExtract", instrument="LATISS", detector=0, exposure=2022110400031)  # doctest: +SKIP
    >>> extract.gain["C10"], extract.units["gain"]  # doctest: +SKIP
    (1.118, 'electron / adu')
    """

    def __init__(self, product: Product) -> None:
        self.product = product

    @property
    def amplifiers(self) -> tuple[str, ...]:
        """Their names, in the detector's order."""
        return tuple(self._columns["amplifier"].values) if "amplifier" in self._columns else ()

    @property
    def units(self) -> Mapping[str, str]:
        """Of each number, as astropy writes it."""
        return {name: column.unit for name, column in self._columns.items()}

    @property
    def planes(self) -> Mapping[str, NDArray[Any]]:
        """Images that the product has beside its tables: the mask of defects."""
        return self.product.planes

    @property
    def tables(self) -> Mapping[str, Table]:
        """All tables, with units: ``defects`` has x0, y0, width, height as in Rubin's own."""
        return {name: _table(columns) for name, columns in self.product.tables.items()}

    def __getattr__(self, name: str) -> dict[str, Any]:
        """Give a number of every amplifier, by the amplifier's name."""
        if name == "product":  # while it is unpickled or copied, there is none yet
            raise AttributeError(name)
        if name == "amplifier" or name not in self._columns:
            raise AttributeError(f"{self!r} has no {name!r} (it has {', '.join(self)})")
        return dict(zip(self.amplifiers, self._columns[name].values, strict=True))

    def __iter__(self) -> Iterator[str]:
        """Give the names of the numbers."""
        return (name for name in self._columns if name != "amplifier")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self})

    def __repr__(self) -> str:
        return f"<{self.product.kind} of {self.product.detector_name}>"

    @property
    def _columns(self) -> Mapping[str, Column]:
        return self.product.tables.get("amplifiers", {})


def _table(columns: Mapping[str, Column]) -> Table:
    return Table([TableColumn(np.asarray(one.values), name=name, unit=one.unit or None) for name, one in columns.items()])


def product_of(tables: Tables) -> Product:
    """Give the product that tables are a view of."""
    return tables.product
