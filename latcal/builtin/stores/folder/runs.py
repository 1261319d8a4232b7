"""What a run built, in the index: the products in its folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import evolve

from latcal.formats import records
from latcal.plugin import ProductRef, Setup
from latcal.plugin.lookup import run_of, the_one_built

if TYPE_CHECKING:  # sqlite3 is imported when an index is opened
    import sqlite3


def built(
    connection: sqlite3.Connection, collection: str, kind: str, detector: int, fits: Callable[[Setup], bool]
) -> ProductRef | None:
    """Give the product that a run built, if the collection is that of a run and it built one."""
    run = run_of(collection)
    if not run:
        return None
    begin = f"products/{run}/{kind}_{detector}"
    rows = connection.execute("SELECT ref FROM products WHERE path >= ? AND path < ?", (begin, f"{begin}~")).fetchall()
    mine = (records.from_text(row["ref"], ProductRef) for row in rows)
    found = the_one_built((ref for ref in mine if ref.run == run), kind, detector, fits)
    return None if found is None else evolve(found, collection=collection)
