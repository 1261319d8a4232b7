"""How datasets of ours are written and read: each is named in the repository, so that every Butler client finds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from latcal.formats.products import read_product, write_product
from latcal.formats.raw import write_raw
from latcal.plugin import Frame, Product
from lsst.daf.butler import FormatterV2

from latcal_butler.images import image_of
from latcal_butler.raws import read_frame
from latcal_butler.tables import Tables

if TYPE_CHECKING:
    from lsst.resources import ResourcePath

LARGE_FRAME = 1_000_000
"""Pixels from which raw frames are compressed, as in the folder store: astropy takes 5 ms for each compressed extension."""


class ProductFormatter(FormatterV2):
    """Products as FITS: image, mask and variance, then what else a product has, its tables and its provenance.

    What is read is of the class that is asked for: a `Product`, or what people want of it.
    """

    default_extension: ClassVar[str | None] = ".fits"
    can_read_from_local_file: ClassVar[bool] = True

    _views: ClassVar[dict[str, Callable[[Product], Any]]] = {"CCDData": image_of, "Tables": Tables}

    def can_accept(self, in_memory_dataset: Any) -> bool:
        """Tell that a product is written as it is."""
        return isinstance(in_memory_dataset, Product)

    def read_from_local_file(self, path: str, component: str | None = None, expected_size: int = -1) -> Any:
        """Read a product; give what is wanted of it."""
        del component, expected_size
        product = read_product(Path(path))
        wanted = self.file_descriptor.readStorageClass.pytype.__name__
        view = self._views.get(wanted)
        return product if view is None else view(product)

    def write_local_file(self, in_memory_dataset: Any, uri: ResourcePath) -> None:
        """Write a product."""
        write_product(in_memory_dataset, Path(uri.ospath))


class RawFormatter(FormatterV2):
    """Raw frames as FITS, one image for each amplifier, as the camera wrote them."""

    default_extension: ClassVar[str | None] = ".fits"
    supported_extensions: ClassVar[frozenset[str]] = frozenset({".fits", ".fits.fz", ".fits.gz", ".fit", ".fts"})
    can_read_from_local_file: ClassVar[bool] = True

    def can_accept(self, in_memory_dataset: Any) -> bool:
        """Tell that a frame is written as it is."""
        return isinstance(in_memory_dataset, Frame)

    def read_from_local_file(self, path: str, component: str | None = None, expected_size: int = -1) -> Any:
        """Read headers and images."""
        del component, expected_size
        return read_frame(Path(path))

    def write_local_file(self, in_memory_dataset: Any, uri: ResourcePath) -> None:
        """Write a frame; compressed, if it is large."""
        large = in_memory_dataset.detector.raw_pixels >= LARGE_FRAME
        write_raw(in_memory_dataset, Path(uri.ospath), compress=large)


class FileFormatter(FormatterV2):
    """Any file, as bytes; its name ends with the last word of the dataset type."""

    can_read_from_uri: ClassVar[bool] = True

    def get_write_extension(self) -> str:
        """Give the end of the file's name: that of the file which was attached."""
        return f".{self.dataset_ref.datasetType.name.rpartition('_')[2]}"

    def read_from_uri(self, uri: ResourcePath, component: str | None = None, expected_size: int = -1) -> bytes:
        """Read all of it."""
        del component, expected_size
        return uri.read()

    def to_bytes(self, in_memory_dataset: bytes) -> bytes:
        """Give the bytes themselves."""
        return in_memory_dataset
