"""Sections in headers, against those of the instrument file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from latcal.plugin import Amplifier, Box, Detector

Header = Mapping[str, Any]


def disagreements(headers: tuple[Header, ...], detector: Detector) -> Iterator[str]:
    """Say where DATASEC, TRIMSEC or BIASSEC of a frame are not what the instrument file has.

    Only an image of a single amplifier is compared: there the keywords can mean but one thing. TRIMSEC counts where
    there is no DATASEC. BIASSEC may be the serial or the parallel overscan.
    """
    for amplifier in detector.amplifiers:
        if sum(other.extension == amplifier.extension for other in detector.amplifiers) == 1:
            header = _header(headers, amplifier.extension)
            yield from _of_data(header, amplifier)
            yield from _of_overscan(header, amplifier)


def _of_data(header: Header, amplifier: Amplifier) -> Iterator[str]:
    keyword = "DATASEC" if "DATASEC" in header else "TRIMSEC"
    wanted = _placed(amplifier.data, amplifier).section
    if keyword in header and _tidy(header[keyword]) != wanted:
        yield f"{keyword} {header[keyword]!r} of {amplifier.name} is not the data section {wanted!r} of the instrument"


def _of_overscan(header: Header, amplifier: Amplifier) -> Iterator[str]:
    boxes = [box for box in (amplifier.serial_overscan, amplifier.parallel_overscan) if box is not None]
    wanted = [_placed(box, amplifier).section for box in boxes]
    if "BIASSEC" in header and _tidy(header["BIASSEC"]) not in wanted:
        known = " or ".join(repr(section) for section in wanted) or "none"
        yield f"BIASSEC {header['BIASSEC']!r} of {amplifier.name} is not an overscan of the instrument ({known})"


def _placed(box: Box, amplifier: Amplifier) -> Box:
    """Count a box from the corner of the image, as headers do."""
    y, x = amplifier.raw.y0, amplifier.raw.x0
    return Box(box.y0 + y, box.y1 + y, box.x0 + x, box.x1 + x)


def _tidy(section: Any) -> str:
    return "".join(str(section).split())


def _header(headers: tuple[Header, ...], extension: str | int) -> Header:
    if isinstance(extension, int):
        return headers[extension]
    return next(one for one in headers if str(one.get("EXTNAME", "")).strip().upper() == extension.upper())
