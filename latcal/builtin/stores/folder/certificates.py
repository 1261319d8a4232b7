"""What is certified, in the index: ranges as texts that sort as their instants do."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from attrs import evolve

from latcal.formats import records
from latcal.plugin import Certification, ProductRef, Setup, StoreError, ValidityRange, instant, stamp
from latcal.plugin.lookup import overlap, setup_text

if TYPE_CHECKING:  # sqlite3 is imported when an index is opened
    import sqlite3

EVER, EVER_AFTER = "", "~"  # sort before and after every instant
_COLUMNS = "collection, begins, ends, certified, unverified, ref"
_JOINED = f"SELECT {_COLUMNS} FROM certificates JOIN products ON products.id = certificates.product"  # noqa: S608 - constants


def bounds(valid: ValidityRange) -> tuple[str, str]:
    """Give the ends of a range as texts."""
    begins = EVER if valid.begin is None else stamp(valid.begin)
    return begins, EVER_AFTER if valid.end is None else stamp(valid.end)


def valid_at(
    connection: sqlite3.Connection, kind: str, detector: int, setup: str, at: str, collection: str
) -> ProductRef | None:
    """Give what is valid at an instant.

    Ranges do not overlap: only the last one that begins by then can hold it, so the index finds it in one step.

    Parameters
    ----------
    setup, at : str
        As the index has them: of `setup_text`, and the `stamp` of the instant.
    """
    row = connection.execute(
        f"{_JOINED} WHERE collection = ? AND kind = ? AND detector = ? AND setup = ? AND begins <= ?"
        " ORDER BY begins DESC LIMIT 1",
        (collection, kind, detector, setup, at),
    ).fetchone()
    return _ref(row) if row is not None and at < row["ends"] else None


def all_valid_at(
    connection: sqlite3.Connection, kind: str, detector: int, at: str, collection: str
) -> list[ProductRef]:
    """Give what is valid at an instant, of every setup."""
    setups = connection.execute(
        "SELECT DISTINCT setup FROM certificates WHERE collection = ? AND kind = ? AND detector = ?",
        (collection, kind, detector),
    ).fetchall()
    found = (valid_at(connection, kind, detector, row["setup"], at, collection) for row in setups)
    return [one for one in found if one is not None]


def taken(
    connection: sqlite3.Connection, kind: str, detector: int, setup: Setup, collection: str, valid: ValidityRange
) -> ValidityRange | None:
    """Give a range that overlaps another: the last one that begins before its end, if that has not ended."""
    begins, ends = bounds(valid)
    row = connection.execute(
        "SELECT begins, ends FROM certificates WHERE collection = ? AND kind = ? AND detector = ? AND setup = ?"
        " AND begins < ? ORDER BY begins DESC LIMIT 1",
        (collection, kind, detector, setup_text(setup), ends),
    ).fetchone()
    return _range(row["begins"], row["ends"]) if row is not None and begins < row["ends"] else None


def enter(
    connection: sqlite3.Connection, refs: Iterable[ProductRef], collection: str, valid: ValidityRange, words: tuple[str, str]
) -> None:
    """Enter products; the caller's transaction makes it all or none.

    Parameters
    ----------
    words : tuple of str
        When it was certified; who waived the verification and why.

    Raises
    ------
    ValidityOverlap, StoreError
        If something is valid then, or a product is not in the store.
    """
    for asked in refs:
        row = connection.execute("SELECT ref FROM products WHERE id = ?", (asked.id,)).fetchone()
        if row is None:
            raise StoreError(f"{asked} is not in the store")
        ref = records.from_text(row["ref"], ProductRef)
        other = taken(connection, ref.kind, ref.detector, ref.setup, collection, valid)
        if other is not None:
            raise overlap(ref, collection, other)
        connection.execute(
            "INSERT INTO certificates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (collection, ref.kind, ref.detector, setup_text(ref.setup), *bounds(valid), ref.id, *words),
        )


def listed(connection: sqlite3.Connection, kind: str | None, collection: str | None) -> Iterator[Certification]:
    """Give what is certified, in the order of `latcal.plugin.lookup.order`."""
    rows = connection.execute(
        f"{_JOINED} WHERE (?1 IS NULL OR kind = ?1) AND (?2 IS NULL OR collection = ?2)"
        " ORDER BY collection, kind, detector, setup, begins",
        (kind, collection),
    )
    ranges = functools.cache(_range)  # of a night there are as many as detectors, and reading instants takes its time
    for row in rows:
        yield _certification(row, ranges(row["begins"], row["ends"]))


def _certification(row: sqlite3.Row, valid: ValidityRange) -> Certification:
    return Certification(_ref(row), row["collection"], valid, row["certified"], row["unverified"])


def _ref(row: sqlite3.Row) -> ProductRef:
    return evolve(records.from_text(row["ref"], ProductRef), collection=row["collection"])


def _range(begins: str, ends: str) -> ValidityRange:
    return ValidityRange(None if begins == EVER else instant(begins), None if ends == EVER_AFTER else instant(ends))
