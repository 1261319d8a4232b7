"""What a product's file says of itself, without its pixels: the reference that it has in a store."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latcal.formats import records
from latcal.plugin import ProductRef, Setup, StoreError

from latcal_butler.naming import run_behind

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef


def reference_of(butler: Butler, dataset: DatasetRef) -> ProductRef:
    """Give latcal's reference of a dataset that is a product; its id is that of the dataset.

    Raises
    ------
    StoreError
        If its file is gone or damaged, or is no product.
    """
    with local_file(butler, dataset) as path:
        digest, facts = _read(path)
    return ProductRef(
        id=dataset.id.hex,
        kind=facts["kind"],
        detector=facts["detector"],
        setup=records.from_plain(facts["setup"], Setup),
        digest=digest,
        run=run_behind(dataset.run),
        frames=len(facts["provenance"]["exposures"]),
        pins=facts["pins"],
        preparation=facts["preparation"],
        exposure=facts["exposure"],
    )


def in_pair_with(butler: Butler, dataset: DatasetRef, exposure: int) -> bool:
    """Tell whether a product of another exposure belongs to this one too: the second of its pair.

    Raises
    ------
    StoreError
        As `reference_of` does.
    """
    with local_file(butler, dataset) as path:
        facts = _read(path)[1]
    return exposure in map(int, facts["provenance"]["exposures"])


def local_file(butler: Butler, dataset: DatasetRef) -> LocalFile:
    """Give the file of a dataset, fetched if it is elsewhere: a context."""
    return LocalFile(butler.getURI(dataset))


class LocalFile:
    """A file of a datastore as one of this machine, as long as the context lasts."""

    def __init__(self, uri: Any) -> None:
        self._context = uri.as_local()

    def __enter__(self) -> Path:
        return Path(self._context.__enter__().ospath)

    def __exit__(self, *exc: object) -> None:
        self._context.__exit__(*exc)


def _read(path: Path) -> tuple[str, dict[str, Any]]:
    from astropy.io import fits

    try:
        with fits.open(path, memmap=False) as hdus:
            return str(hdus[0].header["DATADIG"]), json.loads(str(hdus[-1].data["json"][0]))
    except FileNotFoundError:
        raise
    except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
        raise StoreError(f"{path} is damaged: it cannot be read as a product ({error})") from error
