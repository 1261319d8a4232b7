"""FITS header values: which keywords are the format's own, and text that FITS cannot hold."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from latcal.errors import StoreError

_STRUCTURE = frozenset({
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND", "PCOUNT", "GCOUNT", "BSCALE", "BZERO", "BLANK",
    "CHECKSUM", "DATASUM", "EXTNAME", "EXTVER", "TFIELDS", "COMMENT", "HISTORY", "END", "CONTINUE", "INHERIT", "",
})
_EXPOSURE = frozenset({
    "OBSID", "EXPID", "DAYOBS", "SEQNUM", "IMGTYPE", "TESTTYPE", "IMAGE", "EXPTIME", "SHUTTIME", "DARKTIME", "TIMESYS",
    "DATE", "DATE-OBS", "DATE-BEG", "DATE-END", "MJD", "MJD-OBS", "MJD-BEG", "MJD-END", "FILTER", "GRATING", "BINNING",
    "BINX", "BINY", "MODE", "DETECTOR", "DETID", "DETSER", "LSST_NUM", "CCD_MANU", "DETSIZE", "FILENAME", "SEQUENCE",
    "DISCARD", "LABELS", "PROGRAM", "REASON", "NOTE",
})
_AMPLIFIER = frozenset({
    "AMPNAME", "CHANNEL", "BUNIT", "CCDSUM", "DATASEC", "BIASSEC", "PBIASSEC", "DETSEC", "GAIN", "RDNOISE", "SATURATE",
})
OWN = _STRUCTURE | _EXPOSURE | _AMPLIFIER
"""Keywords that latcal writes itself, from facts; a camera's own header does not override them."""

_ROOM = 60  # characters of a card for value and comment; FITS has 80 for both, the keyword and what parts them
_STANDARD = re.compile(r"[A-Z0-9_-]{1,8}")


def is_own(keyword: str) -> bool:
    """Say whether latcal, or FITS, may write a keyword in capitals: of `OWN`, or one of an amplifier with its number."""
    stem = keyword.rstrip("0123456789")
    digits = len(keyword) - len(stem)
    numbered = _AMPLIFIER | {"NAXIS", "ZNAXIS"}
    return keyword in OWN | {"ZIMAGE", "HIERARCH"} or (
        digits > 0 and stem in {word[: 8 - digits] for word in numbered}
    )


def written_text(text: str) -> str:
    """Write text in what FITS can hold: printable ASCII with neither a blank nor ``&``, which continues, at the end."""
    escaped = text.encode("unicode_escape").decode("ascii")
    return f"{escaped[:-1]}\\x{ord(escaped[-1]):02x}" if escaped.endswith((" ", "&")) else escaped


def read_text(written: str) -> str:
    """Read what `written_text` wrote.

    Raises
    ------
    ValueError
        If it cannot be.
    """
    return written.encode("ascii").decode("unicode_escape")


def put_cards(header: Any, cards: Iterable[tuple[str, Any, str]]) -> None:
    """Put keywords, values and comments in a header, in order; a keyword that is there gets the new value.

    Raises
    ------
    StoreError
        If FITS can hold one in no way.
    """
    for keyword, value, comment in cards:
        put_card(header, keyword, value, comment)


def put_card(header: Any, keyword: str, value: Any, comment: str = "") -> None:
    """Put a value in a header; what FITS has no number for is text.

    Raises
    ------
    StoreError
        If FITS can hold it in no way.
    """
    if isinstance(value, str):
        value = value if value.isascii() and value.isprintable() else written_text(value)
    elif isinstance(value, float) and not math.isfinite(value):
        value = str(value)
    word = keyword.upper()
    if len(str(value)) + len(comment) > _ROOM:
        comment = ""
    try:
        header[word if _STANDARD.fullmatch(word) else f"HIERARCH {word}"] = (value, comment) if comment else value
    except (ValueError, TypeError) as error:
        raise StoreError(f"the header value {keyword} = {value!r} is not one that FITS can hold ({error})") from error
