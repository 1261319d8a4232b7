"""The facts of an exposure and of an amplifier as FITS header cards, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from astropy.time import Time

from latcal.errors import StoreError
from latcal.formats.keywords import read_text, written_text
from latcal.model.frames import Exposure, Frame, Setup
from latcal.model.geometry import Amplifier, Box


def exposure_cards(frame: Frame) -> Iterator[tuple[str, Any, str]]:
    """Give keyword, value and comment of every fact of an exposure."""
    exposure, setup = frame.exposure, frame.exposure.setup
    yield "OBSID", written_text(exposure.obs_id), "observation"
    yield "EXPID", exposure.id, "exposure id: day x 100000 + number"
    yield "IMGTYPE", written_text(exposure.image), "image type"
    yield "EXPTIME", float(exposure.time_s), "[s] shutter open"
    yield "DARKTIME", float(exposure.dark_time_s), "[s] charge collected"
    yield "TIMESYS", "TAI", "of every date here"
    tai = exposure.begin.tai.copy(format="isot")
    tai.precision = 9
    yield "DATE-BEG", str(tai.value), "begin of the exposure"
    yield "MJD-BEG", float(exposure.begin.tai.mjd), "[d] the same"
    for word, value in (("FILTER", setup.filter), ("GRATING", setup.grating)):
        if value is not None:
            yield word, written_text(value), ""
    yield "BINNING", written_text(setup.binning), "columns x rows"
    yield "MODE", written_text(setup.mode), ""
    yield "DETECTOR", written_text(frame.detector.name), ""
    yield "DETID", frame.detector.id, ""
    yield "DETSER", written_text(frame.detector.serial), "serial number"
    yield "SEQUENCE", written_text(exposure.sequence), "of the recipe"
    yield "DISCARD", exposure.discarded, "taken to be left aside"
    yield "LABELS", json.dumps(dict(exposure.labels)), "JSON"


def amplifier_cards(amplifier: Amplifier) -> Iterator[tuple[str, Any, str]]:
    """Give keyword, value and comment of an amplifier's sections and nominal figures."""
    corner = amplifier.raw
    yield "AMPNAME", written_text(amplifier.name), "amplifier"
    yield "BUNIT", "adu", ""
    yield "DATASEC", _placed(amplifier.data, corner).section, "data"
    if amplifier.serial_overscan is not None:
        yield "BIASSEC", _placed(amplifier.serial_overscan, corner).section, "serial overscan"
    if amplifier.parallel_overscan is not None:
        yield "PBIASSEC", _placed(amplifier.parallel_overscan, corner).section, "parallel overscan"
    yield "DETSEC", _flipped_section(amplifier), "where the data lie on the detector"
    yield "GAIN", float(amplifier.gain), "[electron/adu] nominal"
    yield "RDNOISE", float(amplifier.read_noise), "[electron] nominal"
    yield "SATURATE", float(amplifier.saturation), "[adu] above the pedestal"


def _placed(box: Box, corner: Box) -> Box:
    return Box(corner.y0 + box.y0, corner.y0 + box.y1, corner.x0 + box.x0, corner.x0 + box.x1)


def _flipped_section(amplifier: Amplifier) -> str:
    box = amplifier.position
    x = (box.x1, box.x0 + 1) if amplifier.flip_x else (box.x0 + 1, box.x1)
    y = (box.y1, box.y0 + 1) if amplifier.flip_y else (box.y0 + 1, box.y1)
    return f"[{x[0]}:{x[1]},{y[0]}:{y[1]}]"


def exposure_of(header: Mapping[str, Any]) -> Exposure:
    """Read the facts of an exposure from the primary header of a file that `write_raw` wrote.

    Returns
    -------
    Exposure
        Its begin to the nanosecond.

    Raises
    ------
    StoreError
        If a keyword is missing or is not what `write_raw` writes.
    """
    if header.get("TIMESYS") != "TAI":
        raise StoreError(f"TIMESYS {header.get('TIMESYS')!r} is not 'TAI' (it is not of a raw frame that latcal wrote)")
    try:
        return Exposure(
            id=int(header["EXPID"]),
            obs_id=read_text(header["OBSID"]),
            image=read_text(header["IMGTYPE"]),
            time_s=float(header["EXPTIME"]),
            dark_time_s=float(header["DARKTIME"]),
            begin=Time(header["DATE-BEG"], format="isot", scale="tai"),
            setup=_setup_of(header),
            sequence=read_text(header["SEQUENCE"]),
            discarded=bool(header["DISCARD"]),
            labels=json.loads(header["LABELS"]),
        )
    except KeyError as error:
        raise StoreError(f"the header has no {error.args[0]} (it is not of a raw frame that latcal wrote)") from error
    except (ValueError, TypeError) as error:
        raise StoreError(f"the header is not of a raw frame that latcal wrote ({error})") from error


def _setup_of(header: Mapping[str, Any]) -> Setup:
    filter_, grating = header.get("FILTER"), header.get("GRATING")
    return Setup(
        None if filter_ is None else read_text(filter_),
        None if grating is None else read_text(grating),
        read_text(header["BINNING"]),
        read_text(header["MODE"]),
    )
