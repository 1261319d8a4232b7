"""The facts of an exposure and of an amplifier as FITS header cards, and back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from astropy.time import Time, TimeDelta

from latcal.errors import StoreError
from latcal.formats.keywords import read_text, written_text
from latcal.model.frames import Exposure, Frame, Setup
from latcal.model.geometry import Amplifier, Box, Detector
from latcal.model.numbering import day_and_number

Cards = Iterator[tuple[str, Any, str]]
"""Keywords, values and comments."""

_DAY = re.compile(r"[12][0-9]{7}")
_BINNING = re.compile(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,3})")
_BAY_AND_SLOT = re.compile(r"(R[0-9]{2})_(S[0-9A-Z]+)")
_TOLD = ("program", "reason", "note")


def primary_cards(frame: Frame) -> Cards:
    """Give what the primary header of a frame says beside what its camera says.

    The keywords are those of Rubin's raw files, where they have one; what is not known is left out.
    """
    return chain(_exposure(frame), _dates(frame.exposure), _setup(frame.exposure.setup), _detector(frame), _recipe(frame))


def _exposure(frame: Frame) -> Cards:
    exposure = frame.exposure
    day, number = day_and_number(exposure.id)
    yield "OBSID", written_text(exposure.obs_id), "observation"
    yield "EXPID", exposure.id, "exposure id: day x 100000 + number"
    if _DAY.fullmatch(str(day)):
        yield "DAYOBS", str(day), "observing day"
        yield "SEQNUM", number, "number on that day"
    yield "FILENAME", f"{written_text(exposure.obs_id)}_{_bay_and_slot(frame)}.fits", "name of the frame"
    yield "IMGTYPE", written_text(exposure.image.upper()), "image type"
    yield "TESTTYPE", written_text(exposure.image.upper()), "the same"
    yield "IMAGE", written_text(exposure.image), "image type, as the recipe has it"
    yield "EXPTIME", float(exposure.time_s), "[s] shutter open"
    yield "SHUTTIME", float(exposure.time_s), "[s] the same"
    yield "DARKTIME", float(exposure.dark_time_s), "[s] charge collected"


def _dates(exposure: Exposure) -> Cards:
    """Give the begin of an exposure and its end, when the frame was read out; both in TAI."""
    begin = exposure.begin.tai
    end = begin + TimeDelta(exposure.dark_time_s, format="sec")
    yield "TIMESYS", "TAI", "of every date here"
    first, last = ((_isot(instant), float(instant.mjd)) for instant in (begin, end))
    for suffix, (date, day), comment in (
        ("-OBS", first, "begin of the exposure"),
        ("-BEG", first, "begin of the exposure"),
        ("-END", last, "end of the exposure"),
        ("", last, "when it was read out"),
    ):
        yield f"DATE{suffix}", date, comment
        yield f"MJD{suffix}", day, "[d] the same"


def _isot(instant: Time) -> str:
    text = instant.copy(format="isot")
    text.precision = 9
    return str(text.value)


def _setup(setup: Setup) -> Cards:
    for word, value in (("FILTER", setup.filter), ("GRATING", setup.grating)):
        if value is not None:
            yield word, written_text(value), ""
    yield "BINNING", written_text(setup.binning), "columns x rows"
    binned = _BINNING.fullmatch(setup.binning)
    if binned:
        yield "BINX", int(binned[1]), "columns read as one"
        yield "BINY", int(binned[2]), "rows read as one"
    yield "MODE", written_text(setup.mode), ""


def _detector(frame: Frame) -> Cards:
    detector = frame.detector
    yield "DETECTOR", written_text(detector.name), ""
    yield "DETID", detector.id, ""
    yield "DETSER", written_text(detector.serial), "serial number"
    if detector.serial:
        yield "LSST_NUM", written_text(detector.serial), "the same"
    if detector.vendor:
        yield "CCD_MANU", written_text(detector.vendor), "vendor"
    yield "DETSIZE", _size(frame), "pixels of the detector"


def _recipe(frame: Frame) -> Cards:
    exposure = frame.exposure
    yield "SEQUENCE", written_text(exposure.sequence), "of the recipe"
    yield "DISCARD", exposure.discarded, "taken to be left aside"
    for word in _TOLD:
        if word in exposure.labels:
            yield word.upper(), written_text(exposure.labels[word]), ""
    yield "LABELS", json.dumps(dict(exposure.labels)), "JSON"


def place_cards(frame: Frame) -> Cards:
    """Give the bay and the slot of a detector of Rubin's, by its name; a camera that knows better overrides them."""
    named = _BAY_AND_SLOT.fullmatch(frame.detector.name)
    if named:
        yield "RAFTBAY", named[1], "bay of the raft"
        yield "CCDSLOT", named[2], "slot in the raft"


def _bay_and_slot(frame: Frame) -> str:
    """Give what follows the observation id in a file's name."""
    bay, slot = frame.header.get("RAFTBAY"), frame.header.get("CCDSLOT")
    return written_text(f"{bay}_{slot}" if bay and slot else frame.detector.name)


def _size(frame: Frame) -> str:
    ny, nx = frame.detector.shape
    return Box(0, ny, 0, nx).section


def image_cards(frame: Frame) -> Cards:
    """Give what the header of each image says, whatever amplifiers it holds."""
    binned = _BINNING.fullmatch(frame.exposure.setup.binning)
    yield "INHERIT", True, "the primary header holds here too"
    yield "DETSIZE", _size(frame), "pixels of the detector"
    if binned:
        yield "CCDSUM", f"{binned[1]} {binned[2]}", "columns and rows read as one"


def amplifier_cards(detector: Detector, amplifier: Amplifier) -> Cards:
    """Give what an image's header says of an amplifier: its sections and nominal figures.

    DETSEC follows the instrument file. In LATISS's own headers the ranges of rows of the upper and the lower
    amplifiers are exchanged, an error that is known (DM-36115).
    """
    corner = amplifier.raw
    yield "AMPNAME", written_text(amplifier.name), "amplifier"
    yield "CHANNEL", detector.amplifiers.index(amplifier) + 1, "its place among the amplifiers, from 1"
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
            image=read_text(header["IMAGE"]),
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
