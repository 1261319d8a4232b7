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


def every(connection: sqlite3.Connection, collection: str, begin: str = "") -> list[ProductRef]:
    """Give all that a run built, if the collection is that of a run; or that whose file's name begins so."""
    run = run_of(collection)
    if not run:
        return []
    begin = f"products/{run}/{begin}"
    rows = connection.execute("SELECT ref FROM products WHERE path >= ? AND path < ?", (begin, f"{begin}~")).fetchall()
    mine = (records.from_text(row["ref"], ProductRef) for row in rows)
    return [ref for ref in mine if ref.run == run]


def built(
    connection: sqlite3.Connection, collection: str, kind: str, detector: int, fits: Callable[[Setup], bool]
) -> ProductRef | None:
    """Give the one product of a kind and a detector that a run built, if the collection is that of a run."""
    found = the_one_built(every(connection, collection, f"{kind}_{detector}"), kind, detector, fits)
    return None if found is None else evolve(found, collection=collection)
