"""What is made: planes and tables, their name in a store, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from astropy.time import Time
from attrs import field, frozen
from numpy.typing import NDArray

from latcal.model.frames import Plane, Setup

MASK_PLANES: Mapping[str, int] = {"NO_DATA": 0, "SATURATED": 1, "REJECTED": 2, "BAD": 3}
"""Bit of each named mask plane: no good input, saturated in an input, an input rejected, a defect."""


@frozen
class ProductRef:
    """The name of one product in a store, with what a plan must know of it.

    Parameters
    ----------
    id : str
        Unique for ever: never given to another product.
    digest : str
        SHA-256 of its planes and tables.
    run : str
        The run that made it.
    frames : int
        How many exposures went into it.
    pins : mapping of str to str
        Id of each product that it must be used with, by kind: a dark pins its bias.
    collection : str
        Where it was found; empty for one that was not looked up.
    """

    id: str
    kind: str
    detector: int
    setup: Setup
    digest: str
    run: str
    frames: int = 0
    pins: Mapping[str, str] = field(factory=dict)
    preparation: str = ""
    exposure: int | None = None
    collection: str = field(default="", eq=False)

    def __str__(self) -> str:
        setup = f" {self.setup}" if str(self.setup) else ""
        return f"{self.kind} of detector {self.detector}{setup} {self.id[:12]}"


@frozen
class Provenance:
    """Where a product comes from: enough to make it again.

    Parameters
    ----------
    exposures : mapping of int to str
        Exposure id to the checksum of its raw frame.
    inputs : tuple of ProductRef
        Products that went into it.
    options : mapping
        Every option of its calibration type, defaults included, as plain data.
    versions : mapping of str to str
        Distribution to version.
    unverified : str
        Who waived the verification and why; empty when it was judged.
    """

    run: str
    recipe: str
    recipe_digest: str
    recipe_text: str
    settings: tuple[str, ...]
    exposures: Mapping[int, str]
    inputs: tuple[ProductRef, ...]
    options: Mapping[str, Any]
    versions: Mapping[str, str]
    created: Time = field(eq=lambda time: (time.tai.jd1, time.tai.jd2))
    unverified: str = ""


@frozen
class Column:
    """One column of a table, with its unit (astropy's spelling; empty for none).

    Parameters
    ----------
    values : tuple
        Texts, truth values or numbers; or tuples of numbers or of truth values, all of one length (vector cells).
    """

    values: tuple[Any, ...]
    unit: str = ""


@frozen(eq=False)
class Product:
    """Planes and tables for a detector, or for a detector and an exposure.

    Parameters
    ----------
    unit : str
        Of the image plane; the variance has its square.
    planes : mapping of str to array
        ``image`` and ``variance`` (ny, nx) float32 in the detector's trimmed frame, ``mask`` (ny, nx) uint8 with
        the bits of `MASK_PLANES`, ``kept`` (ny, nx) uint16; or none, for a product of tables.
    tables : mapping of str to mapping of str to Column
        ``amplifiers`` has one row per amplifier, its first column being ``amplifier``.
    pins : mapping of str to str
        As in `ProductRef`.
    """

    kind: str
    detector: int
    detector_name: str
    setup: Setup
    unit: str
    planes: Mapping[str, NDArray[Any]]
    tables: Mapping[str, Mapping[str, Column]]
    provenance: Provenance
    pins: Mapping[str, str] = field(factory=dict)
    preparation: str = ""
    exposure: int | None = None

    def facts(self, amplifier: str) -> Mapping[str, float]:
        """Give the single numbers of one amplifier's row in the ``amplifiers`` table; texts and vectors are left out."""
        table = self.tables.get("amplifiers", {})
        if "amplifier" not in table:
            return {}
        row = table["amplifier"].values.index(amplifier)
        cells = {name: column.values[row] for name, column in table.items()}
        return {name: float(cell) for name, cell in cells.items() if isinstance(cell, Real | np.bool_)}


NOWHERE = Plane("", 0, (0, 0))
"""The plane of a product that has none."""


@frozen
class AmplifierProduct:
    """One amplifier of a product that is needed: picklable, without pixels.

    Parameters
    ----------
    image, variance : Plane
        float32; NaN in the image where the product has no data.
    facts : mapping of str to float
        The amplifier's row of the product's table.
    detector_facts : mapping of str to float
        Mean of each fact over the detector's amplifiers.
    mask : Plane
        uint8, with the bits of `MASK_PLANES`; empty where the product has no mask.
    more : mapping of str to Plane
        Planes of other names than ``image``, ``variance``, ``mask`` and ``kept``, if they are of the detector's shape.
    """

    ref: ProductRef
    unit: str
    image: Plane
    variance: Plane
    facts: Mapping[str, float]
    detector_facts: Mapping[str, float]
    mask: Plane = NOWHERE
    more: Mapping[str, Plane] = field(factory=dict)

    @property
    def reader(self) -> Any:
        """The function that reads rows of the image."""
        return self.image.read
