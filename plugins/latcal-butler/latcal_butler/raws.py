"""Raw frames as the Butler gives them: headers and images, in memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from latcal.errors import StoreError
from latcal.formats.raw import checksum
from latcal.plugin import Amplifier, Detector, Exposure, Frame
from numpy.typing import NDArray


@frozen
class InMemoryPixels:
    """Gives amplifiers of images that are in memory."""

    images: Mapping[str | int, NDArray[Any]]

    def __call__(self, amplifier: Amplifier) -> NDArray[Any]:
        """Give the raw image of one amplifier, (ny, nx) of its raw box [adu]."""
        image = self.images.get(amplifier.extension)
        if image is None or image.shape[0] < amplifier.raw.y1 or image.shape[1] < amplifier.raw.x1:
            raise StoreError(f"amplifier {amplifier.name} is not in the raw frame (is it one of another instrument?)")
        return image[amplifier.raw.slices]


@frozen(eq=False)
class RawFrame:
    """One exposure of one detector, as read out.

    Parameters
    ----------
    header : mapping
        Of the primary HDU.
    images : mapping of str or int to array
        By name of the extension and by its index from zero, (ny, nx) [adu], overscans included.
    checksum : str
        SHA-256 of the file.
    """

    header: Mapping[str, Any]
    images: Mapping[str | int, NDArray[Any]]
    checksum: str = ""

    def frame(self, exposure: Exposure, detector: Detector) -> Frame:
        """Give latcal's frame of it."""
        return Frame(exposure, detector, InMemoryPixels(self.images), self.header, checksum=self.checksum)


def read_frame(path: Path) -> RawFrame:
    """Read a raw frame: headers and all images.

    Raises
    ------
    StoreError
        If it cannot be read.
    """
    from astropy.io import fits

    images: dict[str | int, NDArray[Any]] = {}
    try:
        with fits.open(path, memmap=False) as hdus:
            header = dict(hdus[0].header)
            for index, hdu in enumerate(hdus):
                if isinstance(hdu.data, np.ndarray) and hdu.is_image:
                    images[index] = np.asarray(hdu.data)
                    if hdu.name:
                        images.setdefault(hdu.name, images[index])
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(f"{path} cannot be read as a raw frame ({error})") from error
    return RawFrame(header, images, checksum(path))
