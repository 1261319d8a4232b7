"""Which products belong to one exposure, in the index: in the order in which they were put."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from latcal.formats import records
from latcal.plugin import ProductRef

if TYPE_CHECKING:  # sqlite3 is imported when an index is opened
    import sqlite3


def enter(connection: sqlite3.Connection, ref: ProductRef, exposures: Iterable[int]) -> None:
    """Enter a product that was just put, for the exposures to which it belongs."""
    for exposure in exposures:
        row = (exposure, ref.kind, ref.detector, ref.id)
        connection.execute("INSERT INTO exposures (exposure, kind, detector, product) VALUES (?, ?, ?, ?)", row)


def newest(connection: sqlite3.Connection, kind: str, detector: int, exposure: int) -> ProductRef | None:
    """Give the product of a kind that was put last for an exposure; None if there is none."""
    row = connection.execute(
        "SELECT ref FROM exposures JOIN products ON products.id = exposures.product"
        " WHERE exposure = ? AND kind = ? AND detector = ? ORDER BY number DESC LIMIT 1",
        (exposure, kind, detector),
    ).fetchone()
    return None if row is None else records.from_text(row["ref"], ProductRef)
