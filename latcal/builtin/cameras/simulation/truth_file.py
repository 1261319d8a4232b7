"""What is true of a simulated detector, written beside the run."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from latcal.builtin.cameras.simulation.truth import Truth
from latcal.plugin import CameraError


def write_truth(truth: Truth, folder: Path, seed: int) -> Path:
    """Write the truth of a detector as FITS, complete or not at all.

    Images BIAS [electron], DARK [electron / s] and FLAT are trimmed, in the detector's orientation; CROSSTALK has a row
    for each amplifier that sees, a column for each that is seen. The table AMPLIFIERS has gain [electron / adu], read
    noise and settling charge [electron] and pedestal [adu]; HOT the hot pixels, y and x from zero, and their rates
    [electron / s] above the dark current; COLUMNS the bad columns, rows from y0 up to y1, itself excluded; TELEGRAPH the
    pixels that jump, by how much [electron], and in what part of the exposures. A00 is in the header [1 / electron].

    Raises
    ------
    CameraError
        If it cannot be written.
    """
    from astropy.io import fits

    detector = truth.detector
    path = folder / f"truth_{detector.name}.fits"
    part = path.with_suffix(f".{os.getpid()}.part")
    primary = fits.PrimaryHDU()
    primary.header["DETECTOR"] = (detector.id, detector.name)
    primary.header["SIMSEED"] = (seed, "seed of the simulated sensor")
    primary.header["A00"] = (truth.a00, "[1/electron] brighter-fatter coefficient")
    images = [
        _image("BIAS", truth.bias, "electron"),
        _image("DARK", truth.dark, "electron / s"),
        _image("FLAT", truth.flat, ""),
        _image("CROSSTALK", truth.crosstalk, ""),
    ]
    tables = [_amplifiers(truth), _hot(truth), _columns(truth), _telegraph(truth)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fits.HDUList([primary, *images, *tables]).writeto(part, overwrite=True)
        part.replace(path)
    except OSError as error:
        raise CameraError(f"{path}: the truth of the sensor cannot be written: {error.strerror or error}") from error
    return path


def _image(name: str, pixels: Any, unit: str) -> Any:
    from astropy.io import fits

    hdu = fits.ImageHDU(pixels, name=name)
    if unit:
        hdu.header["BUNIT"] = unit
    return hdu


def _amplifiers(truth: Truth) -> Any:
    from astropy.io import fits

    names = [amplifier.name for amplifier in truth.detector.amplifiers]
    columns = [fits.Column("amplifier", f"{max(map(len, names))}A", array=np.array(names))]
    for word, values, unit in (
        ("gain", truth.gain, "electron / adu"),
        ("read_noise", truth.read_noise, "electron"),
        ("pedestal", truth.pedestal, "adu"),
        ("settling", truth.settling, "electron"),
    ):
        columns.append(fits.Column(word, "D", unit=unit, array=np.array([values[name] for name in names])))
    return fits.BinTableHDU.from_columns(columns, name="AMPLIFIERS")


def _hot(truth: Truth) -> Any:
    y, x = truth.hot_pixels.T
    return _table("HOT", ("y", "K", "", y), ("x", "K", "", x), ("rate", "D", "electron / s", truth.hot_rates))


def _columns(truth: Truth) -> Any:
    rows = truth.bad_columns
    return _table(
        "COLUMNS",
        *((word, "K", "", [getattr(row, word) for row in rows]) for word in ("x", "y0", "y1")),
        ("rate", "D", "electron / s", [row.rate for row in rows]),
        ("response", "D", "", [row.response for row in rows]),
    )


def _telegraph(truth: Truth) -> Any:
    y, x = truth.telegraph.pixels.T
    heights, duties = truth.telegraph.heights, truth.telegraph.duties
    return _table(
        "TELEGRAPH", ("y", "K", "", y), ("x", "K", "", x), ("height", "D", "electron", heights), ("duty", "D", "", duties)
    )


def _table(name: str, *columns: tuple[str, str, str, Any]) -> Any:
    """Give a table of columns: name, format, unit and values."""
    from astropy.io import fits

    made = [fits.Column(word, kind, unit=unit, array=np.asarray(values)) for word, kind, unit, values in columns]
    return fits.BinTableHDU.from_columns(made, name=name)
