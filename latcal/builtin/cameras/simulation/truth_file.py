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

    Images BIAS [electron], DARK [electron / s] and FLAT are trimmed, in the detector's orientation; the table
    AMPLIFIERS has gain [electron / adu], read noise [electron] and pedestal [adu]; HOT the hot pixels, y and x from
    zero, and their rates [electron / s] above the dark current.

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
    images = [
        _image("BIAS", truth.bias, "electron"),
        _image("DARK", truth.dark, "electron / s"),
        _image("FLAT", truth.flat, ""),
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fits.HDUList([primary, *images, _amplifiers(truth), _hot(truth)]).writeto(part, overwrite=True)
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
    ):
        columns.append(fits.Column(word, "D", unit=unit, array=np.array([values[name] for name in names])))
    return fits.BinTableHDU.from_columns(columns, name="AMPLIFIERS")


def _hot(truth: Truth) -> Any:
    from astropy.io import fits

    y, x = truth.hot_pixels.T
    columns = [
        fits.Column("y", "K", array=y),
        fits.Column("x", "K", array=x),
        fits.Column("rate", "D", unit="electron / s", array=truth.hot_rates),
    ]
    return fits.BinTableHDU.from_columns(columns, name="HOT")
