"""FITS header values: which keywords are the format's own, and text that FITS cannot hold."""

from __future__ import annotations

import math
import re
from typing import Any

from latcal.errors import StoreError

_STRUCTURE = frozenset({
    "SIMPLE", "XTENSION", "BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "EXTEND", "PCOUNT", "GCOUNT", "BSCALE", "BZERO", "BLANK",
    "CHECKSUM", "DATASUM", "EXTNAME", "EXTVER", "TFIELDS", "COMMENT", "HISTORY", "END", "",
})
_EXPOSURE = frozenset({
    "OBSID", "EXPID", "IMGTYPE", "EXPTIME", "DARKTIME", "TIMESYS", "DATE-BEG", "MJD-BEG", "FILTER", "GRATING", "BINNING",
    "MODE", "DETECTOR", "DETID", "DETSER", "SEQUENCE", "DISCARD", "LABELS",
})
_AMPLIFIER = frozenset({
    "AMPNAME", "BUNIT", "DATASEC", "BIASSEC", "PBIASSEC", "DETSEC", "GAIN", "RDNOISE", "SATURATE",
})
OWN = _STRUCTURE | _EXPOSURE | _AMPLIFIER
"""Keywords that latcal writes itself, from facts; a camera's own header does not override them."""

_ROOM = 60  # characters of a card for value and comment; FITS has 80 for both, the keyword and what parts them
_STANDARD = re.compile(r"[A-Z0-9_-]{1,8}")


def written_text(text: str) -> str:
    """Write text in what FITS can hold: printable ASCII without blanks at the end."""
    escaped = text.encode("unicode_escape").decode("ascii")
    return f"{escaped[:-1]}\\x20" if escaped.endswith(" ") else escaped


def read_text(written: str) -> str:
    """Read what `written_text` wrote.

    Raises
    ------
    ValueError
        If it cannot be.
    """
    return written.encode("ascii").decode("unicode_escape")


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
